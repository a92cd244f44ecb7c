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
//! * Its memory is bounded ([`MAX_INDEX_BYTES`]), as is that of all of them ([`MAX_INDEXES_BYTES`]: the one that was used longest ago
//!   goes first), and is some tens of bytes a path. It holds no rules: they are read again when something changes.

mod follow;
mod paths;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use coditect_protocol::search::FindFiles;
use coditect_protocol::{RelPath, UserId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::paths::Paths;
pub use self::paths::{MAX_INDEX_BYTES, MAX_INDEXED_FILES};
use crate::WorkspaceError;
use crate::search::find::{limit_of, still_there};
use crate::search::globs::PathFilter;
use crate::search::rank::{Best, Demand, Scorer};
use crate::search::{FoundPaths, Stop, find_files, run, threads};
use crate::tree::{Tree, TreeIdentity};
use crate::watch::Watchers;

/// How long an index is kept after somebody last looked for a file.
pub const IDLE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Most bytes that all indexes of a server take, about.
pub const MAX_INDEXES_BYTES: usize = 512 * 1024 * 1024;

/// The indexes of all trees. A clone shares them.
#[derive(Clone)]
pub struct Indexes(Arc<Shared>);

struct Shared {
    watchers: Watchers,
    idle_limit: Duration,
    max_bytes: usize,
    /// What all indexes take, those that somebody still searches though they left included.
    bytes: Arc<AtomicUsize>,
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
    shared: Weak<Shared>,
    /// What all indexes take.
    bytes_of_all: Arc<AtomicUsize>,
    /// Set when others need its room.
    leave: CancellationToken,
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
        Self::with_limits(watchers, IDLE_LIMIT, MAX_INDEXES_BYTES)
    }

    fn with_limits(watchers: Watchers, idle_limit: Duration, max_bytes: usize) -> Self {
        Self(Arc::new(Shared { watchers, idle_limit, max_bytes, bytes: Arc::default(), trees: Mutex::default() }))
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
            && let Some(index) = self.ready(person, tree, &cancel).await?
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
        person: UserId,
        tree: &Arc<Tree>,
        cancel: &CancellationToken,
    ) -> Result<Option<Arc<TreeIndex>>, WorkspaceError> {
        let index = self.index_of(person, tree)?;
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

    fn index_of(&self, person: UserId, tree: &Arc<Tree>) -> Result<Arc<TreeIndex>, WorkspaceError> {
        let root = tree.handle()?;
        let mut trees = self.trees();
        if let Some(index) = trees.get(&tree.identity()) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(TreeIndex {
            root,
            state: watch::Sender::new(State::Building),
            paths: RwLock::default(),
            shared: Arc::downgrade(&self.0),
            bytes_of_all: Arc::clone(&self.0.bytes),
            leave: CancellationToken::new(),
            used: Mutex::new(Instant::now()),
            wanted: Notify::new(),
        });
        trees.insert(tree.identity(), Arc::clone(&index));
        let ending = Ending { shared: Arc::downgrade(&self.0), identity: tree.identity(), index: Arc::clone(&index) };
        let following =
            follow::follow(Arc::clone(&index), self.0.watchers.clone(), person, Arc::clone(tree), self.0.idle_limit);
        tokio::spawn(async move {
            let _ending = ending;
            following.await;
        });
        Ok(index)
    }

    fn trees(&self) -> MutexGuard<'_, HashMap<TreeIdentity, Arc<TreeIndex>>> {
        self.0.trees()
    }
}

impl Shared {
    fn trees(&self) -> MutexGuard<'_, HashMap<TreeIdentity, Arc<TreeIndex>>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has those leave that were used longest ago, until the others take no more than there is.
    fn make_room(&self) {
        if self.bytes.load(Ordering::Relaxed) <= self.max_bytes {
            return;
        }
        let mut indexes: Vec<_> =
            self.trees().values().filter(|index| !index.leave.is_cancelled()).map(Arc::clone).collect();
        indexes.sort_by_key(|index| index.used());
        let sizes: Vec<_> = indexes.iter().map(|index| index.paths().memory_bytes()).collect();
        let mut all: usize = sizes.iter().sum();
        for (index, bytes) in indexes.iter().zip(sizes) {
            if all <= self.max_bytes {
                return;
            }
            index.leave.cancel();
            all -= bytes;
        }
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
            shared.trees().remove(&self.identity);
        }
    }
}

impl Drop for TreeIndex {
    fn drop(&mut self) {
        let bytes = self.paths().memory_bytes();
        self.bytes_of_all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl TreeIndex {
    fn paths(&self) -> RwLockReadGuard<'_, Paths> {
        self.paths.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Paths)) {
        let mut paths = self.paths.write().unwrap_or_else(PoisonError::into_inner);
        let before = paths.memory_bytes();
        change(&mut paths);
        let now = paths.memory_bytes();
        self.bytes_of_all.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
        self.bytes_of_all.fetch_sub(before.saturating_sub(now), Ordering::Relaxed);
    }

    fn make_room(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.make_room();
        }
    }

    fn handle(&self) -> Result<Dir, WorkspaceError> {
        self.root.try_clone().map_err(|error| WorkspaceError::from_io(&RelPath::root(), error))
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
