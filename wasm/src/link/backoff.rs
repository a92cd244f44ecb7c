//! When to try again, and when a silent socket is dead. Pure: time and chance come in as arguments.

use coditect_protocol::link::{PING_INTERVAL_MS, SILENCE_LIMIT_MS};

/// The first retry comes within this time, in milliseconds.
pub(crate) const FIRST_RETRY_MS: f64 = 50.0;
/// The second retry waits about so long, each further one twice as long, in milliseconds.
pub(crate) const BASE_DELAY_MS: f64 = 100.0;
/// Longest wait between retries, in milliseconds.
pub(crate) const MAX_DELAY_MS: f64 = 10_000.0;
/// A connection that held so long counts as a good one, in milliseconds.
pub(crate) const STABLE_AFTER_MS: f64 = 5_000.0;
/// How long an answer may take when there is reason to doubt the socket, in milliseconds; twice as long after each socket that was
/// silent, up to [`SILENCE_LIMIT_MS`].
pub(crate) const PROBE_TIMEOUT_MS: f64 = 4_000.0;

/// Counts failures and says how long to wait.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    silences: u32,
}

impl Backoff {
    /// Failures since the last good connection.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// A connection ended that had been up for so long.
    pub(crate) fn was_up(&mut self, milliseconds: f64) {
        if milliseconds >= STABLE_AFTER_MS {
            self.failures = 0;
        }
    }

    /// A socket did not answer in time: the line may only be slow, so that the next one gets more time.
    pub(crate) fn was_silent(&mut self) {
        self.silences = self.silences.saturating_add(1);
    }

    /// Everything that was sent has arrived, and an answer came: the line is well.
    pub(crate) fn all_arrived(&mut self) {
        self.silences = 0;
    }

    /// How long an answer may take when there is reason to doubt the socket, in milliseconds.
    pub(crate) fn probe_limit(&self) -> f64 {
        (PROBE_TIMEOUT_MS * 2f64.powi(self.silences.min(16) as i32)).min(SILENCE_LIMIT_MS as f64)
    }

    /// Counts a failure; answers the wait before the next attempt, in milliseconds. `chance` is from 0 to 1.
    pub(crate) fn next_delay(&mut self, chance: f64) -> f64 {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return FIRST_RETRY_MS * chance;
        }
        let full = (BASE_DELAY_MS * 2f64.powi(failures.min(16) as i32 - 1)).min(MAX_DELAY_MS);
        full * (0.5 + chance / 2.0)
    }
}

/// What the heartbeat wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing.
    Rest,
    /// A ping with this nonce.
    Ping(u32),
    /// The socket is dead.
    Dead,
}

/// How far what was handed to a socket has come, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outflow {
    /// Left the page.
    pub(crate) left: u64,
    /// Waits in the page for the line.
    pub(crate) waiting: u64,
}

impl Outflow {
    /// Whether something of what waited then has left by now. What did not have to wait tells nothing: the system takes a little even
    /// where no line is.
    fn moved_since(self, then: Self) -> bool {
        then.waiting > 0 && self.left > then.left
    }
}

/// Notices that a socket went silent. Silence counts only while an answer is due, so that a page whose timers were throttled does
/// not take a healthy socket for dead.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    heard_at: f64,
    nonce: u32,
    /// When the ping went out that nothing followed yet, and how long it may take.
    due: Option<(f64, f64)>,
    /// How far things were when that was looked at last.
    outflow: Outflow,
    /// When the ping of the newest nonce went out.
    pinged_at: Option<f64>,
}

impl Heartbeat {
    /// For a socket that just opened.
    pub(crate) fn new(now: f64) -> Self {
        Self { heard_at: now, nonce: 0, due: None, outflow: Outflow::default(), pinged_at: None }
    }

    /// Something arrived.
    pub(crate) fn heard(&mut self, now: f64) {
        self.heard_at = now;
        self.due = None;
    }

    /// A pong arrived: the round trip in milliseconds, if it answers the newest ping.
    pub(crate) fn pong(&mut self, nonce: u32, now: f64) -> Option<f64> {
        self.heard(now);
        if nonce == self.nonce { self.pinged_at.take().map(|sent| (now - sent).max(0.0)) } else { None }
    }

    /// When to look again.
    pub(crate) fn next_at(&self) -> f64 {
        self.due.map_or(self.heard_at + PING_INTERVAL_MS as f64, |(sent, limit)| sent + limit)
    }

    /// Looks at the clock. While what waits moves, the ping may still be behind it, and the socket lives.
    pub(crate) fn beat(&mut self, now: f64, outflow: Outflow) -> Beat {
        match self.due {
            Some((sent, limit)) if now >= sent + limit => {
                if !outflow.moved_since(self.outflow) {
                    return Beat::Dead;
                }
                self.due = Some((now, limit));
                self.outflow = outflow;
                Beat::Rest
            }
            None if now >= self.heard_at + PING_INTERVAL_MS as f64 => {
                self.ping(now, (SILENCE_LIMIT_MS - PING_INTERVAL_MS) as f64, outflow)
            }
            _ => Beat::Rest,
        }
    }

    /// Asks for an answer within this limit: the network changed, the page woke up, or it just connected.
    pub(crate) fn probe(&mut self, now: f64, limit: f64, outflow: Outflow) -> Beat {
        if self.due.is_some_and(|(sent, due)| sent + due <= now + limit) {
            return Beat::Rest;
        }
        self.ping(now, limit, outflow)
    }

