//! Reading and writing below one directory handle.
//!
//! The kernel resolves every path beneath the handle (`openat2` with `RESOLVE_BENEATH`, or step by step where it lacks
//! that), so that neither `..` nor a symbolic link nor a race of renames leads out. Links that stay inside are followed.

mod change;
mod confined;
mod remove;
mod write;

use crate::error::WorkspaceError;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use coditect_protocol::RelPath;
use coditect_protocol::files::{FileStat, FolderListing, WriteMode};
use futures_util::{Stream, StreamExt};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

use confined::Confined;
pub(crate) use remove::{Locked, NEVER, remove_entry};
use write::PendingWrite;
pub(crate) use write::REPLACING_PREFIX;

/// Names that start so are files being written. Listings, watchers and searches do not show them.
pub const TEMP_PREFIX: &str = ".coditect-tmp-";

/// Default of [`TreeSettings::max_folder_entries`].
pub const DEFAULT_MAX_FOLDER_ENTRIES: usize = 100_000;
/// Default of [`TreeSettings::max_concurrent_calls`].
pub const DEFAULT_MAX_CONCURRENT_CALLS: usize = 16;
/// Bytes of a stream that are gathered before they are written.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;
/// How often a read starts again when the file changes under it, before it answers what it has.
const READ_ATTEMPTS: u32 = 3;

/// Limits of a tree.
#[derive(Debug, Clone)]
pub struct TreeSettings {
    /// Most entries of a folder that are listed.
    pub max_folder_entries: usize,
    /// Most calls of one tree that touch the file system at once; further ones wait.
    pub max_concurrent_calls: usize,
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self { max_folder_entries: DEFAULT_MAX_FOLDER_ENTRIES, max_concurrent_calls: DEFAULT_MAX_CONCURRENT_CALLS }
    }
}

/// Which directory a tree stands for, whatever its path: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeIdentity {
    device: u64,
    inode: u64,
}

/// A directory, and everything below it.
///
/// Writes put a whole new file in place of the old one: who reads sees one or the other, and a crash leaves one of them.
/// Extended attributes and further hard links of a replaced file stay with its old version.
#[derive(Debug)]
pub struct Tree {
    confined: Arc<Confined>,
    slots: Arc<Semaphore>,
    path: PathBuf,
    identity: TreeIdentity,
}

impl Tree {
    /// Opens the directory at `path`, which the server itself chose.
    pub async fn open(path: PathBuf, settings: TreeSettings) -> Result<Self, WorkspaceError> {
        blocking(move || {
            let failed = |source| WorkspaceError::DataDirectory { place: path.display().to_string(), source };
            let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
            let facts = dir.dir_metadata().map_err(failed)?;
            Ok(Self {
                slots: Arc::new(Semaphore::new(settings.max_concurrent_calls.max(1))),
                identity: TreeIdentity { device: facts.dev(), inode: facts.ino() },
                confined: Arc::new(Confined::new(dir, settings)),
                path,
            })
        })
        .await
    }

    /// Where the directory was when it was opened; for programs that are started in it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which directory it is.
    #[must_use]
    pub fn identity(&self) -> TreeIdentity {
        self.identity
    }

    /// A handle of the directory, for work that walks the tree on a thread of its own.
    pub fn handle(&self) -> Result<Dir, WorkspaceError> {
        self.confined.dir().try_clone().map_err(|error| WorkspaceError::from_io(&RelPath::root(), error))
    }

