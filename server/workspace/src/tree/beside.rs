//! What a workspace has beside its files, where no program that runs in it can reach: its trash, and the uploads that are under way.

use crate::error::WorkspaceError;
use crate::usage::Meter;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::RenameFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

use super::trash::Unweighed;
use super::upload::Uploads;
use super::write::{rename_with, sync_folder};

/// Folder of what was deleted and can be had back.
pub(crate) const TRASH: &str = "trash";
/// Folder of what arrives in parts.
pub(crate) const UPLOADS: &str = "uploads";
/// End of the name of a record: `<id>.json` says what `<id>` is.
const RECORD: &str = ".json";
/// End of the name of a record that is being written.
const NEW_RECORD: &str = ".new";
/// Largest record, in bytes: a path of the most characters, each of them escaped, and the rest.
const MAX_RECORD_BYTES: u64 = 64 * 1024;
/// Mode of the folders and records.
const PRIVATE_FOLDER_MODE: u32 = 0o700;
const PRIVATE_MODE: u32 = 0o600;

/// See the module.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(super) trash: Dir,
    pub(super) uploads: Dir,
    pub(super) under_way: Uploads,
    pub(super) unweighed: Unweighed,
    pub(super) meter: Arc<Meter>,
}

impl Beside {
    /// Opens the folders in that of the workspace, and makes those that are missing.
    pub(crate) fn open(workspace: &Path, meter: Arc<Meter>) -> Result<Self> {
        let workspace = Dir::open_ambient_dir(workspace, ambient_authority())?;
        let open = |name: &str| {
            let mut builder = DirBuilder::new();
            builder.mode(PRIVATE_FOLDER_MODE);
            match workspace.create_dir_with(name, &builder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
                _ => workspace.open_dir(name),
            }
        };
        Ok(Self {
            trash: open(TRASH)?,
            uploads: open(UPLOADS)?,
            under_way: Uploads::default(),
            unweighed: Unweighed::default(),
            meter,
        })
    }
}

/// Writes the record of `id`, whole or not at all, before whoever calls goes on.
pub(super) fn put_record(folder: &Dir, id: Uuid, record: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(record)?;
    let (name, new) = (format!("{id}{RECORD}"), format!("{id}{NEW_RECORD}"));
    let mut options = OpenOptions::new();
    let mut file = folder.open_with(&new, options.write(true).create(true).truncate(true).mode(PRIVATE_MODE))?;
    file.write_all(&text)?;
    file.sync_all()?;
    rename_with(folder, OsStr::new(&new), folder, OsStr::new(&name), RenameFlags::empty())?;
    sync_folder(folder)
}

/// The record of `id`, where there is one.
pub(super) fn record<T: DeserializeOwned>(folder: &Dir, id: Uuid) -> Result<Option<T>> {
    let file = match folder.open(format!("{id}{RECORD}")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MAX_RECORD_BYTES).read_to_end(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Removes the record of `id`, and one that was being written when the server died. One that is gone already is as good.
pub(super) fn remove_record(folder: &Dir, id: Uuid) -> Result<()> {
    for end in [NEW_RECORD, RECORD] {
        match folder.remove_file(format!("{id}{end}")) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// When the record of `id` was written last, as far as that is known.
pub(super) fn touched(folder: &Dir, id: Uuid) -> Option<Duration> {
    let written = folder.symlink_metadata(format!("{id}{RECORD}")).ok()?.modified().ok()?;
    Some(written.into_std().elapsed().unwrap_or_default())
}

/// The ids that a folder has anything of, each once, the oldest first.
pub(super) fn ids(folder: &Dir) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for entry in folder.entries()? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let id = name.split_once('.').map_or(&*name, |(id, _)| id);
        ids.extend(id.parse::<Uuid>());
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// How long ago an id was made.
pub(super) fn age(id: Uuid) -> Duration {
    let made = id.get_timestamp().map_or(Duration::ZERO, |time| {
        let (seconds, nanos) = time.to_unix();
        Duration::new(seconds, nanos)
    });
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(made)
}

/// An error of the folders beside a workspace, which no path of the workspace names.
pub(super) fn beside_error(error: Error) -> WorkspaceError {
    WorkspaceError::from_io(&coditect_protocol::RelPath::root(), error)
}
