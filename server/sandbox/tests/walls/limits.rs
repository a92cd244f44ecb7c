//! What everything inside together may take.

use super::*;

/// Held by whoever leaves descriptors on their way: the kernel counts them for the whole user.
static ON_THEIR_WAY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn descriptors_on_their_way_end_nobodys_sandbox() {
    const MOST: u32 = 100;
    let _alone = ON_THEIR_WAY.lock().await;
    on_all_walls(
        |settings| settings.limits.open_files = MOST,
        async |machine| {
            let (place, other) = (machine.place(), machine.start_for("files-b", "home-b").await);
            let sandbox = machine.start_at(&place).await;
            let (streams, mut out) = walls_support::captured();
            let mut holder =
                sandbox.spawn(&walls_support::probe_of(&place, "probe_in_flight"), Stdio::Fds(streams)).await;
            out.until("@in flight ").await;
            let count: u32 = out.until("\n").await.trim().parse().unwrap();
            assert!(count > MOST, "there are more than a program may have open: {count}");
            // Sandboxes that run start programs, and new ones start.
            assert_eq!(other.sh("echo fine").await, "fine\n");
            assert_eq!(machine.start_for("files-b", "home-b").await.sh("echo fine").await, "fine\n");
            assert_eq!(sandbox.sh("echo fine").await, "fine\n");
            sandbox.agent.signal(&holder, Signal::KILL).await.unwrap();
            holder.exit().await.unwrap();
        },
    )
    .await;
}

#[test]
#[ignore = "runs inside a sandbox"]
fn probe_comets() {
    walls_support::probe::comets();
}

#[tokio::test]
async fn nothing_is_too_fast_to_be_ended() {
    /// So soon that nobody had to press for it; they would go on for longer.
    const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(3);
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (streams, mut out) = walls_support::captured();
            sandbox.spawn(&walls_support::probe_of(&place, "limits::probe_comets"), Stdio::Fds(streams)).await;
            out.until("@comets up\n").await;
            tokio::time::timeout(AT_ONCE, sandbox.agent.close()).await.expect("the end is not outrun");
            // The pipe ends when its last writer is gone.
            tokio::time::timeout(AT_ONCE, out.rest()).await.expect("nobody is left");
        },
    )
    .await;
}

#[tokio::test]
async fn landlock_lets_files_move_between_folders() {
    on_landlock(
        |_| {},
        async |machine| {
            let out = machine.start().await.sh("mkdir a b; echo x > a/f; ln a/f b/g; mv a/f b/h; cat b/g b/h").await;
            assert_eq!(out, "x\nx\n");
        },
    )
    .await;
}

#[tokio::test]
async fn a_start_that_gets_no_answer_ends_the_sandbox() {
    const LIMIT: std::time::Duration = std::time::Duration::from_millis(300);
    let _alone = ON_THEIR_WAY.lock().await;
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let (streams, mut out) = walls_support::captured();
            let mut other = sandbox.spawn(&script("echo up; sleep 600"), Stdio::Fds(streams)).await;
            out.expect("up\n").await;
            // Below the outermost process: behind Landlock programs can do the same, elsewhere to what it starts.
            let outermost = sandbox.agent.pid();
            let below = fs::read_to_string(format!("/proc/{outermost}/task/{outermost}/children")).unwrap();
            walls_support::signal(below.trim().parse().unwrap(), Signal::STOP);
            let (streams, mut late) = walls_support::captured();
            let program = script("echo late");
            let start = sandbox.agent.spawn_within(LIMIT, &program, Stdio::Fds(streams));
            let answer = tokio::time::timeout(walls_support::PATIENCE, start).await.unwrap();
            assert_eq!(answer.err(), Some(SandboxError::Ended));
            tokio::time::timeout(walls_support::PATIENCE, sandbox.agent.ended()).await.unwrap();
            assert!(other.exit().await.is_none());
            assert_eq!((out.rest().await, late.rest().await), (String::new(), String::new()));
            assert_eq!(machine.start_at(&place).await.sh("echo fine").await, "fine\n");
        },
    )
    .await;
}

#[tokio::test]
async fn terminals_and_waiting_signals_have_an_end() {
    on_all_walls(
        |_| {},
        async |machine| {
            let place = machine.place();
            let sandbox = machine.start_at(&place).await;
            let out = sandbox.probe(&place, "probe_pools").await;
            let numbers: Vec<u64> = out.lines().filter_map(|line| line.split_once(' ')?.1.parse().ok()).collect();
            let [terminals, signals] = *numbers else { panic!("{out}") };
            assert!(terminals <= 64 && signals == 1024, "{out}");
        },
    )
    .await;
}

