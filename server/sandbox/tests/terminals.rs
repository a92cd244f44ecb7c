//! Real programs on real terminals, through a supervisor.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "support/copies.rs"]
mod copies;
mod support;

use std::path::Path;
use std::time::Duration;

use coditect_protocol::terminal::{EndCause, TerminalExit};
use coditect_protocol::{Coded as _, RelPath, TerminalId, UserId, WorkspaceId};
use coditect_sandbox::client::{SandboxEvent, Sandboxes, Scope};
use coditect_sandbox::terminal::{MAX_ATTACHMENTS, MAX_TITLE_CHARS, QUEUED_INPUTS, TerminalStart, WAITING_WRITES};
use coditect_sandbox::{Place, SandboxError, SandboxId, SandboxMode, SandboxSettings, TerminalSettings};
use copies::copy_program;
use support::{PATIENCE, Stage, View, eventually, is_alive, sh};
use uuid::Uuid;

#[tokio::test]
async fn an_interactive_shell_has_job_control() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let bash = Path::new("/bin/bash");
        if !bash.exists() {
            return support::missing("bash", "there is no /bin/bash");
        }
        let info =
            stage.create(TerminalStart { program: "/bin/bash".to_owned(), ..TerminalStart::default() }).await.unwrap();
        assert_eq!((info.program.as_str(), info.title.as_str(), info.number), ("/bin/bash", "bash", 1));
        let mut view = stage.attach(&info, 0).await;
        // The prompt tells that the shell reads again, and what the last job ended with.
        stage.type_in(&info, "PS1='at-$?> '; echo in-$((40+2))\n").await;
        view.until("in-42").await;
        view.until("at-0> ").await;
        // A job that is stopped, brought back and interrupted; it tells when the terminal is its own.
        let job = "trap 'echo back-$((1+1))' CONT; echo job-$((2*3)); while :; do read line; done";
        std::fs::write(stage.file("job"), job).unwrap();
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
        stage.sandboxes.resize(stage.person(), info.id, 123, 45).await.unwrap();
        stage.type_in(&info, "stty size\n").await;
        view.until("45 123").await;
        stage.type_in(&info, "exit 7\n").await;
        assert_eq!(view.finish().await, TerminalExit { code: Some(7), signal: None, cause: None });
        assert!(!view.seen.contains("no job control") && !view.seen.contains("cannot set terminal"), "{}", view.seen);
        let ended = stage.sandboxes.terminal(stage.person(), info.id).await.unwrap();
        assert_eq!((ended.exit.unwrap().code, ended.cols, ended.rows), (Some(7), 123, 45));
        let refused = stage.sandboxes.write(stage.person(), info.id, b"x").await.unwrap_err();
        assert_eq!(refused.code(), "terminal.ended");
    }
}

#[tokio::test]
async fn a_resize_reaches_the_running_program() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done").await;
        let mut view = stage.attach(&info, 0).await;
        view.until("ready").await;
        stage.sandboxes.resize(stage.person(), info.id, 99, 0).await.unwrap();
        view.until("1 99").await;
        stage.sandboxes.resize(stage.person(), info.id, u16::MAX, 50).await.unwrap();
        view.until("50 2000").await;
        stage.close(&info).await;
    }
}

