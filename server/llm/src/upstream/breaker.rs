//! Gives a server that fails some rest, so that nobody waits for it in vain while others could answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open the breaker.
const FAILURES: u32 = 5;
/// The first rest; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_secs(2);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What was seen of one server.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    failures: u32,
    rests: u32,
    until: Option<Instant>,
}

impl Breaker {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it rests yet.
    pub(crate) fn resting(&self) -> Option<Duration> {
        self.seen().until?.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// The same for who is about to ask. Once that is over, one who asks tries it, and the others wait for how that ends.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let mut seen = self.seen();
        let until = seen.until?;
        let now = Instant::now();
        if now < until {
            return Some(until - now);
        }
        seen.until = Some(now + FIRST_REST);
        None
    }

    /// It answered, if only that it does not want to.
    pub(crate) fn succeeded(&self) {
        let mut seen = self.seen();
        if seen.failures > 0 {
            *seen = Seen::default();
        }
    }

    /// It did not answer, or reported a failure of its own.
    pub(crate) fn failed(&self) {
        let mut seen = self.seen();
        seen.failures = seen.failures.saturating_add(1);
        if seen.failures >= FAILURES {
            let rest = FIRST_REST.saturating_mul(1 << seen.rests.min(8)).min(LONGEST_REST);
            seen.rests = seen.rests.saturating_add(1);
            seen.until = Some(Instant::now() + rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_tries_after_the_rest_and_all_go_on_when_it_answers() {
        let breaker = Breaker::default();
        for _ in 1..FAILURES {
            breaker.failed();
            assert_eq!(breaker.rest(), None);
        }
        breaker.failed();
        assert_eq!(breaker.rest(), Some(FIRST_REST));
        assert_eq!(breaker.resting(), Some(FIRST_REST));
        tokio::time::advance(FIRST_REST).await;
        assert_eq!((breaker.resting(), breaker.resting()), (None, None), "who only looks tries nothing");
        assert_eq!(breaker.rest(), None, "one may try");
        assert!(breaker.rest().is_some() && breaker.resting().is_some(), "the others wait");
        breaker.failed();
        assert_eq!(breaker.rest(), Some(FIRST_REST * 2));
        tokio::time::advance(FIRST_REST * 2).await;
        assert_eq!(breaker.rest(), None);
        breaker.succeeded();
        assert_eq!((breaker.rest(), breaker.rest()), (None, None));
        for _ in 0..100 {
            breaker.failed();
        }
        assert_eq!(breaker.rest(), Some(LONGEST_REST));
    }
}
