//! Looking at the workspace's git repository. Capability `git.read`.

pub use crate::bindings::coditect::plugin::git::{Change, Commit, State, WorkTree};
use crate::error::{Error, Result};
use crate::host::git as host;

/// Branch and changed files.
pub fn status() -> Result<WorkTree> {
    host::status().map_err(Error::from_wire)
}

/// A unified patch of what is staged; cut off at 1 MiB.
pub fn staged() -> Result<String> {
    host::diff(true).map_err(Error::from_wire)
}

/// A unified patch of what is not staged; cut off at 1 MiB.
pub fn unstaged() -> Result<String> {
    host::diff(false).map_err(Error::from_wire)
}

/// Commits, the newest first; at most 200.
pub fn log(max_commits: u32) -> Result<Vec<Commit>> {
    host::log(max_commits).map_err(Error::from_wire)
}
