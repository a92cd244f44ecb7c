//! Commits, and what they changed.

use serde::{Deserialize, Serialize};

use super::status::GitChange;
use crate::path::RelPath;

/// Who made a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitIdentity {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

/// Which commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct LogRequest {
    /// Where to start; `HEAD` where empty.
    pub revision: String,
    /// All branches and tags instead.
    pub all: bool,
    /// Only commits that changed this file (followed through renames) or something in this folder.
    pub path: Option<RelPath>,
    /// Only commits with these words in message, author or id.
    pub search: String,
    /// How many to leave out first.
    pub skip: u32,
    /// How many, at most [`MAX_LOG_COMMITS`](super::MAX_LOG_COMMITS); that many where 0.
    pub limit: u32,
}

/// Commits, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitLog {
    /// The commits.
    pub commits: Vec<GitCommit>,
    /// There are more.
    pub more: bool,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitCommit {
    /// Id, in hexadecimal.
    pub id: String,
    /// Ids of those before it.
    pub parents: Vec<String>,
    /// Who wrote it.
    pub author: GitIdentity,
    /// When, in milliseconds since 1970.
    pub authored_at: u64,
    /// Who recorded it.
    pub committer: GitIdentity,
    /// When, in milliseconds since 1970.
    pub committed_at: u64,
    /// First line of the message.
    pub summary: String,
    /// The whole message.
    pub message: String,
    /// Branches and tags that are on it.
    pub refs: Vec<String>,
}

/// A commit and what it changed against its first parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct CommitDetails {
    /// The commit.
    pub commit: GitCommit,
    /// The files, by path.
    pub files: Vec<CommitFile>,
    /// There are more than are listed.
    pub more: bool,
}

/// A file that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct CommitFile {
    /// Below the repository.
    pub path: RelPath,
    /// What it was called, where it was renamed or copied.
    pub from: Option<RelPath>,
    /// How it changed.
    pub change: GitChange,
    /// Lines that are new; absent for a binary file.
    pub added: Option<u32>,
    /// Lines that are gone; absent for a binary file.
    pub deleted: Option<u32>,
}

/// Differences between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitDiff {
    /// The files, by path.
    pub files: Vec<FileDiff>,
    /// There are more than are listed.
    pub more: bool,
}

/// Differences of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct FileDiff {
    /// Below the repository.
    pub path: RelPath,
    /// What it was called, where it was renamed or copied.
    pub from: Option<RelPath>,
    /// How it changed.
    pub change: GitChange,
    /// Its content is not text.
    pub binary: bool,
    /// Its text is not UTF-8: the hunks do not show its very bytes, so that no patch can be made of them.
    #[serde(default)]
    pub not_utf8: bool,
    /// The header lines of its patch, which with any of the hunks is a patch of its own.
    pub header: String,
    /// Where it changed.
    pub hunks: Vec<Hunk>,
}

/// Neighbouring changed lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Hunk {
    /// First line before, from 1 (0 where there is none).
    pub old_start: u32,
    /// Lines before.
    pub old_lines: u32,
    /// First line after, from 1 (0 where there is none).
    pub new_start: u32,
    /// Lines after.
    pub new_lines: u32,
    /// Its text as in a unified diff, with its first line that begins with `@@`.
    pub text: String,
}

/// Who last changed each line of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct GitBlame {
    /// The commits, each once.
    pub commits: Vec<GitCommit>,
    /// Neighbouring lines of one commit, in order.
    pub spans: Vec<BlameSpan>,
}

/// Neighbouring lines that one commit changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct BlameSpan {
    /// First line, from 1.
    pub line: u32,
    /// How many.
    pub lines: u32,
    /// Place in [`GitBlame::commits`]; absent for lines that are not committed.
    pub commit: Option<u32>,
}
