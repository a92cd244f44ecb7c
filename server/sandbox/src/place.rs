//! Whose sandbox it is, and which two directories belong to the person.

use std::path::PathBuf;

use coditect_protocol::id::{UserId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::net::{NetworkMode, NetworkPolicy};
use crate::{SandboxError, SandboxSettings};

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
    /// What is special about a sandbox for one program alone.
    pub single_use: Option<SingleUse>,
}

/// A sandbox for one program, with which it ends. The server's own API cannot be reached from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleUse {
    /// Real paths of directories and files that it sees read-only at their own place, beside what all see.
    pub shown: Vec<PathBuf>,
    /// What it may reach, whatever the settings say of others.
    pub network: NetworkPolicy,
}

impl Place {
    /// Whether programs of both may do the same. How large its files may become is a setting, and no right.
    pub(crate) fn has_same_rights(&self, other: &Self) -> bool {
        let Self { id, files, folder, home, read_only, quota_bytes: _, single_use } = self;
        (id, files, folder, home, read_only, single_use)
            == (&other.id, &other.files, &other.folder, &other.home, &other.read_only, &other.single_use)
    }

    /// What its programs may reach.
    pub(crate) fn network<'a>(&'a self, settings: &'a SandboxSettings) -> &'a NetworkPolicy {
        self.single_use.as_ref().map_or(&settings.network, |single| &single.network)
    }

    /// Whether its program has no use for a sandbox without a network.
    pub(crate) fn needs_network(&self) -> bool {
        self.single_use.as_ref().is_some_and(|single| single.network.mode != NetworkMode::None)
    }

    /// What it sees beside what all see.
    pub(crate) fn shown(&self) -> &[PathBuf] {
        self.single_use.as_ref().map_or(&[], |single| &single.shown)
    }

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