#[tokio::test]
async fn output_of_a_short_program_is_whole_and_kept() {
    for stage in Stage::each(TerminalSettings::default()).await {
        let info = stage.sh("seq 1 20000; exit 3").await;
        let mut view = stage.attach(&info, 0).await;
        assert_eq!(view.finish().await.code, Some(3));
        let expected: String = (1..=20000).map(|number| format!("{number}\r\n")).collect();
        assert!(view.seen == expected, "{} bytes of {}", view.seen.len(), expected.len());
        // Attached again from anywhere, the same bytes.
        for from in [0, 1, 4095, 100_000, expected.len()] {
            let mut again = stage.attach(&info, from as u64).await;
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
        let finished = stage.file("finished");
        eventually("the program was not held up", || finished.exists()).await;
        let mut view = stage.attach(&info, 0).await;
        let first = view.attachment.next().await.unwrap();
        assert!(first.offset > 1_000_000, "{}", first.offset);
        view.seen = String::from_utf8(first.data).unwrap();
        view.until("200000\r\n").await;
        assert!(view.seen.len() <= 64 * 1024);
        // It starts with a whole line, and no line is missing after it.
        let numbers: Vec<u32> = view.seen.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        stage.close(&info).await;
    }
}

/// More output than lies in the buffers between a program and who does not read.
const FLOOD: u32 = 300_000;

#[tokio::test]
async fn a_slow_reader_loses_nothing_within_the_stall_limit() {
    let settings = TerminalSettings { scrollback_bytes: 8 * 1024, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let info = stage.sh(&format!("stty -echo; echo up; read start; seq 1 {FLOOD}; echo done > finished")).await;
        let mut view = stage.attach(&info, 0).await;
        view.until("up\r\n").await;
        let mut offset = view.seen.len() as u64;
        view.seen.clear();
        stage.type_in(&info, "\n").await;
        // Time for the flood to run into the wall; the less there is of it, the less is shown.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!stage.file("finished").exists(), "the program waits");
        while let Some(chunk) = tokio::time::timeout(PATIENCE, view.attachment.next()).await.unwrap() {
            assert_eq!(chunk.offset, offset, "no byte is missing");
            offset += chunk.data.len() as u64;
            view.seen.push_str(std::str::from_utf8(&chunk.data).unwrap());
        }
        assert_eq!(view.seen.lines().count(), FLOOD as usize);
        assert!(view.seen.ends_with(&format!("\r\n{FLOOD}\r\n")));
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
        let info = stage.sh(&format!("seq 1 {FLOOD}; echo done > finished; read end")).await;
        let mut stuck = stage.attach(&info, 0).await;
        let first = stuck.attachment.next().await.unwrap();
        let finished = stage.file("finished");
        eventually("the program goes on", || finished.exists()).await;
        let mut offset = first.offset + first.data.len() as u64;
        let mut gaps = 0;
        while !stuck.seen.ends_with(&format!("{FLOOD}\r\n")) {
            let chunk = tokio::time::timeout(PATIENCE, stuck.attachment.next()).await.unwrap().unwrap();
            gaps += u32::from(chunk.offset > offset);
            offset = chunk.offset + chunk.data.len() as u64;
            stuck.seen.push_str(std::str::from_utf8(&chunk.data).unwrap());
        }
        assert!(gaps > 0, "a jump shows the gap");
        stage.type_in(&info, "\n").await;
        assert_eq!(stuck.finish().await.code, Some(0));
    }
}

#[tokio::test]
async fn who_was_cut_off_is_waited_for_and_finds_all_of_it() {
    let settings = TerminalSettings { scrollback_bytes: 1024 * 1024, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let info = stage.sh("stty -echo; echo up; read start; seq 1 2000000; echo done > finished").await;
        let mut view = stage.attach(&info, 0).await;
        view.until("up\r\n").await;
        stage.type_in(&info, "\n").await;
        view.until("\r\n1000\r\n").await;
        // As a server that stops: who looked will come back.
        stage.sandboxes.prepare_to_leave();
        let seen = view.seen.clone();
        drop(view);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!stage.file("finished").exists(), "the program waits");
        let again = Sandboxes::start(stage.settings.clone(), None).await.unwrap();
        let mut view =
            View { attachment: again.attach(stage.person(), info.id, seen.len() as u64).await.unwrap(), seen };
        let mut offset = view.seen.len() as u64;
        while let Some(chunk) = tokio::time::timeout(PATIENCE, view.attachment.next()).await.unwrap() {
            assert_eq!(chunk.offset, offset, "no byte is missing");
            offset += chunk.data.len() as u64;
        }
        assert_eq!(view.attachment.exit().code, Some(0));
    }
}

