//! Making, deleting, moving and copying.

use super::confined::{Confined, file_kind};
use super::remove::{Locked, NEVER, remove_entry};
use super::write::{Replaces, commit_lock, rename_with, sync_folder, temporary_name};
use super::{at, is_missing, is_temporary, os_path, trash};
use crate::error::WorkspaceError;
use crate::usage::Writing;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};
use coditect_protocol::RelPath;
use coditect_protocol::files::{FileKind, FileStat, Page};
use rustix::fs::RenameFlags;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{Error, Read, Result as IoResult};
use std::sync::atomic::{AtomicBool, Ordering};

/// Deepest folder below the one that is copied.
const MAX_COPY_DEPTH: u32 = 256;
/// Bytes copied before looking whether the caller is still there.
const COPY_STEP_BYTES: u64 = 64 * 1024 * 1024;
/// Bits of the mode that a copy takes over.
const COPIED_MODE: u32 = 0o777;
/// Bits of the mode that a person may set.
const PERMISSION_BITS: u32 = 0o777;
/// Bytes that a new folder takes, about.
const FOLDER_BYTES: u64 = 4096;
/// Enough to tell whether a folder is empty.
const ONE_ENTRY: Page = Page { after: None, limit: 1 };

pub(super) fn make_folder(confined: &Confined, path: &RelPath) -> Result<FileStat, WorkspaceError> {
    let mut room = confined.writing();
    let is_missing = |path: &RelPath| confined.dir().symlink_metadata(os_path(path)).is_err();
    let above = std::iter::successors(Some(path.clone()), RelPath::parent);
    let missing = above.take_while(is_missing).count() as u64;
    room.add_entries(missing)?;
    room.grow(missing * FOLDER_BYTES)?;
    if let Err(error) = confined.dir().create_dir_all(os_path(path)) {
        // Somebody else may have made it at the same time.
        let error = at(path)(error);
        return match confined.stat(path) {
            Ok(stat) if stat.kind == FileKind::Folder => Ok(stat),
            Ok(_) => Err(WorkspaceError::Exists(path.clone())),
            Err(_) => Err(error),
        };
    }
    room.finish(0, missing * FOLDER_BYTES);
    confined.stat(path)
}

/// What may be deleted, and what becomes of it.
#[derive(Debug, Clone, Default)]
pub struct Deletion {
    /// A folder with everything below it.
    pub recursive: bool,
    /// The entity tags of the versions that may be deleted, where not just any may. A write of this server comes before or after,
    /// never in between.
    pub known: Option<Vec<String>>,
    /// Into the trash, by the name of who deletes it; for good where absent, and where there is no trash.
    pub trash: Option<String>,
}

pub(super) fn delete(
    confined: &Confined,
    path: &RelPath,
    deletion: &Deletion,
    stop: &AtomicBool,
) -> Result<(), WorkspaceError> {
    let (parent, name) = confined.entry(path)?;
    let lock = deletion.known.as_ref().map(|_| commit_lock(&parent, &name)).transpose().map_err(at(path))?;
    let facts = parent.symlink_metadata(&name).map_err(at(path))?;
    if let Some(known) = &deletion.known
        && !known.contains(&confined.stat(path)?.etag)
    {
        return Err(WorkspaceError::Changed(path.clone()));
    }
    if let (Some(by), Some(beside)) = (&deletion.trash, confined.beside()) {
        let alone = facts.is_dir() && !deletion.recursive;
        if alone && !confined.read_folder(path, &ONE_ENTRY)?.entries.is_empty() {
            return Err(WorkspaceError::FolderNotEmpty(path.clone()));
        }
        return trash::discard(beside, &parent, &name, path, &facts, by);
    }
    // Behind it, whatever comes of it: a count in the middle would be taken for one of what is left.
    let _noted = NotedAtEnd(confined);
    if !facts.is_dir() {
        return parent.remove_file(&name).map_err(at(path));
    }
    // A folder gets no new version that could be lost, and may take long.
    drop(lock);
    if deletion.recursive {
        return remove_entry(&parent, &name, &facts, Locked::Respect, stop).map_err(in_use(path));
    }
    match parent.remove_dir(&name) {
        // What nobody can see must not keep a folder from going.
        Err(error)
            if Errno::from_io_error(&error) == Some(Errno::NOTEMPTY)
                && confined.read_folder(path, &ONE_ENTRY)?.entries.is_empty()
                && only_temporary(&parent, &name).map_err(at(path))? =>
        {
            remove_entry(&parent, &name, &facts, Locked::Respect, stop).map_err(in_use(path))
        }
        result => result.map_err(at(path)),
    }
}

