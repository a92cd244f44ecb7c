//! Lists.

use super::Blocks;
use super::lines::{Fence, dedent, indent, is_blank, is_heading, is_rule};

/// Numbers of lists have at most nine digits.
const MAX_NUMBER: u64 = 1_000_000_000;

/// A list as it stands.
pub(super) struct List {
    /// How many lines it takes.
    pub(super) lines: usize,
    kind: Kind,
    items: Vec<Item>,
    is_followed_closely: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bullet(char),
    /// With the character behind the number.
    Number(char),
}

/// A list as it was written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    was: Kind,
    mark: char,
}

struct Item {
    number: u64,
    /// Its own lines, without what it is indented by.
    lines: Vec<String>,
    /// There is an empty line before it.
    is_apart: bool,
}

/// The beginning of an item.
struct Marker<'a> {
    kind: Kind,
    number: u64,
    /// Columns up to the text behind it.
    width: usize,
    text: &'a str,
}

fn marker(line: &str) -> Option<Marker<'_>> {
    let outer = indent(line);
    let bare = line.trim_start_matches(' ');
    if outer >= 4 || is_rule(line) || bare.len() + outer != line.len() {
        return None;
    }
    let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
    let mark = bare[digits..].chars().next()?;
    let kind = match mark {
        '-' | '*' | '+' if digits == 0 => Kind::Bullet(mark),
        '.' | ')' if (1..=9).contains(&digits) => Kind::Number(mark),
        _ => return None,
    };
    let behind = &bare[digits + 1..];
    let text = behind.trim_start_matches(' ');
    let spaces = behind.len() - text.len();
    // With a tab it is not plain where the text begins, and five spaces or more begin code.
    if text.starts_with('\t') || spaces > 4 && !text.is_empty() || spaces == 0 && !text.is_empty() {
        return None;
    }
    let spaces = if text.is_empty() { 1 } else { spaces };
    Some(Marker { kind, number: bare[..digits].parse().unwrap_or(0), width: outer + digits + 1 + spaces, text })
}

/// The list that begins with the first line. In a paragraph only what may interrupt one begins a list.
pub(super) fn read(lines: &[String], in_paragraph: bool) -> Option<List> {
    let first = marker(lines.first()?)?;
    let may_interrupt = !first.text.is_empty() && (first.number == 1 || matches!(first.kind, Kind::Bullet(_)));
    if in_paragraph && !may_interrupt {
        return None;
    }
    let mut list = List { lines: 0, kind: first.kind, items: Vec::new(), is_followed_closely: false };
    let mut at = 0;
    while let Some(begin) = lines.get(at).and_then(|line| marker(line)).filter(|begin| begin.kind == list.kind) {
        let is_apart = at > list.lines;
        let own = own_lines(&lines[at..], begin.width, begin.text);
        let mut item = vec![begin.text.to_owned()];
        item.extend(lines[at + 1..at + own].iter().map(|line| dedent(line, begin.width)));
        list.items.push(Item { number: begin.number, lines: item, is_apart });
        list.lines = at + own;
        at = list.lines + lines[list.lines..].iter().take_while(|line| is_blank(line)).count();
    }
    // What is indented less than the text was none of the list, but might become some with less space behind the markers.
    let has_break =
        lines[list.lines - 1].ends_with("  ") && lines.get(list.lines).is_some_and(|line| !begins_block(line));
    list.is_followed_closely = has_break || lines.get(at).is_some_and(|line| indent(line) >= 4);
    Some(list)
}

/// How many lines belong to an item: those indented as its text is, and empty lines between them.
fn own_lines(lines: &[String], width: usize, text: &str) -> usize {
    let mut own = 1;
    for (at, line) in lines.iter().enumerate().skip(1) {
        if is_blank(line) {
            if at == 1 && text.is_empty() {
                break;
            }
        } else if indent(line) >= width {
            own = at + 1;
        } else {
            break;
        }
    }
    own
}

impl List {
    /// The marker it gets, and its lines; none where every way to write it would be read as something else.
    pub(super) fn write(
        &self,
        last: Option<Written>,
        inner: impl Fn(&[String]) -> Option<Blocks>,
    ) -> Option<(Written, Blocks)> {
        if self.is_followed_closely {
            return None;
        }
        let texts: Vec<Blocks> = self.items.iter().map(|item| item.text(&inner)).collect::<Option<_>>()?;
        let mark = match self.kind {
            Kind::Number(mark) => mark,
            // Two lists in a row would be one if they had the same bullet.
            Kind::Bullet(_) => {
                let is_meant = |mark: &char| match last {
                    // Only text of its last item interrupted it.
                    Some(last) if last.was == self.kind => last.mark == *mark,
                    Some(last) => last.mark != *mark,
                    None => true,
                };
                let is_free = |mark: &char| is_meant(mark) && texts.iter().all(|text| can_follow(*mark, &text.lines));
                ['-', '*', '+'].into_iter().find(is_free)?
            }
        };
        // A list of one number, and one that counts, stay what they are.
        let first = self.items.first()?.number;
        let step = self.items.get(1).map_or(1, |second| u64::from(second.number != first));
        let mut out: Vec<String> = Vec::new();
        for ((item, text), number) in self.items.iter().zip(&texts).zip(0..) {
            let marker = match self.kind {
                Kind::Bullet(_) => mark.to_string(),
                Kind::Number(_) => {
                    format!("{}{mark}", Some(first + number * step).filter(|number| *number < MAX_NUMBER)?)
                }
            };
            out.extend((item.is_apart && !out.is_empty()).then(String::new));
            let indent = " ".repeat(marker.len() + 1);
            let begin = text.lines.first().map_or("", String::as_str);
            out.push(if begin.is_empty() { marker } else { format!("{marker} {begin}") });
            out.extend(
                text.lines
                    .iter()
                    .skip(1)
                    .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }),
            );
        }
        let ends_with_text = texts.last().is_some_and(|text| text.ends_with_text);
        Some((Written { was: self.kind, mark }, Blocks { lines: out, ends_with_text }))
    }
}

/// Whether text behind a bullet does not make a rule or an underline of it.
fn can_follow(mark: char, text: &[String]) -> bool {
    let begin = text.first().map_or("", String::as_str);
    begin.is_empty() || begin.chars().any(|c| c != mark && c != ' ')
}

impl Item {
    /// Its lines in order; none where the first would be another thing behind the marker.
    fn text(&self, inner: impl Fn(&[String]) -> Option<Blocks>) -> Option<Blocks> {
        if self.lines[0].is_empty() && self.lines.len() > 1 {
            // What stands below an empty first line is not moved up to it.
            let mut below = inner(&self.lines[1..])?;
            below.lines.insert(0, String::new());
            return Some(below);
        }
        let text = inner(&self.lines)?;
        let is_plain = text.lines.first().is_none_or(|line| !line.starts_with([' ', '\t']));
        is_plain.then_some(text)
    }
}

/// Whether a line begins something else than text, so that it does not go on with a paragraph before it.
pub(super) fn begins_block(line: &str) -> bool {
    is_blank(line)
        || is_rule(line)
        || is_heading(line)
        || Fence::open(line).is_some()
        || (indent(line) < 4 && line.trim_start().starts_with(['>', '<']))
        || marker(line).is_some()
}
