//! Bringing changes together: merges, rebases and their like, and what to do where they stop.

use coditect_protocol::RelPath;
use coditect_protocol::git::{GitOperation, Integration};

use super::branches::known;
use super::commit::named;
use super::identity;
use crate::error::GitError;
use crate::faults;
use crate::read::{commit_id, conflicts, operation};
use crate::repository;
use crate::run::{Call, Outcome};
use crate::work::Work;

/// Exit code where `git` stopped at a conflict.
const STOPPED: i32 = 1;

pub(super) async fn merge(
    work: &Work,
    revision: &str,
    no_fast_forward: bool,
    squash: bool,
) -> Result<Integration, GitError> {
    let revision = known(work, revision).await?;
    if is_contained(work, revision).await? {
        return Ok(Integration::UpToDate);
    }
    if !squash && (no_fast_forward || !goes_forward(work, revision).await?) {
        identity::required(work).await?;
    }
    let how = match (squash, no_fast_forward) {
        (true, _) => ["--squash", "--no-commit"],
        (false, true) => ["--no-ff", "--no-edit"],
        (false, false) => ["--ff", "--no-edit"],
    };
    settle(work, work.git("merge").args(how).arg(revision)).await
}

/// Whether all commits of the revision are on `HEAD` already.
async fn is_contained(work: &Work, revision: &str) -> Result<bool, GitError> {
    let id = commit_id(work, revision).await?;
    let outcome = work.look("merge-base").args(["--is-ancestor", &id, "HEAD"]).run().await?;
    Ok(outcome.ok())
}

/// Whether the revision has all commits of `HEAD`, so that no commit has to be made.
pub(super) async fn goes_forward(work: &Work, revision: &str) -> Result<bool, GitError> {
    let outcome = work.look("merge-base").args(["--is-ancestor", "HEAD", revision]).run().await?;
    Ok(outcome.ok())
}

pub(super) async fn rebase(work: &Work, onto: &str) -> Result<Integration, GitError> {
    let onto = known(work, onto).await?;
    identity::required(work).await?;
    let before = head(work).await?;
    let ended = settle(work, work.git("rebase").arg(onto)).await?;
    let is_same = ended == Integration::Complete && head(work).await? == before;
    Ok(if is_same { Integration::UpToDate } else { ended })
}

async fn head(work: &Work) -> Result<Option<String>, GitError> {
    work.read(|repository| Ok(repository::head_id(repository)?.map(|id| id.to_string()))).await
}

/// `cherry-pick` or `revert` of one commit; of a merge, against its first parent.
pub(super) async fn take_over(work: &Work, command: &'static str, revision: String) -> Result<Integration, GitError> {
    let (id, is_merge) = work
        .read(move |repository| {
            let id = repository::commit_id(repository, &revision)?;
            Ok((id.to_string(), repository.find_commit(id)?.parent_ids().count() > 1))
        })
        .await?;
    identity::required(work).await?;
    let call = work.git(command).arg_if(command == "revert", "--no-edit");
    let call = if is_merge { call.args(["--mainline", "1"]) } else { call };
    let outcome = call.arg(id).told().run().await?;
    let is_empty = !outcome.ok() && {
        let words = outcome.words();
        words.contains("is now empty") || words.contains("nothing to commit")
    };
    if is_empty && unmerged(work).await?.is_empty() {
        // What it would do is there already.
        work.git(command).arg("--skip").done().await?;
        return Ok(Integration::UpToDate);
    }
    ended(work, outcome).await
}

pub(super) async fn go_on(work: &Work) -> Result<Integration, GitError> {
    let operation = under_way(work).await?;
    let paths = unmerged(work).await?;
    if !paths.is_empty() {
        return Ok(Integration::Conflicts { paths });
    }
    identity::required(work).await?;
    let command = match operation {
        GitOperation::Merge { .. } => "merge",
        GitOperation::Rebase { .. } => "rebase",
        GitOperation::CherryPick => "cherry-pick",
        GitOperation::Revert => "revert",
        GitOperation::Mailbox => "am",
        GitOperation::Bisect => return Err(GitError::NoOperation),
    };
    let outcome = work.git(command).arg("--continue").told().run().await?;
    let is_empty = !outcome.ok() && ["cherry-pick", "revert"].contains(&command) && {
        let words = outcome.words();
        words.contains("is now empty") || words.contains("nothing to commit")
    };
    if is_empty {
        return settle(work, work.git(command).arg("--skip")).await;
    }
    ended(work, outcome).await
}

pub(super) async fn skip(work: &Work) -> Result<Integration, GitError> {
    let command = match under_way(work).await? {
        GitOperation::Rebase { .. } => "rebase",
        GitOperation::CherryPick => "cherry-pick",
        GitOperation::Revert => "revert",
        GitOperation::Mailbox => "am",
        GitOperation::Merge { .. } | GitOperation::Bisect => return Err(GitError::NoOperation),
    };
    identity::required(work).await?;
    settle(work, work.git(command).arg("--skip")).await
}

pub(super) async fn abort(work: &Work) -> Result<(), GitError> {
    let words = match under_way(work).await {
        Ok(GitOperation::Merge { .. }) => ["merge", "--abort"],
        Ok(GitOperation::Rebase { .. }) => ["rebase", "--abort"],
        Ok(GitOperation::CherryPick) => ["cherry-pick", "--abort"],
        Ok(GitOperation::Revert) => ["revert", "--abort"],
        Ok(GitOperation::Mailbox) => ["am", "--abort"],
        Ok(GitOperation::Bisect) => ["bisect", "reset"],
        // A squashed merge and a stash stop at conflicts, too, without git calling it an operation.
        Err(GitError::NoOperation) if !unmerged(work).await?.is_empty() => ["reset", "--merge"],
        Err(error) => return Err(error),
    };
    work.git(words[0]).arg(words[1]).done().await.map(drop)
}

async fn under_way(work: &Work) -> Result<GitOperation, GitError> {
    work.read(|repository| operation(repository).ok_or(GitError::NoOperation)).await
}

/// The paths that are in conflict.
pub(super) async fn unmerged(work: &Work) -> Result<Vec<RelPath>, GitError> {
    let output = work.look("ls-files").args(["--unmerged", "-z"]).whole().await?;
    Ok(conflicts(&output))
}

/// Runs it and says how it ended.
pub(super) async fn settle(work: &Work, call: Call<'_>) -> Result<Integration, GitError> {
    let outcome = call.told().run().await?;
    ended(work, outcome).await
}

pub(super) async fn ended(work: &Work, outcome: Outcome) -> Result<Integration, GitError> {
    if outcome.ok() {
        return Ok(Integration::Complete);
    }
    let error = faults::with_hooks(&outcome);
    // Where files are in the way it did not even begin.
    let has_begun = !matches!(error, GitError::WouldOverwrite(_) | GitError::InOperation);
    if has_begun && outcome.code == Some(STOPPED) {
        let paths = unmerged(work).await?;
        if !paths.is_empty() {
            return Ok(Integration::Conflicts { paths });
        }
    }
    Err(named(work, error).await)
}
