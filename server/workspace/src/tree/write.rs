//! Putting a new version of a file in place: a temporary file beside it, then a rename.

use super::change::copy_bytes;
use super::confined::{Confined, Spot, etag, file_kind, file_stat, is_writable};
use super::{TEMP_PREFIX, at, is_missing};
use crate::error::WorkspaceError;
use crate::usage::{BLOCK_BYTES, Writing};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use coditect_protocol::RelPath;
use coditect_protocol::files::{FileKind, FileStat, WriteMode};
use rustix::fs::{Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most of our writers that put files in place at once, in all trees. Two that share a lock by chance only wait a moment.
const COMMIT_LOCKS: usize = 256;
/// Bits of a file's mode that its next version keeps.
const KEPT_MODE: u32 = 0o777;
/// Mode of a new file, before the process's mask.
const NEW_MODE: u32 = 0o666;
/// Mode of the temporary file of a file that is replaced, until it takes over that one's.
const PRIVATE_MODE: u32 = 0o600;
/// Bytes compared at once.
const COMPARE_BYTES: usize = 64 * 1024;

/// One for each folder and name (by hash), held from looking at what is there to the rename. They are the process's, not a
/// tree's, so that two handles of one directory share them.
static LOCKS: [Mutex<()>; COMMIT_LOCKS] = [const { Mutex::new(()) }; COMMIT_LOCKS];

/// The lock under which a name in a folder gets new content.
pub(super) fn commit_lock(parent: &Dir, name: &OsStr) -> std::io::Result<MutexGuard<'static, ()>> {
    let facts = parent.dir_metadata()?;
    let mut hasher = DefaultHasher::new();
    (facts.dev(), facts.ino(), name).hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % COMMIT_LOCKS as u64).unwrap_or_default();
    Ok(LOCKS[index].lock().unwrap_or_else(PoisonError::into_inner))
}

/// Writes content that is in memory.
pub(super) fn write(
    confined: &Confined,
    path: &RelPath,
    content: &[u8],
    mode: &WriteMode,
) -> Result<FileStat, WorkspaceError> {
    let mut pending = PendingWrite::begin(confined, path)?;
    pending.append(content)?;
    pending.commit(mode)
}

/// A file being written. Dropped before its commit, it leaves nothing behind.
pub(crate) struct PendingWrite {
    path: RelPath,
    parent: Dir,
    name: OsString,
    temp: TempFile,
    room: Writing,
}

impl PendingWrite {
    /// Begins to write `path`, or what it links to.
    pub(crate) fn begin(confined: &Confined, path: &RelPath) -> Result<Self, WorkspaceError> {
        let Spot { parent, name, facts } = confined.locate(path)?;
        if let Some(facts) = &facts {
            check_replaceable(facts, path)?;
        }
        let mut room = confined.writing();
        match &facts {
            Some(facts) => room.replaces(disk_bytes(facts)),
            None => room.add_entries(1)?,
        }
        let temp = TempFile::create(&parent, facts.as_ref()).map_err(at(path))?;
        let own = temp.file.metadata().map_err(at(path))?;
        room.stands_for(own.dev(), own.ino());
        Ok(Self { path: path.clone(), parent, name, temp, room })
    }

    /// Begins to write a part of a file that is there, from `offset` on: what it holds is copied first, so that the file changes whole
    /// or not at all. Answers the entity tag of the version that was copied, which is the only one that this may replace.
    pub(crate) fn begin_range(
        confined: &Confined,
        path: &RelPath,
        offset: u64,
        known: Option<&str>,
        stop: &AtomicBool,
    ) -> Result<(Self, String), WorkspaceError> {
        let (stat, old) = confined.open_file(path)?;
        if known.is_some_and(|known| known != stat.etag) {
            return Err(WorkspaceError::Changed(path.clone()));
        }
        if offset > stat.size {
            return Err(WorkspaceError::BehindTheEnd { path: path.clone(), size: stat.size });
        }
        let mut pending = Self::begin(confined, path)?;
        pending.room.grow(stat.size)?;
        pending.room.overlaps(stat.size - offset);
        let file = pending.temp.file.try_clone().map_err(at(path))?.into_std();
        copy_bytes(&old, &file, stat.size, stop).map_err(at(path))?;
        pending.temp.file.seek(SeekFrom::Start(offset)).map_err(at(path))?;
        Ok((pending, stat.etag))
    }

