//! What a cluster holds: every version of every key, all commits, and who waits for a change.

use crate::future::{Answer, Future};
use crate::transaction::{Commit, Op, key_after};
use crate::{atomic, code};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A transaction may not read or commit further back; versions count microseconds.
const WINDOW: i64 = 5_000_000;

pub(crate) type Span = (Vec<u8>, Vec<u8>);

/// Values of one key, oldest first; none where it was cleared.
type History = Vec<(i64, Option<Vec<u8>>)>;

/// One cluster.
pub(crate) struct Cluster {
    pub(crate) file: PathBuf,
    pub(crate) data: Mutex<Data>,
    /// Watches that were not answered.
    pub(crate) watches: Arc<AtomicUsize>,
    pub(crate) max_watches: AtomicUsize,
}

pub(crate) struct Data {
    started: Instant,
    version: i64,
    keys: BTreeMap<Vec<u8>, History>,
    /// What each commit wrote, oldest first.
    commits: Vec<(i64, Vec<Span>)>,
    watches: Vec<Watch>,
    /// To be committed together.
    pub(crate) batch: Vec<Commit>,
}

pub(crate) struct Watch {
    pub(crate) key: Vec<u8>,
    pub(crate) seen: Option<Vec<u8>>,
    pub(crate) changed: Arc<Future>,
}

impl Data {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            version: 0,
            keys: BTreeMap::new(),
            commits: Vec::new(),
            watches: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// A new version, greater than all before it.
    pub(crate) fn next_version(&mut self) -> i64 {
        let now = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX) + WINDOW;
        self.version = now.max(self.version + 1);
        self.version
    }

    pub(crate) fn is_too_old(&self, version: i64) -> bool {
        let now = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        now > version
    }

    pub(crate) fn get(&self, key: &[u8], version: i64) -> Option<Vec<u8>> {
        self.keys.get(key).and_then(|history| at(history, version))
    }

    pub(crate) fn range(&self, begin: &[u8], end: &[u8], version: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let keys = self.keys.range(begin.to_vec()..end.to_vec());
        keys.filter_map(|(key, history)| Some((key.clone(), at(history, version)?))).collect()
    }

    /// Commits the batch at one version, each transaction at its place in it.
    pub(crate) fn commit_batch(&mut self) {
        let version = self.next_version();
        for (place, commit) in std::mem::take(&mut self.batch).into_iter().enumerate() {
            let result = self.check(&commit).map(|()| {
                let place = u16::try_from(place).unwrap_or(u16::MAX);
                let stamp = [&version.to_be_bytes()[..], &place.to_be_bytes()].concat();
                let spans = commit.log.iter().map(|op| self.apply(op, version, &stamp)).collect::<Vec<_>>();
                self.commits.push((version, [spans, commit.writes.clone()].concat()));
                (version, stamp)
            });
            commit.finish(self, result);
        }
        self.fire();
    }

    /// Whether a transaction may commit now.
    fn check(&self, commit: &Commit) -> Result<(), i32> {
        if commit.bytes() > 10_000_000 {
            return Err(code::TOO_LARGE);
        }
        let Some(version) = commit.version else { return Ok(()) };
        if self.is_too_old(version) {
            return Err(code::TOO_OLD);
        }
        let meets = |a: &Span| commit.reads.iter().any(|b| a.0 < b.1 && b.0 < a.1);
        let later = self.commits.iter().rev().take_while(|(other, _)| *other > version);
        if later.flat_map(|(_, spans)| spans).any(meets) { Err(code::NOT_COMMITTED) } else { Ok(()) }
    }

    /// Applies one operation and says what it wrote.
    fn apply(&mut self, op: &Op, version: i64, stamp: &[u8]) -> Span {
        let stamped = |bytes: &[u8], place: usize| [&bytes[..place], stamp, &bytes[place + 10..]].concat();
        match op {
            Op::Set(key, value) => self.put(key, version, Some(value.clone())),
            Op::StampValue(key, value, place) => self.put(key, version, Some(stamped(value, *place))),
            Op::StampKey(key, place, value) => self.put(&stamped(key, *place), version, Some(value.clone())),
            Op::Atomic(kind, key, operand) => {
                let value = atomic::apply(*kind, self.get(key, version), operand);
                self.put(key, version, value)
            }
            Op::Clear(begin, end) => {
                for key in self.range(begin, end, version).into_keys() {
                    self.put(&key, version, None);
                }
                (begin.clone(), end.clone())
            }
        }
    }

    fn put(&mut self, key: &[u8], version: i64, value: Option<Vec<u8>>) -> Span {
        self.keys.entry(key.to_vec()).or_default().push((version, value));
        (key.to_vec(), key_after(key))
    }

    /// Lets watches stand; one whose key has changed already is told at once.
    pub(crate) fn watch(&mut self, watches: Vec<Watch>) {
        for watch in watches {
            if self.get(&watch.key, i64::MAX) == watch.seen {
                self.watches.push(watch);
            } else {
                watch.changed.answer(Ok(Answer::Nothing));
            }
        }
    }

    /// Tells those who saw another value than there is now, and forgets who no longer waits.
    fn fire(&mut self) {
        let watches = std::mem::take(&mut self.watches);
        let (stay, gone): (Vec<_>, Vec<_>) = watches
            .into_iter()
            .partition(|watch| !watch.changed.is_answered() && self.get(&watch.key, i64::MAX) == watch.seen);
        self.watches = stay;
        gone.into_iter().for_each(|watch| watch.changed.answer(Ok(Answer::Nothing)));
    }
}

fn at(history: &[(i64, Option<Vec<u8>>)], version: i64) -> Option<Vec<u8>> {
    history.iter().rev().find(|(written, _)| *written <= version).and_then(|(_, value)| value.clone())
}
