//! The embedded backend: one directory, one file of copy-on-write pages, durable at commit.
//!
//! After a fault of the disk (no space left, above all) the pages' library refuses all further work on an opened file. So the
//! file is opened again, and what it then holds tells whether the commit during which the fault came is gone or uncertain.

mod directory;
mod file;
mod synced;
#[cfg(test)]
mod tests;

use crate::backend::Backend;
use crate::backup::online;
use crate::backup::source::offload;
use crate::engine::{Applied, Commit, LocalBackend, SliceBuilder, Snapshot, State, Storage};
use crate::error::StoreError;
use crate::mutation::Mutation;
use crate::range::Rows;
use bytes::Bytes;
pub(crate) use directory::{io_error, private_file};
use file::{DATA, DataFile, META, VERSION_KEY, redb_error};
use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Its name, for people.
pub(crate) const NAME: &str = "embedded";

/// Shortest time between two attempts to open the file again.
const REOPEN_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the store in a directory, which is made if it is not there.
pub(crate) async fn open(
    directory: PathBuf,
    cache_bytes: usize,
) -> Result<Arc<LocalBackend<EmbeddedStorage>>, StoreError> {
    let place = directory.clone();
    let open = move || {
        let (storage, snapshot) = EmbeddedStorage::open(DataFile::open(&directory, cache_bytes)?)?;
        LocalBackend::start(NAME, storage, snapshot)
    };
    let backend = offload(open).await??;
    let listening: Arc<dyn Backend> = backend.clone();
    online::listen(&place, Arc::downgrade(&listening), backend.ended());
    Ok(backend)
}

/// Looks at every page of the file in a directory, which nobody else may have open.
pub(crate) async fn check_pages(directory: PathBuf, cache_bytes: usize) -> Result<(), StoreError> {
    offload(move || DataFile::open(&directory, cache_bytes)?.check_integrity()).await?
}

/// The data as of one commit.
pub(crate) struct EmbeddedSnapshot {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    version: u64,
    /// Set by a read that failed, for the committer to look after the file.
    failed: Arc<AtomicBool>,
}

impl EmbeddedSnapshot {
    /// A read that failed because the file is being opened again can be done again on the next snapshot.
    fn failed(&self, error: redb::StorageError) -> StoreError {
        self.failed.store(true, Ordering::Relaxed);
        match error {
            redb::StorageError::PreviousIo | redb::StorageError::DatabaseClosed => StoreError::TransactionTooOld,
            other => redb_error(other),
        }
    }
}

