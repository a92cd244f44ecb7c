//! Many clients at once, and afterwards the proof that their transactions could have run one after the other.
//!
//! Each transaction notes all it read and wrote. Its versionstamp says where it stands among the commits. Replayed in that
//! order over a map, each must have read what the map holds then; snapshot reads, and those of transactions that were
//! refused, what it held at their read version. None may read an older state than one that was acknowledged before it began.

use super::model::{ATOMIC, CASES, Model, atomic, cases};
use coditect_store::{AtomicOp, Range, Rows, Store, StoreError, Transaction};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CLIENTS: u64 = 8;
const TRANSACTIONS: u64 = 40;
/// Keys that they contend for.
const KEYS: u8 = 10;
/// What stamped keys and values start with: apart, for nobody can read them before the commit.
const STAMPED_KEYS: &[u8] = b"s/";
const STAMPED_VALUES: &[u8] = b"v/";

#[derive(Debug)]
enum Event {
    Get { key: Vec<u8>, snapshot: bool, found: Option<Vec<u8>> },
    Range { range: Range, found: Vec<(Vec<u8>, Vec<u8>)>, more: bool },
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>),
    ClearRange(Range),
    Atomic(AtomicOp, Vec<u8>, Vec<u8>),
    StampedKey(Vec<u8>),
    StampedValue(Vec<u8>),
}

struct Observed {
    /// Newest version that was acknowledged before it began.
    known: u64,
    read: u64,
    stamp: Option<[u8; 10]>,
    events: Vec<Event>,
}

struct Client {
    store: Store,
    random: StdRng,
    newest: Arc<AtomicU64>,
    name: u64,
}

fn contended(random: &mut StdRng) -> Vec<u8> {
    vec![b'h', random.random_range(0..KEYS)]
}

fn random_range(random: &mut StdRng) -> Range {
    let (a, b) = (contended(random), contended(random));
    let all = [Range::new("", b"\xff"), Range::prefix("h"), Range::prefix(STAMPED_KEYS), Range::prefix(STAMPED_VALUES)];
    let range = match random.random_range(0..6) {
        number @ 0..4 => all[number].clone(),
        _ => Range::new(a.clone().min(b.clone()), a.max(b)),
    };
    Range {
        limit: random.random_range(1..15),
        reverse: random.random(),
        snapshot: random.random_range(0..4) == 0,
        ..range
    }
}

impl Client {
    async fn transaction(&mut self, number: u64) -> Observed {
        let known = self.newest.load(Ordering::SeqCst);
        let tx = self.store.begin();
        let mut events = Vec::new();
        for step in 0..self.random.random_range(1..9) {
            let is_stamped = events.iter().any(|event| matches!(event, Event::StampedKey(_) | Event::StampedValue(_)));
            match self.step(&tx, number << 8 | step).await {
                Ok(event) => events.push(event),
                Err(StoreError::Unreadable) if is_stamped => {}
                Err(error) => panic!("{error}"),
            }
            if self.random.random_range(0..3) == 0 {
                tokio::task::yield_now().await;
            }
        }
        let read = tx.read_version().await.unwrap();
        let stamp = match tx.commit().await {
            Ok(committed) => {
                self.newest.fetch_max(committed.version.unwrap_or(0), Ordering::SeqCst);
                assert_eq!(committed.version, committed.versionstamp.as_ref().map(version));
                committed.versionstamp
            }
            Err(StoreError::Conflict) => None,
            Err(error) => panic!("{error}"),
        };
        Observed { known, read, stamp, events }
    }

    async fn step(&mut self, tx: &Transaction, number: u64) -> Result<Event, StoreError> {
        let random = &mut self.random;
        let key = contended(random);
        let value = [&self.name.to_le_bytes()[..1], &number.to_le_bytes()[..3]].concat();
        Ok(match random.random_range(0..20) {
            0..6 => {
                let snapshot = random.random_range(0..4) == 0;
                let found = if snapshot { tx.get_snapshot(&key).await? } else { tx.get(&key).await? };
                Event::Get { key, snapshot, found: found.map(|value| value.to_vec()) }
            }
            6..10 => {
                let range = random_range(random);
                let Rows { rows, more } = tx.range(range.clone()).await?;
                let found = rows.into_iter().map(|row| (row.key.to_vec(), row.value.to_vec())).collect();
                Event::Range { range, found, more }
            }
            10 => {
                tx.clear(&key)?;
                Event::Clear(key)
            }
            11 => {
                let range = random_range(random);
                tx.clear_range(&range)?;
                Event::ClearRange(range)
            }
            12..15 => {
                let op = ATOMIC[random.random_range(0..ATOMIC.len())];
                tx.atomic(op, &key, &value)?;
                Event::Atomic(op, key, value)
            }
            15 => {
                let place = u32::try_from(STAMPED_KEYS.len()).unwrap().to_le_bytes();
                tx.set_versionstamped_key([STAMPED_KEYS, &[0; 10], &value, &place].concat(), "")?;
                Event::StampedKey(value)
            }
            16 => {
                let key = [STAMPED_VALUES, &key].concat();
                tx.set_versionstamped_value(&key, [0; 14])?;
                Event::StampedValue(key)
            }
            _ => {
                tx.set(&key, &value)?;
                Event::Set(key, value)
            }
        })
    }
}

