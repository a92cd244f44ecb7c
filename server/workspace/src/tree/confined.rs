//! The blocking side of a tree: resolving, stating, listing, reading.

use super::beside::Beside;
use super::{at, is_missing, is_temporary, os_path};
use crate::error::WorkspaceError;
use crate::usage::{Meter, Writing};
use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions};
use cap_std::time::SystemTime;
use coditect_protocol::RelPath;
use coditect_protocol::files::{FileKind, FileStat, FolderEntry, FolderListing, MAX_PAGE_ENTRIES, Page};
use std::collections::BinaryHeap;
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most symbolic links in a row that a write follows (what Linux allows).
const MAX_LINKS: u32 = 40;
/// Bit of a file's mode that lets its owner write.
const OWNER_MAY_WRITE: u32 = 0o200;
/// Memory set aside at first for a read, in bytes; it grows with what is there.
const READ_RESERVE_BYTES: u64 = 1024 * 1024;

/// A directory that paths cannot leave.
#[derive(Debug)]
pub(crate) struct Confined {
    dir: Dir,
    /// What a workspace has beside its files; a home has none.
    beside: Option<Beside>,
    /// Who writes here asks it for room.
    meter: Option<Arc<Meter>>,
}

/// The place where a name is or would be, after its links were followed.
pub(super) struct Spot {
    pub(super) parent: Dir,
    pub(super) name: OsString,
    /// What is there; never a link.
    pub(super) facts: Option<Metadata>,
}

/// What a read found.
pub(crate) struct ReadResult {
    pub(crate) stat: FileStat,
    pub(crate) content: Vec<u8>,
    /// The file was the same before and after.
    pub(crate) whole: bool,
}

impl Confined {
    pub(crate) fn new(dir: Dir, beside: Option<Beside>, meter: Option<Arc<Meter>>) -> Self {
        Self { dir, beside, meter }
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn beside(&self) -> Option<&Beside> {
        self.beside.as_ref()
    }

    /// A write that will ask for room.
    pub(super) fn writing(&self) -> Writing {
        self.meter.as_ref().map_or_else(Writing::default, Meter::begin)
    }

    /// Who counts what is here.
    pub(super) fn meter(&self) -> Option<&Arc<Meter>> {
        self.meter.as_ref()
    }

    /// Something went that no write tells of.
    pub(super) fn note_change(&self) {
        if let Some(meter) = &self.meter {
            meter.note_change();
        }
    }

    pub(crate) fn stat(&self, path: &RelPath) -> Result<FileStat, WorkspaceError> {
        let own = self.dir.symlink_metadata(os_path(path)).map_err(at(path))?;
        if !own.file_type().is_symlink() {
            return Ok(file_stat(&own, false));
        }
        let stat = match self.dir.metadata(os_path(path)) {
            Ok(target) => file_stat(&target, true),
            Err(_) => FileStat { kind: FileKind::BrokenLink, ..file_stat(&own, true) },
        };
        // As text, wherever it points: that is for the person to see, and is never followed out.
        let target = self.dir.read_link_contents(os_path(path)).ok();
        Ok(FileStat { link_target: target.map(|target| target.to_string_lossy().into_owned()), ..stat })
    }

    /// A page of a folder. Only its own entries are looked at and kept in memory, however many the folder has.
    pub(crate) fn read_folder(&self, path: &RelPath, page: &Page) -> Result<FolderListing, WorkspaceError> {
        let limit = if page.limit == 0 { MAX_PAGE_ENTRIES } else { page.limit.min(MAX_PAGE_ENTRIES) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let folder = self.open_folder(os_path(path)).map_err(at(path))?;
        let mut first = BinaryHeap::with_capacity(1024.min(limit) + 1);
        let mut more = false;
        for entry in folder.entries().map_err(at(path))? {
            let Ok(name) = entry.map_err(at(path))?.file_name().into_string() else { continue };
            if is_temporary(&name) || page.after.as_ref().is_some_and(|after| name <= *after) {
                continue;
            }
            if first.len() < limit {
                first.push(name);
            } else {
                more = true;
                if let Some(mut last) = first.peek_mut()
                    && name < *last
                {
                    *last = name;
                }
            }
        }
        let mut entries = Vec::with_capacity(first.len());
        for name in first.into_sorted_vec() {
            match folder.symlink_metadata(&name) {
                Ok(own) => entries.push(self.folder_entry(path, name, &own)),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(at(path)(error)),
            }
        }
        Ok(FolderListing { entries, more })
    }

    fn folder_entry(&self, folder: &RelPath, name: String, own: &Metadata) -> FolderEntry {
        let is_link = own.file_type().is_symlink();
        // Resolved from the root, not from the folder: a link to `../x` stays inside.
        let target = is_link.then(|| self.dir.metadata(os_path(folder).join(&name)).ok());
        let (kind, facts) = match &target {
            None => (file_kind(own), own),
            Some(Some(target)) => (file_kind(target), target),
            Some(None) => (FileKind::BrokenLink, own),
        };
        FolderEntry { kind, is_link, size: facts.len(), modified: millis(facts.modified().ok()), name }
    }

    /// Opens a regular file. A pipe without a writer does not hold it up, and is refused like all that is not a file.
    pub(crate) fn open_file(&self, path: &RelPath) -> Result<(FileStat, std::fs::File), WorkspaceError> {
        let file = self.dir.open_with(os_path(path), OpenOptions::new().read(true).nonblock(true)).map_err(at(path))?;
        let facts = file.metadata().map_err(at(path))?;
        match file_kind(&facts) {
            FileKind::File => {}
            FileKind::Folder => return Err(WorkspaceError::IsAFolder(path.clone())),
            FileKind::Other | FileKind::BrokenLink => return Err(WorkspaceError::NotAFile(path.clone())),
        }
        let is_link = self.dir.symlink_metadata(os_path(path)).is_ok_and(|own| own.file_type().is_symlink());
        Ok((file_stat(&facts, is_link), file.into_std()))
    }

    pub(crate) fn read(
        &self,
        path: &RelPath,
        offset: u64,
        length: Option<u64>,
        limit: u64,
    ) -> Result<ReadResult, WorkspaceError> {
        let (stat, mut file) = self.open_file(path)?;
        let wanted = stat.size.saturating_sub(offset).min(length.unwrap_or(u64::MAX));
        if wanted > limit {
            return Err(WorkspaceError::TooLarge { path: path.clone(), limit });
        }
        let mut content = Vec::with_capacity(usize::try_from(wanted.min(READ_RESERVE_BYTES)).unwrap_or_default());
        file.seek(SeekFrom::Start(offset)).map_err(at(path))?;
        (&mut file).take(wanted).read_to_end(&mut content).map_err(at(path))?;
        let after = cap_std::fs::File::from_std(file).metadata().map_err(at(path))?;
        let whole = etag(&after) == stat.etag;
        Ok(ReadResult { stat, content, whole })
    }

    /// Opens a folder, through links that stay inside.
    pub(super) fn open_folder(&self, path: &Path) -> std::io::Result<Dir> {
        self.dir.open_dir(if path.as_os_str().is_empty() { Path::new(".") } else { path })
    }

    /// The folder that `path` is in, and its name there; the name itself may be a link. The root has none.
    pub(super) fn entry(&self, path: &RelPath) -> Result<(Dir, OsString), WorkspaceError> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Err(WorkspaceError::IsTheRoot) };
        Ok((self.open_folder(os_path(&parent)).map_err(at(&parent))?, name.into()))
    }

