//! Speaking with remotes: which sites a command may log in to, and how.

use coditect_protocol::git::Integration;

use super::{branches, integrate, remotes};
use crate::credential::{self, Desk};
use crate::error::GitError;
use crate::faults;
use crate::limits::{NETWORK_TIME, STALL_SECONDS};
use crate::names;
use crate::repository;
use crate::run::{Call, Outcome};
use crate::serve::{Lane, Turns};
use crate::work::Work;

/// Variables of a repository's own `http` configuration that cannot lead a login elsewhere.
const HARMLESS_HTTP: &[&str] = &[
    "postbuffer",
    "version",
    "lowspeedlimit",
    "lowspeedtime",
    "maxrequests",
    "minsessions",
    "maxrequestbuffer",
    "useragent",
    "noepsv",
    "keepaliveidle",
    "keepaliveinterval",
    "keepalivecount",
];

pub(super) async fn fetch(work: &Work, remote: &str, prune: bool) -> Result<(), GitError> {
    let remotes = match remote {
        "" => work.read(|repository| Ok(repository::remotes(repository))).await?,
        name => vec![remotes::existing(work, name).await?.to_owned()],
    };
    for remote in remotes {
        fetch_one(work, &remote, prune, None).await?;
    }
    Ok(())
}

async fn fetch_one(work: &Work, remote: &str, prune: bool, branch: Option<&str>) -> Result<(), GitError> {
    let url = work.look("ls-remote").args(["--get-url", remote]).whole().await?;
    let urls = vec![String::from_utf8_lossy(&url).trim().to_owned()];
    let call = work
        .git("fetch")
        .args(["--progress", "--recurse-submodules=no", "--no-auto-maintenance"])
        .arg_if(prune, "--prune")
        .arg("--")
        .arg(remote)
        .args(branch.map(|branch| format!("refs/heads/{branch}")));
    speak(work, &urls, call).await.map(drop)
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
    fetch_one(work, &remote, false, Some(&branch)).await?;
    let _local = turns.take(work, Lane::Local).await?;
    let has_commits = work.read(|repository| Ok(repository::head_id(repository)?.is_some())).await?;
    if has_commits && work.look("merge-base").args(["--is-ancestor", "FETCH_HEAD", "HEAD"]).run().await?.ok() {
        return Ok(Integration::UpToDate);
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
pub(super) async fn speak(work: &Work, urls: &[String], call: Call<'_>) -> Result<Outcome, GitError> {
    let call = call
        .told()
        .time(NETWORK_TIME)
        .set("core.hooksPath=/dev/null")
        .set("http.lowSpeedLimit=1")
        .set(format!("http.lowSpeedTime={STALL_SECONDS}"));
    let hosts: Vec<_> = urls.iter().filter_map(|url| names::https_host(url)).collect();
    let (outcome, given, refused_by) = match hosts.is_empty() {
        true => (call.run().await?, false, None),
        false => logged_in(work, &hosts, call).await?,
    };
    if outcome.ok() {
        return Ok(outcome);
    }
    match (faults::of_remote(&outcome, hosts.first().map(String::as_str), given), refused_by) {
        (GitError::AuthNeeded { .. }, Some(key)) => Err(GitError::UnsafeConfig(key)),
        (GitError::AuthNeeded { .. }, None) if hosts.is_empty() => Err(GitError::InsecureLogin),
        (error, _) => super::push::refined(&outcome, error),
    }
}

async fn logged_in(work: &Work, hosts: &[String], call: Call<'_>) -> Result<(Outcome, bool, Option<String>), GitError> {
    let refused_by = unsafe_setting(work).await?;
    // Questions are heard all the same, and not answered.
    let hosts = if refused_by.is_some() { &[] } else { hosts };
    let mut desk = Desk::open()?;
    let [no_other, ours] = credential::settings(&work.settings.helper);
    let (name, folder) = desk.variable();
    let call = call.set(no_other).set(ours).set("credential.useHttpPath=false").env(name, folder);
    let outcome = tokio::select! {
        outcome = call.run() => outcome?,
        () = async { desk.serve(work.id, hosts, &work.asks).await; std::future::pending().await } => {
            return Err(GitError::Internal("the pipe for logins ended".to_owned()));
        }
    };
    Ok((outcome, desk.has_given(), refused_by))
}

/// What the repository's own configuration sets that could lead a login elsewhere: through a proxy, past the check of a
/// certificate, to a program. That of the person is theirs.
async fn unsafe_setting(work: &Work) -> Result<Option<String>, GitError> {
    let output = work.look("config").args(["--list", "--show-scope", "-z"]).whole().await?;
    let mut fields = output.split(|byte| *byte == 0);
    while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
        let key = entry.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let key = String::from_utf8_lossy(key);
        if matches!(scope, b"local" | b"worktree") && is_unsafe(&key) {
            return Ok(Some(names::shown(&key)));
        }
    }
    Ok(None)
}

fn is_unsafe(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let Some((section, rest)) = key.split_once('.') else { return false };
    let variable = rest.rsplit('.').next().unwrap_or_default();
    match section {
        "http" => !HARMLESS_HTTP.contains(&variable),
        "remote" => matches!(variable, "vcs" | "proxy" | "proxyauthmethod"),
        "core" => matches!(variable, "alternaterefscommand" | "gitproxy"),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_lead_a_login_elsewhere_is_known() {
        for key in [
            "http.proxy",
            "http.https://h/.sslVerify",
            "http.sslcainfo",
            "HTTP.CurloptResolve",
            "http.extraHeader",
            "remote.origin.vcs",
            "remote.a.b.proxy",
            "core.alternateRefsCommand",
            "http.somethingnew",
            "http.https://a.b/c.d.cookieFile",
        ] {
            assert!(is_unsafe(key), "{key}");
        }
        for key in [
            "http.postBuffer",
            "http.https://h/.version",
            "remote.origin.url",
            "core.bare",
            "url.x.insteadof",
            "user.name",
        ] {
            assert!(!is_unsafe(key), "{key}");
        }
    }
}
