//! A server's data directory with two people in it, and sandboxes on it.

#[path = "../support/copies.rs"]
mod copies;
pub(crate) mod probe;

use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coditect_protocol::id::{UserId, WorkspaceId};
use coditect_sandbox::agent::{Agent, Running, Stdio};
use coditect_sandbox::walls::Walls;
pub(crate) use copies::copy_program;

use coditect_sandbox::{Place, Program, SandboxError, SandboxId, SandboxMode, SandboxSettings};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use uuid::Uuid;

/// How long anything may take that does end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program `coditect-sandbox`.
pub(crate) fn helper() -> PathBuf {
    std::env::var_os("CODITECT_TEST_HELPER").map_or_else(|| env!("CARGO_BIN_EXE_coditect-sandbox").into(), Into::into)
}

pub(crate) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

pub(crate) fn settings(dir: &Path) -> SandboxSettings {
    let run_dir = dir.join("run");
    fs::create_dir_all(&run_dir).unwrap();
    SandboxSettings { helper: Some(helper()), run_dir, ..SandboxSettings::default() }
}

pub(crate) struct Machine {
    pub(crate) dir: TempDir,
    pub(crate) walls: Walls,
    settings: SandboxSettings,
}

/// Tells that a test is left out because the machine lacks `thing`. Fails instead where `CODITECT_TEST_REQUIRE`, names
/// with commas between them, says that it must be there.
fn missing(thing: &str, why: &SandboxError) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}

impl Machine {
    /// `None`, with a note, where the machine has no such walls that work.
    pub(crate) async fn new(mode: SandboxMode, change: impl FnOnce(&mut SandboxSettings)) -> Option<Self> {
        let dir = folder();
        for name in ["files-a", "home-a", "files-b", "home-b"] {
            fs::create_dir_all(dir.path().join("data").join(name)).unwrap();
            fs::write(dir.path().join("data").join(name).join("note"), format!("secret of {name}")).unwrap();
        }
        fs::write(dir.path().join("data/keys"), "secret of the server").unwrap();
        let hidden_paths = vec![dir.path().join("data"), dir.path().join("settings")];
        let mut settings = SandboxSettings { mode, hidden_paths, ..settings(dir.path()) };
        change(&mut settings);
        match Walls::detect(&settings).await {
            Ok(walls) => Some(Self { dir, walls, settings }),
            Err(error @ SandboxError::Unavailable { .. }) => {
                missing(if mode == SandboxMode::Landlock { "landlock" } else { "bwrap" }, &error);
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn settings(&self) -> SandboxSettings {
        self.settings.clone()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn place(&self) -> Place {
        self.place_of("files-a", "home-a")
    }

    fn place_of(&self, files: &str, home: &str) -> Place {
        Place {
            id: SandboxId { person: UserId(Uuid::new_v4()), workspace: WorkspaceId(Uuid::new_v4()) },
            files: self.data().join(files),
            folder: "project".to_owned(),
            home: self.data().join(home),
            read_only: false,
            quota_bytes: None,
            single_use: None,
        }
    }

    pub(crate) async fn start(&self) -> Sandbox {
        self.start_at(&self.place()).await
    }

    pub(crate) async fn start_for(&self, files: &str, home: &str) -> Sandbox {
        self.start_at(&self.place_of(files, home)).await
    }

    pub(crate) async fn start_at(&self, place: &Place) -> Sandbox {
        Sandbox { agent: Agent::start(&self.walls, place).await.unwrap() }
    }
}

/// Runs the test on bubblewrap and on Landlock.
pub(crate) async fn on_all_walls(change: impl Fn(&mut SandboxSettings), test: impl AsyncFn(Machine)) {
    on_bubblewrap(&change, &test).await;
    on_landlock(&change, &test).await;
}

pub(crate) async fn on_bubblewrap(change: impl Fn(&mut SandboxSettings), test: impl AsyncFn(Machine)) {
    on(SandboxMode::Bubblewrap, change, test).await;
}

pub(crate) async fn on_landlock(change: impl Fn(&mut SandboxSettings), test: impl AsyncFn(Machine)) {
    on(SandboxMode::Landlock, change, test).await;
}

async fn on(mode: SandboxMode, change: impl Fn(&mut SandboxSettings), test: impl AsyncFn(Machine)) {
    let Some(machine) = Machine::new(mode, |settings| change(settings)).await else { return };
    eprintln!("on {mode:?}");
    test(machine).await;
}

/// A shell that runs `text`.
pub(crate) fn script(text: &str) -> Program {
    Program { program: "/bin/sh".to_owned(), args: vec!["-c".to_owned(), text.to_owned()], ..Program::default() }
}

/// This test program, put into the place, with one of the tests that are made to run inside.
pub(crate) fn probe_of(place: &Place, test: &str) -> Program {
    copy_program(&std::env::current_exe().unwrap(), &place.files.join("probe"));
    let args = ["--exact", test, "--ignored", "--nocapture"].map(str::to_owned).into();
    Program { program: "./probe".to_owned(), args, ..Program::default() }
}

pub(crate) fn null_streams() -> [OwnedFd; 3] {
    [(); 3].map(|()| fs::File::options().read(true).write(true).open("/dev/null").unwrap().into())
}

/// What a program prints.
pub(crate) struct Output(pipe::Receiver);

impl Output {
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut buffer = vec![0; text.len()];
        tokio::time::timeout(PATIENCE, self.0.read_exact(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer), text);
    }

    /// What comes until that text, without it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut buffer = Vec::new();
        while !buffer.ends_with(text.as_bytes()) {
            buffer.push(tokio::time::timeout(PATIENCE, self.0.read_u8()).await.unwrap().unwrap());
        }
        buffer.truncate(buffer.len() - text.len());
        String::from_utf8(buffer).unwrap()
    }

    pub(crate) async fn rest(&mut self) -> String {
        let mut buffer = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut buffer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&buffer).into_owned()
    }
}

/// Nothing to read; output and errors in one.
pub(crate) fn captured() -> ([OwnedFd; 3], Output) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let [null, _, _] = null_streams();
    ([null, write.try_clone().unwrap(), write], Output(pipe::Receiver::from_owned_fd(read).unwrap()))
}

