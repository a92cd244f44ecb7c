//! The one thread that commits: it takes what is queued, refuses conflicts, and writes the rest at once.

use super::conflict::ConflictWindow;
use super::{Applied, Commit, Shared, Snapshot, State, Storage};
use crate::error::StoreError;
use crate::limits::{BATCH_MAX_BYTES, BATCH_MAX_TRANSACTIONS, IDLE_INTERVAL};
use crate::mutation::{Mutation, stamp};
use crate::range::KeyRange;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A transaction that wants to commit.
pub(super) struct Request {
    /// What its reads saw.
    pub(super) read_version: u64,
    /// What it read.
    pub(super) reads: Vec<KeyRange>,
    /// What it declared as written beside its mutations.
    pub(super) writes: Vec<KeyRange>,
    /// What it writes.
    pub(super) mutations: Vec<Mutation>,
    /// Version that it raises the store to, if that is behind.
    pub(super) at_least: u64,
    /// Its room in the queue.
    pub(super) room: OwnedSemaphorePermit,
    /// Where its version goes.
    pub(super) reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// Owner of the storage.
pub(super) struct Committer<T: Storage> {
    storage: T,
    shared: Arc<Shared<T::Snapshot>>,
    queue: Receiver<Request>,
    window: ConflictWindow,
    /// Version of the last commit.
    version: u64,
}

/// A batch that passed the check.
#[derive(Default)]
struct Batch {
    commits: Vec<Commit>,
    writes: Vec<KeyRange>,
    replies: Vec<(u64, oneshot::Sender<Result<u64, StoreError>>)>,
    /// Held until the batch is done.
    rooms: Vec<OwnedSemaphorePermit>,
}

impl<T: Storage> Committer<T> {
    pub(super) fn new(storage: T, shared: Arc<Shared<T::Snapshot>>, queue: Receiver<Request>, version: u64) -> Self {
        Self { storage, shared, queue, window: ConflictWindow::new(version), version }
    }

    /// Commits until nobody can send any more, then gives up the storage.
    pub(super) fn run(mut self) {
        let _down = DownOnDrop(self.shared.clone());
        loop {
            match self.queue.recv_timeout(IDLE_INTERVAL) {
                Ok(first) => self.commit_batch(first),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(state) = self.storage.idle() {
                        self.restart_from(state);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // Snapshots that are still read keep what they need of the storage.
        self.shared.publish(State::Down(StoreError::Closed));
    }

    /// Commits the first request and those that are queued behind it.
    fn commit_batch(&mut self, first: Request) {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            bytes += request.room.num_permits();
            self.admit(request, &mut batch);
            let full = batch.commits.len() >= BATCH_MAX_TRANSACTIONS || bytes >= BATCH_MAX_BYTES;
            next = if full { None } else { self.queue.try_recv().ok() };
        }
        if !batch.commits.is_empty() {
            self.apply(batch);
        }
    }

    /// Checks a request against all commits before it, those of its own batch included.
    fn admit(&mut self, request: Request, batch: &mut Batch) {
        if let Err(error) = self.window.check(request.read_version, &request.reads) {
            let _ = request.reply.send(Err(error));
            return;
        }
        self.version = self.version.max(request.at_least).saturating_add(1);
        let stamp = stamp(self.version);
        let mutations: Vec<Mutation> = request.mutations.into_iter().map(|m| m.stamped(stamp)).collect();
        let mut writes = request.writes;
        writes.extend(mutations.iter().map(Mutation::touches));
        self.window.record(self.version, &writes, Instant::now());
        batch.writes.append(&mut writes);
        batch.commits.push(Commit { version: self.version, mutations });
        batch.replies.push((self.version, request.reply));
        batch.rooms.push(request.room);
    }

    fn apply(&mut self, batch: Batch) {
        let Applied { result, state } = self.storage.apply(&batch.commits);
        // The mutations are written: there is room for the next ones.
        drop((batch.commits, batch.rooms));
        match (&result, state) {
            (Ok(()), Some(State::Open(snapshot))) => {
                // Published before anybody hears of the commit, so that whoever does can read it.
                self.shared.publish(State::Open(snapshot.clone()));
                answer(batch.replies, Ok);
                self.shared.watches.fire(&batch.writes, &*snapshot);
                return;
            }
            (_, Some(state)) => self.restart_from(state),
            (_, None) => self.forget_refused(),
        }
        answer(batch.replies, |version| result.clone().map(|()| version));
    }

    /// Takes commits that did not happen out of the window.
    fn forget_refused(&mut self) {
        if let Ok(snapshot) = self.shared.snapshot() {
            self.window = ConflictWindow::new(snapshot.version());
        }
    }

    /// Goes on from a state of which the window knows nothing: commits that failed are in it, ones that succeeded after all
    /// may be missing from what watchers heard.
    fn restart_from(&mut self, state: State<T::Snapshot>) {
        match state {
            State::Open(snapshot) => {
                self.version = self.version.max(snapshot.version());
                self.window = ConflictWindow::new(snapshot.version());
                self.shared.publish(State::Open(snapshot));
                self.shared.watches.end_all(&StoreError::WatchCancelled);
            }
            State::Down(error) => {
                self.shared.publish(State::Down(error));
                self.shared.watches.end_all(&StoreError::WatchCancelled);
            }
        }
    }
}

fn answer(
    replies: Vec<(u64, oneshot::Sender<Result<u64, StoreError>>)>,
    result: impl Fn(u64) -> Result<u64, StoreError>,
) {
    for (version, reply) in replies {
        // Who no longer waits does not want to know.
        let _ = reply.send(result(version));
    }
}

/// Leaves no reader with a state that nobody renews, even if the thread panics.
struct DownOnDrop<S: Snapshot>(Arc<Shared<S>>);

impl<S: Snapshot> Drop for DownOnDrop<S> {
    fn drop(&mut self) {
        let reason = if std::thread::panicking() {
            StoreError::unavailable("its committer has failed; start the server again")
        } else {
            StoreError::Closed
        };
        self.0.publish(State::Down(reason.clone()));
        self.0.watches.end_all(&reason);
    }
}
