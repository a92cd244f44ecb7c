//! What shows whether the master key is the one that the store was written with.

use coditect_store::{StoreError, Transaction};

use super::ROOT;

fn master_key() -> Vec<u8> {
    ROOT.pack(&("master_key",))
}

/// A known text, sealed.
pub(crate) async fn master_check(tx: &Transaction) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(tx.get(master_key()).await?.map(|value| value.to_vec()))
}

pub(crate) fn set_master_check(tx: &Transaction, sealed: &[u8]) -> Result<(), StoreError> {
    tx.set(master_key(), sealed)
}
