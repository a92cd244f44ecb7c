//! Slows down guessing, without letting anybody lock out somebody else.
//!
//! What is counted, each with its own rate:
//! * all attempts from one **address**;
//! * attempts at one account **from** one address;
//! * attempts at one **account** from everywhere, so that guessing from many addresses is slowed down as well;
//! * attempts at one account from a **known device**, one from which its person has logged in before (`known_device.rs`).
//!
//! The third alone would let anybody keep a victim out by failing on purpose. So attempts from a known device are counted by
//! that device and by nothing else: whatever others do, the person gets in from there. What succeeds is given back, so that an
//! office behind one address does not slow itself down.
//!
//! Second factors, confirmations of somebody logged in, user codes and mails of codes have counters of their own.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use coditect_protocol::UserId;

use crate::settings::{AuthSettings, Rate, millis};

/// When the table is full and nothing in it is stale, this part of it, the longest untouched, is forgotten.
const EVICTED_PART: usize = 8;
/// Most counters of one attempt.
const MAX_COUNTERS: usize = 4;

/// Where attempts come from: an IPv4 address or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
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

/// A keyed hash of an account's name, a person or a device, so that long made-up names take no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hashed(u64);

/// What an attempt is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counter {
    /// Everything from one address.
    Address(Source),
    /// At one account from one address.
    AccountFrom(Source, Hashed),
    /// At one account from everywhere but known devices.
    Account(Hashed),
    /// At one account from one known device.
    KnownDevice(Hashed, Hashed),
    /// At the second factor of a person whose password was right, from everywhere but known devices.
    SecondFactor(Hashed),
    /// The same from one known device.
    SecondFactorKnown(Hashed, Hashed),
    /// Of a person who is logged in and shows again who they are.
    Confirmation(Hashed),
    /// At user codes, by a person who is logged in.
    UserCode(Hashed),
    /// Names that nobody logs in with, asked for by a person who is logged in.
    Acquaintance(Hashed),
    /// Mails with a code to one account.
    MailedCode(Hashed),
}

impl Counter {
    /// Whether it counts only what its own person does, or what is done at one account from one place: a success shows that
    /// the failures before it were theirs.
    fn is_forgiven(self) -> bool {
        match self {
            Self::Address(_) | Self::Account(_) | Self::SecondFactor(_) | Self::MailedCode(_) => false,
            // One's own code is right whenever one likes.
            Self::UserCode(_) | Self::Acquaintance(_) => false,
            Self::AccountFrom(..) | Self::KnownDevice(..) | Self::SecondFactorKnown(..) | Self::Confirmation(_) => true,
        }
    }
}

struct Bucket {
    /// What is left, in milliseconds; an attempt costs as many as its refill takes.
    left: u64,
    /// When that was so, milliseconds since 1970.
    at: u64,
}

/// The rates in force.
struct Rates {
    address: Rate,
    account_from: Rate,
    account: Rate,
    second_factor: Rate,
    mailed_code: Rate,
}

impl Rates {
    fn of(&self, counter: Counter) -> Rate {
        match counter {
            Counter::Address(_) => self.address,
            Counter::Account(_) => self.account,
            Counter::AccountFrom(..)
            | Counter::KnownDevice(..)
            | Counter::Confirmation(_)
            | Counter::UserCode(_)
            | Counter::Acquaintance(_) => self.account_from,
            Counter::SecondFactor(_) | Counter::SecondFactorKnown(..) => self.second_factor,
            Counter::MailedCode(_) => self.mailed_code,
        }
    }
}

/// Counts attempts.
pub(crate) struct Throttle {
    rates: Rates,
    capacity: usize,
    hasher: RandomState,
    buckets: Mutex<HashMap<Counter, Bucket>>,
}

/// One attempt that was let through; tells where it was counted.
pub(crate) struct Attempt(Vec<Counter>);

