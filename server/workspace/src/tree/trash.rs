//! The trash of a workspace: what is deleted is moved there as it is, with a record of where it was.
//!
//! The record is on the disk before the thing moves, so that whatever ends the server in between leaves it either where it was or in
//! the trash with its record. A record without its thing says nothing and is cleared away.

use super::Opened;
use super::beside::{Beside, age, beside_error, ids, put_record, record, remove_record};
use super::confined::{Confined, file_kind};
use super::remove::{Locked, remove_entry};
use super::write::{commit_lock, rename_with, sync_folder};
use super::{at, is_missing, os_path};
use crate::error::WorkspaceError;
use crate::usage::{BLOCK_BYTES, size_of};
use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use coditect_protocol::files::{FileKind, FileStat, TrashEntry};
use coditect_protocol::{RelPath, TrashId};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Most entries that are listed, the newest ones; the others can be emptied away and get old.
const MAX_LISTED: usize = 5_000;
/// End of the name of what is being removed for good.
const GONE: &str = ".gone";
/// A record of something that did not arrive by then was left by a server that died.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);
/// Most folders that wait until their size is known; that of further ones is never told.
const MAX_UNWEIGHED: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Record {
    path: RelPath,
    kind: FileKind,
    /// 0 for a folder until it was weighed.
    size: u64,
    deleted_at: u64,
    deleted_by: String,
}

/// Folders in the trash whose size is not known yet: finding it out may take long, and nobody who deletes something waits for it.
#[derive(Debug, Default)]
pub(crate) struct Unweighed {
    waiting: Mutex<Waiting>,
    /// Held while a record is written anew, or removed.
    records: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    ids: VecDeque<Uuid>,
    is_under_way: bool,
}

impl Unweighed {
    fn add(&self, id: Uuid) {
        let mut waiting = self.waiting();
        if waiting.ids.len() < MAX_UNWEIGHED {
            waiting.ids.push_back(id);
        }
    }

    /// Whether somebody has to begin with them.
    pub(super) fn begin(&self) -> bool {
        let mut waiting = self.waiting();
        !waiting.ids.is_empty() && !std::mem::replace(&mut waiting.is_under_way, true)
    }