    /// Takes over a file that arrived in `folder` under `name`; it stays there where it is not put in place.
    pub(super) fn arrived(
        confined: &Confined,
        path: &RelPath,
        folder: &Dir,
        name: OsString,
    ) -> Result<Self, WorkspaceError> {
        let Spot { parent, name: target, facts } = confined.locate(path)?;
        if let Some(facts) = &facts {
            check_replaceable(facts, path)?;
        }
        let options = OpenOptions::new().read(true).write(true).follow(FollowSymlinks::No).clone();
        let file = folder.open_with(&name, &options).map_err(at(path))?;
        let folder = folder.try_clone().map_err(at(path))?;
        let temp = TempFile { parent: folder, name: Some(name), file, stays: true };
        if let Some(facts) = &facts {
            temp.take_over(facts).map_err(at(path))?;
        }
        Ok(Self { path: path.clone(), parent, name: target, temp, room: Writing::default() })
    }

    /// Adds content where the last one ended. Where there is no room for it, nothing was added.
    pub(crate) fn append(&mut self, content: &[u8]) -> Result<(), WorkspaceError> {
        self.room.grow(content.len() as u64)?;
        self.temp.file.write_all(content).map_err(at(&self.path))
    }

    /// Puts it in place, if `mode` allows.
    pub(crate) fn commit(mut self, mode: &WriteMode) -> Result<FileStat, WorkspaceError> {
        self.temp.file.sync_all().map_err(at(&self.path))?;
        let _lock = commit_lock(&self.parent, &self.name).map_err(at(&self.path))?;
        let there = match self.parent.symlink_metadata(&self.name) {
            Ok(facts) => Some(facts),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(at(&self.path)(error)),
        };
        if let Some(facts) = &there {
            check_replaceable(facts, &self.path)?;
        }
        let allowed = match (mode, &there) {
            (WriteMode::Overwrite, _) | (WriteMode::CreateNew, None) => true,
            (WriteMode::Replace(known), Some(facts)) => etag(facts) == *known,
            (WriteMode::CreateNew, Some(_)) | (WriteMode::Replace(_), None) => false,
        };
        if !allowed {
            return self.same_or_refused(mode);
        }
        let flags = if *mode == WriteMode::CreateNew { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        match self.temp.put_in_place(&self.parent, &self.name, flags) {
            Ok(()) => {}
            // Somebody else made one since we looked.
            Err(Errno::EXIST) => return self.same_or_refused(mode),
            Err(error) => return Err(at(&self.path)(error.into())),
        }
        sync_folder(&self.parent).map_err(at(&self.path))?;
        let own = self.temp.file.metadata().map_err(at(&self.path))?;
        self.room.finish(there.as_ref().map_or(0, disk_bytes), disk_bytes(&own));
        Ok(file_stat(&own, false))
    }

    /// Success if the very content is there already, as after a write that is sent again.
    fn same_or_refused(&mut self, mode: &WriteMode) -> Result<FileStat, WorkspaceError> {
        if let Some(facts) = self.same_content().map_err(at(&self.path))? {
            return Ok(file_stat(&facts, false));
        }
        Err(match mode {
            WriteMode::CreateNew => WorkspaceError::Exists(self.path.clone()),
            WriteMode::Replace(_) | WriteMode::Overwrite => WorkspaceError::Changed(self.path.clone()),
        })
    }

    fn same_content(&mut self) -> std::io::Result<Option<Metadata>> {
        let options = OpenOptions::new().read(true).nonblock(true).follow(FollowSymlinks::No).clone();
        let Ok(mut there) = self.parent.open_with(&self.name, &options) else { return Ok(None) };
        let facts = there.metadata()?;
        let ours = &mut self.temp.file;
        if file_kind(&facts) != FileKind::File || facts.len() != ours.metadata()?.len() {
            return Ok(None);
        }
        ours.seek(SeekFrom::Start(0))?;
        let (mut left, mut right) = (vec![0; COMPARE_BYTES], Vec::with_capacity(COMPARE_BYTES));
        loop {
            let count = there.read(&mut left)?;
            right.clear();
            Read::by_ref(ours).take(count as u64).read_to_end(&mut right)?;
            if left[..count] != right[..] {
                return Ok(None);
            }
            if count == 0 {
                return Ok(Some(facts));
            }
        }
    }
}

/// Bytes that a file frees when it goes; none where another name keeps it.
fn disk_bytes(facts: &Metadata) -> u64 {
    if facts.nlink() > 1 { 0 } else { facts.blocks() * BLOCK_BYTES }
}

/// Only a regular file that its owner may write is replaced.
fn check_replaceable(facts: &Metadata, path: &RelPath) -> Result<(), WorkspaceError> {
    match file_kind(facts) {
        FileKind::Folder => Err(WorkspaceError::IsAFolder(path.clone())),
        FileKind::Other => Err(WorkspaceError::NotAFile(path.clone())),
        FileKind::BrokenLink => Err(WorkspaceError::Changed(path.clone())),
        FileKind::File if !is_writable(facts) => Err(WorkspaceError::NoPermission(path.clone())),
        FileKind::File => Ok(()),
    }
}

/// A file that is not in place yet.
struct TempFile {
    parent: Dir,
    /// `None` once it is in place.
    name: Option<OsString>,
    file: File,
    /// It is kept though it never got in place.
    stays: bool,
}

impl TempFile {
    fn create(parent: &Dir, replaces: Option<&Metadata>) -> std::io::Result<Self> {
        let parent = parent.try_clone()?;
        let name = temporary_name(if replaces.is_some() { Replaces::Something } else { Replaces::Nothing });
        let mode = if replaces.is_some() { PRIVATE_MODE } else { NEW_MODE };
        let options = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).clone();
        let file = parent.open_with(&name, &options)?;
        let temp = Self { parent, name: Some(name), file, stays: false };
        if let Some(old) = replaces {
            temp.take_over(old)?;
        }
        Ok(temp)
    }

