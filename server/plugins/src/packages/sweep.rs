//! Taking away what nobody needs: packages that nobody finished writing, and those that were let go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coditect_store::StoreError;
use uuid::Uuid;

use super::Packages;
use crate::keys::number;
use crate::time::{millis, now_ms};

/// What nobody finished writing within this time is given up.
pub(crate) const WRITING_KEEP: Duration = Duration::from_secs(60 * 60);
/// What is let go is swept after this time: whoever is about to read it still does, and nobody fills the store with what counts for nobody.
const SWEEP_AFTER: Duration = Duration::from_secs(10);
/// Rows that one sweep looks at.
const BATCH: usize = 1_000;

impl Packages {
    /// Sweeps after [`SWEEP_AFTER`]: once for all who ask until then.
    pub(super) fn sweep_soon(self: &Arc<Self>) {
        if self.sweeps_soon.swap(true, Ordering::AcqRel) {
            return;
        }
        let packages = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(SWEEP_AFTER).await;
            let Some(packages) = packages.upgrade() else { return };
            packages.sweeps_soon.store(false, Ordering::Release);
            if let Err(error) = packages.sweep().await {
                tracing::debug!(%error, "packages that nobody needs are taken away later");
            }
        });
    }

    /// Takes away what nobody needs, and answers how many packages that were.
    pub(crate) async fn sweep(&self) -> Result<usize, StoreError> {
        self.sweep_before(now_ms().saturating_sub(millis(WRITING_KEEP))).await
    }

    /// The same, where everything that was begun before a time is given up: milliseconds since 1970.
    pub(crate) async fn sweep_before(&self, before: u64) -> Result<usize, StoreError> {
        self.give_up(before).await?;
        let range = &self.keys.all_loose().range().limit(BATCH).snapshot();
        let loose = self.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
        let mut swept = 0;
        for row in &loose {
            let sha256: String = self.keys.all_loose().unpack(&row.key)?;
            swept += usize::from(self.sweep_one(&sha256).await?);
        }
        Ok(swept)
    }

    async fn give_up(&self, before: u64) -> Result<(), StoreError> {
        let range = &self.keys.all_writing().range().limit(BATCH).snapshot();
        let writing = self.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
        for row in &writing {
            if number(Some(&row.value))? < before {
                let (sha256, _): (String, Uuid) = self.keys.all_writing().unpack(&row.key)?;
                let (key, loose) = (&row.key, &self.keys.loose(&sha256));
                self.store
                    .transact(|tx| async move {
                        tx.clear(key)?;
                        tx.set(loose, "")
                    })
                    .await?;
            }
        }
        Ok(())
    }

    /// Takes a package away that nobody holds and nobody writes.
    async fn sweep_one(&self, sha256: &str) -> Result<bool, StoreError> {
        let (holders, writers) = (&self.keys.holders(sha256).limit(1), &self.keys.writers(sha256).limit(1));
        self.store
            .transact(|tx| async move {
                let is_held = !tx.range(holders.clone()).await?.is_empty();
                if !is_held && !tx.range(writers.clone()).await?.is_empty() {
                    // Whoever writes it holds it soon, or leaves it to the next sweep.
                    return Ok(false);
                }
                tx.clear(self.keys.loose(sha256))?;
                if !is_held {
                    tx.clear(self.keys.package(sha256))?;
                    tx.clear_range(&self.keys.parts(sha256))?;
                }
                Ok(!is_held)
            })
            .await
    }
}