impl Snapshot for EmbeddedSnapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = ReadableTable::get(&self.table, key).map_err(|error| self.failed(error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn slice(&self, begin: &[u8], end: &[u8], reverse: bool, rows: usize) -> Result<Rows, StoreError> {
        let mut slice = SliceBuilder::new(rows);
        let mut range = ReadableTable::range::<&[u8]>(&self.table, begin..end).map_err(|error| self.failed(error))?;
        while let Some(row) = if reverse { range.next_back() } else { range.next() } {
            let (key, value) = row.map_err(|error| self.failed(error))?;
            if !slice.push(key.value(), value.value()) {
                break;
            }
        }
        Ok(slice.finish())
    }
}

/// The data file, and what to do about its faults.
pub(crate) struct EmbeddedStorage {
    file: DataFile,
    failed: Arc<AtomicBool>,
    /// Why the file is not open, and since when, if it is not.
    down: Option<(StoreError, Instant)>,
    /// Whether the disk was full at the last commit.
    is_full: bool,
    /// Whether commits since the last checkpoint make a start after a crash slow.
    is_dirty: bool,
}

impl EmbeddedStorage {
    /// Takes an opened file.
    fn open(file: DataFile) -> Result<(Self, Arc<EmbeddedSnapshot>), StoreError> {
        let storage =
            Self { file, failed: Arc::new(AtomicBool::new(false)), down: None, is_full: false, is_dirty: true };
        let snapshot = Arc::new(storage.snapshot()?);
        Ok((storage, snapshot))
    }

    fn snapshot(&self) -> Result<EmbeddedSnapshot, StoreError> {
        let read = self.file.database()?.begin_read().map_err(redb_error)?;
        let table = read.open_table(DATA).map_err(redb_error)?;
        let meta = read.open_table(META).map_err(redb_error)?;
        let version = ReadableTable::get(&meta, VERSION_KEY).map_err(redb_error)?.map_or(0, |version| version.value());
        Ok(EmbeddedSnapshot { table, version, failed: self.failed.clone() })
    }

    /// Writes a batch and syncs it.
    fn write(&self, commits: &[Commit]) -> Result<EmbeddedSnapshot, StoreError> {
        let transaction = self.file.database()?.begin_write().map_err(redb_error)?;
        {
            let mut table = transaction.open_table(DATA).map_err(redb_error)?;
            for mutation in commits.iter().flat_map(|commit| &commit.mutations) {
                write_mutation(&mut table, mutation).map_err(redb_error)?;
            }
            let mut meta = transaction.open_table(META).map_err(redb_error)?;
            let version = commits.last().map_or(0, |commit| commit.version);
            meta.insert(VERSION_KEY, version).map_err(redb_error)?;
        }
        transaction.commit().map_err(redb_error)?;
        self.snapshot()
    }

    /// Opens the file again, unless that was tried a moment ago.
    fn reopen(&mut self) -> State<EmbeddedSnapshot> {
        match &self.down {
            Some((error, tried)) if tried.elapsed() < REOPEN_INTERVAL => return State::Down(error.clone()),
            _ => {}
        }
        self.failed = Arc::new(AtomicBool::new(false));
        match self.file.reopen().and_then(|()| self.snapshot()) {
            Ok(snapshot) => {
                tracing::info!("the store's file was opened again");
                self.down = None;
                self.is_dirty = true;
                State::Open(Arc::new(snapshot))
            }
            Err(error) => {
                tracing::error!(%error, "the store's file cannot be opened again; it is tried on");
                self.down = Some((error.clone(), Instant::now()));
                State::Down(error)
            }
        }
    }

    /// What became of a batch during which the file failed.
    fn after_fault(&mut self, error: StoreError, last: u64) -> Applied<EmbeddedSnapshot> {
        tracing::error!(%error, "a commit failed; the store's file is opened again");
        self.is_full = error == StoreError::OutOfSpace;
        let state = self.reopen();
        let result = match &state {
            // Opening it again brought to the disk what had been written.
            State::Open(snapshot) if snapshot.version >= last => Ok(()),
            State::Open(_) => Err(error),
            State::Down(_) => Err(StoreError::CommitUnknown),
        };
        Applied { result, state: Some(state) }
    }

    /// Whether a disk that was full has room again. Trying it out with a commit would mean to open the file again each time.
    fn has_room(&mut self, commits: &[Commit]) -> bool {
        if self.is_full {
            let bytes: usize = commits.iter().flat_map(|commit| &commit.mutations).map(Mutation::bytes).sum();
            self.is_full = self.file.probe_space(bytes).is_err();
        }
        !self.is_full
    }
}

impl Storage for EmbeddedStorage {
    type Snapshot = EmbeddedSnapshot;

    fn apply(&mut self, commits: &[Commit]) -> Applied<EmbeddedSnapshot> {
        let reopened = self.down.is_some().then(|| self.reopen());
        if let Some(State::Down(reason)) = reopened {
            return Applied { result: Err(reason.clone()), state: Some(State::Down(reason)) };
        }
        if !self.has_room(commits) {
            return Applied { result: Err(StoreError::OutOfSpace), state: reopened };
        }
        self.is_dirty = true;
        match self.write(commits) {
            Ok(snapshot) => Applied { result: Ok(()), state: Some(State::Open(Arc::new(snapshot))) },
            Err(error) => self.after_fault(error, commits.last().map_or(0, |commit| commit.version)),
        }
    }

    fn idle(&mut self) -> Option<State<EmbeddedSnapshot>> {
        if self.down.is_some() || self.failed.load(Ordering::Relaxed) {
            return Some(self.reopen());
        }
        if std::mem::take(&mut self.is_dirty)
            && let Err(error) = self.file.checkpoint()
        {
            tracing::error!(%error, "the store's file failed while idle; it is opened again");
            return Some(self.reopen());
        }
        None
    }
}

/// Does one mutation.
fn write_mutation(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    mutation: &Mutation,
) -> Result<(), redb::StorageError> {
    match mutation {
        Mutation::Set { key, value } => drop(table.insert(&key[..], &value[..])?),
        Mutation::Clear { key } => drop(table.remove(&key[..])?),
        Mutation::ClearRange { begin, end } => table.retain_in::<&[u8], _>(&begin[..]..&end[..], |_, _| false)?,
        Mutation::Atomic { op, key, operand } => {
            let current = table.get(&key[..])?.map(|value| Bytes::copy_from_slice(value.value()));
            match op.apply(current.as_deref(), operand) {
                Some(value) if current.as_ref() != Some(&value) => drop(table.insert(&key[..], &value[..])?),
                None if current.is_some() => drop(table.remove(&key[..])?),
                _ => {}
            }
        }
        // The committer made these into ordinary ones.
        Mutation::StampedKey { .. } | Mutation::StampedValue { .. } => {}
    }
    Ok(())
}
