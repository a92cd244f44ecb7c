//! Files: what they are, and what happened to them.

use serde::{Deserialize, Serialize};

use crate::id::{TrashId, UploadId, WorkspaceId};
use crate::path::RelPath;

/// Largest file that one call reads into memory or writes, in bytes (default of the setting `files.max_call_bytes`). Larger ones go
/// over `GET`/`PUT …/files/{path}`, which streams.
pub const MAX_CALL_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Which tree a path is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum Root {
    /// A workspace's folder.
    Workspace(WorkspaceId),
    /// The person's home: settings of the IDE, shell files.
    Home,
}

/// A path below a root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The tree.
    pub root: Root,
    /// The path in it.
    pub path: RelPath,
}

/// Kind of a file system entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link that cannot be resolved inside the root, or is broken.
    BrokenLink,
    /// A socket, device or pipe.
    Other,
}

/// Facts of a file system entry. For a symbolic link that stays inside the root, those of what it points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileStat {
    /// Kind of the entry.
    pub kind: FileKind,
    /// Whether the name itself is a symbolic link.
    pub is_link: bool,
    /// Size in bytes.
    pub size: u64,
    /// Last change, milliseconds since 1970.
    pub modified: u64,
    /// Made, milliseconds since 1970 (last change where the file system does not know).
    pub created: u64,
    /// Strong entity tag, without quotes; changes with every change of the content.
    pub etag: String,
    /// Whether it may be written: by its own permissions, and by what the person may do in the workspace.
    pub writable: bool,
    /// Permissions, as `chmod` has them: the lowest nine bits.
    pub permissions: u32,
    /// Where a symbolic link points, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_target: Option<String>,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderEntry {
    /// Name within the folder.
    pub name: String,
    /// Kind of what it is, links resolved.
    pub kind: FileKind,
    /// Whether the name itself is a symbolic link.
    pub is_link: bool,
    /// Size in bytes.
    pub size: u64,
    /// Last change, milliseconds since 1970.
    pub modified: u64,
}

/// A folder's entries, or a page of them, sorted by the bytes of their names. Body of `GET …/files/{folder}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderListing {
    /// The entries.
    pub entries: Vec<FolderEntry>,
    /// There are more: ask again for those after the last one.
    #[serde(default)]
    pub more: bool,
}

/// Which entries of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Only those after this name; from the first where absent.
    pub after: Option<String>,
    /// Most entries; [`MAX_PAGE_ENTRIES`] where 0 or more than that.
    pub limit: u32,
}

/// Most entries of one page of a folder.
pub const MAX_PAGE_ENTRIES: u32 = 10_000;

/// Something that was deleted and can be had back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrashEntry {
    /// Names it in the trash.
    pub id: TrashId,
    /// Where it was.
    pub path: RelPath,
    /// What it is.
    pub kind: FileKind,
    /// Size in bytes, with everything below it; 0 for a folder as long as that is not known.
    pub size: u64,
    /// Milliseconds since 1970.
    pub deleted_at: u64,
    /// Who deleted it, by the name that others see.
    pub deleted_by: String,
}

/// Body of `POST …/uploads`: a file that is to arrive in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginUpload {
    /// Where it goes, below the workspace's root.
    pub path: RelPath,
    /// Its whole size in bytes.
    pub size: u64,
}

/// A file that arrives in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// Names it.
    pub id: UploadId,
    /// Where it goes.
    pub path: RelPath,
    /// Its whole size in bytes.
    pub size: u64,
    /// Bytes that are here and stay, whatever happens; go on after them.
    pub received: u64,
}

/// What a workspace takes on the disk, everything in it counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Bytes on the disk, the trash included.
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
    /// Bytes of it in the trash.
    pub trash_bytes: u64,
    /// Most bytes; none where absent.
    pub quota_bytes: Option<u64>,
}

/// What a write may do to what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", content = "etag", rename_all = "snake_case")]
pub enum WriteMode {
    /// The file must not be there.
    CreateNew,
    /// The file must be there in just this version.
    Replace(String),
    /// Whatever is there, and create it if nothing is.
    Overwrite,
}

/// One change, as the watcher saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct FileChange {
    /// What happened.
    pub kind: ChangeKind,
    /// Where.
    pub path: RelPath,
    /// What it was called before, where it was moved within the tree. The old path is told as deleted too, before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RelPath>,
}

/// How well a tree is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// Every change is told as it happens.
    #[default]
    Live,
    /// The system gives no more watches: some folders are looked at from time to time instead.
    Polling,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It appeared.
    Added,
    /// Its content or attributes changed.
    Updated,
    /// It is gone.
    Deleted,
}
