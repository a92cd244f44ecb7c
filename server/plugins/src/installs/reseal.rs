//! Secrets that a former master key sealed: sealed with the new one, so that the former can be taken away.

use std::time::Duration;

use coditect_protocol::{Coded as _, Kind, UserId, WorkspaceId};
use coditect_store::{KeyValue, Record as _, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rows::InstallRow;
use super::values;
use crate::keys::plugin_id;
use crate::plugins::Inner;

/// Plugins of people that are looked at at a time.
const BATCH: usize = 200;
/// Where the store does not answer, it is begun again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Inner {
    /// Goes through all that is installed, once, until `stop`.
    pub(crate) async fn reseal(&self, stop: &CancellationToken) {
        let resealed = async {
            while let Err(error) = self.reseal_all().await {
                tracing::warn!(%error, "secrets of plugins could not be sealed with the new master key yet");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        };
        stop.run_until_cancelled(resealed).await;
    }

    async fn reseal_all(&self) -> Result<(), StoreError> {
        let mut next = Some(self.keys.all_installs().range().limit(BATCH).snapshot());
        while let Some(range) = next {
            let from = &range;
            let rows = self.store.transact(|tx| async move { tx.range(from.clone()).await }).await?;
            for read in &rows {
                match self.reseal_one(read).await {
                    Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Timeout) => return Err(error),
                    Err(error) => tracing::warn!(%error, "an installed plugin cannot be read"),
                    Ok(()) => {}
                }
            }
            next = rows.last().filter(|_| rows.more).map(|last| range.clone().after(&last.key));
        }
        Ok(())
    }

    async fn reseal_one(&self, read: &KeyValue) -> Result<(), StoreError> {
        let (user, workspace, id): (Uuid, Uuid, String) = self.keys.all_installs().unpack(&read.key)?;
        let whose = &(UserId(user), WorkspaceId(workspace), plugin_id(&id)?);
        if !values::is_outdated(&InstallRow::decode(&read.value)?, &self.master) {
            return Ok(());
        }
        self.store
            .transact(|tx| async move {
                let Some(mut row) = tx.get_record(&read.key).await? else { return Ok(()) };
                values::reseal(&mut row, whose, &self.master)?;
                tx.set_record(&read.key, &row)
            })
            .await
    }
}
