//! Looking at the workspace's git repository.

use std::sync::Arc;

use coditect_protocol::plugin::CapabilityName;

use super::{Settled, Told, at_most, present, settle, text, wit};
use crate::ports::{ChangeState, Git};
use crate::state::{Around, State as CallState};
use wit::git::{Change, Commit, Host, State, WorkTree};

/// Longest patch, in bytes.
const MAX_DIFF_BYTES: usize = 1 << 20;
/// Most commits.
const MAX_COMMITS: usize = 200;
/// Most changed files.
const MAX_CHANGES: usize = 10_000;
/// Longest message of a commit, in bytes.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// Longest name of an author, in bytes.
const MAX_AUTHOR_BYTES: usize = 256;

impl Host for CallState {
    async fn status(&mut self) -> Settled<WorkTree> {
        settle(status(&self.around).await)
    }

    async fn diff(&mut self, staged: bool) -> Settled<String> {
        settle(diff(&self.around, staged).await)
    }

    async fn log(&mut self, max_commits: u32) -> Settled<Vec<Commit>> {
        settle(log(&self.around, at_most(max_commits, MAX_COMMITS)).await)
    }
}

fn granted(around: &Around) -> Told<Arc<dyn Git>> {
    around.enter()?;
    around.need(CapabilityName::GitRead)?;
    Ok(present(around.caller.ports.git.as_ref(), "no git repository")?)
}

async fn status(around: &Around) -> Told<WorkTree> {
    let port = granted(around)?;
    let tree = around.ask(async move { port.status().await }).await?;
    let changes = tree.changes.into_iter().take(MAX_CHANGES).map(|change| Change {
        path: change.path,
        is_staged: change.is_staged,
        state: match change.state {
            ChangeState::Added => State::Added,
            ChangeState::Modified => State::Modified,
            ChangeState::Deleted => State::Deleted,
            ChangeState::Renamed => State::Renamed,
            ChangeState::Untracked => State::Untracked,
            ChangeState::Conflicted => State::Conflicted,
        },
    });
    Ok(WorkTree { branch: tree.branch, changes: changes.collect() })
}

async fn diff(around: &Around, staged: bool) -> Told<String> {
    let port = granted(around)?;
    let mut patch = around.ask(async move { port.diff(staged, MAX_DIFF_BYTES).await }).await?;
    text::cut(&mut patch, MAX_DIFF_BYTES);
    Ok(patch)
}

async fn log(around: &Around, most: usize) -> Told<Vec<Commit>> {
    let port = granted(around)?;
    let commits = around.ask(async move { port.log(most).await }).await?;
    let told = commits.into_iter().take(most).map(|mut commit| {
        text::cut(&mut commit.author, MAX_AUTHOR_BYTES);
        text::cut(&mut commit.message, MAX_MESSAGE_BYTES);
        Commit { id: commit.id, author: commit.author, time: commit.time, message: commit.message }
    });
    Ok(told.collect())
}
