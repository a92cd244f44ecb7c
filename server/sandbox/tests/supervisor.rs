//! The supervisor's life: found, started, lost, replaced, and who gets in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use coditect_protocol::Coded as _;
use coditect_protocol::terminal::EndCause;
use coditect_sandbox::client::{KeepTerminals, SandboxEvent, Sandboxes, Scope, Streams};
use coditect_sandbox::net::NetworkPolicy;
use coditect_sandbox::{Place, Program, SandboxError, SandboxMode, SandboxSettings, SingleUse, TerminalSettings};
use rustix::process::Signal;
use support::{PATIENCE, Stage, View, eventually, is_alive, kill, signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn terminals_outlive_their_server() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let keeping = SandboxSettings { keep: Duration::from_secs(60), ..stage.settings.clone() };
        let first = Sandboxes::start(keeping.clone(), None).await.unwrap();
        let info =
            first.create_terminal(&stage.place, support::sh("echo one; read x; echo got $x; exit 5")).await.unwrap();
        let supervisor = stage.supervisor();
        first.shut_down(KeepTerminals::Yes).await;
        stage.sandboxes.shut_down(KeepTerminals::Yes).await;
        drop(first);
        let second = Sandboxes::start(keeping, None).await.unwrap();
        assert_eq!(stage.supervisor(), supervisor, "it is the same one");
        let listed = second.terminals(Scope::Everything).await.unwrap();
        assert_eq!((listed.len(), listed[0].sandbox, &listed[0].info), (1, stage.place.id, &info));
        second.write(stage.person(), info.id, b"two\n").await.unwrap();
        let mut view = View::new(second.attach(stage.person(), info.id, 0).await.unwrap());
        assert_eq!(view.finish().await.code, Some(5));
        assert!(view.seen.contains("one") && view.seen.contains("got two"), "{}", view.seen);
        second.shut_down(KeepTerminals::No).await;
        eventually("the supervisor ends", || !is_alive(supervisor)).await;
    }
}

#[tokio::test]
async fn it_ends_when_nobody_comes_and_leaves_nothing() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("exec 9> lock; flock 9; echo up; while :; do sleep 1; done").await;
        stage.attach(&info, 0).await.until("up").await;
        let supervisor = stage.supervisor();
        // Not told: as if the server had been killed. The settings keep nothing.
        drop(stage.sandboxes);
        eventually("the supervisor ends", || !is_alive(supervisor)).await;
        let lock = std::fs::File::open(stage.dir.path().join("files/lock")).unwrap();
        assert!(lock.try_lock().is_ok(), "nothing it started is left");
        assert!(!stage.settings.run_dir.join("supervisor.json").exists());
    }
}

#[tokio::test]
async fn a_lost_supervisor_is_told_and_replaced() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("exec 9> lock; flock 9; echo up; while :; do sleep 1; done").await;
        let mut view = stage.attach(&info, 0).await;
        view.until("up").await;
        let mut events = stage.sandboxes.events();
        let supervisor = stage.supervisor();
        kill(supervisor);
        assert_eq!(view.finish().await.cause, Some(EndCause::HostLost));
        let told = async { while events.recv().await.unwrap() != SandboxEvent::HostLost {} };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
        // The run file it left leads nowhere; the next use starts another.
        let again = stage.sh("echo again; exit 0").await;
        let mut view = stage.attach(&again, 0).await;
        assert_eq!(view.finish().await.code, Some(0));
        assert!(view.seen.contains("again"));
        assert!(stage.supervisor() != supervisor);
        assert_eq!(stage.sandboxes.terminal(stage.person(), info.id).await.unwrap_err().code(), "terminal.not_found");
        let lock = std::fs::File::open(stage.file("lock")).unwrap();
        eventually("what it had started is gone", || lock.try_lock().is_ok()).await;
    }
}

