//! How often something was fetched: counted in memory, and written down from time to time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coditect_protocol::plugin::PluginId;
use coditect_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::Registry;
use crate::keys::Keys;

/// How often counts are written down.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// How often the counts of all servers are read: once for so many times that they are written.
const READ_EVERY: u32 = 6;
/// Versions that are counted at once until the counts are written down; further ones are not counted.
const PENDING_MAX: usize = 10_000;
/// Counts that one transaction writes.
const BATCH: usize = 500;

type Counts = HashMap<(PluginId, String), u64>;

/// Counts that are not written down yet.
pub(super) struct Downloads {
    store: Store,
    keys: Keys,
    pending: Mutex<Counts>,
}

impl Downloads {
    pub(super) fn new(store: Store, keys: Keys) -> Self {
        Self { store, keys, pending: Mutex::default() }
    }

    pub(super) fn note(&self, id: &PluginId, version: &str) {
        self.add([((id.clone(), version.to_owned()), 1)]);
    }

    fn add(&self, counts: impl IntoIterator<Item = ((PluginId, String), u64)>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, count) in counts {
            if pending.len() < PENDING_MAX || pending.contains_key(&what) {
                *pending.entry(what).or_default() += count;
            }
        }
    }

    /// Writes all counts down. Those that the store does not take are kept for the next time.
    pub(super) async fn write_down(&self) {
        let counts = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut counts: Vec<_> = counts.into_iter().collect();
        while !counts.is_empty() {
            let batch = counts.split_off(counts.len().saturating_sub(BATCH));
            if let Err(error) = self.write(&batch).await {
                tracing::debug!(%error, "downloads of plugins are written down later");
                self.add(batch.into_iter().chain(counts));
                return;
            }
        }
    }

    async fn write(&self, batch: &[((PluginId, String), u64)]) -> Result<(), StoreError> {
        // Once: after a commit of unknown result it would count twice.
        self.store
            .transact_once(Uuid::now_v7(), |tx| async move {
                for ((id, version), count) in batch {
                    let key = self.keys.downloads().pack(&(id.as_str(), version.as_str()));
                    tx.add(key, i64::try_from(*count).unwrap_or(i64::MAX))?;
                }
                Ok(())
            })
            .await
    }
}

impl Registry {
    /// Writes counts down and reads those of all servers, until it is dropped.
    pub(super) async fn count_downloads(&self) {
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round = 0_u32;
        loop {
            ticks.tick().await;
            self.downloads.write_down().await;
            if round.is_multiple_of(READ_EVERY)
                && let Err(error) = self.catalog.read_downloads().await
            {
                tracing::debug!(%error, "downloads of plugins are read later");
            }
            round = round.wrapping_add(1);
        }
    }
}
