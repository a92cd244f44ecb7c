//! The directory of an embedded store: who has it open, and in which format it is.

use crate::backup::online::SOCKET_FILE;
use crate::error::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Format that this program writes. A change that an older program cannot read raises it.
const FORMAT: u32 = 1;

/// File that says the format.
const FORMAT_FILE: &str = "format";
/// What precedes the format's number in it.
const FORMAT_NAME: &str = "coditect-store ";
/// File whose lock keeps other processes out.
const LOCK_FILE: &str = "lock";
/// The data.
const DATA_FILE: &str = "data.redb";
/// A file that only tries whether there is room.
const PROBE_FILE: &str = "probe.new";
/// Ending of a file that is not finished; left behind by a crash, it means nothing.
const UNFINISHED: &str = ".new";

/// Longest format file that is read, in bytes.
const FORMAT_MAX_BYTES: u64 = 64;

/// An opened directory; it is locked as long as this is held.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    is_new: bool,
    _lock: File,
}

impl Directory {
    /// Opens a directory, or makes one for this process's user alone. One without a format is new: it gets its data, then
    /// [`Directory::finish`] makes it a store.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| io_error(&error))?;
        if read_format(path)?.is_none() {
            refuse_foreign(path)?;
        }
        let lock = lock(path)?;
        // Read again: another process may have finished the directory before it gave up the lock.
        let format = read_format(path)?;
        let directory = Self { _lock: lock, path: path.to_owned(), is_new: format.is_none() };
        match format {
            Some(found) if found > FORMAT => {
                Err(StoreError::NewerFormat { place: directory.place(), found, known: FORMAT })
            }
            Some(found) if found < FORMAT => {
                Err(directory.corrupt(&format!("format {found} was never written by a release")))
            }
            _ => Ok(directory),
        }
    }

    /// Whether it is not a store yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Makes a new directory a store.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        let write = || {
            let unfinished = self.path.join(FORMAT_FILE.to_owned() + UNFINISHED);
            let mut file = private_file().truncate(true).open(&unfinished)?;
            writeln!(file, "{FORMAT_NAME}{FORMAT}")?;
            file.sync_all()?;
            fs::rename(&unfinished, self.path.join(FORMAT_FILE))?;
            File::open(&self.path)?.sync_all()?;
            self.path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        write().map_err(|error: io::Error| io_error(&error))?;
        self.is_new = false;
        Ok(())
    }

    /// Where the data are.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA_FILE)
    }

    /// Where the data are made before they exist.
    pub(super) fn unfinished_data(&self) -> PathBuf {
        self.path.join(DATA_FILE.to_owned() + UNFINISHED)
    }

    /// Takes away what a crash may have left.
    pub(super) fn remove_unfinished(&self) -> Result<(), StoreError> {
        for path in [self.unfinished_data(), self.path.join(PROBE_FILE)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes so many bytes and takes them away again.
    pub(super) fn probe_space(&self, bytes: usize) -> Result<(), StoreError> {
        let path = self.path.join(PROBE_FILE);
        let probe = || {
            let mut file = private_file().truncate(true).open(&path)?;
            let zeros = io::copy(&mut io::Read::take(io::repeat(0), bytes as u64), &mut file);
            zeros.and_then(|_| file.sync_all())
        };
        let result = probe().map_err(|error| io_error(&error));
        self.remove_unfinished()?;
        result
    }

    /// Puts finished data into their place, durably.
    pub(super) fn keep_data(&self, unfinished: &Path) -> Result<(), StoreError> {
        let keep = || {
            File::open(unfinished)?.sync_all()?;
            fs::rename(unfinished, self.data())?;
            File::open(&self.path)?.sync_all()
        };
        keep().map_err(|error| io_error(&error))
    }

    /// Name for people.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The data are damaged.
    pub(super) fn corrupt(&self, detail: &str) -> StoreError {
        StoreError::Corrupt { place: self.place(), detail: detail.to_owned() }
    }
}

/// Options for a file that only this process's user can read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// The error for a failed call of the system.
pub(crate) fn io_error(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::OutOfSpace,
        _ => StoreError::Io { detail: error.to_string() },
    }
}

/// The format of the directory, if it is a store.
fn read_format(path: &Path) -> Result<Option<u32>, StoreError> {
    let corrupt = |detail: &str| StoreError::Corrupt { place: path.display().to_string(), detail: detail.to_owned() };
    let file = match File::open(path.join(FORMAT_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| io_error(&error))?,
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, FORMAT_MAX_BYTES), &mut text)
        .map_err(|error| corrupt(&format!("its file {FORMAT_FILE} cannot be read: {error}")))?;
    let number = text.trim_end().strip_prefix(FORMAT_NAME).and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| corrupt(&format!("its file {FORMAT_FILE} does not name a format")))
}

/// Refuses a directory that holds anything but what a crash during the first start leaves.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(|error| io_error(&error))? {
        let name = entry.map_err(|error| io_error(&error))?.file_name();
        let name = name.to_string_lossy();
        let name = name.strip_suffix(UNFINISHED).unwrap_or(&name);
        if ![LOCK_FILE, FORMAT_FILE, DATA_FILE, SOCKET_FILE].contains(&name) {
            return Err(StoreError::NotAStore { place: path.display().to_string() });
        }
    }
    Ok(())
}

/// Keeps other processes out until the file is closed.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_file().truncate(false).open(path.join(LOCK_FILE)).map_err(|error| io_error(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { place: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io_error(&error)),
    }
}
