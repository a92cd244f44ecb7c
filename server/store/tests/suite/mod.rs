//! The tests of the suite, by area.

pub(crate) mod copies;
pub(crate) mod histories;
pub(crate) mod isolation;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod once;
pub(crate) mod reads;
pub(crate) mod records;
pub(crate) mod retry;
pub(crate) mod watching;
pub(crate) mod writes;

use coditect_store::{Bytes, Store, StoreError, Transaction};

/// Commits what the closure writes, once, without a retry.
pub(crate) async fn write(store: &Store, writes: impl FnOnce(&Transaction) -> Result<(), StoreError>) {
    let tx = store.begin();
    writes(&tx).unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn get(store: &Store, key: &str) -> Option<Bytes> {
    store.begin().get(key).await.unwrap()
}

pub(crate) async fn get_u64(store: &Store, key: &str) -> u64 {
    get(store, key).await.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()))
}