/// Sets the nine bits of `chmod`, through links that stay inside.
pub(super) fn set_permissions(
    confined: &Confined,
    path: &RelPath,
    permissions: u32,
) -> Result<FileStat, WorkspaceError> {
    if permissions > PERMISSION_BITS {
        return Err(WorkspaceError::BadPermissions);
    }
    match confined.stat(path)?.kind {
        FileKind::File | FileKind::Folder => {}
        FileKind::BrokenLink | FileKind::Other => return Err(WorkspaceError::NotAFile(path.clone())),
    }
    let facts = confined.dir().metadata(os_path(path)).map_err(at(path))?;
    let root = confined.dir().dir_metadata().map_err(at(path))?;
    // By whatever way it is named: closed, nothing of the workspace could be reached to open it again.
    if (facts.dev(), facts.ino()) == (root.dev(), root.ino()) {
        return Err(WorkspaceError::IsTheRoot);
    }
    let permissions = cap_std::fs::Permissions::from_mode(permissions);
    confined.dir().set_permissions(os_path(path), permissions).map_err(at(path))?;
    confined.stat(path)
}

/// Tells of a change when it is over.
struct NotedAtEnd<'a>(&'a Confined);

impl Drop for NotedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.note_change();
    }
}

/// Names `path` in the error of a removal: one that is not empty even then is being filled.
fn in_use(path: &RelPath) -> impl Fn(Error) -> WorkspaceError + '_ {
    move |error| match at(path)(error) {
        WorkspaceError::FolderNotEmpty(path) => WorkspaceError::FolderInUse(path),
        other => other,
    }
}

fn only_temporary(parent: &Dir, name: &OsStr) -> IoResult<bool> {
    for entry in parent.open_dir_nofollow(name)?.entries()? {
        if !is_temporary(&entry?.file_name().to_string_lossy()) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn rename(
    confined: &Confined,
    from: &RelPath,
    to: &RelPath,
    overwrite: bool,
) -> Result<FileStat, WorkspaceError> {
    let (source, name) = confined.entry(from)?;
    let (target, new_name) = confined.entry(to)?;
    source.symlink_metadata(&name).map_err(at(from))?;
    if from == to {
        return confined.stat(from);
    }
    check_apart(from, to)?;
    install(&source, &name, &target, &new_name, overwrite).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::INVAL) => WorkspaceError::InsideItself(from.clone()),
        _ => at(to)(error),
    })?;
    if overwrite {
        confined.note_change();
    }
    sync_folder(&source).map_err(at(from))?;
    sync_folder(&target).map_err(at(to))?;
    confined.stat(to)
}

fn check_apart(from: &RelPath, to: &RelPath) -> Result<(), WorkspaceError> {
    if from.is_within(to) || to.is_within(from) {
        return Err(WorkspaceError::InsideItself(from.clone()));
    }
    Ok(())
}

