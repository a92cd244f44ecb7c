//! Makes a patch of chosen lines from a file's whole difference. Pure.
//!
//! What is not chosen must look to `git apply` as it is in the version that the patch is applied to: going forward, a removed line
//! that is not chosen is context and an added one is left out; going back, it is the other way round.

use std::fmt::Write as _;

use coditect_protocol::git::{FileDiff, GitChange, Hunk};
use coditect_protocol::{Kind, Problem};
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use crate::error::ShellError;

/// Lines from one to another, both included, from 1; none where `last` is before `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct LineRange {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

/// Lines of the two versions that a difference lies between.
///
/// With both named, a whole change is meant, as another comparison than `git`'s found it; the two may disagree by some lines where lines
/// repeat. With one, the lines of the other side that they took the place of come with them, for a person who chooses in one editor
/// does not see the other's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(default)]
pub struct ChosenLines {
    /// Of the version before.
    pub old: Option<LineRange>,
    /// Of the version after.
    pub new: Option<LineRange>,
}

impl LineRange {
    const fn holds(self, line: u32) -> bool {
        self.first <= line && line <= self.last
    }

    const fn is_empty(self) -> bool {
        self.last < self.first
    }

    fn meets(self, other: Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.first <= other.last && other.first <= self.last
    }

    fn is_within(self, other: Self) -> bool {
        self.is_empty() || (other.first <= self.first && self.last <= other.last)
    }

    /// With its neighbours.
    fn wider(self) -> Self {
        if self.is_empty() {
            return self;
        }
        Self { first: self.first.saturating_sub(1), last: self.last.saturating_add(1) }
    }
}

/// The patch, to be applied forward or back; nothing where no changed line is chosen. Refused for a file whose bytes the
/// difference does not show: what a patch of it wrote would be others.
pub(super) fn of_lines(diff: &FileDiff, chosen: ChosenLines, reverse: bool) -> Result<Option<String>, ShellError> {
    if diff.not_utf8 {
        let message = "This file is not in UTF-8, so that single lines of it cannot be taken; take the whole file.";
        return Err(ShellError::Problem(Problem::new(Kind::Invalid, "git.not_utf8", message)));
    }
    let patch = of_exact_lines(diff, chosen, reverse);
    Ok(match chosen {
        ChosenLines { old: Some(old), new: Some(new) } if patch.is_none() => {
            of_exact_lines(diff, ChosenLines { old: Some(old.wider()), new: Some(new.wider()) }, reverse)
        }
        _ => patch,
    })
}

fn of_exact_lines(diff: &FileDiff, chosen: ChosenLines, reverse: bool) -> Option<String> {
    let mut body = String::new();
    let mut partial = false;
    // Lines that the hunks so far add, which moves the later ones.
    let mut moved = 0_i64;
    for hunk in &diff.hunks {
        let blocks = blocks_of(hunk, chosen);
        partial |= blocks.iter().flat_map(Block::changes).any(|line| !line.chosen);
        if blocks.iter().flat_map(Block::changes).any(|line| line.chosen) {
            moved += write_hunk(&mut body, hunk, &blocks, reverse, moved);
        }
    }
    if body.is_empty() {
        return None;
    }
    let mut patch = header(diff, partial, reverse);
    patch.push_str(&body);
    Some(patch)
}

/// A line of a hunk.
#[derive(Debug, Clone)]
struct Line<'a> {
    text: &'a str,
    /// Nothing ends it: it is the last one of a file without a newline at its end.
    unended: bool,
    chosen: bool,
}

/// Changed lines that follow each other, and the one that was and is there before them.
#[derive(Debug, Default)]
struct Block<'a> {
    context: Option<Line<'a>>,
    removed: Vec<Line<'a>>,
    added: Vec<Line<'a>>,
    /// Lines of the two versions before the changed ones.
    old_before: u32,
    new_before: u32,
}

impl<'a> Block<'a> {
    fn changes(&self) -> impl Iterator<Item = &Line<'a>> {
        self.removed.iter().chain(&self.added)
    }

    fn choose(&mut self, chosen: ChosenLines) {
        let (old_before, new_before) = (self.old_before, self.new_before);
        let (removed, added) = (&mut self.removed, &mut self.added);
        match chosen {
            ChosenLines { old: None, new: None } => {}
            ChosenLines { old: Some(old), new: None } => {
                mark(removed, old, old_before);
                follow(removed, added, old, old_before);
            }
            ChosenLines { old: None, new: Some(new) } => {
                mark(added, new, new_before);
                follow(added, removed, new, new_before);
            }
            ChosenLines { old: Some(old), new: Some(new) } => {
                let (own_old, own_new) = (span(removed, old_before), span(added, new_before));
                let meets = old.meets(own_old) || new.meets(own_new);
                if meets && old.is_within(own_old) && new.is_within(own_new) {
                    mark(removed, old, old_before);
                    mark(added, new, new_before);
                } else if meets {
                    self.choose_all();
                }
            }
        }
        // Only whole can the end of a file without a newline be changed: with other lines after it, it would be joined to them.
        if self.changes().any(|line| line.unended) && self.changes().any(|line| line.chosen) {
            self.choose_all();
        }
    }

    fn choose_all(&mut self) {
        self.removed.iter_mut().chain(&mut self.added).for_each(|line| line.chosen = true);
    }

    /// The lines with their signs, each added one after the removed one whose place it takes.
    fn signed(&self, reverse: bool) -> Vec<(char, &Line<'a>)> {
        let mut lines: Vec<(char, &Line<'_>)> = self.context.iter().map(|line| (' ', line)).collect();
        for place in 0..self.removed.len().max(self.added.len()) {
            lines.extend(self.removed.get(place).and_then(|line| Some((sign(line, '-', !reverse)?, line))));
            lines.extend(self.added.get(place).and_then(|line| Some((sign(line, '+', reverse)?, line))));
        }
        lines
    }
}

