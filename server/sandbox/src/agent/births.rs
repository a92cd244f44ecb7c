//! How many processes and threads there may be behind Landlock, where no namespace of processes counts them and the
//! kernel's own limit is one for all that belongs to the server's user: each new one waits for the guard.
//!
//! The guard counts all of them only when those that were counted last and those that were let through since could be
//! too many.

use std::time::{Duration, Instant};

use rustix::process::getpid;

use crate::processes;

/// After a refusal nobody is counted anew for so long: whoever asks without end must not keep the guard busy.
const REFUSAL: Duration = Duration::from_millis(50);

/// What is known of their number.
#[derive(Debug)]
pub(super) struct Births {
    most: u64,
    counted: u64,
    since: u64,
    refused_until: Option<Instant>,
}

impl Births {
    pub(super) fn new(most: u32) -> Self {
        // Nothing is known at first: the first one counts.
        Self { most: most.into(), counted: most.into(), since: 0, refused_until: None }
    }

    /// Whether there may be one more now.
    pub(super) fn allow(&mut self) -> bool {
        self.decide(Instant::now(), below_this)
    }

    fn decide(&mut self, now: Instant, count: impl FnOnce() -> u64) -> bool {
        if self.refused_until.is_some_and(|until| now < until) {
            return false;
        }
        if self.counted.saturating_add(self.since) >= self.most {
            (self.counted, self.since) = (count(), 0);
        }
        let allowed = self.counted.saturating_add(self.since) < self.most;
        self.since += u64::from(allowed);
        self.refused_until = (!allowed).then(|| now + REFUSAL);
        allowed
    }
}

/// Threads of all processes below this one; more than any limit while they cannot be counted.
fn below_this() -> u64 {
    let own = getpid().as_raw_nonzero().get().cast_unsigned();
    let Ok(all) = processes::all() else { return u64::MAX };
    let tree = processes::Tree::new(&all);
    tree.below(own).iter().filter(|process| !process.is_zombie).map(|process| u64::from(process.threads)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_when_there_could_be_too_many() {
        let mut births = Births::new(10);
        let start = Instant::now();
        let never = || panic!("counted without need");
        assert!(births.decide(start, || 4));
        for _ in 0..5 {
            assert!(births.decide(start, never));
        }
        assert!(births.decide(start, || 9), "some have ended meanwhile");
        assert!(!births.decide(start, || 10));
        assert!(!births.decide(start, never), "it was just refused");
        assert!(births.decide(start + REFUSAL, || 3));
        assert!(births.decide(start + REFUSAL, never));
    }
}
