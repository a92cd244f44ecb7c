//! A hostile program in a terminal of one person, against another person, the server and the machine: on each kind of
//! walls.
//!
//! The program is `tests/intruder`; it is copied into the workspace of the one and run there, as that person could do.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "intruder/stage.rs"]
mod stage;
mod support;

use std::path::Path;
use std::time::Duration;

use coditect_protocol::terminal::EndCause;
use stage::{MEMORY_BYTES, OPEN_FILES, PROCESSES, QUOTA_BYTES, Stage, Walls};

/// Most that is written before the programs that write are held: what the disk takes between two looks at it.
const OVERSHOOT_BYTES: u64 = 1536 * 1024 * 1024;
/// What the kernel keeps of the numbers of processes, and gives out once.
const KERNELS_OWN: u64 = 300;
/// How long the attacks on memory hold what they have, if nobody ends them.
const HELD: Duration = Duration::from_secs(2);
/// Reads of a path while it is swapped.
const RACE_READS: usize = 400;

macro_rules! on_each_kind_of_walls {
    ($($test:ident),+ $(,)?) => {
        mod bubblewrap {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Walls::Bubblewrap).await;
            })+
        }
        mod landlock {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Walls::Landlock).await;
            })+
        }
    };
}

on_each_kind_of_walls!(
    nothing_that_is_seen_holds_a_secret,
    files_of_others_are_out_of_reach,
    the_server_never_follows_a_link_that_is_swapped_in,
    processes_of_others_are_out_of_reach,
    sockets_and_ports_of_others_are_out_of_reach,
    the_machine_is_out_of_reach,
    what_is_not_hostile_works,
    processes_have_an_end,
    memory_has_an_end,
    the_disk_has_an_end,
    descriptors_have_an_end,
    descriptors_on_their_way_end_nobodys_programs,
    ending_always_ends,
    busy_programs_and_floods_leave_the_others_alone,
);

async fn nothing_that_is_seen_holds_a_secret(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let _secret = stage.bob.leave_secrets().await;
    let own = stage.ada.folders().await;
    stage.ada.finds_nothing(&format!("hunt {own}")).await;
    stage.strike().await;
}

async fn files_of_others_are_out_of_reach(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let secret = stage.bob.leave_secrets().await;
    let paths: Vec<String> = secret.iter().map(|path| path.display().to_string()).collect();
    stage.ada.finds_nothing(&format!("read {}", paths.join(" "))).await;
    stage.ada.finds_nothing(&format!("links {}", paths.join(" "))).await;
    if walls == Walls::Bubblewrap {
        // Landlock does not keep anybody from asking for the size of a file whose whole path is known.
        stage.ada.finds_nothing(&format!("facts {}", paths.join(" "))).await;
    }
    for path in secret {
        assert!(std::fs::read_to_string(&path).unwrap().contains("INTRUDER-SECRET"), "{} was changed", path.display());
    }
    stage.strike().await;
}

async fn the_server_never_follows_a_link_that_is_swapped_in(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let secret = stage.bob.leave_secrets().await;
    let folder = secret[0].parent().unwrap().display().to_string();
    let terminal = stage.ada.start(&format!("race {folder}")).await;
    stage.ada.until_told(terminal, "swapping").await;
    let mut own = 0;
    for _ in 0..RACE_READS {
        for bytes in stage.ada.read_in_every_way("swapped/secret").await {
            assert!(!contains(&bytes, b"INTRUDER-SECRET"), "{}", String::from_utf8_lossy(&bytes));
            own += usize::from(bytes == b"own");
        }
    }
    assert!(own > 0, "the race never showed what was there");
    stage.ada.type_in(terminal, "\n").await;
    assert_eq!(stage.ada.finish(terminal).await.0, Some(0));
    stage.strike().await;
}