fn version(stamp: &[u8; 10]) -> u64 {
    u64::from_be_bytes(stamp[..8].try_into().unwrap())
}

/// Which reads must fit the state.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    All,
    WithConflicts,
}

/// Runs a transaction again over a state: what it read must be there.
fn replay(state: &Model, observed: &Observed, reads: Reads) -> Model {
    let mut state = state.clone();
    // One that was refused has none; whatever it had got would have come last.
    let stamp = observed.stamp.unwrap_or([0xff; 10]);
    for event in &observed.events {
        match event {
            Event::Get { snapshot: true, .. } if reads == Reads::WithConflicts => {}
            Event::Range { range: Range { snapshot: true, .. }, .. } if reads == Reads::WithConflicts => {}
            Event::Get { key, found, .. } => {
                assert_eq!(state.get(key), found.as_ref(), "{key:?} in {:?}", observed.events);
            }
            Event::Range { range, found, more } => {
                let mut rows: Vec<_> = state.range(range.begin.to_vec()..range.end.to_vec()).collect();
                if range.reverse {
                    rows.reverse();
                }
                let has_more = rows.len() > range.limit;
                rows.truncate(range.limit);
                let rows: Vec<_> = rows.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                assert_eq!(&rows, found, "{range:?} in {:?}", observed.events);
                assert!(*more || !has_more, "{range:?}");
            }
            Event::Set(key, value) => drop(state.insert(key.clone(), value.clone())),
            Event::Clear(key) => drop(state.remove(key)),
            Event::ClearRange(range) => state.retain(|key, _| !(range.begin[..] <= key[..] && key[..] < range.end[..])),
            Event::Atomic(op, key, operand) => atomic(&mut state, *op, key, operand),
            Event::StampedKey(value) => drop(state.insert([STAMPED_KEYS, &stamp, value].concat(), Vec::new())),
            Event::StampedValue(key) => drop(state.insert(key.clone(), stamp.to_vec())),
        }
    }
    state
}

/// Finds the order, and goes through it.
fn check(mut history: Vec<Observed>) -> Model {
    history.sort_by_key(|observed| observed.stamp);
    let refused_and_readers = history.iter().filter(|observed| observed.stamp.is_none()).count();
    let (others, writers) = history.split_at(refused_and_readers);
    assert!(writers.len() > 20 && writers.is_sorted_by(|a, b| a.stamp < b.stamp), "{} commits", writers.len());
    let mut states = vec![(0, Model::new())];
    for writer in writers {
        let (_, before) = states.last().unwrap();
        let after = replay(before, writer, Reads::WithConflicts);
        states.push((writer.stamp.as_ref().map_or(0, version), after));
    }
    for observed in writers.iter().chain(others) {
        assert!(observed.read >= observed.known, "an acknowledged commit was not seen");
        let at = states.partition_point(|(version, _)| *version <= observed.read);
        replay(&states[at - 1].1, observed, Reads::All);
    }
    states.pop().unwrap().1
}

pub(crate) async fn concurrent_histories_are_serializable(store: Store) {
    for round in 0..u64::from(cases() / CASES).max(1) {
        let seed: u64 = rand::random();
        println!("round {round}, seed {seed}");
        let newest = Arc::new(AtomicU64::new(0));
        let clients = (0..CLIENTS).map(|name| {
            let random = StdRng::seed_from_u64(seed ^ name);
            let mut client = Client { store: store.clone(), random, newest: newest.clone(), name };
            tokio::spawn(async move {
                let mut history = Vec::new();
                for number in 0..TRANSACTIONS {
                    history.push(client.transaction(number).await);
                }
                history
            })
        });
        let mut history = Vec::new();
        for client in clients.collect::<Vec<_>>() {
            history.extend(client.await.unwrap());
        }
        let end = check(history);
        let rows = store.begin().range_all(Range::new("", b"\xff")).await.unwrap();
        let rows: Model = rows.into_iter().map(|row| (row.key.to_vec(), row.value.to_vec())).collect();
        assert_eq!(rows, end);
        super::write(&store, |tx| tx.clear_range(&Range::new("", b"\xff"))).await;
    }
}