    /// Owner and mode of the version before.
    fn take_over(&self, old: &Metadata) -> std::io::Result<()> {
        let own = self.file.metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            // Only a privileged server may give files away; any other keeps what it made.
            let _ = rustix::fs::fchown(&self.file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())));
        }
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(old.mode() & KEPT_MODE))?;
        Ok(())
    }

    fn put_in_place(&mut self, parent: &Dir, name: &OsStr, flags: RenameFlags) -> Result<(), Errno> {
        if let Some(own) = &self.name {
            rename_with(&self.parent, own, parent, name, flags)?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && !self.stays
            && let Err(error) = self.parent.remove_file(name)
        {
            tracing::warn!(%error, "a temporary file could not be removed");
        }
    }
}

/// Whether a temporary file will take the place of something; its name says so to the watcher.
#[derive(Clone, Copy)]
pub(crate) enum Replaces {
    /// A file is there.
    Something,
    /// Nothing is there.
    Nothing,
}

/// Start of the temporary names that take the place of a file.
pub(crate) const REPLACING_PREFIX: &str = ".coditect-tmp-u";

/// A name that nothing else has, hidden from listings.
pub(crate) fn temporary_name(replaces: Replaces) -> OsString {
    let random: u128 = rand::random();
    match replaces {
        Replaces::Something => format!("{REPLACING_PREFIX}{random:032x}").into(),
        Replaces::Nothing => format!("{TEMP_PREFIX}n{random:032x}").into(),
    }
}

/// `renameat2`; where the file system does not know its flags, looks first.
pub(super) fn rename_with(
    from: &Dir,
    name: &OsStr,
    to: &Dir,
    new_name: &OsStr,
    flags: RenameFlags,
) -> Result<(), Errno> {
    if flags.is_empty() {
        return rustix::fs::renameat(from, name, to, new_name);
    }
    match rustix::fs::renameat_with(from, name, to, new_name, flags) {
        Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata(new_name).is_ok() => Err(Errno::EXIST),
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(from, name, to, new_name),
        result => result,
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Dir) -> std::io::Result<()> {
    // The handle may be one that only names the folder; what is synchronised must be open to be read.
    let readable =
        rustix::fs::openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::fs::fsync(readable) {
        // Some file systems cannot, and then have nothing to say about it.
        Err(Errno::INVAL) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
