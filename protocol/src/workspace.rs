//! Bodies of `/api/v5/workspaces`.

use serde::{Deserialize, Serialize};

use crate::id::{UserId, WorkspaceId};

/// Longest name of a workspace, in characters.
pub const MAX_WORKSPACE_NAME_CHARS: usize = 100;

/// Folder under which a page and a sandbox see the workspace's own folder: `/workspace/<folder>`.
pub const WORKSPACE_MOUNT: &str = "/workspace";
/// Folder under which a page and a sandbox see the person's home, where settings and shell files live.
pub const HOME_MOUNT: &str = "/home/coditect";

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Workspace {
    /// Identifier.
    pub id: WorkspaceId,
    /// Name that the person gave.
    pub name: String,
    /// Name of its folder below [`WORKSPACE_MOUNT`], made from the first name and kept on rename.
    pub folder: String,
    /// Where its first files came from.
    pub source: WorkspaceSource,
    /// Whether it can be opened.
    pub state: WorkspaceState,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970; set when it is opened.
    pub opened_at: u64,
    /// What the person who asks may do in it.
    pub role: WorkspaceRole,
    /// The name of who owns it, that others see.
    pub owner: String,
    /// How many others may use it.
    pub members: u32,
}

/// What somebody may do in a workspace; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceRole {
    /// Look at everything, and run terminals that can change nothing of it.
    Read,
    /// Change files, commit.
    Write,
    /// Rename it, and say who its members are.
    Admin,
    /// Delete it.
    Owner,
}

/// Somebody who may use a workspace. Body of `/workspaces/{id}/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkspaceMember {
    /// Who.
    pub user: UserId,
    /// The name that others see.
    pub name: String,
    /// What they may do.
    pub role: WorkspaceRole,
    /// Milliseconds since 1970.
    pub since: u64,
}

/// Body of `POST /workspaces/{id}/members`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddMember {
    /// The name or address that they log in with.
    pub login: String,
    /// `read`, `write` or `admin`.
    pub role: WorkspaceRole,
}

/// Body of `PATCH /workspaces/{id}/members/{user}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeMember {
    /// `read`, `write` or `admin`.
    pub role: WorkspaceRole,
}

/// Where a workspace's first files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum WorkspaceSource {
    /// Nothing yet.
    Empty,
    /// A clone of a git repository: an `https://` or `ssh` URL, or a path below a folder that the operator opened for it.
    Git {
        /// URL or path.
        url: String,
    },
    /// An uploaded `.zip`, `.tar` or `.tar.gz`, sent to `POST /workspaces/upload?name=…`.
    Archive {
        /// Name of the uploaded file.
        file_name: String,
    },
}

/// Whether a workspace can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WorkspaceState {
    /// Being filled.
    Creating {
        /// What happens now, for a person (`Receiving objects`).
        step: String,
        /// Percent done of the step, where it is known.
        percent: Option<u8>,
    },
    /// Open to work in.
    Ready,
    /// Filling it failed. It can be deleted.
    Failed {
        /// Stable code.
        code: String,
        /// One sentence.
        message: String,
    },
}

/// Body of `POST /workspaces`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    /// Name; may be left out for a git source, then the repository's name is taken.
    #[serde(default)]
    pub name: Option<String>,
    /// Where the files come from.
    pub source: WorkspaceSource,
}

/// Body of `PATCH /workspaces/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenameWorkspace {
    /// New name.
    pub name: String,
}
