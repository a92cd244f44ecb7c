//! Putting changes aside.

use coditect_protocol::git::{Integration, MAX_MESSAGE_BYTES};

use super::integrate;
use crate::error::GitError;
use crate::read::stashes;
use crate::work::Work;

pub(super) async fn push(work: &Work, message: &str, untracked: bool, keep_index: bool) -> Result<(), GitError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(GitError::TooLarge { limit: MAX_MESSAGE_BYTES as u64 });
    }
    let before = newest(work).await?;
    let call = work
        .git("stash")
        .arg("push")
        .arg_if(untracked, "--include-untracked")
        .arg_if(keep_index, "--keep-index")
        .told();
    let call = match message.trim() {
        "" => call,
        words => call.arg(format!("--message={}", words.replace(['\n', '\r'], " "))),
    };
    let outcome = call.run().await?;
    if !outcome.ok() {
        return Err(super::commit::named(work, crate::faults::of(&outcome)).await);
    }
    if newest(work).await? == before { Err(GitError::NothingToStash) } else { Ok(()) }
}

async fn newest(work: &Work) -> Result<Option<String>, GitError> {
    work.read(|repository| {
        let stash = repository.try_find_reference("refs/stash")?;
        Ok(stash.and_then(|stash| Some(stash.try_id()?.to_string())))
    })
    .await
}

pub(super) async fn apply(work: &Work, index: u32, pop: bool) -> Result<Integration, GitError> {
    let name = existing(work, index).await?;
    integrate::settle(work, work.git("stash").args([if pop { "pop" } else { "apply" }, &name])).await
}

pub(super) async fn forget(work: &Work, index: u32) -> Result<(), GitError> {
    let name = existing(work, index).await?;
    work.git("stash").args(["drop", "--quiet", &name]).done().await.map(drop)
}

async fn existing(work: &Work, index: u32) -> Result<String, GitError> {
    let is_there = stashes(work).await?.iter().any(|stash| stash.index == index);
    if is_there { Ok(format!("stash@{{{index}}}")) } else { Err(GitError::NoSuchStash) }
}
