//! Watches.

use super::write;
use coditect_store::{Range, Store, StoreError, Transaction, Watch};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

type Change = fn(&Transaction) -> Result<(), StoreError>;

/// Whether a watch is still waiting.
async fn is_waiting(watch: &mut Watch) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *watch).poll(context).is_pending())).await
}

pub(crate) async fn a_watch_tells_of_a_change(store: Store) {
    let changes: [Change; 4] = [
        |tx| tx.set("w", "2"),
        |tx| tx.clear("w"),
        |tx| tx.clear_range(&Range::new("a", "z")),
        |tx| tx.append_if_fits("w", "3"),
    ];
    for change in changes {
        write(&store, |tx| tx.set("w", "1")).await;
        let mut watches = [store.watch("w").await.unwrap(), store.watch("w").await.unwrap()];
        let mut absent = store.watch("ww").await.unwrap();
        // Neither the same value nor another key is a change.
        write(&store, |tx| tx.set("w", "1").and_then(|()| tx.set("v", "x"))).await;
        write(&store, |tx| tx.set("v", "y")).await;
        assert!(is_waiting(&mut watches[0]).await && is_waiting(&mut absent).await);
        write(&store, change).await;
        for watch in watches {
            watch.await.unwrap();
        }
        write(&store, |tx| tx.set("v", "z")).await;
        assert!(is_waiting(&mut absent).await);
    }
}

pub(crate) async fn a_watch_misses_nothing(store: Store) {
    // Changed between what the transaction saw and its commit.
    let tx = store.begin();
    let watch = tx.watch("m").await.unwrap();
    write(&store, |tx| tx.set("m", "1")).await;
    tx.commit().await.unwrap();
    watch.await.unwrap();
    // It counts from what the transaction wrote.
    let tx = store.begin();
    tx.set("m", "2").unwrap();
    let mut watch = tx.watch("m").await.unwrap();
    tx.commit().await.unwrap();
    write(&store, |tx| tx.set("other", "1")).await;
    write(&store, |tx| tx.set("other", "2")).await;
    assert!(is_waiting(&mut watch).await);
    write(&store, |tx| tx.set("m", "3")).await;
    watch.await.unwrap();
    // A follower that reads and watches ends at the last value.
    let follower = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                let watch = store.watch("n").await.unwrap();
                if store.begin().get("n").await.unwrap().as_deref() == Some(b"49") {
                    return;
                }
                watch.await.unwrap();
            }
        }
    });
    for n in 0..50 {
        write(&store, |tx| tx.set("n", n.to_string())).await;
    }
    follower.await.unwrap();
}

pub(crate) async fn watches_come_and_go(store: Store) {
    let tx = store.begin();
    let watch = tx.watch("g").await.unwrap();
    tx.cancel();
    assert_eq!(watch.await, Err(StoreError::WatchCancelled));
    let tx = store.begin();
    tx.get("g").await.unwrap();
    tx.set("h", "1").unwrap();
    let watch = tx.watch("g").await.unwrap();
    write(&store, |tx| tx.set("g", "1")).await;
    assert_eq!(tx.commit().await.unwrap_err(), StoreError::Conflict);
    assert_eq!(watch.await, Err(StoreError::WatchCancelled));
    // What is dropped makes room again.
    for _ in 0..3 {
        let mut watches = Vec::new();
        let refused = loop {
            let tx = store.begin();
            match tx.watch("g").await {
                Ok(watch) => watches.push(watch),
                Err(error) => break error,
            }
            assert!(watches.len() <= coditect_store::limits::WATCHES_MAX);
        };
        assert_eq!(refused, StoreError::TooManyWatches);
    }
    let mut standing = Vec::new();
    for n in 0..500 {
        standing.push(store.watch(format!("stand/{n}")).await.unwrap());
    }
    write(&store, |tx| (0..500).try_for_each(|n| tx.set(format!("stand/{n}"), "1"))).await;
    for watch in standing {
        watch.await.unwrap();
    }
}
