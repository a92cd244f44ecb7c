//! The warden, with real processes behind real walls.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; each test file uses its part"
)]

mod walls_support;

use coditect_protocol::terminal::EndCause;
use coditect_sandbox::agent::Stdio;
use coditect_sandbox::warden::{TooManyProcesses, Warden, WardenEvent};
use coditect_sandbox::{Limits, Place, Program};
use tokio::sync::mpsc;

use self::walls_support::{
    Machine, PATIENCE, Sandbox, captured, null_streams, on_all_walls, on_bubblewrap, probe_of, script,
};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn the_largest_process_is_killed_when_memory_is_short() {
    let limits = || Limits { memory_bytes: 200 * MIB, ..Limits::default() };
    on_all_walls(
        |settings| settings.limits = limits(),
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            let warden = Warden::start(tell).unwrap();
            warden.add(&place, sandbox.agent.pid(), &limits(), TooManyProcesses::Refused);
            let small = script("sleep 600");
            let mut small = sandbox.spawn(&small, Stdio::Fds(null_streams())).await;
            // Each is within the limit of a process, and together they are not within the sandbox's.
            let hogs =
                script("for i in 1 2 3; do head -c 90000000 /dev/zero | tail -c 90000000 | sleep 600 & done; wait");
            sandbox.spawn(&hogs, Stdio::Fds(null_streams())).await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Memory });
            assert!(
                tokio::time::timeout(std::time::Duration::ZERO, small.exit()).await.is_err(),
                "the small one lives"
            );
        },
    )
    .await;
}

/// Two sandboxes of different people on one machine, and a warden of both.
async fn two(machine: &Machine) -> ([(Place, Sandbox); 2], Warden, mpsc::Receiver<WardenEvent>) {
    let (tell, events) = mpsc::channel(8);
    let warden = Warden::start(tell).unwrap();
    let mut both = Vec::new();
    for _ in 0..2 {
        let place = machine.place();
        let sandbox = machine.start_at(&place).await;
        warden.add(&place, sandbox.agent.pid(), &Limits::default(), TooManyProcesses::Refused);
        both.push((place, sandbox));
    }
    (both.try_into().ok().unwrap(), warden, events)
}

