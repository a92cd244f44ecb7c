//! What goes on beside the requests: following what other servers end, new signing keys, and sweeping.

use std::future::Future;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::audit::AuditAction;
use crate::rows;
use crate::{Auth, AuthError};

/// Pause between two rounds.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one transaction takes away.
const SWEEP_BATCH: usize = 256;
/// Transactions of one kind in one round; what is left waits for the next.
const SWEEP_BATCHES: usize = 64;

impl Auth {
    /// Follows what other servers end, rotates the signing keys when they are due, and takes away what is past its time, until
    /// `shutdown`. Each server runs it once.
    pub async fn run_maintenance(self, shutdown: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = shutdown => {}
            () = self.follow_endings() => {}
            () = self.run_rounds() => {}
        }
    }

    async fn run_rounds(&self) {
        let mut ticks = interval(MAINTENANCE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.maintain().await;
        }
    }

    /// One round. What fails is tried again in the next.
    pub(crate) async fn maintain(&self) {
        if let Err(error) = self.prepare_later().await {
            tracing::error!(%error, "the store cannot be used with this master key");
        }
        match self.inner.keys.rotate_if_due(self.now()).await {
            Ok(true) => self.tell(AuditAction::KeysRotated, None, None, None),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the signing keys could not be looked after"),
        }
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "what is past its time could not be taken away");
        }
    }

    /// Takes away what is past its time. It is refused all the same.
    async fn sweep(&self) -> Result<(), AuthError> {
        self.purge_expired().await?;
        self.purge_tokens().await?;
        self.sweep_passing().await?;
        Ok(())
    }

    /// Takes away the rows of sessions that have ended; says how many.
    pub async fn purge_expired(&self) -> Result<usize, AuthError> {
        let now = self.now();
        let mut purged = 0;
        for _ in 0..SWEEP_BATCHES {
            let batch = self
                .store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::purge(&tx, now, SWEEP_BATCH).await?) })
                .await?;
            purged += batch;
            if batch < SWEEP_BATCH {
                break;
            }
        }
        Ok(purged)
    }

    /// Takes away invitations, codes and tickets whose time is over; says how many.
    async fn sweep_passing(&self) -> Result<usize, AuthError> {
        let now = self.now();
        let mut swept = 0;
        for _ in 0..SWEEP_BATCHES {
            let batch = self
                .store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::sweep_passing(&tx, now, SWEEP_BATCH).await?) })
                .await?;
            swept += batch;
            if batch < SWEEP_BATCH {
                break;
            }
        }
        Ok(swept)
    }

    /// Takes away the rows of personal access tokens that have ended; says how many.
    async fn purge_tokens(&self) -> Result<usize, AuthError> {
        let now = self.now();
        let mut purged = 0;
        for _ in 0..SWEEP_BATCHES {
            let batch = self
                .store
                .transact(|tx| async move { Ok::<_, AuthError>(rows::purge_tokens(&tx, now, SWEEP_BATCH).await?) })
                .await?;
            purged += batch;
            if batch < SWEEP_BATCH {
                break;
            }
        }
        Ok(purged)
    }
}
