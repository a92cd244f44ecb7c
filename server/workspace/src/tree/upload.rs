//! Files that arrive in parts: what came stays, whatever ends the connection or the server, and the sender goes on after it.
//!
//! Each part is on the disk before its record says so; a part that was cut off counts as far as it came. Nothing is seen in the
//! workspace before the file is whole.

use super::beside::{Beside, age, beside_error, ids, put_record, record, remove_record, touched};
use super::confined::Confined;
use super::write::PendingWrite;
use super::{at, is_missing};
use crate::error::WorkspaceError;
use crate::usage::Writing;
use cap_std::fs::{File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use coditect_protocol::files::{FileStat, Upload, WriteMode};
use coditect_protocol::{RelPath, UploadId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Most files that are uploaded to one workspace at once.
const MAX_UPLOADS: usize = 200;
/// Most files that one person uploads to one workspace at once.
const MAX_UPLOADS_PER_PERSON: usize = 50;
/// An upload of which nothing came for so long is given up; one that is done is forgotten.
const MAX_AGE: Duration = Duration::from_secs(3 * 24 * 3600);
/// Files that an upload has: what came, and its record.
const UPLOAD_ENTRIES: u64 = 2;
/// Mode of a new file, before the process's mask. The folder that it waits in is closed to everybody else.
const NEW_MODE: u32 = 0o666;

#[derive(Serialize, Deserialize)]
struct Record {
    path: RelPath,
    size: u64,
    by: UserId,
    received: u64,
    /// Facts of the file, once it is in place: for who asks again because the answer was lost.
    #[serde(default)]
    done: Option<FileStat>,
    /// What tells the content from any other, noted before it is put in place: where the server dies in between, that is how it is
    /// found there.
    #[serde(default)]
    finishing: Option<Marks>,
}

/// Inode, size and time of the last change of content. A rename changes none of them; who writes another file in the same place gets
/// another time at the least, should it even get the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Marks {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Marks {
    fn of(facts: &Metadata) -> Self {
        Self { inode: facts.ino(), size: facts.len(), changed: (facts.mtime(), facts.mtime_nsec()) }
    }
}

impl Record {
    fn view(&self, id: Uuid) -> Upload {
        Upload { id: UploadId(id), path: self.path.clone(), size: self.size, received: self.received }
    }
}

/// Who writes to which upload. The last one that comes goes on: one before it hangs on a connection that is gone.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<HashMap<Uuid, Arc<Turn>>>);

#[derive(Debug, Default)]
struct Turn {
    lock: Arc<tokio::sync::Mutex<()>>,
    give_up: Mutex<CancellationToken>,
}

impl Uploads {
    /// Takes over an upload from whoever has it. The token says when it is taken over by the next.
    pub(super) async fn take_over(&self, id: UploadId) -> (OwnedMutexGuard<()>, CancellationToken) {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Whom nobody but this table knows has come to its end.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1 || Arc::strong_count(&turn.lock) > 1);
            Arc::clone(turns.entry(id.0).or_default())
        };
        let token = CancellationToken::new();
        let before = {
            let mut give_up = turn.give_up.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *give_up, token.clone())
        };
        before.cancel();
        (Arc::clone(&turn.lock).lock_owned().await, token)
    }
}

#[cfg(test)]
impl Uploads {
    /// Nobody writes to it.
    pub(super) fn is_idle(&self, id: UploadId) -> bool {
        let turns = self.0.lock().unwrap();
        turns.get(&id.0).is_none_or(|turn| turn.lock.try_lock().is_ok())
    }
}

/// Begins an upload, if the file may be put there and there is room.
pub(super) fn begin(
    confined: &Confined,
    beside: &Beside,
    by: UserId,
    path: &RelPath,
    size: u64,
) -> Result<Upload, WorkspaceError> {
    sweep(beside)?;
    let (mut under_way, mut own) = (0, 0);
    for id in ids(&beside.uploads).map_err(beside_error)? {
        if beside.uploads.symlink_metadata(id.to_string()).is_ok() {
            under_way += 1;
            own += usize::from(record_of(beside, id)?.is_some_and(|record| record.by == by));
        }
    }
    for (count, limit) in [(own, MAX_UPLOADS_PER_PERSON), (under_way, MAX_UPLOADS)] {
        if count >= limit {
            return Err(WorkspaceError::TooManyUploads { limit });
        }
    }
    if path.is_root() {
        return Err(WorkspaceError::IsAFolder(path.clone()));
    }
    // Told now and not when everything has arrived. The room is asked for again as it is used.
    let mut room = confined.writing();
    room.add_entries(UPLOAD_ENTRIES)?;
    room.grow(size)?;
    let id = Uuid::now_v7();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(NEW_MODE);
    beside.uploads.open_with(id.to_string(), &options).map_err(beside_error)?;
    let record = Record { path: path.clone(), size, by, received: 0, done: None, finishing: None };
    put_record(&beside.uploads, id, &record).map_err(beside_error)?;
    room.finish(0, 0);
    Ok(record.view(id))
}

/// How far it is.
pub(super) fn status(beside: &Beside, by: UserId, id: UploadId) -> Result<Upload, WorkspaceError> {
    Ok(find(beside, by, id)?.view(id.0))
}

fn find(beside: &Beside, by: UserId, id: UploadId) -> Result<Record, WorkspaceError> {
    record_of(beside, id.0)?.filter(|record| record.by == by).ok_or(WorkspaceError::UploadNotFound)
}

fn record_of(beside: &Beside, id: Uuid) -> Result<Option<Record>, WorkspaceError> {
    record(&beside.uploads, id).map_err(beside_error)
}

