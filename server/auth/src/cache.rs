//! What was read a moment ago, so that not every request reads it again.
//!
//! An entry is good for a time that counts from **before** the store was read, so that nothing is believed longer than that time
//! after it changed. And it is dropped at once when this server learns of the change. A check that read the row just before
//! the change and comes back with it just after the drop is the case to beware of: each drop raises the generation of the cache,
//! and what was read in an earlier generation is not taken in.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts with a lock of their own.
const SHARDS: usize = 64;

/// See the module.
pub(crate) struct Cache<K, V> {
    shards: Vec<Mutex<HashMap<K, Entry<V>>>>,
    shard_capacity: usize,
    generation: AtomicU64,
    hasher: RandomState,
}

struct Entry<V> {
    value: V,
    /// On the clock of [`crate::clock::Clock::elapsed`].
    until: Duration,
}

/// Taken before something is read that is to be put into the cache.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    generation: u64,
    at: Duration,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty one that never holds more than about so many entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_capacity: (capacity / SHARDS).max(1),
            generation: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn ticket(&self, at: Duration) -> Ticket {
        Ticket { generation: self.generation.load(Ordering::SeqCst), at }
    }

    pub(crate) fn get(&self, key: &K, at: Duration) -> Option<V> {
        self.shard(key).get(key).filter(|entry| at < entry.until).map(|entry| entry.value.clone())
    }

    /// Keeps what was read since the ticket was taken, for `lifetime` from then; not if anything was dropped meanwhile.
    pub(crate) fn put(&self, key: K, value: V, ticket: Ticket, lifetime: Duration) {
        let mut shard = self.shard(&key);
        // Under the lock: whoever drops raises the generation first and takes the lock then, so that either this sees the new
        // generation or the drop sees this entry.
        if self.generation.load(Ordering::SeqCst) != ticket.generation {
            return;
        }
        if shard.len() >= self.shard_capacity && !shard.contains_key(&key) {
            shard.retain(|_, entry| ticket.at < entry.until);
            if shard.len() >= self.shard_capacity {
                // All of it is quickly read again; looking for what to keep would cost more.
                shard.clear();
            }
        }
        shard.insert(key, Entry { value, until: ticket.at.saturating_add(lifetime) });
    }

    /// Forgets one entry, and what is being read at the moment.
    pub(crate) fn drop_one(&self, key: &K) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.shard(key).remove(key);
    }

    /// Forgets everything, and what is being read at the moment.
    pub(crate) fn drop_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        for shard in &self.shards {
            lock(shard).clear();
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        let hash = self.hasher.hash_one(key);
        // The remainder is below the number of shards.
        #[expect(clippy::cast_possible_truncation, reason = "only the remainder counts")]
        lock(&self.shards[hash as usize % SHARDS])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_entry_is_good_from_before_it_was_read_and_no_longer() {
        let cache = Cache::new(1000);
        let ticket = cache.ticket(at(500));
        cache.put("a", 1, ticket, SECOND);
        assert_eq!(cache.get(&"a", at(1499)), Some(1));
        assert_eq!(cache.get(&"a", at(1500)), None);
        assert_eq!(cache.get(&"b", at(500)), None);
    }

    #[test]
    fn what_was_read_before_a_drop_is_not_taken_in_after_it() {
        let cache = Cache::new(1000);
        let early = cache.ticket(at(0));
        cache.put("a", 1, early, SECOND);
        cache.drop_one(&"a");
        assert_eq!(cache.get(&"a", at(1)), None);
        cache.put("a", 1, early, SECOND);
        assert_eq!(cache.get(&"a", at(1)), None, "it may be what was just dropped");
        cache.put("a", 2, cache.ticket(at(1)), SECOND);
        cache.put("b", 3, cache.ticket(at(1)), SECOND);
        cache.drop_one(&"a");
        assert_eq!((cache.get(&"a", at(2)), cache.get(&"b", at(2))), (None, Some(3)));
        let early = cache.ticket(at(2));
        cache.drop_all();
        cache.put("b", 4, early, SECOND);
        assert_eq!(cache.get(&"b", at(3)), None);
    }

    #[test]
    fn it_stays_within_its_bound() {
        let cache = Cache::new(640);
        for n in 0..100_000_u64 {
            cache.put(n, n, cache.ticket(at(n / 100)), SECOND);
        }
        assert!(cache.shards.iter().map(|shard| lock(shard).len()).sum::<usize>() <= 640);
        assert_eq!(cache.get(&99_999, at(999)), Some(99_999));
    }

    #[test]
    fn drops_and_puts_of_many_threads_never_leave_what_was_dropped() {
        let cache = Cache::new(1000);
        let truth = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let ticket = cache.ticket(at(0));
                        let read = truth.load(Ordering::SeqCst);
                        cache.put("a", read, ticket, SECOND);
                    }
                });
            }
            for n in 1..=5_000 {
                truth.store(n, Ordering::SeqCst);
                cache.drop_one(&"a");
                assert!(cache.get(&"a", at(0)).is_none_or(|value| value == n));
            }
        });
    }
}
