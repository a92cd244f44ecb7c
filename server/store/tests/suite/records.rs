//! Typed values.

use coditect_store::{Record, Store, StoreError, Subspace};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    roles: Vec<String>,
}

impl Record for Person {
    const VERSION: u8 = 1;
}

pub(crate) async fn records_are_kept(store: Store) {
    let key = Subspace::root("people").pack(&"ada");
    let ada = Person { name: "Ada".into(), roles: vec!["admin".into()] };
    let (k, a) = (&key, &ada);
    store.transact(|tx| async move { tx.set_record(k, a) }).await.unwrap();
    let found = store.transact(|tx| async move { tx.get_record::<Person>(k).await }).await.unwrap();
    assert_eq!(found, Some(ada.clone()));
    store.transact(|tx| async move { tx.set(k, [9, 1]) }).await.unwrap();
    let refused = store.transact(|tx| async move { tx.get_record::<Person>(k).await }).await;
    assert_eq!(refused, Err(StoreError::RecordVersion { found: 9, known: 1 }));
}
