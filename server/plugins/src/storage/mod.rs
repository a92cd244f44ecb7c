//! What plugins keep: values by keys, for one person in one workspace, within what was granted and as fast as is good for the store.

mod rate;

use std::sync::Arc;

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Refused, Storage, VALUE_OVERHEAD_BYTES};
use coditect_protocol::Coded as _;
use coditect_store::{Store, StoreError, Transaction};

use crate::keys::{Keys, Whose, number};
use crate::settings::{MAX_VALUE_BYTES, MAX_VALUE_KEY_BYTES};
pub(crate) use rate::WriteRates;

/// Keys that are listed at once.
const MAX_LIST: usize = 1_000;

/// Values of a plugin of a person in a workspace.
pub(crate) struct Values {
    store: Store,
    keys: Keys,
    whose: Whose,
    rates: Arc<WriteRates>,
}

/// Why a value was not kept.
enum Fault {
    Refused(Refused),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refused) => refused,
            Fault::Store(error) => {
                tracing::warn!(%error, "what a plugin keeps cannot be had");
                Self::Unavailable(error.problem().message)
            }
        }
    }
}

impl Values {
    pub(crate) fn new(store: Store, keys: Keys, whose: Whose, rates: Arc<WriteRates>) -> Self {
        Self { store, keys, whose, rates }
    }

    /// The place of a value.
    fn key(&self, key: &str) -> Result<Vec<u8>, Fault> {
        if key.is_empty() || key.len() > MAX_VALUE_KEY_BYTES {
            let most = format!("A key has 1 to {MAX_VALUE_KEY_BYTES} bytes.");
            return Err(Fault::Refused(Refused::Limit(most)));
        }
        Ok(self.keys.values(&self.whose).pack(&key))
    }

    /// Whether it is installed still: a call that outlives that keeps nothing.
    async fn check_installed(&self, tx: &Transaction) -> Result<(), Fault> {
        if tx.get(self.keys.install(&self.whose)).await?.is_some() {
            return Ok(());
        }
        Err(Fault::Refused(Refused::Denied("The plugin is not installed here any more.".to_owned())))
    }

    /// Puts a value there, or takes it away, and counts what all of them take: in one transaction, so that the count is right.
    async fn put(&self, key: &str, value: Option<&[u8]>, quota: u64) -> Result<(), Fault> {
        let place = &self.key(key)?;
        let size = |value: usize| (key.len() + value + VALUE_OVERHEAD_BYTES) as u64;
        self.rates.use_up(&self.whose, (key.len() + value.map_or(0, <[u8]>::len)) as u64).map_err(Fault::Refused)?;
        let used_key = &self.keys.used(&self.whose);
        self.store
            .transact(|tx| async move {
                self.check_installed(&tx).await?;
                let used = number(tx.get(used_key).await?.as_deref())?;
                let before = tx.get(place).await?.map_or(0, |former| size(former.len()));
                let after = value.map_or(0, |value| size(value.len()));
                let new = used.saturating_sub(before).saturating_add(after);
                if new > quota && new > used {
                    let text = format!("The plugin may keep {quota} bytes, and would keep {new}.");
                    return Err(Fault::Refused(Refused::Limit(text)));
                }
                match value {
                    Some(value) => tx.set(place, value)?,
                    None => tx.clear(place)?,
                }
                Ok(tx.set(used_key, new.to_le_bytes())?)
            })
            .await
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        let values = self.keys.values(&self.whose);
        // Keys that begin with it lie behind it, and before the first one that does not.
        let begin = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let mut range = values.range().limit(limit.min(MAX_LIST)).snapshot();
        if after.is_some_and(|after| after == begin) {
            range = range.after(values.pack(&begin));
        } else {
            range.begin = values.pack(&begin).into();
        }
        let range = &range;
        let rows = self.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let key: String = values.unpack(&row.key)?;
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

#[async_trait]
impl Storage for Values {
    async fn get(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        let place = &self.key(key)?;
        let value =
            self.store.transact(|tx| async move { tx.get_snapshot(place).await }).await.map_err(Fault::Store)?;
        Ok(value.map(|value| value.to_vec()))
    }

    async fn set(&self, key: &str, value: Vec<u8>, quota_bytes: u64) -> Answer<()> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Refused::Limit(format!("A value has at most {MAX_VALUE_BYTES} bytes.")));
        }
        Ok(self.put(key, Some(&value), quota_bytes).await?)
    }

    async fn delete(&self, key: &str) -> Answer<()> {
        Ok(self.put(key, None, u64::MAX).await?)
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<Vec<String>> {
        Ok(self.keys(prefix, after, limit).await?)
    }
}

#[cfg(test)]
mod tests;