#[tokio::test]
async fn run_files_that_lead_nowhere_are_replaced() {
    for left in ["", "{", "{\"address\":\"nobody\",\"token\":\"t\",\"pid\":1}", "[1,2,3]"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
        std::fs::create_dir(&settings.run_dir).unwrap();
        std::fs::write(settings.run_dir.join("supervisor.json"), left).unwrap();
        Sandboxes::start(settings, None).await.unwrap().check_available().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_race_share_one() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["files", "home"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let settings = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
    let starts = (0..8).map(|_| tokio::spawn(Sandboxes::start(settings.clone(), None)));
    let all = futures_util::future::join_all(starts.collect::<Vec<_>>()).await;
    let all: Vec<_> = all.into_iter().map(|started| started.unwrap().unwrap()).collect();
    let place = support::place(dir.path());
    for one in &all {
        one.create_terminal(&place, support::sh("sleep 1000")).await.unwrap();
    }
    for one in &all {
        assert_eq!(one.terminals(Scope::Everything).await.unwrap().len(), 8);
    }
    // It works on as long as one of them is there.
    let (last, others) = all.split_last().unwrap();
    for other in others {
        other.shut_down(KeepTerminals::No).await;
    }
    assert_eq!(last.terminals(Scope::Everything).await.unwrap().len(), 8);
}

/// What the run file says.
fn run_file(stage: &Stage) -> (String, String) {
    let text = std::fs::read(stage.settings.run_dir.join("supervisor.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    (file["address"].as_str().unwrap().to_owned(), file["token"].as_str().unwrap().to_owned())
}

/// Says hello in whatever way, and gives all that is answered until the connection is closed.
fn knock(address: &str, hello: &[u8]) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from_abstract_name(address)?;
    let mut stream = UnixStream::connect_addr(&address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(hello)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn frame(message: &impl serde::Serialize) -> Vec<u8> {
    let body = rmp_serde::to_vec_named(message).unwrap();
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn hello(version: u32, token: &str) -> Vec<u8> {
    frame(&serde_json::json!({ "version": version, "token": token, "end": false }))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_the_token() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let info = stage.sh("sleep 1000").await;
    let (address, token) = run_file(&stage);
    let wrong = [
        hello(1, ""),
        hello(1, &token[1..]),
        hello(1, &format!("{token}0")),
        hello(1, &token.to_uppercase()),
        frame(&serde_json::json!({ "version": 1, "token": token[1..], "end": true })),
        frame(&serde_json::json!(["x"])),
        // Lengths that are never sent, and garbage.
        u32::MAX.to_be_bytes().to_vec(),
        vec![0xff; 4096],
        vec![0, 0, 0, 1],
        Vec::new(),
    ];
    for hello in wrong {
        let said = knock(&address, &hello).unwrap_or_default();
        assert!(said.is_empty(), "{said:?}");
    }
    // With it: the greeting, and nothing for another version.
    for (version, right) in [(3, hello(3, &token)), (99, hello(99, &token))] {
        let said = knock(&address, &right).unwrap();
        assert!(!said.is_empty(), "{version}");
    }
    // A request that is none ends its connection and nothing else.
    let mut nonsense = hello(3, &token);
    nonsense.extend(frame(&"Nonsense"));
    knock(&address, &nonsense).unwrap();
    assert!(stage.sandboxes.terminal(stage.person(), info.id).await.unwrap().exit.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_gets_in() {
    if !rustix::process::geteuid().is_root() {
        return support::missing("root", "only root can pose as another user");
    }
    let stage = Stage::plain(TerminalSettings::default()).await;
    let (address, token) = run_file(&stage);
    let right = hello(1, &token);
    let ours = knock(&address, &right).unwrap();
    let theirs = std::thread::spawn(move || {
        // A user of this one thread's own.
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        knock(&address, &right).unwrap_or_default()
    });
    let theirs = tokio::task::spawn_blocking(|| theirs.join().unwrap()).await.unwrap();
    assert!(!ours.is_empty() && theirs.is_empty(), "{theirs:?}");
}

#[tokio::test]
async fn a_directory_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
    std::fs::create_dir(&settings.run_dir).unwrap();
    std::fs::set_permissions(&settings.run_dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Sandboxes::start(settings, None).await.unwrap_err();
    assert_eq!(error.code(), "sandbox.supervisor");
}

#[tokio::test]
async fn a_missing_helper_is_named_and_files_can_still_be_served() {
    let dir = tempfile::tempdir().unwrap();
    let settings = SandboxSettings {
        helper: Some(dir.path().join("no-such-helper")),
        ..support::settings(dir.path(), SandboxMode::Auto, TerminalSettings::default())
    };
    let sandboxes = Sandboxes::start(settings.clone(), None).await.unwrap();
    assert_eq!(sandboxes.name(), "unavailable");
    assert_eq!(sandboxes.check_available().unwrap_err().code(), "sandbox.unavailable");
    assert!(
        sandboxes.warnings().iter().any(|warning| warning.contains("no-such-helper")),
        "{:?}",
        sandboxes.warnings()
    );
    let settings = SandboxSettings { mode: SandboxMode::Bubblewrap, ..settings };
    assert!(matches!(Sandboxes::start(settings, None).await, Err(SandboxError::Supervisor(_))));
}

#[tokio::test]
async fn a_program_has_its_streams_and_ends_with_who_wants_it() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let program = |script: &str| Program {
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            ..Program::default()
        };
        let (streams, mut pipes) = Streams::piped().unwrap();
        let script = "read a; echo out-$a; echo err >&2; exit 4";
        let mut child = stage.sandboxes.spawn(&stage.place, program(script), streams).await.unwrap();
        pipes.stdin.write_all(b"x\n").await.unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        pipes.stdout.read_to_string(&mut out).await.unwrap();
        pipes.stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str(), child.wait().await.code), ("out-x\n", "err\n", Some(4)));

        let (streams, mut out, _err) = Streams::captured().unwrap();
        let child = stage.sandboxes.spawn(&stage.place, program("sleep 1000 & echo up; wait"), streams).await.unwrap();
        let mut up = [0; 3];
        out.read_exact(&mut up).await.unwrap();
        drop(child);
        // Nobody holds the other end any more.
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, out.read_to_end(&mut rest)).await.unwrap().unwrap();

        let (streams, _out, _err) = Streams::captured().unwrap();
        let mut child = stage.sandboxes.spawn(&stage.place, program("sleep 1000"), streams).await.unwrap();
        child.signal(Signal::TERM).await.unwrap();
        assert_eq!(child.wait().await.signal, Some(15));
    }
}

#[tokio::test]
async fn a_sandbox_for_one_program_ends_with_it() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let single_use = Some(SingleUse { shown: Vec::new(), network: NetworkPolicy::none() });
        let place = Place { single_use, ..stage.place.clone() };
        // What left the program's session is ended with it as well, whether the program ends or nobody wants it any
        // more.
        for (last, is_dropped) in [("exit 3", false), ("wait", true)] {
            let args = vec!["-c".to_owned(), format!("setsid sleep 1000 & echo up; {last}")];
            let program = Program { program: "/bin/sh".to_owned(), args, ..Program::default() };
            let (streams, mut out, _err) = Streams::captured().unwrap();
            let mut child = stage.sandboxes.spawn(&place, program, streams).await.unwrap();
            let mut up = [0; 3];
            out.read_exact(&mut up).await.unwrap();
            if is_dropped {
                drop(child);
            } else {
                assert_eq!(child.wait().await.code, Some(3));
            }
            let mut rest = Vec::new();
            tokio::time::timeout(PATIENCE, out.read_to_end(&mut rest)).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_flood_takes_no_memory() {
    let stage = Stage::plain(TerminalSettings { scrollback_bytes: 256 * 1024, ..TerminalSettings::default() }).await;
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stage.supervisor())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let before = resident();
    let info = stage.sh("yes 0123456789abcdef").await;
    // Nobody looks; then somebody who does not read on; then somebody who reads a lot.
    let _stuck = stage.attach(&info, 0).await;
    let mut view = stage.attach(&info, 0).await;
    let mut read = 0;
    while read < 64 * 1024 * 1024 {
        read += tokio::time::timeout(PATIENCE, view.attachment.next()).await.unwrap().unwrap().data.len();
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn a_role_that_was_lowered_ends_what_ran_with_the_old_one() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("sleep 1000").await;
        let mut view = stage.attach(&info, 0).await;
        let reading = Place { read_only: true, ..stage.place.clone() };
        let started = stage.sandboxes.create_terminal(&reading, support::sh("echo x > file; echo wrote-$?")).await;
        assert_eq!(view.finish().await.cause, Some(EndCause::AccessEnded));
        match started {
            Ok(info) => {
                let mut view = stage.attach(&info, 0).await;
                view.finish().await;
                assert!(!stage.file("file").exists() || stage.settings.mode == SandboxMode::None, "{}", view.seen);
            }
            // Without walls nothing can be kept from writing.
            Err(error) => assert_eq!(stage.settings.mode, SandboxMode::None, "{error}"),
        }
    }
}

#[tokio::test]
async fn an_older_supervisor_makes_way() {
    use tokio::net::UnixListener;
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
    std::fs::create_dir(&settings.run_dir).unwrap();
    let address = format!("coditect-test-{}", uuid::Uuid::new_v4());
    let listener = UnixListener::bind(format!("\0{address}")).unwrap();
    let path = settings.run_dir.join("supervisor.json");
    std::fs::write(&path, serde_json::json!({ "address": address, "token": "secret", "pid": 1 }).to_string()).unwrap();
    // One that says it is of version 0, and ends when it is told to.
    let older = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).await.unwrap();
            let mut hello = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut hello).await.unwrap();
            let hello: serde_json::Value = rmp_serde::from_slice(&hello).unwrap();
            assert_eq!(hello["token"], "secret");
            stream.write_all(&frame(&serde_json::json!({ "version": 0, "servers": 3 }))).await.unwrap();
            if hello["end"] == true {
                return;
            }
        }
    });
    let sandboxes = Sandboxes::start(settings, None).await.unwrap();
    older.await.unwrap();
    sandboxes.check_available().unwrap();
}

