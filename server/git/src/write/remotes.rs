//! Other places of the repository.

use crate::error::GitError;
use crate::names;
use crate::repository;
use crate::work::Work;

pub(super) async fn add(work: &Work, name: &str, url: &str) -> Result<(), GitError> {
    let (name, url) = (names::remote(name)?, names::url(url)?);
    if existing(work, name).await.is_ok() {
        return Err(GitError::Exists(name.to_owned()));
    }
    work.git("remote").args(["add", "--", name, url]).done().await.map(drop)
}

pub(super) async fn remove(work: &Work, name: &str) -> Result<(), GitError> {
    let name = existing(work, name).await?;
    work.git("remote").args(["remove", name]).done().await.map(drop)
}

/// The name, where there is such a remote: nothing else, a URL or path above all, is one.
pub(super) async fn existing<'a>(work: &Work, name: &'a str) -> Result<&'a str, GitError> {
    let wanted = names::remote(name)?.to_owned();
    let is_there = work.read(move |repository| Ok(repository::remotes(repository).contains(&wanted))).await?;
    if is_there { Ok(name) } else { Err(GitError::NoSuchRemote(name.to_owned())) }
}
