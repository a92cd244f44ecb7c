//! Values that outlive a call.

use std::sync::Arc;

use coditect_protocol::plugin::CapabilityName;

use super::{Error, Settled, Told, at_most, present, settle, wit};
use crate::ports::Storage;
use crate::state::{Around, State};
use wit::storage::Host;

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 256;
/// Largest value, in bytes.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Most keys of a list.
const MAX_KEYS: usize = 1000;

impl Host for State {
    async fn get(&mut self, key: String) -> Settled<Option<Vec<u8>>> {
        settle(get(&self.around, key).await)
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Settled<()> {
        settle(set(&self.around, key, value).await)
    }

    async fn delete(&mut self, key: String) -> Settled<()> {
        settle(delete(&self.around, key).await)
    }

    async fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> Settled<Vec<String>> {
        settle(list(&self.around, prefix, after, at_most(limit, MAX_KEYS)).await)
    }
}

/// The port, and how much may be stored, where anything may.
fn granted(around: &Around) -> Told<(Arc<dyn Storage>, u64)> {
    around.enter()?;
    let quota = around.caller.rights.now().quota_bytes();
    let quota = quota.ok_or_else(|| around.denied(CapabilityName::Storage, ""))?;
    Ok((present(around.caller.ports.storage.as_ref(), "no storage")?, quota))
}

fn check(key: &str) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::Invalid("A key has at least one byte.".to_owned())),
        1..=MAX_KEY_BYTES => Ok(()),
        _ => Err(Error::Limit(format!("A key has at most {MAX_KEY_BYTES} bytes."))),
    }
}

async fn get(around: &Around, key: String) -> Told<Option<Vec<u8>>> {
    let (port, _) = granted(around)?;
    check(&key)?;
    around.ask(async move { port.get(&key).await }).await
}

async fn set(around: &Around, key: String, value: Vec<u8>) -> Told<()> {
    let (port, quota) = granted(around)?;
    check(&key)?;
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::Limit(format!("A value has at most {} KiB.", MAX_VALUE_BYTES / 1024)).into());
    }
    around.ask(async move { port.set(&key, value, quota).await }).await
}

async fn delete(around: &Around, key: String) -> Told<()> {
    let (port, _) = granted(around)?;
    check(&key)?;
    around.ask(async move { port.delete(&key).await }).await
}

async fn list(around: &Around, prefix: String, after: Option<String>, limit: usize) -> Told<Vec<String>> {
    let (port, _) = granted(around)?;
    for text in [Some(&prefix), after.as_ref()].into_iter().flatten().filter(|text| !text.is_empty()) {
        check(text)?;
    }
    let mut keys = around.ask(async move { port.list(&prefix, after.as_deref(), limit).await }).await?;
    keys.truncate(limit);
    Ok(keys)
}