    /// Where a write to `path` would go: links are followed as long as they stay inside.
    pub(super) fn locate(&self, path: &RelPath) -> Result<Spot, WorkspaceError> {
        let mut place = PathBuf::from(path.as_str());
        let above = path.parent().unwrap_or_default();
        for _ in 0..MAX_LINKS {
            let Some(name) = place.file_name().map(ToOwned::to_owned) else {
                return Err(WorkspaceError::IsAFolder(path.clone()));
            };
            let folder = place.parent().map(Path::to_owned).unwrap_or_default();
            let parent = self.open_folder(&folder).map_err(at(&above))?;
            let facts = match parent.symlink_metadata(&name) {
                Ok(facts) => facts,
                Err(error) if is_missing(&error) => return Ok(Spot { parent, name, facts: None }),
                Err(error) => return Err(at(path)(error)),
            };
            if !facts.file_type().is_symlink() {
                return Ok(Spot { parent, name, facts: Some(facts) });
            }
            let target = parent.read_link_contents(&name).map_err(at(path))?;
            if target.is_absolute() {
                return Err(WorkspaceError::Outside(path.clone()));
            }
            place = folder.join(target);
        }
        Err(WorkspaceError::TooManyLinks(path.clone()))
    }
}

/// Kind of what the facts are of; links count as broken here.
pub(super) fn file_kind(facts: &Metadata) -> FileKind {
    let kind = facts.file_type();
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Folder
    } else if kind.is_symlink() {
        FileKind::BrokenLink
    } else {
        FileKind::Other
    }
}

pub(super) fn file_stat(facts: &Metadata, is_link: bool) -> FileStat {
    let modified = millis(facts.modified().ok());
    FileStat {
        kind: file_kind(facts),
        is_link,
        size: facts.len(),
        modified,
        created: facts.created().ok().map_or(modified, |time| millis(Some(time))),
        etag: etag(facts),
        writable: is_writable(facts),
        permissions: facts.mode() & 0o777,
        link_target: None,
    }
}

/// Strong entity tag: both times in nanoseconds, the size, and the inode, which is another one after each of our writes.
pub(super) fn etag(facts: &Metadata) -> String {
    let (modified, changed) = ((facts.mtime(), facts.mtime_nsec()), (facts.ctime(), facts.ctime_nsec()));
    written_etag(modified, changed, facts.len(), facts.ino())
}

/// As [`etag`], of what the system itself tells of an open file.
pub(crate) fn etag_of(facts: &rustix::fs::Stat) -> String {
    // How the system counts these differs between its platforms.
    let number = |number: i128| i64::try_from(number).unwrap_or_default();
    let modified = (number(facts.st_mtime.into()), number(facts.st_mtime_nsec.into()));
    let changed = (number(facts.st_ctime.into()), number(facts.st_ctime_nsec.into()));
    written_etag(modified, changed, u64::try_from(facts.st_size).unwrap_or_default(), facts.st_ino)
}

fn written_etag(modified: (i64, i64), changed: (i64, i64), bytes: u64, inode: u64) -> String {
    let nanos = |(seconds, nanos): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    format!("{:x}-{:x}-{bytes:x}-{inode:x}", nanos(modified), nanos(changed))
}

pub(super) fn is_writable(facts: &Metadata) -> bool {
    facts.mode() & OWNER_MAY_WRITE != 0
}

fn millis(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
