//! Slows down guessing, without letting anybody lock out somebody else.
//!
//! Attempts are counted for an address, and for an account *from* an address. An account alone is never counted: whoever
//! knows a victim's e-mail address could otherwise keep them out by failing on purpose. What succeeds is given back, so that
//! an office behind one address does not slow itself down.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::settings::{AuthSettings, Rate, millis};

/// When the table is full and nothing in it is stale, this part of it, the longest untouched, is forgotten.
const EVICTED_PART: usize = 8;

/// Where attempts come from: an IPv4 address or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
    /// The server could not tell, as on a local socket.
    Unknown,
}

impl From<Option<IpAddr>> for Source {
    fn from(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            None => Self::Unknown,
        }
    }
}

/// A bucket's name. The account is a keyed hash, so that long made-up names take no memory.
type Key = (Source, Option<u64>);

struct Bucket {
    /// What is left, in milliseconds; an attempt costs as many as its refill takes.
    left: u64,
    /// When that was so, milliseconds since 1970.
    at: u64,
}

/// Counts attempts.
pub(crate) struct Throttle {
    per_account: Rate,
    per_address: Rate,
    capacity: usize,
    hasher: RandomState,
    buckets: Mutex<HashMap<Key, Bucket>>,
}

/// One attempt that was let through; tells where it was counted.
pub(crate) struct Attempt {
    source: Source,
    account: Option<u64>,
}

impl Throttle {
    pub(crate) fn new(settings: &AuthSettings) -> Self {
        Self {
            per_account: settings.attempts_per_account,
            per_address: settings.attempts_per_address,
            capacity: settings.attempts_remembered,
            hasher: RandomState::new(),
            buckets: Mutex::default(),
        }
    }

    /// Counts an attempt, before it is made so that parallel ones count too. Refused: the seconds to wait.
    pub(crate) fn take(&self, address: Option<IpAddr>, account: Option<&str>, now: u64) -> Result<Attempt, u64> {
        let source = Source::from(address);
        let account = account.map(|name| self.hasher.hash_one(name));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(&mut buckets, now);
        let mut names = vec![((source, None), self.per_address)];
        names.extend(account.map(|account| ((source, Some(account)), self.per_account)));
        let wait = names.iter().map(|(key, rate)| wait(buckets.get(key), *rate, now)).max().unwrap_or(0);
        if wait > 0 {
            return Err(wait.div_ceil(1000));
        }
        for (key, rate) in names {
            let left = level(buckets.get(&key), rate, now).saturating_sub(millis(rate.refill));
            buckets.insert(key, Bucket { left, at: now });
        }
        Ok(Attempt { source, account })
    }

    /// Gives back an attempt that succeeded, and forgets the failed ones at this account from there.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: u64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if attempt.account.is_some() {
            buckets.remove(&(attempt.source, attempt.account));
        }
        give_back(&mut buckets, (attempt.source, None), self.per_address, now);
    }

    /// Gives back an attempt at which nothing was tried, because the server could not. It forgets no other.
    pub(crate) fn not_made(&self, attempt: &Attempt, now: u64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        give_back(&mut buckets, (attempt.source, None), self.per_address, now);
        if attempt.account.is_some() {
            give_back(&mut buckets, (attempt.source, attempt.account), self.per_account, now);
        }
    }

    /// Keeps the table within its bound. The work is paid for by the many inserts between two rounds.
    fn make_room(&self, buckets: &mut HashMap<Key, Bucket>, now: u64) {
        if buckets.len() + 2 <= self.capacity {
            return;
        }
        let rate = |key: &Key| if key.1.is_some() { self.per_account } else { self.per_address };
        buckets.retain(|key, bucket| level(Some(bucket), rate(key), now) < full(rate(key)));
        let spare = (self.capacity / EVICTED_PART).max(2);
        let keep = self.capacity - spare;
        if buckets.len() > keep {
            let mut times: Vec<u64> = buckets.values().map(|bucket| bucket.at).collect();
            let mut excess = buckets.len() - keep;
            let (_, newest_evicted, _) = times.select_nth_unstable(excess - 1);
            let newest_evicted = *newest_evicted;
            buckets.retain(|_, bucket| {
                let evicted = excess > 0 && bucket.at <= newest_evicted;
                excess -= usize::from(evicted);
                !evicted
            });
        }
    }
}

fn give_back(buckets: &mut HashMap<Key, Bucket>, key: Key, rate: Rate, now: u64) {
    if let Some(bucket) = buckets.get_mut(&key) {
        let left = level(Some(bucket), rate, now).saturating_add(millis(rate.refill));
        *bucket = Bucket { left: left.min(full(rate)), at: now };
    }
}

