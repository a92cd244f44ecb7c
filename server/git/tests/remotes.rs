//! Fetching, pulling and pushing, over files and over `https` with a login.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;
mod gateway;

use coditect_git::wire::Login;
use coditect_protocol::git::*;
use common::{Bench, path};
use gateway::Gateway;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn fetch() -> GitRequest {
    GitRequest::Fetch { remote: String::new(), prune: true }
}

fn pull(rebase: bool) -> GitRequest {
    GitRequest::Pull { remote: String::new(), branch: String::new(), rebase }
}

fn push(set_upstream: bool) -> GitRequest {
    GitRequest::Push(PushRequest { set_upstream, ..PushRequest::default() })
}

fn remote(name: &str, url: &str) -> GitRequest {
    GitRequest::AddRemote { name: name.to_owned(), url: url.to_owned() }
}

fn integrated(how: Integration) -> GitReply {
    GitReply::Integrated(how)
}

/// A bare repository beside the workspace.
fn bare(bench: &Bench) -> String {
    let place = bench.folder.path().join("origin.git");
    bench.git(&["init", "--quiet", "--bare", place.to_str().unwrap()]);
    place.to_str().unwrap().to_owned()
}

/// A commit that somebody else pushes.
fn elsewhere(bench: &Bench, name: &str, content: &str) {
    let other = bench.folder.path().join("other");
    let other = other.to_str().unwrap();
    if !Path::new(other).exists() {
        bench.git(&["clone", "--quiet", bench.folder.path().join("origin.git").to_str().unwrap(), other]);
    }
    bench.git(&["-C", other, "pull", "--quiet"]);
    std::fs::write(Path::new(other).join(name), content).unwrap();
    bench.git(&["-C", other, "add", "."]);
    bench.git(&["-C", other, "commit", "--quiet", "-m", "Elsewhere"]);
    bench.git(&["-C", other, "push", "--quiet"]);
}

