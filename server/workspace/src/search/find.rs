//! Files by their path, best first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use cap_std::fs::Dir;
use coditect_protocol::search::FindFiles;
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::globs::PathFilter;
use super::text::MAX_PATTERN_BYTES;
use super::walk::{MAX_WALKED_ENTRIES, Visitor, Walk, walk};
use super::{FoundPaths, Stop, open_root};
use crate::WorkspaceError;

/// Most paths of an answer where the query names no limit.
pub const DEFAULT_FOUND_PATHS: usize = 1000;
/// Most paths of any answer.
pub const MAX_FOUND_PATHS: usize = 50_000;

/// Sorts the best first: high score, then short, then by name.
type Rank = (Reverse<u32>, usize, String);

pub(super) fn find(root: &Path, query: &FindFiles, stop: &Stop) -> Result<FoundPaths, WorkspaceError> {
    let limit = match usize::try_from(query.limit).unwrap_or(usize::MAX) {
        0 => DEFAULT_FOUND_PATHS,
        limit => limit.min(MAX_FOUND_PATHS),
    };
    let walked = Walk {
        root: open_root(root)?,
        obey_rules: query.use_ignore_files,
        filter: PathFilter::new(&query.include, &query.exclude)?,
        folders: std::slice::from_ref(&query.folder),
        max_entries: MAX_WALKED_ENTRIES,
        stop,
    };
    let scorer = Scorer::new(query)?;
    let (collectors, cut_short) =
        walk(&walked, || Collector { scorer: scorer.clone(), limit, best: BinaryHeap::new(), dropped: false });
    let mut dropped = false;
    let mut ranked: Vec<Rank> = Vec::new();
    for collector in collectors {
        dropped |= collector.dropped;
        ranked.extend(collector.best);
    }
    dropped |= ranked.len() > limit;
    ranked.sort_unstable();
    ranked.truncate(limit);
    let mut paths: Vec<String> = ranked.into_iter().map(|(_, _, path)| path).collect();
    // Between listing a folder and listing what is in it a link can take its place. What was seen through one is not
    // told.
    paths.retain(|path| walked.root.symlink_metadata(path).is_ok());
    Ok(FoundPaths { paths, limit_reached: dropped || cut_short })
}

/// Keeps the best of one thread.
struct Collector {
    scorer: Scorer,
    limit: usize,
    /// The worst on top.
    best: BinaryHeap<Rank>,
    dropped: bool,
}

impl Visitor for Collector {
    fn file(&mut self, _folder: &Dir, _name: &str, path: &str) {
        let Some(score) = self.scorer.score(path) else { return };
        let full = self.best.len() >= self.limit;
        self.dropped |= full;
        let worse_than_all = |worst: &Rank| (Reverse(score), path.len(), path) >= (worst.0, worst.1, worst.2.as_str());
        if full && self.best.peek().is_some_and(worse_than_all) {
            return;
        }
        self.best.push((Reverse(score), path.len(), path.to_owned()));
        if full {
            self.best.pop();
        }
    }
}

#[derive(Clone)]
struct Scorer {
    matcher: Matcher,
    wanted: Wanted,
    buffer: Vec<char>,
}

#[derive(Clone)]
enum Wanted {
    Everything,
    Fuzzy(Pattern),
    Substring(Atom),
}

impl Scorer {
    fn new(query: &FindFiles) -> Result<Self, WorkspaceError> {
        if query.pattern.len() > MAX_PATTERN_BYTES {
            return Err(WorkspaceError::SearchPattern(format!("it is longer than {MAX_PATTERN_BYTES} bytes.")));
        }
        let text = query.pattern.trim();
        let (case, normalization) = (CaseMatching::Ignore, Normalization::Smart);
        let wanted = match (text, query.fuzzy) {
            ("", _) => Wanted::Everything,
            (_, true) => Wanted::Fuzzy(Pattern::new(text, case, normalization, AtomKind::Fuzzy)),
            (_, false) => Wanted::Substring(Atom::new(text, case, normalization, AtomKind::Substring, false)),
        };
        Ok(Self { matcher: Matcher::new(Config::DEFAULT.match_paths()), wanted, buffer: Vec::new() })
    }

    /// `None` where it does not match. A match within the file's own name counts again: that is what people type.
    fn score(&mut self, path: &str) -> Option<u32> {
        let whole = self.score_text(path)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_name = if name.len() == path.len() { Some(whole) } else { self.score_text(name) };
        Some(whole.saturating_add(in_name.unwrap_or(0)))
    }

    fn score_text(&mut self, text: &str) -> Option<u32> {
        let haystack = Utf32Str::new(text, &mut self.buffer);
        match &self.wanted {
            Wanted::Everything => Some(0),
            Wanted::Fuzzy(pattern) => pattern.score(haystack, &mut self.matcher),
            Wanted::Substring(atom) => atom.score(haystack, &mut self.matcher).map(u32::from),
        }
    }
}