/// A changed line's own sign where it is chosen; else that of context where the other version has it.
fn sign(line: &Line<'_>, own: char, stays: bool) -> Option<char> {
    if line.chosen { Some(own) } else { stays.then_some(' ') }
}

fn span(lines: &[Line<'_>], before: u32) -> LineRange {
    LineRange { first: before + 1, last: before + lines.len() as u32 }
}

fn mark(lines: &mut [Line<'_>], range: LineRange, before: u32) {
    for (line, number) in lines.iter_mut().zip(before + 1..) {
        line.chosen = range.holds(number);
    }
}

/// Chooses of `others` those whose places the chosen `lines` take; what is more than `lines` belongs to the last of them.
fn follow(lines: &[Line<'_>], others: &mut [Line<'_>], range: LineRange, before: u32) {
    // Without lines of its own side the change lies between two of them, and choosing either of those means it.
    let last = lines.last().map_or_else(|| range.holds(before) || range.holds(before + 1), |line| line.chosen);
    for (place, other) in others.iter_mut().enumerate() {
        other.chosen = lines.get(place).map_or(last, |line| line.chosen);
    }
}

/// The hunk's lines in blocks; the last may have no change, but the context after the others.
fn blocks_of(hunk: &Hunk, chosen: ChosenLines) -> Vec<Block<'_>> {
    // A range without lines is named by the line before it.
    let before = |start: u32, lines: u32| if lines == 0 { start } else { start.saturating_sub(1) };
    let (mut old, mut new) = (before(hunk.old_start, hunk.old_lines), before(hunk.new_start, hunk.new_lines));
    let mut blocks = vec![Block { old_before: old, new_before: new, ..Block::default() }];
    let mut lines = hunk.text.split('\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        // Something between an empty line of context and one without a sign is made by editors that strip blanks.
        let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        let unended = lines.next_if(|next| next.starts_with('\\')).is_some();
        let line = Line { text, unended, chosen: false };
        let Some(block) = blocks.last_mut() else { break };
        match sign {
            "-" => {
                old += 1;
                block.removed.push(line);
            }
            "+" => {
                new += 1;
                block.added.push(line);
            }
            _ => {
                (old, new) = (old + 1, new + 1);
                blocks.push(Block { context: Some(line), old_before: old, new_before: new, ..Block::default() });
            }
        }
    }
    blocks.iter_mut().for_each(|block| block.choose(chosen));
    blocks
}

/// Answers how many lines more the hunk has after than before.
fn write_hunk(body: &mut String, hunk: &Hunk, blocks: &[Block<'_>], reverse: bool, moved: i64) -> i64 {
    let lines: Vec<(char, &Line<'_>)> = blocks.iter().flat_map(|block| block.signed(reverse)).collect();
    let count = |gone: char| lines.iter().filter(|(sign, _)| *sign != gone).count();
    let (old_lines, new_lines) = (count('+'), count('-'));
    // Counted from the side that is there already. A range without lines is named by the line before it.
    let first = |start: u32, lines: u32| i64::from(start) + i64::from(lines == 0);
    let named = |first: i64, lines: usize| first - i64::from(lines == 0);
    let (old_first, new_first) = if reverse {
        let new_first = first(hunk.new_start, hunk.new_lines);
        (new_first - moved, new_first)
    } else {
        let old_first = first(hunk.old_start, hunk.old_lines);
        (old_first, old_first + moved)
    };
    let (old_start, new_start) = (named(old_first, old_lines), named(new_first, new_lines));
    // Writing to a `String` cannot fail.
    let _ = writeln!(body, "@@ -{old_start},{old_lines} +{new_start},{new_lines} @@");
    for (sign, line) in lines {
        body.push(sign);
        body.push_str(line.text);
        body.push_str(if line.unended { "\n\\ No newline at end of file\n" } else { "\n" });
    }
    new_lines as i64 - old_lines as i64
}

/// The file's header. Where only a part of a new or deleted file's lines is taken, the file is there before and after.
fn header(diff: &FileDiff, partial: bool, reverse: bool) -> String {
    let whole_file = if reverse { GitChange::Added } else { GitChange::Deleted };
    let stays = partial && diff.change == whole_file;
    let named = |sign: &str| {
        let line = diff.header.lines().find_map(|line| line.strip_prefix(sign));
        line.filter(|name| *name != "/dev/null").map(str::to_owned)
    };
    let mut header = String::with_capacity(diff.header.len());
    for line in diff.header.lines() {
        let gone = ["new file mode ", "deleted file mode ", "index "].iter().any(|key| line.starts_with(key));
        if stays && gone {
            continue;
        }
        match line {
            "--- /dev/null" if stays => header.push_str(&other_name("--- ", named("+++ "), "b/", "a/")),
            "+++ /dev/null" if stays => header.push_str(&other_name("+++ ", named("--- "), "a/", "b/")),
            line => header.push_str(line),
        }
        header.push('\n');
    }
    header
}

/// The other side's name with this side's letter; it may stand in quotes.
fn other_name(sign: &str, other: Option<String>, from: &str, to: &str) -> String {
    [sign, &other.unwrap_or_default().replacen(from, to, 1)].concat()
}

#[cfg(test)]
mod tests;
