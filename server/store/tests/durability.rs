//! What the embedded store keeps when its process ends, whichever way.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use coditect_store::{AtomicOp, Range, Store, StoreError, Subspace, Transaction, tuple::Versionstamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Says in the child process where to write.
const CHILD_DIRECTORY: &str = "CODITECT_STORE_TEST_CHILD";
/// How often the child is killed; more in a long run.
const KILLS_VARIABLE: &str = "CODITECT_STORE_KILLS";
const KILLS: u32 = 60;
/// Writers of the child.
const WORKERS: u64 = 8;
/// Keys of each.
const KEYS: u64 = 12;

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

/// One write of a worker to its own keys.
#[derive(Debug)]
enum Write {
    Set(u64, Vec<u8>),
    Clear(u64),
    ClearRange(u64, u64),
    Add(u64),
    Append(u64, Vec<u8>),
}

/// What a worker's n-th transaction writes: the child does it, and the test knows it.
fn writes(worker: u64, number: u64) -> Vec<Write> {
    let mut random = StdRng::seed_from_u64(worker << 48 | number);
    (0..random.random_range(1..6))
        .map(|_| {
            let key = random.random_range(0..KEYS);
            let value = vec![random.random(); [0, 8, 300, 9_000][random.random_range(0..4)]];
            match random.random_range(0..9) {
                0 => Write::Clear(key),
                1 => Write::ClearRange(key, random.random_range(key..=KEYS)),
                2 => Write::Add(key),
                3 => Write::Append(key, value),
                _ => Write::Set(key, value),
            }
        })
        .collect()
}

type Rows = BTreeMap<u64, Vec<u8>>;

fn replay(rows: &mut Rows, write: Write) {
    match write {
        Write::Set(key, value) => drop(rows.insert(key, value)),
        Write::Clear(key) => drop(rows.remove(&key)),
        Write::ClearRange(begin, end) => rows.retain(|key, _| !(begin..end).contains(key)),
        Write::Add(key) => {
            let mut number = [0; 8];
            let old = rows.get(&key).map_or(&[][..], Vec::as_slice);
            let length = old.len().min(8);
            number[..length].copy_from_slice(&old[..length]);
            rows.insert(key, u64::from_le_bytes(number).wrapping_add(1).to_le_bytes().to_vec());
        }
        Write::Append(key, value) => {
            let old = rows.entry(key).or_default();
            if old.len() + value.len() <= coditect_store::limits::VALUE_MAX_BYTES {
                old.extend(value);
            }
        }
    }
}

fn own(worker: u64) -> Subspace {
    Subspace::root("own").sub(&worker)
}

fn last_key(worker: u64) -> Vec<u8> {
    Subspace::root("last").pack(&worker)
}

fn log() -> Subspace {
    Subspace::root("log")
}

async fn last(tx: &Transaction, worker: u64) -> u64 {
    let value = tx.get(last_key(worker)).await.unwrap();
    value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()))
}

/// A worker's n-th transaction.
async fn transaction(tx: Transaction, worker: u64, number: u64) -> Result<(), StoreError> {
    assert_eq!(last(&tx, worker).await + 1, number);
    let own = own(worker);
    for write in writes(worker, number) {
        match write {
            Write::Set(key, value) => tx.set(own.pack(&key), value)?,
            Write::Clear(key) => tx.clear(own.pack(&key))?,
            Write::ClearRange(begin, end) => tx.clear_range(&Range::new(own.pack(&begin), own.pack(&end)))?,
            Write::Add(key) => tx.add(own.pack(&key), 1)?,
            Write::Append(key, value) => tx.atomic(AtomicOp::AppendIfFits, own.pack(&key), value)?,
        }
    }
    tx.set(last_key(worker), number.to_le_bytes())?;
    tx.add("sum", 1)?;
    tx.set_versionstamped_key(log().pack_with_versionstamp(&(Versionstamp::incomplete(0), worker, number))?, "")
}

