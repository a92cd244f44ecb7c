//! Another text in place of what is found.
//!
//! What matches is what the search finds. A file is looked through as the search does, and only one with a match is read whole;
//! its new version takes the place of just the version that was read.

mod edits;
mod encoding;
mod memory;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cap_std::fs::Dir;
use coditect_protocol::files::WriteMode;
use coditect_protocol::search::{FileReplacements, ReplaceSummary, ReplaceText, ReplacedLines};
use coditect_protocol::{Coded as _, RelPath};
use grep_searcher::{Searcher, Sink, SinkMatch};

pub use self::edits::MAX_REPLACEMENTS_PER_FILE;
use self::edits::{Edited, Replacement, edit};
use self::encoding::Text;
pub use self::memory::MAX_REPLACING_BYTES;
use self::memory::{REPLACING, weight};
use super::Stop;
use super::outlet::Outlet;
use super::pattern::{Interruptible, Pattern};
use super::text::{limit_of, max_file_bytes, walk_of};
use super::walk::{Visitor, bytes_of, open_file, walk};
use crate::WorkspaceError;
use crate::tree::Tree;

/// Largest file in which text is replaced, in bytes, before and after.
pub const MAX_REPLACED_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that most replacements stay below, beside the size of the file; what takes more is tried again with room for the most.
const USUAL_ROOM_BYTES: usize = 256 * 1024;
/// How often a file that changes meanwhile is looked at again, where any version of it will do.
const ATTEMPTS: u32 = 3;

pub(super) fn replace(
    tree: &Tree,
    query: &ReplaceText,
    outlet: &Outlet<FileReplacements>,
    stop: &Stop,
) -> Result<ReplaceSummary, WorkspaceError> {
    let walked = walk_of(tree.handle()?, &query.search, stop)?;
    let Some(pattern) = Pattern::new(&query.search)? else { return Ok(ReplaceSummary::default()) };
    let job = Job {
        tree,
        query,
        replacement: Replacement::new(&pattern, query),
        outlet,
        stop,
        left: AtomicU64::new(limit_of(&query.search)),
        limit_reached: AtomicBool::new(false),
        files: AtomicU64::new(0),
        replacements: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    };
    if query.files.is_empty() {
        let candidates = || Candidates { searcher: pattern.bare_searcher(), pattern: &pattern, job: &job };
        let (_, cut_short) = walk(&walked, candidates);
        job.limit_reached.fetch_or(cut_short, Ordering::Relaxed);
    } else {
        let mut searcher = pattern.bare_searcher();
        for file in query.files.iter().take_while(|_| !stop.is_set()) {
            job.carry_out(&mut searcher, &pattern, &file.path, Some(&file.etag));
        }
    }
    outlet.check_taken()?;
    Ok(ReplaceSummary {
        files: job.files.into_inner(),
        replacements: job.replacements.into_inner(),
        failed: job.failed.into_inner(),
        limit_reached: job.limit_reached.into_inner(),
    })
}

/// What all threads of a replacement share.
struct Job<'a> {
    tree: &'a Tree,
    query: &'a ReplaceText,
    replacement: Replacement,
    outlet: &'a Outlet<FileReplacements>,
    stop: &'a Stop,
    left: AtomicU64,
    limit_reached: AtomicBool,
    files: AtomicU64,
    replacements: AtomicU64,
    failed: AtomicU64,
}

/// What was, or would be, done to a file.
struct Done {
    etag: String,
    replacements: u64,
    lines: Vec<ReplacedLines>,
}

