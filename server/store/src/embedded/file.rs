//! The data file: made, opened, opened again.

use super::directory::{Directory, io_error, private_file};
use super::synced::{SyncedFile, Unsynced};
use crate::error::StoreError;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Keys and values.
pub(super) const DATA: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("data");
/// What the store knows about itself.
pub(super) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Version of the last commit.
pub(super) const VERSION_KEY: &str = "version";

/// What must be free on a disk that was full, beside twice the commit's own bytes.
const PROBE_MARGIN_BYTES: usize = 1 << 20;

/// The data file of a directory.
pub(super) struct DataFile {
    // Declared before the directory, so that the file is closed before the lock is given up.
    database: Option<Database>,
    directory: Directory,
    cache_bytes: usize,
    unsynced: Unsynced,
    #[cfg(test)]
    faults: super::tests::Faults,
}

impl DataFile {
    /// Opens the file of a directory; makes both if they are not there.
    pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        Self::prepare(Self {
            database: None,
            directory: Directory::open(path)?,
            cache_bytes,
            unsynced: Unsynced::default(),
            #[cfg(test)]
            faults: super::tests::Faults::default(),
        })
    }

    /// As [`DataFile::open`], on a disk with faults.
    #[cfg(test)]
    pub(super) fn open_with(path: &Path, cache_bytes: usize, faults: super::tests::Faults) -> Result<Self, StoreError> {
        let (directory, unsynced) = (Directory::open(path)?, Unsynced::default());
        Self::prepare(Self { database: None, directory, cache_bytes, unsynced, faults })
    }

    fn prepare(mut file: Self) -> Result<Self, StoreError> {
        file.directory.remove_unfinished()?;
        if !file.directory.data().exists() {
            if !file.directory.is_new() {
                return Err(file.directory.corrupt("its data file is missing"));
            }
            file.create()?;
        }
        file.reopen()?;
        if file.directory.is_new() {
            // Only a first start that was broken off leaves data without a format, and then they are empty.
            if file.version()? > 0 {
                return Err(file.directory.corrupt("its file format is missing"));
            }
            file.directory.finish()?;
        }
        Ok(file)
    }

    /// Version of the last commit.
    fn version(&self) -> Result<u64, StoreError> {
        let read = self.database()?.begin_read().map_err(redb_error)?;
        let meta = read.open_table(META).map_err(redb_error)?;
        Ok(ReadableTable::get(&meta, VERSION_KEY).map_err(redb_error)?.map_or(0, |version| version.value()))
    }

    /// Tries whether the disk has room for a commit of so many bytes.
    pub(super) fn probe_space(&self, bytes: usize) -> Result<(), StoreError> {
        #[cfg(test)]
        self.faults.check_space(u64::MAX).map_err(|error| io_error(&error))?;
        self.directory.probe_space(bytes.saturating_mul(2).saturating_add(PROBE_MARGIN_BYTES))
    }

    /// Faults that its disk shall have.
    #[cfg(test)]
    pub(super) fn faults(&self) -> super::tests::Faults {
        self.faults.clone()
    }

    /// Looks at every page of the file.
    pub(super) fn check_integrity(&mut self) -> Result<(), StoreError> {
        let database = self.database.as_mut().ok_or_else(|| StoreError::unavailable("its file is not open"))?;
        match database.check_integrity() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.directory.corrupt("a page does not have its checksum")),
            Err(error) => Err(self.directory.corrupt(&error.to_string())),
        }
    }

    /// The opened file.
    pub(super) fn database(&self) -> Result<&Database, StoreError> {
        self.database.as_ref().ok_or_else(|| StoreError::unavailable("its file is not open"))
    }

    /// Closes the file if it is open, and opens it.
    pub(super) fn reopen(&mut self) -> Result<(), StoreError> {
        self.database = None;
        self.unsynced.suspect();
        let path = self.directory.data();
        let size = std::fs::metadata(&path).map_err(|error| io_error(&error))?.len();
        if size == 0 {
            // The library would make a new one of it, and nobody would learn that all is lost.
            return Err(self.directory.corrupt("its data file is empty"));
        }
        self.database = Some(self.open_at(&path)?);
        Ok(())
    }

    /// Notes in the file how its pages are used, so that opening it after a crash need not look at all of them.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        let mut transaction = self.database()?.begin_write().map_err(redb_error)?;
        transaction.set_quick_repair(true);
        transaction.commit().map_err(redb_error)
    }

    /// Makes an empty file. It gets its name when it is whole.
    fn create(&self) -> Result<(), StoreError> {
        let unfinished = self.directory.unfinished_data();
        let database = self.open_at(&unfinished)?;
        let transaction = database.begin_write().map_err(redb_error)?;
        transaction.open_table(DATA).map_err(redb_error)?;
        transaction.open_table(META).map_err(redb_error)?.insert(VERSION_KEY, 0).map_err(redb_error)?;
        transaction.commit().map_err(redb_error)?;
        drop(database);
        self.directory.keep_data(&unfinished)
    }

    fn open_at(&self, path: &Path) -> Result<Database, StoreError> {
        let file = private_file().truncate(false).open(path).map_err(|error| io_error(&error))?;
        let open = || {
            let backend = redb::backends::FileBackend::new(file)?;
            let mut builder = Builder::new();
            builder.set_cache_size(self.cache_bytes);
            #[cfg(test)]
            let backend = super::tests::FaultyFile::new(backend, self.faults.clone());
            let backend = SyncedFile::new(backend, self.unsynced.clone());
            backend.settle().map_err(|error| DatabaseError::Storage(redb::StorageError::Io(error)))?;
            builder.create_with_backend(backend)
        };
        // The library asserts some of what it expects of a file, and a damaged file is no reason to fall over.
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(database)) => Ok(database),
            Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(StoreError::Locked { place: self.directory.place() }),
            Ok(Err(DatabaseError::UpgradeRequired(format))) => {
                Err(self.directory.corrupt(&format!("its file has format {format}")))
            }
            Ok(Err(DatabaseError::Storage(redb::StorageError::Io(error))))
                if error.kind() == std::io::ErrorKind::InvalidData
                    || error.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                Err(self.directory.corrupt(&error.to_string()))
            }
            Ok(Err(DatabaseError::Storage(redb::StorageError::Corrupted(detail)))) => {
                Err(self.directory.corrupt(&detail))
            }
            Ok(Err(error)) => Err(redb_error(error)),
            Err(_) => Err(self.directory.corrupt("its file does not have the expected structure")),
        }
    }
}

/// The error for a failure of the library.
pub(super) fn redb_error(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) => io_error(&error),
        redb::Error::Corrupted(detail) => StoreError::Corrupt { place: "the store's file".to_owned(), detail },
        redb::Error::TableDoesNotExist(table) => {
            StoreError::Corrupt { place: "the store's file".to_owned(), detail: format!("it has no table {table}") }
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => StoreError::unavailable("its disk has failed"),
        other => StoreError::Io { detail: other.to_string() },
    }
}
