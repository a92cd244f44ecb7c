//! Markdown: tables get columns of equal width, lists one kind of bullet, one space behind it and numbers that count, and empty lines
//! are one. What is rendered stays the same: code, HTML, quotes and front matter are left as they are.

mod lines;
mod list;
mod table;

use lines::{Fence, dedent_at_most, html_end, indent, is_blank, is_heading, is_rule, is_underline, rest_of_html};
use list::{Written, begins_block};

use crate::style::Style;

/// Deepest lists in lists that are looked at.
const MAX_DEPTH: usize = 20;

/// The text in order; none where something in it would be read as something else then.
pub(crate) fn format(text: &str, style: &Style) -> Option<String> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let front = front_matter(&lines);
    if front == 0 && lines.first().is_some_and(|line| line.trim_end() == "---") {
        // A rule at the beginning could become the first line of front matter.
        return None;
    }
    let mut out: Vec<String> = lines[..front].to_vec();
    let body = blocks(&lines[front..], style, 0)?.lines;
    let is_apart = front > 0 && lines.get(front).is_some_and(|line| is_blank(line)) && !body.is_empty();
    out.extend(is_apart.then(String::new));
    out.extend(body);
    Some(if out.is_empty() { String::new() } else { out.join("\n") + "\n" })
}

/// How many lines of the beginning are YAML or TOML between `---` or `+++`.
fn front_matter(lines: &[String]) -> usize {
    let Some(mark) = lines.first().map(|line| line.trim_end()).filter(|line| matches!(*line, "---" | "+++")) else {
        return 0;
    };
    lines.iter().skip(1).position(|line| line.trim_end() == mark).map_or(0, |at| at + 2)
}

/// Blocks in order.
struct Blocks {
    lines: Vec<String>,
    /// The last line is text that the next may go on with.
    ends_with_text: bool,
}

/// The blocks of a document, or of an item of a list.
fn blocks(lines: &[String], style: &Style, depth: usize) -> Option<Blocks> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut writer = Writer::default();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = &lines[at..];
        // It may be one more part of an item whose text went on without being indented; and HTML behind text may be text itself.
        let is_inner = writer.has_lazy_text && writer.last_list.is_some() && indent(line) >= 2 && !is_blank(line);
        // What is moved behind a list may become a table by that.
        let is_row = writer.last_list.is_some() && indent(line) > 0 && line.contains('|');
        // And text with a rule of a table in it may be a table here, or none.
        let is_unclear = writer.may_be_table && !is_blank(line) && (indent(line) >= 4 || begins_block(line));
        if is_inner || is_row || is_unclear || (html_end(line) == Some("") && may_be_text(rest, writer.text)) {
            return None;
        }
        at += if is_blank(line) {
            writer.blank();
            1
        } else if let Some(taken) = verbatim(rest, writer.text) {
            writer.verbatim(&rest[..taken])?;
            taken
        } else if let Some((taken, table)) = table::read(rest, style).filter(|_| writer.text == Text::None) {
            writer.block(table);
            taken
        } else if let Some(list) = list::read(rest, writer.text == Text::Here) {
            let (written, blocks) = list.write(writer.last_list, |lines| blocks(lines, style, depth + 1))?;
            writer.list(written, blocks);
            list.lines
        } else {
            writer.line(line, lines.get(at + 1).is_some_and(|next| !is_blank(next)));
            1
        };
    }
    Some(Blocks { ends_with_text: writer.text != Text::None, lines: writer.out })
}

/// Whether HTML behind text may be a part of that text, with things in it that would be put in order.
fn may_be_text(lines: &[String], text: Text) -> bool {
    let mut until_blank = lines.iter().take_while(|line| !is_blank(line)).skip(1);
    text == Text::Inside || (text == Text::Here && until_blank.any(|line| begins_block(line)))
}

