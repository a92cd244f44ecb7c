//! Reading and writing below one directory handle.
//!
//! The kernel resolves every path beneath the handle (`openat2` with `RESOLVE_BENEATH`, or step by step where it lacks
//! that), so that neither `..` nor a symbolic link nor a race of renames leads out. Links that stay inside are followed.

mod beside;
mod change;
mod confined;
mod downloads;
mod opened;
mod pack;
mod places;
mod remove;
mod room;
mod trash;
mod upload;
mod write;

use crate::error::WorkspaceError;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use coditect_protocol::files::{FileStat, FolderListing, Page, TrashEntry, Upload, WriteMode};
use coditect_protocol::{RelPath, TrashId, UploadId, UserId};
use futures_util::{Stream, StreamExt};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

use crate::usage::Meter;
use beside::Beside;
pub(crate) use beside::{TRASH, UPLOADS};
pub use change::Deletion;
use confined::Confined;
pub(crate) use confined::etag_of;
pub(crate) use downloads::{DownloadPlace, Downloads};
pub(crate) use opened::Opened;
pub use pack::PackKind;
pub use places::FILE_WORK_AT_ONCE;
pub(crate) use places::{Places, blocking};
pub(crate) use remove::{Locked, NEVER, remove_entry};
use write::PendingWrite;
pub(crate) use write::REPLACING_PREFIX;

/// Names that start so are files being written. Listings, watchers and searches do not show them.
pub const TEMP_PREFIX: &str = ".coditect-tmp-";

/// Default of [`TreeSettings::max_concurrent_calls`].
pub const DEFAULT_MAX_CONCURRENT_CALLS: usize = 16;
/// Files of one tree that are written by parts at once: the whole file is copied for each part.
const MAX_RANGE_WRITES: usize = 2;
/// Bytes of a stream that are gathered before they are written.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;
/// How often a read starts again when the file changes under it, before it answers what it has.
const READ_ATTEMPTS: u32 = 3;

/// Limits of a tree.
#[derive(Debug, Clone)]
pub struct TreeSettings {
    /// Most calls of one tree that touch the file system at once; further ones wait.
    pub max_concurrent_calls: usize,
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self { max_concurrent_calls: DEFAULT_MAX_CONCURRENT_CALLS }
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
    range_writes: Arc<Semaphore>,
    /// Those of the person whose calls these are.
    places: Option<Arc<Places>>,
    path: PathBuf,
    identity: TreeIdentity,
    /// The tree that everybody's calls share, where this is one person's: the registry forgets it when nobody has it.
    #[expect(dead_code, reason = "held, not read")]
    shared: Option<Arc<Tree>>,
}

impl Tree {
    /// Opens the directory at `path`, which the server itself chose.
    pub async fn open(path: PathBuf, settings: TreeSettings) -> Result<Self, WorkspaceError> {
        blocking(move || Self::open_blocking(path, &settings, None, None)).await
    }

    /// Opens a person's home, with the meter that counts it.
    pub(crate) async fn open_home(
        path: PathBuf,
        settings: TreeSettings,
        meter: Arc<Meter>,
    ) -> Result<Self, WorkspaceError> {
        blocking(move || Self::open_blocking(path, &settings, None, Some(meter))).await
    }

    /// Opens the files of a workspace, with the trash and the uploads beside them and the meter that all its trees share.
    pub(crate) async fn open_workspace(
        files: PathBuf,
        settings: TreeSettings,
        meter: Arc<Meter>,
    ) -> Result<Self, WorkspaceError> {
        blocking(move || {
            let failed = |source| WorkspaceError::DataDirectory { place: files.display().to_string(), source };
            let beside = Beside::open(files.parent().unwrap_or(&files), Arc::clone(&meter)).map_err(failed)?;
            Self::open_blocking(files, &settings, Some(beside), Some(meter))
        })
        .await
    }

