//! Which keys were written lately, to refuse transactions whose reads are out of date.
//!
//! The window is a row of epochs. A check looks only into those with a commit behind its read version, which for an
//! ordinary transaction is the newest; forgetting is dropping the oldest.

use crate::error::StoreError;
use crate::limits::{CONFLICT_WINDOW_MAX_BYTES, TRANSACTION_LIFETIME};
use crate::range::KeyRange;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

/// How long writes go into the same epoch.
const EPOCH: Duration = Duration::from_millis(250);

/// Age at which an epoch is forgotten: no transaction that may still commit began before it.
const KEEP: Duration = TRANSACTION_LIFETIME.saturating_add(Duration::from_secs(2));

/// What remembering one key costs beside its bytes, roughly.
const ENTRY_BYTES: usize = 64;

/// Recent writes.
pub(super) struct ConflictWindow {
    epochs: VecDeque<Epoch>,
    bytes: usize,
    /// Writes up to this version are forgotten; who read an older state cannot be checked.
    forgotten: u64,
}

struct Epoch {
    began: Instant,
    newest: u64,
    bytes: usize,
    /// Version of the last write to each key.
    keys: BTreeMap<Bytes, u64>,
    /// Version of the last write to each part of the key space, from the key on up to the next one.
    parts: BTreeMap<Bytes, u64>,
}

impl ConflictWindow {
    /// An empty window: nobody has read a state before `version`.
    pub(super) fn new(version: u64) -> Self {
        Self { epochs: VecDeque::new(), bytes: 0, forgotten: version }
    }

    /// Refuses a transaction that read, at `read_version`, something that was written since.
    pub(super) fn check(&self, read_version: u64, reads: &[KeyRange]) -> Result<(), StoreError> {
        if reads.is_empty() {
            return Ok(());
        }
        if read_version < self.forgotten {
            return Err(StoreError::TransactionTooOld);
        }
        let newer = self.epochs.iter().rev().take_while(|epoch| epoch.newest > read_version);
        for epoch in newer {
            if reads.iter().any(|range| epoch.wrote(range, read_version)) {
                return Err(StoreError::Conflict);
            }
        }
        Ok(())
    }

    /// Remembers what a commit writes. Versions only grow.
    pub(super) fn record(&mut self, version: u64, writes: &[KeyRange], now: Instant) {
        self.forget(now);
        if self.epochs.back().is_none_or(|epoch| now.duration_since(epoch.began) >= EPOCH) {
            self.epochs.push_back(Epoch::new(now));
        }
        let Some(epoch) = self.epochs.back_mut() else { return };
        let before = epoch.bytes;
        epoch.newest = version;
        writes.iter().for_each(|range| epoch.write(range, version));
        self.bytes = self.bytes - before + epoch.bytes;
    }

    /// Drops epochs that are too old, or too much.
    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.epochs.front() {
            if now.duration_since(oldest.began) < KEEP && self.bytes <= CONFLICT_WINDOW_MAX_BYTES {
                break;
            }
            self.bytes -= oldest.bytes;
            self.forgotten = self.forgotten.max(oldest.newest);
            self.epochs.pop_front();
        }
    }
}

impl Epoch {
    fn new(began: Instant) -> Self {
        Self { began, newest: 0, bytes: 0, keys: BTreeMap::new(), parts: BTreeMap::new() }
    }

    /// Whether something in the range was written after `version`.
    fn wrote(&self, range: &KeyRange, version: u64) -> bool {
        let newer = |(_, written): (&Bytes, &u64)| *written > version;
        match range {
            KeyRange::Key(key) => {
                self.keys.get(key).is_some_and(|written| *written > version)
                    || self.parts.range::<[u8], _>(up_to(key)).next_back().is_some_and(newer)
            }
            KeyRange::Between(begin, end) if begin < end => {
                self.keys.range::<[u8], _>(between(begin, end)).any(newer)
                    || self.parts.range::<[u8], _>(between(begin, end)).any(newer)
                    || self.parts.range::<[u8], _>(up_to(begin)).next_back().is_some_and(newer)
            }
            KeyRange::Between(..) => false,
        }
    }

    fn write(&mut self, range: &KeyRange, version: u64) {
        match range {
            KeyRange::Key(key) => {
                if self.keys.insert(key.clone(), version).is_none() {
                    self.bytes += key.len() + ENTRY_BYTES;
                }
            }
            KeyRange::Between(begin, end) if begin < end => self.write_part(begin, end, version),
            KeyRange::Between(..) => {}
        }
    }

