//! How fast plugins write: a token bucket of bytes for each plugin of a person, in all workspaces together, on this server.
//!
//! The quota bounds what is kept. What is written again and again, or written and deleted, costs the store as much each time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coditect_plugin_host::ports::Refused;
use coditect_protocol::UserId;
use coditect_protocol::plugin::PluginId;
use tokio::time::Instant;

use crate::keys::Whose;
use crate::lru::Lru;

/// Bytes that may be written at once.
const BURST_BYTES: u64 = 8 << 20;
/// Bytes a second that come back.
const BYTES_PER_SECOND: u64 = 256 << 10;
/// What an operation counts beside its bytes, since it is a transaction: 2,048 at once, and 64 a second.
const OPERATION_BYTES: u64 = 4 << 10;
/// Plugins of people whose buckets are known: those that wrote last. Each other one is full.
const BUCKETS_MAX: u64 = 50_000;

/// All buckets, by the moment at which each is full again.
#[derive(Debug)]
pub(crate) struct WriteRates(Mutex<Lru<(UserId, PluginId), Instant>>);

impl WriteRates {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Lru::new(BUCKETS_MAX)))
    }

    /// Counts a set or a delete of so many bytes, or says how long to wait.
    pub(super) fn use_up(&self, (user, _, id): &Whose, bytes: u64) -> Result<(), Refused> {
        let (now, key) = (Instant::now(), (*user, id.clone()));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets.get(&key).map_or(now, |at| now.max(*at)) + time_of(bytes.saturating_add(OPERATION_BYTES));
        let wait = full_at.duration_since(now).saturating_sub(time_of(BURST_BYTES));
        if !wait.is_zero() {
            let (rate, seconds) = (BYTES_PER_SECOND >> 10, wait.as_millis().div_ceil(1000));
            let text = format!(
                "The plugin writes too fast: {rate} KiB a second, where each write counts {} KiB more; try again in {seconds} s.",
                OPERATION_BYTES >> 10
            );
            return Err(Refused::Limit(text));
        }
        buckets.insert(key, full_at, 1);
        Ok(())
    }
}

/// How long so many bytes take to come back.
fn time_of(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use coditect_protocol::WorkspaceId;
    use uuid::Uuid;

    use super::*;
    use crate::settings::MAX_VALUE_BYTES;

    fn whose(user: u128, workspace: u128, plugin: &str) -> Whose {
        let (user, workspace) = (UserId(Uuid::from_u128(user)), WorkspaceId(Uuid::from_u128(workspace)));
        (user, workspace, PluginId::parse(plugin).unwrap())
    }

    /// How many writes of a size go through at once.
    fn through(rates: &WriteRates, whose: &Whose, bytes: u64) -> u64 {
        (0..100_000).take_while(|_| rates.use_up(whose, bytes).is_ok()).count() as u64
    }

    #[tokio::test(start_paused = true)]
    async fn so_much_at_once_and_then_evenly() {
        let (rates, ada) = (WriteRates::new(), whose(1, 1, "a.b"));
        let value = MAX_VALUE_BYTES as u64;
        assert_eq!(through(&rates, &ada, value), BURST_BYTES / (value + OPERATION_BYTES));
        let refused = rates.use_up(&ada, value).unwrap_err();
        assert!(matches!(&refused, Refused::Limit(text) if text.contains("256 KiB a second")), "{refused:?}");
        tokio::time::advance(Duration::from_secs(1)).await;
        let back = through(&rates, &ada, value);
        assert!((3..=4).contains(&back), "{back}");
        tokio::time::advance(time_of(BURST_BYTES)).await;
        assert_eq!(through(&rates, &ada, 0), BURST_BYTES / OPERATION_BYTES, "small ones count too");
        // Another workspace is no way around it; other plugins and people are not meant.
        assert_eq!(through(&rates, &whose(1, 2, "a.b"), 0), 0);
        assert!(through(&rates, &whose(1, 1, "a.c"), 0) > 0 && through(&rates, &whose(2, 1, "a.b"), 0) > 0);
    }
}
