//! From a text to the text with its matches replaced. Pure.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use coditect_protocol::RelPath;
use coditect_protocol::search::{ReplaceText, ReplacedLines, in_case_of};
use grep_matcher::{Captures as _, Match, Matcher as _};
use grep_regex::{RegexCaptures, RegexMatcher};
use grep_searcher::{Searcher, Sink, SinkMatch};

use super::MAX_REPLACED_FILE_BYTES;
use super::encoding::Text;
use crate::WorkspaceError;
use crate::search::pattern::{Lines, Pattern};
use crate::search::shown::shorten_to;

/// Most matches that are replaced in one file.
pub const MAX_REPLACEMENTS_PER_FILE: usize = 1_000_000;
/// Most groups of lines that a preview shows of one file.
const MAX_PREVIEWED_GROUPS: usize = 2000;
/// Longest text of a group of lines in a preview, in characters.
const MAX_PREVIEWED_CHARS: usize = 10_000;
/// Most characters of one file in a preview, before and after together.
const MAX_PREVIEWED_CHARS_PER_FILE: usize = 1_000_000;

/// What takes the place of a match.
pub(super) struct Replacement {
    matcher: RegexMatcher,
    text: String,
    has_groups: bool,
    preserve_case: bool,
}

impl Replacement {
    pub(super) fn new(pattern: &Pattern, query: &ReplaceText) -> Self {
        Self {
            matcher: pattern.matcher.clone(),
            text: query.replacement.replace("\r\n", "\n"),
            has_groups: query.search.regex && query.replacement.contains('$'),
            preserve_case: query.preserve_case,
        }
    }

    /// With the ends of line of the text that it is put into.
    fn for_text(&self, text: &[u8]) -> Cow<'_, str> {
        let first_end = text.iter().position(|byte| *byte == b'\n');
        if first_end.is_some_and(|at| text[..at].ends_with(b"\r")) {
            return Cow::Owned(self.text.replace('\n', "\r\n"));
        }
        Cow::Borrowed(&self.text)
    }

    fn append(
        &self,
        own: &str,
        text: &[u8],
        place: Match,
        groups: &mut RegexCaptures,
        to: &mut Vec<u8>,
    ) -> io::Result<()> {
        let begin = to.len();
        let found = |groups: &mut _| self.matcher.captures_at(text, place.start(), groups).map_err(io::Error::other);
        if self.has_groups && found(groups)? {
            groups.interpolate(|name| self.matcher.capture_index(name), text, own.as_bytes(), to);
        } else {
            to.extend_from_slice(own.as_bytes());
        }
        if self.preserve_case
            && let Ok(made) = std::str::from_utf8(&to[begin..])
            && let Ok(found) = std::str::from_utf8(&text[place])
        {
            let made = in_case_of(found, made).into_bytes();
            to.truncate(begin);
            to.extend(made);
        }
        Ok(())
    }
}

/// A text with its matches replaced.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) content: Vec<u8>,
    pub(super) replacements: u64,
    /// The lines concerned, where they were asked for.
    pub(super) lines: Vec<ReplacedLines>,
}

/// A match, and where its replacement stands among all of them.
struct Edit {
    place: Range<usize>,
    made: Range<usize>,
}

/// `None` where what takes the place of the matches does not go into `room` bytes.
pub(super) fn edit(
    searcher: &mut Searcher,
    pattern: &Pattern,
    replacement: &Replacement,
    text: &Text,
    preview: bool,
    room: usize,
    path: &RelPath,
) -> Result<Option<Edited>, WorkspaceError> {
    let content = text.content();
    let groups = pattern.matcher.new_captures().map_err(|error| WorkspaceError::Internal(error.to_string()))?;
    let own = replacement.for_text(content);
    let (made, edits) = (Vec::new(), Vec::new());
    let mut edits = Edits { pattern, replacement, own: &own, groups, room, made, edits, full: None };
    let searched = searcher.search_slice(&pattern.matcher, content, &mut edits);
    searched.map_err(|source| WorkspaceError::Io { path: path.clone(), source })?;
    let Edits { made, edits, full, .. } = edits;
    match full {
        Some(Full::Matches) => {
            return Err(WorkspaceError::ReplaceTooMany { path: path.clone(), limit: MAX_REPLACEMENTS_PER_FILE });
        }
        Some(Full::Bytes) => {
            return Err(WorkspaceError::TooLarge { path: path.clone(), limit: MAX_REPLACED_FILE_BYTES });
        }
        Some(Full::Room) => return Ok(None),
        None => {}
    }
    if !own.is_ascii() && !edits.is_empty() && !text.takes_any_letter() {
        return Err(WorkspaceError::ReplaceEncoding(path.clone()));
    }
    let lines = if preview { previewed(content, &edits, &made) } else { Vec::new() };
    Ok(Some(Edited { content: applied(content, &edits, &made), replacements: edits.len() as u64, lines }))
}

