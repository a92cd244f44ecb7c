//! What changes nothing.

mod blame;
mod commit;
mod content;
mod diff;
mod find;
mod log;
mod refresh;
mod refs;
mod stashes;
mod status;

use coditect_protocol::git::{GitReply, GitRequest};

use crate::error::GitError;
use crate::repository;
use crate::work::Work;

pub(crate) use refresh::Refreshes;
pub(crate) use stashes::stashes;
pub(crate) use status::{conflicts, operation};

pub(crate) async fn answer(work: &Work, request: GitRequest) -> Result<GitReply, GitError> {
    if matches!(request, GitRequest::Repositories) {
        return find::repositories(work).await.map(GitReply::Repositories);
    }
    if matches!(request, GitRequest::Identity) {
        return crate::write::identity(work).await.map(GitReply::Identity);
    }
    match request {
        GitRequest::Status => status::status(work).await.map(GitReply::Status),
        GitRequest::Content { path, version } => content::content(work, path, version).await.map(GitReply::Content),
        GitRequest::Diff { from, to, paths, context } => {
            diff::diff(work, &from, &to, &paths, context).await.map(GitReply::Diff)
        }
        GitRequest::Log(request) => log::log(work, request).await.map(GitReply::Log),
        GitRequest::CommitDetails { revision } => commit::details(work, revision).await.map(GitReply::Commit),
        GitRequest::Blame { path, revision } => blame::blame(work, path, revision).await.map(GitReply::Blame),
        GitRequest::Refs => work.read(refs::refs).await.map(GitReply::Refs),
        GitRequest::Stashes => stashes(work).await.map(GitReply::Stashes),
        GitRequest::Remotes => work.read(|repository| Ok(refs::remotes(repository))).await.map(GitReply::Remotes),
        _ => Err(GitError::Internal("a request that changes something was taken for one that reads".to_owned())),
    }
}

/// Makes sure that there is a repository, for what is asked of `git` alone.
pub(crate) async fn check(work: &Work) -> Result<(), GitError> {
    work.read(|_| Ok(())).await
}

/// The id of the commit that a revision names.
pub(crate) async fn commit_id(work: &Work, revision: &str) -> Result<String, GitError> {
    let revision = revision.to_owned();
    work.read(move |repository| Ok(repository::commit_id(repository, &revision)?.to_string())).await
}