/// Not a test of its own: what the child process does until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    println!("\nstarted");
    let store = open(Path::new(&directory)).await;
    let workers = (0..WORKERS).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in last(&store.begin(), worker).await + 1.. {
                let done = store.transact_committed(|tx| transaction(tx, worker, number)).await;
                println!("acknowledged {worker} {number} {}", done.unwrap().1.version.unwrap());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// When the child is killed.
enum Kill {
    /// After so many commits.
    Commits(usize),
    /// So long after its start, which may be while it opens the store.
    Time(Duration),
}

/// Version of each commit that was acknowledged, by worker and number.
type Acknowledged = BTreeMap<(u64, u64), u64>;

/// Starts the child on the directory and kills it; what is still in the pipe then was acknowledged too.
fn kill(directory: &Path, when: &Kill) -> Acknowledged {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader =
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    while lines.recv().unwrap() != "started" {}
    let started = Instant::now();
    let mut acknowledged = Acknowledged::new();
    let mut is_killed = false;
    loop {
        let is_due = match when {
            Kill::Commits(commits) => acknowledged.len() >= *commits,
            Kill::Time(time) => started.elapsed() >= *time,
        };
        if is_due && !is_killed {
            child.kill().unwrap();
            is_killed = true;
        }
        let wait = match when {
            Kill::Time(time) if !is_killed => time.saturating_sub(started.elapsed()),
            _ => Duration::from_secs(60),
        };
        match lines.recv_timeout(wait) {
            Ok(line) => {
                if let Some(numbers) = line.strip_prefix("acknowledged ") {
                    let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
                    acknowledged.insert((numbers[0], numbers[1]), numbers[2]);
                }
            }
            Err(RecvTimeoutError::Timeout) => assert!(!is_killed, "the child does nothing"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    assert!(!child.wait().unwrap().success() && is_killed, "the child ended by itself");
    let _ = reader.join().unwrap();
    acknowledged
}

/// What must be there.
#[derive(Default)]
struct Oracle {
    rows: [Rows; WORKERS as usize],
    last: [u64; WORKERS as usize],
    version: u64,
}

impl Oracle {
    /// Compares what is there after a kill, and goes on from it.
    async fn check(&mut self, store: &Store, acknowledged: &Acknowledged) {
        let tx = store.begin();
        assert!(tx.read_version().await.unwrap() >= self.version, "the version went back");
        let stamps = self.check_log(&tx).await;
        for worker in 0..WORKERS {
            let place = usize::try_from(worker).unwrap();
            let (before, found) = (self.last[place], last(&tx, worker).await);
            let told = acknowledged.range((worker, 0)..(worker + 1, 0)).next_back().map_or(before, |((_, n), _)| *n);
            // A worker has one transaction under way at a time.
            assert!(found >= told, "worker {worker}: {told} was acknowledged, {found} is there");
            assert!(found <= told + 1, "worker {worker}: {found} is there, only {told} was acknowledged");
            for number in before + 1..=found {
                writes(worker, number).into_iter().for_each(|write| replay(&mut self.rows[place], write));
                let version = stamps.get(&(worker, number)).copied();
                assert!(version.is_some_and(|version| version > self.version), "{worker} {number}: {version:?}");
                let told = acknowledged.get(&(worker, number));
                assert!(told.is_none() || told == version.as_ref(), "{worker} {number}: {told:?}, {version:?}");
            }
            self.last[place] = found;
            let rows = tx.range_all(own(worker).range()).await.unwrap();
            let rows: Rows =
                rows.iter().map(|row| (own(worker).unpack(&row.key).unwrap(), row.value.to_vec())).collect();
            assert!(rows == self.rows[place], "worker {worker} at {found}: a torn or lost write");
        }
        let sum = tx.get("sum").await.unwrap().map_or(0, |sum| u64::from_le_bytes(sum[..].try_into().unwrap()));
        assert_eq!(sum, self.last.iter().sum::<u64>());
        assert_eq!(stamps.len(), stamps.values().collect::<std::collections::BTreeSet<_>>().len());
        self.version = stamps.into_values().max().unwrap_or(self.version);
    }

    /// Version of every commit since the last check: the log has each worker's in its order.
    async fn check_log(&self, tx: &Transaction) -> Acknowledged {
        let mut stamps = Acknowledged::new();
        let mut next = self.last;
        for row in tx.range_all(log().range()).await.unwrap() {
            let (stamp, worker, number): (Versionstamp, u64, u64) = log().unpack(&row.key).unwrap();
            let place = usize::try_from(worker).unwrap();
            next[place] += 1;
            assert_eq!(number, next[place], "the log of worker {worker} has a hole");
            let version = u64::from_be_bytes(stamp.transaction_version()[..8].try_into().unwrap());
            stamps.insert((worker, number), version);
        }
        stamps
    }
}

/// One directory goes through all of it.
#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |number| number.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut oracle = Oracle::default();
    for round in 0..kills {
        let when = match round % 3 {
            0 => Kill::Commits(rand::random_range(1..100)),
            1 => Kill::Time(Duration::from_micros(rand::random_range(0..5_000))),
            _ => Kill::Time(Duration::from_micros(rand::random_range(0..80_000))),
        };
        let acknowledged = kill(directory.path(), &when);
        let store = open(directory.path()).await;
        oracle.check(&store, &acknowledged).await;
        let tx = store.begin();
        tx.clear_range(&log().range()).unwrap();
        tx.commit().await.unwrap();
        store.close().await;
    }
    assert!(oracle.last.iter().sum::<u64>() > u64::from(kills), "hardly anything was committed");
}
