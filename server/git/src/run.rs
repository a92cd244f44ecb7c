//! Running `git`: one command with its arguments, what it wrote, and its end, whatever happens.

use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::error::GitError;
use crate::faults;
use crate::filters;
use crate::limits::{DRAIN_GRACE, END_GRACE, LOCK_WAITS, MAX_OUTPUT_BYTES, READING_TIME, TOLD_BYTES, WRITING_TIME};
use crate::progress::Lines;
use crate::wall;
use crate::work::Work;

/// What is always set: no colours, no questions, no name of a committer that git makes up.
const ALWAYS: &[&str] = &[
    "color.ui=false",
    "core.askPass=",
    "user.useConfigOnly=true",
    "log.showSignature=false",
    "advice.waitingForEditor=false",
];
/// What is set for reading: nothing that the repository names is run, and no submodule is entered, which has a configuration of its own.
const READING: &[&str] =
    &["core.fsmonitor=false", "core.hooksPath=/dev/null", "status.submoduleSummary=false", "submodule.recurse=false"];
/// Commands that are given paths, which are never patterns. The others use patterns of their own.
const WITH_PATHS: &[&str] = &["add", "blame", "checkout", "clean", "diff", "log", "ls-files", "reset", "restore", "rm"];
/// Transports that may be used, whatever the configuration says.
const PROTOCOLS: &str = "file:git:http:https:ssh";
/// What reading may use: nothing has this name. A repository may leave objects out, to be fetched when they are first looked at,
/// by programs that it names.
const NO_PROTOCOL: &str = "none";

/// Bytes of messages that are taken at once.
const READ_BYTES: usize = 4096;

/// How `git` ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    /// The last lines of its messages.
    pub(crate) messages: String,
    /// It wrote more than was taken, and was ended.
    pub(crate) cut: bool,
}

impl Outcome {
    pub(crate) fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Its messages with the beginning of its output, where commands say their reasons too.
    pub(crate) fn words(&self) -> String {
        let head = &self.stdout[..self.stdout.len().min(TOLD_BYTES)];
        let output = String::from_utf8_lossy(head);
        format!("{}\n{}", self.messages, output.trim_end())
    }
}

