//! Whose sandbox it is, and which two directories belong to the person.

use std::path::PathBuf;

use coditect_protocol::id::{UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// One sandbox: all programs of a person in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxId {
    /// Whose.
    pub person: UserId,
    /// Where.
    pub workspace: WorkspaceId,
}

impl std::fmt::Display for SandboxId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.person, self.workspace)
    }
}

/// What a sandbox sees of the server's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Whose sandbox.
    pub id: SandboxId,
    /// Directory with the workspace's files.
    pub files: PathBuf,
    /// Name of the workspace's folder below `/workspace`.
    pub folder: String,
    /// Directory that is the person's home.
    pub home: PathBuf,
    /// Whether the workspace's files can only be read.
    pub read_only: bool,
    /// Most bytes of the workspace and the home together; `None`: as many as the disk has.
    pub quota_bytes: Option<u64>,
}

impl Place {
    /// Refuses what no honest caller sends, before any of it reaches a command line.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        if matches!(self.folder.as_str(), "" | "." | "..") || self.folder.contains(['/', '\0']) {
            return Err(SandboxError::Invalid("the workspace's folder is not a plain name".to_owned()));
        }
        Ok(())
    }
}

/// Where a person's programs see the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The workspace's folder.
    pub workspace_folder: String,
    /// The person's home.
    pub home_folder: String,
}
