//! A supervisor of its own, with directories for one person.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use coditect_protocol::terminal::{TerminalExit, TerminalInfo};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_sandbox::client::{Attachment, Sandboxes};
use coditect_sandbox::terminal::TerminalStart;
use coditect_sandbox::{Place, SandboxError, SandboxId, SandboxMode, SandboxSettings, TerminalSettings};
use tempfile::TempDir;
use uuid::Uuid;

/// Longest wait for anything before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Stage {
    pub dir: TempDir,
    pub settings: SandboxSettings,
    pub sandboxes: Sandboxes,
    pub place: Place,
}

pub fn helper() -> PathBuf {
    env!("CARGO_BIN_EXE_coditect-sandbox").into()
}

/// Settings whose supervisor ends with the test.
pub fn settings(dir: &Path, mode: SandboxMode, terminals: TerminalSettings) -> SandboxSettings {
    SandboxSettings {
        mode,
        helper: Some(helper()),
        run_dir: dir.join("run"),
        keep: Duration::ZERO,
        terminals,
        ..SandboxSettings::default()
    }
}

pub fn place(dir: &Path) -> Place {
    Place {
        id: SandboxId { person: UserId(Uuid::new_v4()), workspace: WorkspaceId(Uuid::new_v4()) },
        files: dir.join("files"),
        folder: "project".to_owned(),
        home: dir.join("home"),
        read_only: false,
        quota_bytes: None,
        single_use: None,
    }
}

/// Tells that a test is left out because the machine lacks `thing`. Fails instead where `CODITECT_TEST_REQUIRE`, names
/// with commas between them, says that it must be there.
pub fn missing(thing: &str, why: impl std::fmt::Display) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}

impl Stage {
    pub async fn new(mode: SandboxMode, terminals: TerminalSettings) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        for folder in ["files", "home"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let settings = settings(dir.path(), mode, terminals);
        let sandboxes = match Sandboxes::start(settings.clone(), None).await {
            Err(SandboxError::Unavailable { reason }) if mode != SandboxMode::None => {
                missing(if mode == SandboxMode::Landlock { "landlock" } else { "bwrap" }, reason);
                return None;
            }
            sandboxes => sandboxes.unwrap(),
        };
        let place = place(dir.path());
        Some(Self { dir, settings, sandboxes, place })
    }

    /// Without walls, and behind each kind of walls that works here.
    pub async fn each(terminals: TerminalSettings) -> Vec<Self> {
        let mut stages = Vec::new();
        for mode in [SandboxMode::None, SandboxMode::Bubblewrap, SandboxMode::Landlock] {
            stages.extend(Self::new(mode, terminals.clone()).await);
        }
        stages
    }

    pub async fn plain(terminals: TerminalSettings) -> Self {
        Self::new(SandboxMode::None, terminals).await.unwrap()
    }

    pub fn person(&self) -> UserId {
        self.place.id.person
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("files").join(name)
    }

    pub async fn create(&self, start: TerminalStart) -> Result<TerminalInfo, SandboxError> {
        self.sandboxes.create_terminal(&self.place, start).await
    }

    pub async fn sh(&self, script: &str) -> TerminalInfo {
        self.create(sh(script)).await.unwrap()
    }

    pub async fn attach(&self, info: &TerminalInfo, from: u64) -> View {
        View::new(self.sandboxes.attach(self.person(), info.id, from).await.unwrap())
    }

    pub async fn type_in(&self, info: &TerminalInfo, text: &str) {
        self.sandboxes.write(self.person(), info.id, text.as_bytes()).await.unwrap();
    }

    pub async fn close(&self, info: &TerminalInfo) {
        self.sandboxes.close(self.person(), info.id).await.unwrap();
    }

    /// The supervisor's number.
    pub fn supervisor(&self) -> i32 {
        let text = std::fs::read(self.settings.run_dir.join("supervisor.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["pid"].as_i64().unwrap().try_into().unwrap()
    }
}

pub fn sh(script: &str) -> TerminalStart {
    let args = vec!["-c".to_owned(), script.to_owned()];
    TerminalStart { program: "/bin/sh".to_owned(), args, ..TerminalStart::default() }
}

pub struct View {
    pub attachment: Attachment,
    pub seen: String,
}

impl View {
    pub fn new(attachment: Attachment) -> Self {
        Self { attachment, seen: String::new() }
    }

    pub async fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let next = tokio::time::timeout(PATIENCE, self.attachment.next()).await;
            let Ok(Some(chunk)) = next else { panic!("no {text:?} in {:?}", self.seen) };
            self.seen.push_str(&String::from_utf8_lossy(&chunk.data));
        }
    }

    pub async fn finish(&mut self) -> TerminalExit {
        while let Some(chunk) = tokio::time::timeout(PATIENCE, self.attachment.next()).await.unwrap() {
            self.seen.push_str(&String::from_utf8_lossy(&chunk.data));
        }
        self.attachment.exit()
    }
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

/// Whether a process is there that has not ended.
pub fn is_alive(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

pub fn kill(pid: i32) {
    signal(pid, rustix::process::Signal::KILL);
}

pub fn signal(pid: i32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
