//! What the embedded store keeps when its process ends, whichever way.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use coditect_store::{Range, Store, Subspace};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Says in the child process where to write.
const CHILD_DIRECTORY: &str = "CODITECT_STORE_TEST_CHILD";

async fn open(directory: &Path) -> Store {
    Store::open(&format!("embedded://{}", directory.display())).await.unwrap()
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let mut last_version = 0;
    for round in 0..4_u64 {
        let store = open(directory.path()).await;
        let rows = store.begin().range_all(Range::prefix("")).await.unwrap();
        assert_eq!(rows.len() as u64, round);
        let tx = store.begin();
        assert!(tx.read_version().await.unwrap() >= last_version);
        tx.set(Subspace::root("rounds").pack(&round), round.to_le_bytes()).unwrap();
        let version = tx.commit().await.unwrap().version.unwrap();
        assert!(version > last_version);
        last_version = version;
        store.close().await;
    }
}

/// Not a test of its own: what the child process does until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let store = open(Path::new(&directory)).await;
    let workers = (0..4_u64).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0_u64.. {
                // Two keys and a sum: they are there together or not at all.
                let tx = store.begin();
                tx.set(Subspace::root("a").pack(&(worker, number)), vec![7; 300]).unwrap();
                tx.set(Subspace::root("b").pack(&(worker, number)), "").unwrap();
                tx.add("sum", 1).unwrap();
                tx.commit().await.unwrap();
                println!("acknowledged {worker} {number}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// Starts the child on the directory, kills it after so many commits, and tells the last one of each worker.
fn kill_after(directory: &Path, lines: usize) -> [Option<u64>; 4] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = [None; 4];
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, numbers)) = line.split_once("acknowledged ")
            && let Some((worker, number)) = numbers.split_once(' ')
        {
            last[worker.parse::<usize>().unwrap()] = Some(number.parse().unwrap());
            seen += 1;
        }
        // What is still in the pipe was acknowledged too, and is read to its end.
        if seen == lines {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success() && seen >= lines);
    last
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    for lines in [1, 20, 55, 90] {
        let directory = tempfile::tempdir().unwrap();
        let acknowledged = kill_after(directory.path(), lines);
        let store = open(directory.path()).await;
        let tx = store.begin();
        let rows = async |name: &str| {
            let part = Subspace::root(name);
            let rows = tx.range_all(part.range()).await.unwrap();
            rows.iter().map(|row| part.unpack::<(u64, u64)>(&row.key).unwrap()).collect::<Vec<_>>()
        };
        let (a, b) = (rows("a").await, rows("b").await);
        assert_eq!(a, b, "a torn transaction");
        let sum = tx.get("sum").await.unwrap().unwrap();
        assert_eq!(u64::from_le_bytes(sum[..].try_into().unwrap()), a.len() as u64);
        for (worker, last) in acknowledged.iter().enumerate() {
            let kept = a.iter().filter(|(of, _)| *of == worker as u64).count() as u64;
            assert!(
                last.is_none_or(|last| kept > last),
                "worker {worker}: {last:?} was acknowledged, {kept} are there"
            );
        }
        store.close().await;
    }
}