async fn processes_of_others_are_out_of_reach(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let waiting = stage.bob.start_with("wait", &[("OF_BOB", "INTRUDER-SECRET-environment")]).await;
    stage.bob.until_told(waiting, "waiting").await;
    let outside: Vec<String> = stage.processes_outside().into_iter().map(|id| id.to_string()).collect();
    stage.ada.finds_nothing(&format!("processes {}", outside.join(" "))).await;
    assert!(stage.is_running(), "the server was ended");
    stage.bob.type_in(waiting, "\u{4}").await;
    assert_eq!(stage.bob.finish(waiting).await.0, Some(0), "the other's program was hurt");
    stage.strike().await;
}

async fn sockets_and_ports_of_others_are_out_of_reach(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let doors = stage.open_doors();
    let listening = stage.bob.start("listen").await;
    let mut given = doors.targets.clone();
    if walls == Walls::Bubblewrap {
        let port = stage.bob.number_after(listening, "listening on ").await;
        given.push(format!("port:{port}"));
    }
    stage.ada.finds_nothing(&format!("sockets {}", given.join(" "))).await;
    assert_eq!(doors.visitors(), 0, "somebody came in");
    stage.strike().await;
}

async fn the_machine_is_out_of_reach(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    stage.ada.finds_nothing("kernel").await;
    assert!(!Path::new("/usr/intruder").exists() && !Path::new("/etc/intruder").exists());
    stage.strike().await;
}

async fn what_is_not_hostile_works(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let terminal = stage.ada.start("debug-own").await;
    let (code, output) = stage.ada.finish(terminal).await;
    assert_eq!(code, Some(0), "{output}");
    let terminal = stage
        .ada
        .run("echo text > new && chmod 600 new && ln -s new link && cat link && rm new link && mktemp -d && true")
        .await;
    let (code, output) = stage.ada.finish(terminal).await;
    assert!(code == Some(0) && output.contains("text"), "{output}");
    stage.strike().await;
}

async fn processes_have_an_end(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let waiting = stage.bob.start("wait").await;
    stage.bob.until_told(waiting, "waiting").await;
    let terminal = stage.ada.start("forks").await;
    let (_, output) = stage.bob.watched(stage.ada.finish(terminal)).await;
    assert!(stage.is_running(), "the server was ended");
    let most: u64 =
        output.lines().find_map(|line| line.strip_prefix("processes at most: ")?.trim().parse().ok()).unwrap_or(0);
    // Behind Landlock those of the whole machine are hidden: nothing can be counted there. Elsewhere the kernel itself
    // stops a server that runs as root only so much later.
    assert!(most <= PROCESSES + KERNELS_OWN, "{output}");
    stage.until_calm().await;
    stage.bob.type_in(waiting, "\u{4}").await;
    assert_eq!(stage.bob.finish(waiting).await.0, Some(0));
    stage.strike().await;
}

async fn memory_has_an_end(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    for (attack, processes) in [("memory 0", 1), ("memory 8", 9), ("hidden-memory", 1)] {
        let terminal = stage.ada.start(attack).await;
        let holder = stage.holder();
        // Pages of programs count for each process that has them here.
        let (most, over) = stage.ada.most_memory(holder, terminal, MEMORY_BYTES * 2).await;
        // The kernel bounds each process. All together may have more until the warden looks, four times in a second.
        assert!(most < MEMORY_BYTES * (processes + 3), "{attack} took {most} bytes");
        assert!(over < HELD, "{attack} had more than it may for {over:?}");
    }
    assert!(stage.is_running());
    stage.strike().await;
}