fn hook(folder: &Path, name: &str, script: &str) {
    let file = folder.join("hooks").join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn commits_go_there_and_come_back() {
    let mut bench = Bench::with_repository().await;
    let origin = bare(&bench);
    bench.write("a", "1\n");
    bench.commit("First").await;
    assert_eq!(bench.code(push(false)).await, "git.no_upstream");
    assert_eq!(bench.code(pull(false)).await, "git.no_upstream");
    bench.ok(remote("origin", &origin)).await;
    assert_eq!(bench.code(remote("origin", &origin)).await, "git.exists");
    assert_eq!(bench.code(remote("x", "ext::sh -c id")).await, "git.bad_url");
    bench.ok(push(true)).await;
    assert_eq!(bench.status().await.head.upstream.as_deref(), Some("origin/main"));
    elsewhere(&bench, "b", "2\n");
    bench.ok(fetch()).await;
    assert_eq!(bench.status().await.head.behind, 1);
    assert_eq!(bench.ok(pull(false)).await, integrated(Integration::Complete));
    assert_eq!(bench.ok(pull(true)).await, integrated(Integration::UpToDate));
    elsewhere(&bench, "c", "3\n");
    bench.write("d", "4\n");
    bench.commit("Mine").await;
    assert_eq!(bench.code(push(false)).await, "git.diverged");
    assert_eq!(bench.ok(pull(true)).await, integrated(Integration::Complete));
    bench.ok(push(false)).await;
    elsewhere(&bench, "a", "theirs\n");
    bench.write("a", "ours\n");
    bench.commit("Ours").await;
    let conflict = Integration::Conflicts { paths: vec![path("a")] };
    assert_eq!(bench.ok(pull(false)).await, integrated(conflict));
    bench.ok(GitRequest::TakeSide { paths: vec![path("a")], side: Side::Ours }).await;
    bench.ok(GitRequest::ContinueOperation).await;
    hook(Path::new(&origin), "pre-receive", "echo not today; exit 1");
    let problem = bench.call(push(false)).await.unwrap_err();
    assert!(problem.code == "git.rejected" && problem.message.contains("not today"), "{problem}");
    std::fs::remove_file(Path::new(&origin).join("hooks/pre-receive")).unwrap();
    hook(&bench.work().join(".git"), "pre-push", "cat > pushed; echo \"to $1\"; test ! -e no");
    bench.write("no", "");
    let problem = bench.call(push(false)).await.unwrap_err();
    assert!(problem.code == "git.hook_failed" && problem.message.contains("to origin"), "{problem}");
    assert!(bench.content("pushed").starts_with("refs/heads/main "));
    std::fs::remove_file(bench.work().join("no")).unwrap();
    bench.ok(push(false)).await;
    assert_eq!(bench.status().await.head.ahead, 0);
    let missing = GitRequest::Fetch { remote: "nowhere".to_owned(), prune: false };
    assert_eq!(bench.code(missing).await, "git.no_such_remote");
    bench.ok(GitRequest::RemoveRemote { name: "origin".to_owned() }).await;
    assert_eq!(bench.ok(GitRequest::Remotes).await, GitReply::Remotes(Vec::new()));
}

#[tokio::test]
async fn remotes_that_are_away_or_refused_say_so() {
    let mut bench = Bench::with_repository().await;
    bench.ok(remote("far", "https://ada:secret@127.0.0.1:1/x")).await;
    let GitReply::Remotes(list) = bench.ok(GitRequest::Remotes).await else { panic!() };
    assert_eq!(list[0].fetch_url, "https://ada@127.0.0.1:1/x");
    let problem = bench.call(fetch()).await.unwrap_err();
    assert!(problem.code == "git.unreachable" && !problem.message.contains("secret"), "{problem}");
    bench.git(&["remote", "set-url", "far", "ext::sh -c 'touch ran'"]);
    assert_eq!(bench.code(fetch()).await, "git.protocol_refused");
    assert!(!bench.work().join("ran").exists());
    let nothing = bench.folder.path().join("nothing");
    bench.git(&["remote", "set-url", "far", nothing.to_str().unwrap()]);
    assert_eq!(bench.code(fetch()).await, "git.no_such_repository");
}

/// A workspace with one commit, whose remote wants a login.
async fn behind_a_login() -> (Bench, Gateway) {
    let mut bench = Bench::with_repository().await;
    bare(&bench);
    let gateway = Gateway::start(bench.folder.path(), "ada:hidden-4711").await;
    bench.git(&["config", "--global", "http.sslCAInfo", gateway.certificate.to_str().unwrap()]);
    bench.write("a", "1\n");
    bench.commit("First").await;
    bench.ok(remote("origin", &gateway.url("origin.git"))).await;
    (bench, gateway)
}

fn login(name: &str, secret: &str) -> Login {
    Login { username: name.to_owned(), secret: secret.to_owned().into() }
}

#[tokio::test]
async fn a_saved_login_is_sent_where_it_belongs() {
    let (mut bench, gateway) = behind_a_login().await;
    let host = gateway.host();
    let problem = bench.call(push(true)).await.unwrap_err();
    assert_eq!(problem.code, "git.auth_needed");
    assert_eq!(problem.subject.as_ref(), Some(&host), "{problem}");
    bench.logins = Box::new(|_, _| Some(login("ada", "wrong")));
    let problem = bench.call(push(true)).await.unwrap_err();
    assert!(problem.code == "git.auth_refused" && problem.message.contains("refused"), "{problem}");
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    bench.ok(push(true)).await;
    bench.ok(fetch()).await;
    assert_eq!(bench.ok(pull(false)).await, integrated(Integration::UpToDate));
    assert!(bench.asked.iter().all(|asked| *asked == host), "{:?}", bench.asked);
    // Nothing of it stays behind.
    let output =
        std::process::Command::new("grep").args(["-r", "hidden-4711"]).arg(bench.work().join(".git")).output().unwrap();
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let own = format!("coditect-git-{}-", bench.child.id().unwrap());
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(&own)));
}

