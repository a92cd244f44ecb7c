//! What is looked for, and how it is found: the pattern and the reader of files are set up as ripgrep sets up its own.

use std::io::{self, Read};
use std::ops::Range;

use coditect_protocol::search::SearchText;
use grep_matcher::{LineTerminator, Match, Matcher as _};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, SinkMatch};

use super::Stop;
use crate::WorkspaceError;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 64 * 1024;
/// Longest line that is searched, in bytes; a file with a longer one is left at that point. Where a match may span lines, the
/// largest file.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Most memory of a compiled pattern, in bytes.
const MAX_PATTERN_MEMORY: usize = 16 * 1024 * 1024;
/// Bytes behind a match that spans lines which the pattern may look at.
const LOOK_AHEAD_BYTES: usize = 128;

/// A compiled query.
#[derive(Clone)]
pub(super) struct Pattern {
    pub(super) matcher: RegexMatcher,
    multiline: bool,
    lines_before: usize,
    lines_after: usize,
}

impl Pattern {
    /// `None` for an empty pattern, which finds nothing.
    pub(super) fn new(query: &SearchText) -> Result<Option<Self>, WorkspaceError> {
        if query.query.is_empty() {
            return Ok(None);
        }
        if query.query.len() > MAX_PATTERN_BYTES {
            return Err(WorkspaceError::SearchPattern(format!("it is longer than {MAX_PATTERN_BYTES} bytes.")));
        }
        let multiline = query.multiline && (query.regex || query.query.contains('\n'));
        let mut builder = RegexMatcherBuilder::new();
        builder
            .case_insensitive(!query.case_sensitive)
            .word(query.whole_word)
            .fixed_strings(!query.regex)
            .multi_line(true)
            .crlf(true)
            .size_limit(MAX_PATTERN_MEMORY)
            .dfa_size_limit(MAX_PATTERN_MEMORY);
        if multiline {
            builder.line_terminator(None);
        }
        let refused = |error: grep_regex::Error| WorkspaceError::SearchPattern(format!("{error}."));
        let matcher = builder.build(&query.query).map_err(refused)?;
        let most = coditect_protocol::search::MAX_CONTEXT_LINES;
        let lines = |wanted: u32| usize::try_from(wanted.min(most)).unwrap_or_default();
        let (lines_before, lines_after) = (lines(query.lines_before), lines(query.lines_after));
        Ok(Some(Self { matcher, multiline, lines_before, lines_after }))
    }

    /// What reads files for this pattern; one for each thread.
    pub(super) fn searcher(&self) -> Searcher {
        self.builder().before_context(self.lines_before).after_context(self.lines_after).build()
    }

    /// As [`Self::searcher`], without the lines around a match.
    pub(super) fn bare_searcher(&self) -> Searcher {
        self.builder().build()
    }

    fn builder(&self) -> SearcherBuilder {
        let mut builder = SearcherBuilder::new();
        builder
            .binary_detection(BinaryDetection::quit(0))
            .line_terminator(LineTerminator::crlf())
            .line_number(true)
            .multi_line(self.multiline)
            // Never mapped into memory: a file that is cut short meanwhile would end the server.
            .heap_limit(Some(MAX_LINE_BYTES));
        builder
    }

    /// Hands on the matches in what a searcher found, as places in its buffer with that part of the buffer which the pattern may
    /// look at, until `take` answers `false`.
    pub(super) fn each_match(
        &self,
        searcher: &Searcher,
        found: &SinkMatch<'_>,
        mut take: impl FnMut(&[u8], Match) -> bool,
    ) -> io::Result<()> {
        let range = found.bytes_range_in_buffer();
        let visible = if searcher.multi_line_with_matcher(&self.matcher) {
            &found.buffer()[..found.buffer().len().min(range.end + LOOK_AHEAD_BYTES)]
        } else {
            // A pattern must not see the end of the line, lest it take it for a part of the text.
            &found.buffer()[..range.start + without_end_of_line(&found.buffer()[range.clone()]).len()]
        };
        let is_inside = |place: Match| {
            // At the end of a file without a last end of line there may be an empty match.
            place.start() < range.end || (place.is_empty() && place.start() == range.end && visible.len() == range.end)
        };
        let matches = |place: Match| is_inside(place) && take(visible, place);
        self.matcher.find_iter_at(visible, range.start, matches).map_err(io::Error::other)
    }
}

/// A line without its end.
pub(super) fn without_end_of_line(line: &[u8]) -> &[u8] {
    let Some(line) = line.strip_suffix(b"\n") else { return line };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Where lines begin and end around places that only go forward in a text, so that many of them cost one pass.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    /// Number of the line at `start`.
    pub(super) number: u64,
    pub(super) start: usize,
    /// How far line ends were looked for.
    looked: usize,
    /// The first end of line from the last byte of the last span on.
    end: Option<usize>,
}

impl<'a> Lines<'a> {
    /// The line that begins at `start` in `text` has this number.
    pub(super) fn new(text: &'a [u8], start: usize, number: u64) -> Self {
        Self { text, number, start, looked: start, end: None }
    }

    /// Goes on to the line that `place` is in.
    pub(super) fn advance(&mut self, place: usize) {
        let looked = std::mem::replace(&mut self.looked, place);
        for (at, _) in self.text[looked..place].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            self.start = looked + at + 1;
            self.number += 1;
        }
    }

    /// From the line's begin to the end of the line in which `range` ends, its end of line left out. A range that ends with an end
    /// of line ends in the line before.
    pub(super) fn span(&mut self, range: Range<usize>) -> Range<usize> {
        let last = range.end.saturating_sub(1).max(range.start).min(self.text.len());
        let text = self.text;
        let from_last = || text[last..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| last + at);
        let end = self.end.filter(|end| *end >= last).unwrap_or_else(from_last);
        self.end = Some(end);
        let line = &text[self.start..end];
        self.start..self.start + line.strip_suffix(b"\r").unwrap_or(line).len()
    }
}

/// Stops reading when the search is stopped, also in a file without any match.
pub(super) struct Interruptible<'a> {
    pub(super) file: std::fs::File,
    pub(super) stop: &'a Stop,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}
