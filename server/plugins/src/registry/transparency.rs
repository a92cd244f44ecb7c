//! The registry's log: a chain of hashes, to which is added in the same transaction as whatever it tells of.

use coditect_protocol::plugin::{RegistryAction, RegistryLogEntry, RegistryLogPage};
use coditect_store::{Record as _, Store, StoreError, Transaction};
use sha2::{Digest as _, Sha256};

use super::rows::{HeadRow, LogRow};
use crate::PluginsError;
use crate::keys::Keys;
use crate::settings::MAX_LOG_PAGE;
use crate::time::now_ms;

/// What the hash of an entry begins with.
const DOMAIN: &[u8] = b"coditect-plugin-registry-log-v1\0";
/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// What happened, and to what.
pub(super) struct Event<'a> {
    pub(super) action: RegistryAction,
    pub(super) publisher: &'a str,
    pub(super) plugin: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) sha256: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

impl<'a> Event<'a> {
    pub(super) fn of_key(action: RegistryAction, publisher: &'a str, key: Option<&'a str>) -> Self {
        Self { action, publisher, plugin: None, version: None, sha256: None, key }
    }
}

fn begin() -> HeadRow {
    HeadRow { length: 0, hash: "0".repeat(HASH_DIGITS) }
}

/// The hash that an entry has to have.
fn hash(entry: &RegistryLogEntry) -> Result<String, StoreError> {
    let bare = RegistryLogEntry { hash: String::new(), ..entry.clone() };
    let json = serde_json::to_vec(&bare).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })?;
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(json).finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// How long the log is.
pub(super) async fn head(tx: &Transaction, keys: &Keys) -> Result<HeadRow, StoreError> {
    Ok(tx.get_record(keys.log_head()).await?.unwrap_or_else(begin))
}

/// Adds an entry. Whoever adds at the same time conflicts, and comes after.
pub(super) async fn append(tx: &Transaction, keys: &Keys, event: Event<'_>) -> Result<(), StoreError> {
    let HeadRow { length, hash: previous } = head(tx, keys).await?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let mut entry = RegistryLogEntry {
        sequence: length,
        at: now_ms(),
        action: event.action,
        publisher: event.publisher.to_owned(),
        plugin: owned(event.plugin),
        version: owned(event.version),
        sha256: owned(event.sha256),
        key: owned(event.key),
        previous,
        hash: String::new(),
    };
    entry.hash = hash(&entry)?;
    tx.set_record(keys.log_head(), &HeadRow { length: length + 1, hash: entry.hash.clone() })?;
    tx.set_record(keys.log().pack(&length), &LogRow(entry))
}

/// A page of the log, each entry of it held against the one before, and the last against the log's end.
pub(super) async fn page(store: &Store, keys: &Keys, from: u64, limit: usize) -> Result<RegistryLogPage, PluginsError> {
    let limit = limit.clamp(1, MAX_LOG_PAGE) as u64;
    let (head, entries) = store.transact(|tx| async move { read(&tx, keys, from, limit).await }).await?;
    let before = from.min(head.length).saturating_sub(1);
    let mut chain = entries.into_iter();
    let mut previous = match from.min(head.length) {
        0 => begin().hash,
        _ => chain.next().ok_or(PluginsError::LogBroken(before))?.hash,
    };
    let mut entries = Vec::new();
    for (entry, sequence) in chain.zip(from..) {
        if entry.sequence != sequence || entry.previous != previous || hash(&entry)? != entry.hash {
            return Err(PluginsError::LogBroken(sequence));
        }
        previous.clone_from(&entry.hash);
        entries.push(entry);
    }
    let end = from.saturating_add(entries.len() as u64);
    let wanted = head.length.saturating_sub(from).min(limit);
    if (entries.len() as u64) != wanted || (from <= head.length && end == head.length && previous != head.hash) {
        return Err(PluginsError::LogBroken(end));
    }
    Ok(RegistryLogPage { entries, length: head.length, next: (end < head.length).then_some(end) })
}

/// The end of the log and some entries, with the one before them where there is one.
async fn read(
    tx: &Transaction,
    keys: &Keys,
    from: u64,
    limit: u64,
) -> Result<(HeadRow, Vec<RegistryLogEntry>), PluginsError> {
    let head = head(tx, keys).await?;
    let from = from.min(head.length);
    let first = from.saturating_sub(1);
    let mut range = keys.log().range().snapshot();
    range.begin = keys.log().pack(&first).into();
    range.end = keys.log().pack(&from.saturating_add(limit)).into();
    let rows = tx.range_all(range).await?;
    let entries = rows.iter().map(|row| {
        let LogRow(entry) = LogRow::decode(&row.value).map_err(|_| PluginsError::LogBroken(first))?;
        Ok(entry)
    });
    Ok((head, entries.collect::<Result<_, PluginsError>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn log_of(length: usize) -> (Store, Keys) {
        let (store, keys) = (Store::open("memory:").await.unwrap(), Keys::new());
        for n in 0..length {
            let keys = &keys;
            store
                .transact(|tx| async move {
                    let name = format!("p{n}");
                    append(&tx, keys, Event::of_key(RegistryAction::AddKey, &name, Some("k"))).await
                })
                .await
                .unwrap();
        }
        (store, keys)
    }

    #[tokio::test]
    async fn it_is_read_in_pages_that_fit_together() {
        let (store, keys) = log_of(7).await;
        let mut from = Some(0);
        let mut all = Vec::new();
        while let Some(at) = from {
            let page = page(&store, &keys, at, 3).await.unwrap();
            assert_eq!(page.length, 7);
            all.extend(page.entries);
            from = page.next;
        }
        assert_eq!(all.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
        assert!(all.windows(2).all(|pair| pair[0].hash == pair[1].previous));
        for beyond in [7, 8, u64::MAX] {
            assert_eq!(page(&store, &keys, beyond, 3).await.unwrap().entries, [], "{beyond}");
        }
        let (empty, keys) = log_of(0).await;
        assert_eq!(page(&empty, &keys, 0, 3).await.unwrap(), RegistryLogPage::default());
    }

    #[tokio::test]
    async fn whoever_changes_it_is_found_out() {
        type Change = fn(&mut RegistryLogEntry);
        let changes: [Change; 4] = [
            |entry| entry.publisher = "evil".into(),
            |entry| entry.at += 1,
            |entry| entry.key = None,
            |entry| {
                entry.publisher = "evil".into();
                entry.hash = hash(entry).unwrap();
            },
        ];
        for at in 0..4_u64 {
            for change in changes {
                let (store, keys) = log_of(4).await;
                let key = &keys.log().pack(&at);
                store
                    .transact(|tx| async move {
                        let LogRow(mut entry) = tx.get_record(key).await?.unwrap();
                        change(&mut entry);
                        tx.set_record(key, &LogRow(entry))
                    })
                    .await
                    .unwrap();
                assert!(matches!(page(&store, &keys, 0, 10).await, Err(PluginsError::LogBroken(_))), "{at}");
            }
            let (store, keys) = log_of(4).await;
            let key = &keys.log().pack(&at);
            store.transact(|tx| async move { tx.clear(key) }).await.unwrap();
            assert!(matches!(page(&store, &keys, 0, 10).await, Err(PluginsError::LogBroken(_))), "{at} is gone");
        }
    }
}
