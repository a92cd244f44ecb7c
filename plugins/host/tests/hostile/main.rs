//! Plugins that mean harm. Each is a row of a table: what it is, what it is asked, and what has to come of it. After each row an honest
//! plugin is called in the same host, and after all of them the process is what it was.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bench;
mod guest;
mod malformed;
mod pulse;
mod row;
mod rows;
mod sealed;
mod web;
mod world;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use bench::{Bench, Measured, WORKERS, resident};
use guest::Guest;
use pulse::Pulse;
use row::{Comes, Row, Under};
use web::Web;
use world::World;

/// How much larger the process may be after all rows than before, in bytes.
const GROWTH_BYTES: u64 = 288 << 20;
/// Plugins that run without an end at the same time.
const RUNAWAYS: usize = 16;
/// How long an honest call may take beside them, on a machine that has other things to do too.
const BESIDE: Duration = Duration::from_secs(2);
/// How much later a heartbeat of the server may come because of them, 99 times out of 100.
const PULSE_GRACE: Duration = Duration::from_millis(20);
/// Beats of it that are counted.
const BEATS: usize = 200;
/// How often it is measured on a machine that has other things to do.
const TRIES: u32 = 5;

/// A workspace with links that lead out of it, beside something that is nobody's business.
fn workspace(root: &Path) {
    for folder in ["workspace/src", "workspace/.git", "outside"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in ["workspace/good.txt", "workspace/src/a.txt", "workspace/.git/config", "outside/secret.txt"] {
        fs::write(root.join(file), "as it was").unwrap();
    }
    symlink("../outside", root.join("workspace/link")).unwrap();
    symlink("../outside/secret.txt", root.join("workspace/link_file")).unwrap();
    symlink("../../outside", root.join("workspace/src/out")).unwrap();
}

fn is_as_it_was(root: &Path) {
    for file in ["workspace/good.txt", "workspace/.git/config", "outside/secret.txt"] {
        assert_eq!(fs::read_to_string(root.join(file)).unwrap(), "as it was", "{file}");
    }
    assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_plugins_are_contained() {
    let directory = tempfile::tempdir().unwrap();
    workspace(directory.path());
    let world = Arc::new(World::new(directory.path().join("workspace")));
    let (bench, web) = (Bench::new(world), Web::start().await);
    let (began, before) = (Instant::now(), resident());

    let (mut table, mut faults) = (Vec::new(), Vec::new());
    for row in rows::all(&web).into_iter().chain(malformed::rows()) {
        match bench.run(&row).await {
            Ok(measured) => table.push((row.name, measured)),
            Err(fault) => faults.push(fault),
        }
    }
    print(&table);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(web.visits(), 0, "somebody was where nobody should be");
    is_as_it_was(directory.path());

    sealed::signatures();
    sealed::bombs();
    sealed::cache(bench.host(Under::Calm), &directory.path().join("cache"));
    let (refused, ran) = malformed::fuzz(&bench).await;
    let (calm, beside, honest) = runaways(&bench).await;

    let grown = resident().saturating_sub(before);
    println!("mutations: {refused} refused, {ran} ran");
    println!(
        "{RUNAWAYS} runaways on {WORKERS} threads: an honest call took {honest:?}; p99 of a heartbeat {calm:?} without, {beside:?} with"
    );
    println!("{} rows in {:?}; the process grew by {} MiB", table.len(), began.elapsed(), grown >> 20);
    assert!(grown < GROWTH_BYTES, "the process grew by {} MiB", grown >> 20);
}

fn print(table: &[(&str, Measured)]) {
    println!("{:<34} {:<28} {:>9} {:>12} {:>13}", "plugin", "ended", "ms after", "plugin MiB", "process MiB");
    for (name, measured) in table {
        let Measured { ended, late, plugin_peak, process_peak } = measured;
        let mib = |bytes: u64| bytes >> 20;
        println!("{name:<34} {ended:<28} {late:>9.1} {:>12} {:>13}", mib(*plugin_peak), mib(*process_peak));
    }
    let worst = table.iter().max_by(|(_, one), (_, other)| one.late.total_cmp(&other.late));
    if let Some((name, measured)) = worst {
        println!("worst: {name}, {:.1} ms after its limit", measured.late);
    }
}

/// Many calls that never end, on few threads: how late a heartbeat of the server is without and with them, and how long an honest call
/// takes beside them.
async fn runaways(bench: &Bench) -> (Duration, Duration, Duration) {
    let row = Row::once("runaway", &Guest::tool("(loop $on (br $on)) (unreachable)"), Comes::Done).calm();
    let honest = Row::once("honest", &Guest::tool("(call $digit (i32.const 1))"), Comes::Done).calm();
    let (runaway, honest_plugin) = (bench.load(&row).unwrap(), bench.load(&honest).unwrap());
    let mut tries = 1;
    loop {
        let calm = Pulse::start().after(BEATS).await;
        let cancel = CancellationToken::new();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..RUNAWAYS {
            let (plugin, call) = (runaway.clone(), row.asks[0].0.clone());
            let (caller, cancel) = (bench.caller(&row, None), cancel.clone());
            running.spawn(async move { plugin.call(call, caller, cancel).await });
        }
        let beside = Pulse::start().after(BEATS).await;
        let began = Instant::now();
        let called =
            honest_plugin.call(honest.asks[0].0.clone(), bench.caller(&honest, None), CancellationToken::new()).await;
        let took = began.elapsed();
        cancel.cancel();
        let ended = running.join_all().await;
        // Whatever else the machine does may have begun meanwhile.
        let calm = Pulse::start().after(BEATS).await.max(calm);
        assert!(called.outcome.is_ok(), "{called:?}");
        assert!(ended.iter().all(|called| called.outcome == Err(coditect_plugin_host::CallError::Cancelled)));
        if took < BESIDE && beside.saturating_sub(calm) < PULSE_GRACE {
            return (calm, beside, took);
        }
        assert!(tries < TRIES, "an honest call took {took:?}; p99 of a heartbeat {calm:?} without, {beside:?} with");
        tries += 1;
    }
}
