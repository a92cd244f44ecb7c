//! What the disk was given and never confirmed.
//!
//! After a sync that failed, the system counts the pages it could not write as clean: a read still answers them, a later sync
//! succeeds without them, and the next loss of power takes them. So what was written since the last sync that succeeded is
//! remembered, and written anew before the file is used again.

use redb::{BackendError, StorageBackend};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the file that are remembered one by one, at most; of more, the whole file is written anew.
const PARTS_MAX: usize = 65_536;

/// Bytes that are written anew at once.
const REWRITE_BYTES: usize = 1 << 20;

/// What one file was given since the last sync that succeeded. Outlives the file's being opened and closed.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsynced(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    /// Offset and length.
    written: Vec<(u64, usize)>,
    /// Whether there were too many to remember.
    all: bool,
    /// Whether a sync of them failed.
    failed: bool,
}

/// A file under watch.
#[derive(Debug)]
pub(super) struct SyncedFile<B> {
    inner: B,
    unsynced: Unsynced,
}

impl Unsynced {
    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is not synced now may have been lost: something failed, and who can tell what.
    pub(super) fn suspect(&self) {
        let mut parts = self.lock();
        parts.failed |= parts.all || !parts.written.is_empty();
    }

    fn add(&self, offset: u64, bytes: usize) {
        let mut parts = self.lock();
        if parts.written.len() < PARTS_MAX {
            parts.written.push((offset, bytes));
        } else {
            parts.all = true;
        }
    }

    /// Puts back what a sync did not bring to the disk.
    fn put_back(&self, mut lost: Parts) {
        let mut parts = self.lock();
        lost.written.append(&mut parts.written);
        lost.all |= parts.all || lost.written.len() > PARTS_MAX;
        lost.written.truncate(PARTS_MAX);
        lost.failed = true;
        *parts = lost;
    }
}

impl<B: StorageBackend> SyncedFile<B> {
    /// A file whose earlier failures are known.
    pub(super) fn new(inner: B, unsynced: Unsynced) -> Self {
        Self { inner, unsynced }
    }

    /// Writes anew what a failed sync may have lost, and syncs it.
    pub(super) fn settle(&self) -> io::Result<()> {
        if !self.unsynced.lock().failed {
            return Ok(());
        }
        let lost = std::mem::take(&mut *self.unsynced.lock());
        let settled = self.rewrite(&lost).and_then(|()| self.inner.sync_data());
        if settled.is_err() {
            self.unsynced.put_back(lost);
        }
        settled
    }

    fn rewrite(&self, lost: &Parts) -> io::Result<()> {
        let length = self.inner.len()?;
        // The length is among what may be lost.
        self.inner.set_len(length)?;
        let whole = [(0, usize::try_from(length).unwrap_or(usize::MAX))];
        let parts = if lost.all { &whole[..] } else { &lost.written };
        let mut buffer = vec![0; REWRITE_BYTES];
        for (offset, bytes) in parts {
            let mut at = *offset;
            let end = offset.saturating_add(*bytes as u64).min(length);
            while at < end {
                let part = &mut buffer[..usize::try_from(end - at).unwrap_or(usize::MAX).min(REWRITE_BYTES)];
                self.inner.read(at, part)?;
                self.inner.write(at, part)?;
                at += part.len() as u64;
            }
        }
        Ok(())
    }
}

impl<B: StorageBackend> StorageBackend for SyncedFile<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.unsynced.add(len, 0);
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let written = std::mem::take(&mut *self.unsynced.lock());
        let synced = self.inner.sync_data();
        // One that failed before is not made good by a sync that knows nothing of it.
        if synced.is_err() || written.failed {
            self.unsynced.put_back(written);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.unsynced.add(offset, data.len());
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
