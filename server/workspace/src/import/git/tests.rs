use super::*;
use crate::needs;
use coditect_protocol::{Coded, UserId, WorkspaceId};
use coditect_sandbox::{SandboxMode, SandboxSettings};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

mod walls;

/// A repository with one commit, and a hook and a configuration that would betray themselves if they ran.
fn repository(folder: &Path) -> PathBuf {
    let path = folder.join("repo");
    let git = |args: &[&str]| {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(args)
            .current_dir(if path.exists() { &path } else { folder })
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
    };
    git(&["init", "repo"]);
    std::fs::write(path.join("README.md"), "hello").unwrap();
    git(&["add", "."]);
    git(&["commit", "-m", "first"]);
    path
}

struct Run {
    dir: TempDir,
    settings: ImportSettings,
    sandboxes: Sandboxes,
}

impl Run {
    async fn new() -> Self {
        Self::behind(SandboxMode::None, |_| {}).await.unwrap()
    }

    async fn behind(mode: SandboxMode, change: impl FnOnce(&mut SandboxSettings)) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir_all(dir.path().join("open")).unwrap();
        std::fs::create_dir_all(dir.path().join("closed")).unwrap();
        let settings = ImportSettings {
            import_paths: vec![dir.path().join("open")],
            allow_http: true,
            allow_private_hosts: true,
            ..ImportSettings::default()
        };
        let mut sandboxes = needs::sandbox_settings(dir.path(), mode);
        change(&mut sandboxes);
        let sandboxes = needs::sandboxes(sandboxes).await?;
        Some(Self { dir, settings, sandboxes })
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("target")
    }

    async fn clone_with(&self, address: &str, cancel: &CancellationToken) -> Result<(), WorkspaceError> {
        let address = GitAddress::parse(address, &self.settings)?;
        let (progress, _) = watch::channel(Progress::step(""));
        let cloning = Cloning {
            sandboxes: &self.sandboxes,
            id: SandboxId { person: UserId(Uuid::new_v4()), workspace: WorkspaceId(Uuid::new_v4()) },
            address: &address,
            target: &self.target(),
            work: self.dir.path().join("work"),
            files: Vec::new(),
        };
        let result = clone(cloning, &self.settings, &progress, cancel).await;
        if result.is_err() {
            // As whoever fills a workspace does; what is not empty stays to be seen.
            let _ = std::fs::remove_dir(self.target());
        }
        result
    }

    async fn clone(&self, address: &str) -> Result<(), WorkspaceError> {
        self.clone_with(address, &CancellationToken::new()).await
    }

    /// A program that stands in for git.
    fn pretend(&mut self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join("pretend-git");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.settings.git_program = path;
    }
}

#[tokio::test]
async fn clones_from_an_open_folder() {
    let run = Run::new().await;
    let source = repository(&run.dir.path().join("open"));
    run.clone(&source.display().to_string()).await.unwrap();
    assert_eq!(std::fs::read_to_string(run.target().join("README.md")).unwrap(), "hello");
    assert_eq!(std::fs::read_dir(run.target().join(".git/hooks")).map_or(0, Iterator::count), 0);
    assert!(!run.target().join(".git/objects/info/alternates").exists());
}

#[tokio::test]
async fn no_other_path_is_cloned() {
    let run = Run::new().await;
    let source = repository(&run.dir.path().join("closed"));
    std::os::unix::fs::symlink(&source, run.dir.path().join("open/link")).unwrap();
    let open = run.dir.path().join("open");
    for path in [source, open.join("link"), open.join("../closed/repo"), open.join("none"), "/".into()] {
        assert_eq!(run.clone(&path.display().to_string()).await.unwrap_err().code(), "import.path_refused", "{path:?}");
    }
    assert!(!run.target().exists());
}

