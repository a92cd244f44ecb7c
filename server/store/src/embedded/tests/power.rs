//! Loss of power and faults of the disk at every call, from seeds: nothing acknowledged is lost, nothing is there in part.

use super::super::*;
use super::Faults;
use super::disk::{Disk, Fault};
use crate::mutation::{AtomicOp, STAMP_BYTES, stamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;

/// Cases of each kind of fault, unless the variable says.
const CASES: u64 = 700;
/// More cases, for a long run.
const CASES_VARIABLE: &str = "CODITECT_STORE_CASES";
/// Batches of a case.
const BATCHES: usize = 6;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    rows: BTreeMap<Bytes, Bytes>,
    version: u64,
}

impl Model {
    fn apply(&mut self, commit: &Commit) {
        self.version = commit.version;
        for mutation in &commit.mutations {
            match mutation {
                Mutation::Set { key, value } => drop(self.rows.insert(key.clone(), value.clone())),
                Mutation::Clear { key } => drop(self.rows.remove(key)),
                Mutation::ClearRange { begin, end } => self.rows.retain(|key, _| !(begin <= key && key < end)),
                Mutation::Atomic { op, key, operand } => {
                    match op.apply(self.rows.get(key).map(|value| &value[..]), operand) {
                        Some(value) => self.rows.insert(key.clone(), value),
                        None => self.rows.remove(key),
                    };
                }
                Mutation::StampedKey { .. } | Mutation::StampedValue { .. } => panic!("it was stamped"),
            }
        }
    }

    /// The state of a store.
    fn of(snapshot: &EmbeddedSnapshot) -> Result<Self, StoreError> {
        let mut model = Self { version: snapshot.version, ..Self::default() };
        let mut begin = Bytes::new();
        loop {
            let slice = snapshot.slice(&begin, b"\xff", false, 1_000)?;
            let more = slice.more;
            model.rows.extend(slice.into_iter().map(|row| (row.key, row.value)));
            match model.rows.last_key_value() {
                Some((last, _)) if more => begin = crate::range::key_after(last),
                _ => return Ok(model),
            }
        }
    }
}

fn random_key(random: &mut StdRng) -> Bytes {
    format!("k{:02}", random.random_range(0..40)).into_bytes().into()
}

fn random_mutation(random: &mut StdRng) -> Mutation {
    let key = random_key(random);
    let value = |random: &mut StdRng| {
        // Some need pages of their own.
        let length = [0, 8, 100, 3_000, 20_000][random.random_range(0..5)];
        Bytes::from(vec![random.random::<u8>(); length])
    };
    match random.random_range(0..10) {
        0 => Mutation::Clear { key },
        1 => {
            let other = random_key(random);
            Mutation::ClearRange { begin: key.clone().min(other.clone()), end: key.max(other) }
        }
        2 => Mutation::Atomic { op: AtomicOp::Add, key, operand: Bytes::from_static(&[1; 8]) },
        3 => Mutation::Atomic { op: AtomicOp::AppendIfFits, key, operand: value(random) },
        4 => {
            Mutation::StampedKey { key: [b"stamped/", &[0; STAMP_BYTES][..]].concat(), place: 8, value: value(random) }
        }
        _ => Mutation::Set { key, value: value(random) },
    }
}

fn random_batch(random: &mut StdRng, mut version: u64) -> Vec<Commit> {
    (0..random.random_range(1..4))
        .map(|_| {
            version += random.random_range(1..3);
            let mutations = (0..random.random_range(1..6)).map(|_| random_mutation(random).stamped(stamp(version)));
            Commit { version, mutations: mutations.collect() }
        })
        .collect()
}

/// A store on a disk with faults.
struct Machine<'a> {
    path: &'a Path,
    disk: Disk,
    random: StdRng,
    /// What was acknowledged.
    kept: Model,
}