    fn open_blocking(
        path: PathBuf,
        settings: &TreeSettings,
        beside: Option<Beside>,
        meter: Option<Arc<Meter>>,
    ) -> Result<Self, WorkspaceError> {
        let failed = |source| WorkspaceError::DataDirectory { place: path.display().to_string(), source };
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
        let facts = dir.dir_metadata().map_err(failed)?;
        Ok(Self {
            slots: Arc::new(Semaphore::new(settings.max_concurrent_calls.max(1))),
            range_writes: Arc::new(Semaphore::new(MAX_RANGE_WRITES)),
            places: None,
            shared: None,
            identity: TreeIdentity { device: facts.dev(), inode: facts.ino() },
            confined: Arc::new(Confined::new(dir, beside, meter)),
            path,
        })
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

    /// A page of the entries of a folder, sorted by the bytes of their names. Names that are not UTF-8 cannot be spoken of and are
    /// left out.
    pub async fn read_folder(&self, path: &RelPath, page: Page) -> Result<FolderListing, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| confined.read_folder(&path, &page)).await
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
        self.run_asking(move |confined| write::write(confined, &path, &content, &mode)).await
    }

    /// As [`Self::write`], for content that is too large for memory. Nothing is in place before the stream ended well; a
    /// stream that fails, or a caller that goes away, leaves nothing behind.
    pub async fn write_stream<S, E>(
        &self,
        path: &RelPath,
        content: S,
        mode: WriteMode,
        max_bytes: u64,
    ) -> Result<FileStat, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
        let target = path.clone();
        let begun = self.run_asking(move |confined| PendingWrite::begin(confined, &target)).await?;
        self.write_rest(path, begun, content, mode, max_bytes).await
    }

    /// Writes a part of a file that is there, from `offset` on, which may lie at its end but not behind it. The rest stays; the file
    /// changes whole or not at all, and only if it still is the version `known`, where one is named, and the one that was there at the
    /// beginning.
    pub async fn write_range<S, E>(
        &self,
        path: &RelPath,
        offset: u64,
        content: S,
        known: Option<String>,
        max_bytes: u64,
    ) -> Result<FileStat, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
        let target = path.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        let place = self.range_writes.acquire().await;
        let _place = place.map_err(|error| WorkspaceError::Internal(error.to_string()))?;
        let begun = self
            .run_asking(move |confined| PendingWrite::begin_range(confined, &target, offset, known.as_deref(), &stop))
            .await?;
        let (pending, version) = begun;
        self.write_rest(path, pending, content, WriteMode::Replace(version), max_bytes.saturating_sub(offset)).await
    }

    async fn write_rest<S, E>(
        &self,
        path: &RelPath,
        begun: PendingWrite,
        mut content: S,
        mode: WriteMode,
        max_bytes: u64,
    ) -> Result<FileStat, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
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
                pending = Abandonable(Some(self.append(write, part).await?));
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
        self.run_asking(move |confined| change::make_folder(confined, &path)).await
    }

    /// Deletes a file, a link (never what it points at) or a folder.
    ///
    /// A caller that goes away ends it in the middle, where it is for good.
    pub async fn delete(&self, path: &RelPath, deletion: Deletion) -> Result<(), WorkspaceError> {
        let path = path.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        self.run(move |confined| change::delete(confined, &path, &deletion, &stop)).await?;
        self.weigh_trash();
        Ok(())
    }

    /// Sets the nine bits of `chmod`.
    pub async fn set_permissions(&self, path: &RelPath, permissions: u32) -> Result<FileStat, WorkspaceError> {
        let path = path.clone();
        self.run(move |confined| change::set_permissions(confined, &path, permissions)).await
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
        self.run_asking(move |confined| change::copy(confined, &from, &to, overwrite, &stop)).await
    }

    /// What is in the trash, the newest first. A home has none.
    pub async fn list_trash(&self) -> Result<Vec<TrashEntry>, WorkspaceError> {
        self.run(|confined| confined.beside().map_or(Ok(Vec::new()), trash::list)).await
    }

    /// Puts something back from the trash: to where it was, or to `to`.
    pub async fn restore(&self, entry: TrashId, to: Option<RelPath>) -> Result<FileStat, WorkspaceError> {
        self.run(move |confined| trash::restore(confined, beside(confined)?, entry, to)).await
    }

    /// Deletes things in the trash for good; all where `entries` is empty.
    pub async fn empty_trash(&self, entries: Vec<TrashId>) -> Result<(), WorkspaceError> {
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        self.run(move |confined| trash::empty(beside(confined)?, &entries, &stop)).await
    }

    /// Deletes what has been in the trash for longer than `most`, uploads that nobody goes on with, and what a server that died left.
    pub async fn sweep(&self, most: Option<Duration>) -> Result<(), WorkspaceError> {
        self.run(move |confined| {
            let Some(beside) = confined.beside() else { return Ok(()) };
            trash::sweep(beside, most, &NEVER)?;
            upload::sweep(beside)
        })
        .await
    }

    /// Something in the tree was changed by others than this server.
    pub fn note_change(&self) {
        self.confined.note_change();
    }

    /// Begins a file of `size` bytes that arrives in parts, each of which stays once it is here.
    pub async fn begin_upload(&self, by: UserId, path: &RelPath, size: u64) -> Result<Upload, WorkspaceError> {
        let path = path.clone();
        self.run_asking(move |confined| upload::begin(confined, beside(confined)?, by, &path, size)).await
    }

    /// How far an upload is.
    pub async fn upload(&self, by: UserId, id: UploadId) -> Result<Upload, WorkspaceError> {
        self.run(move |confined| upload::status(beside(confined)?, by, id)).await
    }

    /// Takes in a part that begins at `offset`. As much as came stays, also where the stream breaks off or is taken over by a later
    /// call of the same, and the answer tells how much that is.
    pub async fn continue_upload<S, E>(
        &self,
        by: UserId,
        id: UploadId,
        offset: u64,
        mut content: S,
    ) -> Result<Upload, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
        E: std::fmt::Display + Send,
    {
        self.ready().await;
        // Known before anybody is taken over.
        self.upload(by, id).await?;
        let (turn, taken_over) = beside(&self.confined)?.under_way.take_over(id).await;
        let mut part =
            self.run(move |confined| upload::Part::begin(confined, beside(confined)?, by, id, offset)).await?;
        let mut buffer = Vec::new();
        let mut failed = None;
        loop {
            let chunk = tokio::select! {
                () = taken_over.cancelled() => None,
                chunk = content.next() => chunk,
            };
            let chunk = chunk.transpose().unwrap_or_else(|error| {
                tracing::debug!(path = %part.path(), %error, "an upload ended early");
                failed = Some(WorkspaceError::Interrupted(part.path().clone()));
                None
            });
            let ended = chunk.is_none();
            buffer.extend_from_slice(&chunk.unwrap_or_default());
            if ended || buffer.len() >= STREAM_BUFFER_BYTES {
                let bytes = std::mem::take(&mut buffer);
                let (back, appended) = self.append_part(part, bytes).await?;
                part = back;
                if let Err(error) = appended {
                    failed = Some(error);
                }
            }
            if ended || failed.is_some() {
                // In the task of the file system, with the turn: whoever goes away here still leaves what came, noted.
                let ended = self.run(move |confined| {
                    let _turn = turn;
                    part.end(beside(confined)?)
                });
                let upload = ended.await?;
                return failed.map_or(Ok(upload), Err);
            }
        }
    }

    /// Puts an upload that is whole in place.
    pub async fn finish_upload(&self, by: UserId, id: UploadId, mode: WriteMode) -> Result<FileStat, WorkspaceError> {
        self.upload(by, id).await?;
        let (turn, _) = beside(&self.confined)?.under_way.take_over(id).await;
        self.run(move |confined| {
            let _turn = turn;
            upload::finish(confined, beside(confined)?, by, id, &mode)
        })
        .await
    }

    /// Gives an upload up.
    pub async fn cancel_upload(&self, by: UserId, id: UploadId) -> Result<(), WorkspaceError> {
        if self.upload(by, id).await.is_err() {
            return Ok(());
        }
        let (turn, _) = beside(&self.confined)?.under_way.take_over(id).await;
        self.run(move |confined| {
            let _turn = turn;
            upload::cancel(beside(confined)?, by, id)
        })
        .await
    }

    /// Gives up all uploads of somebody who may not write here any more.
    pub(crate) async fn forget_uploads(&self, by: UserId) -> Result<(), WorkspaceError> {
        self.run(move |confined| upload::forget(beside(confined)?, by)).await
    }

    /// Files and folders with everything below them as one stream, made as it is taken. Ends with an error where it cannot be whole;
    /// dropped, or not taken for a while, it is not made any further. Names begin below the deepest folder that has all of the paths.
    pub(crate) async fn pack(
        &self,
        paths: Vec<RelPath>,
        kind: PackKind,
        place: DownloadPlace,
    ) -> Result<impl Stream<Item = Result<Bytes, WorkspaceError>> + Send + use<>, WorkspaceError> {
        for path in &paths {
            self.stat(path).await?;
        }
        let confined = Arc::clone(&self.confined);
        let (outlet, pieces) = mpsc::channel(pack::PIECES_WAITING);
        let runtime = tokio::runtime::Handle::current();
        let is_whole = Arc::new(AtomicBool::new(false));
        let ended_well = Arc::clone(&is_whole);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            pack::pack(&confined, &paths, kind, &pack::Taker { outlet, runtime, is_whole });
        });
        Ok(futures_util::stream::unfold(Some((pieces, ended_well)), async |going_on| {
            let (mut pieces, ended_well) = going_on?;
            match pieces.recv().await {
                Some(Ok(piece)) => Some((Ok(piece), Some((pieces, ended_well)))),
                Some(Err(error)) => Some((Err(error), None)),
                None if ended_well.load(Ordering::Acquire) => None,
                // Its taker was too slow to be told.
                None => Some((Err(WorkspaceError::Interrupted(RelPath::root())), None)),
            }
        }))
    }

    /// Runs work that may block, when one of the tree's slots is free.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Confined) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let place = match &self.places {
            Some(places) => places.work().await,
            None => None,
        };
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|error| WorkspaceError::Internal(error.to_string()))?;
        let confined = Arc::clone(&self.confined);
        blocking(move || {
            let _held = (place, slot);
            work(&confined)
        })
        .await
    }
}

/// What only a workspace has.
fn beside(confined: &Confined) -> Result<&Beside, WorkspaceError> {
    confined.beside().ok_or(WorkspaceError::WorkspaceNotFound)
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