    /// The next one, for who has begun.
    pub(super) fn next(&self) -> Option<Uuid> {
        let mut waiting = self.waiting();
        let next = waiting.ids.pop_front();
        waiting.is_under_way = next.is_some();
        next
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, ()> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the size of something that went to the trash.
pub(super) fn weigh(beside: &Beside, id: Uuid) -> Result<(), WorkspaceError> {
    let size = size_of(&beside.trash, &item(id)).map_err(beside_error)?;
    let _records = beside.unweighed.records();
    // It may have been restored or removed meanwhile.
    if beside.trash.symlink_metadata(item(id)).is_err() {
        return Ok(());
    }
    match record::<Record>(&beside.trash, id).map_err(beside_error)? {
        Some(known) => put_record(&beside.trash, id, &Record { size, ..known }).map_err(beside_error),
        None => Ok(()),
    }
}

/// Moves something to or from the trash, over nothing. A folder that may not be written to is opened up for the moment of the move,
/// which changes its entry `..`.
fn relocate(from: &Dir, name: &OsStr, to: &Dir, new_name: &OsStr) -> Result<(), Errno> {
    match rename_with(from, name, to, new_name, RenameFlags::NOREPLACE) {
        Err(error @ (Errno::ACCESS | Errno::PERM)) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = rustix::fs::openat(from, name, flags, Mode::empty()).map_err(|_| error)?;
            let _opened = Opened::new(folder.as_fd(), Mode::WUSR).ok_or(error)?;
            rename_with(from, name, to, new_name, RenameFlags::NOREPLACE)
        }
        result => result,
    }
}

/// Moves something to the trash.
pub(super) fn discard(
    beside: &Beside,
    parent: &Dir,
    name: &OsStr,
    path: &RelPath,
    facts: &Metadata,
    by: &str,
) -> Result<(), WorkspaceError> {
    let id = Uuid::now_v7();
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let record = Record {
        path: path.clone(),
        kind: file_kind(facts),
        size: if facts.is_dir() { 0 } else { facts.blocks() * BLOCK_BYTES },
        deleted_at: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        deleted_by: by.to_owned(),
    };
    put_record(&beside.trash, id, &record).map_err(beside_error)?;
    if let Err(error) = relocate(parent, name, &beside.trash, &item(id)) {
        let _ = remove_record(&beside.trash, id);
        return Err(at(path)(error.into()));
    }
    if facts.is_dir() {
        beside.unweighed.add(id);
    }
    sync_folder(&beside.trash).map_err(beside_error)?;
    sync_folder(parent).map_err(at(path))?;
    beside.meter.note_change();
    Ok(())
}

/// What is in it, the newest first.
pub(super) fn list(beside: &Beside) -> Result<Vec<TrashEntry>, WorkspaceError> {
    let mut entries = Vec::new();
    for id in ids(&beside.trash).map_err(beside_error)?.into_iter().rev() {
        if entries.len() == MAX_LISTED {
            break;
        }
        if beside.trash.symlink_metadata(item(id)).is_err() {
            continue;
        }
        match record::<Record>(&beside.trash, id) {
            Ok(Some(Record { path, kind, size, deleted_at, deleted_by })) => {
                entries.push(TrashEntry { id: TrashId(id), path, kind, size, deleted_at, deleted_by });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%id, %error, "a record of the trash cannot be read"),
        }
    }
    Ok(entries)
}

/// Puts something back, with the folders above it; never over something that is there.
pub(super) fn restore(
    confined: &Confined,
    beside: &Beside,
    id: TrashId,
    to: Option<RelPath>,
) -> Result<FileStat, WorkspaceError> {
    let record = record::<Record>(&beside.trash, id.0).map_err(beside_error)?.ok_or(WorkspaceError::TrashNotFound)?;
    let path = to.unwrap_or(record.path);
    if let Some(above) = path.parent().filter(|above| !above.is_root()) {
        confined.dir().create_dir_all(os_path(&above)).map_err(at(&above))?;
    }
    let (parent, name) = confined.entry(&path)?;
    let _lock = commit_lock(&parent, &name).map_err(at(&path))?;
    match relocate(&beside.trash, &item(id.0), &parent, &name) {
        Ok(()) => {}
        // Somebody else was faster; the folder to put it in is open and there.
        Err(Errno::NOENT) => return Err(WorkspaceError::TrashNotFound),
        Err(error) => return Err(at(&path)(error.into())),
    }
    sync_folder(&parent).map_err(at(&path))?;
    drop_record(beside, id.0).map_err(beside_error)?;
    beside.meter.note_change();
    confined.stat(&path)
}

/// Deletes things for good; all where `entries` is empty. Those that are gone already are as good.
pub(super) fn empty(beside: &Beside, entries: &[TrashId], stop: &AtomicBool) -> Result<(), WorkspaceError> {
    let chosen = match entries {
        [] => ids(&beside.trash).map_err(beside_error)?,
        some => some.iter().map(|id| id.0).collect(),
    };
    let removed = chosen.into_iter().try_for_each(|id| remove(beside, id, stop));
    beside.meter.note_change();
    removed.map_err(beside_error)
}

/// Deletes what has been there longer than `most`, and what a server that died left behind.
pub(super) fn sweep(beside: &Beside, most: Option<Duration>, stop: &AtomicBool) -> Result<(), WorkspaceError> {
    for id in ids(&beside.trash).map_err(beside_error)? {
        let is_old = most.is_some_and(|most| age(id) > most);
        let is_leftover = age(id) > LEFTOVER_AGE && beside.trash.symlink_metadata(item(id)).is_err();
        if is_old || is_leftover {
            remove(beside, id, stop).map_err(beside_error)?;
            beside.meter.note_change();
        }
    }
    Ok(())
}

/// Removes for good. It stops being listed at once, whatever comes of the rest; the next sweep then goes on.
fn remove(beside: &Beside, id: Uuid, stop: &AtomicBool) -> std::io::Result<()> {
    let gone = OsString::from(format!("{id}{GONE}"));
    match rename_with(&beside.trash, &item(id), &beside.trash, &gone, RenameFlags::NOREPLACE) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    drop_record(beside, id)?;
    match beside.trash.symlink_metadata(&gone) {
        Ok(facts) => match remove_entry(&beside.trash, &gone, &facts, Locked::Force, stop) {
            // Two that empty it at the same time take from each other what is missing.
            Err(error) if is_missing(&error) => Ok(()),
            result => result,
        },
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the record of what is not in the trash any more.
fn drop_record(beside: &Beside, id: Uuid) -> std::io::Result<()> {
    let _records = beside.unweighed.records();
    remove_record(&beside.trash, id)
}

fn item(id: Uuid) -> OsString {
    id.to_string().into()
}