impl Throttle {
    pub(crate) fn new(settings: &AuthSettings) -> Self {
        let rates = Rates {
            address: settings.attempts_per_address,
            account_from: settings.attempts_per_account,
            account: settings.attempts_per_account_anywhere,
            second_factor: settings.attempts_per_second_factor,
            mailed_code: settings.mailed_codes_per_account,
        };
        let capacity = settings.attempts_remembered;
        Self { rates, capacity, hasher: RandomState::new(), buckets: Mutex::default() }
    }

    /// The name of an account, or of a device, in a counter.
    pub(crate) fn hashed(&self, name: &[u8]) -> Hashed {
        Hashed(self.hasher.hash_one(name))
    }

    /// The name of a person in a counter.
    pub(crate) fn person(&self, id: UserId) -> Hashed {
        self.hashed(id.0.as_bytes())
    }

    /// Counts an attempt, before it is made so that parallel ones count too. Refused: the seconds to wait.
    pub(crate) fn take(&self, counters: Vec<Counter>, now: u64) -> Result<Attempt, u64> {
        debug_assert!(counters.len() <= MAX_COUNTERS);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(&mut buckets, now);
        let waits = counters.iter().map(|counter| wait(buckets.get(counter), self.rates.of(*counter), now));
        let wait = waits.max().unwrap_or(0);
        if wait > 0 {
            return Err(wait.div_ceil(1000));
        }
        for counter in &counters {
            let rate = self.rates.of(*counter);
            let left = level(buckets.get(counter), rate, now).saturating_sub(millis(rate.refill));
            buckets.insert(*counter, Bucket { left, at: now });
        }
        Ok(Attempt(counters))
    }

