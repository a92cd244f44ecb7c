//! The newest bytes of a stream, under the offsets they have in the whole of it.

use std::collections::VecDeque;

/// How far an end of line is looked for when older bytes are gone.
const LINE_SEARCH_BYTES: usize = 1024;

/// Bounded; grows only as it is filled.
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    start: u64,
    capacity: usize,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), start: 0, capacity }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Offset of the oldest byte kept.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// Offset after the newest byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Adds bytes, dropping the oldest where they would not fit.
    pub(super) fn push(&mut self, data: &[u8]) {
        let kept = &data[data.len().saturating_sub(self.capacity)..];
        let dropped = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..dropped);
        self.start += (dropped + data.len() - kept.len()) as u64;
        let needed = self.bytes.len() + kept.len();
        if needed > self.bytes.capacity() {
            // Doubling by hand: left to itself it would double past the capacity.
            let target = needed.max(self.bytes.capacity() * 2).min(self.capacity);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend(kept);
    }

    /// Up to `most` bytes from `offset`, which lies between start and end.
    pub(super) fn read(&self, offset: u64, most: usize) -> Vec<u8> {
        let from = self.index(offset);
        let until = self.bytes.len().min(from + most);
        let (head, tail) = self.bytes.as_slices();
        let mut out = Vec::with_capacity(until - from);
        out.extend_from_slice(&head[from.min(head.len())..until.min(head.len())]);
        out.extend_from_slice(&tail[from.saturating_sub(head.len())..until.saturating_sub(head.len())]);
        out
    }

    /// Where someone begins to read who asked for `from`: there, or where older bytes are gone, at the first line or at
    /// least the first whole character that is kept.
    pub(super) fn entry(&self, from: u64) -> u64 {
        if from >= self.start {
            return from.min(self.end());
        }
        let near = self.bytes.iter().take(LINE_SEARCH_BYTES);
        let skipped = near
            .clone()
            .position(|byte| *byte == b'\n')
            .map_or_else(|| near.take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count(), |newline| newline + 1);
        self.start + skipped as u64
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn starts_on_a_line_or_a_character() {
        let mut ring = Ring::new(8);
        ring.push(b"0123\n56789");
        assert_eq!((ring.start(), ring.entry(0), ring.entry(7), ring.entry(99)), (2, 5, 7, 10));
        let mut ring = Ring::new(4);
        ring.push("aäöü".as_bytes());
        assert_eq!(ring.start(), 3);
        ring.push(b"x");
        assert_eq!((ring.start(), ring.entry(0)), (4, 5), "skips the second byte of a character");
    }

    proptest! {
        #[test]
        fn keeps_the_newest_bytes(
            pushes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
            most in 1usize..50,
        ) {
            let mut ring = Ring::new(32);
            let mut all = Vec::new();
            for push in pushes {
                ring.push(&push);
                all.extend(push);
                prop_assert_eq!(ring.end(), all.len() as u64);
                prop_assert!(ring.bytes.capacity() <= 32 && all.len() - ring.start() as usize == all.len().min(32));
                for offset in ring.start()..=ring.end() {
                    let at = offset as usize;
                    prop_assert_eq!(ring.read(offset, most), &all[at..all.len().min(at + most)]);
                }
            }
        }
    }
}
