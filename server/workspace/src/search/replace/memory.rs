//! How much memory all replacements together take: who wants more waits.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::Stop;

/// Bytes that the files in which text is replaced take on the server, about; a single one that takes more has all of them.
pub const MAX_REPLACING_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes that are counted as one.
const UNIT_BYTES: u64 = 1024;
/// How often who waits looks whether the search was stopped.
const STOP_CHECK: Duration = Duration::from_millis(20);
/// A file is held as it was read, as text, with its replacements and as it is written; each grows to twice what it needs at most.
const COPIES_OF_FILE: u64 = 4;
/// What takes the place of matches is held by itself and in the new text.
const COPIES_OF_ROOM: u64 = 3;

pub(super) static REPLACING: Memory = Memory::new(MAX_REPLACING_BYTES);

/// Bytes that a replacement takes, about, in a file of this size and with so much room for what takes the place of matches.
pub(super) fn weight(file: u64, room: usize) -> u64 {
    let room = u64::try_from(room).unwrap_or(u64::MAX);
    file.saturating_mul(COPIES_OF_FILE).saturating_add(room.saturating_mul(COPIES_OF_ROOM))
}

/// So many bytes, for whoever comes first.
pub(super) struct Memory {
    units: Semaphore,
    all: u32,
}

impl Memory {
    pub(super) const fn new(bytes: u64) -> Self {
        let units = bytes / UNIT_BYTES;
        assert!(units <= u32::MAX as u64, "fits");
        #[expect(clippy::cast_possible_truncation, reason = "looked at above")]
        let all = units as u32;
        Self { units: Semaphore::const_new(all as usize), all }
    }

    /// Waits for so many bytes, which are held until the answer goes; `None` where the search was stopped meanwhile.
    pub(super) async fn hold(&self, bytes: u64, stop: &Stop) -> Option<SemaphorePermit<'_>> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).clamp(1, self.all);
        // Goes on waiting in its place while it looks.
        let mut waiting = std::pin::pin!(self.units.acquire_many(units));
        while !stop.is_set() {
            tokio::select! {
                biased;
                held = &mut waiting => return held.ok(),
                () = tokio::time::sleep(STOP_CHECK) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_wants_more_than_there_is_waits_its_turn_or_is_stopped() {
        let memory = Memory::new(100 * UNIT_BYTES);
        let stop = Stop::default();
        let first = memory.hold(60 * UNIT_BYTES, &stop).await.unwrap();
        // More than all is all; it comes before who asks later for little.
        let (stopped, large_stop) = (Stop::default(), Stop::default());
        let mut large = std::pin::pin!(memory.hold(u64::MAX, &large_stop));
        let mut small = std::pin::pin!(memory.hold(1, &stop));
        let mut late = std::pin::pin!(memory.hold(1, &stopped));
        for _ in 0..3 {
            tokio::select! {
                biased;
                _ = &mut large => panic!("there is not so much"),
                _ = &mut small => panic!("another was first"),
                _ = &mut late => panic!("another was first"),
                () = tokio::time::sleep(STOP_CHECK) => {}
            }
        }
        stopped.set();
        assert!(late.await.is_none());
        drop(first);
        let held = large.await.unwrap();
        assert_eq!(memory.units.available_permits(), 0);
        drop(held);
        assert!(small.await.is_some());
        assert_eq!(memory.units.available_permits(), 100);
    }

    #[test]
    fn weighs_the_file_and_what_is_put_into_it() {
        assert!(weight(1, 0) < weight(2, 0) && weight(1, 0) < weight(1, 1));
        assert!(weight(64 * 1024 * 1024, 64 * 1024 * 1024) <= MAX_REPLACING_BYTES);
        assert_eq!(weight(u64::MAX, usize::MAX), u64::MAX);
    }
}
