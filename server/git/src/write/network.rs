//! Speaking with remotes: which sites a command may log in to, and how.

use coditect_protocol::git::Integration;

use super::view::View;
use super::{branches, identity, integrate, remotes};
use crate::credential::{self, Desk};
use crate::error::GitError;
use crate::faults;
use crate::limits::{NETWORK_TIME, STALL_SECONDS};
use crate::names;
use crate::repository;
use crate::run::{Call, Outcome};
use crate::serve::{Lane, Turns};
use crate::work::Work;

/// What one command speaks with.
pub(super) struct Talk {
    view: View,
    urls: Vec<String>,
    /// Those that it may log in to: none where one of its URLs is no `https`, whose programs could ask for the login as well.
    hosts: Vec<String>,
}

impl Talk {
    pub(super) fn new(view: View, urls: Vec<String>) -> Self {
        let hosts: Option<Vec<_>> = urls.iter().map(|url| names::https_host(url)).collect();
        let mut hosts = hosts.filter(|_| view.refused_by().is_none()).unwrap_or_default();
        hosts.sort_unstable();
        hosts.dedup();
        Self { view, urls, hosts }
    }

    /// The URLs that `git` makes of a remote for fetching.
    async fn of_fetch(work: &Work, remote: &str) -> Result<Self, GitError> {
        let view = View::of(work).await?;
        let url = view.open(work.look("ls-remote")).args(["--get-url", remote]).whole().await?;
        Ok(Self::new(view, vec![String::from_utf8_lossy(&url).trim().to_owned()]))
    }
}

pub(super) async fn fetch(work: &Work, remote: &str, prune: bool) -> Result<(), GitError> {
    let remotes = match remote {
        "" => work.read(|repository| Ok(repository::remotes(repository))).await?,
        name => vec![remotes::existing(work, name).await?.to_owned()],
    };
    let mut talks = Vec::new();
    for remote in remotes {
        talks.push((Talk::of_fetch(work, &remote).await?, remote));
    }
    announce(work, talks.iter().map(|(talk, _)| talk)).await;
    for (talk, remote) in talks {
        fetch_one(work, &talk, &remote, prune, None).await?;
    }
    Ok(())
}

