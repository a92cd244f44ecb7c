//! A transaction's own writes, as its reads see them.

use crate::error::StoreError;
use crate::mutation::{AtomicOp, Mutation, STAMP_BYTES};
use crate::range::{KeyValue, key_after};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Writes by key.
#[derive(Default)]
pub(super) struct WriteBuffer {
    keys: BTreeMap<Bytes, Written>,
    /// Cleared parts, begin to end; they do not touch each other.
    cleared: BTreeMap<Bytes, Bytes>,
    /// Where versionstamped keys may come to lie.
    stamped: Vec<(Bytes, Bytes)>,
}

/// What the transaction did to a key.
#[derive(Clone)]
enum Written {
    /// It has this value now.
    Value(Option<Bytes>),
    /// These operations, over a value that was not read.
    Atomic(Vec<(AtomicOp, Bytes)>),
    /// A value that the commit completes.
    Unreadable,
}

/// What the buffer knows about a key.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// Its value.
    Value(Option<Bytes>),
    /// What follows from the stored value.
    Over(Overlay),
}

/// Operations to do on the stored value.
pub(super) struct Overlay(Vec<(AtomicOp, Bytes)>);

impl Overlay {
    /// The value that follows from the stored one.
    pub(super) fn over(&self, stored: Option<Bytes>) -> Option<Bytes> {
        apply_all(&self.0, stored)
    }
}

fn apply_all(operations: &[(AtomicOp, Bytes)], stored: Option<Bytes>) -> Option<Bytes> {
    operations.iter().fold(stored, |value, (op, operand)| op.apply(value.as_deref(), operand))
}

impl WriteBuffer {
    pub(super) fn write(&mut self, mutation: &Mutation) {
        match mutation {
            Mutation::Set { key, value } => self.put(key, Written::Value(Some(value.clone()))),
            Mutation::Clear { key } => self.put(key, Written::Value(None)),
            Mutation::ClearRange { begin, end } => self.clear_range(begin, end),
            Mutation::Atomic { op, key, operand } => self.operate(*op, key, operand),
            Mutation::StampedValue { key, .. } => self.put(key, Written::Unreadable),
            Mutation::StampedKey { key, place, .. } => {
                let filled = |byte: u8| {
                    let mut key = key.clone();
                    key[*place..*place + STAMP_BYTES].fill(byte);
                    key
                };
                self.stamped.push((filled(0).into(), key_after(&filled(0xff))));
            }
        }
    }

    fn put(&mut self, key: &Bytes, written: Written) {
        self.keys.insert(key.clone(), written);
    }

    fn operate(&mut self, op: AtomicOp, key: &Bytes, operand: &Bytes) {
        let is_cleared = self.is_cleared(key);
        match self.keys.get_mut(key) {
            Some(Written::Value(value)) => *value = op.apply(value.as_deref(), operand),
            Some(Written::Atomic(operations)) => operations.push((op, operand.clone())),
            Some(Written::Unreadable) => {}
            None if is_cleared => self.put(key, Written::Value(op.apply(None, operand))),
            None => self.put(key, Written::Atomic(vec![(op, operand.clone())])),
        }
    }

    fn clear_range(&mut self, begin: &Bytes, end: &Bytes) {
        let inside: Vec<Bytes> = self.keys.range::<[u8], _>(between(begin, end)).map(|(key, _)| key.clone()).collect();
        inside.iter().for_each(|key| drop(self.keys.remove(key)));
        let (mut begin, mut end) = (begin.clone(), end.clone());
        let touching: Vec<(Bytes, Bytes)> = self
            .cleared
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(&end[..])))
            .rev()
            .take_while(|(_, other_end)| **other_end >= begin)
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        for (other_begin, other_end) in touching {
            self.cleared.remove(&other_begin);
            begin = begin.min(other_begin);
            end = end.max(other_end);
        }
        self.cleared.insert(begin, end);
    }

    fn is_cleared(&self, key: &[u8]) -> bool {
        let before = self.cleared.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        before.is_some_and(|(_, end)| key < &end[..])
    }

    /// What it knows about a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Known, StoreError> {
        if self.stamped.iter().any(|(begin, end)| &begin[..] <= key && key < &end[..]) {
            return Err(StoreError::Unreadable);
        }
        match self.keys.get(key) {
            Some(Written::Value(value)) => Ok(Known::Value(value.clone())),
            Some(Written::Atomic(operations)) => Ok(Known::Over(Overlay(operations.clone()))),
            Some(Written::Unreadable) => Err(StoreError::Unreadable),
            None if self.is_cleared(key) => Ok(Known::Value(None)),
            None => Ok(Known::Nothing),
        }
    }

    /// Whether it changes nothing from `begin` to `end`.
    pub(super) fn is_clean(&self, begin: &[u8], end: &[u8]) -> bool {
        self.keys.range::<[u8], _>(between(begin, end)).next().is_none()
            && self.stamped.iter().all(|(a, b)| &b[..] <= begin || end <= &a[..])
            && self
                .cleared
                .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(end)))
                .next_back()
                .is_none_or(|(_, cleared_end)| &cleared_end[..] <= begin)
    }

    /// All rows from `begin` to `end`, given those stored there, in order.
    pub(super) fn overlay(&self, begin: &[u8], end: &[u8], stored: Vec<KeyValue>) -> Result<Vec<KeyValue>, StoreError> {
        if self.stamped.iter().any(|(a, b)| &a[..] < end && begin < &b[..]) {
            return Err(StoreError::Unreadable);
        }
        let mut rows: BTreeMap<Bytes, Bytes> =
            stored.into_iter().filter(|row| !self.is_cleared(&row.key)).map(|row| (row.key, row.value)).collect();
        for (key, written) in self.keys.range::<[u8], _>(between(begin, end)) {
            let value = match written {
                Written::Value(value) => value.clone(),
                Written::Atomic(operations) => apply_all(operations, rows.get(key).cloned()),
                Written::Unreadable => return Err(StoreError::Unreadable),
            };
            match value {
                Some(value) => rows.insert(key.clone(), value),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().map(|(key, value)| KeyValue { key, value }).collect())
    }
}

fn between<'a>(begin: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(begin), Bound::Excluded(end))
}
