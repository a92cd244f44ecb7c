//! Everything that a sandbox's network is bounded by.

use std::time::{Duration, Instant};

/// Most TCP connections of a sandbox, those that are being made included.
pub const MAX_CONNECTIONS: usize = 1024;
/// Most of them that lead to the server's own API.
pub const MAX_API_CONNECTIONS: usize = 32;
/// Most TCP connections of all sandboxes together, as far as the supervisor may open so many files.
pub const MAX_CONNECTIONS_OF_ALL: usize = 8192;
/// The part of the supervisor's open files that connections take; half of that is for datagrams.
pub const OPEN_FILES_SHARE: usize = 2;
/// Most TCP connections made in a second, on average; more wait until the kernel of the sandbox asks again. The machine
/// remembers each for minutes, also one that has ended.
pub const CONNECTIONS_PER_SECOND: u32 = 50;
/// How far above the average a burst may go.
pub const CONNECTIONS_AT_ONCE: u32 = 500;
/// Longest that making a connection may take, looking up its name included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for one of the addresses of a name before the next is tried.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// Most addresses of a name that are tried.
pub const MAX_ADDRESSES: usize = 8;
/// How long a TCP connection may carry nothing before it is ended.
pub const TCP_IDLE: Duration = Duration::from_hours(2);
/// After how much silence the machine asks the far end of a connection whether it is still there.
pub const KEEP_ALIVE: Duration = Duration::from_mins(2);

/// Size of each of the two buffers of a connection, in bytes, by how many connections there are: those that come first
/// are fast, and all together are bounded ([`MAX_BUFFER_BYTES`]).
const BUFFERS: [(usize, usize); 3] = [(16, 512 * 1024), (128, 64 * 1024), (MAX_CONNECTIONS, 16 * 1024)];
/// Most bytes of all buffers of TCP connections together: at no time are there more of a size than connections below
/// which it is given.
pub const MAX_BUFFER_BYTES: usize =
    2 * (BUFFERS[0].0 * BUFFERS[0].1 + BUFFERS[1].0 * BUFFERS[1].1 + BUFFERS[2].0 * BUFFERS[2].1);
const _: () = assert!(MAX_BUFFER_BYTES <= 64 * 1024 * 1024);

/// How many sandboxes may take all that one may before the connections of all get smaller buffers.
const BUFFERS_OF_ALL: usize = 16;

/// Size of each of the two buffers of the next connection, in bytes, with so many of the sandbox and of all sandboxes.
pub(super) fn buffer_bytes(own: usize, of_all: usize) -> usize {
    let connections = own.max(of_all / BUFFERS_OF_ALL);
    let fits = BUFFERS.iter().find(|(below, _)| connections < *below);
    fits.unwrap_or(&BUFFERS[BUFFERS.len() - 1]).1
}

/// Most pairs of ends between which datagrams go; of more, the one that was silent longest is forgotten.
pub const MAX_DATAGRAM_PATHS: usize = 256;
/// Most such pairs of all sandboxes together, as far as the supervisor may open so many files.
pub const MAX_DATAGRAM_PATHS_OF_ALL: usize = 4096;
/// Most such pairs that are new in a second, on average; the rest is dropped, as datagrams may be.
pub const DATAGRAM_PATHS_PER_SECOND: u32 = 200;
/// How long such a pair is remembered without a datagram.
pub const DATAGRAM_IDLE: Duration = Duration::from_mins(2);
/// Most datagrams that wait for one such pair to be set up.
pub const MAX_WAITING_DATAGRAMS: usize = 32;
/// Most bytes of datagrams that wait, of all pairs together.
pub const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Most names that have an address of their own; of more, the one that was not used longest is forgotten.
pub const MAX_NAMES: usize = 4096;
/// Most names that are looked up at once.
pub const MAX_LOOKUPS: usize = 8;
/// Most names that are looked up at once for all sandboxes together; further ones wait.
pub const MAX_LOOKUPS_OF_ALL: usize = 64;
/// Most questions to the name server that are open at once, whichever way they come; more are dropped, and asked again.
pub const MAX_QUESTIONS: usize = 128;
/// Most questions to the name server in a second, on average.
pub const QUESTIONS_PER_SECOND: u32 = 500;
/// Longest that looking up a name may take.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Most packets that nobody asked for which are answered in a second, on average.
pub const REFUSALS_PER_SECOND: u32 = 2000;
/// Most events in a second, on average; the rest is counted and told with the next.
pub const EVENTS_PER_SECOND: u32 = 5;
/// How long the same thing is only counted after it was told.
pub const EVENT_QUIET: Duration = Duration::from_secs(30);
/// Most different things that are counted.
pub const MAX_COUNTED: usize = 256;

/// So many in a second, and some more at once after a quiet time.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: f64,
    at_once: f64,
    left: f64,
    counted_at: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u32, at_once: u32) -> Self {
        let at_once = f64::from(at_once);
        Self { per_second: f64::from(per_second), at_once, left: at_once, counted_at: None }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = self.counted_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.counted_at = Some(now);
        self.left = (self.left + passed.as_secs_f64() * self.per_second).min(self.at_once);
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_gives_its_burst_and_then_its_average() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 3);
        let taken = |rate: &mut Rate, at| (0..100).filter(|_| rate.take(at)).count();
        assert_eq!(taken(&mut rate, start), 3);
        assert_eq!(taken(&mut rate, start + Duration::from_millis(250)), 2);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(60)), 3, "no more than the burst is saved up");
    }

    #[test]
    fn buffers_shrink_as_connections_grow() {
        assert_eq!(buffer_bytes(0, 255), 512 * 1024);
        assert_eq!(buffer_bytes(16, 16), 64 * 1024);
        assert_eq!(buffer_bytes(0, 256), 64 * 1024);
        assert_eq!(buffer_bytes(MAX_CONNECTIONS - 1, MAX_CONNECTIONS), 16 * 1024);
        assert_eq!(buffer_bytes(0, MAX_CONNECTIONS_OF_ALL), 16 * 1024);
        assert_eq!(buffer_bytes(usize::MAX, 0), 16 * 1024);
    }
}
