//! A transaction over snapshots and the committer.

use super::buffer::{Known, WriteBuffer};
use super::committer::Request;
use super::watches::PendingWatch;
use super::{Core, Snapshot};
use crate::backend::BackendTransaction;
use crate::error::StoreError;
use crate::limits::{RANGE_MAX_BYTES, RANGE_MAX_ROWS, SLICE_MAX_ROWS, TRANSACTION_MAX_BYTES};
use crate::mutation::{Mutation, stamp};
use crate::range::{KeyRange, KeyValue, Range, Rows, key_after};
use crate::store::Committed;
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a queued transaction costs beside its bytes.
pub(super) const REQUEST_BYTES: usize = 512;

/// One transaction.
pub(super) struct LocalTransaction<S: Snapshot> {
    core: Arc<Core<S>>,
    work: Mutex<Work<S>>,
}

struct Work<S> {
    /// Taken by the first read.
    snapshot: Option<Arc<S>>,
    reads: Vec<KeyRange>,
    writes: Vec<KeyRange>,
    mutations: Vec<Mutation>,
    buffer: WriteBuffer,
    watches: Vec<PendingWatch>,
    bytes: usize,
    finished: bool,
}

impl<S> Work<S> {
    fn new() -> Self {
        Self {
            snapshot: None,
            reads: Vec::new(),
            writes: Vec::new(),
            mutations: Vec::new(),
            buffer: WriteBuffer::default(),
            watches: Vec::new(),
            bytes: 0,
            finished: false,
        }
    }
}

impl<S: Snapshot> LocalTransaction<S> {
    pub(super) fn new(core: Arc<Core<S>>) -> Self {
        Self { core, work: Mutex::new(Work::new()) }
    }

    /// The work, if it has not ended.
    fn work(&self) -> Result<MutexGuard<'_, Work<S>>, StoreError> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if work.finished { Err(StoreError::TransactionFinished) } else { Ok(work) }
    }

    fn snapshot(&self, work: &mut Work<S>) -> Result<Arc<S>, StoreError> {
        if let Some(snapshot) = &work.snapshot {
            return Ok(snapshot.clone());
        }
        let snapshot = self.core.shared.snapshot()?;
        work.snapshot = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// The next slice of a range. The first is read at once; later ones, which make a long read, on a thread that may block.
    async fn slice(snapshot: &Arc<S>, range: &Range, rows: usize, is_first: bool) -> Result<Rows, StoreError> {
        if is_first {
            return snapshot.slice(&range.begin, &range.end, range.reverse, rows);
        }
        let (snapshot, range) = (snapshot.clone(), range.clone());
        let read = move || snapshot.slice(&range.begin, &range.end, range.reverse, rows);
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::unavailable("a read was aborted"))?
    }

    /// Reads a range slice by slice, each with the transaction's own writes laid over it.
    async fn read_range(&self, snapshot: &Arc<S>, range: &Range) -> Result<Rows, StoreError> {
        let mut found = Rows::default();
        let mut bytes = 0;
        let mut rest = range.clone();
        let mut is_first = true;
        loop {
            let wanted = (range.limit - found.len()).min(if is_first { SLICE_MAX_ROWS } else { RANGE_MAX_ROWS });
            let slice = Self::slice(snapshot, &rest, wanted, is_first).await?;
            is_first = false;
            let more = slice.more;
            let (covered, next) = split_covered(&rest, &slice);
            let rows = self.overlay(&covered, slice.rows)?;
            let mut rows = rows.into_iter().peekable();
            while let Some(row) = rows.next() {
                bytes += row.key.len() + row.value.len();
                found.rows.push(row);
                if found.len() >= range.limit || bytes >= RANGE_MAX_BYTES {
                    found.more = more || rows.peek().is_some();
                    return Ok(found);
                }
            }
            if !more {
                return Ok(found);
            }
            rest = next;
        }
    }

    /// Rows of the covered part with own writes, in the direction of the range.
    fn overlay(&self, covered: &Range, mut stored: Vec<KeyValue>) -> Result<Vec<KeyValue>, StoreError> {
        let work = self.work()?;
        if work.buffer.is_clean(&covered.begin, &covered.end) {
            return Ok(stored);
        }
        if covered.reverse {
            stored.reverse();
        }
        let mut rows = work.buffer.overlay(&covered.begin, &covered.end, stored)?;
        if covered.reverse {
            rows.reverse();
        }
        Ok(rows)
    }

    /// Takes what the commit needs and lets the transaction end.
    fn finish(&self) -> Result<Work<S>, StoreError> {
        let mut work = self.work()?;
        let taken = std::mem::replace(&mut *work, Work::new());
        work.finished = true;
        Ok(taken)
    }

    async fn send(&self, work: &mut Work<S>) -> Result<u64, StoreError> {
        // Without a read nothing can be out of date; a read took a snapshot, which is not needed any more.
        let read_version = work.snapshot.take().map_or(u64::MAX, |snapshot| snapshot.version());
        let bytes = (work.bytes + REQUEST_BYTES).min(TRANSACTION_MAX_BYTES + REQUEST_BYTES);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = self.core.room.clone().acquire_many_owned(permits).await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.core.send(Request {
            read_version,
            reads: std::mem::take(&mut work.reads),
            writes: std::mem::take(&mut work.writes),
            mutations: std::mem::take(&mut work.mutations),
            at_least: 0,
            room,
            reply,
        })?;
        answer.await.unwrap_or(Err(StoreError::CommitUnknown))
    }
}

