//! The real program on real repositories, and `git` itself beside it to compare with.
#![allow(dead_code, reason = "each test takes what it needs of it")]

use coditect_git::wire::{self, FromHelper, Login, ToHelper};
use coditect_protocol::git::{GitProgress, GitReply, GitRequest, GitStatus, LogRequest};
use coditect_protocol::{Problem, RelPath};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Who is asked for logins.
pub(crate) type Logins = Box<dyn Fn(&str, Option<&str>) -> Option<Login> + Send>;

/// A workspace with a home beside it, and the program at work in it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    next: u32,
    pub(crate) logins: Logins,
    /// Hosts that were asked for.
    pub(crate) asked: Vec<String>,
    /// Hosts that were told beforehand, by request.
    pub(crate) told: Vec<Vec<String>>,
    pub(crate) progress: Vec<GitProgress>,
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

pub(crate) fn paths(texts: &[&str]) -> Vec<RelPath> {
    texts.iter().map(|text| path(text)).collect()
}

impl Bench {
    /// An empty workspace; the person has a name.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["work", "home"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n";
        std::fs::write(folder.path().join("home/.gitconfig"), config).unwrap();
        let (child, stdin, stdout) = program(folder.path(), None);
        let logins: Logins = Box::new(|_, _| None);
        Self {
            folder,
            child,
            stdin,
            stdout,
            next: 0,
            logins,
            asked: Vec::new(),
            told: Vec::new(),
            progress: Vec::new(),
        }
    }

    /// Starts the program anew, with another `PATH`.
    pub(crate) fn restart(&mut self, path: &str) {
        (self.child, self.stdin, self.stdout) = program(self.folder.path(), Some(path));
    }

    /// With a repository that has nothing in it.
    pub(crate) async fn with_repository() -> Self {
        let mut bench = Self::new();
        bench.ok(GitRequest::Init { branch: String::new() }).await;
        bench
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.work().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    pub(crate) fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.work().join(name)).unwrap()
    }

    /// Runs `git` itself.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> std::process::Output {
        isolated("git", self.folder.path()).as_std_mut().args(args).output().unwrap()
    }

    pub(crate) async fn start(&mut self, repository: &str, request: GitRequest) -> u32 {
        self.next += 1;
        let message = ToHelper::Request { id: self.next, repository: path(repository), request };
        self.send(&message).await;
        self.next
    }

    pub(crate) async fn send(&mut self, message: &ToHelper) {
        self.stdin.write_all(&wire::encode(message).unwrap()).await.unwrap();
    }

    /// The next message that is no question and no progress.
    pub(crate) async fn ended(&mut self) -> (u32, Result<GitReply, Problem>) {
        loop {
            match wire::read(&mut self.stdout).await.unwrap().expect("the program ended") {
                FromHelper::Ended { id, result } => return (id, result),
                FromHelper::Progress { progress, .. } => self.progress.push(progress),
                FromHelper::Hosts { hosts, .. } => self.told.push(hosts),
                FromHelper::Ask { ask, host, username, .. } => {
                    let login = (self.logins)(&host, username.as_deref());
                    self.asked.push(host);
                    self.send(&ToHelper::Login { ask, login }).await;
                }
            }
        }
    }

    /// The first message, whatever it is.
    pub(crate) async fn progressed(&mut self) {
        while self.progress.is_empty() {
            match wire::read(&mut self.stdout).await.unwrap().expect("the program ended") {
                FromHelper::Progress { progress, .. } => self.progress.push(progress),
                FromHelper::Hosts { hosts, .. } => self.told.push(hosts),
                other => panic!("ended before: {other:?}"),
            }
        }
    }

    pub(crate) async fn call_in(&mut self, repository: &str, request: GitRequest) -> Result<GitReply, Problem> {
        let id = self.start(repository, request).await;
        let (ended, result) = self.ended().await;
        assert_eq!(ended, id);
        result
    }

    pub(crate) async fn call(&mut self, request: GitRequest) -> Result<GitReply, Problem> {
        self.call_in("", request).await
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, request: GitRequest) -> impl Future<Output = GitReply> {
        let place = std::panic::Location::caller();
        async move {
            let shown = format!("{request:?}");
            self.call(request).await.unwrap_or_else(|problem| panic!("{place}: {shown}: {problem}"))
        }
    }

    /// The code with which a request fails.
    pub(crate) async fn code(&mut self, request: GitRequest) -> String {
        self.call(request).await.expect_err("it should fail").code
    }

    pub(crate) async fn status(&mut self) -> GitStatus {
        match self.ok(GitRequest::Status).await {
            GitReply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn commit(&mut self, message: &str) -> String {
        let all = GitRequest::Stage { paths: vec![RelPath::root()] };
        self.ok(all).await;
        let request = coditect_protocol::git::CommitRequest { message: message.to_owned(), ..Default::default() };
        match self.ok(GitRequest::Commit(request)).await {
            GitReply::Committed(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn log(&mut self, request: LogRequest) -> Vec<String> {
        match self.ok(GitRequest::Log(request)).await {
            GitReply::Log(log) => log.commits.into_iter().map(|commit| commit.id).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends the program as the server does.
    pub(crate) async fn close(self) -> std::process::ExitStatus {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        child.wait().await.unwrap()
    }
}

fn program(folder: &Path, path: Option<&str>) -> (Child, ChildStdin, ChildStdout) {
    let mut command = isolated(env!("CARGO_BIN_EXE_coditect-git"), folder);
    command.envs(path.map(|path| ("PATH", path)));
    command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, stdin, stdout)
}

/// A program with nothing of this machine's configuration, in the workspace's folder.
pub(crate) fn isolated(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder.join("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .current_dir(folder.join("work"));
    command
}
