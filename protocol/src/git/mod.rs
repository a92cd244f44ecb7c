//! Git: what can be asked of the repositories in a workspace.
//!
//! A request names its repository by the folder of its work tree. Whatever changes something is carried out by `git` itself, in the
//! sandbox of the person who asked, so that hooks and filters of a repository reach no further than that person's terminal does.

mod credentials;
mod history;
mod refs;
mod status;

use serde::{Deserialize, Serialize};

use crate::path::RelPath;

pub use credentials::*;
pub use history::*;
pub use refs::*;
pub use status::*;

/// Most commits of one answer.
pub const MAX_LOG_COMMITS: u32 = 1000;
/// Most entries of one [`GitStatus`]; it says so where there are more.
pub const MAX_STATUS_ENTRIES: usize = 10_000;
/// Longest message of a commit, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Longest patch of [`GitRequest::Apply`], in bytes.
pub const MAX_PATCH_BYTES: usize = 1024 * 1024;

/// What can be asked of a repository. The comment names the reply.
///
/// Requests and replies are tagged from outside (`{"stage": {"paths": […]}}`): with a tag inside, every type below them would be read in
/// two ways, which makes the page's module a fifth larger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum GitRequest {
    /// The repositories of the workspace; the one that the request names does not count → [`GitReply::Repositories`].
    Repositories,
    /// Makes a repository of the folder → [`GitReply::Done`].
    Init {
        /// Name of the first branch; git's own default where empty.
        branch: String,
    },
    /// → [`GitReply::Status`].
    Status,
    /// Takes the paths' present content into the index, folders with all below them → [`GitReply::Done`].
    Stage {
        /// Below the repository.
        paths: Vec<RelPath>,
    },
    /// Sets the paths in the index back to `HEAD` → [`GitReply::Done`].
    Unstage {
        /// Below the repository.
        paths: Vec<RelPath>,
    },
    /// Sets the paths' files back to the index and removes untracked ones → [`GitReply::Done`].
    Discard {
        /// Below the repository.
        paths: Vec<RelPath>,
    },
    /// Applies a unified diff: how hunks and lines are staged, unstaged and discarded → [`GitReply::Done`].
    Apply {
        /// The diff, with `a/` and `b/` before its paths; at most [`MAX_PATCH_BYTES`].
        patch: String,
        /// What it changes.
        target: PatchTarget,
        /// Takes the change away.
        reverse: bool,
    },
    /// The content of a file in a version → [`GitReply::Content`], nothing where the version has no such file.
    Content {
        /// Below the repository.
        path: RelPath,
        /// Which version.
        version: Version,
    },
    /// → [`GitReply::Diff`].
    Diff {
        /// From.
        from: Version,
        /// To.
        to: Version,
        /// Only these; all where empty.
        paths: Vec<RelPath>,
        /// Lines around each change.
        context: u32,
    },

    /// Records the index; progress of hooks comes as items → [`GitReply::Committed`].
    Commit(CommitRequest),
    /// Takes the last commit back and leaves its changes in the index → [`GitReply::Done`].
    UndoCommit,
    /// → [`GitReply::Log`].
    Log(LogRequest),
    /// → [`GitReply::Commit`].
    CommitDetails {
        /// Its id, or a revision.
        revision: String,
    },
    /// Who last changed each line → [`GitReply::Blame`].
    Blame {
        /// Below the repository.
        path: RelPath,
        /// The commit to look from; the work tree's file where absent.
        revision: Option<String>,
    },

    /// → [`GitReply::Refs`].
    Refs,
    /// → [`GitReply::Done`].
    CreateBranch {
        /// Its name.
        name: String,
        /// Where it starts; `HEAD` where empty.
        from: String,
        /// Switches to it.
        switch: bool,
    },
    /// Refused where files in the way would be lost → [`GitReply::Done`].
    Switch {
        /// Branch, tag or commit.
        to: String,
        /// Leaves `HEAD` on the commit and on no branch.
        detach: bool,
    },
    /// → [`GitReply::Done`].
    RenameBranch {
        /// Its name.
        name: String,
        /// Its new name.
        new_name: String,
    },
    /// → [`GitReply::Done`].
    DeleteBranch {
        /// Its name.
        name: String,
        /// Also when its commits are on no other branch.
        force: bool,
    },
    /// → [`GitReply::Done`].
    CreateTag {
        /// Its name.
        name: String,
        /// What it marks; `HEAD` where empty.
        at: String,
        /// With a message it is an object of its own.
        message: String,
    },
    /// → [`GitReply::Done`].
    DeleteTag {
        /// Its name.
        name: String,
    },

    /// → [`GitReply::Integrated`].
    Merge {
        /// Branch, tag or commit.
        revision: String,
        /// Makes a commit also where it could go forward.
        no_fast_forward: bool,
        /// Takes the changes over without a merge.
        squash: bool,
    },
    /// → [`GitReply::Integrated`].
    Rebase {
        /// Branch, tag or commit to stand on.
        onto: String,
    },
    /// → [`GitReply::Integrated`].
    CherryPick {
        /// The commit.
        revision: String,
    },
    /// → [`GitReply::Integrated`].
    Revert {
        /// The commit.
        revision: String,
    },
    /// Goes on with what stopped at conflicts → [`GitReply::Integrated`].
    ContinueOperation,
    /// Leaves out the commit at which a rebase stopped → [`GitReply::Integrated`].
    SkipCommit,
    /// Sets everything back to before what stopped at conflicts → [`GitReply::Done`].
    AbortOperation,
    /// Takes one side of conflicts whole and marks them as solved → [`GitReply::Done`].
    TakeSide {
        /// Below the repository.
        paths: Vec<RelPath>,
        /// Which.
        side: Side,
    },

    /// → [`GitReply::Stashes`].
    Stashes,
    /// Puts changes aside → [`GitReply::Done`].
    Stash {
        /// What for; git's own words where empty.
        message: String,
        /// With untracked files.
        untracked: bool,
        /// Leaves what is staged in place.
        keep_index: bool,
    },
    /// → [`GitReply::Integrated`].
    ApplyStash {
        /// Which, from the newest at 0.
        index: u32,
        /// And forgets it, where there was no conflict.
        pop: bool,
    },
    /// → [`GitReply::Done`].
    DropStash {
        /// Which, from the newest at 0.
        index: u32,
    },

    /// → [`GitReply::Remotes`].
    Remotes,
    /// → [`GitReply::Done`].
    AddRemote {
        /// Its name.
        name: String,
        /// Its URL.
        url: String,
    },
    /// → [`GitReply::Done`].
    RemoveRemote {
        /// Its name.
        name: String,
    },
    /// Progress comes as items → [`GitReply::Done`].
    Fetch {
        /// Which; all where empty.
        remote: String,
        /// Forgets branches that are gone there.
        prune: bool,
    },
    /// Progress comes as items → [`GitReply::Integrated`].
    Pull {
        /// From where; the upstream where empty.
        remote: String,
        /// Which branch; the upstream where empty.
        branch: String,
        /// Puts own commits on top instead of merging.
        rebase: bool,
    },
    /// Progress comes as items → [`GitReply::Done`].
    Push(PushRequest),

    /// Name and address that commits are made with → [`GitReply::Identity`].
    Identity,
    /// → [`GitReply::Done`].
    SetIdentity {
        /// The identity.
        identity: GitIdentity,
        /// For this repository only; else for all of the person's.
        local: bool,
    },
}

