//! The paths of a tree, ready to be searched while somebody types.
//!
//! A tree's index is built by one walk when somebody first looks for a file in it, is shared by everybody who does, and follows
//! what the watcher tells; it goes when nobody has looked for a file for [`IDLE_LIMIT`]. It holds what a search that obeys the
//! ignore rules sees. Other searches walk.
//!
//! Invariants:
//! * What is told was looked at when it was told: a path that is gone is not answered, however late the watcher is.
//! * Nothing is lost: who built it subscribed before, a rescan builds it anew, and what lies in folders that are not watched is
//!   looked at again while somebody types.
//! * Its memory is bounded ([`MAX_INDEXED_FILES`]) and is some tens of bytes a path.

mod follow;
mod paths;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use coditect_protocol::UserId;
use coditect_protocol::search::FindFiles;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::paths::MAX_INDEXED_FILES;
use self::paths::Paths;
use crate::WorkspaceError;
use crate::search::find::{limit_of, still_there};
use crate::search::globs::PathFilter;
use crate::search::rank::{Best, Demand, Scorer};
use crate::search::{FoundPaths, Stop, find_files, run, threads};
use crate::tree::{Tree, TreeIdentity};
use crate::watch::Watchers;

/// How long an index is kept after somebody last looked for a file.
pub const IDLE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// The indexes of all trees. A clone shares them.
#[derive(Clone)]
pub struct Indexes(Arc<Shared>);

struct Shared {
    watchers: Watchers,
    idle_limit: Duration,
    trees: Mutex<HashMap<TreeIdentity, Arc<TreeIndex>>>,
}

/// How far an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Building,
    Ready,
    /// There will be none: the tree cannot be watched, or is gone.
    Failed,
}

/// The index of one tree.
struct TreeIndex {
    root: Dir,
    state: watch::Sender<State>,
    paths: RwLock<Paths>,
    used: Mutex<Instant>,
    /// Somebody looks for a file: what is not watched may have changed.
    wanted: Notify,
}

/// What an index takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSize {
    /// Files in it.
    pub files: usize,
    /// Bytes of memory, about.
    pub bytes: usize,
}

impl Indexes {
    /// Indexes that follow what these watchers tell; none is built yet.
    #[must_use]
    pub fn new(watchers: Watchers) -> Self {
        Self::with_idle_limit(watchers, IDLE_LIMIT)
    }

    fn with_idle_limit(watchers: Watchers, idle_limit: Duration) -> Self {
        Self(Arc::new(Shared { watchers, idle_limit, trees: Mutex::default() }))
    }

    /// Finds files of `tree` by their path, best first, for `person`.
    pub async fn find_files(
        &self,
        person: UserId,
        tree: &Arc<Tree>,
        query: FindFiles,
        cancel: CancellationToken,
    ) -> Result<FoundPaths, WorkspaceError> {
        if query.use_ignore_files
            && let Some(index) = self.ready(tree, &cancel).await?
            // A folder that is ignored and was named is not in it.
            && index.paths().has_folder(query.folder.as_str())
        {
            return run(person, cancel, move |stop| index.find(&query, stop)).await;
        }
        find_files(person, tree.path().to_owned(), query, cancel).await
    }

    /// What the index of a tree takes, where there is one.
    #[must_use]
    pub fn size(&self, tree: &Tree) -> Option<IndexSize> {
        let index = self.trees().get(&tree.identity()).cloned()?;
        let paths = index.paths();
        Some(IndexSize { files: paths.files(), bytes: paths.memory_bytes() })
    }

    /// The index of a tree, once it is built; `None` where there is none to be had.
    async fn ready(
        &self,
        tree: &Arc<Tree>,
        cancel: &CancellationToken,
    ) -> Result<Option<Arc<TreeIndex>>, WorkspaceError> {
        let index = self.index_of(tree)?;
        index.touch();
        let mut state = index.state.subscribe();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WorkspaceError::SearchCancelled),
            state = state.wait_for(|state| *state != State::Building) => {
                Ok(state.is_ok_and(|state| *state == State::Ready).then_some(index))
            }
        }
    }

    fn index_of(&self, tree: &Arc<Tree>) -> Result<Arc<TreeIndex>, WorkspaceError> {
        let root = tree.handle()?;
        let mut trees = self.trees();
        if let Some(index) = trees.get(&tree.identity()) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(TreeIndex {
            root,
            state: watch::Sender::new(State::Building),
            paths: RwLock::default(),
            used: Mutex::new(Instant::now()),
            wanted: Notify::new(),
        });
        trees.insert(tree.identity(), Arc::clone(&index));
        let ending = Ending { shared: Arc::downgrade(&self.0), identity: tree.identity(), index: Arc::clone(&index) };
        let following =
            follow::follow(Arc::clone(&index), self.0.watchers.clone(), Arc::clone(tree), self.0.idle_limit);
        tokio::spawn(async move {
            let _ending = ending;
            following.await;
        });
        Ok(index)
    }

    fn trees(&self) -> std::sync::MutexGuard<'_, HashMap<TreeIdentity, Arc<TreeIndex>>> {
        self.0.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an index out when nothing follows its tree any more, however that ended.
struct Ending {
    shared: Weak<Shared>,
    identity: TreeIdentity,
    index: Arc<TreeIndex>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.index.state.send_replace(State::Failed);
        if let Some(shared) = self.shared.upgrade() {
            shared.trees.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.identity);
        }
    }
}

impl TreeIndex {
    fn paths(&self) -> RwLockReadGuard<'_, Paths> {
        self.paths.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Paths)) {
        change(&mut self.paths.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.wanted.notify_one();
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, query: &FindFiles, stop: &Stop) -> Result<FoundPaths, WorkspaceError> {
        let limit = limit_of(query);
        let filter = PathFilter::new(&query.include, &query.exclude)?;
        let scorer = Scorer::new(query)?;
        // A walk would not have entered a folder that is left out.
        let admits = |path: &str| {
            filter.wants_file(path) && path.match_indices('/').all(|(end, _)| filter.wants_folder(&path[..end]))
        };
        let paths = self.paths();
        let collect = |demand| {
            let mut collectors: Vec<_> = (0..threads()).map(|_| Best::new(scorer.clone(), limit, demand)).collect();
            paths.offer_all(query.folder.as_str(), &mut collectors, || stop.is_set(), admits);
            collectors
        };
        // Where names are enough, no path that matches only as a whole is among the best.
        let mut collectors = collect(Demand::InName);
        if !Best::is_full(&collectors, limit) {
            collectors = collect(Demand::Any);
        }
        let cut_short = paths.cut_short;
        drop(paths);
        let (paths, dropped) = Best::merge(collectors, limit);
        Ok(FoundPaths { paths: still_there(&self.root, paths), limit_reached: dropped || cut_short })
    }
}
