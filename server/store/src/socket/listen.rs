//! A socket in the file system that belongs to one user and to one server at a time.

use crate::error::StoreError;
use crate::limits::SOCKET_PATH_MAX_BYTES;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Ending of the file whose lock says that somebody serves the socket.
const LOCK_ENDING: &str = ".lock";
/// The socket is its owner's alone.
const SOCKET_MODE: u32 = 0o600;
/// So is a directory that is made for it.
const DIRECTORY_MODE: u32 = 0o700;
/// What the directory must not allow: that others exchange the socket.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A socket that is listened on; dropping it takes the file away and lets others serve.
pub(super) struct Place {
    path: PathBuf,
    /// Outlives the file, so that nobody else's is taken away.
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket was gone before its server");
        }
    }
}

/// Listens on a path. A socket that a dead server left is replaced; one that is served is not. Blocks.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, Place), StoreError> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    if path.as_os_str().len() > SOCKET_PATH_MAX_BYTES {
        return Err(unusable(path, &format!("its path is longer than {SOCKET_PATH_MAX_BYTES} bytes")));
    }
    let Some(directory) = path.parent() else { return Err(unusable(path, "it is not the path of a file")) };
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory).map_err(failed)?;
    check_directory(path, directory)?;
    let lock = lock(path)?;
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(failed)?;
    let place = Place { path: path.to_owned(), _lock: lock };
    // Until here the directory kept others out, and each connection is checked besides.
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((listener, place))
}

/// Refuses a directory in which others could put something in the socket's place.
fn check_directory(path: &Path, directory: &Path) -> Result<(), StoreError> {
    let found = fs::metadata(directory).map_err(|error| unusable(path, &error.to_string()))?;
    if found.uid() != geteuid().as_raw() {
        return Err(unusable(path, "its directory belongs to somebody else"));
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(unusable(path, "others may write to its directory"));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK_ENDING);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(SOCKET_MODE).open(name);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(locked(path)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Takes a socket away that nobody listens on. Anything else that is there stays, and stays in the way.
fn remove_stale(path: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(unusable(path, "something that is not a socket is there"));
        }
        Ok(_) => {}
    }
    // A program that takes no lock may listen on it.
    match UnixStream::connect(path) {
        Ok(_) => Err(locked(path)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn locked(path: &Path) -> StoreError {
    StoreError::Locked { place: path.display().to_string() }
}

fn unusable(path: &Path, detail: &str) -> StoreError {
    StoreError::Socket { place: path.display().to_string(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded;

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/store.sock");
        let (listener, place) = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, SOCKET_MODE);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, DIRECTORY_MODE);
        assert_eq!(listen(&path).err().map(|error| error.code()), Some("store.locked"));
        drop((listener, place));
        assert!(!path.exists());
        // What a killed server leaves.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let served = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(served);
        // Somebody who takes no lock.
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(listen(&path).err().map(|error| error.code()), Some("store.locked"));
        drop(other);
    }

    #[test]
    fn what_is_not_its_own_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert_eq!(listen(&path).err().map(|error| error.code()), Some("store.socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let long = directory.path().join("x".repeat(SOCKET_PATH_MAX_BYTES));
        assert_eq!(listen(&long).err().map(|error| error.code()), Some("store.socket"));
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let path = directory.path().join("store.sock");
        assert_eq!(listen(&path).err().map(|error| error.code()), Some("store.socket"));
        assert!(!path.exists());
    }
}