    /// The part takes the new version; what begins at its end keeps the one it had.
    fn write_part(&mut self, begin: &Bytes, end: &Bytes, version: u64) {
        let behind = self.parts.range::<[u8], _>(up_to(end)).next_back().map_or(0, |(_, written)| *written);
        let inner: Vec<Bytes> = self.parts.range::<[u8], _>(between(begin, end)).map(|(key, _)| key.clone()).collect();
        for key in inner {
            self.bytes -= key.len() + ENTRY_BYTES;
            self.parts.remove(&key);
        }
        for (key, version) in [(begin, version), (end, behind)] {
            if self.parts.insert(key.clone(), version).is_none() {
                self.bytes += key.len() + ENTRY_BYTES;
            }
        }
    }
}

fn up_to(key: &[u8]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Unbounded, Bound::Included(key))
}

fn between<'a>(begin: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(begin), Bound::Excluded(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(ends: (u8, u8)) -> KeyRange {
        let (begin, end) = (ends.0.min(ends.1), ends.0.max(ends.1));
        if begin == end {
            KeyRange::Key(vec![begin].into())
        } else {
            KeyRange::Between(vec![begin].into(), vec![end].into())
        }
    }

    /// Single-byte keys that the range covers.
    fn covers(ends: (u8, u8)) -> std::ops::Range<u8> {
        let (begin, end) = (ends.0.min(ends.1), ends.0.max(ends.1));
        begin..end.max(begin + 1)
    }

    proptest! {
        /// Against a list of all writes: the same verdict, and bytes that are counted right.
        #[test]
        fn it_refuses_exactly_what_was_written_since(
            writes in proptest::collection::vec((0_u8..20, 0_u8..20, 0_u64..400), 0..40),
            reads in proptest::collection::vec((0_u8..20, 0_u8..20, 0_u64..45), 0..40),
        ) {
            let mut window = ConflictWindow::new(0);
            let mut now = Instant::now();
            for (number, (a, b, pause)) in writes.iter().enumerate() {
                now += Duration::from_millis(*pause);
                window.record(number as u64 + 1, &[range((*a, *b))], now);
            }
            for (a, b, version) in reads {
                let since = writes.iter().enumerate().filter(|(number, _)| *number as u64 + 1 > version);
                let hit = since.map(|(_, (c, d, _))| covers((*c, *d))).any(|w| covers((a, b)).any(|k| w.contains(&k)));
                let verdict = window.check(version, &[range((a, b))]);
                if version < window.forgotten {
                    prop_assert_eq!(verdict, Err(StoreError::TransactionTooOld));
                } else {
                    prop_assert_eq!(verdict.is_err(), hit);
                }
            }
            let cost = |map: &BTreeMap<Bytes, u64>| map.keys().map(|key| key.len() + ENTRY_BYTES).sum::<usize>();
            let counted: usize = window.epochs.iter().map(|epoch| cost(&epoch.keys) + cost(&epoch.parts)).sum();
            prop_assert_eq!(window.bytes, counted);
        }
    }

    #[test]
    fn what_is_too_old_or_too_much_is_forgotten() {
        let start = Instant::now();
        let key = |name: &'static str| KeyRange::Key(Bytes::from_static(name.as_bytes()));
        let mut window = ConflictWindow::new(0);
        window.record(1, &[key("a")], start);
        window.record(2, &[key("b")], start + KEEP);
        assert_eq!(window.check(0, &[key("b")]), Err(StoreError::TransactionTooOld));
        assert_eq!(window.check(1, &[key("b")]), Err(StoreError::Conflict));
        assert_eq!(window.check(0, &[]), Ok(()));

        let many: Vec<KeyRange> =
            (0_u32..20_000).map(|n| KeyRange::Key(vec![n.to_le_bytes()[0]; 5_000 + n as usize / 256].into())).collect();
        window.record(3, &many, start + KEEP + EPOCH);
        window.record(4, &[key("c")], start + KEEP + EPOCH * 2);
        assert!(window.bytes < 1_000, "{}", window.bytes);
        assert_eq!(window.check(2, &[key("zz")]), Err(StoreError::TransactionTooOld));
        assert_eq!(window.check(3, &[key("zz")]), Ok(()));
    }
}
