//! How long to wait before a question is put again.

use std::time::Duration;

use rand::RngExt as _;

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait that nobody asked for.
const LONGEST: Duration = Duration::from_secs(4);
/// Longer than this nobody is kept waiting, even where an upstream asks for it: clients are told, and wait by themselves.
pub(crate) const LONGEST_ASKED_FOR: Duration = Duration::from_secs(5);

/// Waits that grow.
#[derive(Debug)]
pub(crate) struct Backoff {
    left: u32,
    next: Duration,
}

impl Backoff {
    /// For so many further tries.
    pub(crate) fn new(retries: u32) -> Self {
        Self { left: retries, next: FIRST }
    }

    /// How long to wait before the next try; nothing where there shall be none. What the upstream asks for counts; by itself, a wait
    /// is between half and the whole of its length, so that many do not come back at once.
    pub(crate) fn wait(&mut self, asked_for: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let own = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(LONGEST);
        let wait = asked_for.map_or(own, |asked| asked.max(own));
        (wait <= LONGEST_ASKED_FOR).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_obey() {
        let mut backoff = Backoff::new(3);
        let first = backoff.wait(None).unwrap();
        assert!((FIRST / 2..=FIRST).contains(&first));
        assert_eq!(backoff.wait(Some(Duration::from_secs(4))), Some(Duration::from_secs(4)));
        assert!((FIRST * 2..=FIRST * 4).contains(&backoff.wait(None).unwrap()));
        assert_eq!(backoff.wait(None), None, "no tries are left");
        assert_eq!(
            Backoff::new(9).wait(Some(LONGEST_ASKED_FOR + Duration::from_millis(1))),
            None,
            "nobody waits that long"
        );
        let mut long = Backoff::new(100);
        assert!((0..50).all(|_| long.wait(None).unwrap() <= LONGEST));
    }
}