#[tokio::test]
async fn no_configuration_of_a_repository_leads_a_login_elsewhere() {
    let (mut bench, gateway) = behind_a_login().await;
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    let spy = bench.folder.path().join("spy");
    let spy = format!("!sh -c 'cat >> {}' #", spy.display());
    let base = format!("https://{}", gateway.host());
    // Helpers of all kinds are left out, whichever comes first.
    for key in
        ["credential.helper", &format!("credential.{base}.helper"), &format!("credential.{base}/origin.git.helper")]
    {
        bench.git(&["config", "--add", key, &spy]);
    }
    bench.git(&["config", "core.askPass", "/bin/false"]);
    bench.git(&["config", "core.sshCommand", &spy[1..]]);
    hook(
        &bench.work().join(".git"),
        "reference-transaction",
        &format!("env > {}/hooked", bench.folder.path().display()),
    );
    bench.ok(push(true)).await;
    bench.ok(fetch()).await;
    assert!(
        !bench.folder.path().join("spy").exists(),
        "{:?}",
        std::fs::read_to_string(bench.folder.path().join("spy"))
    );
    assert!(!bench.folder.path().join("hooked").exists());
    let asked = bench.asked.len();
    let certificate = gateway.certificate.to_str().unwrap().to_owned();
    let settings = [
        ("http.proxy".to_owned(), "http://127.0.0.1:1"),
        (format!("http.{base}.sslVerify"), "false"),
        ("http.sslCAInfo".to_owned(), certificate.as_str()),
        (format!("http.{base}/origin.git.curloptResolve"), "x:1:127.0.0.1"),
        ("remote.origin.proxy".to_owned(), ""),
        ("core.alternateRefsCommand".to_owned(), "true"),
    ];
    for (key, value) in settings {
        bench.git(&["config", &key, value]);
        let problem = bench.call(fetch()).await.unwrap_err();
        assert!(["git.unsafe_config", "git.unreachable"].contains(&problem.code.as_str()), "{key}: {problem}");
        bench.git(&["config", "--unset-all", &key]);
    }
    assert_eq!(bench.asked.len(), asked, "nobody was even asked");
    // An include is as much the repository's own.
    bench.write("included", "[http]\n\tsslVerify = false\n");
    bench.git(&["config", "include.path", "../included"]);
    assert_eq!(bench.code(fetch()).await, "git.unsafe_config");
    bench.git(&["config", "--unset-all", "include.path"]);
    // Where the URL is rewritten, the host that is connected with counts.
    bench.git(&["config", &format!("url.{base}/.insteadOf"), "https://good.example/"]);
    bench.git(&["remote", "set-url", "origin", "https://good.example/origin.git"]);
    bench.ok(fetch()).await;
    assert!(bench.asked.iter().all(|asked| *asked == gateway.host()), "{:?}", bench.asked);
}

