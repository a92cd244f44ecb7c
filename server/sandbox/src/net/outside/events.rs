//! What is told about a sandbox's network: that something was refused, and why.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::limits::{EVENT_QUIET, EVENTS_PER_SECOND, MAX_COUNTED, Rate};
use crate::net::policy::Refusal;

/// How something is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A connection.
    Tcp,
    /// Datagrams.
    Udp,
    /// The question for the address of a name.
    Lookup,
}

/// What happened in a sandbox's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkEvent {
    /// Something was refused, so many times since it was last told.
    Denied {
        /// What.
        what: Denied,
        /// How often.
        times: u64,
    },
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Denied {
    /// By which name, where it was by one.
    pub name: Option<String>,
    /// Which address, where one is known.
    pub address: Option<IpAddr>,
    /// Which port; 0 for a lookup.
    pub port: u16,
    /// How it was to be carried.
    pub transport: Transport,
    /// Why.
    pub refusal: Refusal,
}

/// Tells the first of each kind at once, counts the others, and tells never more than [`EVENTS_PER_SECOND`].
#[derive(Debug)]
pub(super) struct Events {
    sender: mpsc::Sender<NetworkEvent>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rate: Rate,
    counted: HashMap<Denied, Count>,
}

#[derive(Debug, Default)]
struct Count {
    told_at: Option<Instant>,
    counted_at: Option<Instant>,
    times: u64,
}

impl Events {
    pub(super) fn new(sender: mpsc::Sender<NetworkEvent>) -> Self {
        let rate = Rate::new(EVENTS_PER_SECOND, 4 * EVENTS_PER_SECOND);
        Self { sender, state: Mutex::new(State { rate, counted: HashMap::new() }) }
    }

    /// Notes that something was refused.
    pub(super) fn denied(&self, what: Denied, now: Instant) {
        let times = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.count(&what, now)
        };
        if let Some(times) = times {
            tracing::info!(?what, times, "a sandbox's connection was refused");
            // Whoever listens and does not keep up hears of the next one.
            drop(self.sender.try_send(NetworkEvent::Denied { what, times }));
        }
    }

    /// Tells what was counted and not told.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, count) in state.counted.drain().filter(|(_, count)| count.times > 0) {
            drop(self.sender.try_send(NetworkEvent::Denied { what, times: count.times }));
        }
    }
}

impl State {
    /// Counts one; how many are to be told of, if now.
    fn count(&mut self, what: &Denied, now: Instant) -> Option<u64> {
        if self.counted.len() >= MAX_COUNTED && !self.counted.contains_key(what) {
            self.counted.retain(|_, count| is_recent(count.counted_at, now));
            if self.counted.len() >= MAX_COUNTED {
                return None;
            }
        }
        let count = self.counted.entry(what.clone()).or_default();
        count.times += 1;
        count.counted_at = Some(now);
        if is_recent(count.told_at, now) || !self.rate.take(now) {
            return None;
        }
        count.told_at = Some(now);
        Some(std::mem::take(&mut count.times))
    }
}

fn is_recent(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < EVENT_QUIET)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn denied(port: u16) -> Denied {
        Denied { name: None, address: None, port, transport: Transport::Tcp, refusal: Refusal::Private }
    }

    fn times(receiver: &mut mpsc::Receiver<NetworkEvent>) -> Vec<(u16, u64)> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|NetworkEvent::Denied { what, times }| (what.port, times))
            .collect()
    }

    #[test]
    fn the_first_is_told_and_the_others_are_counted() {
        let (sender, mut receiver) = mpsc::channel(1000);
        let (events, start) = (Events::new(sender), Instant::now());
        for _ in 0..100 {
            events.denied(denied(1), start);
        }
        events.denied(denied(2), start);
        assert_eq!(times(&mut receiver), [(1, 1), (2, 1)]);
        events.denied(denied(1), start + EVENT_QUIET);
        assert_eq!(times(&mut receiver), [(1, 100)]);
        events.denied(denied(2), start + Duration::from_secs(1));
        events.finish();
        assert_eq!(times(&mut receiver), [(2, 1)]);
    }

    #[test]
    fn a_scan_of_ports_is_no_flood_of_events() {
        let (sender, mut receiver) = mpsc::channel(100_000);
        let (events, start) = (Events::new(sender), Instant::now());
        for port in 1..60_000 {
            events.denied(denied(port), start);
        }
        assert_eq!(times(&mut receiver).len(), 4 * EVENTS_PER_SECOND as usize);
        assert_eq!(events.state.lock().unwrap().counted.len(), MAX_COUNTED);
    }
}
