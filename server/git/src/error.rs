//! Everything that can go wrong with a repository.

use coditect_protocol::{Coded, Kind, RelPath};

/// Paths that a message names; of more it tells the number.
const NAMED_PATHS: usize = 5;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// No repository's work tree begins in the folder.
    #[error("{0} is not the folder of a git repository.")]
    NotARepository(RelPath),
    /// The repository's configuration names another work tree.
    #[error("The repository in {0} names another folder as its work tree; use it from a terminal.")]
    WorkTreeElsewhere(RelPath),
    /// The repository belongs to another account of the system.
    #[error("The repository's files belong to another account of the system, so git does not use it.")]
    NotTrusted,
    /// What is in the repository's own folder cannot be read.
    #[error("The repository is damaged: {0}. `git fsck` in a terminal tells more.")]
    Corrupt(String),
    /// There is no `git`.
    #[error("The program git is not installed where terminals run; ask the operator to install it.")]
    Missing,

    /// Paths are in conflict.
    #[error("Solve the conflicts first: {}.", named(.0))]
    Conflict(Vec<RelPath>),
    /// Files in the way would be lost.
    #[error("This would overwrite {}; commit, stash or discard that first.", named(.0))]
    WouldOverwrite(Vec<RelPath>),
    /// Changes that are not committed are in the way.
    #[error("There are changes that are not committed; commit or stash them first.")]
    UncommittedChanges,
    /// Something was begun and is not finished.
    #[error("A merge, rebase or the like is not finished; go on with it or abort it first.")]
    InOperation,
    /// Nothing was begun.
    #[error("No merge, rebase or the like is under way.")]
    NoOperation,
    /// There is no commit yet.
    #[error("There is no commit yet.")]
    NoCommits,
    /// Nothing changed.
    #[error("There is nothing to commit; stage a change first.")]
    NothingToCommit,
    /// Nothing changed.
    #[error("There are no changes to put aside.")]
    NothingToStash,
    /// A commit without words.
    #[error("A commit needs a message.")]
    EmptyMessage,
    /// Git does not know who commits.
    #[error("Git does not know your name and e-mail address; set them, then commit again.")]
    NoIdentity,
    /// A commit could not be signed.
    #[error(
        "The commit could not be signed; git is set to sign commits, and there is nobody to ask for the key's password here."
    )]
    SigningFailed,
    /// A hook refused.
    #[error("A hook of the repository refused: {0}")]
    HookFailed(String),
    /// Another `git` holds a lock.
    #[error("Another git process is at work in this repository; wait for it, or delete {0} where none is left.")]
    Locked(String),

    /// There is no such revision.
    #[error("There is no commit, branch or tag {0:?}.")]
    BadRevision(String),
    /// The name cannot be a branch's, tag's or remote's.
    #[error("{0:?} cannot be a name in git.")]
    BadName(String),
    /// The URL cannot be used.
    #[error("This is not a URL that git may use here; give one that begins with https:// or ssh://.")]
    BadUrl,
    /// The name is taken.
    #[error("{0:?} exists already; choose another name.")]
    Exists(String),
    /// The path is not in the repository.
    #[error("The repository knows nothing of {0}.")]
    NoSuchPath(String),
    /// An ignored file was to be staged.
    #[error("The repository's rules ignore {0}.")]
    Ignored(String),
    /// The versions have no order in which git compares them.
    #[error("These two versions cannot be compared.")]
    Versions,
    /// The patch is not one.
    #[error("The patch is malformed.")]
    BadPatch,
    /// The patch does not fit.
    #[error("The change does not fit what is there now; look at the differences again.")]
    PatchFailed,
    /// There is no stash of that number.
    #[error("There are no changes put aside under this number; look at the list again.")]
    NoSuchStash,
    /// The branch is checked out.
    #[error("The branch {0:?} is checked out; switch to another one first.")]
    BranchInUse(String),
    /// The branch's commits are on no other.
    #[error("Commits of {0:?} are on no other branch; deleting it would lose them.")]
    NotMerged(String),
    /// `HEAD` is on no branch.
    #[error("No branch is checked out; create one or switch to one first.")]
    NoBranch,

    /// The branch follows none.
    #[error("The branch follows no branch of a remote; say where to.")]
    NoUpstream,
    /// There is no such remote.
    #[error("There is no remote {0:?}.")]
    NoSuchRemote(String),
    /// There is no such branch at the remote.
    #[error("The remote has no branch {0:?}.")]
    NoSuchRemoteBranch(String),
    /// The site wants a login.
    #[error("{host} {}; save one for it, then try again.", if *.refused { "refused the saved login" } else { "wants a login" })]
    AuthNeeded {
        /// Site.
        host: String,
        /// It was given one that it does not take.
        refused: bool,
    },
    /// Another site than that of the address wants a login.
    #[error(
        "{host} redirects to {asker}, which wants a login; logins are only sent to the site of the remote's own address, so change it to the one at {asker}."
    )]
    Redirected {
        /// Site of the address.
        host: String,
        /// Site that asks.
        asker: String,
    },
    /// A login is wanted where it could be read on the way.
    #[error(
        "The remote wants a login, and saved ones are only sent over https; change its URL to begin with https://."
    )]
    InsecureLogin,
    /// The login may not do this.
    #[error("{0} does not allow this to your login.")]
    RemoteForbidden(String),
    /// The key that ssh has is not taken.
    #[error(
        "The site did not accept your ssh key; put one that it knows into ~/.ssh, without a password or with an agent."
    )]
    SshDenied,
    /// ssh does not know the other side.
    #[error("The site's ssh key is not known or changed; connect to it once from a terminal and check it.")]
    HostKey,
    /// The other side cannot be reached.
    #[error("The remote cannot be reached: {0}")]
    Unreachable(String),
    /// There is no repository there.
    #[error("There is no repository at the remote's URL, or your login may not see it.")]
    NoSuchRepository,
    /// The other side refused.
    #[error("The remote refused: {0}")]
    Rejected(String),
    /// The other side has commits that are not here.
    #[error("The remote has commits that you do not have; pull first.")]
    Diverged,
    /// The histories have no common commit.
    #[error("The two histories have no commit in common.")]
    Unrelated,
    /// The transport is not allowed.
    #[error("Git may not use this kind of URL here; use https:// or ssh://.")]
    ProtocolRefused,
    /// The repository's configuration could lead a login elsewhere.
    #[error(
        "No saved login is sent as long as the repository's own configuration sets {0}; remove it with `git config --unset`."
    )]
    UnsafeConfig(String),

    /// More filters than can be switched off.
    #[error("Git's configuration names too many filters, {0} among them; remove those that nobody needs.")]
    TooManyFilters(String),
    /// Larger than may be told.
    #[error("This is larger than the {limit} bytes that are shown here.")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
    },
    /// More paths than one request may name.
    #[error("More than {limit} paths at once are not taken; name their folder.")]
    TooManyPaths {
        /// Limit.
        limit: usize,
    },
    /// More requests than are taken at once.
    #[error("Too many git requests are under way; try again in a moment.")]
    Busy,
    /// It took too long.
    #[error("Git took longer than {seconds} seconds and was ended.")]
    Timeout {
        /// Limit.
        seconds: u64,
    },
    /// Cancelled by who asked.
    #[error("Cancelled.")]
    Cancelled,
    /// There is no room on the disk.
    #[error("There is no space left for git to write; free some and try again.")]
    OutOfSpace,
    /// What git said, where it is none of the above.
    #[error("Git could not do this: {0}")]
    Failed(String),
    /// A fault of this program.
    #[error("{0}")]
    Internal(String),
}

