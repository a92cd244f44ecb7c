//! What changes something, carried out by `git`.

mod branches;
mod commit;
mod identity;
mod index;
mod integrate;
mod network;
mod push;
mod remotes;
mod settings;
mod stash;
mod view;

use coditect_protocol::git::{GitReply, GitRequest};

use crate::error::GitError;
use crate::serve::{Lane, Turns};
use crate::work::Work;

pub(crate) use identity::identity;

pub(crate) async fn answer(work: &Work, request: GitRequest, turns: &Turns) -> Result<GitReply, GitError> {
    let is_ready = match &request {
        GitRequest::Init { .. } | GitRequest::SetIdentity { local: false, .. } => Ok(()),
        _ => crate::read::check(work).await,
    };
    is_ready?;
    match request {
        GitRequest::Fetch { remote, prune } => {
            let _turn = turns.take(work, Lane::Network).await?;
            return network::fetch(work, &remote, prune).await.map(|()| GitReply::Done);
        }
        GitRequest::Pull { remote, branch, rebase } => {
            return network::pull(work, turns, &remote, &branch, rebase).await.map(GitReply::Integrated);
        }
        GitRequest::Push(request) => {
            let _turn = turns.take(work, Lane::Network).await?;
            return push::push(work, &request).await.map(|()| GitReply::Done);
        }
        _ => {}
    }
    let _turn = turns.take(work, Lane::Local).await?;
    match request {
        GitRequest::Commit(request) => commit::commit(work, request).await.map(GitReply::Committed),
        GitRequest::Merge { .. }
        | GitRequest::Rebase { .. }
        | GitRequest::CherryPick { .. }
        | GitRequest::Revert { .. }
        | GitRequest::ContinueOperation
        | GitRequest::SkipCommit
        | GitRequest::ApplyStash { .. } => integrated(work, request).await.map(GitReply::Integrated),
        request => done(work, request).await.map(|()| GitReply::Done),
    }
}

async fn integrated(work: &Work, request: GitRequest) -> Result<coditect_protocol::git::Integration, GitError> {
    match request {
        GitRequest::Merge { revision, no_fast_forward, squash } => {
            integrate::merge(work, &revision, no_fast_forward, squash).await
        }
        GitRequest::Rebase { onto } => integrate::rebase(work, &onto).await,
        GitRequest::CherryPick { revision } => integrate::take_over(work, "cherry-pick", revision).await,
        GitRequest::Revert { revision } => integrate::take_over(work, "revert", revision).await,
        GitRequest::ContinueOperation => integrate::go_on(work).await,
        GitRequest::SkipCommit => integrate::skip(work).await,
        GitRequest::ApplyStash { index, pop } => stash::apply(work, index, pop).await,
        _ => Err(unexpected()),
    }
}

async fn done(work: &Work, request: GitRequest) -> Result<(), GitError> {
    match request {
        GitRequest::Init { branch } => branches::init(work, &branch).await,
        GitRequest::Stage { paths } => index::stage(work, &paths).await,
        GitRequest::Unstage { paths } => index::unstage(work, &paths).await,
        GitRequest::Discard { paths } => index::discard(work, &paths).await,
        GitRequest::Apply { patch, target, reverse } => index::apply(work, patch, target, reverse).await,
        GitRequest::TakeSide { paths, side } => index::take_side(work, &paths, side).await,
        GitRequest::UndoCommit => commit::undo(work).await,
        GitRequest::CreateBranch { name, from, switch } => branches::create(work, &name, &from, switch).await,
        GitRequest::Switch { to, detach } => branches::switch(work, &to, detach).await,
        GitRequest::RenameBranch { name, new_name } => branches::rename(work, &name, &new_name).await,
        GitRequest::DeleteBranch { name, force } => branches::delete(work, &name, force).await,
        GitRequest::CreateTag { name, at, message } => branches::create_tag(work, &name, &at, message).await,
        GitRequest::DeleteTag { name } => branches::delete_tag(work, &name).await,
        GitRequest::AbortOperation => integrate::abort(work).await,
        GitRequest::Stash { message, untracked, keep_index } => {
            stash::push(work, &message, untracked, keep_index).await
        }
        GitRequest::DropStash { index } => stash::forget(work, index).await,
        GitRequest::AddRemote { name, url } => remotes::add(work, &name, &url).await,
        GitRequest::RemoveRemote { name } => remotes::remove(work, &name).await,
        GitRequest::SetIdentity { identity, local } => identity::set(work, &identity, local).await,
        _ => Err(unexpected()),
    }
}

fn unexpected() -> GitError {
    GitError::Internal("a request that only reads was taken for one that changes something".to_owned())
}