#[tokio::test]
async fn all_together_have_a_limit_and_whoever_takes_most_gives_up() {
    on_all_walls(
        |_| {},
        async |machine| {
            let ([(_, small), (place, large)], warden, mut events) = two(&machine).await;
            warden.limit_together(200 * MIB);
            // Each is within the limit of a sandbox.
            let hog = |bytes: u64| script(&format!("head -c {bytes} /dev/zero | tail -c {bytes} | sleep 600 & wait"));
            let mut kept = small.spawn(&hog(60_000_000), Stdio::Fds(null_streams())).await;
            large.spawn(&hog(180_000_000), Stdio::Fds(null_streams())).await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Memory });
            large.wait_for_host("tail", 0).await;
            small.wait_for_host("tail", 1).await;
            assert!(tokio::time::timeout(std::time::Duration::ZERO, kept.exit()).await.is_err());
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_shared_counts_once_for_all_together() {
    on_bubblewrap(
        |_| {},
        async |machine| {
            let ([(place, sharing), (_, other)], warden, mut events) = two(&machine).await;
            warden.limit_together(150 * MIB);
            // Five processes with the same pages: for each of them the kernel counts all. Perl keeps but one copy where it
            // does not know the number beforehand: once all is too much the file is larger, however slowly it grows.
            let script = "perl -e '$| = 1; $n = 60_000_000; $x = \"x\" x $n; for (1..4) { last if !fork }
                print qq(up\\n); sleep 600'";
            let (streams, mut out) = captured();
            sharing.spawn(&self::script(script), Stdio::Fds(streams)).await;
            out.expect("up\nup\nup\nup\nup\n").await;
            let (streams, mut out) = captured();
            // Files in memory, which end with nothing but their sandbox.
            other
                .spawn(&self::script("head -c 200000000 /dev/zero > /dev/shm/file; echo up"), Stdio::Fds(streams))
                .await;
            out.expect("up\n").await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert!(matches!(event, WardenEvent::EndAsked { sandbox, .. } if sandbox != place.id), "{event:?}");
            sharing.wait_for_host("perl", 5).await;
        },
    )
    .await;
}

/// How much `probe_watches` is to watch: behind Landlock it cannot read what there is.
const WATCHES: &str = "CODITECT_TEST_WATCHES";

/// Watches as much as it is told to.
#[test]
#[ignore = "runs inside a sandbox"]
fn probe_watches() {
    use rustix::event::{EventfdFlags, epoll, eventfd};
    let count: u64 = std::env::var(WATCHES).unwrap().parse().unwrap();
    let files: Vec<_> = (0..1000).map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()).collect();
    let mut watchers = Vec::new();
    for _ in 0..count.div_ceil(1000) {
        let watcher = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for file in &files {
            epoll::add(&watcher, file, epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
        }
        watchers.push(watcher);
    }
    std::thread::sleep(PATIENCE);
}

#[tokio::test]
async fn whoever_takes_the_watches_of_others_is_killed() {
    on_all_walls(
        |_| {},
        async |machine| {
            let ([(_, other), (place, sandbox)], _warden, mut events) = two(&machine).await;
            let mut other = other.spawn(&script("sleep 600"), Stdio::Fds(null_streams())).await;
            let all = std::fs::read_to_string("/proc/sys/fs/epoll/max_user_watches").unwrap();
            // Half as much again as a sandbox may.
            let count = all.trim().parse::<u64>().unwrap() / 16 * 3 / 2;
            let env = vec![(WATCHES.to_owned(), count.to_string())];
            let probe = Program { env, ..probe_of(&place, "probe_watches") };
            let mut taker = sandbox.spawn(&probe, Stdio::Fds(null_streams())).await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Memory });
            assert_eq!(taker.exit().await.unwrap().signal, Some(9));
            assert!(tokio::time::timeout(std::time::Duration::ZERO, other.exit()).await.is_err());
        },
    )
    .await;
}

#[tokio::test]
async fn the_youngest_processes_are_killed_when_there_are_too_many() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            // Less than the kernel keeps, so that it is the warden who has to.
            let warden = Warden::start(tell).unwrap();
            warden.add(
                &place,
                sandbox.agent.pid(),
                &Limits { processes: 20, ..Limits::default() },
                TooManyProcesses::Refused,
            );
            let many = script("for i in $(seq 40); do sleep 600 & done; wait");
            let mut many = sandbox.spawn(&many, Stdio::Fds(null_streams())).await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Processes });
            sandbox.wait_for_host("sleep", 19).await;
            assert!(tokio::time::timeout(std::time::Duration::ZERO, many.exit()).await.is_err(), "the oldest lives");
        },
    )
    .await;
}

/// Where the kernel refuses none, a loop that starts them without end gets no further than it gets between two looks.
#[tokio::test]
async fn a_bomb_of_processes_gets_nowhere() {
    const MOST: usize = 50;
    /// Without an end it would have these at once.
    const WANTED: usize = 3000;
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (tell, _events) = mpsc::channel(8);
            let warden = Warden::start(tell).unwrap();
            let limits = Limits { processes: 50, ..Limits::default() };
            warden.add(&place, sandbox.agent.pid(), &limits, TooManyProcesses::Ended);
            // A shell gives up where the kernel refuses it one after all.
            let bomb = script(&format!("for i in $(seq {WANTED}); do sleep 600 & done"));
            let mut bomb = sandbox.spawn(&bomb, Stdio::Fds(null_streams())).await;
            let mut most = 0;
            while tokio::time::timeout(std::time::Duration::from_millis(1), bomb.exit()).await.is_err() {
                most = most.max(sandbox.host_pids("sleep").len());
            }
            assert!(most < WANTED / 2, "{most}");
            tokio::time::timeout(PATIENCE, async {
                while sandbox.host_pids("sleep").len() > MOST {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            })
            .await
            .unwrap();
        },
    )
    .await;
}