/// Names the sites that the request may log in to, once and before anything speaks with them: the server gives logins for no
/// others.
pub(super) async fn announce(work: &Work, talks: impl Iterator<Item = &Talk>) {
    let mut hosts: Vec<_> = talks.flat_map(|talk| talk.hosts.iter().cloned()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if !hosts.is_empty() {
        work.asks.announce(work.id, hosts).await;
    }
}

async fn fetch_one(work: &Work, talk: &Talk, remote: &str, prune: bool, branch: Option<&str>) -> Result<(), GitError> {
    let call = work
        .git("fetch")
        .args(["--progress", "--recurse-submodules=no", "--no-auto-maintenance"])
        .arg_if(prune, "--prune")
        .arg("--")
        .arg(remote)
        .args(branch.map(|branch| format!("refs/heads/{branch}")));
    speak(work, talk, call).await?;
    Ok(talk.view.take_over()?)
}

pub(super) async fn pull(
    work: &Work,
    turns: &Turns,
    remote: &str,
    branch: &str,
    rebase: bool,
) -> Result<Integration, GitError> {
    // Held to the end: what was fetched is known by a name that the next fetch takes.
    let _network = turns.take(work, Lane::Network).await?;
    let (remote, branch) = source(work, remote, branch).await?;
    if remote == "." {
        let _local = turns.take(work, Lane::Local).await?;
        return match rebase {
            true => integrate::rebase(work, &branch).await,
            false => integrate::merge(work, &branch, false, false).await,
        };
    }
    let talk = Talk::of_fetch(work, &remote).await?;
    announce(work, std::iter::once(&talk)).await;
    fetch_one(work, &talk, &remote, false, Some(&branch)).await?;
    drop(talk);
    let _local = turns.take(work, Lane::Local).await?;
    let has_commits = work.read(|repository| Ok(repository::head_id(repository)?.is_some())).await?;
    if has_commits && work.look("merge-base").args(["--is-ancestor", "FETCH_HEAD", "HEAD"]).run().await?.ok() {
        return Ok(Integration::UpToDate);
    }
    if has_commits && (rebase || !integrate::goes_forward(work, "FETCH_HEAD").await?) {
        identity::required(work).await?;
    }
    let call = match rebase && has_commits {
        true => work.git("rebase").arg("FETCH_HEAD"),
        false => work.git("merge").args(["--ff", "--no-edit", "FETCH_HEAD"]),
    };
    integrate::settle(work, call).await
}

/// The remote and the branch there; what is left out follows from the present branch.
async fn source(work: &Work, remote: &str, branch: &str) -> Result<(String, String), GitError> {
    if !branch.is_empty() {
        names::branch(branch)?;
    }
    let upstream = work
        .read(|repository| {
            let head = repository::head_branch(repository)?;
            Ok(head.map(|head| (repository::upstream(repository, &head), head)))
        })
        .await?;
    let chosen = |branch: &str, otherwise: String| if branch.is_empty() { otherwise } else { branch.to_owned() };
    match (remote, upstream) {
        ("", Some((Some((remote, merge)), _))) => Ok((remote, chosen(branch, merge))),
        ("", Some((None, _))) => Err(GitError::NoUpstream),
        ("", None) => Err(GitError::NoBranch),
        (name, upstream) => {
            let name = remotes::existing(work, name).await?;
            let merge = match upstream {
                Some((Some((remote, merge)), _)) if remote == name => Some(merge),
                Some((_, head)) => Some(head),
                None => None,
            };
            let merge = if branch.is_empty() { merge.ok_or(GitError::NoBranch)? } else { branch.to_owned() };
            Ok((name.to_owned(), merge))
        }
    }
}

/// Runs what speaks with these URLs; while it runs it may ask for logins for their hosts, and no hook runs.
pub(super) async fn speak(work: &Work, talk: &Talk, call: Call<'_>) -> Result<Outcome, GitError> {
    let call = call
        .told()
        .time(NETWORK_TIME)
        .set("core.hooksPath=/dev/null")
        .set("http.lowSpeedLimit=1")
        .set(format!("http.lowSpeedTime={STALL_SECONDS}"));
    let hosts: Vec<_> = talk.urls.iter().filter_map(|url| names::https_host(url)).collect();
    let (outcome, given) = match (talk.hosts.is_empty(), hosts.is_empty()) {
        (false, _) => logged_in(work, talk, call).await?,
        // Nobody is asked, whatever the repository says.
        (true, false) => (call.set("credential.helper=").run().await?, false),
        (true, true) => (call.run().await?, false),
    };
    if outcome.ok() {
        return Ok(outcome);
    }
    match (faults::of_remote(&outcome, &hosts, given), talk.view.refused_by()) {
        (GitError::AuthNeeded { .. }, Some(key)) if !hosts.is_empty() => Err(GitError::UnsafeConfig(key.to_owned())),
        (GitError::AuthNeeded { .. }, _) if talk.hosts.is_empty() => Err(GitError::InsecureLogin),
        (error, _) => super::push::refined(&outcome, error),
    }
}

async fn logged_in(work: &Work, talk: &Talk, call: Call<'_>) -> Result<(Outcome, bool), GitError> {
    let mut desk = Desk::open()?;
    let [no_other, ours] = credential::settings(&work.settings.helper);
    let (name, folder) = desk.variable();
    let call = talk.view.open(call).set(no_other).set(ours).set("credential.useHttpPath=false").env(name, folder);
    let outcome = tokio::select! {
        outcome = call.run() => outcome?,
        () = async { desk.serve(work.id, &talk.hosts, &work.asks).await; std::future::pending().await } => {
            return Err(GitError::Internal("the pipe for logins ended".to_owned()));
        }
    };
    Ok((outcome, desk.has_given()))
}

/// The remote that a branch is pushed to where none is named: the only one, or `origin`.
pub(super) async fn only_remote(work: &Work) -> Result<String, GitError> {
    let remotes = work.read(|repository| Ok(repository::remotes(repository))).await?;
    match remotes.as_slice() {
        [only] => Ok(only.clone()),
        several if several.iter().any(|name| name == "origin") => Ok("origin".to_owned()),
        _ => Err(GitError::NoUpstream),
    }
}

/// The branch that is checked out.
pub(super) async fn present_branch(work: &Work) -> Result<String, GitError> {
    let branch = work.read(repository::head_branch).await?.ok_or(GitError::NoBranch)?;
    branches::known(work, "HEAD").await?;
    Ok(branch)
}