#[tokio::test]
async fn no_repository_leads_out_of_its_folder() {
    let run = Run::new().await;
    let (open, closed) = (run.dir.path().join("open"), run.dir.path().join("closed"));
    let secret = repository(&closed);
    let git_dir = secret.join(".git");
    let refused = async |what: &str, path: &Path| {
        assert_eq!(run.clone(&path.display().to_string()).await.unwrap_err().code(), "import.path_refused", "{what}");
        assert!(!run.target().exists(), "{what}");
    };
    let folder = |name: &str| {
        let path = open.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let link = folder("link");
    std::os::unix::fs::symlink(&git_dir, link.join(".git")).unwrap();
    refused("a link", &link).await;
    for (name, text) in [("absolute", git_dir.display().to_string()), ("relative", "../../closed/repo/.git".to_owned())]
    {
        let path = folder(name);
        std::fs::write(path.join(".git"), format!("gitdir: {text}\n")).unwrap();
        refused(name, &path).await;
    }
    let worktree = folder("worktree");
    std::fs::create_dir(worktree.join(".git")).unwrap();
    std::fs::copy(git_dir.join("HEAD"), worktree.join(".git/HEAD")).unwrap();
    std::fs::write(worktree.join(".git/commondir"), "../../../closed/repo/.git").unwrap();
    refused("a worktree", &worktree).await;
    let own = repository(&open);
    for (name, target) in
        [("objects/info/alternates", "objects"), ("objects/pack/linked", "HEAD"), ("objects/fe", "refs")]
    {
        let place = own.join(".git").join(name);
        if name.ends_with("alternates") {
            std::fs::write(&place, format!("{}\n", git_dir.join(target).display())).unwrap();
        } else {
            let _ = std::fs::remove_dir_all(&place);
            std::os::unix::fs::symlink(git_dir.join(target), &place).unwrap();
        }
        refused(name, &own).await;
        std::fs::remove_file(&place).unwrap();
    }
    std::os::unix::fs::symlink(&git_dir, own.join(".git/.git")).unwrap();
    refused("a repository in git's own folder", &own).await;
    std::fs::remove_file(own.join(".git/.git")).unwrap();
    // What git would guess from the name of a folder that is no repository.
    let guessed = folder("guessed");
    std::os::unix::fs::symlink(&secret, open.join("guessed.git")).unwrap();
    assert_eq!(run.clone(&guessed.display().to_string()).await.unwrap_err().code(), "import.git_failed");
    // And what stays inside is cloned, through a worktree and borrowed objects too.
    let git = |args: &[&str]| {
        let done = std::process::Command::new("git").args(args).current_dir(&own).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["worktree", "add", "../tree"]);
    git(&["clone", "--shared", "--bare", ".", "../borrows"]);
    for name in ["repo", "tree", "borrows"] {
        run.clone(&open.join(name).display().to_string()).await.unwrap();
        assert_eq!(std::fs::read_to_string(run.target().join("README.md")).unwrap(), "hello", "{name}");
        std::fs::remove_dir_all(run.target()).unwrap();
    }
}

#[tokio::test]
async fn forbidden_folders_are_refused_in_open_ones() {
    let mut run = Run::new().await;
    let open = run.dir.path().join("open");
    let source = repository(&open);
    for forbidden in [open.clone(), source.clone(), source.join(".git"), source.join(".git/objects")] {
        run.settings.forbidden_paths = vec![forbidden];
        let error = run.clone(&source.display().to_string()).await.unwrap_err();
        assert_eq!(error.code(), "import.path_refused", "{:?}", run.settings.forbidden_paths);
    }
    run.settings.forbidden_paths = vec![open.join("rep"), open.join("repo/none")];
    run.clone(&source.display().to_string()).await.unwrap();
}

#[tokio::test]
async fn errors_do_not_tell_the_servers_places() {
    let mut run = Run::new().await;
    let source = repository(&run.dir.path().join("open"));
    let alias = run.dir.path().join("alias");
    std::os::unix::fs::symlink(&source, &alias).unwrap();
    run.pretend("for last; do :; done; echo \"fatal: $last and $HOME/x and $(dirname $last)/y: $7\" >&2; exit 1");
    let error = run.clone(&alias.display().to_string()).await.unwrap_err().to_string();
    assert!(error.contains("the workspace and the server/x and the server/y"), "{error}");
    assert!(!error.contains(&run.target().display().to_string()) && !error.contains("open/repo"), "{error}");
}

#[tokio::test]
async fn git_is_bounded_as_all_programs_are() {
    let change = |settings: &mut SandboxSettings| {
        settings.limits.memory_bytes = 1 << 30;
        settings.limits.open_files = 200;
    };
    let mut run = Run::behind(SandboxMode::None, change).await.unwrap();
    std::fs::create_dir(run.dir.path().join("open/x")).unwrap();
    run.pretend("echo \"fatal: memory $(ulimit -d) files $(ulimit -n) dumps $(ulimit -c)\" >&2; exit 1");
    let error = run.clone(&run.dir.path().join("open/x").display().to_string()).await.unwrap_err().to_string();
    assert!(error.contains("memory 1048576 files 200 dumps 0"), "{error}");
}

#[tokio::test]
async fn failures_give_gits_reason_without_secrets() {
    let run = Run::new().await;
    // A port where nothing listens: bound by us, never accepted from, then closed.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = run.clone(&format!("http://me:topsecret@127.0.0.1:{port}/x.git")).await.unwrap_err();
    assert_eq!(error.code(), "import.git_failed");
    assert!(!error.to_string().contains("topsecret") && error.to_string().contains("fatal"), "{error}");
    std::fs::create_dir(run.dir.path().join("open/empty")).unwrap();
    let error = run.clone(&run.dir.path().join("open/empty").display().to_string()).await.unwrap_err();
    assert_eq!(error.code(), "import.git_failed");
}

#[tokio::test]
async fn credentials_and_configuration_go_by_file_not_by_argument() {
    let mut run = Run::new().await;
    run.pretend(
        "echo \"fatal: $* | $(env | sort | tr '\\n' ' ') | $(tr '\\n' ' ' < \"$GIT_CONFIG_GLOBAL\")\" >&2; exit 1",
    );
    let error = run.clone("https://me:top%73ecret@localhost:1/x.git").await.unwrap_err().to_string();
    assert!(!error.contains("topsecret") && !error.contains("top%73ecret"), "{error}");
    let encoded = base64::engine::general_purpose::STANDARD.encode("me:topsecret");
    assert!(error.contains(&encoded), "{error}");
    let expected = [
        "curloptResolve = localhost:1:",
        "followRedirects = false",
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ALLOW_PROTOCOL=https:http",
    ];
    for part in expected {
        assert!(error.contains(part), "{part} in {error}");
    }
    let secret_of_the_server = std::env::vars().find(|(name, _)| name.starts_with("CARGO_")).unwrap().0;
    assert!(!error.contains(&secret_of_the_server), "{error}");
    let error = run.clone("git@localhost:x/y").await.unwrap_err().to_string();
    assert!(error.contains("HostKeyAlias=localhost") && error.contains("BatchMode=yes"), "{error}");
    assert!(!run.dir.path().join("work").exists());
}

#[tokio::test]
async fn cancelling_ends_git_and_all_it_started() {
    let mut run = Run::new().await;
    std::fs::create_dir(run.dir.path().join("open/x")).unwrap();
    let pid_file = run.dir.path().join("pid");
    // The helper outlives its parent unless the whole group is ended; it keeps standard error open.
    run.pretend(&format!("sleep 1000 & echo $! > {0}.tmp; mv {0}.tmp {0}; wait", pid_file.display()));
    let run = Arc::new(run);
    let cancel = CancellationToken::new();
    let task = tokio::spawn({
        let (run, cancel) = (Arc::clone(&run), cancel.clone());
        async move { run.clone_with(&run.dir.path().join("open/x").display().to_string(), &cancel).await }
    });
    let pid = loop {
        if let Ok(text) = std::fs::read_to_string(&pid_file) {
            break text.trim().to_owned();
        }
        assert!(!task.is_finished());
        tokio::task::yield_now().await;
    };
    cancel.cancel();
    assert_eq!(task.await.unwrap().unwrap_err().code(), "import.cancelled");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !is_gone() {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_clone_that_takes_too_long_is_given_up() {
    let mut run = Run::new().await;
    std::fs::create_dir(run.dir.path().join("open/x")).unwrap();
    run.pretend("sleep 1000");
    run.settings.clone_timeout = Duration::from_millis(50);
    let error = run.clone(&run.dir.path().join("open/x").display().to_string()).await.unwrap_err();
    assert_eq!(error.code(), "import.timeout");
}

#[tokio::test]
async fn a_missing_git_is_named() {
    let mut run = Run::new().await;
    repository(&run.dir.path().join("open"));
    run.settings.git_program = run.dir.path().join("no-git");
    let error = run.clone(&run.dir.path().join("open/repo").display().to_string()).await.unwrap_err();
    assert_eq!(error.code(), "import.git_missing");
}

#[tokio::test]
async fn progress_is_read_from_gits_messages() {
    let check = |text: &str, step: &str, percent: Option<u8>| {
        assert_eq!(parse_progress(text), Some(Progress { step: step.to_owned(), percent }));
    };
    check("remote: Counting objects:  12% (3/25)", "Counting objects", Some(12));
    check("Receiving objects: 100% (25/25), 1.2 MiB | 3 MiB/s, done.", "Receiving objects", Some(100));
    check("remote: Enumerating objects: 25, done.", "Enumerating objects", None);
    assert_eq!(parse_progress("Cloning into 'x'..."), None);
    assert_eq!(parse_progress("remote: Resolving: 999% of your problems").unwrap().percent, None);
    let (sender, receiver) = watch::channel(Progress::step(""));
    let mut last = String::new();
    let long = "x".repeat(100_000);
    let text =
        format!("Cloning\nReceiving objects:  5%\rReceiving objects:  6%\r{long}\nfatal: no\x1b[31m way\nhint: try\n");
    follow(text.as_bytes(), &sender, &Places(Vec::new()), &mut last).await;
    assert_eq!((last.as_str(), receiver.borrow().percent), ("fatal: no[31m way", Some(6)));
}

#[test]
fn size_is_bounded() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/b"), vec![0; 100_000]).unwrap();
    let check = |max_unpacked_bytes, max_entries| {
        let settings = ImportSettings { max_unpacked_bytes, max_entries, ..ImportSettings::default() };
        size_allowed(dir.path(), &settings).map_err(|error| error.to_string())
    };
    assert_eq!(check(1_000_000, 2), Ok(()));
    assert!(check(99_999, 2).unwrap_err().contains("99999 bytes"));
    assert!(check(1_000_000, 1).unwrap_err().contains("1 entries"));
}
