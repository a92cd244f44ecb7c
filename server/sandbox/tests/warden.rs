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
use coditect_sandbox::warden::{Warden, WardenEvent};
use coditect_sandbox::{Limits, Place};
use tokio::sync::mpsc;

use self::walls_support::{PATIENCE, null_streams, on_all_walls, script};

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
            let warden = Warden::start(limits(), tell).unwrap();
            warden.add(&place, sandbox.agent.pid());
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

#[tokio::test]
async fn the_youngest_processes_are_killed_when_there_are_too_many() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            // Less than the kernel keeps, so that it is the warden who has to.
            let warden = Warden::start(Limits { processes: 20, ..Limits::default() }, tell).unwrap();
            warden.add(&place, sandbox.agent.pid());
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

#[tokio::test]
async fn writers_stand_still_until_the_quota_is_measured_and_end_beyond_it() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = Place { quota_bytes: Some(64 * MIB), ..machine.place() };
            let sandbox = machine.start_at(&place).await;
            let (tell, mut events) = mpsc::channel(8);
            let warden = Warden::start(Limits { disk_reserve_bytes: 0, ..Limits::default() }, tell).unwrap();
            warden.add(&place, sandbox.agent.pid());
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
