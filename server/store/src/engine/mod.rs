//! What the backends of this crate share: writes kept until commit, conflict detection, group commit and watches.
//!
//! A backend brings a [`Storage`]: something that applies a batch of commits at once, durably, and gives out snapshots.
//! One thread owns it (`committer.rs`); transactions read published snapshots and hand their commits to that thread.

mod buffer;
mod committer;
mod conflict;
mod transaction;
mod watches;

use crate::backend::{Backend, BackendTransaction};
use crate::error::StoreError;
use crate::limits::COMMIT_QUEUE_MAX_BYTES;
use crate::mutation::Mutation;
use crate::range::{KeyValue, Rows};
use async_trait::async_trait;
use bytes::Bytes;
use committer::{Committer, Request};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use tokio::sync::{Semaphore, oneshot, watch};
use transaction::{LocalTransaction, REQUEST_BYTES};
use watches::Watches;

/// A state of the data that does not change while it is held.
pub(crate) trait Snapshot: Send + Sync + 'static {
    /// Version of the last commit in it.
    fn version(&self) -> u64;
    /// Value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;
    /// Rows from `begin` to `end`, until the slice is full.
    fn slice(&self, begin: &[u8], end: &[u8], reverse: bool, rows: usize) -> Result<Rows, StoreError>;
}

/// Commits applied to the data, durably, in batches.
pub(crate) trait Storage: Send + 'static {
    /// Its snapshots.
    type Snapshot: Snapshot;

    /// Applies all commits or none, durably. Blocks.
    fn apply(&mut self, commits: &[Commit]) -> Applied<Self::Snapshot>;

    /// Called when there was nothing to do for a while; may find that the data can be used again, or no longer.
    fn idle(&mut self) -> Option<State<Self::Snapshot>> {
        None
    }
}

/// What became of a batch.
pub(crate) struct Applied<S> {
    /// Whether it was applied; [`StoreError::CommitUnknown`] where that cannot be told.
    pub(crate) result: Result<(), StoreError>,
    /// What transactions read from now on; none if the batch was refused and all is as it was.
    pub(crate) state: Option<State<S>>,
}

/// What transactions read from.
pub(crate) enum State<S> {
    /// This snapshot.
    Open(Arc<S>),
    /// Nothing, for this reason.
    Down(StoreError),
}

impl<S> State<S> {
    fn snapshot(&self) -> Result<Arc<S>, StoreError> {
        match self {
            Self::Open(snapshot) => Ok(snapshot.clone()),
            Self::Down(error) => Err(error.clone()),
        }
    }
}

/// One transaction of a batch: stamped mutations, in order.
pub(crate) struct Commit {
    /// Version it gets.
    pub(crate) version: u64,
    /// What it does.
    pub(crate) mutations: Vec<Mutation>,
}

/// Fills a slice of rows, whichever way a backend iterates.
pub(crate) struct SliceBuilder {
    rows: Rows,
    bytes: usize,
    limit: usize,
}

impl SliceBuilder {
    /// An empty slice for at most `limit` rows.
    pub(crate) fn new(limit: usize) -> Self {
        Self { rows: Rows::default(), bytes: 0, limit }
    }

    /// Adds a row; false if the slice is full and the row was not taken.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        if self.rows.rows.len() >= self.limit || self.bytes >= crate::limits::SLICE_MAX_BYTES {
            self.rows.more = true;
            return false;
        }
        self.bytes += key.len() + value.len();
        let row = KeyValue { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) };
        self.rows.rows.push(row);
        true
    }

    /// What was gathered.
    pub(crate) fn finish(self) -> Rows {
        self.rows
    }
}

/// What transactions and the committer share.
struct Shared<S> {
    state: RwLock<State<S>>,
    watches: Watches,
}

impl<S: Snapshot> Shared<S> {
    fn snapshot(&self) -> Result<Arc<S>, StoreError> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).snapshot()
    }

    fn publish(&self, state: State<S>) {
        let before = std::mem::replace(&mut *self.state.write().unwrap_or_else(PoisonError::into_inner), state);
        // Outside the lock: the last holder of a snapshot may have work to do.
        drop(before);
    }
}

/// A backend over a [`Storage`].
pub(crate) struct LocalBackend<T: Storage> {
    name: &'static str,
    core: Arc<Core<T::Snapshot>>,
    ended: watch::Receiver<()>,
}

/// What a transaction needs of its backend.
struct Core<S> {
    shared: Arc<Shared<S>>,
    /// Gone when the store was closed.
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    /// Bytes that may still be queued, which bounds the queue.
    room: Arc<Semaphore>,
}

impl<S> Core<S> {
    fn send(&self, request: Request) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(request).map_err(|_| StoreError::unavailable("its committer has ended"))
    }
}

impl<T: Storage> LocalBackend<T> {
    /// Closes when the storage has given up its files.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.clone()
    }

    /// Starts the committer over a storage whose present state is `snapshot`.
    pub(crate) fn start(name: &'static str, storage: T, snapshot: Arc<T::Snapshot>) -> Result<Arc<Self>, StoreError> {
        let (sender, receiver) = mpsc::channel();
        let (ended_sender, ended) = watch::channel(());
        let version = snapshot.version();
        let shared = Arc::new(Shared { state: RwLock::new(State::Open(snapshot)), watches: Watches::default() });
        let committer = Committer::new(storage, shared.clone(), receiver, version);
        std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || {
                // Dropped last, when the storage has given up its files.
                let _ended = ended_sender;
                committer.run();
            })
            .map_err(|error| StoreError::unavailable(format!("no thread for the committer: {error}")))?;
        let room = Arc::new(Semaphore::new(COMMIT_QUEUE_MAX_BYTES));
        Ok(Arc::new(Self { name, core: Arc::new(Core { shared, queue: Mutex::new(Some(sender)), room }), ended }))
    }
}

#[async_trait]
impl<T: Storage> Backend for LocalBackend<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.core.shared.snapshot()?.get(b"").map(drop)
    }

    fn begin(&self) -> Arc<dyn BackendTransaction> {
        Arc::new(LocalTransaction::new(self.core.clone()))
    }

    fn snapshot(&self) -> Result<Option<Arc<dyn Snapshot>>, StoreError> {
        Ok(Some(self.core.shared.snapshot()?))
    }

    async fn raise_version(&self, needed: u64) -> Result<(), StoreError> {
        if self.core.shared.snapshot()?.version() >= needed {
            return Ok(());
        }
        let permits = u32::try_from(REQUEST_BYTES).unwrap_or(u32::MAX);
        let room = self.core.room.clone().acquire_many_owned(permits).await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let (reads, writes, mutations) = (Vec::new(), Vec::new(), Vec::new());
        let request = Request { read_version: u64::MAX, reads, writes, mutations, at_least: needed, room, reply };
        self.core.send(request)?;
        answer.await.unwrap_or(Err(StoreError::CommitUnknown)).map(drop)
    }

    async fn close(&self) {
        drop(self.core.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        // The committer answers what is queued, then ends, which closes the channel.
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}