#[tokio::test]
async fn a_title_that_its_person_gave_is_kept() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let begun = stage.sh("sleep 1000").await;
    let called = async |title: &str| {
        stage.sandboxes.rename(stage.person(), begun.id, title).await.unwrap();
        let info = stage.sandboxes.terminal(stage.person(), begun.id).await.unwrap();
        (info.title, info.renamed)
    };
    assert!(!begun.renamed);
    assert_eq!(called(" the \u{1b}right one\n").await, ("the right one".to_owned(), true));
    assert_eq!(called(&"ä".repeat(1000)).await, ("ä".repeat(MAX_TITLE_CHARS), true));
    assert_eq!(called(" \n").await, (begun.title.clone(), false));
    stage.close(&begun).await;
}

#[tokio::test]
async fn belongs_to_its_person_alone() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let info = stage.sh("sleep 1000").await;
    let other = UserId(Uuid::new_v4());
    let check = |result: Result<(), SandboxError>| assert_eq!(result.unwrap_err().code(), "terminal.not_found");
    let sandboxes = &stage.sandboxes;
    check(sandboxes.terminal(other, info.id).await.map(drop));
    check(sandboxes.attach(other, info.id, 0).await.map(drop));
    check(sandboxes.write(other, info.id, b"x").await);
    check(sandboxes.resize(other, info.id, 1, 1).await);
    check(sandboxes.rename(other, info.id, "theirs").await);
    check(sandboxes.close(other, info.id).await);
    check(sandboxes.terminal(stage.person(), TerminalId(Uuid::new_v4())).await.map(drop));
    for scope in [Scope::Person(other), Scope::Workspace(WorkspaceId(Uuid::new_v4()))] {
        assert!(sandboxes.terminals(scope).await.unwrap().is_empty());
    }
    let listed = sandboxes.terminals(Scope::Sandbox(stage.place.id)).await.unwrap();
    assert_eq!(listed.into_iter().map(|listed| listed.info).collect::<Vec<_>>(), [info]);
}

