//! Files by their path, best first, by a walk of its own: for what the index does not hold.

use std::path::Path;

use cap_std::fs::Dir;
use coditect_protocol::search::FindFiles;

use super::globs::PathFilter;
use super::rank::{Best, Candidate, Demand, Scorer};
use super::walk::{MAX_WALKED_ENTRIES, Visitor, Walk, is_there, walk};
use super::{FoundPaths, Stop, open_root};
use crate::WorkspaceError;

/// Most paths of an answer where the query names no limit.
pub const DEFAULT_FOUND_PATHS: usize = 1000;
/// Most paths of any answer.
pub const MAX_FOUND_PATHS: usize = 50_000;

pub(super) fn find(root: &Path, query: &FindFiles, stop: &Stop) -> Result<FoundPaths, WorkspaceError> {
    let limit = limit_of(query);
    let walked = Walk {
        root: open_root(root)?,
        obey_rules: query.use_ignore_files,
        filter: PathFilter::new(&query.include, &query.exclude)?,
        folders: std::slice::from_ref(&query.folder),
        max_entries: MAX_WALKED_ENTRIES,
        stop,
    };
    let scorer = Scorer::new(query)?;
    let (collectors, cut_short) = walk(&walked, || Collector(Best::new(scorer.clone(), limit, Demand::Any)));
    let (paths, dropped) = Best::merge(collectors.into_iter().map(|collector| collector.0), limit);
    Ok(FoundPaths { paths: still_there(&walked.root, paths), limit_reached: dropped || cut_short })
}

/// Most paths to answer.
pub(crate) fn limit_of(query: &FindFiles) -> usize {
    match usize::try_from(query.limit).unwrap_or(usize::MAX) {
        0 => DEFAULT_FOUND_PATHS,
        limit => limit.min(MAX_FOUND_PATHS),
    }
}

/// Between listing a folder and listing what is in it a link can take its place. What was seen through one is not told.
pub(crate) fn still_there(root: &Dir, mut paths: Vec<String>) -> Vec<String> {
    paths.retain(|path| is_there(root, path));
    paths
}

/// What one thread finds.
struct Collector(Best);

impl Visitor for Collector {
    fn file(&mut self, _folder: &Dir, _name: &str, path: &str) {
        self.0.offer(Candidate::of(path), 0, |_| true);
    }
}