/// What a patch changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum PatchTarget {
    /// The index.
    Index,
    /// The files.
    WorkTree,
}

/// A version of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// What git calls it: `HEAD`, a branch, a commit's id, `main~2`.
    Revision(String),
    /// What the next commit records.
    Index,
    /// The common ancestor in a conflict.
    Base,
    /// Our side of a conflict.
    Ours,
    /// Their side of a conflict.
    Theirs,
    /// The files as they are now.
    WorkTree,
    /// Nothing at all: what the first commit is compared with.
    Empty,
}

/// A side of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What was here.
    Ours,
    /// What came.
    Theirs,
}

/// What to record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct CommitRequest {
    /// Message, at most [`MAX_MESSAGE_BYTES`]; the last commit's may be left out with `amend`.
    pub message: String,
    /// In place of the last commit.
    pub amend: bool,
    /// Takes all changes of tracked files in first.
    pub all: bool,
    /// Adds the line `Signed-off-by`.
    pub sign_off: bool,
    /// Records even where nothing changed.
    pub allow_empty: bool,
    /// Leaves out the hooks that may refuse a commit.
    pub no_verify: bool,
}

/// What to send where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct PushRequest {
    /// To where; the upstream's where empty.
    pub remote: String,
    /// Which branch; the present one where empty.
    pub branch: String,
    /// Remembers it as the branch's upstream.
    pub set_upstream: bool,
    /// Replaces what is there, as long as that is what was last fetched.
    pub force_with_lease: bool,
    /// With the tags.
    pub tags: bool,
}

/// How a request ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum GitReply {
    /// Nothing to tell.
    Done,
    /// Folders of the repositories' work trees, the workspace's own first.
    Repositories(Vec<RelPath>),
    /// What changed.
    Status(GitStatus),
    /// A file's bytes, where the version has it.
    Content(#[cfg_attr(feature = "js", tsify(type = "Uint8Array | undefined"))] Option<serde_bytes::ByteBuf>),
    /// Differences.
    Diff(GitDiff),
    /// Id of the commit that was made.
    Committed(String),
    /// Commits, newest first.
    Log(GitLog),
    /// A commit and what it changed.
    Commit(CommitDetails),
    /// Who changed which lines.
    Blame(GitBlame),
    /// Branches and tags.
    Refs(GitRefs),
    /// Changes were brought together, or could not be.
    Integrated(Integration),
    /// What was put aside, the newest first.
    Stashes(Vec<GitStash>),
    /// Other places of the repository.
    Remotes(Vec<GitRemote>),
    /// Who commits, where git knows.
    Identity(Option<GitIdentity>),
}

/// Part of what a long request tells meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GitProgress {
    /// A step is under way.
    Step {
        /// For a person (`Receiving objects`).
        step: String,
        /// Percent done, where it is known.
        percent: Option<u8>,
    },
    /// A line that a hook or the other side wrote.
    Line {
        /// Without its end.
        text: String,
    },
}

impl GitRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_reading(&self) -> bool {
        matches!(
            self,
            Self::Repositories
                | Self::Status
                | Self::Content { .. }
                | Self::Diff { .. }
                | Self::Log(_)
                | Self::CommitDetails { .. }
                | Self::Blame { .. }
                | Self::Refs
                | Self::Stashes
                | Self::Remotes
                | Self::Identity
        )
    }

    /// Whether doing it twice equals doing it once.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        let repeats = matches!(
            self,
            Self::Stage { .. } | Self::Unstage { .. } | Self::Fetch { .. } | Self::Push(_) | Self::SetIdentity { .. }
        );
        repeats || self.is_reading()
    }
}