/// A part of the text with the edits that lie in it.
fn applied(part: &[u8], edits: &[Edit], made: &[u8]) -> Vec<u8> {
    applied_within(part, 0..part.len(), edits, made)
}

fn applied_within(text: &[u8], part: Range<usize>, edits: &[Edit], made: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut at = part.start;
    for edit in edits {
        out.extend_from_slice(&text[at..edit.place.start]);
        out.extend_from_slice(&made[edit.made.clone()]);
        at = edit.place.end;
    }
    out.extend_from_slice(&text[at..part.end.max(at)]);
    out
}

/// Lines that change, neighbours together.
fn previewed(text: &[u8], edits: &[Edit], made: &[u8]) -> Vec<ReplacedLines> {
    let mut shown = Vec::new();
    let mut lines = Lines::new(text, 0, 1);
    let mut left = MAX_PREVIEWED_CHARS_PER_FILE;
    let mut from = 0;
    while from < edits.len() && shown.len() < MAX_PREVIEWED_GROUPS && left > 0 {
        lines.advance(edits[from].place.start);
        let number = lines.number;
        let mut part = lines.span(edits[from].place.clone());
        let mut until = from + 1;
        // As long as the next begins in the same line, or the one after.
        while let Some(next) = edits.get(until)
            && text[part.end.min(next.place.start)..next.place.start].iter().filter(|byte| **byte == b'\n').count() <= 1
        {
            lines.advance(next.place.start);
            part.end = lines.span(next.place.clone()).end.max(part.end);
            until += 1;
        }
        let part_edits = &edits[from..until];
        part.end = part.end.max(part_edits.last().map_or(0, |edit| edit.place.end));
        let before = shorten_to(&text[part.clone()], MAX_PREVIEWED_CHARS.min(left));
        let after = shorten_to(&applied_within(text, part, part_edits, made), MAX_PREVIEWED_CHARS.min(left));
        left = left.saturating_sub(before.len() + after.len());
        shown.push(ReplacedLines { line: number, before, after });
        from = until;
    }
    shown
}

enum Full {
    Matches,
    Bytes,
    /// There may be more where there is more room.
    Room,
}

/// Collects the edits of one text.
struct Edits<'a> {
    pattern: &'a Pattern,
    replacement: &'a Replacement,
    own: &'a str,
    groups: RegexCaptures,
    room: usize,
    made: Vec<u8>,
    edits: Vec<Edit>,
    full: Option<Full>,
}