    fn ping(&mut self, now: f64, limit: f64, outflow: Outflow) -> Beat {
        self.nonce = self.nonce.wrapping_add(1);
        self.due = Some((now, limit));
        self.outflow = outflow;
        self.pinged_at = Some(now);
        Beat::Ping(self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Outflow = Outflow { left: 0, waiting: 0 };

    #[test]
    fn waits_longer_and_longer_but_not_for_ever() {
        let mut backoff = Backoff::default();
        let delays: Vec<f64> = (0..10).map(|_| backoff.next_delay(1.0)).collect();
        assert_eq!(delays, [50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, 10_000.0, 10_000.0]);
        let mut backoff = Backoff::default();
        for _ in 0..200 {
            assert!(backoff.next_delay(0.3) <= MAX_DELAY_MS);
        }
        assert_eq!(backoff.next_delay(0.0), MAX_DELAY_MS / 2.0);
    }

    #[test]
    fn only_a_lasting_connection_counts_as_good() {
        let mut backoff = Backoff::default();
        backoff.next_delay(1.0);
        backoff.was_up(20.0);
        assert_eq!(backoff.next_delay(1.0), BASE_DELAY_MS);
        backoff.was_up(STABLE_AFTER_MS);
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.next_delay(1.0) <= FIRST_RETRY_MS);
    }

    #[test]
    fn pings_then_gives_up() {
        let mut heart = Heartbeat::new(0.0);
        assert_eq!(heart.beat(14_999.0, IDLE), Beat::Rest);
        assert_eq!(heart.beat(15_000.0, IDLE), Beat::Ping(1));
        assert_eq!(heart.beat(39_999.0, IDLE), Beat::Rest);
        assert_eq!(heart.beat(40_000.0, IDLE), Beat::Dead);
    }

    #[test]
    fn a_throttled_timer_is_no_silence() {
        let mut heart = Heartbeat::new(0.0);
        // The timer fires minutes late: ask first.
        assert_eq!(heart.beat(300_000.0, IDLE), Beat::Ping(1));
        assert_eq!(heart.pong(1, 300_040.0), Some(40.0));
        assert_eq!(heart.beat(300_041.0, IDLE), Beat::Rest);
    }

    #[test]
    fn a_probe_is_impatient_and_counts_once() {
        let mut heart = Heartbeat::new(0.0);
        assert_eq!(heart.probe(10.0, PROBE_TIMEOUT_MS, IDLE), Beat::Ping(1));
        assert_eq!(heart.probe(11.0, PROBE_TIMEOUT_MS, IDLE), Beat::Rest);
        assert_eq!(heart.pong(9, 12.0), None);
        assert_eq!(heart.probe(20.0, PROBE_TIMEOUT_MS, IDLE), Beat::Ping(2));
        assert_eq!(heart.beat(20.0 + PROBE_TIMEOUT_MS, IDLE), Beat::Dead);
    }

    #[test]
    fn a_large_frame_on_a_slow_line_is_no_silence() {
        let mut heart = Heartbeat::new(0.0);
        let mut line = Outflow { left: 0, waiting: 1_000_000 };
        assert_eq!(heart.probe(0.0, PROBE_TIMEOUT_MS, line), Beat::Ping(1));
        let mut now = 0.0;
        while line.waiting > 0 {
            now += PROBE_TIMEOUT_MS;
            line = Outflow { left: line.left + 125_000, waiting: line.waiting - 125_000 };
            assert_eq!(heart.beat(now, line), Beat::Rest, "{line:?}");
        }
        // All of it left: what does not answer now is dead.
        assert_eq!(heart.beat(now + PROBE_TIMEOUT_MS, line), Beat::Dead);
    }

    #[test]
    fn what_the_system_takes_without_a_line_is_no_sign_of_life() {
        let mut heart = Heartbeat::new(0.0);
        assert_eq!(heart.probe(0.0, PROBE_TIMEOUT_MS, IDLE), Beat::Ping(1));
        assert_eq!(heart.beat(PROBE_TIMEOUT_MS, Outflow { left: 9, waiting: 0 }), Beat::Dead);
        let stuck = Outflow { left: 9, waiting: 500 };
        let mut heart = Heartbeat::new(0.0);
        assert_eq!(heart.probe(0.0, PROBE_TIMEOUT_MS, stuck), Beat::Ping(1));
        // More was handed over meanwhile, but nothing left.
        assert_eq!(heart.beat(PROBE_TIMEOUT_MS, Outflow { left: 9, waiting: 900 }), Beat::Dead);
    }

    #[test]
    fn silent_sockets_earn_the_next_more_time() {
        let mut backoff = Backoff::default();
        let mut limits = Vec::new();
        for _ in 0..6 {
            limits.push(backoff.probe_limit());
            backoff.was_silent();
            // It was up for a while all the same, which says nothing of how fast it was.
            backoff.was_up(STABLE_AFTER_MS);
        }
        assert_eq!(limits, [4_000.0, 8_000.0, 16_000.0, 32_000.0, 40_000.0, 40_000.0]);
        backoff.all_arrived();
        assert_eq!(backoff.probe_limit(), PROBE_TIMEOUT_MS);
    }
}
