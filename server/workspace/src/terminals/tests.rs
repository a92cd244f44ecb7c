//! Real programs on real terminals.

use std::time::Duration;

use coditect_protocol::{Coded as _, RelPath};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::sandbox::{SandboxMode, SandboxSettings};

/// Longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    dir: TempDir,
    terminals: Terminals,
    owner: UserId,
    workspace: WorkspaceId,
}

impl Stage {
    async fn new(mode: SandboxMode, settings: TerminalSettings) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        let sandbox = match Sandbox::detect(SandboxSettings { mode, ..SandboxSettings::default() }).await {
            Err(WorkspaceError::SandboxUnavailable { reason }) => {
                crate::needs::missing("bwrap", reason);
                return None;
            }
            sandbox => sandbox.unwrap(),
        };
        let terminals = Terminals::new(settings, sandbox);
        Some(Self { dir, terminals, owner: UserId(Uuid::new_v4()), workspace: WorkspaceId(Uuid::new_v4()) })
    }

    async fn each(settings: TerminalSettings) -> Vec<Self> {
        let mut stages = Vec::new();
        for mode in [SandboxMode::Bubblewrap, SandboxMode::None] {
            stages.extend(Self::new(mode, settings).await);
        }
        stages
    }

    fn paths(&self) -> TerminalPaths {
        TerminalPaths {
            files: self.dir.path().join("files"),
            home: self.dir.path().join("home"),
            folder: "project".to_owned(),
        }
    }

    async fn create(&self, spec: TerminalSpec) -> Result<TerminalInfo, WorkspaceError> {
        self.terminals.create(self.owner, self.workspace, self.paths(), spec).await
    }

    async fn sh(&self, script: &str) -> TerminalInfo {
        let args = vec!["-c".to_owned(), script.to_owned()];
        self.create(TerminalSpec { program: "/bin/sh".to_owned(), args, ..TerminalSpec::default() }).await.unwrap()
    }

    fn attach(&self, info: &TerminalInfo, from: u64) -> View {
        View { attachment: self.terminals.attach(self.owner, info.id, from).unwrap(), seen: String::new() }
    }

    async fn type_in(&self, info: &TerminalInfo, text: &str) {
        self.terminals.write(self.owner, info.id, text.as_bytes()).await.unwrap();
    }
}

struct View {
    attachment: Attachment,
    seen: String,
}

impl View {
    async fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let next = tokio::time::timeout(PATIENCE, self.attachment.next()).await;
            let Ok(Some(chunk)) = next else { panic!("no {text:?} in {:?}", self.seen) };
            self.seen.push_str(&String::from_utf8_lossy(&chunk.data));
        }
    }

    async fn finish(&mut self) -> TerminalExit {
        while let Some(chunk) = tokio::time::timeout(PATIENCE, self.attachment.next()).await.unwrap() {
            self.seen.push_str(&String::from_utf8_lossy(&chunk.data));
        }
        self.attachment.exit()
    }
}

/// Waits until `condition` holds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

#[tokio::test]
async fn an_interactive_shell_has_job_control() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let bash = std::path::Path::new("/bin/bash");
        if !bash.exists() {
            return crate::needs::missing("bash", "there is no /bin/bash");
        }
        let info = stage.create(TerminalSpec::default()).await.unwrap();
        assert_eq!((info.program.as_str(), info.title.as_str(), info.number), ("/bin/bash", "bash", 1));
        let mut view = stage.attach(&info, 0);
        // The prompt tells that the shell reads again, and what the last job ended with.
        stage.type_in(&info, "PS1='at-$?> '; echo in-$((40+2))\n").await;
        view.until("in-42").await;
        view.until("at-0> ").await;
        // A job that is stopped, brought back and interrupted; it tells when the terminal is its own.
        let job = "trap 'echo back-$((1+1))' CONT; echo job-$((2*3)); while :; do read line; done";
        std::fs::write(stage.dir.path().join("files/job"), job).unwrap();
        stage.type_in(&info, "sh job\n").await;
        view.until("job-6").await;
        stage.type_in(&info, "\x1a").await;
        view.until("at-148> ").await;
        assert!(view.seen.contains("Stopped"), "{}", view.seen);
        stage.type_in(&info, "fg\n").await;
        view.until("back-2").await;
        stage.type_in(&info, "\x03").await;
        view.until("at-130> ").await;
        stage.type_in(&info, "stty size\n").await;
        view.until("24 80").await;
        stage.terminals.resize(stage.owner, info.id, 123, 45).unwrap();
        stage.type_in(&info, "stty size\n").await;
        view.until("45 123").await;
        stage.type_in(&info, "exit 7\n").await;
        assert_eq!(view.finish().await, TerminalExit { code: Some(7), signal: None });
        assert!(!view.seen.contains("no job control") && !view.seen.contains("cannot set terminal"), "{}", view.seen);
        let ended = stage.terminals.get(stage.owner, info.id).unwrap();
        assert_eq!((ended.exit.unwrap().code, ended.cols, ended.rows), (Some(7), 123, 45));
        let refused = stage.terminals.write(stage.owner, info.id, b"x").await.unwrap_err();
        assert_eq!(refused.code(), "terminal.ended");
    }
}