fn full(rate: Rate) -> u64 {
    u64::from(rate.burst).saturating_mul(millis(rate.refill))
}

/// What a bucket holds now, in milliseconds.
fn level(bucket: Option<&Bucket>, rate: Rate, now: u64) -> u64 {
    let Some(bucket) = bucket else { return full(rate) };
    bucket.left.saturating_add(now.saturating_sub(bucket.at)).min(full(rate))
}

/// Milliseconds until a bucket gives one attempt.
fn wait(bucket: Option<&Bucket>, rate: Rate, now: u64) -> u64 {
    millis(rate.refill).saturating_sub(level(bucket, rate, now))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn throttle(account: u32, address: u32, capacity: usize) -> Throttle {
        Throttle::new(&AuthSettings {
            attempts_per_account: Rate { burst: account, refill: Duration::from_secs(30) },
            attempts_per_address: Rate { burst: address, refill: Duration::from_secs(2) },
            attempts_remembered: capacity,
            ..AuthSettings::default()
        })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_account_is_throttled_only_for_the_address_that_fails() {
        let throttle = throttle(3, 100, 1000);
        for _ in 0..3 {
            assert!(throttle.take(ip("10.0.0.1"), Some("victim"), 0).is_ok());
        }
        assert_eq!(throttle.take(ip("10.0.0.1"), Some("victim"), 0).err(), Some(30));
        assert!(throttle.take(ip("10.0.0.2"), Some("victim"), 0).is_ok(), "the victim gets in from elsewhere");
        assert!(throttle.take(ip("10.0.0.1"), Some("other"), 0).is_ok());
        assert_eq!(throttle.take(ip("10.0.0.1"), Some("victim"), 29_001).err(), Some(1));
        assert!(throttle.take(ip("10.0.0.1"), Some("victim"), 30_000).is_ok());
        assert!(throttle.take(ip("10.0.0.1"), Some("victim"), 30_000).is_err());
    }

    #[test]
    fn an_address_is_throttled_over_all_accounts_and_ipv6_by_network() {
        let throttle = throttle(3, 5, 1000);
        for n in 0..5 {
            assert!(throttle.take(ip(&format!("2001:db8::{n}")), Some(&n.to_string()), 0).is_ok());
        }
        assert_eq!(throttle.take(ip("2001:db8::ffff"), Some("x"), 0).err(), Some(2));
        assert!(throttle.take(ip("2001:db8:0:1::1"), Some("x"), 0).is_ok());
        let mapped = ip("::ffff:10.0.0.9");
        for _ in 0..5 {
            assert!(throttle.take(mapped, None, 0).is_ok());
        }
        assert!(throttle.take(ip("10.0.0.9"), None, 0).is_err(), "the mapped form is the same address");
    }

    #[test]
    fn what_succeeds_is_given_back() {
        let throttle = throttle(2, 4, 1000);
        for _ in 0..100 {
            let attempt = throttle.take(ip("10.0.0.1"), Some("a"), 0).unwrap_or_else(|_| panic!("throttled"));
            throttle.succeeded(&attempt, 0);
        }
    }

    #[test]
    fn an_attempt_that_was_not_made_costs_nothing_and_forgets_nothing() {
        let throttle = throttle(2, 100, 1000);
        let take = || throttle.take(ip("10.0.0.1"), Some("a"), 0);
        assert!(take().is_ok());
        for _ in 0..10 {
            let attempt = take().unwrap_or_else(|_| panic!("throttled"));
            throttle.not_made(&attempt, 0);
        }
        assert!(take().is_ok());
        assert!(take().is_err(), "the first one still counts");
    }

    #[test]
    fn a_refused_attempt_costs_nothing_and_a_clock_set_back_does_no_harm() {
        let throttle = throttle(1, 100, 1000);
        assert!(throttle.take(ip("10.0.0.1"), Some("a"), 50_000).is_ok());
        for _ in 0..1000 {
            assert!(throttle.take(ip("10.0.0.1"), Some("a"), 50_000).is_err());
        }
        assert!(throttle.take(ip("10.0.0.1"), Some("a"), 10).is_err());
        assert!(throttle.take(ip("10.0.0.1"), Some("a"), 80_000).is_ok());
    }

    #[test]
    fn the_table_stays_within_its_bound_and_forgets_the_oldest() {
        let throttle = throttle(1, 1_000_000, 64);
        for n in 0..10_000_u64 {
            let address = IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
            let _ = throttle.take(Some(address), Some("a"), n);
            assert!(throttle.buckets.lock().unwrap().len() <= 64);
        }
        assert!(throttle.take(Some(IpAddr::from(9_999_u32.to_be_bytes())), Some("a"), 10_000).is_err());
    }
}