/// How many lines have to stay as they are: code, HTML, mathematics.
fn verbatim(lines: &[String], text: Text) -> Option<usize> {
    let line = lines.first()?;
    if let Some(fence) = Fence::open(line) {
        let end = lines.iter().skip(1).position(|line| fence.is_closed_by(line));
        return Some(end.map_or(lines.len(), |at| at + 2));
    }
    if indent(line) >= 4 {
        if text != Text::None {
            return None;
        }
        // Indented code may have empty lines in it; those behind it are none of it.
        let code = lines.iter().take_while(|line| is_blank(line) || indent(line) >= 4);
        let all = code.count();
        return Some(lines[..all].iter().rposition(|line| !is_blank(line)).map_or(1, |at| at + 1));
    }
    html_end(line).filter(|end| text != Text::Here || !end.is_empty()).map(|end| rest_of_html(lines, end))
}

/// Whether the last line is text that the next may go on with.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Text {
    #[default]
    None,
    /// Of a paragraph here.
    Here,
    /// In a list or a quote: only text goes on with it.
    Inside,
}

#[derive(Default)]
struct Writer {
    out: Vec<String>,
    text: Text,
    /// The list that ended last, where nothing but text of its last item came after it.
    last_list: Option<Written>,
    /// Such text came.
    has_lazy_text: bool,
    /// The last line of a paragraph has only what the rule of a table has.
    may_be_table: bool,
    wants_blank: bool,
}

impl Writer {
    fn blank(&mut self) {
        self.wants_blank = !self.out.is_empty();
        (self.text, self.may_be_table) = (Text::None, false);
    }

    fn begin(&mut self) {
        if std::mem::take(&mut self.wants_blank) {
            self.out.push(String::new());
        }
    }

    fn block(&mut self, lines: impl IntoIterator<Item = String>) {
        self.begin();
        self.out.extend(lines);
        (self.text, self.last_list) = (Text::None, None);
    }

    /// As it stands. Behind a list it is not indented, so that it does not become a part of it; none where that would end a fence early.
    fn verbatim(&mut self, lines: &[String]) -> Option<()> {
        let columns = lines.first().map_or(0, |line| indent(line));
        if self.last_list.is_none() || columns == 0 || columns >= 4 {
            self.block(lines.iter().cloned());
            return Some(());
        }
        let fence = lines.first().and_then(|line| Fence::open(line));
        let own = |at: usize| if at == 0 || fence.is_some() { columns } else { 0 };
        let moved: Vec<String> = lines.iter().enumerate().map(|(at, line)| dedent_at_most(line, own(at))).collect();
        let is_same = |fence: &Fence| {
            moved.iter().zip(lines).all(|(one, other)| fence.is_closed_by(one) == fence.is_closed_by(other))
        };
        if !fence.as_ref().is_none_or(is_same) {
            return None;
        }
        self.block(moved);
        Some(())
    }

    fn list(&mut self, written: Written, blocks: Blocks) {
        self.begin();
        self.out.extend(blocks.lines);
        self.text = if blocks.ends_with_text { Text::Inside } else { Text::None };
        (self.last_list, self.has_lazy_text) = (Some(written), false);
    }

    /// Text, a heading, a rule, a quote.
    fn line(&mut self, line: &str, has_more: bool) {
        self.begin();
        let bare = line.trim_end_matches([' ', '\t']);
        let ends_heading = self.text == Text::Here && is_underline(bare);
        let is_text = !is_heading(bare) && !is_rule(bare) && !ends_heading;
        let is_hard_break = is_text && has_more && line.ends_with("  ");
        let is_moved = self.last_list.is_some() && indent(bare) < 4;
        let bare = if is_moved { bare.trim_start_matches([' ', '\t']) } else { bare };
        self.out.push(if is_hard_break { format!("{bare}  ") } else { bare.to_owned() });
        self.may_be_table =
            is_text && bare.contains('|') && bare.contains('-') && bare.chars().all(|c| "|-: ".contains(c));
        let goes_on = self.text == Text::Inside && !begins_block(bare);
        self.has_lazy_text = goes_on;
        if !goes_on {
            self.last_list = None;
        }
        let is_quote = bare.trim_start_matches(' ').starts_with('>') && indent(bare) < 4;
        self.text = match is_text {
            false => Text::None,
            true if goes_on || is_quote => Text::Inside,
            true => Text::Here,
        };
    }
}

#[cfg(test)]
mod tests;