    /// Facts of a file, folder or link.
    pub async fn stat(&self, path: &RelPath) -> Result<FileStat, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| confined.stat(&path)).await
    }

    /// The entries of a folder, sorted by name. Names that are not UTF-8 cannot be spoken of and are left out.
    pub async fn read_folder(&self, path: &RelPath) -> Result<FolderListing, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| confined.read_folder(&path)).await
    }

    /// Opens a file to be streamed, with the facts of just the version that is opened.
    pub async fn open_read(&self, path: &RelPath) -> Result<(FileStat, tokio::fs::File), WorkspaceError> {
        let path = path.clone();
        let (stat, file) = self.run(move |confined| confined.open_file(&path)).await?;
        Ok((stat, tokio::fs::File::from_std(file)))
    }

    /// Reads from `offset` on, at most `length` bytes (to the end where absent), into memory. More than `limit` bytes are
    /// refused. From behind the end there is nothing to read, which is no error.
    pub async fn read(
        &self,
        path: &RelPath,
        offset: u64,
        length: Option<u64>,
        limit: u64,
    ) -> Result<(FileStat, Vec<u8>), WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| {
            let mut read = confined.read(&path, offset, length, limit)?;
            for _ in 1..READ_ATTEMPTS {
                if read.whole {
                    break;
                }
                read = confined.read(&path, offset, length, limit)?;
            }
            Ok((read.stat, read.content))
        })
        .await
    }

    /// Puts a file of this content in place. One that is there with the same content is a success whatever the mode, so
    /// that a write whose answer was lost can be sent again.
    pub async fn write(&self, path: &RelPath, content: Bytes, mode: WriteMode) -> Result<FileStat, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| write::write(confined, &path, &content, &mode)).await
    }

    /// As [`Self::write`], for content that is too large for memory. Nothing is in place before the stream ended well; a
    /// stream that fails, or a caller that goes away, leaves nothing behind.
    pub async fn write_stream<S, E>(
        &self,
        path: &RelPath,
        mut content: S,
        mode: WriteMode,
        max_bytes: u64,
    ) -> Result<FileStat, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
        let target = path.clone();
        let begun = self.run(move |confined| PendingWrite::begin(confined, &target)).await?;
        let mut pending = Abandonable(Some(begun));
        let mut total = 0_u64;
        let mut buffer = Vec::new();
        loop {
            let chunk = content.next().await.transpose().map_err(|error| {
                tracing::debug!(%path, %error, "a stream ended early");
                WorkspaceError::Interrupted(path.clone())
            })?;
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                total = total.saturating_add(chunk.len() as u64);
                if total > max_bytes {
                    return Err(WorkspaceError::TooLarge { path: path.clone(), limit: max_bytes });
                }
                buffer.extend_from_slice(&chunk);
            }
            if ended || buffer.len() >= STREAM_BUFFER_BYTES {
                let part = std::mem::take(&mut buffer);
                let write = pending.take()?;
                pending = Abandonable(Some(self.run(move |_| write.append(&part)).await?));
            }
            if ended {
                let write = pending.take()?;
                return self.run(move |_| write.commit(&mode)).await;
            }
        }
    }

    /// Makes a folder and those above it. One that is there is a success.
    pub async fn make_folder(&self, path: &RelPath) -> Result<FileStat, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| change::make_folder(confined, &path)).await
    }

    /// Deletes a file, a link (never what it points at) or a folder; one that is not empty only if `recursive`.
    ///
    /// A caller that goes away ends it in the middle.
    pub async fn delete(&self, path: &RelPath, recursive: bool) -> Result<(), WorkspaceError> {
        self.delete_expecting(path, recursive, None).await
    }

    /// As [`Self::delete`], where what [`Self::stat`] tells of `path` still has one of the entity tags `known`. A write of
    /// this server comes before or after, never in between.
    pub async fn delete_known(
        &self,
        path: &RelPath,
        recursive: bool,
        known: Vec<String>,
    ) -> Result<(), WorkspaceError> {
        self.delete_expecting(path, recursive, Some(known)).await
    }

    async fn delete_expecting(
        &self,
        path: &RelPath,
        recursive: bool,
        known: Option<Vec<String>>,
    ) -> Result<(), WorkspaceError> {
        let path = path.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        self.run(move |confined| change::delete(confined, &path, recursive, known.as_deref(), &stop)).await
    }

    /// Moves a file, link or folder. With `overwrite`, what is at `to` is replaced as a whole.
    pub async fn rename(&self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<FileStat, WorkspaceError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |confined| change::rename(confined, &from, &to, overwrite)).await
    }

    /// Copies a file, or a folder with everything below it; it appears at `to` when it is whole. Links below a folder stay
    /// links; pipes, sockets and devices are left out.
    pub async fn copy(&self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<FileStat, WorkspaceError> {
        let (from, to) = (from.clone(), to.clone());
        let stop = Arc::new(AtomicBool::new(false));
        // A caller that goes away ends the copy.
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        self.run(move |confined| change::copy(confined, &from, &to, overwrite, &stop)).await
    }

    /// Runs work that may block, when one of the tree's slots is free.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Confined) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|error| WorkspaceError::Internal(error.to_string()))?;
        let confined = Arc::clone(&self.confined);
        blocking(move || {
            let _slot = slot;
            work(&confined)
        })
        .await
    }
}

/// Runs work that may block on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(WorkspaceError::Internal(error.to_string())),
    }
}

/// Whether an entry of this name is a file being written, and so not shown.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMP_PREFIX)
}

/// The path for calls that want one: the root is `.`.
pub(crate) fn os_path(path: &RelPath) -> &Path {
    Path::new(if path.is_root() { "." } else { path.as_str() })
}

/// The closure that names `path` in an error of the system.
pub(crate) fn at(path: &RelPath) -> impl Fn(std::io::Error) -> WorkspaceError + '_ {
    move |error| WorkspaceError::from_io(path, error)
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Sets its flag when it goes.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A write that may be given up on a thread that must not block: its temporary file is then removed on another.
struct Abandonable(Option<PendingWrite>);

impl Abandonable {
    fn take(&mut self) -> Result<PendingWrite, WorkspaceError> {
        self.0.take().ok_or_else(|| WorkspaceError::Internal("a write was used after its end".to_owned()))
    }
}

impl Drop for Abandonable {
    fn drop(&mut self) {
        if let (Some(write), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(write));
        }
    }
}

#[cfg(test)]
mod tests;
