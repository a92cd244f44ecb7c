//! Walks a tree and counts what it takes, however deep it is and whoever changes it meanwhile.

use super::{BLOCK_BYTES, Kind};
use crate::tree::{Opened, TRASH, UPLOADS};
use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Device and inode.
pub(super) type FileId = (u64, u64);

/// Most files with several names that are remembered to be counted once; further ones count with each name.
const MAX_REMEMBERED_LINKS: usize = 1 << 20;
/// Levels whose folders are held open, so that the way back is known whatever is moved. Below, it is looked for by `..`: no depth
/// uses up the process's descriptors.
const MAX_OPEN_LEVELS: usize = 32;
/// How often a walk starts again that could not see everything.
const ATTEMPTS: u32 = 3;
/// What the owner of a folder needs in order to walk it.
const WALKABLE: Mode = Mode::RUSR.union(Mode::XUSR);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What was counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) bytes: u64,
    /// Files and folders that people see as theirs.
    pub(super) entries: u64,
    /// Those of the trash and the uploads as well.
    pub(super) all_entries: u64,
    pub(super) trash_bytes: u64,
    /// There is more that could not be seen.
    pub(super) is_partial: bool,
}

/// Counts a workspace's own folder (files, trash, uploads) or a home. `skip` and what is below it is left out. In a tree that does not
/// keep still what was seen is what there is to tell.
pub(super) fn count(folder: &Path, kind: Kind, skip: &HashSet<FileId>) -> Result<Count> {
    let mut most = count_once(folder, kind, skip)?;
    for _ in 1..ATTEMPTS {
        if !most.is_partial {
            break;
        }
        let again = count_once(folder, kind, skip)?;
        if !again.is_partial || again.bytes > most.bytes {
            most = again;
        }
    }
    Ok(most)
}

fn count_once(folder: &Path, kind: Kind, skip: &HashSet<FileId>) -> Result<Count> {
    let root = rustix::fs::openat(CWD, folder, FOLDER, Mode::empty())?;
    let mut walk = Walk::new(skip);
    if kind == Kind::Home {
        walk.below(root);
        return Ok(walk.count());
    }
    let (mut trash_bytes, mut hidden_entries) = (0, 0);
    for entry in Dir::read_from(&root)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let before = walk.count();
        walk.top(&root, name);
        if matches!(name.to_str(), Ok(TRASH | UPLOADS)) {
            hidden_entries += walk.entries - before.entries;
        }
        if name.to_str() == Ok(TRASH) {
            trash_bytes = walk.bytes - before.bytes;
        }
    }
    let all = walk.count();
    Ok(Count { trash_bytes, entries: all.entries - hidden_entries, ..all })
}

/// What one file, link or folder takes with everything below it, as far as it can be seen.
pub(crate) fn size_of(parent: &cap_std::fs::Dir, name: &std::ffi::OsStr) -> Result<u64> {
    let skip = HashSet::new();
    let mut walk = Walk::new(&skip);
    let name = CString::new(name.as_encoded_bytes()).map_err(|_| Errno::INVAL)?;
    walk.top(parent, &name);
    Ok(walk.bytes)
}

struct Walk<'a> {
    skip: &'a HashSet<FileId>,
    /// Files with several names that were counted.
    links: HashSet<FileId>,
    bytes: u64,
    entries: u64,
    is_partial: bool,
}

/// A folder on the way down.
struct Level {
    id: FileId,
    /// The folder itself, while one below it is walked; not of the deep ones.
    folder: Option<OwnedFd>,
    /// Folders in it that are still to be walked.
    left: Vec<CString>,
}

impl<'a> Walk<'a> {
    fn new(skip: &'a HashSet<FileId>) -> Self {
        Self { skip, links: HashSet::new(), bytes: 0, entries: 0, is_partial: false }
    }

    fn count(&self) -> Count {
        let Self { bytes, entries, is_partial, .. } = *self;
        Count { bytes, entries, all_entries: entries, trash_bytes: 0, is_partial }
    }