pub(crate) struct Sandbox {
    pub(crate) agent: Agent,
}

impl Sandbox {
    pub(crate) async fn spawn(&self, program: &Program, streams: Stdio) -> Running {
        self.agent.spawn(program, streams).await.unwrap()
    }

    pub(crate) async fn run(&self, program: &Program) -> String {
        let (streams, mut out) = captured();
        let mut running = self.spawn(program, Stdio::Fds(streams)).await;
        let out = out.rest().await;
        running.exit().await.unwrap();
        out
    }

    pub(crate) async fn sh(&self, text: &str) -> String {
        self.run(&script(text)).await
    }

    pub(crate) async fn refusal(&self, program: &Program) -> SandboxError {
        self.agent.spawn(program, Stdio::Fds(null_streams())).await.err().unwrap()
    }

    /// Runs this test program inside, with one of the tests that are made for that; what it told.
    pub(crate) async fn probe(&self, place: &Place, test: &str) -> String {
        let out = self.run(&probe_of(place, test)).await;
        let lines: String = out
            .lines()
            .filter_map(|line| line.strip_prefix(probe::MARK))
            .fold(String::new(), |all, line| all + line + "\n");
        if lines.is_empty() { out } else { lines }
    }

    /// Processes of this sandbox with that name, as the machine numbers them, by age.
    pub(crate) fn host_pids(&self, name: &str) -> Vec<u32> {
        let mut all: Vec<(u32, u32, String)> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let (head, fields) = stat.rsplit_once(')')?;
                let mut fields = fields.split_ascii_whitespace();
                let alive = fields.next() != Some("Z");
                let name = head.split_once('(')?.1.to_owned();
                alive.then_some((pid, fields.next()?.parse().ok()?, name))
            })
            .collect();
        all.sort_unstable();
        let mut below = vec![self.agent.pid()];
        loop {
            let more: Vec<u32> = all
                .iter()
                .filter(|(pid, parent, _)| below.contains(parent) && !below.contains(pid))
                .map(|(pid, ..)| *pid)
                .collect();
            if more.is_empty() {
                break;
            }
            below.extend(more);
        }
        let found = all.iter().filter(|(pid, _, one)| below.contains(pid) && one == name);
        found.map(|(pid, ..)| *pid).collect()
    }

    pub(crate) async fn host_pid(&self, name: &str) -> u32 {
        self.wait_for_host(name, 1).await;
        let [pid] = *self.host_pids(name) else { panic!("one {name}") };
        pid
    }

    pub(crate) async fn wait_for_host(&self, name: &str, count: usize) {
        let wait = async {
            while self.host_pids(name).len() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }
}

pub(crate) fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Both ends of a pseudo-terminal.
pub(crate) fn terminal() -> (fs::File, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let pts = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    (master.into(), pts)
}

/// All that was printed, once nobody has the other end.
pub(crate) fn read_terminal(master: &mut fs::File) -> String {
    let mut out = Vec::new();
    // The end of a terminal is an error.
    drop(master.read_to_end(&mut out));
    String::from_utf8_lossy(&out).into_owned()
}