impl Sink for Edits<'_> {
    type Error = io::Error;

    fn matched(&mut self, searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let offset = usize::try_from(found.absolute_byte_offset()).map_err(io::Error::other)?;
        // From places in the searcher's buffer to places in the text.
        let offset = offset - found.bytes_range_in_buffer().start;
        let mut failed = Ok(());
        self.pattern.each_match(searcher, found, |text, place| {
            let begin = self.made.len();
            failed = self.replacement.append(self.own, text, place, &mut self.groups, &mut self.made);
            if self.edits.len() >= MAX_REPLACEMENTS_PER_FILE {
                self.full = Some(Full::Matches);
            } else if self.made.len() as u64 > MAX_REPLACED_FILE_BYTES {
                self.full = Some(Full::Bytes);
            } else if self.made.len() + self.edits.len() * size_of::<Edit>() > self.room {
                self.full = Some(Full::Room);
            }
            let place = place.start() + offset..place.end() + offset;
            self.edits.push(Edit { place, made: begin..self.made.len() });
            failed.is_ok() && self.full.is_none()
        })?;
        failed?;
        Ok(self.full.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::search::SearchText;

    fn edited(query: &str, replacement: &str, text: &[u8], set: impl Fn(&mut ReplaceText)) -> Edited {
        let search = SearchText { query: query.to_owned(), regex: true, case_sensitive: true, ..SearchText::default() };
        let mut query = ReplaceText { search, replacement: replacement.to_owned(), ..ReplaceText::default() };
        set(&mut query);
        let pattern = Pattern::new(&query.search).unwrap().unwrap();
        let text = Text::decode(text.to_vec(), &RelPath::root()).unwrap();
        let replacement = Replacement::new(&pattern, &query);
        edit(&mut pattern.bare_searcher(), &pattern, &replacement, &text, true, usize::MAX, &RelPath::root())
            .unwrap()
            .unwrap()
    }

    fn check(query: &str, replacement: &str, text: &str, expected: &str, set: impl Fn(&mut ReplaceText)) {
        let edited = edited(query, replacement, text.as_bytes(), set);
        assert_eq!(String::from_utf8(edited.content).unwrap(), expected);
    }

    #[test]
    fn replaces_with_groups() {
        check(r"(\w+)=(?P<value>\w+)", "${value}=$1;$$", "a=b\nc=d", "b=a;$\nd=c;$", |_| {});
        check("^", "// ", "a\n\nb\n", "// a\n// \n// b\n", |_| {});
        check("$", ";", "a\r\nb", "a;\r\nb;", |_| {});
        check("a.", "$0$0", "a$ ab", "a$a$ abab", |_| {});
        check("(a).", "$1", "a.b", "$1b", |query| {
            query.search.query = "a.".to_owned();
            query.search.regex = false;
        });
        check("foo", "x", "foo food foo", "x food x", |query| query.search.whole_word = true);
        check("(foo)", "<$1>", "foo food foo", "<foo> food <foo>", |query| query.search.whole_word = true);
    }

    #[test]
    fn replaces_across_lines() {
        let multiline = |query: &mut ReplaceText| query.search.multiline = true;
        check(r"\{\s+\}", "{}", "a {\n}\nb {\r\n\r\n}\n", "a {}\nb {}\n", multiline);
        check(r"(a)\n(b)", "$2\n$1", "a\nb\na\nb", "b\na\nb\na", multiline);
        check(r"\n\n+", "\n", "a\n\n\nb\n\nc", "a\nb\nc", multiline);
    }

    #[test]
    fn keeps_ends_of_line() {
        check("x", "1\n2", "x\r\nx\r\n", "1\r\n2\r\n1\r\n2\r\n", |_| {});
        check("x", "1\r\n2", "x\nx", "1\n2\n1\n2", |_| {});
        check(".*", "", "a\r\nb\r\n", "\r\n\r\n", |_| {});
    }

    #[test]
    fn keeps_case() {
        for (model, expected) in
            [("foo", "bar"), ("FOO", "BAR"), ("Foo", "Bar"), ("F", "Bar"), ("1", "bAr"), ("fOO", "bAr")]
        {
            assert_eq!(
                in_case_of(model, if expected == "bar" { "Bar" } else { "bAr" }),
                match expected {
                    "Bar" => "BAr",
                    other => other,
                }
            );
        }
        check("foo", "bar", "foo Foo FOO", "bar Bar BAR", |query| {
            query.preserve_case = true;
            query.search.case_sensitive = false;
        });
    }

    #[test]
    fn what_is_no_utf8_stays() {
        assert_eq!(edited("x", "y", b"\xe4x\xf6", |_| {}).content, b"\xe4y\xf6");
        let pattern = Pattern::new(&SearchText { query: "x".to_owned(), ..SearchText::default() }).unwrap().unwrap();
        let query = ReplaceText { replacement: "ä".to_owned(), ..ReplaceText::default() };
        let text = Text::decode(b"\xe4x".to_vec(), &RelPath::root()).unwrap();
        let replacement = Replacement::new(&pattern, &query);
        let refused =
            edit(&mut pattern.bare_searcher(), &pattern, &replacement, &text, false, usize::MAX, &RelPath::root());
        assert!(matches!(refused, Err(WorkspaceError::ReplaceEncoding(_))), "{refused:?}");
    }

    #[test]
    fn what_is_put_in_stays_within_its_room() {
        let query = ReplaceText { replacement: "y".repeat(100), ..ReplaceText::default() };
        let pattern = Pattern::new(&SearchText { query: "x".to_owned(), ..SearchText::default() }).unwrap().unwrap();
        let text = Text::decode(b"x".repeat(10), &RelPath::root()).unwrap();
        let replacement = Replacement::new(&pattern, &query);
        let within = |room| {
            let edited =
                edit(&mut pattern.bare_searcher(), &pattern, &replacement, &text, false, room, &RelPath::root());
            edited.unwrap().map(|edited| edited.content.len())
        };
        assert_eq!(within(10 * (100 + size_of::<Edit>()) - 200), None);
        assert_eq!(within(10 * (100 + size_of::<Edit>())), Some(1000));
    }

    #[test]
    fn shows_neighbours_together() {
        let lines = edited("x", "yy", b"1\nx2\r\n3x x\r\n4\n5\nx", |_| {}).lines;
        let brief: Vec<_> =
            lines.iter().map(|group| (group.line, group.before.as_str(), group.after.as_str())).collect();
        assert_eq!(brief, [(2, "x2\r\n3x x", "yy2\r\n3yy yy"), (6, "x", "yy")]);
        let joined = edited(r"a\n", "", b"a\nb\nc\n", |query| query.search.multiline = true).lines;
        assert_eq!((joined[0].before.as_str(), joined[0].after.as_str()), ("a\n", ""));
    }
}
