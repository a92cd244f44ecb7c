//! Text in files.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cap_std::fs::Dir;
use coditect_protocol::RelPath;
use coditect_protocol::search::{ContextLine, FileMatches, SearchSummary, SearchText, TextMatch};
use grep_searcher::{Searcher, Sink, SinkContext, SinkMatch};
use rustix::fs::Stat;

use super::globs::PathFilter;
use super::outlet::Outlet;
use super::pattern::{Interruptible, Lines, Pattern, without_end_of_line};
use super::shown::{Counted, shorten, utf16_units, window};
use super::walk::{Visitor, Walk, bytes_of, open_file, walk};
use super::{Stop, open_root};
use crate::WorkspaceError;
use crate::tree::etag_of;

/// Most matches of an answer where the query names no limit.
pub const DEFAULT_MATCHES: u32 = 10_000;
/// Matches and lines around them in one message; a file with more comes in several.
pub const MAX_MATCHES_PER_MESSAGE: usize = 500;

pub(super) fn search(
    root: &Path,
    query: &SearchText,
    outlet: &Outlet<FileMatches>,
    stop: &Stop,
) -> Result<SearchSummary, WorkspaceError> {
    let pattern = Pattern::new(query)?;
    let walked = walk_of(open_root(root)?, query, stop)?;
    let Some(pattern) = pattern else { return Ok(SearchSummary::default()) };
    let limit = limit_of(query);
    let shared = Shared {
        left: AtomicU64::new(limit),
        limit_reached: AtomicBool::new(false),
        files: AtomicU64::new(0),
        max_file_bytes: max_file_bytes(query),
        stop,
        outlet,
    };
    let (_, cut_short) =
        walk(&walked, || Grep { searcher: pattern.searcher(), pattern: pattern.clone(), shared: &shared });
    outlet.check_taken()?;
    Ok(SearchSummary {
        files_searched: shared.files.into_inner(),
        matches: limit - shared.left.into_inner(),
        limit_reached: shared.limit_reached.into_inner() || cut_short,
    })
}

/// The files that a query is about.
pub(super) fn walk_of<'a>(root: Dir, query: &'a SearchText, stop: &'a Stop) -> Result<Walk<'a>, WorkspaceError> {
    Ok(Walk {
        root,
        obey_rules: !query.include_ignored,
        filter: PathFilter::new(&query.include, &query.exclude)?,
        folders: &query.folders,
        max_entries: u64::MAX,
        stop,
    })
}

/// Most matches.
pub(super) fn limit_of(query: &SearchText) -> u64 {
    u64::from(if query.max_matches == 0 { DEFAULT_MATCHES } else { query.max_matches })
}

/// Largest file that is looked into.
pub(super) fn max_file_bytes(query: &SearchText) -> u64 {
    if query.max_file_bytes == 0 { u64::MAX } else { query.max_file_bytes }
}

/// What all threads of a search share.
struct Shared<'a> {
    left: AtomicU64,
    limit_reached: AtomicBool,
    files: AtomicU64,
    max_file_bytes: u64,
    stop: &'a Stop,
    outlet: &'a Outlet<FileMatches>,
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
    pattern: Pattern,
    shared: &'a Shared<'a>,
}

impl Visitor for Grep<'_> {
    fn file(&mut self, folder: &Dir, name: &str, path: &str) {
        let Some((file, facts)) = open_file(folder, name) else { return };
        if bytes_of(&facts) > self.shared.max_file_bytes {
            return;
        }
        self.shared.files.fetch_add(1, Ordering::Relaxed);
        let (pattern, shared) = (&self.pattern, self.shared);
        let mut sink = Matches { pattern, shared, path, facts: &facts, found: Vec::new(), context: Vec::new() };
        let reader = Interruptible { file, stop: self.shared.stop };
        if let Err(error) = self.searcher.search_reader(&self.pattern.matcher, reader, &mut sink)
            && !self.shared.stop.is_set()
        {
            tracing::debug!(%error, "a file was not searched to its end");
        }
        // What was found counts, also where the search ended meanwhile.
        sink.flush();
    }
}

/// Collects the matches of one file.
struct Matches<'a> {
    pattern: &'a Pattern,
    shared: &'a Shared<'a>,
    path: &'a str,
    facts: &'a Stat,
    found: Vec<TextMatch>,
    context: Vec<ContextLine>,
}

impl Matches<'_> {
    fn flush(&mut self) {
        if self.found.is_empty() && self.context.is_empty() {
            return;
        }
        let Ok(path) = RelPath::parse(self.path) else { return };
        let (matches, context) = (std::mem::take(&mut self.found), std::mem::take(&mut self.context));
        if !self.shared.outlet.send(FileMatches { path, etag: etag_of(self.facts), matches, context }) {
            self.shared.stop.set();
        }
    }

    fn flush_if_full(&mut self) {
        if self.found.len() + self.context.len() >= MAX_MATCHES_PER_MESSAGE {
            self.flush();
        }
    }
}

impl Sink for Matches<'_> {
    type Error = io::Error;

    fn matched(&mut self, searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let start = found.bytes_range_in_buffer().start;
        let mut lines =
            Lines::new(&found.buffer()[..found.bytes_range_in_buffer().end], start, found.line_number().unwrap_or(0));
        let mut counted = Counted::new(start);
        let pattern = self.pattern;
        pattern.each_match(searcher, found, |text, place| {
            if self.shared.stop.is_set() || !self.shared.take_one() {
                return false;
            }
            lines.advance(place.start());
            counted.begin_at(lines.start);
            let column = counted.column(text, place.start());
            let shown = lines.span(place.start()..place.end());
            let part = window(&found.buffer()[shown.clone()], place.start() - shown.start);
            let (from, until) = (shown.start + part.start, shown.start + part.end);
            self.found.push(TextMatch {
                line: lines.number,
                column,
                length: u32::try_from(utf16_units(&text[place.start()..place.end()])).unwrap_or(u32::MAX),
                text: String::from_utf8_lossy(&found.buffer()[from..until]).into_owned(),
                text_column: if from == lines.start { column } else { Counted::new(from).column(text, place.start()) },
            });
            self.flush_if_full();
            true
        })?;
        Ok(!self.shared.stop.is_set())
    }

    fn context(&mut self, _searcher: &Searcher, context: &SinkContext<'_>) -> Result<bool, io::Error> {
        let line = without_end_of_line(context.bytes());
        self.context.push(ContextLine { line: context.line_number().unwrap_or(0), text: shorten(line) });
        self.flush_if_full();
        Ok(!self.shared.stop.is_set())
    }
}
