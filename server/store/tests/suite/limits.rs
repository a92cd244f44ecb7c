//! What is refused.

use super::write;
use coditect_protocol::Coded;
use coditect_store::{Range, Store, StoreError, limits};
use std::time::Duration;

pub(crate) async fn keys_values_and_transactions_are_bounded(store: Store) {
    let tx = store.begin();
    let (longest_key, longest_value) = (vec![b'k'; limits::KEY_MAX_BYTES], vec![0; limits::VALUE_MAX_BYTES]);
    tx.set(&longest_key, &longest_value).unwrap();
    let (key, value) = ([&longest_key[..], b"k"].concat(), [&longest_value[..], b"0"].concat());
    let code = |result: Result<(), StoreError>| result.unwrap_err().code();
    assert_eq!(code(tx.set(&key, "")), "store.key_too_large");
    assert_eq!(code(tx.clear(&key)), "store.key_too_large");
    assert_eq!(code(tx.get(&key).await.map(drop)), "store.key_too_large");
    assert_eq!(code(tx.set("k", &value)), "store.value_too_large");
    assert_eq!(code(tx.append_if_fits("k", &value)), "store.value_too_large");
    assert_eq!(code(tx.set(b"\xffsystem", "")), "store.key_reserved");
    assert_eq!(code(tx.get(b"\xff").await.map(drop)), "store.key_reserved");
    assert_eq!(code(tx.clear_range(&Range::new("a", b"\xff\x01"))), "store.key_reserved");
    assert_eq!(code(tx.clear_range(&Range::new("b", "a"))), "store.range_inverted");
    tx.append_if_fits(&longest_key, "x").unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.begin().get(&longest_key).await.unwrap().unwrap().len(), limits::VALUE_MAX_BYTES);
    let after = Range::new(&longest_key, [&longest_key[..], b"\0"].concat());
    assert_eq!(store.begin().range(after).await.unwrap().len(), 1);

    let tx = store.begin();
    let refused = (0..200_u8).find_map(|n| tx.set([n], &longest_value).err());
    assert_eq!(refused, Some(StoreError::TransactionTooLarge));
    tx.commit().await.unwrap();
    let tx = store.begin();
    // A key that was read counts as a range: itself, and the first one behind it.
    let bytes = 2 * limits::KEY_MAX_BYTES + 1 + limits::OPERATION_BYTES;
    for _ in 0..limits::TRANSACTION_MAX_BYTES / bytes {
        tx.get(&longest_key).await.unwrap();
    }
    assert_eq!(tx.get(&longest_key).await, Err(StoreError::TransactionTooLarge));
    tx.get_snapshot(&longest_key).await.unwrap();
}

/// What the limits let through is committed: no backend has narrower ones of its own.
pub(crate) async fn the_largest_transactions_are_taken(store: Store) {
    for (key_bytes, value) in [(8, &[][..]), (limits::KEY_MAX_BYTES, &[]), (20, &[1; limits::VALUE_MAX_BYTES])] {
        let tx = store.begin();
        let rows = (0_u32..).take_while(|n| tx.set(format!("{n:0>key_bytes$}"), value).is_ok()).count();
        tx.commit().await.unwrap();
        let last = format!("{:0>key_bytes$}", rows - 1);
        assert_eq!(store.begin().get(last).await.unwrap().as_deref(), Some(value));
        write(&store, |tx| tx.clear_range(&Range::new("", b"\xff"))).await;
    }
}

pub(crate) async fn a_transaction_lives_five_seconds(store: Store) {
    // Time stands still in a runtime of one thread; nothing here waits for the committer while it does.
    let check = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::time::pause();
            let tx = store.begin();
            tx.get("a").await.unwrap();
            tokio::time::advance(limits::TRANSACTION_LIFETIME).await;
            tx.get("a").await.unwrap();
            tx.set("a", "1").unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(tx.get("a").await, Err(StoreError::TransactionTooOld));
            assert_eq!(tx.commit().await, Err(StoreError::TransactionTooOld));
            let endless = store.transact(|tx| async move {
                tx.get("a").await?;
                std::future::pending::<Result<(), StoreError>>().await
            });
            let started = tokio::time::Instant::now();
            assert_eq!(endless.await, Err(StoreError::TransactionTooOld));
            assert!(started.elapsed() <= limits::RETRY_DEADLINE + Duration::from_millis(10));
        });
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

pub(crate) async fn an_ended_transaction_is_refused(store: Store) {
    let escaped = store.transact(|tx| async move { Ok::<_, StoreError>(tx) }).await.unwrap();
    assert_eq!(escaped.get("a").await, Err(StoreError::TransactionFinished));
    assert_eq!(escaped.set("a", "1"), Err(StoreError::TransactionFinished));
    assert_eq!(escaped.commit().await, Err(StoreError::TransactionFinished));
    let tx = store.begin();
    tx.set("a", "1").unwrap();
    tx.cancel();
    assert_eq!(tx.commit().await, Err(StoreError::TransactionFinished));
    assert_eq!(store.begin().get("a").await.unwrap(), None);
}
