//! Rows that end by themselves: invitations, codes, tickets. Each stands a second time below `passing` in the order of its end,
//! where a sweep finds what has ended without looking at anything else.

use coditect_store::tuple::Bytes;
use coditect_store::{Range, Record, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use super::{ROOT, number};

/// A row that ends by itself.
pub(crate) trait Passing: Record {
    /// When, in milliseconds since 1970. It never changes.
    fn expires_at(&self) -> u64;

    /// Keys that go with it: its indexes.
    fn indexes(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// What a sweep takes away besides the row.
#[derive(Serialize, Deserialize)]
struct Indexes(Vec<Vec<u8>>);

impl Record for Indexes {
    const VERSION: u8 = 1;
}

fn entry_key(at: u64, key: &[u8]) -> Vec<u8> {
    ROOT.pack(&("passing", number(at), Bytes::from(key)))
}

/// A row that has not ended.
pub(super) async fn live<R: Passing>(tx: &Transaction, key: &[u8], now: u64) -> Result<Option<R>, StoreError> {
    let row = tx.get_record::<R>(key).await?;
    Ok(row.filter(|row| row.expires_at() > now))
}

/// Sets a row, in place of whatever was there before. Its indexes are set by the caller.
pub(super) async fn set<R: Passing>(tx: &Transaction, key: &[u8], row: &R) -> Result<(), StoreError> {
    if let Some(before) = tx.get_record::<R>(key).await? {
        clear(tx, key, &before)?;
    }
    tx.set_record(entry_key(row.expires_at(), key), &Indexes(row.indexes()))?;
    tx.set_record(key, row)
}

/// Takes a row away with its indexes.
pub(super) fn clear<R: Passing>(tx: &Transaction, key: &[u8], row: &R) -> Result<(), StoreError> {
    tx.clear(entry_key(row.expires_at(), key))?;
    for index in row.indexes() {
        tx.clear(index)?;
    }
    tx.clear(key)
}

/// Takes away up to `limit` rows that ended before `now`; says how many.
pub(crate) async fn sweep_passing(tx: &Transaction, now: u64, limit: usize) -> Result<usize, StoreError> {
    let passing = ROOT.sub(&("passing",));
    let all = passing.range();
    let ended = Range::new(&all.begin, passing.pack(&(number(now.saturating_add(1)),))).limit(limit);
    let entries = tx.range(ended).await?;
    for entry in &entries {
        let (_, key): (i64, Bytes<'_>) = passing.unpack(&entry.key)?;
        let Indexes(indexes) = Indexes::decode(&entry.value)?;
        for index in indexes {
            tx.clear(index)?;
        }
        tx.clear(key.as_ref())?;
        tx.clear(&entry.key)?;
    }
    Ok(entries.len())
}
