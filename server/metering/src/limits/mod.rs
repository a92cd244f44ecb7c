//! Requests and tokens in a minute, on this server.
//!
//! The generic cell rate algorithm: of each limit one moment is kept, at which it would be unused again. A minute's worth can be used
//! at once and comes back evenly. What is unused again is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::llm::LimitScope;
use tokio::time::Instant;
use uuid::Uuid;

/// Nanoseconds in a minute.
const MINUTE: u64 = 60_000_000_000;
/// Locks, so that calls of several people seldom wait for each other.
const SHARDS: usize = 16;
/// A lock's limits are swept when they have become so many, and twice those that stayed then.
const SWEEP_FROM: usize = 1_024;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limited {
    /// Requests.
    Requests,
    /// Tokens, read and written.
    Tokens,
}

impl Limited {
    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// One limit: of what, whose, and how many a minute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) what: Limited,
    pub(crate) scope: LimitScope,
    pub(crate) of: Uuid,
    pub(crate) per_minute: u64,
}

type Key = (Limited, LimitScope, Uuid);

impl Rate {
    fn key(&self) -> Key {
        (self.what, self.scope, self.of)
    }

    /// Nanoseconds in which so many come back.
    fn time_of(&self, amount: u64) -> u64 {
        let time = u128::from(amount) * u128::from(MINUTE) / u128::from(self.per_minute.max(1));
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// When each limit is unused again, in nanoseconds since the start.
    unused_at: HashMap<Key, u64>,
    sweep_at: usize,
}

/// All limits of this server.
#[derive(Debug)]
pub(crate) struct Limiter {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    start: Instant,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), start: Instant::now() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, rate: &Rate) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(rate.of) % SHARDS as u64).unwrap_or_default();
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses so many, or says how long to wait. What is more than a minute's worth waits for all of it.
    pub(crate) fn use_up(&self, rate: &Rate, amount: u64) -> Result<(), Duration> {
        let now = self.now();
        let time = rate.time_of(amount.min(rate.per_minute));
        let mut shard = self.shard(rate);
        let unused_at = shard.unused_at.get(&rate.key()).map_or(now, |at| now.max(*at));
        let wait = unused_at.saturating_add(time).saturating_sub(now.saturating_add(MINUTE));
        if wait > 0 {
            return Err(Duration::from_nanos(wait));
        }
        shard.set(rate.key(), unused_at.saturating_add(time), now);
        Ok(())
    }

    /// So many were used in truth, where `estimated` were thought to be.
    pub(crate) fn correct(&self, rate: &Rate, estimated: u64, used: u64) {
        let now = self.now();
        let (before, after) = (rate.time_of(estimated.min(rate.per_minute)), rate.time_of(used));
        let mut shard = self.shard(rate);
        let unused_at = shard.unused_at.get(&rate.key()).copied().unwrap_or(now);
        // What was thought may have come back long ago.
        let unused_at = now.max(unused_at).saturating_add(after.saturating_sub(before));
        shard.set(rate.key(), unused_at.saturating_sub(before.saturating_sub(after)), now);
    }
}

impl Shard {
    fn set(&mut self, key: Key, unused_at: u64, now: u64) {
        if self.unused_at.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.unused_at.retain(|_, at| *at > now);
            self.sweep_at = 2 * self.unused_at.len();
        }
        self.unused_at.insert(key, unused_at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(what: Limited, per_minute: u64) -> Rate {
        Rate { what, scope: LimitScope::Person, of: Uuid::from_u128(1), per_minute }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_minutes_worth_and_then_evenly() {
        let limiter = Limiter::new();
        let rate = rate(Limited::Requests, 6);
        for _ in 0..6 {
            limiter.use_up(&rate, 1).unwrap();
        }
        let wait = limiter.use_up(&rate, 1).unwrap_err();
        assert_eq!(wait, Duration::from_secs(10));
        tokio::time::advance(wait - Duration::from_millis(1)).await;
        assert!(limiter.use_up(&rate, 1).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        limiter.use_up(&rate, 1).unwrap();
        limiter.use_up(&rate, 1).unwrap_err();
        // Others are not meant.
        limiter.use_up(&Rate { of: Uuid::from_u128(2), ..rate }, 1).unwrap();
        limiter.use_up(&Rate { scope: LimitScope::Team, ..rate }, 1).unwrap();
        limiter.use_up(&Rate { what: Limited::Tokens, ..rate }, 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_estimated_is_corrected() {
        let limiter = Limiter::new();
        let rate = rate(Limited::Tokens, 100);
        limiter.use_up(&rate, 100).unwrap();
        limiter.correct(&rate, 100, 40);
        limiter.use_up(&rate, 60).unwrap();
        assert!(limiter.use_up(&rate, 1).is_err());
        // Twice as much as thought: the next waits twice as long.
        limiter.correct(&rate, 60, 160);
        assert_eq!(limiter.use_up(&rate, 100), Err(Duration::from_secs(120)));
        tokio::time::advance(Duration::from_secs(120)).await;
        // More than there ever is waits for all of it.
        limiter.use_up(&rate, 1_000_000).unwrap();
        assert_eq!(limiter.use_up(&rate, 1_000_000), Err(Duration::from_secs(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unused_is_forgotten() {
        let limiter = Limiter::new();
        for round in 0..20_u128 {
            for of in 0..20_000_u128 {
                let of = Uuid::from_u128(round * 20_000 + of);
                limiter.use_up(&Rate { of, ..rate(Limited::Requests, 60) }, 1).unwrap();
            }
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        let kept: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().unused_at.len()).sum();
        assert!(kept <= 60_000, "{kept}");
    }

    proptest! {
        /// In any time, no more go through than a minute's worth and what came back.
        #[test]
        fn never_more_than_the_limit(
            per_minute in 1_u64..1_000,
            steps in proptest::collection::vec((0_u64..20_000, 1_u64..50), 1..200),
        ) {
            let rate = rate(Limited::Tokens, per_minute);
            runtime().block_on(async {
                let limiter = Limiter::new();
                let (mut through, mut passed) = (0_u64, 0_u64);
                for (pause, amount) in steps {
                    tokio::time::advance(Duration::from_millis(pause)).await;
                    passed += pause;
                    let amount = amount.min(per_minute);
                    if limiter.use_up(&rate, amount).is_ok() {
                        through += amount;
                    }
                    assert!(through <= per_minute + passed * per_minute / 60_000 + 1);
                }
            });
        }
    }
}
