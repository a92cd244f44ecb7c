//! The policy in the store, and in memory on every server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use coditect_protocol::llm::{Policy, PolicyInForce};
use coditect_store::limits::VALUE_MAX_BYTES;
use coditect_store::{Record, Store, StoreError, Watch};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Rules, check};
use crate::MeteringError;

/// The policy is read this often at the least, should a watch ever get lost.
const READ_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// Pause after a failure; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The policy as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PolicyRow(pub(crate) PolicyInForce);

impl Record for PolicyRow {
    const VERSION: u8 = 1;
}

/// The policy, wherever it is.
pub(crate) struct Policies {
    store: Store,
    key: Vec<u8>,
    rules: RwLock<Arc<Rules>>,
    /// Changes made by this server. What was read while one was made may be what was before it.
    changes: AtomicU64,
}

impl Policies {
    /// Nothing is known of it before it was read.
    pub(crate) fn new(store: Store, key: Vec<u8>) -> Self {
        Self { store, key, rules: RwLock::default(), changes: AtomicU64::new(0) }
    }

    /// Those in force.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it, and answers whether it is another, with a watch for the next one.
    pub(crate) async fn read(&self) -> Result<(bool, Watch), StoreError> {
        let key = &self.key;
        let before = self.changes.load(Ordering::SeqCst);
        let (row, watch) = self
            .store
            .transact(|tx| async move {
                let watch = tx.watch(key).await?;
                Ok::<_, StoreError>((tx.get_record::<PolicyRow>(key).await?.unwrap_or_default(), watch))
            })
            .await?;
        // An older one counts as well, where the store was put back to what it was: but only what was read after our own changes.
        let is_wanted = |version, now| version > now || version != now && self.changes.load(Ordering::SeqCst) == before;
        Ok((self.apply(row.0, is_wanted), watch))
    }

    /// Puts one in force where none is known, or where it should be before that of this version.
    fn apply(&self, in_force: PolicyInForce, is_wanted: impl Fn(u64, u64) -> bool) -> bool {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed = !rules.is_known() || is_wanted(in_force.version, rules.in_force().version);
        if is_changed {
            *rules = Arc::new(Rules::new(in_force));
        }
        is_changed
    }

    /// Changes it, for who saw this version of it.
    pub(crate) async fn put(&self, seen: u64, policy: Policy) -> Result<PolicyInForce, MeteringError> {
        check(&policy)?;
        let row = PolicyRow(PolicyInForce { version: seen.saturating_add(1), policy });
        let bytes = row.encode()?.len();
        if bytes > VALUE_MAX_BYTES {
            return Err(MeteringError::PolicyTooLarge { bytes, most: VALUE_MAX_BYTES });
        }
        let (key, new) = (&self.key, &row);
        // Once: after a commit that nobody knows the result of, it would otherwise find itself in its way.
        self.store
            .transact_once(Uuid::now_v7(), |tx| async move {
                let version = tx.get_record::<PolicyRow>(key).await?.unwrap_or_default().0.version;
                if version != seen {
                    return Err(MeteringError::PolicyChanged { version });
                }
                tx.set_record(key, new)?;
                Ok(())
            })
            .await?;
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.apply(row.0.clone(), |version, now| version > now);
        Ok(row.0)
    }

    /// Follows what any server changes, until it is dropped.
    pub(crate) async fn follow(&self, changed: impl Fn()) {
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = match self.read().await {
                Ok((is_changed, watch)) => {
                    if is_changed {
                        changed();
                    }
                    pause = FIRST_PAUSE;
                    timeout(READ_AT_LEAST_EVERY, watch).await.unwrap_or(Ok(()))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "the policy of models cannot be followed at the moment; reading again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
