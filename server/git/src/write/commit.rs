//! Recording, and taking back what was recorded last.

use coditect_protocol::git::{CommitRequest, MAX_MESSAGE_BYTES};

use crate::error::GitError;
use crate::faults;
use crate::repository;
use crate::work::Work;

pub(super) async fn commit(work: &Work, request: CommitRequest) -> Result<String, GitError> {
    let CommitRequest { message, amend, all, sign_off, allow_empty, no_verify } = request;
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(GitError::TooLarge { limit: MAX_MESSAGE_BYTES as u64 });
    }
    let keeps_message = amend && message.trim().is_empty();
    if message.trim().is_empty() && !keeps_message {
        return Err(GitError::EmptyMessage);
    }
    if super::identity(work).await?.is_none() {
        return Err(GitError::NoIdentity);
    }
    let call = work
        .git("commit")
        .arg("--quiet")
        .arg_if(amend, "--amend")
        .arg_if(all, "--all")
        .arg_if(sign_off, "--signoff")
        .arg_if(allow_empty, "--allow-empty")
        .arg_if(no_verify, "--no-verify")
        .told();
    let call = match keeps_message {
        true => call.arg("--no-edit"),
        // Lines that begin with `#` are the person's.
        false => call.args(["--cleanup=whitespace", "--file=-"]).stdin(message.into_bytes()),
    };
    let outcome = call.run().await?;
    if !outcome.ok() {
        return Err(named(work, faults::with_hooks(&outcome)).await);
    }
    work.read(|repository| repository::head_id(repository)?.map(|id| id.to_string()).ok_or(GitError::NoCommits)).await
}

/// The error with the paths that are in conflict, where it is that.
pub(super) async fn named(work: &Work, error: GitError) -> GitError {
    match error {
        GitError::Conflict(paths) if paths.is_empty() => {
            GitError::Conflict(super::integrate::unmerged(work).await.unwrap_or_default())
        }
        error => error,
    }
}

pub(super) async fn undo(work: &Work) -> Result<(), GitError> {
    let has_parent = work
        .read(|repository| {
            let id = repository::head_id(repository)?.ok_or(GitError::NoCommits)?;
            Ok(repository.find_commit(id)?.parent_ids().next().is_some())
        })
        .await?;
    let call = match has_parent {
        true => work.git("reset").args(["--soft", "--quiet", "HEAD~1"]),
        false => work.git("update-ref").args(["-d", "HEAD"]),
    };
    call.done().await.map(drop)
}
