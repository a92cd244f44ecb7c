//! Branches and tags.

use coditect_protocol::git::MAX_MESSAGE_BYTES;

use crate::error::GitError;
use crate::names;
use crate::read::commit_id;
use crate::repository;
use crate::work::Work;

pub(super) async fn init(work: &Work, branch: &str) -> Result<(), GitError> {
    let call = work.git("init").arg("--quiet");
    let call = match branch {
        "" => call,
        branch => call.arg(format!("--initial-branch={}", names::branch(branch)?)),
    };
    call.done().await.map(drop)
}

pub(super) async fn create(work: &Work, name: &str, from: &str, switch: bool) -> Result<(), GitError> {
    let name = names::branch(name)?;
    if switch {
        let call = work.git("switch").args(["--create", name]).told();
        // Without a commit there is nothing to start from but the branch's name itself.
        let call = if from.is_empty() { call } else { call.arg(known(work, from).await?) };
        return call.done().await.map(drop);
    }
    let from = if from.is_empty() { "HEAD" } else { from };
    work.git("branch").args([name, known(work, from).await?]).done().await.map(drop)
}

/// The revision, which names a commit. It goes on as it was given: git's words and what a branch follows come from it.
pub(super) async fn known<'a>(work: &Work, revision: &'a str) -> Result<&'a str, GitError> {
    commit_id(work, revision).await?;
    Ok(revision)
}

/// To a branch; or to one that a single remote has, which is then made here; or onto what else names a commit.
pub(super) async fn switch(work: &Work, to: &str, detach: bool) -> Result<(), GitError> {
    let to = names::revision(to)?;
    let name = to.to_owned();
    let is_branch = work
        .read(move |repository| {
            let exists = |full: String| repository.try_find_reference(full.as_str()).ok().flatten().is_some();
            let remotes = repository::remotes(repository);
            let at_remotes = remotes.iter().filter(|remote| exists(format!("refs/remotes/{remote}/{name}"))).count();
            Ok(exists(format!("refs/heads/{name}"))
                || at_remotes == 1
                || repository::head_branch(repository)? == Some(name))
        })
        .await?;
    let call = work.git("switch").told();
    let call = if detach || !is_branch { call.args(["--detach", known(work, to).await?]) } else { call.arg(to) };
    let outcome = call.run().await?;
    if outcome.ok() { Ok(()) } else { Err(super::commit::named(work, crate::faults::of(&outcome)).await) }
}

pub(super) async fn rename(work: &Work, name: &str, new_name: &str) -> Result<(), GitError> {
    let call = work.git("branch").args(["--move", existing(work, name).await?, names::branch(new_name)?]);
    call.done().await.map(drop)
}

pub(super) async fn delete(work: &Work, name: &str, force: bool) -> Result<(), GitError> {
    let name = existing(work, name).await?;
    work.git("branch").args(["--delete"]).arg_if(force, "--force").arg(name).done().await.map(drop)
}

async fn existing<'a>(work: &Work, name: &'a str) -> Result<&'a str, GitError> {
    let full = format!("refs/heads/{}", names::branch(name)?);
    let found = work.read(move |repository| {
        // One without commits is only what `HEAD` says.
        let is_head = repository.head_name()?.is_some_and(|head| head.as_bstr() == full.as_str());
        Ok(is_head || repository.try_find_reference(full.as_str())?.is_some())
    });
    if found.await? { Ok(name) } else { Err(GitError::BadRevision(names::shown(name))) }
}

pub(super) async fn create_tag(work: &Work, name: &str, at: &str, message: String) -> Result<(), GitError> {
    let name = names::branch(name)?;
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(GitError::TooLarge { limit: MAX_MESSAGE_BYTES as u64 });
    }
    let at = commit_id(work, at).await?;
    if message.trim().is_empty() {
        return work.git("tag").args(["--no-sign", name, &at]).done().await.map(drop);
    }
    if super::identity(work).await?.is_none() {
        return Err(GitError::NoIdentity);
    }
    let call = work.git("tag").args(["--annotate", "--cleanup=whitespace", "--file=-", name, &at]);
    call.stdin(message.into_bytes()).done().await.map(drop)
}

pub(super) async fn delete_tag(work: &Work, name: &str) -> Result<(), GitError> {
    let name = names::branch(name)?;
    let full = format!("refs/tags/{name}");
    let is_there = work.read(move |repository| Ok(repository.try_find_reference(full.as_str())?.is_some())).await?;
    if !is_there {
        return Err(GitError::BadRevision(names::shown(name)));
    }
    work.git("tag").args(["--delete", name]).done().await.map(drop)
}
