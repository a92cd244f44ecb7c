//! The memory backend: every version of every key that somebody may still read, in one ordered map. Lasts as long as the
//! process; for tests and for trying things out.

use crate::engine::{Applied, Commit, LocalBackend, SliceBuilder, Snapshot, State, Storage};
use crate::error::StoreError;
use crate::mutation::Mutation;
use crate::range::Rows;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// A new, empty store.
pub(crate) fn open() -> Result<Arc<LocalBackend<MemoryStorage>>, StoreError> {
    let storage = MemoryStorage::default();
    let snapshot = storage.snapshot_at(0);
    LocalBackend::start(NAME, storage, snapshot)
}

/// Its name, for people.
pub(crate) const NAME: &str = "memory";

/// Values of one key, oldest first; none where it was cleared.
type History = Vec<(u64, Option<Bytes>)>;
type Data = BTreeMap<Bytes, History>;

/// The data and what may be forgotten of them.
#[derive(Default)]
pub(crate) struct MemoryStorage {
    data: Arc<RwLock<Data>>,
    /// Snapshots given out, oldest first.
    readers: VecDeque<Weak<MemorySnapshot>>,
    /// Keys whose history can be cut once nobody reads a state before the version.
    superseded: VecDeque<(u64, Bytes)>,
}

/// The data as of one version.
pub(crate) struct MemorySnapshot {
    data: Arc<RwLock<Data>>,
    version: u64,
}

impl Snapshot for MemorySnapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        Ok(data.get(key).and_then(|history| value_at(history, self.version)).cloned())
    }

    fn slice(&self, begin: &[u8], end: &[u8], reverse: bool, rows: usize) -> Result<Rows, StoreError> {
        let data = self.data.read().unwrap_or_else(PoisonError::into_inner);
        let mut slice = SliceBuilder::new(rows);
        let range = data.range::<[u8], _>((Bound::Included(begin), Bound::Excluded(end)));
        let mut take = |(key, history): (&Bytes, &History)| match value_at(history, self.version) {
            Some(value) => slice.push(key, value),
            None => true,
        };
        let _ = if reverse { range.rev().all(&mut take) } else { range.into_iter().all(&mut take) };
        Ok(slice.finish())
    }
}

/// The newest value that is not newer than the version.
fn value_at(history: &History, version: u64) -> Option<&Bytes> {
    history.iter().rev().find(|(written, _)| *written <= version).and_then(|(_, value)| value.as_ref())
}

impl MemoryStorage {
    fn snapshot_at(&self, version: u64) -> Arc<MemorySnapshot> {
        Arc::new(MemorySnapshot { data: self.data.clone(), version })
    }

    /// Writes one mutation, and notes which older values it supersedes.
    fn write(data: &mut Data, superseded: &mut VecDeque<(u64, Bytes)>, version: u64, mutation: &Mutation) {
        let mut put = |data: &mut Data, key: &Bytes, value: Option<Bytes>| {
            let history = data.entry(key.clone()).or_default();
            if history.last().is_some_and(|(written, _)| *written == version) {
                history.pop();
            }
            history.push((version, value));
            superseded.push_back((version, key.clone()));
        };
        let newest =
            |data: &Data, key: &Bytes| data.get(key).and_then(|h| h.last()).and_then(|(_, value)| value.clone());
        match mutation {
            Mutation::Set { key, value } => put(data, key, Some(value.clone())),
            Mutation::Clear { key } if newest(data, key).is_some() => put(data, key, None),
            Mutation::Atomic { op, key, operand } => {
                let value = op.apply(newest(data, key).as_deref(), operand);
                put(data, key, value);
            }
            Mutation::ClearRange { begin, end } => {
                let range = data.range::<[u8], _>((Bound::Included(&begin[..]), Bound::Excluded(&end[..])));
                let live = range.filter(|(_, history)| history.last().is_some_and(|(_, value)| value.is_some()));
                for key in live.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    put(data, &key, None);
                }
            }
            // Nothing to clear; stamped mutations were made into ordinary ones.
            Mutation::Clear { .. } | Mutation::StampedKey { .. } | Mutation::StampedValue { .. } => {}
        }
    }

    /// Version of the oldest state that somebody may read, given the newest.
    fn horizon(&mut self, newest: u64) -> u64 {
        while self.readers.front().is_some_and(|reader| reader.strong_count() == 0) {
            self.readers.pop_front();
        }
        self.readers.front().and_then(Weak::upgrade).map_or(newest, |reader| reader.version)
    }

    /// Forgets values that nobody can read any more.
    fn forget(data: &mut Data, superseded: &mut VecDeque<(u64, Bytes)>, horizon: u64) {
        while superseded.front().is_some_and(|(version, _)| *version <= horizon) {
            let Some((_, key)) = superseded.pop_front() else { return };
            let Some(history) = data.get_mut(&key) else { continue };
            let readable = history.iter().rposition(|(version, _)| *version <= horizon).unwrap_or(0);
            history.drain(..readable);
            if matches!(&history[..], [(version, None)] if *version <= horizon) {
                data.remove(&key);
            }
        }
    }
}

impl Storage for MemoryStorage {
    type Snapshot = MemorySnapshot;

    fn apply(&mut self, commits: &[Commit]) -> Applied<MemorySnapshot> {
        let version = commits.last().map_or(0, |commit| commit.version);
        let horizon = self.horizon(version);
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        for commit in commits {
            for mutation in &commit.mutations {
                Self::write(&mut data, &mut self.superseded, commit.version, mutation);
            }
        }
        Self::forget(&mut data, &mut self.superseded, horizon);
        drop(data);
        let snapshot = self.snapshot_at(version);
        self.readers.push_back(Arc::downgrade(&snapshot));
        Applied { result: Ok(()), state: Some(State::Open(snapshot)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(storage: &mut MemoryStorage, version: u64, mutation: Mutation) -> Arc<MemorySnapshot> {
        match storage.apply(&[Commit { version, mutations: vec![mutation] }]).state {
            Some(State::Open(snapshot)) => snapshot,
            _ => panic!("memory cannot fail"),
        }
    }

    #[test]
    fn what_nobody_reads_is_forgotten() {
        let mut storage = MemoryStorage::default();
        let key = Bytes::from_static(b"k");
        let set = |text: &'static str| Mutation::Set { key: key.clone(), value: Bytes::from_static(text.as_bytes()) };
        let mut last = commit(&mut storage, 1, set("a"));
        for version in 2..100 {
            last = commit(&mut storage, version, set("b"));
        }
        assert!(storage.data.read().unwrap()[&key].len() <= 2);
        let cleared = commit(&mut storage, 100, Mutation::Clear { key: key.clone() });
        assert_eq!(last.get(&key).unwrap().as_deref(), Some(&b"b"[..]));
        assert_eq!(cleared.get(&key).unwrap(), None);
        drop((last, cleared));
        commit(&mut storage, 101, Mutation::Set { key: Bytes::from_static(b"x"), value: key.clone() });
        commit(&mut storage, 102, Mutation::Set { key: Bytes::from_static(b"x"), value: key.clone() });
        assert!(!storage.data.read().unwrap().contains_key(&key));
        assert!(storage.superseded.len() <= 2 && storage.readers.len() <= 2);
    }
}