#[tokio::test]
async fn a_redirect_takes_no_login_along() {
    let (mut bench, gateway) = behind_a_login().await;
    let trap = Gateway::start_redirecting(bench.folder.path(), &gateway.url("")).await;
    let both = [&trap.certificate, &gateway.certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let bundle = bench.folder.path().join("both.pem");
    std::fs::write(&bundle, both).unwrap();
    bench.git(&["config", "--global", "http.sslCAInfo", bundle.to_str().unwrap()]);
    bench.git(&["remote", "set-url", "origin", &trap.url("origin.git")]);
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    let problem = bench.call(fetch()).await.unwrap_err();
    assert_eq!(problem.code, "git.redirected");
    assert!(problem.message.contains(&trap.host()) && problem.message.contains(&gateway.host()), "{problem}");
    assert!(!bench.asked.contains(&gateway.host()), "{:?}", bench.asked);
}

#[tokio::test]
async fn configuration_that_changes_meanwhile_is_not_read() {
    let (mut bench, gateway) = behind_a_login().await;
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    bench.ok(push(true)).await;
    let tools = bench.folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let path = std::env::var("PATH").unwrap();
    // In place of `git`, as the worst moment: what is looked at is harmless, and is not when it is fetched or pushed.
    let real = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|file| file.is_file()).unwrap();
    let (real, config) = (real.display().to_string(), bench.work().join(".git/config"));
    let config = config.display();
    let script = format!(
        "#!/bin/sh\nfor word; do case $word in fetch|push)\n\
         {real} config -f {config} http.proxy http://127.0.0.1:1\n\
         {real} config -f {config} url.https://127.0.0.1:1/.insteadOf https://\n\
         {real} config -f {config} credential.helper '!touch {folder}/asked;'\n;; esac; done\nexec {real} \"$@\"\n",
        folder = bench.folder.path().display(),
    );
    std::fs::write(tools.join("git"), script).unwrap();
    std::fs::set_permissions(tools.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.restart(&format!("{}:{path}", tools.display()));
    let pristine = std::fs::read(bench.work().join(".git/config")).unwrap();
    for request in [fetch(), push(false), pull(false)] {
        bench.ok(request).await;
        let now = std::fs::read_to_string(bench.work().join(".git/config")).unwrap();
        assert!(now.contains("proxy"), "the moment was missed");
        std::fs::write(bench.work().join(".git/config"), &pristine).unwrap();
    }
    assert!(!bench.folder.path().join("asked").exists());
    assert!(bench.told.iter().all(|hosts| *hosts == [gateway.host()]), "{:?}", bench.told);
    assert_eq!(bench.told.len(), 4, "once for each request");
}

#[tokio::test]
async fn a_login_is_kept_from_what_other_urls_start() {
    let (mut bench, _gateway) = behind_a_login().await;
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    bench.ok(push(true)).await;
    bench.asked.clear();
    bench.told.clear();
    bench.write("a", "2\n");
    bench.commit("Second").await;
    let url = bench.git(&["config", "remote.origin.url"]);
    let second = bench.folder.path().join("second.git");
    bench.git(&["init", "--quiet", "--bare", second.to_str().unwrap()]);
    let spied = bench.folder.path().join("spied");
    hook(&second, "pre-receive", &format!("env > {}", spied.display()));
    bench.git(&["config", "--add", "remote.origin.pushurl", second.to_str().unwrap()]);
    bench.git(&["config", "--add", "remote.origin.pushurl", url.trim()]);
    assert_eq!(bench.code(push(false)).await, "git.login_needs_https");
    assert!(bench.asked.is_empty() && bench.told.is_empty(), "{:?} {:?}", bench.asked, bench.told);
    assert!(!std::fs::read_to_string(&spied).unwrap().contains("CODITECT_GIT_ASK"));
}

#[tokio::test]
async fn what_was_fetched_stands_where_git_looks_for_it() {
    let (mut bench, _gateway) = behind_a_login().await;
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    bench.ok(push(true)).await;
    assert_eq!(bench.git(&["config", "branch.main.merge"]).trim(), "refs/heads/main");
    elsewhere(&bench, "b", "2\n");
    // A link in the place of the note must not lead anywhere.
    let precious = bench.folder.path().join("home/precious");
    std::fs::write(&precious, "x").unwrap();
    let note = bench.work().join(".git/FETCH_HEAD");
    let _ = std::fs::remove_file(&note);
    std::os::unix::fs::symlink(&precious, &note).unwrap();
    bench.ok(fetch()).await;
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "x");
    assert!(std::fs::read_to_string(&note).unwrap().contains("branch 'main'"));
    assert_eq!(bench.status().await.head.behind, 1);
    // Also from a work tree beside it, and with references packed.
    bench.git(&["pack-refs", "--all"]);
    bench.git(&["worktree", "add", "--quiet", "side", "-b", "side"]);
    elsewhere(&bench, "c", "3\n");
    let request = GitRequest::Pull { remote: "origin".to_owned(), branch: "main".to_owned(), rebase: false };
    bench.call_in("side", request).await.unwrap();
    assert!(bench.work().join("side/c").exists() && !bench.work().join("c").exists());
    assert_eq!(bench.git(&["rev-parse", "origin/main"]), bench.git(&["rev-parse", "side"]));
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let own = format!("coditect-git-view-{}-", bench.child.id().unwrap());
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(&own)));
}

#[tokio::test]
async fn a_repository_that_was_just_made_fetches_all_there_is() {
    let (mut bench, gateway) = behind_a_login().await;
    bench.logins = Box::new(|_, _| Some(login("ada", "hidden-4711")));
    bench.ok(push(true)).await;
    let url = gateway.url("origin.git");
    std::fs::create_dir(bench.work().join("clone")).unwrap();
    bench.call_in("clone", GitRequest::Init { branch: String::new() }).await.unwrap();
    bench.call_in("clone", remote("origin", &url)).await.unwrap();
    bench.call_in("clone", fetch()).await.unwrap();
    let GitReply::Refs(refs) = bench.call_in("clone", GitRequest::Refs).await.unwrap() else { panic!() };
    assert!(refs.remote_branches.iter().any(|branch| branch.name == "origin/main"), "{refs:?}");
}
