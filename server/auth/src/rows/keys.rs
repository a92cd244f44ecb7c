//! Signing keys.

use coditect_store::{Record, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use super::ROOT;
use crate::AuthError;

/// A signing key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// The private key (RFC 8032), sealed for the key's name.
    pub(crate) sealed: Vec<u8>,
    pub(crate) created_at: u64,
    /// The private key of a row that was written before keys were sealed; the next start seals it.
    #[serde(skip)]
    pub(crate) plain: Option<[u8; 32]>,
}

/// The first form: not sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyRow1 {
    pub(crate) seed: [u8; 32],
    pub(crate) created_at: u64,
}

impl Record for KeyRow1 {
    const VERSION: u8 = 1;
}

impl Record for KeyRow {
    const VERSION: u8 = 2;

    fn upgrade(_version: u8, body: &[u8]) -> Result<Self, StoreError> {
        let KeyRow1 { seed, created_at } = KeyRow1::decode_body(body)?;
        Ok(Self { sealed: Vec::new(), created_at, plain: Some(seed) })
    }
}

/// A key with its name.
pub(crate) type NamedKey = (String, KeyRow);

fn key(name: &str) -> Vec<u8> {
    ROOT.pack(&("key", name))
}

/// All signing keys. Where there is none, `first` becomes it.
pub(crate) async fn load_keys(store: &Store, first: Option<NamedKey>) -> Result<Vec<NamedKey>, AuthError> {
    let first = first.as_ref();
    store
        .transact(|tx| async move {
            let mut keys = keys(&tx).await?;
            if let (true, Some((name, row))) = (keys.is_empty(), first) {
                tx.set_record(key(name), row)?;
                keys.push((name.clone(), row.clone()));
            }
            Ok(keys)
        })
        .await
}

/// Puts sealed rows in the place of those they were made of, if those are still there.
pub(crate) async fn reseal_keys(store: &Store, rows: &[(NamedKey, KeyRow)]) -> Result<(), AuthError> {
    store
        .transact(|tx| async move {
            for ((name, before), after) in rows {
                if tx.get_record::<KeyRow>(key(name)).await?.as_ref() == Some(before) {
                    tx.set_record(key(name), after)?;
                }
            }
            Ok(())
        })
        .await
}

/// When a key is added, and which are forgotten for it.
pub(crate) struct Rotation {
    /// Nothing is added while the newest key was made after this.
    pub(crate) if_older_than: u64,
    /// Keys whose successor was made before this are forgotten.
    pub(crate) forget_before: u64,
    /// Most keys that are kept.
    pub(crate) max: usize,
}

/// Adds a signing key, and forgets those that nothing is signed with any more. Answers all keys.
pub(crate) async fn add_key(store: &Store, new: NamedKey, rotation: Rotation) -> Result<Vec<NamedKey>, AuthError> {
    let (new, rotation) = (&new, &rotation);
    store
        .transact(|tx| async move {
            let mut keys = keys(&tx).await?;
            keys.retain(|(name, _)| *name != new.0);
            let newest = keys.iter().map(|(_, row)| row.created_at).max();
            if newest.is_some_and(|newest| newest > rotation.if_older_than) {
                return Ok(keys);
            }
            // Later than every other, also when two are made in one millisecond or the clock was set back.
            let created_at = newest.map_or(new.1.created_at, |newest| new.1.created_at.max(newest.saturating_add(1)));
            let row = KeyRow { created_at, ..new.1.clone() };
            keys.push((new.0.clone(), row.clone()));
            keys.sort_by_key(|(_, row)| row.created_at);
            let old = keys.iter().skip(1).filter(|(_, row)| row.created_at < rotation.forget_before).count();
            if keys.len() - old > rotation.max {
                // Room comes once the oldest signs nothing any more that is still good.
                let oldest = keys.get(1).map_or(0, |(_, row)| row.created_at);
                let millis = oldest.saturating_sub(rotation.forget_before);
                return Err(AuthError::TooManyAttempts { seconds: millis.div_ceil(1000).max(1) });
            }
            for (name, _) in keys.drain(..old) {
                tx.clear(key(&name))?;
            }
            tx.set_record(key(&new.0), &row)?;
            Ok(keys)
        })
        .await
}

async fn keys(tx: &Transaction) -> Result<Vec<NamedKey>, StoreError> {
    let all = ROOT.sub(&("key",));
    let mut keys = Vec::new();
    for row in tx.range_all(all.range()).await? {
        let (name,): (String,) = all.unpack(&row.key)?;
        keys.push((name, KeyRow::decode(&row.value)?));
    }
    Ok(keys)
}