/// The part of the range that a slice tells all about, and what remains behind it.
fn split_covered(range: &Range, slice: &Rows) -> (Range, Range) {
    let (mut covered, mut rest) = (range.clone(), range.clone());
    if let (true, Some(last)) = (slice.more, slice.last()) {
        if range.reverse {
            covered.begin = last.key.clone();
            rest.end = last.key.clone();
        } else {
            covered.end = key_after(&last.key);
            rest.begin = covered.end.clone();
        }
    }
    (covered, rest)
}

/// What a range read has seen: up to its last row if there was more, else all of it.
fn seen(range: &Range, rows: &Rows) -> KeyRange {
    let (covered, _) = split_covered(range, rows);
    KeyRange::Between(covered.begin, covered.end)
}

#[async_trait]
impl<S: Snapshot> BackendTransaction for LocalTransaction<S> {
    async fn get(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError> {
        let (overlay, state) = {
            let mut work = self.work()?;
            let state = self.snapshot(&mut work)?;
            let overlay = match work.buffer.get(key)? {
                Known::Value(value) => return Ok(value),
                Known::Over(overlay) => Some(overlay),
                Known::Nothing => None,
            };
            if !snapshot {
                work.bytes += key.len();
                work.reads.push(KeyRange::Key(Bytes::copy_from_slice(key)));
            }
            (overlay, state)
        };
        let stored = state.get(key)?;
        Ok(match overlay {
            Some(overlay) => overlay.over(stored),
            None => stored,
        })
    }

    async fn range(&self, range: Range) -> Result<Rows, StoreError> {
        let snapshot = self.snapshot(&mut *self.work()?)?;
        let rows = self.read_range(&snapshot, &range).await?;
        if !range.snapshot {
            let mut work = self.work()?;
            work.bytes += range.begin.len() + range.end.len();
            work.reads.push(seen(&range, &rows));
        }
        Ok(rows)
    }

    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError> {
        let mut work = self.work()?;
        work.bytes += mutation.bytes();
        work.buffer.write(&mutation);
        work.mutations.push(mutation);
        Ok(())
    }

    fn add_read_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        let mut work = self.work()?;
        self.snapshot(&mut work)?;
        work.bytes += range.bytes();
        work.reads.push(range);
        Ok(())
    }

    fn add_write_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        let mut work = self.work()?;
        work.bytes += range.bytes();
        work.writes.push(range);
        Ok(())
    }

    async fn read_version(&self) -> Result<u64, StoreError> {
        Ok(self.snapshot(&mut *self.work()?)?.version())
    }

    async fn watch(&self, key: Bytes) -> Result<Watch, StoreError> {
        let value = self.get(&key, true).await?;
        let (pending, handle) = self.core.shared.watches.prepare(key, value.as_deref())?;
        self.work()?.watches.push(pending);
        Ok(Watch::new(handle.changed()))
    }

    async fn commit(&self) -> Result<Committed, StoreError> {
        let mut work = self.finish()?;
        let version = if work.mutations.is_empty() && work.writes.is_empty() {
            // It saw one state and changed none: it stands where it read.
            None
        } else {
            Some(self.send(&mut work).await?)
        };
        for watch in work.watches {
            self.core.shared.watches.arm(watch, || self.core.shared.snapshot());
        }
        Ok(Committed { version, versionstamp: version.map(stamp) })
    }

    fn cancel(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if !work.finished {
            *work = Work::new();
            work.finished = true;
        }
    }
}
