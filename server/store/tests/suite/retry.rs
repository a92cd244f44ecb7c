//! Running again.

use super::{get, write};
use coditect_store::{Store, StoreError};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, PartialEq)]
enum Refusal {
    Mine,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(crate) async fn an_error_of_the_closure_commits_nothing(store: Store) {
    let runs = AtomicUsize::new(0);
    let result = store
        .transact(|tx| {
            runs.fetch_add(1, Ordering::SeqCst);
            async move {
                tx.set("never", "1")?;
                Err::<(), _>(Refusal::Mine)
            }
        })
        .await;
    assert_eq!((result, runs.into_inner()), (Err(Refusal::Mine), 1));
    assert_eq!(get(&store, "never").await, None);
    let result = store.transact(|tx| async move { tx.set("k", vec![0; 100_001]).map_err(Refusal::from) }).await;
    assert_eq!(result, Err(Refusal::Store(StoreError::ValueTooLarge { bytes: 100_001 })));
}

pub(crate) async fn conflicts_are_retried_even_if_swallowed(store: Store) {
    let runs = AtomicUsize::new(0);
    store
        .transact(|tx| {
            let (store, run) = (store.clone(), runs.fetch_add(1, Ordering::SeqCst));
            async move {
                tx.get("contended").await?;
                tx.set("contended", "mine")?;
                if run < 3 {
                    write(&store, |tx| tx.set("contended", run.to_string())).await;
                }
                Ok::<_, StoreError>(())
            }
        })
        .await
        .unwrap();
    assert_eq!(runs.into_inner(), 4);
    assert_eq!(get(&store, "contended").await.as_deref(), Some(&b"mine"[..]));
}

pub(crate) async fn closing_lets_nobody_in(store: Store) {
    store.ping().await.unwrap();
    let late = store.begin();
    late.get("a").await.unwrap();
    late.set("a", "1").unwrap();
    let watch = store.watch("a").await.unwrap();
    store.close().await;
    store.close().await;
    assert_eq!(store.ping().await, Err(StoreError::Closed));
    assert_eq!(late.commit().await, Err(StoreError::Closed));
    assert_eq!(watch.await, Err(StoreError::Closed));
    let result = store.transact(|tx| async move { tx.get("a").await }).await;
    assert_eq!(result, Err(StoreError::Closed));
}