/// Moves an entry to its place. Where a plain rename cannot replace what is there, the two change places at once and what was
/// there goes; the name is never without one of them. What cannot be removed then stays under a hidden name.
fn install(source: &Dir, name: &OsStr, target: &Dir, new_name: &OsStr, overwrite: bool) -> IoResult<()> {
    let _lock = commit_lock(target, new_name)?;
    let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    match rename_with(source, name, target, new_name, flags) {
        Err(Errno::ISDIR | Errno::NOTDIR | Errno::EXIST | Errno::NOTEMPTY) if overwrite => {}
        result => return Ok(result?),
    }
    match rustix::fs::renameat_with(source, name, target, new_name, RenameFlags::EXCHANGE) {
        Ok(()) => {
            discard_replaced(source, name);
            Ok(())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => install_in_steps(source, name, target, new_name),
        Err(error) => Err(error.into()),
    }
}

/// For file systems that cannot let two names change places: what is there is put aside, and put back if the move fails.
fn install_in_steps(source: &Dir, name: &OsStr, target: &Dir, new_name: &OsStr) -> IoResult<()> {
    let aside = temporary_name(Replaces::Nothing);
    rename_with(target, new_name, target, &aside, RenameFlags::NOREPLACE)?;
    if let Err(error) = rename_with(source, name, target, new_name, RenameFlags::NOREPLACE) {
        rename_with(target, &aside, target, new_name, RenameFlags::NOREPLACE)?;
        return Err(error.into());
    }
    remove_replaced(target, &aside);
    Ok(())
}

/// Hides what was replaced, so that nobody takes it for what was moved, and removes it.
fn discard_replaced(folder: &Dir, name: &OsStr) {
    let hidden = temporary_name(Replaces::Nothing);
    match rename_with(folder, name, folder, &hidden, RenameFlags::NOREPLACE) {
        Ok(()) => remove_replaced(folder, &hidden),
        Err(error) => {
            tracing::debug!(%error, "what was replaced could not be hidden");
            remove_replaced(folder, name);
        }
    }
}

/// The replacement is in place whatever becomes of this. The watcher tidies up what is left.
fn remove_replaced(folder: &Dir, name: &OsStr) {
    let removed =
        folder.symlink_metadata(name).and_then(|facts| remove_entry(folder, name, &facts, Locked::Respect, &NEVER));
    if let Err(error) = removed {
        tracing::warn!(%error, "what was replaced could not be removed");
    }
}

pub(super) fn copy(
    confined: &Confined,
    from: &RelPath,
    to: &RelPath,
    overwrite: bool,
    stop: &AtomicBool,
) -> Result<FileStat, WorkspaceError> {
    let (target, new_name) = confined.entry(to)?;
    if from.is_root() || from.is_within(to) || to.is_within(from) {
        return Err(WorkspaceError::InsideItself(from.clone()));
    }
    let kind = confined.stat(from)?.kind;
    if matches!(kind, FileKind::BrokenLink | FileKind::Other) {
        return Err(WorkspaceError::NotAFile(from.clone()));
    }
    if !overwrite && target.symlink_metadata(&new_name).is_ok() {
        return Err(WorkspaceError::Exists(to.clone()));
    }
    // Whole or not at all: it grows under a hidden name. That is not copied itself, should it lie below the source.
    let growing = temporary_name(Replaces::Nothing);
    let mut copying = Copying { room: confined.writing(), bytes: 0, refusal: None, stop };
    let copied = grow(confined, from, kind, &target, &growing, &mut copying)
        .map_err(|error| copying.refusal.take().unwrap_or(error))
        .and_then(|()| install(&target, &growing, &target, &new_name, overwrite).map_err(at(to)));
    if let Err(error) = copied {
        if let Ok(facts) = target.symlink_metadata(&growing)
            && let Err(error) = remove_entry(&target, &growing, &facts, Locked::Force, &NEVER)
        {
            tracing::warn!(%error, "an unfinished copy could not be removed");
        }
        return Err(error);
    }
    copying.room.finish(0, copying.bytes);
    if overwrite {
        confined.note_change();
    }
    sync_folder(&target).map_err(at(to))?;
    confined.stat(to)
}

/// A copy that is being made.
struct Copying<'a> {
    room: Writing,
    bytes: u64,
    /// Why it ended, where that was no fault of the system.
    refusal: Option<WorkspaceError>,
    stop: &'a AtomicBool,
}

