//! Text in files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cap_std::fs::Dir;
use coditect_protocol::RelPath;
use coditect_protocol::search::{FileMatches, SearchSummary, SearchText, TextMatch};
use grep_matcher::{LineTerminator, Matcher as _};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::globs::PathFilter;
use super::walk::{Visitor, Walk, open_file, walk};
use super::{Stop, open_root};
use crate::WorkspaceError;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 64 * 1024;
/// Most matches of an answer where the query names no limit.
pub const DEFAULT_MATCHES: u32 = 10_000;
/// Matches of one message; a file with more comes in several.
pub const MAX_MATCHES_PER_MESSAGE: usize = 500;
/// Longest text of a match's line that is sent, in characters; longer lines are cut around the match.
pub const MAX_TEXT_CHARS: usize = 400;
/// Longest line that is searched, in bytes; a file with a longer one is left at that point.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Characters shown before a match in a line that is cut.
const LEAD_CHARS: usize = 100;
/// Most memory of a compiled pattern, in bytes.
const MAX_PATTERN_MEMORY: usize = 16 * 1024 * 1024;

/// Where matches go.
pub(super) struct Outlet {
    sink: mpsc::Sender<FileMatches>,
    cancel: CancellationToken,
    runtime: tokio::runtime::Handle,
    stall_limit: Duration,
    /// Messages that the reader made room for, whichever thread sent them.
    taken: AtomicU64,
    /// Nothing was taken for `stall_limit`.
    stalled: AtomicBool,
}

impl Outlet {
    /// Belongs to the runtime in which it is made.
    pub(super) fn new(sink: mpsc::Sender<FileMatches>, cancel: CancellationToken, stall_limit: Duration) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self { sink, cancel, runtime, stall_limit, taken: AtomicU64::new(0), stalled: AtomicBool::new(false) }
    }

    /// Waits for room; `false` where nobody wants more.
    fn send(&self, matches: FileMatches) -> bool {
        match self.sink.try_send(matches) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(matches)) => self.runtime.block_on(self.send_when_taken(matches)),
        }
    }

    async fn send_when_taken(&self, matches: FileMatches) -> bool {
        let mut room = std::pin::pin!(self.sink.reserve());
        loop {
            let before = self.taken.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return false,
                room = &mut room => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    return room.map(|room| room.send(matches)).is_ok();
                }
                () = tokio::time::sleep(self.stall_limit) => {
                    // Another thread's message may have been taken meanwhile: a slow reader is none that went away.
                    if self.taken.load(Ordering::Relaxed) == before {
                        self.stalled.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
            }
        }
    }
}

pub(super) fn search(
    root: &Path,
    query: &SearchText,
    outlet: &Outlet,
    stop: &Stop,
) -> Result<SearchSummary, WorkspaceError> {
    let matcher = compile(query)?;
    let walked = Walk {
        root: open_root(root)?,
        obey_rules: !query.include_ignored,
        filter: PathFilter::new(&query.include, &query.exclude)?,
        folders: &query.folders,
        max_entries: u64::MAX,
        stop,
    };
    let Some(matcher) = matcher else { return Ok(SearchSummary::default()) };
    let limit = if query.max_matches == 0 { DEFAULT_MATCHES } else { query.max_matches };
    let shared = Shared {
        left: AtomicU64::new(limit.into()),
        limit_reached: AtomicBool::new(false),
        files: AtomicU64::new(0),
        max_file_bytes: if query.max_file_bytes == 0 { u64::MAX } else { query.max_file_bytes },
        stop,
        outlet,
    };
    walk(&walked, || Grep { searcher: searcher(), matcher: matcher.clone(), shared: &shared });
    if outlet.stalled.load(Ordering::Relaxed) {
        return Err(WorkspaceError::SearchStalled { seconds: outlet.stall_limit.as_secs() });
    }
    Ok(SearchSummary {
        files_searched: shared.files.into_inner(),
        matches: u64::from(limit) - shared.left.into_inner(),
        limit_reached: shared.limit_reached.into_inner(),
    })
}

/// `None` for an empty pattern, which finds nothing.
fn compile(query: &SearchText) -> Result<Option<RegexMatcher>, WorkspaceError> {
    if query.query.is_empty() {
        return Ok(None);
    }
    if query.query.len() > MAX_PATTERN_BYTES {
        return Err(WorkspaceError::SearchPattern(format!("it is longer than {MAX_PATTERN_BYTES} bytes.")));
    }
    let mut builder = RegexMatcherBuilder::new();
    builder
        .case_insensitive(!query.case_sensitive)
        .word(query.whole_word)
        .fixed_strings(!query.regex)
        .multi_line(true)
        .crlf(true)
        .size_limit(MAX_PATTERN_MEMORY)
        .dfa_size_limit(MAX_PATTERN_MEMORY);
    builder.build(&query.query).map(Some).map_err(|error| WorkspaceError::SearchPattern(format!("{error}.")))
}

fn searcher() -> Searcher {
    SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .line_terminator(LineTerminator::crlf())
        .line_number(true)
        // Never mapped into memory: a file that is cut short meanwhile would end the server.
        .heap_limit(Some(MAX_LINE_BYTES))
        .build()
}