#[tokio::test]
async fn memory_of_the_kernel_has_an_end() {
    let taken = async |machine: Machine| {
        let place = machine.place();
        let out = machine.start_at(&place).await.probe(&place, "probe_kernel_memory").await;
        let value = |line: &str| line.rsplit_once(' ').map(|(_, value)| value.to_owned());
        let values: Vec<String> = out.lines().filter_map(value).collect();
        let [large, semaphores, queues] = &*values else { panic!("{out}") };
        assert_eq!(large, "false", "{out}");
        let few = [("8000", "32"), ("0", "0")].contains(&(semaphores, queues));
        assert!(few && (queues == "0") == (machine.walls.name() == "landlock"), "{out}");
    };
    on_all_walls(|_| {}, taken).await;
    let buffers = async |machine: Machine| {
        let sandbox = machine.start().await;
        let out = sandbox.sh("cat /proc/sys/net/ipv4/tcp_rmem /proc/sys/net/ipv4/tcp_wmem").await;
        let most: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_eq!(most, ["524288"; 2], "{out}");
    };
    on_bubblewrap(|_| {}, &buffers).await;
    on_bubblewrap(|settings| settings.network.mode = NetworkMode::None, &buffers).await;
}

#[tokio::test]
async fn nothing_in_proc_can_be_changed_and_open_files_can_be_used() {
    on_all_walls(
        |_| {},
        async |machine| {
            let script = "(echo 0 > /proc/self/oom_score_adj) 2>/dev/null; cat /proc/self/oom_score_adj
                 echo written > /proc/self/fd/1; cat /proc/self/fd/3 3< note; echo; echo x 4> made > /dev/fd/4; cat made";
            let out = machine.start().await.sh(script).await;
            // Behind Landlock it cannot even be read.
            let score = if machine.walls.name() == "landlock" {
                "cat: /proc/self/oom_score_adj: Permission denied"
            } else {
                "500"
            };
            assert_eq!(out, format!("{score}\nwritten\nsecret of files-a\nx\n"));
        },
    )
    .await;
}

#[tokio::test]
async fn programs_stand_back_and_cannot_step_forward() {
    on_all_walls(
        |_| {},
        async |machine| {
            let out = machine.start().await.sh("nice; nice -n -5 nice 2>/dev/null; setsid -w nice").await;
            assert_eq!(out, "10\n10\n10\n");
        },
    )
    .await;
}

#[tokio::test]
async fn temporary_space_is_bounded() {
    let small = |settings: &mut SandboxSettings| settings.limits.temporary_bytes = 1024 * 1024;
    on_bubblewrap(small, async |machine| {
        let sandbox = machine.start().await;
        let out = sandbox
            .sh("for p in /tmp /dev/shm; do head -c 3000000 /dev/zero > $p/big; wc -c < $p/big; done; ipcmk -M 2000000 && echo shm")
            .await;
        let sizes: Vec<u64> = out.lines().filter_map(|line| line.parse().ok()).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 1024 * 1024), "{out}");
        assert!(!out.contains("\nshm"), "{out}");
        // It is the sandbox's own, and shared by all that runs there.
        assert_eq!(sandbox.sh("rm /tmp/big; echo x > /tmp/mine; ls /tmp").await, "mine\n");
        assert_eq!(sandbox.sh("cat /tmp/mine").await, "x\n");
        assert_eq!(machine.start().await.sh("ls /tmp").await, "");
    })
    .await;
}

#[tokio::test]
async fn the_kernel_keeps_the_limits_of_each_process() {
    let limits = |settings: &mut SandboxSettings| {
        settings.limits = Limits { memory_bytes: 256 << 20, processes: 40, open_files: 100, ..Limits::default() };
    };
    on_all_walls(limits, async |machine| {
        let place = Place { quota_bytes: Some(1024 * 1024), ..machine.place() };
        let out = machine
            .start_at(&place)
            .await
            .sh("ulimit -Hn; ulimit -Hc; ulimit -Hd; ulimit -n 200 && echo raised
                 head -c 300000000 /dev/zero | tail -c 300000000 | wc -c
                 (trap '' XFSZ; head -c 2000000 /dev/zero > large); wc -c < large")
            .await;
        assert!(out.starts_with("100\n0\n262144\n") && !out.contains("raised"), "{out}");
        assert!(!out.contains("300000000") && out.contains("1048576"), "{out}");
    })
    .await;
}

#[tokio::test]
async fn a_bomb_of_processes_stays_inside() {
    let few = |settings: &mut SandboxSettings| settings.limits.processes = 30;
    on_bubblewrap(few, async |machine| {
        let sandbox = machine.start().await;
        let out =
            sandbox.sh("for i in $(seq 400); do sleep 600 >/dev/null 2>&1 & done; ls -d /proc/[0-9]* | wc -l").await;
        assert!(out.lines().any(|line| line.contains("fork") || line.contains("Resource")), "{out}");
        sandbox.agent.close().await;
        assert!(sandbox.host_pids("sleep").is_empty());
    })
    .await;
}
