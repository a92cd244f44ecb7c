//! Walks a tree and counts what it takes, however deep it is and whoever changes it meanwhile.

use super::BLOCK_BYTES;
use crate::tree::{TRASH, UPLOADS};
use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::CString;
use std::io::Result;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// Device and inode.
pub(super) type FileId = (u64, u64);

/// Most files with several names that are remembered to be counted once; further ones count with each name.
const MAX_REMEMBERED_LINKS: usize = 1 << 20;
/// How often a walk starts again that lost its way because folders were moved under it.
const ATTEMPTS: u32 = 3;
/// What the owner of a folder needs in order to walk it.
const WALKABLE: Mode = Mode::RUSR.union(Mode::XUSR);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What was counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) trash_bytes: u64,
}

/// Counts a workspace's own folder: files, trash, uploads. `skip` and what is below it is left out.
pub(super) fn count(folder: &Path, skip: &HashSet<FileId>) -> Result<Count> {
    let mut attempt = 1;
    loop {
        match count_once(folder, skip) {
            // Too busy a tree: what was seen is what there is to tell.
            Err(error) if attempt < ATTEMPTS && Errno::from_io_error(&error) == Some(Errno::STALE) => attempt += 1,
            result => return result,
        }
    }
}

fn count_once(folder: &Path, skip: &HashSet<FileId>) -> Result<Count> {
    let root = rustix::fs::openat(CWD, folder, FOLDER, Mode::empty())?;
    let mut walk = Walk { skip, links: HashSet::new(), bytes: 0, entries: 0 };
    let mut trash_bytes = 0;
    for entry in Dir::read_from(&root)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let (bytes, entries) = (walk.bytes, walk.entries);
        walk.top(&root, name)?;
        match name.to_str() {
            Ok(TRASH) => {
                trash_bytes = walk.bytes - bytes;
                walk.entries = entries;
            }
            Ok(UPLOADS) => walk.entries = entries,
            _ => {}
        }
    }
    Ok(Count { bytes: walk.bytes, entries: walk.entries, trash_bytes })
}

/// What one file, link or folder takes with everything below it.
pub(crate) fn size_of(parent: &cap_std::fs::Dir, name: &std::ffi::OsStr) -> Result<u64> {
    let skip = HashSet::new();
    let mut walk = Walk { skip: &skip, links: HashSet::new(), bytes: 0, entries: 0 };
    let name = CString::new(name.as_encoded_bytes()).map_err(|_| Errno::INVAL)?;
    walk.top(parent, &name)?;
    Ok(walk.bytes)
}

struct Walk<'a> {
    skip: &'a HashSet<FileId>,
    /// Files with several names that were counted.
    links: HashSet<FileId>,
    bytes: u64,
    entries: u64,
}

/// A folder on the way down.
struct Level {
    id: FileId,
    /// Folders in it that are still to be walked.
    left: Vec<CString>,
    /// The mode that it gets back, where it had to be opened up.
    mode: Option<Mode>,
}

impl Walk<'_> {
    /// Counts an entry and what is below. Only the folder that is being walked is open, so that no depth uses up descriptors; the way
    /// back up is by `..`, and it must lead to the folder that was come from.
    fn top(&mut self, parent: impl std::os::fd::AsFd, name: &std::ffi::CStr) -> Result<()> {
        let facts = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            facts => facts?,
        };
        if !self.add(&facts) || !is_folder(&facts) {
            return Ok(());
        }
        let Some((mut here, mode)) = open(&parent, name)? else { return Ok(()) };
        let mut levels = vec![self.enter(&here, mode)?];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.left.pop() {
                if let Some((below, mode)) = open(&here, &name)? {
                    levels.push(self.enter(&below, mode)?);
                    here = below;
                }
                continue;
            }
            let done = levels.pop();
            let Some(above) = levels.last() else {
                give_back(&here, done.and_then(|level| level.mode));
                break;
            };
            let up = rustix::fs::openat(&here, "..", FOLDER, Mode::empty())?;
            give_back(&here, done.and_then(|level| level.mode));
            if id_of(&rustix::fs::fstat(&up)?) != above.id {
                return Err(Errno::STALE.into());
            }
            here = up;
        }
        Ok(())
    }

    /// Adds an entry; answers whether what is below it counts as well.
    fn add(&mut self, facts: &Stat) -> bool {
        let id = id_of(facts);
        if self.skip.contains(&id) {
            return false;
        }
        self.entries += 1;
        let is_again = !is_folder(facts)
            && facts.st_nlink > 1
            && (self.links.contains(&id) || self.links.len() < MAX_REMEMBERED_LINKS && !self.links.insert(id));
        if !is_again {
            self.bytes = self.bytes.saturating_add(u64::try_from(facts.st_blocks).unwrap_or(0) * BLOCK_BYTES);
        }
        true
    }

    /// Counts the entries of a folder.
    fn enter(&mut self, folder: &OwnedFd, mode: Option<Mode>) -> Result<Level> {
        let own = rustix::fs::fstat(folder)?;
        let mut left = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let facts = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                facts => facts?,
            };
            // Another file system that is mounted here takes nothing of this one's.
            if facts.st_dev == own.st_dev && self.add(&facts) && is_folder(&facts) {
                left.push(name.to_owned());
            }
        }
        Ok(Level { id: id_of(&own), left, mode })
    }
}

/// Opens a folder; nothing where it is none any more. One that is closed to its own owner is opened up as long as it is walked, or
/// anything could be hidden in it.
fn open(parent: impl std::os::fd::AsFd, name: &std::ffi::CStr) -> Result<Option<(OwnedFd, Option<Mode>)>> {
    let handle = match rustix::fs::openat(&parent, name, FOLDER.union(OFlags::PATH), Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        handle => handle?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode & 0o7777);
    let closed = rustix::fs::accessat(&handle, ".", Access::READ_OK | Access::EXEC_OK, AtFlags::empty()).is_err();
    if closed {
        // Fails where the folder is another user's.
        let _ = rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), mode.union(WALKABLE));
    }
    match rustix::fs::openat(&handle, ".", FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => Ok(None),
        folder => Ok(Some((folder?, closed.then_some(mode)))),
    }
}

fn give_back(folder: &OwnedFd, mode: Option<Mode>) {
    if let Some(mode) = mode {
        let _ = rustix::fs::fchmod(folder, mode);
    }
}

fn is_folder(facts: &Stat) -> bool {
    FileType::from_raw_mode(facts.st_mode) == FileType::Directory
}

fn id_of(facts: &Stat) -> FileId {
    (facts.st_dev, facts.st_ino)
}
