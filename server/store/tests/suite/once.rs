//! At most once.

use super::get_u64;
use coditect_store::{OnceId, Store, StoreError};
use uuid::Uuid;

async fn count_once(store: &Store, id: OnceId) -> Result<u64, StoreError> {
    store
        .transact_once(id, |tx| async move {
            let count = tx.get("count").await?.map_or(0, |value| u64::from(value[0]));
            tx.set("count", [u8::try_from(count + 1).unwrap()])?;
            tx.add("sum", 1)?;
            Ok(count + 1)
        })
        .await
}

pub(crate) async fn the_same_id_is_done_once(store: Store) {
    let owned = OnceId::of("ada", Uuid::new_v4());
    assert_eq!(count_once(&store, owned).await, Ok(1));
    assert_eq!(count_once(&store, owned).await, Ok(1));
    let id = Uuid::new_v4();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { count_once(&store, id.into()).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(2));
    }
    assert_eq!(get_u64(&store, "sum").await, 2);
    assert_eq!(store.sweep_once().await, Ok(0));
}

pub(crate) async fn who_is_refused_may_try_again(store: Store) {
    let id = Uuid::new_v4();
    let refused = store
        .transact_once(id, |tx| async move {
            tx.add("sum", 1)?;
            Err::<u64, _>(StoreError::RangeInverted)
        })
        .await;
    assert_eq!(refused, Err(StoreError::RangeInverted));
    assert_eq!(count_once(&store, id.into()).await, Ok(1));
    assert_eq!(get_u64(&store, "sum").await, 1);
}