/// What all threads of a search share.
struct Shared<'a> {
    left: AtomicU64,
    limit_reached: AtomicBool,
    files: AtomicU64,
    max_file_bytes: u64,
    stop: &'a Stop,
    outlet: &'a Outlet,
}

impl Shared<'_> {
    /// One more match may be told; otherwise the search is over.
    fn take_one(&self) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if !taken {
            self.limit_reached.store(true, Ordering::Relaxed);
            self.stop.set();
        }
        taken
    }
}

/// Searches the files of one thread.
struct Grep<'a> {
    searcher: Searcher,
    matcher: RegexMatcher,
    shared: &'a Shared<'a>,
}

impl Visitor for Grep<'_> {
    fn file(&mut self, folder: &Dir, name: &str, path: &str) {
        let Some(file) = open_file(folder, name) else { return };
        if file.metadata().map_or(0, |facts| facts.len()) > self.shared.max_file_bytes {
            return;
        }
        let Ok(path) = RelPath::parse(path) else { return };
        self.shared.files.fetch_add(1, Ordering::Relaxed);
        let mut sink = Matches { matcher: &self.matcher, shared: self.shared, path, found: Vec::new() };
        let reader = Interruptible { file: file.into_std(), stop: self.shared.stop };
        if let Err(error) = self.searcher.search_reader(&self.matcher, reader, &mut sink)
            && !self.shared.stop.is_set()
        {
            tracing::debug!(%error, "a file was not searched to its end");
        }
        // What was found counts, also where the search ended meanwhile.
        sink.flush();
    }
}

/// Stops reading when the search is stopped, also in a file without any match.
struct Interruptible<'a> {
    file: std::fs::File,
    stop: &'a Stop,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}

/// Collects the matches of one file.
struct Matches<'a> {
    matcher: &'a RegexMatcher,
    shared: &'a Shared<'a>,
    path: RelPath,
    found: Vec<TextMatch>,
}

impl Matches<'_> {
    fn flush(&mut self) {
        if self.found.is_empty() {
            return;
        }
        let matches = std::mem::take(&mut self.found);
        if !self.shared.outlet.send(FileMatches { path: self.path.clone(), matches }) {
            self.shared.stop.set();
        }
    }
}

impl Sink for Matches<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let number = found.line_number().unwrap_or(0);
        let mut line = Line::new(found.bytes());
        let whole = found.bytes();
        let matcher = self.matcher;
        matcher
            .find_iter(whole, |place| {
                // What lies in the end of the line itself is nothing to show.
                if place.start() > line.bytes.len() || (place.start() == line.bytes.len() && !place.is_empty()) {
                    return false;
                }
                if self.shared.stop.is_set() || !self.shared.take_one() {
                    return false;
                }
                self.found.push(line.show(number, place.start(), place.end().min(line.bytes.len())));
                if self.found.len() >= MAX_MATCHES_PER_MESSAGE {
                    self.flush();
                }
                true
            })
            .map_err(io::Error::other)?;
        Ok(!self.shared.stop.is_set())
    }
}

/// A line and how far its columns are counted, so that many matches in a long line cost one pass.
struct Line<'a> {
    bytes: &'a [u8],
    counted_bytes: usize,
    counted_units: usize,
}

impl<'a> Line<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Self { bytes, counted_bytes: 0, counted_units: 0 }
    }

    fn show(&mut self, line: u64, start: usize, end: usize) -> TextMatch {
        self.counted_units += utf16_units(&self.bytes[self.counted_bytes..start]);
        self.counted_bytes = start;
        let (from, until) = self.window(start);
        TextMatch {
            line,
            column: one_based(self.counted_units),
            length: u32::try_from(utf16_units(&self.bytes[start..end])).unwrap_or(u32::MAX),
            text: String::from_utf8_lossy(&self.bytes[from..until]).into_owned(),
            text_column: one_based(utf16_units(&self.bytes[from..start])),
        }
    }

    /// The part of the line that is shown for a match at `start`: the whole line where it is short enough.
    fn window(&self, start: usize) -> (usize, usize) {
        let from_start = forward(self.bytes, 0, MAX_TEXT_CHARS);
        if from_start == self.bytes.len() {
            return (0, from_start);
        }
        let lead = back(self.bytes, start, LEAD_CHARS);
        (lead, forward(self.bytes, lead, MAX_TEXT_CHARS))
    }
}

fn one_based(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX).saturating_add(1)
}

/// Length in UTF-16 code units; a byte that is no UTF-8 is shown as one replacement character.
fn utf16_units(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().encode_utf16().count() + usize::from(!chunk.invalid().is_empty()))
        .sum()
}

const fn continues_a_character(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The place `chars` characters after `at`, or the end.
fn forward(bytes: &[u8], at: usize, chars: usize) -> usize {
    let mut starts = bytes[at..].iter().enumerate().filter(|(_, byte)| !continues_a_character(**byte));
    // Stray bytes that continue nothing count for nothing here, so that they are bounded apart.
    starts.nth(chars).map_or(bytes.len(), |(offset, _)| at + offset).min(at.saturating_add(chars * 4))
}

/// The place up to `chars` characters before `at`.
fn back(bytes: &[u8], at: usize, chars: usize) -> usize {
    let floor = at.saturating_sub(chars * 4);
    let starts = (floor..at).rev().filter(|index| !continues_a_character(bytes[*index]));
    starts.take(chars).last().unwrap_or(at)
}