impl Machine<'_> {
    fn start(&self) -> Result<(EmbeddedStorage, Arc<EmbeddedSnapshot>), StoreError> {
        let faults = Faults::default();
        faults.set_disk(self.disk.clone());
        EmbeddedStorage::open(DataFile::open_with(self.path, 1 << 20, faults)?)
    }

    /// Applies batches until the power is cut; answers what a batch that was under way then would have made.
    fn work(&mut self, storage: &mut EmbeddedStorage) -> Option<Model> {
        for _ in 0..BATCHES {
            if self.random.random_range(0..4) == 0 {
                storage.idle();
                if self.disk.is_dead() {
                    return None;
                }
            }
            let batch = random_batch(&mut self.random, self.kept.version);
            let mut next = self.kept.clone();
            batch.iter().for_each(|commit| next.apply(commit));
            match storage.apply(&batch).result {
                Ok(()) => self.kept = next,
                Err(_) if self.disk.is_dead() => return Some(next),
                Err(error) => self.recover(storage, next, &error),
            }
        }
        None
    }

    /// After a fault that passed: the batch is there or not, and only one whose result is not known may be.
    fn recover(&mut self, storage: &mut EmbeddedStorage, next: Model, error: &StoreError) {
        for _ in 0..4 {
            if let Some((_, tried)) = &mut storage.down {
                *tried -= REOPEN_INTERVAL;
            }
            storage.idle();
        }
        let found = Model::of(&storage.snapshot().unwrap()).unwrap();
        if *error == StoreError::CommitUnknown && found == next {
            self.kept = next;
        }
        assert!(found == self.kept, "after {error}");
    }

    /// Starts after a loss of power, and compares.
    fn check(&mut self, in_doubt: Option<Model>) -> EmbeddedStorage {
        self.disk.power_on();
        let (storage, snapshot) = self.start().unwrap();
        let found = Model::of(&snapshot).unwrap();
        match in_doubt {
            Some(next) if found == next => self.kept = next,
            _ => assert!(found == self.kept, "{} rows at {}, {}", found.rows.len(), found.version, self.kept.version),
        }
        storage
    }

    /// One case: work with a fault at a call, then a loss of power, and some more work on what is left.
    fn run(&mut self, call: u64, fault: Fault) {
        self.disk.fail_at(call, fault);
        let in_doubt = match self.start() {
            Ok((mut storage, _)) => {
                let in_doubt = self.work(&mut storage);
                if self.random.random() {
                    self.disk.cut();
                }
                in_doubt
            }
            // The fault came while it was opened.
            Err(_) => None,
        };
        let mut storage = self.check(in_doubt);
        assert_eq!(self.work(&mut storage), None);
        if self.random.random() {
            self.disk.cut();
        }
        drop(storage);
        let mut storage = self.check(None);
        storage.file.check_integrity().unwrap();
    }
}

/// A directory whose data file stands for the disk, and what a new disk holds.
fn prepare() -> (tempfile::TempDir, Vec<u8>, Model) {
    let directory = tempfile::tempdir().unwrap();
    drop(DataFile::open(directory.path(), 1 << 20).unwrap());
    let image = std::fs::read(directory.path().join("data.redb")).unwrap();
    let disk = Disk::new(image, 0);
    let mut machine =
        Machine { path: directory.path(), disk, random: StdRng::seed_from_u64(0), kept: Model::default() };
    let (mut storage, _) = machine.start().unwrap();
    machine.work(&mut storage);
    drop(storage);
    let (image, kept) = (machine.disk.image(), machine.kept);
    (directory, image, kept)
}

fn cases() -> u64 {
    std::env::var(CASES_VARIABLE).map_or(CASES, |number| number.parse().unwrap())
}

/// Runs cases, each with its fault at another call; a failure names the seed that makes it again.
fn campaign(fault: Fault) {
    let (directory, image, kept) = prepare();
    let machine = |seed: u64| Machine {
        path: directory.path(),
        disk: Disk::new(image.clone(), seed),
        random: StdRng::seed_from_u64(seed),
        kept: kept.clone(),
    };
    let mut whole = machine(1);
    whole.run(u64::MAX / 2, fault);
    let calls = whole.disk.calls();
    let cases = cases();
    let mut happened = 0;
    for seed in 0..cases {
        let mut machine = machine(seed);
        let call = seed % calls + 1;
        let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            machine.run(call, fault);
        }));
        assert!(went.is_ok(), "{fault:?} at call {call} with seed {seed}");
        happened += u64::from(!machine.disk.is_waiting());
    }
    assert!(happened > cases / 4, "only {happened} of {cases} faults happened");
}

#[test]
fn a_power_cut_at_any_call_loses_nothing() {
    campaign(Fault::Cut);
}

#[test]
fn a_call_that_fails_loses_nothing() {
    campaign(Fault::Io);
}

#[test]
fn a_disk_that_is_full_at_any_call_loses_nothing() {
    campaign(Fault::Full);
}

#[test]
fn a_short_read_at_any_call_loses_nothing() {
    campaign(Fault::ShortRead);
}