#[tokio::test]
async fn limits_hold() {
    let settings = TerminalSettings { per_workspace: 2, input_bytes: 10, ..TerminalSettings::default() };
    let stage = Stage::plain(settings).await;
    let first = stage.sh("sleep 1000").await;
    let spec = || TerminalStart { program: "true".to_owned(), ..TerminalStart::default() };
    let (second, third) = tokio::join!(stage.create(spec()), stage.create(spec()));
    let refused = [second, third].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.iter().map(coditect_protocol::Coded::code).collect::<Vec<_>>(), ["terminal.too_many"]);
    let too_large = stage.sandboxes.write(stage.person(), first.id, &[b'x'; 11]).await.unwrap_err();
    assert_eq!(too_large.code(), "terminal.input_too_large");
    let mut views = Vec::new();
    for _ in 0..MAX_ATTACHMENTS {
        views.push(stage.attach(&first, 0).await);
    }
    let too_many = stage.sandboxes.attach(stage.person(), first.id, 0).await.err().unwrap();
    assert_eq!(too_many.code(), "terminal.too_many_attachments");
    drop(views);
    let again = async { while stage.sandboxes.attach(stage.person(), first.id, 0).await.is_err() {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    stage.close(&first).await;
    assert_eq!(stage.create(spec()).await.unwrap().number, 3, "numbers are not used again");
}

#[tokio::test]
async fn a_person_has_a_limit_across_workspaces() {
    let stage = Stage::plain(TerminalSettings { per_person: 2, ..TerminalSettings::default() }).await;
    let create = |person: UserId| {
        let id = SandboxId { person, workspace: WorkspaceId(Uuid::new_v4()) };
        let place = Place { id, ..stage.place.clone() };
        let sandboxes = stage.sandboxes.clone();
        async move { sandboxes.create_terminal(&place, sh("exit 0")).await }
    };
    // Each in a workspace of its own, all at the same time.
    let person = stage.person();
    let (a, b, c) = tokio::join!(create(person), create(person), create(person));
    let (made, refused): (Vec<_>, Vec<_>) = [a, b, c].into_iter().partition(Result::is_ok);
    let codes: Vec<_> = refused.into_iter().map(|refused| refused.unwrap_err().code()).collect();
    assert_eq!(codes, ["terminal.too_many_of_person"]);
    create(UserId(Uuid::new_v4())).await.unwrap();
    let first = made.into_iter().next().unwrap().unwrap();
    stage.close(&first).await;
    create(person).await.unwrap();
    assert_eq!(create(person).await.unwrap_err().code(), "terminal.too_many_of_person");
}

#[tokio::test]
async fn a_person_has_programs_in_so_many_workspaces_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["files", "home"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let none = support::settings(dir.path(), SandboxMode::None, TerminalSettings::default());
    let settings = SandboxSettings { per_person: 2, ..none };
    let sandboxes = Sandboxes::start(settings, None).await.unwrap();
    let mut events = sandboxes.events();
    let place = support::place(dir.path());
    let person = place.id.person;
    let [a, b, c]: [Place; 3] = std::array::from_fn(|_| {
        let id = SandboxId { person, workspace: WorkspaceId(Uuid::new_v4()) };
        Place { id, ..place.clone() }
    });
    let busy = async |place| sandboxes.create_terminal(place, sh("sleep 1000")).await;
    let running = async || {
        let running = sandboxes.running(Scope::Person(person)).await.unwrap();
        running.into_iter().map(|sandbox| sandbox.id).collect::<std::collections::HashSet<_>>()
    };
    // At the same time, with room for two of them.
    let (first, second, third) = tokio::join!(busy(&a), busy(&b), busy(&c));
    let refused: Vec<_> = [&first, &second, &third].into_iter().filter_map(|made| made.as_ref().err()).collect();
    assert_eq!(refused.into_iter().map(coditect_protocol::Coded::code).collect::<Vec<_>>(), ["sandbox.too_many"]);
    let wanted = async { while events.recv().await.unwrap() != (SandboxEvent::RoomWanted { person }) {} };
    tokio::time::timeout(PATIENCE, wanted).await.unwrap();
    // Somebody else has places of their own.
    let theirs = support::place(dir.path());
    busy(&theirs).await.unwrap();
    sandboxes.end(Scope::Person(person), None).await.unwrap();
    // One in which nothing runs makes room: the one in which nothing has run for longer.
    for place in [&b, &a] {
        let ended = sandboxes.create_terminal(place, sh("exit 0")).await.unwrap();
        View::new(sandboxes.attach(person, ended.id, 0).await.unwrap()).finish().await;
    }
    assert_eq!(running().await, [a.id, b.id].into());
    busy(&c).await.unwrap();
    assert_eq!(running().await, [a.id, c.id].into());
    let kept = busy(&a).await.unwrap();
    assert_eq!(busy(&b).await.unwrap_err().code(), "sandbox.too_many");
    // What ends while it is waited for makes room as well.
    let (closed, started) = tokio::join!(sandboxes.close(person, kept.id), busy(&b));
    closed.unwrap();
    started.unwrap();
    assert_eq!(running().await, [b.id, c.id].into());
}

#[tokio::test]
async fn a_failed_start_says_why_and_takes_no_place() {
    let settings = TerminalSettings { per_workspace: 1, ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let spec = TerminalStart { program: "no-such-program".to_owned(), ..TerminalStart::default() };
        let error = stage.create(spec).await.unwrap_err();
        assert_eq!(error.code(), "terminal.start_failed");
        assert!(error.to_string().contains("no-such-program"), "{error}");
        let spec = TerminalStart { start_in: RelPath::parse("nowhere").unwrap(), ..sh("exit 0") };
        assert_eq!(stage.create(spec).await.unwrap_err().code(), "files.not_found");
        let info = stage.sh("exit 0").await;
        stage.attach(&info, 0).await.finish().await;
        let listed = async || stage.sandboxes.terminals(Scope::Everything).await.unwrap().len();
        assert_eq!(listed().await, 1);
        stage.close(&info).await;
        assert_eq!(listed().await, 0);
    }
}

#[tokio::test]
async fn closing_hangs_up_first_and_kills_after_the_grace() {
    let settings = TerminalSettings { close_grace: Duration::from_millis(200), ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let polite = stage.sh("trap 'echo saved > saved; exit' HUP; echo up; while :; do sleep 0.05; done").await;
        stage.attach(&polite, 0).await.until("up").await;
        stage.close(&polite).await;
        assert!(stage.file("saved").exists(), "the program could save its work");

        // Its child holds a lock as long as it lives.
        let stubborn = "trap '' HUP TERM; sh -c 'trap \"\" HUP TERM; exec 9> lock; flock 9; echo child; while :; do sleep 1; done'";
        let stubborn = stage.sh(stubborn).await;
        let mut view = stage.attach(&stubborn, 0).await;
        view.until("child").await;
        stage.close(&stubborn).await;
        assert_eq!(view.finish().await.signal, Some(9));
        assert_eq!(
            stage.sandboxes.terminal(stage.person(), stubborn.id).await.unwrap_err().code(),
            "terminal.not_found"
        );
        let lock = std::fs::File::open(stage.file("lock")).unwrap();
        eventually("the child has ended, too", || lock.try_lock().is_ok()).await;
    }
}

#[tokio::test]
async fn a_name_that_is_no_text_hides_nobody_from_the_end() {
    use std::os::unix::ffi::OsStrExt as _;
    let settings = TerminalSettings { close_grace: Duration::from_millis(200), ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let name = std::ffi::OsStr::from_bytes(b"\xff");
        copy_program(Path::new("/bin/sh"), &stage.dir.path().join("files").join(name));
        let hidden = "trap \"\" HUP TERM; exec 9> lock; flock 9; echo up; while :; do sleep 1; done";
        let info = stage.sh(&format!("./\"$(printf '\\377')\" -c '{hidden}' & wait")).await;
        stage.attach(&info, 0).await.until("up").await;
        stage.close(&info).await;
        let lock = std::fs::File::open(stage.file("lock")).unwrap();
        eventually("it has ended, too", || lock.try_lock().is_ok()).await;
    }
}

#[tokio::test]
async fn a_flood_can_be_closed_with_a_stuck_reader() {
    for stage in Stage::each(TerminalSettings { scrollback_bytes: 8 * 1024, ..TerminalSettings::default() }).await {
        let info = stage.sh("yes").await;
        let mut stuck = stage.attach(&info, 0).await;
        stuck.until("y").await;
        tokio::time::timeout(Duration::from_secs(5), stage.close(&info)).await.unwrap();
        let exit = stuck.finish().await;
        assert!(exit.code.is_some() || exit.signal.is_some(), "{exit:?}");
    }
}

/// Copies this test program into the workspace, to run one of the tests there that are made for it.
fn probe(stage: &Stage, test: &str) -> TerminalStart {
    let name = stage.person().to_string();
    if !stage.file(&name).exists() {
        copy_program(&std::env::current_exe().unwrap(), &stage.file(&name));
    }
    sh(&format!("exec ./{name} --exact {test} --ignored --nocapture"))
}

/// Processes of [`probe`] that are left.
fn probes(stage: &Stage) -> usize {
    let name = stage.person().to_string();
    let commands = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    let commands = commands.filter_map(|path| std::fs::read_to_string(path).ok());
    commands.filter(|command| command.contains(&name)).count()
}

/// A child in a session of its own traces the program of the terminal, so that its end is told to the child alone.
#[test]
#[ignore = "runs inside a sandbox"]
#[expect(unsafe_code, reason = "tracing is a system call")]
fn trace_leader() {
    const LONGEST: Duration = Duration::from_secs(60);
    // Where nothing restricts who may trace whom, there is nothing to allow.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
    // SAFETY: the child makes system calls and ends; none of them takes a pointer that is not null.
    unsafe {
        let leader = libc::getpid();
        if libc::fork() == 0 {
            libc::setsid();
            if libc::ptrace(libc::PTRACE_SEIZE, leader, 0, 0) == 0 {
                libc::write(1, c"seized\n".as_ptr().cast(), 7);
            }
            libc::alarm(LONGEST.as_secs() as u32);
            libc::pause();
            libc::_exit(0);
        }
    }
    std::thread::sleep(LONGEST);
}

#[tokio::test]
async fn a_program_that_is_traced_holds_up_no_end() {
    let settings = TerminalSettings { close_grace: Duration::from_millis(100), ..TerminalSettings::default() };
    for stage in Stage::each(settings).await {
        let soon = Duration::from_secs(15);
        let one = stage.create(probe(&stage, "trace_leader")).await.unwrap();
        stage.attach(&one, 0).await.until("seized").await;
        tokio::time::timeout(soon, stage.close(&one)).await.expect("a terminal can be closed");
        let two = stage.create(probe(&stage, "trace_leader")).await.unwrap();
        let mut view = stage.attach(&two, 0).await;
        view.until("seized").await;
        let ending = stage.sandboxes.end(Scope::Sandbox(stage.place.id), Some(EndCause::AccessEnded));
        tokio::time::timeout(soon, ending).await.expect("a sandbox can be ended").unwrap();
        assert_eq!(view.finish().await.cause, Some(EndCause::AccessEnded));
        eventually("none of it is left", || probes(&stage) == 0).await;
        let three = stage.create(probe(&stage, "trace_leader")).await.unwrap();
        stage.attach(&three, 0).await.until("seized").await;
        assert!(probes(&stage) > 0);
        let supervisor = stage.supervisor();
        let leaving = stage.sandboxes.shut_down(coditect_sandbox::client::KeepTerminals::No);
        assert!(tokio::time::timeout(soon, leaving).await.expect("everything can be ended"));
        eventually("the supervisor ends", || !is_alive(supervisor)).await;
        eventually("none of it is left", || probes(&stage) == 0).await;
    }
}

#[tokio::test]
async fn who_writes_to_a_program_that_does_not_read_is_refused_at_last() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let info = stage.sh("stty raw -echo; echo up; exec sleep 1000").await;
    stage.attach(&info, 0).await.until("up").await;
    let data = vec![b'x'; 64 * 1024];
    let write = || tokio::time::timeout(Duration::from_secs(2), stage.sandboxes.write(stage.person(), info.id, &data));
    let outcomes = futures_util::future::join_all((0..40).map(|_| write())).await;
    let refused = outcomes.iter().flatten().filter(|outcome| matches!(outcome, Err(SandboxError::TerminalBusy)));
    assert!(refused.count() >= 40 - 2 * QUEUED_INPUTS - WAITING_WRITES, "{outcomes:?}");
    stage.close(&info).await;
}

