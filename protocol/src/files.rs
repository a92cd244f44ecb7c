//! Files: what they are, and what happened to them.

use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;
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
    /// Whether the owner may write it.
    pub writable: bool,
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

/// A folder's entries, sorted by name. Body of `GET …/files/{folder}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderListing {
    /// The entries.
    pub entries: Vec<FolderEntry>,
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
