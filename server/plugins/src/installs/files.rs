//! Packages that are in no registry: they count for whoever sent them, and wait for some time to be installed.

use coditect_protocol::UserId;
use coditect_store::{StoreError, Transaction};
use uuid::Uuid;

use crate::PluginsError;
use crate::keys::{Holder, number};
use crate::packages::Opened;
use crate::plugins::Inner;
use crate::time::{millis, now_ms};

/// Uploads that one sweep takes away.
const BATCH: usize = 1_000;

impl Inner {
    /// Keeps a package that somebody sent, until it is installed or too old.
    pub(super) async fn keep_upload(&self, user: UserId, opened: &Opened) -> Result<(), PluginsError> {
        // Tried before all of it is written, in a transaction that is given up, and again with the last one.
        self.enter_upload(&self.store.begin(), user, opened).await?;
        let written = &self.packages.write(opened).await?;
        let kept = self.store.transact(|tx| async move {
            self.enter_upload(&tx, user, opened).await?;
            self.packages.settle(&tx, written, &Holder::Upload(user)).await
        });
        let kept = kept.await;
        if kept.is_err() {
            self.packages.abandon(written).await;
        }
        kept
    }

    async fn enter_upload(&self, tx: &Transaction, user: UserId, opened: &Opened) -> Result<(), PluginsError> {
        let (sha256, at) = (&opened.sha256, now_ms());
        self.forget_upload(tx, user, sha256).await?;
        self.charge(tx, user, sha256, &Holder::Upload(user), opened.row.kept_bytes()).await?;
        tx.set(self.keys.upload(user, sha256), at.to_le_bytes())?;
        Ok(tx.set(self.keys.upload_at(at, user, sha256), "")?)
    }

    /// Whether a package that somebody sent is here still.
    pub(super) async fn has_upload(&self, tx: &Transaction, user: UserId, sha256: &str) -> Result<bool, StoreError> {
        Ok(tx.get(self.keys.upload(user, sha256)).await?.is_some())
    }

    pub(super) async fn forget_upload(&self, tx: &Transaction, user: UserId, sha256: &str) -> Result<(), StoreError> {
        let (key, holder) = (self.keys.upload(user, sha256), Holder::Upload(user));
        if let Some(at) = tx.get(&key).await? {
            tx.clear(self.keys.upload_at(number(Some(&at))?, user, sha256))?;
            tx.clear(&key)?;
            tx.clear(self.keys.file(user, sha256, &holder))?;
            self.packages.release(tx, sha256, &holder)?;
        }
        Ok(())
    }

    /// Counts a package for a person, where there is room for it.
    pub(super) async fn charge(
        &self,
        tx: &Transaction,
        user: UserId,
        sha256: &str,
        holder: &Holder,
        bytes: u64,
    ) -> Result<(), PluginsError> {
        let key = self.keys.file(user, sha256, holder);
        let held = tx.range_all(self.keys.files_of(user).range()).await?;
        let others: Vec<_> = held.iter().filter(|row| row.key != key).collect();
        let remedy = "uninstall plugins that came from files, or wait until those that were only looked at are gone";
        let most = self.settings.files_per_person;
        if others.len() >= most {
            return Err(PluginsError::TooMany { what: "packages of one person from files", most: most as u64, remedy });
        }
        let mut all = bytes;
        for row in others {
            all = all.saturating_add(number(Some(&row.value))?);
        }
        let most = self.settings.file_bytes_per_person;
        if all > most {
            return Err(PluginsError::TooMany { what: "bytes of one person's packages from files", most, remedy });
        }
        tx.set(key, bytes.to_le_bytes())?;
        Ok(())
    }

    /// Lets go of what waits for too long to be installed.
    pub(crate) async fn sweep_uploads(&self) -> Result<(), StoreError> {
        let before = now_ms().saturating_sub(millis(self.settings.upload_keep));
        let times = self.keys.upload_times();
        let mut old = times.range().limit(BATCH).snapshot();
        old.end = times.pack(&(before,)).into();
        let old = &old;
        let rows = self.store.transact(|tx| async move { tx.range(old.clone()).await }).await?;
        for row in &rows {
            let (_, user, sha256): (u64, Uuid, String) = times.unpack(&row.key)?;
            let sha256 = &sha256;
            self.store.transact(|tx| async move { self.forget_upload(&tx, UserId(user), sha256).await }).await?;
        }
        Ok(())
    }
}