#[tokio::test]
async fn another_quota_ends_nothing_that_runs() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let info = stage.sh("echo up; read x; exit 4").await;
    stage.attach(&info, 0).await.until("up").await;
    let place = Place { quota_bytes: Some(1 << 30), ..stage.place.clone() };
    stage.sandboxes.create_terminal(&place, sh("exit 0")).await.unwrap();
    stage.type_in(&info, "\n").await;
    assert_eq!(stage.attach(&info, 0).await.finish().await.code, Some(4));
}

#[tokio::test]
async fn ending_a_scope_leaves_the_others_and_says_why() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    let mine = stage.sh("sleep 1000").await;
    let mut view = stage.attach(&mine, 0).await;
    let elsewhere = SandboxId { person: stage.person(), workspace: WorkspaceId(Uuid::new_v4()) };
    let place = Place { id: elsewhere, ..stage.place.clone() };
    let other = stage.sandboxes.create_terminal(&place, sh("sleep 1000")).await.unwrap();
    stage.sandboxes.end(Scope::Workspace(stage.place.id.workspace), Some(EndCause::AccessEnded)).await.unwrap();
    assert_eq!(view.finish().await.cause, Some(EndCause::AccessEnded));
    assert!(stage.sandboxes.terminal(stage.person(), mine.id).await.is_err());
    assert!(stage.sandboxes.terminal(stage.person(), other.id).await.unwrap().exit.is_none());
    // One that is just being started when its workspace is closed does not survive either.
    for _ in 0..20 {
        let starting = stage.sandboxes.create_terminal(&place, sh("sleep 1000"));
        let (started, ended) = tokio::join!(starting, stage.sandboxes.end(Scope::Sandbox(elsewhere), None));
        ended.unwrap();
        match started {
            // It began after the end.
            Ok(info) if stage.sandboxes.terminal(stage.person(), info.id).await.is_ok() => stage.close(&info).await,
            Ok(_) => {}
            Err(error) => assert!(matches!(error, SandboxError::PlaceClosed | SandboxError::Ended), "{error:?}"),
        }
    }
    assert!(stage.sandboxes.terminals(Scope::Everything).await.unwrap().is_empty());
}