fn named(paths: &[RelPath]) -> String {
    let mut text = paths.iter().take(NAMED_PATHS).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(NAMED_PATHS) {
        0 if paths.is_empty() => text.push_str("files"),
        0 => {}
        more => text.push_str(&format!(" and {more} more")),
    }
    text
}

impl Coded for GitError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotARepository(_) => "git.not_a_repository",
            Self::WorkTreeElsewhere(_) => "git.work_tree_elsewhere",
            Self::NotTrusted => "git.not_trusted",
            Self::Corrupt(_) => "git.corrupt",
            Self::Missing => "git.missing",
            Self::Conflict(_) => "git.conflict",
            Self::WouldOverwrite(_) => "git.would_overwrite",
            Self::UncommittedChanges => "git.uncommitted_changes",
            Self::InOperation => "git.in_operation",
            Self::NoOperation => "git.no_operation",
            Self::NoCommits => "git.no_commits",
            Self::NothingToCommit => "git.nothing_to_commit",
            Self::NothingToStash => "git.nothing_to_stash",
            Self::EmptyMessage => "git.empty_message",
            Self::NoIdentity => "git.no_identity",
            Self::SigningFailed => "git.signing_failed",
            Self::HookFailed(_) => "git.hook_failed",
            Self::Locked(_) => "git.locked",
            Self::BadRevision(_) => "git.bad_revision",
            Self::BadName(_) => "git.bad_name",
            Self::BadUrl => "git.bad_url",
            Self::Exists(_) => "git.exists",
            Self::NoSuchPath(_) => "git.no_such_path",
            Self::Ignored(_) => "git.ignored",
            Self::Versions => "git.bad_versions",
            Self::BadPatch => "git.bad_patch",
            Self::PatchFailed => "git.patch_failed",
            Self::NoSuchStash => "git.no_such_stash",
            Self::BranchInUse(_) => "git.branch_in_use",
            Self::NotMerged(_) => "git.not_merged",
            Self::NoBranch => "git.no_branch",
            Self::NoUpstream => "git.no_upstream",
            Self::NoSuchRemote(_) => "git.no_such_remote",
            Self::NoSuchRemoteBranch(_) => "git.no_such_remote_branch",
            Self::AuthNeeded { refused: false, .. } => "git.auth_needed",
            Self::AuthNeeded { refused: true, .. } => "git.auth_refused",
            Self::Redirected { .. } => "git.redirected",
            Self::InsecureLogin => "git.login_needs_https",
            Self::RemoteForbidden(_) => "git.forbidden",
            Self::SshDenied => "git.ssh_denied",
            Self::HostKey => "git.host_key",
            Self::Unreachable(_) => "git.unreachable",
            Self::NoSuchRepository => "git.no_such_repository",
            Self::Rejected(_) => "git.rejected",
            Self::Diverged => "git.diverged",
            Self::Unrelated => "git.unrelated",
            Self::ProtocolRefused => "git.protocol_refused",
            Self::UnsafeConfig(_) => "git.unsafe_config",
            Self::TooManyFilters(_) => "git.too_many_filters",
            Self::TooLarge { .. } => "git.too_large",
            Self::TooManyPaths { .. } => "git.too_many_paths",
            Self::Busy => "git.busy",
            Self::Timeout { .. } => "git.timeout",
            Self::Cancelled => "call.cancelled",
            Self::OutOfSpace => "git.out_of_space",
            Self::Failed(_) => "git.failed",
            Self::Internal(_) => "git.internal",
        }
    }

    fn subject(&self) -> Option<&str> {
        match self {
            Self::AuthNeeded { host, .. } => Some(host),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotARepository(_)
            | Self::BadRevision(_)
            | Self::NoSuchPath(_)
            | Self::NoSuchStash
            | Self::NoSuchRemote(_)
            | Self::NoSuchRemoteBranch(_)
            | Self::NoSuchRepository => Kind::NotFound,
            Self::WorkTreeElsewhere(_) | Self::NotTrusted | Self::RemoteForbidden(_) | Self::UnsafeConfig(_) => {
                Kind::Forbidden
            }
            Self::BadName(_)
            | Self::BadUrl
            | Self::Ignored(_)
            | Self::Versions
            | Self::BadPatch
            | Self::EmptyMessage
            | Self::ProtocolRefused => Kind::Invalid,
            Self::TooManyFilters(_) | Self::TooLarge { .. } | Self::TooManyPaths { .. } => Kind::TooLarge,
            Self::Busy => Kind::TooManyRequests,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Cancelled => Kind::Cancelled,
            Self::OutOfSpace => Kind::OutOfSpace,
            Self::Missing => Kind::Unavailable,
            Self::Unreachable(_) | Self::Failed(_) | Self::Rejected(_) => Kind::Upstream,
            Self::Internal(_) => Kind::Internal,
            _ => Kind::Conflict,
        }
    }
}

impl From<gix::Error> for GitError {
    /// What could not be read of objects, references or the index.
    fn from(error: gix::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<std::io::Error> for GitError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::OutOfSpace,
            _ => Self::Internal(error.to_string()),
        }
    }
}
