//! Opening a repository, and what is asked of it everywhere.

use coditect_protocol::RelPath;
use gix::ObjectId;
use gix::sec::Trust;
use std::path::Path;

use crate::error::GitError;
use crate::names;

/// Memory for objects that are read again and again, in bytes.
const OBJECT_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Opens the repository whose work tree begins in the folder, without the configuration of the person or the machine: nothing of
/// what is read here follows from it.
pub(crate) fn open(folder: &Path, name: &RelPath) -> Result<gix::Repository, GitError> {
    let not_here = || GitError::NotARepository(name.clone());
    if folder.join(".git").symlink_metadata().is_err() {
        return Err(not_here());
    }
    let options = gix::open::Options::isolated().with(Trust::Full).open_path_as_is(false);
    let mut repository = gix::open_opts(folder, options).map_err(|error| match folder.join(".git/HEAD").exists() {
        true => GitError::Corrupt(error.to_string()),
        false => not_here(),
    })?;
    let elsewhere = || GitError::WorkTreeElsewhere(name.clone());
    let work_tree = repository.workdir().ok_or_else(not_here)?.canonicalize().map_err(|_| elsewhere())?;
    if work_tree != folder.canonicalize().map_err(|_| not_here())? {
        return Err(elsewhere());
    }
    repository.object_cache_size(OBJECT_CACHE_BYTES);
    Ok(repository)
}

/// The commit that a revision names; `HEAD` where it is empty.
pub(crate) fn commit_id(repository: &gix::Repository, revision: &str) -> Result<ObjectId, GitError> {
    let revision = if revision.is_empty() { "HEAD" } else { names::revision(revision)? };
    if revision == "HEAD" {
        return head_id(repository)?.ok_or(GitError::NoCommits);
    }
    let unknown = || GitError::BadRevision(names::shown(revision));
    let id = repository.rev_parse_single(revision).map_err(|_| unknown())?;
    let commit = id.object().map_err(|_| unknown())?.peel_to_commit().map_err(|_| unknown())?;
    Ok(commit.id)
}

/// The commit that `HEAD` is on; nothing before the first.
pub(crate) fn head_id(repository: &gix::Repository) -> Result<Option<ObjectId>, GitError> {
    let mut head = repository.head()?;
    Ok(head.try_peel_to_id()?.map(gix::Id::detach))
}

/// The name of the branch that `HEAD` is on, also before its first commit.
pub(crate) fn head_branch(repository: &gix::Repository) -> Result<Option<String>, GitError> {
    Ok(repository.head_name()?.map(|name| name.shorten().to_string()))
}

/// The remote's name and the branch there that a branch follows.
pub(crate) fn upstream(repository: &gix::Repository, branch: &str) -> Option<(String, String)> {
    let config = repository.config_snapshot();
    let value = |key: &str| {
        let value = config.plumbing().string_by("branch", Some(branch.into()), key)?;
        Some(value.to_string())
    };
    let (remote, merge) = (value("remote")?, value("merge")?);
    let merge = merge.strip_prefix("refs/heads/")?.to_owned();
    Some((remote, merge))
}

/// Names of the remotes.
pub(crate) fn remotes(repository: &gix::Repository) -> Vec<String> {
    repository.remote_names().iter().map(ToString::to_string).collect()
}