async fn the_disk_has_an_end(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let own = stage.ada.folders().await;
    let (workspace, home) = own.split_once(' ').unwrap();
    let attacks = [
        format!("disk {home}"),
        format!("disk-by-others {home}"),
        format!("disk-of-deleted-files {home}"),
        format!("disk {workspace}"),
    ];
    for attack in attacks {
        let (most, cause) = stage.bob.watched(stage.ada.most_on_the_disk(&attack)).await;
        assert!(most < QUOTA_BYTES + OVERSHOOT_BYTES, "{attack} took {most} bytes");
        assert_eq!(cause, Some(EndCause::Disk), "{attack}");
    }
    // What is too much already is not made more by anybody.
    let left = stage.ada.run("dd if=/dev/zero of=left bs=1M count=80 conv=fsync && exec sleep 60; exit 3").await;
    let (code, output) = stage.ada.finish(left).await;
    assert!(code == Some(3) || stage.ada.cause(left) == Some(EndCause::Disk), "{code:?} {output}");
    assert_eq!(stage.ada.write_through_the_server("more", 1024).await, "workspace.quota");
    stage.strike().await;
}

async fn descriptors_have_an_end(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let terminal = stage.ada.start("descriptors").await;
    let (code, output) = stage.ada.finish(terminal).await;
    assert_eq!(code, Some(0), "{output}");
    for (what, most) in [("files: ", OPEN_FILES), ("terminals: ", OPEN_FILES), ("watch instances: ", 128)] {
        let count: u64 = output.lines().find_map(|line| line.strip_prefix(what)?.trim().parse().ok()).expect(what);
        assert!(count <= most, "{what}{count}");
    }
    // The other one still gets a terminal, and is still told of changes.
    let terminal = stage.bob.start("wait").await;
    stage.bob.until_told(terminal, "waiting").await;
    stage.strike().await;
}

async fn descriptors_on_their_way_end_nobodys_programs(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let waiting = stage.bob.start("wait").await;
    stage.bob.until_told(waiting, "waiting").await;
    let holding = stage.ada.start("in-flight").await;
    let count = stage.ada.number_after(holding, "in flight: ").await;
    assert!(count >= OPEN_FILES, "{count}");
    stage.ada.until_told(holding, "waiting").await;
    for actor in [&mut stage.bob, &mut stage.ada] {
        let another = actor.run("echo fine").await;
        let (code, output) = actor.finish(another).await;
        assert!(code == Some(0) && output.contains("fine"), "{output}");
    }
    for (actor, terminal) in [(&mut stage.bob, waiting), (&mut stage.ada, holding)] {
        actor.type_in(terminal, "\u{4}").await;
        assert_eq!(actor.finish(terminal).await.0, Some(0));
    }
    stage.strike().await;
}

async fn ending_always_ends(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let first = stage.ada.start("trace-leader").await;
    stage.ada.until_told(first, "traced: Ok").await;
    let waiting = stage.bob.start("wait").await;
    stage.bob.until_told(waiting, "waiting").await;
    stage.ada.close(first).await;
    let second = stage.ada.start("trace-leader").await;
    stage.ada.until_told(second, "traced: Ok").await;
    let before = stage.attackers();
    assert!(before > 0);
    stage.ada.leave_the_workspace().await;
    stage.until_no_attackers().await;
    stage.bob.type_in(waiting, "\u{4}").await;
    assert_eq!(stage.bob.finish(waiting).await.0, Some(0), "the other's program was hurt");
    stage.strike().await;
}

async fn busy_programs_and_floods_leave_the_others_alone(walls: Walls) {
    let mut stage = Stage::set(walls).await;
    let spinning = stage.ada.start("spin").await;
    stage.ada.until_told(spinning, "spinning").await;
    let flooding = stage.ada.start("flood 64").await;
    let before = stage.memory_of_the_server();
    let (code, _) = stage.bob.watched(stage.ada.finish(flooding)).await;
    assert_eq!(code, Some(0));
    let more = stage.memory_of_the_server().saturating_sub(before);
    assert!(more < 64 * 1024 * 1024, "the flood left {more} bytes in the server");
    assert!(stage.bob.slowest() < Duration::from_secs(5), "{:?}", stage.bob.slowest());
    stage.strike().await;
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
