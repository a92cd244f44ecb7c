//! Branches, tags and remotes.

use coditect_protocol::git::{GitBranch, GitRefs, GitRemote, GitTag};
use gix::bstr::ByteSlice as _;
use gix::remote::Direction;

use super::commit;
use crate::error::GitError;
use crate::limits::MAX_REFS;
use crate::{names, repository};

pub(super) fn refs(repository: &gix::Repository) -> Result<GitRefs, GitError> {
    let head = repository.head_name()?;
    let mut refs = GitRefs::default();
    let mut tags = Vec::new();
    let all = repository.references()?;
    // One that is broken hides none of the others.
    for mut reference in all.local_branches()?.flatten().take(MAX_REFS) {
        let upstream = reference.remote_tracking_ref_name(Direction::Fetch);
        let upstream = upstream.and_then(Result::ok).map(|name| name.shorten().to_str_lossy().into_owned());
        let current = head.as_ref().is_some_and(|head| head.as_ref() == reference.name());
        refs.branches.extend(branch(&mut reference).map(|branch| GitBranch { upstream, current, ..branch }));
    }
    for mut reference in all.remote_branches()?.flatten().take(MAX_REFS) {
        // `origin/HEAD` names another one.
        if !reference.name().as_bstr().ends_with_str("/HEAD") {
            refs.remote_branches.extend(branch(&mut reference));
        }
    }
    for mut reference in all.tags()?.flatten().take(MAX_REFS) {
        let name = reference.name().shorten().to_str_lossy().into_owned();
        let Ok(id) = reference.peel_to_id() else { continue };
        let at =
            id.object().ok().and_then(|object| object.try_into_commit().ok()?.time().ok()).map(|time| time.seconds);
        tags.push((at, GitTag { name, commit: id.to_string() }));
    }
    for branches in [&mut refs.branches, &mut refs.remote_branches] {
        branches
            .sort_by(|one, other| other.committed_at.cmp(&one.committed_at).then_with(|| one.name.cmp(&other.name)));
    }
    tags.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| other.1.name.cmp(&one.1.name)));
    refs.tags = tags.into_iter().map(|(_, tag)| tag).collect();
    Ok(refs)
}

fn branch(reference: &mut gix::Reference<'_>) -> Option<GitBranch> {
    let name = reference.name().shorten().to_str_lossy().into_owned();
    let commit = reference.peel_to_commit().ok()?;
    let decoded = commit.decode().ok()?;
    Some(GitBranch {
        name,
        commit: commit.id.to_string(),
        summary: commit::summary(&decoded.message.trim_start().to_str_lossy()),
        committed_at: commit::milliseconds(&decoded.committer().ok()?),
        upstream: None,
        current: false,
    })
}

/// The remotes that the repository's own configuration names, by name.
pub(super) fn remotes(repository: &gix::Repository) -> Vec<GitRemote> {
    let config = repository.config_snapshot();
    let tell = |name: String| {
        let value = |key: &str| config.plumbing().string_by("remote", Some(name.as_str().into()), key);
        let fetch = names::without_password(&value("url")?.to_str_lossy());
        let push = value("pushurl").map(|url| names::without_password(&url.to_str_lossy()));
        Some(GitRemote { push_url: push.unwrap_or_else(|| fetch.clone()), fetch_url: fetch, name })
    };
    repository::remotes(repository).into_iter().filter_map(tell).collect()
}