impl Copying<'_> {
    /// Asks for room for what is copied next: a file or folder of so many bytes.
    fn takes(&mut self, bytes: u64) -> IoResult<()> {
        self.bytes += bytes;
        self.room.add_entries(1).and_then(|()| self.room.grow(bytes)).map_err(|error| {
            self.refusal = Some(error);
            Error::from(Errno::DQUOT)
        })
    }
}

/// Makes the copy under a temporary name.
fn grow(
    confined: &Confined,
    from: &RelPath,
    kind: FileKind,
    target: &Dir,
    growing: &OsStr,
    copying: &mut Copying<'_>,
) -> Result<(), WorkspaceError> {
    if kind == FileKind::Folder {
        let source = confined.dir().open_dir(os_path(from)).map_err(at(from))?;
        target.create_dir(growing).map_err(at(from))?;
        let folder = target.open_dir_nofollow(growing).map_err(at(from))?;
        let facts = folder.dir_metadata().map_err(at(from))?;
        copying.room.stands_for(facts.dev(), facts.ino());
        return copy_below(&source, &folder, 0, copying).map_err(at(from));
    }
    let (_, source) = confined.open_file(from)?;
    copy_file(cap_std::fs::File::from_std(source), target, growing, copying).map_err(at(from))
}

fn copy_file(source: cap_std::fs::File, target: &Dir, name: &OsStr, copying: &mut Copying<'_>) -> IoResult<()> {
    let facts = source.metadata()?;
    if !facts.is_file() {
        return Ok(());
    }
    copying.takes(facts.len())?;
    let options = OpenOptions::new().write(true).create_new(true).mode(facts.mode() & COPIED_MODE).clone();
    let copy = target.open_with(name, &options)?.into_std();
    // No more than was asked for: a source that grows meanwhile is copied as it was.
    copy_bytes(&source.into_std(), &copy, facts.len(), copying.stop)?;
    copy.sync_all()
}

fn copy_below(source: &Dir, target: &Dir, depth: u32, copying: &mut Copying<'_>) -> IoResult<()> {
    if depth > MAX_COPY_DEPTH {
        return Err(Errno::NAMETOOLONG.into());
    }
    for entry in source.entries()? {
        let name = entry?.file_name();
        if is_temporary(&name.to_string_lossy()) {
            continue;
        }
        match copy_entry(source, &name, target, depth, copying) {
            Err(error) if is_missing(&error) => {}
            result => result?,
        }
    }
    Ok(())
}

fn copy_entry(source: &Dir, name: &OsStr, target: &Dir, depth: u32, copying: &mut Copying<'_>) -> IoResult<()> {
    let facts = source.symlink_metadata(name)?;
    match file_kind(&facts) {
        FileKind::Folder => {
            let from = source.open_dir_nofollow(name)?;
            copying.takes(FOLDER_BYTES)?;
            target.create_dir(name)?;
            let to = target.open_dir_nofollow(name)?;
            copy_below(&from, &to, depth + 1, copying)
        }
        // Copied as text: a link is harmless wherever it points, because none that leaves the root is followed.
        FileKind::BrokenLink => {
            copying.takes(0)?;
            target.symlink_contents(source.read_link_contents(name)?, name)
        }
        FileKind::File => {
            let reading = OpenOptions::new().read(true).nonblock(true).follow(FollowSymlinks::No).clone();
            copy_file(source.open_with(name, &reading)?, target, name, copying)
        }
        FileKind::Other => Ok(()),
    }
}

/// Copies at most so many bytes.
pub(super) fn copy_bytes(
    source: &std::fs::File,
    mut target: &std::fs::File,
    most: u64,
    stop: &AtomicBool,
) -> IoResult<()> {
    let mut left = most;
    while left > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::from(Errno::CANCELED));
        }
        // The standard library hands this to the kernel, which shares blocks where the file system can.
        match std::io::copy(&mut source.take(left.min(COPY_STEP_BYTES)), &mut target)? {
            0 => break,
            copied => left -= copied,
        }
    }
    Ok(())
}