#[tokio::test]
async fn a_resize_reaches_the_running_program() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done").await;
        let mut view = stage.attach(&info, 0);
        view.until("ready").await;
        stage.terminals.resize(stage.owner, info.id, 99, 0).unwrap();
        view.until("1 99").await;
        stage.terminals.resize(stage.owner, info.id, u16::MAX, 50).unwrap();
        view.until("50 2000").await;
        stage.terminals.close(stage.owner, info.id).await.unwrap();
    }
}

#[tokio::test]
async fn output_of_a_short_program_is_whole_and_kept() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("seq 1 20000; exit 3").await;
        let mut view = stage.attach(&info, 0);
        assert_eq!(view.finish().await.code, Some(3));
        let expected: String = (1..=20000).map(|number| format!("{number}\r\n")).collect();
        assert!(view.seen == expected, "{} bytes of {}", view.seen.len(), expected.len());
        // Attached again from anywhere, the same bytes.
        for from in [0, 1, 4095, 100_000, expected.len()] {
            let mut again = stage.attach(&info, from as u64);
            again.finish().await;
            assert!(again.seen == expected[from..], "from {from}");
        }
    }
}

#[tokio::test]
async fn a_flood_with_nobody_attached_is_bounded_and_goes_on() {
    let settings = TerminalSettings { scrollback_bytes: 64 * 1024, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let info = stage.sh("seq 1 200000; echo done > finished; sleep 1000").await;
        let finished = stage.dir.path().join("files/finished");
        eventually("the program was not held up", || finished.exists()).await;
        let mut view = stage.attach(&info, 0);
        let first = view.attachment.next().await.unwrap();
        assert!(first.offset > 1_000_000, "{}", first.offset);
        view.seen = String::from_utf8(first.data).unwrap();
        view.until("200000\r\n").await;
        assert!(view.seen.len() <= 64 * 1024);
        // It starts with a whole line, and no line is missing after it.
        let numbers: Vec<u32> = view.seen.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        stage.terminals.close(stage.owner, info.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_within_the_stall_limit() {
    let settings = TerminalSettings { scrollback_bytes: 8 * 1024, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let info = stage.sh("read start; seq 1 50000; echo done > finished").await;
        let mut view = stage.attach(&info, 0);
        stage.type_in(&info, "\n").await;
        // Lets the flood run into the wall before reading on.
        let terminal = stage.terminals.inner.find(stage.owner, info.id).unwrap();
        eventually("the program is held up", || terminal.output.room() == 0).await;
        assert!(!stage.dir.path().join("files/finished").exists());
        let mut offset = 0;
        while let Some(chunk) = tokio::time::timeout(PATIENCE, view.attachment.next()).await.unwrap() {
            assert_eq!(chunk.offset, offset, "no byte is missing");
            offset += chunk.data.len() as u64;
            view.seen.push_str(std::str::from_utf8(&chunk.data).unwrap());
        }
        assert_eq!(view.seen.lines().skip(1).count(), 50000);
        assert!(view.seen.ends_with("\r\n50000\r\n"));
    }
}

#[tokio::test]
async fn a_reader_that_stopped_is_skipped_after_the_limit() {
    let settings = TerminalSettings {
        scrollback_bytes: 8 * 1024,
        stall_limit: Duration::from_millis(50),
        ..TerminalSettings::default()
    };
    for stage in Stage::each(settings).await {
        let info = stage.sh("seq 1 50000; echo done > finished; read end").await;
        let mut stuck = stage.attach(&info, 0);
        let first = stuck.attachment.next().await.unwrap();
        let finished = stage.dir.path().join("files/finished");
        eventually("the program goes on", || finished.exists()).await;
        let next = stuck.attachment.next().await.unwrap();
        assert!(next.offset > first.offset + first.data.len() as u64, "a jump shows the gap");
        stuck.seen = String::from_utf8(next.data).unwrap();
        stuck.until("50000\r\n").await;
        stage.type_in(&info, "\n").await;
        assert_eq!(stuck.finish().await.code, Some(0));
    }
}

#[tokio::test]
async fn belongs_to_its_owner_alone() {
    let Some(stage) = Stage::new(SandboxMode::None, TerminalSettings::default()).await else { return };
    let info = stage.sh("sleep 1000").await;
    let other = UserId(Uuid::new_v4());
    let check = |result: Result<(), WorkspaceError>| assert_eq!(result.unwrap_err().code(), "terminal.not_found");
    let terminals = &stage.terminals;
    check(terminals.get(other, info.id).map(drop));
    check(terminals.attach(other, info.id, 0).map(drop));
    check(terminals.write(other, info.id, b"x").await);
    check(terminals.resize(other, info.id, 1, 1));
    check(terminals.close(other, info.id).await);
    check(terminals.get(stage.owner, TerminalId(Uuid::new_v4())).map(drop));
    assert!(terminals.list(other, stage.workspace).is_empty());
    assert!(terminals.list(stage.owner, WorkspaceId(Uuid::new_v4())).is_empty());
    assert_eq!(terminals.list(stage.owner, stage.workspace), [info]);
    terminals.shutdown().await;
}

#[tokio::test]
async fn limits_hold() {
    let settings = TerminalSettings { per_workspace: 2, input_bytes: 10, ..TerminalSettings::default() };
    let Some(stage) = Stage::new(SandboxMode::None, settings).await else { return };
    let first = stage.sh("sleep 1000").await;
    let spec = || TerminalSpec { program: "true".to_owned(), ..TerminalSpec::default() };
    let (second, third) = tokio::join!(stage.create(spec()), stage.create(spec()));
    let refused = [second, third].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.iter().map(coditect_protocol::Coded::code).collect::<Vec<_>>(), ["terminal.too_many"]);
    let too_large = stage.terminals.write(stage.owner, first.id, &[b'x'; 11]).await.unwrap_err();
    assert_eq!(too_large.code(), "terminal.input_too_large");
    let views: Vec<_> = (0..MAX_ATTACHMENTS).map(|_| stage.attach(&first, 0)).collect();
    let too_many = stage.terminals.attach(stage.owner, first.id, 0).err().unwrap();
    assert_eq!(too_many.code(), "terminal.too_many_attachments");
    drop(views);
    stage.attach(&first, 0);
    stage.terminals.close(stage.owner, first.id).await.unwrap();
    assert_eq!(stage.create(spec()).await.unwrap().number, 3, "numbers are not used again");
    stage.terminals.shutdown().await;
    assert_eq!(stage.create(spec()).await.unwrap_err().code(), "terminal.not_found");
}

#[tokio::test]
async fn a_person_has_a_limit_across_workspaces() {
    let settings = TerminalSettings { per_person: 2, ..TerminalSettings::default() };
    let Some(stage) = Stage::new(SandboxMode::None, settings).await else { return };
    let create = |owner: UserId| {
        let spec = TerminalSpec { program: "true".to_owned(), ..TerminalSpec::default() };
        stage.terminals.create(owner, WorkspaceId(Uuid::new_v4()), stage.paths(), spec)
    };
    // Each in a workspace of its own, all at the same time.
    let (a, b, c) = tokio::join!(create(stage.owner), create(stage.owner), create(stage.owner));
    let (made, refused): (Vec<_>, Vec<_>) = [a, b, c].into_iter().partition(Result::is_ok);
    let codes: Vec<_> = refused.into_iter().map(|refused| refused.unwrap_err().code()).collect();
    assert_eq!(codes, ["terminal.too_many_of_person"]);
    create(UserId(Uuid::new_v4())).await.unwrap();
    let first = made.into_iter().next().unwrap().unwrap();
    stage.terminals.close(stage.owner, first.id).await.unwrap();
    create(stage.owner).await.unwrap();
    assert_eq!(create(stage.owner).await.unwrap_err().code(), "terminal.too_many_of_person");
    stage.terminals.shutdown().await;
}

#[tokio::test]
async fn a_failed_start_says_why_and_takes_no_place() {
    let settings = TerminalSettings { per_workspace: 1, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let spec = TerminalSpec { program: "no-such-program".to_owned(), ..TerminalSpec::default() };
        let error = stage.create(spec).await.unwrap_err();
        assert_eq!(error.code(), "terminal.start_failed");
        assert!(error.to_string().contains("no-such-program"), "{error}");
        let spec = TerminalSpec { folder: RelPath::parse("nowhere").unwrap(), ..TerminalSpec::default() };
        assert_eq!(stage.create(spec).await.unwrap_err().code(), "files.not_found");
        let info = stage.sh("exit 0").await;
        stage.attach(&info, 0).finish().await;
        assert_eq!(stage.terminals.list(stage.owner, stage.workspace).len(), 1);
        stage.terminals.close(stage.owner, info.id).await.unwrap();
        assert!(stage.terminals.list(stage.owner, stage.workspace).is_empty());
    }
}

#[tokio::test]
async fn closing_hangs_up_first_and_kills_after_the_grace() {
    let settings = TerminalSettings { close_grace: Duration::from_millis(200), ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let polite = stage.sh("trap 'echo saved > saved; exit' HUP; echo up; while :; do sleep 0.05; done").await;
        stage.attach(&polite, 0).until("up").await;
        stage.terminals.close(stage.owner, polite.id).await.unwrap();
        assert!(stage.dir.path().join("files/saved").exists(), "the program could save its work");

        let script = "trap '' HUP TERM; sh -c 'trap \"\" HUP TERM; echo child-$$; while :; do sleep 1; done'";
        let stubborn = stage.sh(script).await;
        let mut view = stage.attach(&stubborn, 0);
        view.until("child-").await;
        stage.terminals.close(stage.owner, stubborn.id).await.unwrap();
        view.finish().await;
        assert_eq!(stage.terminals.get(stage.owner, stubborn.id).unwrap_err().code(), "terminal.not_found");
        assert!(!std::path::Path::new(&format!("/proc/{}", stubborn.pid)).exists());
    }
}

#[tokio::test]
async fn a_flood_can_be_interrupted_and_closed_with_a_stuck_reader() {
    for stage in Stage::each(TerminalSettings { scrollback_bytes: 8 * 1024, ..TerminalSettings::default() }).await {
        let info = stage.sh("yes").await;
        let stuck = stage.attach(&info, 0);
        let terminal = stage.terminals.inner.find(stage.owner, info.id).unwrap();
        eventually("the program is held up", || terminal.output.room() == 0).await;
        tokio::time::timeout(Duration::from_secs(5), stage.terminals.close(stage.owner, info.id))
            .await
            .unwrap()
            .unwrap();
        assert!(stuck.attachment.exit().code.is_some() || stuck.attachment.exit().signal.is_some());
    }
}

#[tokio::test]
async fn closing_a_workspace_leaves_the_others() {
    let Some(stage) = Stage::new(SandboxMode::None, TerminalSettings::default()).await else { return };
    let mine = stage.sh("sleep 1000").await;
    let elsewhere = WorkspaceId(Uuid::new_v4());
    let spec = TerminalSpec { program: "sleep".to_owned(), args: vec!["1000".to_owned()], ..TerminalSpec::default() };
    let other = stage.terminals.create(stage.owner, elsewhere, stage.paths(), spec.clone()).await.unwrap();
    stage.terminals.close_workspace(stage.workspace).await;
    assert!(stage.terminals.get(stage.owner, mine.id).is_err());
    assert!(stage.terminals.get(stage.owner, other.id).unwrap().exit.is_none());
    // One that is just being started when its workspace is closed does not survive either.
    let starting = stage.terminals.create(stage.owner, elsewhere, stage.paths(), spec);
    let closing = async {
        tokio::task::yield_now().await;
        stage.terminals.close_workspace(elsewhere).await;
    };
    let (started, ()) = tokio::join!(starting, closing);
    assert_eq!(started.unwrap_err().code(), "workspace.not_found");
    assert!(stage.terminals.list(stage.owner, elsewhere).is_empty());
}

#[tokio::test]
async fn input_waits_for_a_program_that_does_not_read() {
    let Some(stage) = Stage::new(SandboxMode::None, TerminalSettings::default()).await else { return };
    rustix::fs::mknodat(
        rustix::fs::CWD,
        stage.dir.path().join("files/fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let info = stage.sh("stty raw -echo; echo up; read go < fifo; head -c 65536 | wc -c; stty sane").await;
    stage.attach(&info, 0).until("up").await;
    let flood = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    loop {
        let write = stage.terminals.write(stage.owner, info.id, &flood);
        match tokio::time::timeout(Duration::from_millis(300), write).await {
            Ok(result) => result.unwrap(),
            Err(_) => break,
        }
        sent += 1;
        assert!(sent < 20, "input is bounded");
    }
    std::fs::write(stage.dir.path().join("files/fifo"), "go\n").unwrap();
    let mut view = stage.attach(&info, 0);
    // It ends with input still waiting: nothing may hang on that.
    assert_eq!(view.finish().await.code, Some(0));
    assert!(view.seen.contains("65536"), "{}", view.seen);
    stage.terminals.shutdown().await;
}