impl Job<'_> {
    /// Replaces in one file, and tells of it. `wanted`: the person named the file, and the version that it must have unless empty.
    fn carry_out(&self, searcher: &mut Searcher, pattern: &Pattern, path: &RelPath, wanted: Option<&str>) {
        let any_version = wanted.is_none_or(str::is_empty);
        let mut outcome = self.attempt(searcher, pattern, path, wanted);
        for _ in 1..ATTEMPTS {
            if !any_version || !matches!(outcome, Err(WorkspaceError::Changed(_))) {
                break;
            }
            outcome = self.attempt(searcher, pattern, path, wanted);
        }
        let told = match outcome {
            Ok(None) => return,
            Ok(Some(done)) => {
                self.files.fetch_add(u64::from(done.replacements > 0), Ordering::Relaxed);
                self.replacements.fetch_add(done.replacements, Ordering::Relaxed);
                FileReplacements {
                    path: path.clone(),
                    etag: done.etag,
                    replacements: done.replacements,
                    lines: done.lines,
                    problem: None,
                }
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                if error.is_inside() {
                    tracing::warn!(%error, "text could not be replaced in a file");
                }
                FileReplacements {
                    path: path.clone(),
                    etag: String::new(),
                    replacements: 0,
                    lines: Vec::new(),
                    problem: Some(error.problem()),
                }
            }
        };
        if !self.outlet.send(told) {
            self.stop.set();
        }
    }

    /// `None` where there is nothing to tell.
    fn attempt(
        &self,
        searcher: &mut Searcher,
        pattern: &Pattern,
        path: &RelPath,
        wanted: Option<&str>,
    ) -> Result<Option<Done>, WorkspaceError> {
        let limit = MAX_REPLACED_FILE_BYTES.min(max_file_bytes(&self.query.search));
        let size = self.outlet.runtime().block_on(self.tree.stat(path))?.size.min(limit);
        let usual = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(USUAL_ROOM_BYTES);
        // Given back in between: who waits for more while holding some could wait for another that does the same.
        for room in [usual, usize::MAX] {
            let held = REPLACING.hold(weight(size, room), self.stop);
            let Some(_held) = self.outlet.runtime().block_on(held) else { return Ok(None) };
            let (etag, text) = self.read(path, size, limit)?;
            if wanted.is_some_and(|known| !known.is_empty() && known != etag) {
                return Err(WorkspaceError::Changed(path.clone()));
            }
            let edited = edit(searcher, pattern, &self.replacement, &text, self.query.preview, room, path)?;
            if let Some(edited) = edited {
                return self.finish(path, &text, edited, etag, wanted.is_some());
            }
        }
        Err(WorkspaceError::Internal("what takes the place of text in a file had no room".to_owned()))
    }

    /// A file that is not larger than it was believed to be, with its version.
    fn read(&self, path: &RelPath, size: u64, limit: u64) -> Result<(String, Text), WorkspaceError> {
        let reading = self.tree.read(path, 0, None, size);
        let (stat, content) = self.outlet.runtime().block_on(reading).map_err(|error| match error {
            WorkspaceError::TooLarge { path, .. } if size < limit => WorkspaceError::Changed(path),
            error => error,
        })?;
        Ok((stat.etag, Text::decode(content, path)?))
    }

    fn finish(
        &self,
        path: &RelPath,
        text: &Text,
        edited: Edited,
        etag: String,
        is_named: bool,
    ) -> Result<Option<Done>, WorkspaceError> {
        let Edited { content, replacements, lines } = edited;
        if replacements == 0 {
            // It changed since it was looked through; of one that was named is told that nothing matches any more.
            return Ok(is_named.then_some(Done { etag, replacements, lines }));
        }
        if !self.take(replacements) {
            return Ok(None);
        }
        if self.query.preview {
            return Ok(Some(Done { etag, replacements, lines }));
        }
        let written = self.write(path, text, content, &etag);
        if written.is_err() {
            self.left.fetch_add(replacements, Ordering::Relaxed);
        }
        Ok(Some(Done { etag: written?, replacements, lines }))
    }

    fn write(&self, path: &RelPath, text: &Text, content: Vec<u8>, etag: &str) -> Result<String, WorkspaceError> {
        if content == text.content() {
            return Ok(etag.to_owned());
        }
        let bytes = text.encode(content);
        if bytes.len() as u64 > MAX_REPLACED_FILE_BYTES {
            return Err(WorkspaceError::TooLarge { path: path.clone(), limit: MAX_REPLACED_FILE_BYTES });
        }
        let writing = self.tree.write(path, bytes.into(), WriteMode::Replace(etag.to_owned()));
        Ok(self.outlet.runtime().block_on(writing)?.etag)
    }

    /// So many more may be replaced; otherwise the file stays as it is, whole, and the replacement is over.
    fn take(&self, replacements: u64) -> bool {
        let less = |left: u64| left.checked_sub(replacements);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if !taken {
            self.limit_reached.store(true, Ordering::Relaxed);
            self.stop.set();
        }
        taken
    }
}

/// Looks for files with a match.
struct Candidates<'a> {
    searcher: Searcher,
    pattern: &'a Pattern,
    job: &'a Job<'a>,
}

impl Visitor for Candidates<'_> {
    fn file(&mut self, folder: &Dir, name: &str, path: &str) {
        let Some((file, facts)) = open_file(folder, name) else { return };
        if bytes_of(&facts) > max_file_bytes(&self.job.query.search) {
            return;
        }
        let mut any = Any { pattern: self.pattern, found: false };
        let reader = Interruptible { file, stop: self.job.stop };
        if let Err(error) = self.searcher.search_reader(&self.pattern.matcher, reader, &mut any) {
            tracing::debug!(%error, "a file was not searched to its end");
        }
        if any.found
            && !self.job.stop.is_set()
            && let Ok(path) = RelPath::parse(path)
        {
            self.job.carry_out(&mut self.searcher, self.pattern, &path, None);
        }
    }
}

/// Whether there is a match at all.
struct Any<'a> {
    pattern: &'a Pattern,
    found: bool,
}

impl Sink for Any<'_> {
    type Error = io::Error;

    fn matched(&mut self, searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.pattern.each_match(searcher, found, |_, _| {
            self.found = true;
            false
        })?;
        Ok(!self.found)
    }
}
