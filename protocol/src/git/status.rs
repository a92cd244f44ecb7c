//! What changed in a work tree.

use serde::{Deserialize, Serialize};

use crate::path::RelPath;

/// State of a work tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitStatus {
    /// Where the next commit goes.
    pub head: GitHead,
    /// What was begun and stopped, at a conflict mostly.
    pub operation: Option<GitOperation>,
    /// What the other side of its conflicts is called: the branch that is merged or rebased, or the first digits of a commit.
    #[serde(default)]
    pub incoming: Option<String>,
    /// Changed, untracked and conflicting paths, by path.
    pub entries: Vec<GitEntry>,
    /// There are more than [`MAX_STATUS_ENTRIES`](super::MAX_STATUS_ENTRIES).
    pub more: bool,
    /// How many changes were put aside.
    pub stashes: u32,
}

/// Where the next commit goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitHead {
    /// The branch; absent where `HEAD` is on none.
    pub branch: Option<String>,
    /// The commit it is on; absent before the first.
    pub commit: Option<String>,
    /// The branch that it follows, as `remote/branch`.
    pub upstream: Option<String>,
    /// Own commits that the upstream lacks.
    pub ahead: u32,
    /// Commits of the upstream that are lacking here.
    pub behind: u32,
}

/// What was begun and is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GitOperation {
    /// A merge.
    Merge {
        /// The message that git prepared.
        message: String,
    },
    /// A rebase.
    Rebase {
        /// Commits done.
        done: u32,
        /// Commits in all.
        total: u32,
    },
    /// A commit is taken over.
    CherryPick,
    /// A commit is taken back.
    Revert,
    /// Commits are searched for a fault.
    Bisect,
    /// Patches from mails are applied.
    Mailbox,
}

/// A path that is not as the last commit has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitEntry {
    /// Below the repository.
    pub path: RelPath,
    /// What it was called, where it was renamed or copied.
    pub from: Option<RelPath>,
    /// What the next commit records.
    pub index: GitChange,
    /// What it would leave out.
    pub work_tree: GitChange,
    /// Set where both sides of a merge changed it.
    pub conflict: Option<GitConflict>,
    /// It is a repository within the repository.
    pub submodule: bool,
}

/// How a path changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum GitChange {
    /// Not at all.
    #[default]
    Unmodified,
    /// It is new.
    Added,
    /// Its content changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another name.
    Renamed,
    /// It is a copy.
    Copied,
    /// It became another kind of thing: a link, a file, a submodule.
    TypeChanged,
    /// Git does not know it.
    Untracked,
}

/// How two sides disagree, from the view of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum GitConflict {
    /// Both changed it.
    BothModified,
    /// Both made it.
    BothAdded,
    /// Both deleted it.
    BothDeleted,
    /// We made it.
    AddedByUs,
    /// They made it.
    AddedByThem,
    /// We deleted what they changed.
    DeletedByUs,
    /// They deleted what we changed.
    DeletedByThem,
}
