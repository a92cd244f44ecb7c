//! Places in texts. Editors count lines and UTF-16 code units, Rust counts bytes.

use std::ops;

use crate::bindings::coditect::plugin::types::{Context, Diagnostic, Document, Position, Range, Severity, TextEdit};
use crate::error::{Error, Result};

impl Position {
    /// At a line and column, both from 0; the column in UTF-16 code units.
    #[must_use]
    pub const fn new(line: u32, column: u32) -> Self {
        Self { line, column }
    }
}

impl Eq for Position {}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.line, self.column).cmp(&(other.line, other.column))
    }
}

impl Eq for Range {}

impl Range {
    /// From one place up to another.
    #[must_use]
    pub const fn new(start: Position, end: Position) -> Self {
        Self { start, end }
    }

    /// A place with nothing in it.
    #[must_use]
    pub const fn at(place: Position) -> Self {
        Self { start: place, end: place }
    }

    /// Whether both have a place in common; ranges that only touch do not.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl TextEdit {
    /// Puts `text` where `range` is.
    #[must_use]
    pub fn replace(range: Range, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    /// Puts `text` before what stands at `place`.
    #[must_use]
    pub fn insert(place: Position, text: impl Into<String>) -> Self {
        Self::replace(Range::at(place), text)
    }

    /// Takes away what is in `range`.
    #[must_use]
    pub fn delete(range: Range) -> Self {
        Self::replace(range, "")
    }
}

impl Diagnostic {
    /// Something wrong.
    #[must_use]
    pub fn error(range: Range, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, range, message)
    }

    /// Something that may be wrong.
    #[must_use]
    pub fn warning(range: Range, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, range, message)
    }

    /// Of any severity.
    #[must_use]
    pub fn new(severity: Severity, range: Range, message: impl Into<String>) -> Self {
        Self { range, severity, message: message.into(), code: None }
    }

    /// With the short name of a rule.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl Document {
    /// What is in a range; the whole text where there is none. `invalid` for a range that is not in the text.
    pub fn slice(&self, range: Option<Range>) -> Result<&str> {
        let Some(range) = range else { return Ok(&self.text) };
        let bytes = LineIndex::new(&self.text).bytes(range);
        bytes.and_then(|bytes| self.text.get(bytes)).ok_or_else(|| Error::invalid("the range is not in the text"))
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Context {
    fn default() -> Self {
        Self { document: None, selection: None, arguments: String::new() }
    }
}

impl Context {
    /// The text in the active editor; `not-found`, with a sentence for the person, where there is none.
    pub fn active(&self) -> Result<&Document> {
        self.document.as_ref().ok_or_else(|| Error::not_found("open a file first that this plugin may see"))
    }

    /// What the surface that asks adds.
    pub fn arguments<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        crate::json::read("the arguments", &self.arguments)
    }
}

/// Where the lines of a text begin. Lines end with `\n`, which is the last byte of its line; a `\r` before it belongs to it.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// let index = LineIndex::new("a\n😀b");
/// assert_eq!(index.position("a\n😀".len()), Position::new(1, 2));
/// assert_eq!(index.offset(Position::new(1, 2)), Some(6));
/// ```
#[derive(Debug, Clone)]
pub struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let behind_breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(behind_breaks).collect() }
    }

    /// How many lines there are: one more than there are breaks.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.starts.len()
    }

    /// A line without its break.
    #[must_use]
    pub fn line(&self, line: usize) -> Option<&'a str> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let whole = self.text.get(start..end)?;
        let bare = whole.strip_suffix('\n').unwrap_or(whole);
        Some(bare.strip_suffix('\r').filter(|_| bare.len() < whole.len()).unwrap_or(bare))
    }

    /// The place of a byte. What lies in the middle of a character counts as its beginning, what lies behind the text as its end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|&start| start <= offset) - 1;
        let before = self.text.get(self.starts[line]..offset).unwrap_or_default();
        Position::new(clamped(line), clamped(before.encode_utf16().count()))
    }

    /// The byte at a place; none where there is no such place. A column in the middle of a surrogate pair counts as its beginning.
    #[must_use]
    pub fn offset(&self, place: Position) -> Option<usize> {
        let line = usize::try_from(place.line).ok()?;
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let mut left = usize::try_from(place.column).ok()?;
        let mut offset = start;
        for character in self.text.get(start..end)?.chars() {
            if left < character.len_utf16() || character == '\n' {
                break;
            }
            left -= character.len_utf16();
            offset += character.len_utf8();
        }
        let is_within = self.text[offset..end].starts_with(|next: char| next != '\n');
        (left == 0 || is_within).then_some(offset)
    }

    /// The range of some bytes.
    #[must_use]
    pub fn range(&self, bytes: ops::Range<usize>) -> Range {
        Range::new(self.position(bytes.start), self.position(bytes.end))
    }

    /// The bytes of a range; none where it is not in the text.
    #[must_use]
    pub fn bytes(&self, range: Range) -> Option<ops::Range<usize>> {
        let (start, end) = (self.offset(range.start)?, self.offset(range.end)?);
        (start <= end).then_some(start..end)
    }

    /// The range of the whole text.
    #[must_use]
    pub fn whole(&self) -> Range {
        self.range(0..self.text.len())
    }
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_outside_are_none() {
        let index = LineIndex::new("ab\r\nc");
        assert_eq!(index.offset(Position::new(0, 2)), Some(2));
        assert_eq!(index.offset(Position::new(0, 3)), Some(3));
        for (line, column) in [(0, 4), (1, 2), (2, 0)] {
            assert_eq!(index.offset(Position::new(line, column)), None, "{line}:{column}");
        }
        assert_eq!((index.line(0), index.line(1), index.line(2)), (Some("ab"), Some("c"), None));
        assert_eq!(LineIndex::new("").whole(), Range::at(Position::new(0, 0)));
    }

    #[test]
    fn a_slice_is_what_the_range_says() {
        let document = Document { path: String::new(), language: String::new(), text: "one\ntwo\n".into() };
        let range = Range::new(Position::new(0, 1), Position::new(1, 2));
        assert_eq!(document.slice(Some(range)), Ok("ne\ntw"));
        assert_eq!(document.slice(None), Ok("one\ntwo\n"));
        let outside = Range::new(Position::new(0, 0), Position::new(3, 0));
        assert!(matches!(document.slice(Some(outside)), Err(Error::Invalid(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_byte_comes_back(text in "[a\u{e9}\u{1f600}\r\n]{0,40}") {
            let index = LineIndex::new(&text);
            for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
                prop_assert_eq!(index.offset(index.position(offset)), Some(offset));
            }
        }
    }
}