#[tokio::test]
async fn input_waits_for_a_program_that_does_not_read() {
    let stage = Stage::plain(TerminalSettings::default()).await;
    rustix::fs::mknodat(rustix::fs::CWD, stage.file("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let info = stage.sh("stty raw -echo; echo up; read go < fifo; head -c 65536 | wc -c; stty sane").await;
    stage.attach(&info, 0).await.until("up").await;
    let flood = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    loop {
        let write = stage.sandboxes.write(stage.person(), info.id, &flood);
        match tokio::time::timeout(Duration::from_millis(300), write).await {
            Ok(result) => result.unwrap(),
            Err(_) => break,
        }
        sent += 1;
        assert!(sent < 20, "input is bounded");
    }
    std::fs::write(stage.file("fifo"), "go\n").unwrap();
    let mut view = stage.attach(&info, 0).await;
    // It ends with input still waiting: nothing may hang on that.
    assert_eq!(view.finish().await.code, Some(0));
    assert!(view.seen.contains("65536"), "{}", view.seen);
}

#[tokio::test]
async fn what_a_terminal_was_given_is_seen_by_nobody_else() {
    const SECRET: &str = "of-this-terminal-alone";
    for mode in [SandboxMode::Bubblewrap, SandboxMode::Landlock] {
        let Some(stage) = Stage::new(mode, TerminalSettings::default()).await else { continue };
        let given = TerminalStart {
            env: vec![("GIVEN".to_owned(), SECRET.to_owned())],
            ..sh("test -n \"$GIVEN\" && echo up; sleep 1000")
        };
        let info = stage.create(given).await.unwrap();
        stage.attach(&info, 0).await.until("up").await;
        assert!(!format!("{info:?}").contains(SECRET));
        let theirs = tempfile::tempdir().unwrap();
        for folder in ["files", "home"] {
            std::fs::create_dir(theirs.path().join(folder)).unwrap();
        }
        let other = support::place(theirs.path());
        // As root, too, which may read every environment where nothing but its owner keeps it.
        let look = "cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ 2>/dev/null | grep -c this-terminal; echo end";
        let looked = stage.sandboxes.create_terminal(&other, sh(look)).await.unwrap();
        let mut view = View::new(stage.sandboxes.attach(other.id.person, looked.id, 0).await.unwrap());
        view.until("end").await;
        assert_eq!(view.seen.lines().next().map(str::trim), Some("0"), "{mode:?}: {}", view.seen);
        for file in std::fs::read_dir(&stage.settings.run_dir).unwrap().flatten() {
            if let Ok(content) = std::fs::read(file.path()) {
                assert!(!String::from_utf8_lossy(&content).contains(SECRET), "{:?}", file.path());
            }
        }
    }
}