    /// Gives back an attempt that succeeded, and forgets the failed ones before it where they were the same person's.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: u64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for counter in &attempt.0 {
            if counter.is_forgiven() {
                buckets.remove(counter);
            } else {
                self.give_back(&mut buckets, *counter, now);
            }
        }
    }

    /// Gives back an attempt at which nothing was tried, because the server could not. It forgets no other.
    pub(crate) fn not_made(&self, attempt: &Attempt, now: u64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for counter in &attempt.0 {
            self.give_back(&mut buckets, *counter, now);
        }
    }

    fn give_back(&self, buckets: &mut HashMap<Counter, Bucket>, counter: Counter, now: u64) {
        let rate = self.rates.of(counter);
        if let Some(bucket) = buckets.get_mut(&counter) {
            let left = level(Some(bucket), rate, now).saturating_add(millis(rate.refill));
            *bucket = Bucket { left: left.min(full(rate)), at: now };
        }
    }

    /// Keeps the table within its bound. The work is paid for by the many inserts between two rounds.
    fn make_room(&self, buckets: &mut HashMap<Counter, Bucket>, now: u64) {
        if buckets.len() + MAX_COUNTERS <= self.capacity {
            return;
        }
        buckets.retain(|counter, bucket| {
            let rate = self.rates.of(*counter);
            level(Some(bucket), rate, now) < full(rate)
        });
        let spare = (self.capacity / EVICTED_PART).max(MAX_COUNTERS);
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
            attempts_per_account_anywhere: Rate { burst: 6, refill: Duration::from_secs(60) },
            attempts_remembered: capacity,
            ..AuthSettings::default()
        })
    }

    fn source(text: &str) -> Source {
        Some(text.parse::<IpAddr>().unwrap()).into()
    }

    /// An attempt at an account from an address.
    fn take(throttle: &Throttle, from: &str, account: &str, now: u64) -> Result<Attempt, u64> {
        let (source, account) = (source(from), throttle.hashed(account.as_bytes()));
        throttle.take(vec![Counter::Address(source), Counter::AccountFrom(source, account)], now)
    }

    #[test]
    fn an_account_is_throttled_for_the_address_that_fails() {
        let throttle = throttle(3, 100, 1000);
        for _ in 0..3 {
            assert!(take(&throttle, "10.0.0.1", "victim", 0).is_ok());
        }
        assert_eq!(take(&throttle, "10.0.0.1", "victim", 0).err(), Some(30));
        assert!(take(&throttle, "10.0.0.2", "victim", 0).is_ok(), "the victim gets in from elsewhere");
        assert!(take(&throttle, "10.0.0.1", "other", 0).is_ok());
        assert_eq!(take(&throttle, "10.0.0.1", "victim", 29_001).err(), Some(1));
        assert!(take(&throttle, "10.0.0.1", "victim", 30_000).is_ok());
        assert!(take(&throttle, "10.0.0.1", "victim", 30_000).is_err());
    }

    #[test]
    fn an_address_is_throttled_over_all_accounts_and_ipv6_by_network() {
        let throttle = throttle(3, 5, 1000);
        for n in 0..5 {
            assert!(take(&throttle, &format!("2001:db8::{n}"), &n.to_string(), 0).is_ok());
        }
        assert_eq!(take(&throttle, "2001:db8::ffff", "x", 0).err(), Some(2));
        assert!(take(&throttle, "2001:db8:0:1::1", "x", 0).is_ok());
        for _ in 0..5 {
            assert!(throttle.take(vec![Counter::Address(source("::ffff:10.0.0.9"))], 0).is_ok());
        }
        assert!(take(&throttle, "10.0.0.9", "x", 0).is_err(), "the mapped form is the same address");
    }

    #[test]
    fn an_account_is_throttled_over_all_addresses_but_not_for_a_known_device() {
        let throttle = throttle(3, 100, 1000);
        let account = throttle.hashed(b"victim");
        let guess =
            |n: u8| throttle.take(vec![Counter::Address(Source::V4([10, 0, 0, n])), Counter::Account(account)], 0);
        for n in 0..6 {
            assert!(guess(n).is_ok());
        }
        assert_eq!(guess(7).err(), Some(60));
        let device = Counter::KnownDevice(throttle.hashed(b"laptop"), account);
        for _ in 0..3 {
            assert!(throttle.take(vec![device], 0).is_ok());
        }
        assert_eq!(throttle.take(vec![device], 0).err(), Some(30), "a stolen device may not guess for ever either");
        let other = Counter::KnownDevice(throttle.hashed(b"phone"), account);
        let attempt = throttle.take(vec![other], 0).unwrap_or_else(|_| panic!("throttled"));
        throttle.succeeded(&attempt, 0);
        assert!(guess(8).is_err(), "the person's own login forgives no guess");
    }

    #[test]
    fn what_succeeds_is_given_back() {
        let throttle = throttle(2, 4, 1000);
        for _ in 0..100 {
            let attempt = take(&throttle, "10.0.0.1", "a", 0).unwrap_or_else(|_| panic!("throttled"));
            throttle.succeeded(&attempt, 0);
        }
    }

    #[test]
    fn an_attempt_that_was_not_made_costs_nothing_and_forgets_nothing() {
        let throttle = throttle(2, 100, 1000);
        let take = || take(&throttle, "10.0.0.1", "a", 0);
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
        assert!(take(&throttle, "10.0.0.1", "a", 50_000).is_ok());
        for _ in 0..1000 {
            assert!(take(&throttle, "10.0.0.1", "a", 50_000).is_err());
        }
        assert!(take(&throttle, "10.0.0.1", "a", 10).is_err());
        assert!(take(&throttle, "10.0.0.1", "a", 80_000).is_ok());
    }

    #[test]
    fn the_table_stays_within_its_bound_and_forgets_the_oldest() {
        let throttle = throttle(1, 1_000_000, 64);
        let address = |n: u64| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()).to_string();
        for n in 0..10_000_u64 {
            let _ = take(&throttle, &address(n), "a", n);
            assert!(throttle.buckets.lock().unwrap().len() <= 64);
        }
        assert!(take(&throttle, &address(9_999), "a", 10_000).is_err());
    }
}
