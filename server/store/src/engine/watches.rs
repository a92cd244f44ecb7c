//! Who waits for which key to change.

use super::Snapshot;
use crate::error::StoreError;
use crate::limits::WATCHES_MAX;
use crate::range::KeyRange;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// All watches of a store.
#[derive(Default)]
pub(super) struct Watches(Arc<Table>);

#[derive(Default)]
struct Table {
    /// Watches on each key, by their identifiers.
    keys: Mutex<BTreeMap<Bytes, BTreeMap<u64, Standing>>>,
    count: AtomicUsize,
    next: AtomicU64,
    hasher: RandomState,
}

struct Standing {
    /// Hash of the value that was seen, under a key that nobody else knows.
    seen: u64,
    changed: oneshot::Sender<Result<(), StoreError>>,
}

/// A watch that does not stand yet.
pub(super) struct PendingWatch {
    key: Bytes,
    id: u64,
    standing: Standing,
}

/// The waiting end of a watch; counts it, and takes it away when it is dropped.
pub(super) struct WatchHandle {
    changed: oneshot::Receiver<Result<(), StoreError>>,
    table: Arc<Table>,
    key: Bytes,
    id: u64,
}

impl Watches {
    /// Makes a watch on a key against a value; it stands once it is armed.
    pub(super) fn prepare(&self, key: Bytes, value: Option<&[u8]>) -> Result<(PendingWatch, WatchHandle), StoreError> {
        if self.0.count.fetch_add(1, Ordering::Relaxed) >= WATCHES_MAX {
            self.0.count.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::TooManyWatches);
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (changed, receiver) = oneshot::channel();
        let handle = WatchHandle { changed: receiver, table: self.0.clone(), key: key.clone(), id };
        let standing = Standing { seen: self.0.hasher.hash_one(value), changed };
        Ok((PendingWatch { key, id, standing }, handle))
    }

    /// Lets a watch stand. `current` is asked afterwards: a change that came before is noticed here, a later one by
    /// [`Watches::fire`].
    pub(super) fn arm<S: Snapshot>(&self, watch: PendingWatch, current: impl Fn() -> Result<Arc<S>, StoreError>) {
        let key = watch.key.clone();
        self.lock().entry(watch.key).or_default().insert(watch.id, watch.standing);
        let now = current().and_then(|snapshot| snapshot.get(&key));
        self.settle(&key, &now);
    }

    /// Tells those whose key was written and no longer has the value they saw. Called after the snapshot was published.
    pub(super) fn fire<S: Snapshot>(&self, writes: &[KeyRange], snapshot: &S) {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        for key in self.touched(writes) {
            self.settle(&key, &snapshot.get(&key));
        }
    }

    /// Ends all watches with an error, for their keys are no longer followed.
    pub(super) fn end_all(&self, error: &StoreError) {
        let all = std::mem::take(&mut *self.lock());
        for standing in all.into_values().flat_map(BTreeMap::into_values) {
            let _ = standing.changed.send(Err(error.clone()));
        }
    }

    /// Watched keys among those written.
    fn touched(&self, writes: &[KeyRange]) -> Vec<Bytes> {
        let keys = self.lock();
        let mut touched = Vec::new();
        for range in writes {
            match range {
                KeyRange::Key(key) => touched.extend(keys.get_key_value(key).map(|(key, _)| key.clone())),
                KeyRange::Between(begin, end) if begin < end => {
                    let bounds = (Bound::Included(&begin[..]), Bound::Excluded(&end[..]));
                    touched.extend(keys.range::<[u8], _>(bounds).map(|(key, _)| key.clone()));
                }
                KeyRange::Between(..) => {}
            }
        }
        touched
    }

    /// Tells the watchers of a key who saw another value than it has now.
    fn settle(&self, key: &Bytes, now: &Result<Option<Bytes>, StoreError>) {
        let hash = now.as_ref().map(|value| self.0.hasher.hash_one(value.as_deref())).ok();
        let mut keys = self.lock();
        let Some(watchers) = keys.get_mut(key) else { return };
        let done: Vec<_> = watchers
            // One that was dropped while it was armed is found by nobody else.
            .extract_if(.., |_, standing| Some(standing.seen) != hash || standing.changed.is_closed())
            .collect();
        if watchers.is_empty() {
            keys.remove(key);
        }
        drop(keys);
        for (_, standing) in done {
            // Whoever watches reads again after an error, and so misses nothing.
            let _ = standing.changed.send(now.as_ref().map(drop).map_err(Clone::clone));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Bytes, BTreeMap<u64, Standing>>> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchHandle {
    /// Waits for the change.
    pub(super) async fn changed(mut self) -> Result<(), StoreError> {
        (&mut self.changed).await.unwrap_or(Err(StoreError::WatchCancelled))
    }
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        self.changed.close();
        self.table.count.fetch_sub(1, Ordering::Relaxed);
        let mut keys = self.table.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watchers) = keys.get_mut(&self.key) {
            watchers.remove(&self.id);
            if watchers.is_empty() {
                keys.remove(&self.key);
            }
        }
    }
}