#[tokio::test]
async fn a_newer_one_in_use_is_left_alone() {
    use tokio::net::UnixListener;
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
    std::fs::create_dir(&settings.run_dir).unwrap();
    let address = format!("coditect-test-{}", uuid::Uuid::new_v4());
    let listener = UnixListener::bind(format!("\0{address}")).unwrap();
    let file = serde_json::json!({ "address": address, "token": "secret", "pid": 1 }).to_string();
    std::fs::write(settings.run_dir.join("supervisor.json"), file).unwrap();
    let newer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&frame(&serde_json::json!({ "version": 1000, "servers": 1 }))).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
    assert_eq!(Sandboxes::start(settings, None).await.unwrap_err(), SandboxError::OtherVersion { found: 1000 });
    newer.await.unwrap();
}

/// The outermost processes of its sandboxes.
fn children(supervisor: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn nothing_outlives_a_guard_that_somebody_killed() {
    for stage in Stage::each(TerminalSettings::default()).await {
        // One process that keeps its parents, and one that lost them and its session.
        let loses = "exec 8> first; flock 8; (exec 9> second; flock 9; exec setsid sh -c 'echo up; sleep 1000; :') &";
        let info = stage.sh(&format!("{loses} sleep 1000; :")).await;
        let mut view = stage.attach(&info, 0).await;
        view.until("up").await;
        let supervisor = stage.supervisor();
        let [guard] = children(supervisor)[..] else { panic!("{:?}", children(supervisor)) };
        kill(guard);
        assert!(view.finish().await.cause.is_some());
        for name in ["first", "second"] {
            let lock = std::fs::File::open(stage.file(name)).unwrap();
            eventually("what ran in it is gone", || lock.try_lock().is_ok()).await;
        }
        eventually("nothing is left, not even the dead", || children(supervisor).is_empty()).await;
        // It goes on.
        let again = stage.sh("exit 3").await;
        assert_eq!(stage.attach(&again, 0).await.finish().await.code, Some(3));
    }
}

/// How many files a process has open.
fn open_files(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[tokio::test]
async fn starts_that_hang_take_no_place_of_others() {
    /// As many starts of a person as may wait.
    const MOST: usize = 64;
    /// Of the supervisor: what it may open by itself meanwhile.
    const SLACK: usize = MOST / 4;
    for stage in Stage::each(TerminalSettings::default()).await {
        let program = |script: &str| Program {
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            ..Program::default()
        };
        let info = stage.sh("exit 3").await;
        assert_eq!(stage.attach(&info, 0).await.finish().await.code, Some(3));
        let supervisor = stage.supervisor();
        let [outermost] = children(supervisor)[..] else { panic!("{:?}", children(supervisor)) };
        let [agent] = children(outermost)[..] else { panic!("{:?}", children(outermost)) };
        let before = open_files(supervisor);
        signal(agent, Signal::STOP);
        let (mut starts, mut outputs) = (tokio::task::JoinSet::new(), Vec::new());
        for _ in 0..=MOST {
            let (streams, out, _err) = Streams::captured().unwrap();
            outputs.push(out);
            let (sandboxes, place, program) = (stage.sandboxes.clone(), stage.place.clone(), program("sleep 1000"));
            starts.spawn(async move { sandboxes.spawn(&place, program, streams).await.err() });
        }
        assert_eq!(starts.join_next().await.unwrap().unwrap(), Some(SandboxError::Busy));
        // Somebody else is not kept waiting by them.
        let other = Place { id: support::place(stage.dir.path()).id, ..stage.place.clone() };
        let (streams, mut out, _err) = Streams::captured().unwrap();
        let _child = stage.sandboxes.spawn(&other, program("echo fine"), streams).await.unwrap();
        let mut said = String::new();
        out.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "fine\n");
        // Who has left holds no connection any more, though the agent is still stopped.
        starts.shutdown().await;
        eventually("places are free again", || open_files(supervisor) < before + SLACK).await;
        signal(agent, Signal::CONT);
        // What starts now is wanted by nobody, and ends.
        for out in &mut outputs {
            let mut rest = Vec::new();
            tokio::time::timeout(PATIENCE, out.read_to_end(&mut rest)).await.unwrap().unwrap();
        }
        let again = stage.sh("exit 3").await;
        assert_eq!(stage.attach(&again, 0).await.finish().await.code, Some(3));
    }
}

#[tokio::test]
async fn another_network_policy_ends_what_runs_under_the_old_one() {
    let stage = Stage::new(SandboxMode::Landlock, TerminalSettings::default()).await;
    let Some(stage) = stage else { return };
    let info = stage.sh("echo up; sleep 1000").await;
    let mut view = stage.attach(&info, 0).await;
    view.until("up").await;
    // Another limit waits for it to end by itself.
    let mut next = stage.settings.clone();
    next.limits.open_files -= 1;
    let same_network = Sandboxes::start(next.clone(), None).await.unwrap();
    assert_eq!(same_network.terminals(Scope::Everything).await.unwrap().len(), 1);
    next.connect_ports = vec![443];
    let other_network = Sandboxes::start(next, None).await.unwrap();
    assert_eq!(view.finish().await.cause, Some(EndCause::AccessEnded));
    assert!(other_network.terminals(Scope::Everything).await.unwrap().is_empty());
    let stage = Stage { sandboxes: other_network, ..stage };
    let again = stage.sh("exit 3").await;
    assert_eq!(stage.attach(&again, 0).await.finish().await.code, Some(3));
}