/// A part that is being taken in.
pub(crate) struct Part {
    id: Uuid,
    record: Record,
    file: File,
    room: Writing,
}

impl Part {
    /// Goes on at `offset`, which must be where the last part ended. What came after that and was never told of is cut off.
    pub(super) fn begin(
        confined: &Confined,
        beside: &Beside,
        by: UserId,
        id: UploadId,
        offset: u64,
    ) -> Result<Self, WorkspaceError> {
        let record = find(beside, by, id)?;
        if offset != record.received || record.done.is_some() {
            return Err(WorkspaceError::UploadOffset { received: record.received });
        }
        let mut options = OpenOptions::new();
        let mut file = beside.uploads.open_with(id.0.to_string(), options.write(true)).map_err(beside_error)?;
        file.set_len(offset).and_then(|()| file.seek(SeekFrom::Start(offset))).map_err(beside_error)?;
        Ok(Self { id: id.0, record, file, room: confined.writing() })
    }

    /// Path of the file that it is of.
    pub(super) fn path(&self) -> &RelPath {
        &self.record.path
    }

    /// Adds content.
    pub(super) fn append(&mut self, confined: &Confined, content: &[u8]) -> Result<(), WorkspaceError> {
        let bytes = content.len() as u64;
        let received = self.record.received.saturating_add(bytes);
        let size = self.record.size;
        if received > size {
            return Err(WorkspaceError::UploadSize { received, size });
        }
        self.room.grow(bytes)?;
        self.file.write_all(content).map_err(at(&self.record.path))?;
        self.record.received = received;
        // It is on the disk now and counted like everything there.
        std::mem::replace(&mut self.room, confined.writing()).finish(0, bytes);
        Ok(())
    }

    /// Makes what came durable, then notes it.
    pub(super) fn end(self, beside: &Beside) -> Result<Upload, WorkspaceError> {
        self.file.sync_data().map_err(beside_error)?;
        put_record(&beside.uploads, self.id, &self.record).map_err(beside_error)?;
        Ok(self.record.view(self.id))
    }
}

/// Puts the whole file in place, if `mode` allows; else it stays, and this may be asked again with another one.
pub(super) fn finish(
    confined: &Confined,
    beside: &Beside,
    by: UserId,
    id: UploadId,
    mode: &WriteMode,
) -> Result<FileStat, WorkspaceError> {
    let mut record = find(beside, by, id)?;
    if let Some(done) = record.done {
        return Ok(done);
    }
    if record.received != record.size {
        return Err(WorkspaceError::UploadSize { received: record.received, size: record.size });
    }
    if let Some(above) = record.path.parent().filter(|above| !above.is_root()) {
        super::change::make_folder(confined, &above)?;
    }
    let stat = match beside.uploads.symlink_metadata(id.0.to_string()) {
        Err(error) if is_missing(&error) && record.finishing.is_some() => put_before(confined, &record)?,
        facts => {
            record.finishing = Some(Marks::of(&facts.map_err(beside_error)?));
            put_record(&beside.uploads, id.0, &record).map_err(beside_error)?;
            PendingWrite::arrived(confined, &record.path, &beside.uploads, id.0.to_string().into())?.commit(mode)?
        }
    };
    beside.meter.note_change();
    record.done = Some(stat.clone());
    put_record(&beside.uploads, id.0, &record).map_err(beside_error)?;
    // Where the same content was there already, it stayed here.
    remove_content(beside, id.0)?;
    Ok(stat)
}

/// The file that was put in place when the server died before it could say so; unless somebody has replaced it since.
fn put_before(confined: &Confined, record: &Record) -> Result<FileStat, WorkspaceError> {
    let (stat, file) = confined.open_file(&record.path)?;
    let found = Metadata::from_file(&file).map_err(at(&record.path))?;
    if Some(Marks::of(&found)) == record.finishing {
        Ok(stat)
    } else {
        Err(WorkspaceError::Changed(record.path.clone()))
    }
}

/// Gives an upload up. One that is gone already is as good.
pub(super) fn cancel(beside: &Beside, by: UserId, id: UploadId) -> Result<(), WorkspaceError> {
    match find(beside, by, id) {
        Err(WorkspaceError::UploadNotFound) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => remove(beside, id.0),
    }
}

/// Removes what nobody goes on with.
pub(super) fn sweep(beside: &Beside) -> Result<(), WorkspaceError> {
    let old = |id: &Uuid| touched(&beside.uploads, *id).unwrap_or_else(|| age(*id)) > MAX_AGE;
    ids(&beside.uploads).map_err(beside_error)?.into_iter().filter(old).try_for_each(|id| remove(beside, id))
}

/// Gives up all uploads of somebody who may not write here any more.
pub(super) fn forget(beside: &Beside, by: UserId) -> Result<(), WorkspaceError> {
    for id in ids(&beside.uploads).map_err(beside_error)? {
        if record_of(beside, id)?.is_some_and(|record| record.by == by) {
            remove(beside, id)?;
        }
    }
    Ok(())
}

fn remove(beside: &Beside, id: Uuid) -> Result<(), WorkspaceError> {
    remove_record(&beside.uploads, id).map_err(beside_error)?;
    remove_content(beside, id)?;
    beside.meter.note_change();
    Ok(())
}

fn remove_content(beside: &Beside, id: Uuid) -> Result<(), WorkspaceError> {
    match beside.uploads.remove_file(id.to_string()) {
        Err(error) if !is_missing(&error) => Err(beside_error(error)),
        _ => Ok(()),
    }
}
