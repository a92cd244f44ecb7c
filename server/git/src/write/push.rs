//! Pushing.

use coditect_protocol::git::PushRequest;
use gix::bstr::ByteSlice as _;
use std::fmt::Write as _;

use super::network::Talk;
use super::view::View;
use super::{network, remotes};
use crate::error::GitError;
use crate::faults;
use crate::names;
use crate::repository;
use crate::run::Outcome;
use crate::work::Work;

/// What goes where.
struct Target {
    remote: String,
    branch: String,
    /// The branch's name there.
    there: String,
}

pub(super) async fn push(work: &Work, request: &PushRequest) -> Result<(), GitError> {
    let PushRequest { set_upstream, force_with_lease, tags, .. } = *request;
    let target = target(work, request).await?;
    let view = View::of(work).await?;
    let urls = view.open(work.look("remote")).args(["get-url", "--push", "--all", &target.remote]).whole().await?;
    let urls: Vec<_> = String::from_utf8_lossy(&urls).lines().map(str::to_owned).collect();
    ask_hook(work, &target, urls.first().map_or("", String::as_str), tags).await?;
    let talk = Talk::new(view, urls);
    network::announce(work, std::iter::once(&talk)).await;
    let Target { remote, branch, there } = &target;
    let call = work
        .git("push")
        .args(["--progress", "--porcelain", "--recurse-submodules=no", "--no-signed", "--no-verify"])
        .arg_if(force_with_lease, "--force-with-lease")
        .arg_if(tags, "--tags")
        .args(["--", remote])
        .arg(format!("refs/heads/{branch}:refs/heads/{there}"));
    network::speak(work, &talk, call).await?;
    if set_upstream {
        follow(work, &target).await?;
    }
    Ok(())
}

/// Has the branch follow the one that it was pushed to. Not `git push`'s to do, which may not see the configuration.
async fn follow(work: &Work, Target { remote, branch, there }: &Target) -> Result<(), GitError> {
    for (variable, value) in [("remote", remote.clone()), ("merge", format!("refs/heads/{there}"))] {
        let key = format!("branch.{branch}.{variable}");
        work.git("config").args(["--replace-all", &key, &value]).done().await?;
    }
    Ok(())
}

async fn target(work: &Work, request: &PushRequest) -> Result<Target, GitError> {
    let branch = match request.branch.as_str() {
        "" => network::present_branch(work).await?,
        name => names::branch(name)?.to_owned(),
    };
    let name = branch.clone();
    let (exists, upstream) = work
        .read(move |repository| {
            let exists = repository.try_find_reference(format!("refs/heads/{name}").as_str())?.is_some();
            Ok((exists, repository::upstream(repository, &name)))
        })
        .await?;
    if !exists {
        return Err(GitError::BadRevision(names::shown(&branch)));
    }
    let remote = match (request.remote.as_str(), &upstream) {
        ("", Some((remote, _))) if remote != "." => remote.clone(),
        ("", _) if request.set_upstream => network::only_remote(work).await?,
        ("", _) => return Err(GitError::NoUpstream),
        (name, _) => name.to_owned(),
    };
    remotes::existing(work, &remote).await?;
    let there = match upstream {
        Some((upstream, merge)) if upstream == remote => merge,
        _ => branch.clone(),
    };
    Ok(Target { remote, branch, there })
}

/// Asks the hook that may refuse a push, before any login is near: what it runs could take one.
async fn ask_hook(work: &Work, target: &Target, url: &str, tags: bool) -> Result<(), GitError> {
    let Target { remote, branch, there } = target;
    let (local, tracking) = (format!("refs/heads/{branch}"), format!("refs/remotes/{remote}/{there}"));
    let there = there.clone();
    let lines = work
        .read(move |repository| {
            let nothing = repository.object_hash().null().to_string();
            let id = |name: &str| -> Result<Option<String>, GitError> {
                let reference = repository.try_find_reference(name)?;
                Ok(reference.and_then(|reference| Some(reference.try_id()?.to_string())))
            };
            let ours = id(&local)?.ok_or(GitError::NoCommits)?;
            let theirs = id(&tracking)?.unwrap_or_else(|| nothing.clone());
            let mut lines = format!("{local} {ours} refs/heads/{there} {theirs}\n");
            for tag in repository.references()?.tags()?.flatten().filter(|_| tags) {
                let (name, Some(id)) = (tag.name().as_bstr().to_str_lossy(), tag.try_id()) else { continue };
                let _ = writeln!(lines, "{name} {id} {name} {nothing}");
            }
            Ok(lines)
        })
        .await?;
    let call = work.git("hook").args(["run", "--ignore-missing", "--to-stdin=/dev/stdin", "pre-push", "--"]);
    let outcome = call.args([remote.as_str(), url]).stdin(lines.into_bytes()).told().run().await?;
    if outcome.ok() { Ok(()) } else { Err(GitError::HookFailed(faults::told(&outcome.words()))) }
}

/// What became of each branch and tag says more than the messages: `!\t<from>:<to>\t[rejected] (fetch first)`.
pub(super) fn refined(outcome: &Outcome, error: GitError) -> Result<Outcome, GitError> {
    let output = String::from_utf8_lossy(&outcome.stdout);
    let refused = output.lines().filter_map(|line| line.strip_prefix("!\t")?.split('\t').nth(1)).collect::<Vec<_>>();
    let behind = ["fetch first", "non-fast-forward", "stale info", "needs force", "remote ref updated since checkout"];
    if refused.iter().any(|reason| behind.iter().any(|word| reason.contains(word))) {
        return Err(GitError::Diverged);
    }
    let Some(reason) = refused.first() else { return Err(error) };
    let said: Vec<_> =
        outcome.messages.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim).collect();
    let said = said.join("\n");
    Err(GitError::Rejected(if said.is_empty() { (*reason).to_owned() } else { format!("{reason}\n{said}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let check = |stdout: &str, messages: &str, expected: GitError| {
            let (stdout, messages) = (stdout.as_bytes().to_vec(), messages.to_owned());
            let outcome = Outcome { code: Some(1), stdout, messages, cut: false };
            assert_eq!(refined(&outcome, GitError::Busy).unwrap_err(), expected);
        };
        let line = |reason: &str| format!("To h\n!\trefs/heads/a:refs/heads/a\t{reason}\nDone\n");
        check(&line("[rejected] (fetch first)"), "", GitError::Diverged);
        check(&line("[rejected] (stale info)"), "", GitError::Diverged);
        let declined = "[remote rejected] (pre-receive hook declined)";
        check(&line(declined), "remote: not today", GitError::Rejected(format!("{declined}\nnot today")));
        check("", "", GitError::Busy);
    }
}
