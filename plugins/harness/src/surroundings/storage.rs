//! Values of one session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coditect_plugin_host::ports::{Answer, Refused, Storage, VALUE_OVERHEAD_BYTES};

use super::locked;

/// In memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Values {
    pub(crate) fn new(values: BTreeMap<String, Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(values)))
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        locked(&self.0).clone()
    }
}

#[async_trait]
impl Storage for Values {
    async fn get(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        Ok(locked(&self.0).get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, quota_bytes: u64) -> Answer<()> {
        let mut values = locked(&self.0);
        let size = |key: &str, value: &[u8]| key.len() + value.len() + VALUE_OVERHEAD_BYTES;
        let others = values.iter().filter(|(other, _)| *other != key).map(|(key, value)| size(key, value));
        let total = others.sum::<usize>() + size(key, &value);
        if total as u64 > quota_bytes {
            return Err(Refused::Limit(format!("The plugin may keep {quota_bytes} bytes, and would keep {total}.")));
        }
        values.insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Answer<()> {
        locked(&self.0).remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Answer<Vec<String>> {
        let values = locked(&self.0);
        let follows = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        Ok(values.keys().filter(follows).take(limit).cloned().collect())
    }
}