    /// Counts an entry and what is below.
    fn top(&mut self, parent: impl AsFd, name: &CStr) {
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) if self.add(&facts) && is_folder(&facts) => {
                if let Some(folder) = self.open(parent.as_fd(), name) {
                    self.below(folder);
                }
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(_) => self.is_partial = true,
        }
    }

    /// Counts what is below a folder.
    fn below(&mut self, folder: OwnedFd) {
        let Some(top) = self.enter(&folder) else { return };
        let (mut here, mut levels) = (folder, vec![top]);
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.left.pop() {
                let Some(folder) = self.open(here.as_fd(), &name) else { continue };
                let Some(entered) = self.enter(&folder) else { continue };
                let above = std::mem::replace(&mut here, folder);
                if levels.len() <= MAX_OPEN_LEVELS
                    && let Some(level) = levels.last_mut()
                {
                    level.folder = Some(above);
                }
                levels.push(entered);
                continue;
            }
            levels.pop();
            let Some(above) = self.up(&here, &mut levels) else { break };
            here = above;
        }
    }

    /// The folder of the last level. Where the way by `..` leads elsewhere, because something was moved meanwhile, it is that of the
    /// last one that is held open.
    fn up(&mut self, here: &OwnedFd, levels: &mut Vec<Level>) -> Option<OwnedFd> {
        let above = levels.last_mut()?;
        if let Some(folder) = above.folder.take() {
            return Some(folder);
        }
        if let Ok(folder) = opened_up(here.as_fd(), || rustix::fs::openat(here, "..", FOLDER, Mode::empty()))
            && rustix::fs::fstat(&folder).is_ok_and(|facts| id_of(&facts) == above.id)
        {
            return Some(folder);
        }
        loop {
            let level = levels.last_mut()?;
            if let Some(folder) = level.folder.take() {
                return Some(folder);
            }
            self.is_partial |= !level.left.is_empty();
            levels.pop();
        }
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

    /// Counts the entries of a folder; nothing where it vanished or does not tell.
    fn enter(&mut self, folder: &OwnedFd) -> Option<Level> {
        let is_closed = rustix::fs::accessat(folder, ".", Access::READ_OK | Access::EXEC_OK, AtFlags::empty()).is_err();
        let _opened = is_closed.then(|| Opened::new(folder.as_fd(), WALKABLE));
        let entered = self.list(folder);
        if entered.as_ref().is_err_and(|error| !matches!(*error, Errno::NOENT | Errno::ACCESS)) {
            self.is_partial = true;
        }
        entered.ok()
    }

    fn list(&mut self, folder: &OwnedFd) -> rustix::io::Result<Level> {
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
        Ok(Level { id: id_of(&own), folder: None, left })
    }

    /// Opens a folder; nothing where it is none any more, or another user's.
    fn open(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Option<OwnedFd> {
        let handle = opened_up(parent, || rustix::fs::openat(parent, name, FOLDER.union(OFlags::PATH), Mode::empty()));
        let folder = handle
            .and_then(|handle| opened_up(handle.as_fd(), || rustix::fs::openat(&handle, ".", FOLDER, Mode::empty())));
        let is_expected = |error| matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS);
        self.is_partial |= folder.as_ref().is_err_and(|error| !is_expected(*error));
        folder.ok()
    }
}

/// Does something in a folder, which is opened up for that moment where it is closed: else anything could be hidden in it.
fn opened_up<T>(folder: BorrowedFd<'_>, work: impl Fn() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match work() {
        Err(Errno::ACCESS) => {
            let _opened = Opened::new(folder, WALKABLE);
            work()
        }
        result => result,
    }
}

fn is_folder(facts: &Stat) -> bool {
    FileType::from_raw_mode(facts.st_mode) == FileType::Directory
}

fn id_of(facts: &Stat) -> FileId {
    (facts.st_dev, facts.st_ino)
}
