//! Branches, tags, remotes, stashes.

use serde::{Deserialize, Serialize};

use crate::path::RelPath;

/// Branches and tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitRefs {
    /// Own branches, the one changed last first.
    pub branches: Vec<GitBranch>,
    /// Branches of remotes as last fetched, the one changed last first.
    pub remote_branches: Vec<GitBranch>,
    /// Tags, the newest first.
    pub tags: Vec<GitTag>,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitBranch {
    /// Name; of a remote's branch with the remote's name before it.
    pub name: String,
    /// Its last commit.
    pub commit: String,
    /// First line of that commit's message.
    pub summary: String,
    /// When that was recorded, in milliseconds since 1970.
    pub committed_at: u64,
    /// The branch that it follows.
    pub upstream: Option<String>,
    /// `HEAD` is on it.
    pub current: bool,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitTag {
    /// Name.
    pub name: String,
    /// What it marks.
    pub commit: String,
}

/// Another place of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitRemote {
    /// Name.
    pub name: String,
    /// Where to fetch from, without a password.
    pub fetch_url: String,
    /// Where to push to, without a password.
    pub push_url: String,
}

/// Changes that were put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitStash {
    /// Which, from the newest at 0.
    pub index: u32,
    /// What for.
    pub message: String,
    /// Branch that it was made on, where there was one.
    pub branch: Option<String>,
    /// When, in milliseconds since 1970.
    pub created_at: u64,
}

/// How bringing changes together ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Integration {
    /// There was nothing to do.
    UpToDate,
    /// It is done.
    Complete,
    /// These have to be solved first.
    Conflicts {
        /// Below the repository.
        paths: Vec<RelPath>,
    },
}