/// Who of the two is left when a sandbox goes beyond its limit: `bad`, which is to go, or a program that does nothing.
async fn only_the_bad_one_goes(limits: impl Fn() -> Limits, quota_bytes: Option<u64>, bad: &str, cause: EndCause) {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = Place { quota_bytes, ..machine.place() };
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            let warden = Warden::start(tell).unwrap();
            let mut harmless = sandbox.spawn(&script("sleep 600"), Stdio::Fds(null_streams())).await;
            let mut bad = sandbox.spawn(&script(bad), Stdio::Fds(null_streams())).await;
            warden.add(&place, sandbox.agent.pid(), &limits(), TooManyProcesses::Ended);
            let asked = WardenEvent::DiskAsked { sandbox: place.id };
            loop {
                let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
                if event != asked {
                    assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause });
                    break;
                }
            }
            tokio::time::timeout(PATIENCE, bad.exit()).await.unwrap().unwrap();
            assert!(tokio::time::timeout(std::time::Duration::ZERO, harmless.exit()).await.is_err());
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_collects_none_of_its_children_is_killed() {
    let limits = || Limits { processes: 20, ..Limits::default() };
    let bad = "exec perl -e 'for (1..60) { exit if !fork } sleep 600'";
    only_the_bad_one_goes(limits, None, bad, EndCause::Processes).await;
}

#[tokio::test]
async fn whoever_is_made_to_go_on_writing_is_killed() {
    let limits = || Limits { disk_reserve_bytes: 0, ..Limits::default() };
    // Nobody measures, so that the writer is to stand still for the whole test.
    let bad = r#"perl -MIO::Handle -e 'open F, ">", "file";
            for (1..20000) { seek F, 0, 0; print F "x" x 1048576; F->sync }' &
        while kill -CONT $!; do :; done"#;
    only_the_bad_one_goes(limits, Some(64 * MIB), bad, EndCause::Disk).await;
}

#[tokio::test]
async fn small_writers_one_after_another_do_not_fill_the_disk() {
    on_all_walls(
        |_| {},
        async |machine| {
            let ([_, (place, sandbox)], warden, mut events) = two(&machine).await;
            // As if the disk were nearly full.
            let limits = Limits { disk_reserve_bytes: u64::MAX, ..Limits::default() };
            warden.add(&place, sandbox.agent.pid(), &limits, TooManyProcesses::Refused);
            let writer = script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); head -c 3000000 /dev/zero > file; done");
            let mut writer = sandbox.spawn(&writer, Stdio::Fds(null_streams())).await;
            let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
            assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Disk });
            assert_eq!(writer.exit().await.unwrap().signal, Some(9));
        },
    )
    .await;
}

#[tokio::test]
async fn writers_stand_still_until_the_quota_is_measured_and_end_beyond_it() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = Place { quota_bytes: Some(64 * MIB), ..machine.place() };
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            let warden = Warden::start(tell).unwrap();
            warden.add(
                &place,
                sandbox.agent.pid(),
                &Limits { disk_reserve_bytes: 0, ..Limits::default() },
                TooManyProcesses::Refused,
            );
            let writer = script("while :; do dd if=/dev/zero of=file bs=1M count=16 conv=fsync 2>/dev/null; done");
            let mut writer = sandbox.spawn(&writer, Stdio::Fds(null_streams())).await;
            let asked = WardenEvent::DiskAsked { sandbox: place.id };
            for _ in 0..2 {
                assert_eq!(tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap(), asked);
                warden.disk_usage(place.id, 32 * MIB);
            }
            loop {
                let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
                if event != asked {
                    assert_eq!(event, WardenEvent::LimitReached { sandbox: place.id, cause: EndCause::Disk });
                    break;
                }
                warden.disk_usage(place.id, 65 * MIB);
            }
            warden.remove(place.id);
            sandbox.agent.close().await;
            assert!(writer.exit().await.is_none_or(|exit| exit.signal == Some(9)));
        },
    )
    .await;
}