/// A command of `git` that is being put together.
pub(crate) struct Call<'a> {
    work: &'a Work,
    reading: bool,
    settings: Vec<String>,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    stdin: Vec<u8>,
    limit: usize,
    time: Duration,
    told: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn writing(work: &'a Work, command: &str) -> Self {
        Self {
            work,
            reading: false,
            settings: Vec::new(),
            args: vec![command.into()],
            env: Vec::new(),
            stdin: Vec::new(),
            limit: MAX_OUTPUT_BYTES,
            time: WRITING_TIME,
            told: false,
        }
    }

    pub(crate) fn reading(work: &'a Work, command: &str) -> Self {
        Self { reading: true, time: READING_TIME, ..Self::writing(work, command) }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn arg_if(self, condition: bool, arg: &str) -> Self {
        if condition { self.arg(arg) } else { self }
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets `name=value` of git's configuration for this command.
    pub(crate) fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Bytes of output that are taken.
    pub(crate) const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    pub(crate) const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Tells its messages as progress.
    pub(crate) const fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Runs it. A lock that another `git` holds is waited for a little.
    pub(crate) async fn run(mut self) -> Result<Outcome, GitError> {
        if self.reading && self.args.first().is_some_and(|command| filters::concern(command)) {
            let off = Box::pin(filters::switched_off(self.work)).await?;
            self.env.extend(off.into_iter().map(|(name, value)| (name, OsString::from_vec(value))));
        }
        let mut waits = LOCK_WAITS.iter();
        loop {
            let outcome = self.once().await?;
            let is_locked = !outcome.ok() && faults::is_locked(&outcome.messages);
            match waits.next() {
                Some(wait) if is_locked => tokio::select! {
                    () = tokio::time::sleep(*wait) => {}
                    () = self.work.cancel.cancelled() => return Err(GitError::Cancelled),
                },
                _ => return Ok(outcome),
            }
        }
    }

    /// Runs it; an end that is not good is an error.
    pub(crate) async fn done(self) -> Result<Outcome, GitError> {
        let outcome = self.run().await?;
        if outcome.ok() || outcome.cut { Ok(outcome) } else { Err(faults::of(&outcome)) }
    }

    /// Runs it; what it wrote, which must be the whole.
    pub(crate) async fn whole(self) -> Result<Vec<u8>, GitError> {
        let limit = self.limit as u64;
        let outcome = self.done().await?;
        if outcome.cut { Err(GitError::TooLarge { limit }) } else { Ok(outcome.stdout) }
    }

    async fn once(&self) -> Result<Outcome, GitError> {
        // What changes something waits for its turn elsewhere, and may take hours.
        let _room = match self.reading {
            true => Some(self.work.room.acquire().await.map_err(|_| GitError::Cancelled)?),
            false => None,
        };
        let mut child = self.spawn().await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if self.work.folder.is_dir() => GitError::Missing,
            std::io::ErrorKind::NotFound => GitError::NotARepository(self.work.repository.clone()),
            _ => error.into(),
        })?;
        let mut group = Group::of(&child);
        let ended = tokio::select! {
            outcome = self.follow(&mut child) => outcome,
            () = self.work.cancel.cancelled() => Err(GitError::Cancelled),
            () = tokio::time::sleep(self.time) => Err(GitError::Timeout { seconds: self.time.as_secs() }),
        };
        match &ended {
            Ok(outcome) if !outcome.cut => group.0 = None,
            _ => group.end(&mut child).await,
        }
        ended
    }

    async fn spawn(&self) -> std::io::Result<Child> {
        if !self.reading {
            return self.command(Path::new(&self.work.settings.program)).spawn();
        }
        let program = wall::find(&self.work.settings.program)?;
        wall::spawn(self.command(&program), program).await
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") || name == "LANGUAGE" {
                command.env_remove(name);
            }
        }
        command.arg("--no-pager");
        if self.args.first().is_some_and(|name| WITH_PATHS.iter().any(|command| name == command)) {
            command.arg("--literal-pathspecs");
        }
        let reading = if self.reading { READING } else { &[] };
        for setting in ALWAYS.iter().chain(reading).copied().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command
            .args(&self.args)
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS", "")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_EDITOR", "true")
            .env("GIT_SEQUENCE_EDITOR", "true")
            .env("GIT_PAGER", "cat")
            .env("GIT_ALLOW_PROTOCOL", if self.reading { NO_PROTOCOL } else { PROTOCOLS })
            .env("GIT_NO_LAZY_FETCH", if self.reading { "1" } else { "0" })
            .env("GIT_CEILING_DIRECTORIES", self.work.folder.parent().unwrap_or(Path::new("/")))
            .env("GIT_OPTIONAL_LOCKS", if self.reading { "0" } else { "1" })
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.work.folder)
            .stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Feeds it, takes what it writes, waits for its end.
    async fn follow(&self, child: &mut Child) -> Result<Outcome, GitError> {
        let no_stream = || GitError::Internal("git has no standard streams".to_owned());
        let stdin = child.stdin.take();
        let output = child.stdout.take().ok_or_else(no_stream)?;
        let errors = child.stderr.take().ok_or_else(no_stream)?;
        let (mut stdout, mut lines, mut cut) = (Vec::new(), Lines::default(), false);
        let exited = CancellationToken::new();
        let streams = async {
            tokio::join!(
                async {
                    if let Some(mut stdin) = stdin {
                        // It may end before it has read everything.
                        let _ = stdin.write_all(&self.stdin).await;
                    }
                },
                async {
                    cut = collect(output, &mut stdout, self.limit).await;
                    if cut {
                        exited.cancel();
                    }
                },
                self.tell(errors, &mut lines),
            );
        };
        let reading = async {
            tokio::select! {
                () = streams => {}
                () = async { exited.cancelled().await; tokio::time::sleep(DRAIN_GRACE).await } => {}
            }
        };
        let waiting = async {
            tokio::select! {
                status = child.wait() => { exited.cancel(); status.map(Some) }
                // Cut off; whoever called ends it.
                () = exited.cancelled() => Ok(None),
            }
        };
        let (status, ()) = tokio::join!(waiting, reading);
        let code = status?.and_then(|status| status.code());
        Ok(Outcome { code, stdout, messages: lines.into_text(), cut })
    }

    async fn tell(&self, mut errors: impl AsyncRead + Unpin, lines: &mut Lines) {
        let mut buffer = vec![0; READ_BYTES];
        let mut tell = |progress| {
            if self.told {
                self.work.progress.tell(progress);
            }
        };
        while let Ok(count @ 1..) = errors.read(&mut buffer).await {
            lines.take(&buffer[..count], &mut tell);
        }
        lines.end_line(&mut tell);
    }
}

/// Takes up to `limit` bytes; whether there were more.
async fn collect(output: impl AsyncRead + Unpin, into: &mut Vec<u8>, limit: usize) -> bool {
    let mut output = output.take(limit as u64 + 1);
    while let Ok(1..) = output.read_buf(into).await {}
    let cut = into.len() > limit;
    into.truncate(limit);
    cut
}

/// `git` with all that it started.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Ends it: first so that it can remove its locks, then for good.
    async fn end(&mut self, child: &mut Child) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::TERM);
        }
        let _ = tokio::time::timeout(END_GRACE, child.wait()).await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails where all of them have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
