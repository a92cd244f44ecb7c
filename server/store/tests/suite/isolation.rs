//! What transactions see of each other.

use super::{get, get_u64, write};
use coditect_store::{Range, Store, StoreError};

pub(crate) async fn write_skew_is_refused(store: Store) {
    write(&store, |tx| tx.set("on call/a", "1").and_then(|()| tx.set("on call/b", "1"))).await;
    let (first, second) = (store.begin(), store.begin());
    for tx in [&first, &second] {
        assert_eq!(tx.range(Range::prefix("on call/")).await.unwrap().len(), 2);
    }
    first.clear("on call/a").unwrap();
    second.clear("on call/b").unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.commit().await, Err(StoreError::Conflict));
    assert!(get(&store, "on call/b").await.is_some());
}

pub(crate) async fn phantoms_are_refused(store: Store) {
    for other in ["p/5", "p/50"] {
        let tx = store.begin();
        tx.range(Range::new("p/", "p/9")).await.unwrap();
        tx.set("count", "0").unwrap();
        write(&store, |tx| tx.set(other, "x")).await;
        assert_eq!(tx.commit().await, Err(StoreError::Conflict));
    }
    let tx = store.begin();
    assert_eq!(tx.get("absent").await.unwrap(), None);
    tx.set("absent", "mine").unwrap();
    write(&store, |tx| tx.set("absent", "theirs")).await;
    assert_eq!(tx.commit().await, Err(StoreError::Conflict));
    let tx = store.begin();
    tx.get("p/5").await.unwrap();
    tx.set("x", "x").unwrap();
    write(&store, |tx| tx.clear_range(&Range::new("p/", "p/6"))).await;
    assert_eq!(tx.commit().await, Err(StoreError::Conflict));
}

pub(crate) async fn a_limited_read_conflicts_only_with_what_it_saw(store: Store) {
    write(&store, |tx| (0..10).try_for_each(|n| tx.set(format!("l/{n}"), "x"))).await;
    for (reverse, unseen, seen) in
        [(false, "l/5", "l/1"), (true, "l/5", "l/8"), (false, "l/3", "l/00"), (true, "l/6", "l/99")]
    {
        for (other, expected) in [(unseen, Ok(())), (seen, Err(StoreError::Conflict))] {
            let tx = store.begin();
            let range = Range { reverse, ..Range::prefix("l/").limit(3) };
            assert!(tx.range(range).await.unwrap().more);
            tx.set("result", "x").unwrap();
            write(&store, |tx| tx.set(other, "y")).await;
            assert_eq!(tx.commit().await.map(drop), expected, "{reverse} {other}");
            write(&store, |tx| tx.clear("l/00").and_then(|()| tx.clear("l/99"))).await;
        }
    }
}

pub(crate) async fn snapshot_reads_and_blind_writes_do_not_conflict(store: Store) {
    let tx = store.begin();
    assert_eq!(tx.get_snapshot("s").await.unwrap(), None);
    assert!(tx.range(Range::prefix("s").snapshot()).await.unwrap().is_empty());
    tx.set("s", "1").unwrap();
    assert_eq!(tx.get("s").await.unwrap().as_deref(), Some(&b"1"[..]));
    write(&store, |tx| tx.set("s", "2")).await;
    tx.commit().await.unwrap();
    assert_eq!(get(&store, "s").await.as_deref(), Some(&b"1"[..]));
    let (first, second) = (store.begin(), store.begin());
    for tx in [&first, &second] {
        tx.read_version().await.unwrap();
        tx.add("sum", 2).unwrap();
    }
    first.commit().await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(get_u64(&store, "sum").await, 4);
}

pub(crate) async fn explicit_conflicts_count(store: Store) {
    let tx = store.begin();
    tx.add_read_conflict(&Range::prefix("c/")).unwrap();
    tx.set("x", "1").unwrap();
    let other = store.begin();
    other.add_write_conflict(&Range::new("c/7", "c/8")).unwrap();
    assert!(other.commit().await.unwrap().version.is_some());
    assert_eq!(tx.commit().await, Err(StoreError::Conflict));
    // A transaction that only read stands, whatever was written since.
    let tx = store.begin();
    tx.get("c/7").await.unwrap();
    write(&store, |tx| tx.set("c/7", "1")).await;
    assert_eq!(tx.commit().await.unwrap().version, None);
}

pub(crate) async fn a_reader_sees_one_state(store: Store) {
    write(&store, |tx| tx.set("a", "1").and_then(|()| tx.set("b", "1"))).await;
    let tx = store.begin();
    assert_eq!(tx.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    for n in 2..20 {
        let value = n.to_string();
        write(&store, |tx| tx.set("a", &value).and_then(|()| tx.set("b", &value)).and_then(|()| tx.clear("b"))).await;
        assert_eq!(tx.get("b").await.unwrap().as_deref(), Some(&b"1"[..]));
        let rows = tx.range(Range::new("a", "c")).await.unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|row| &row.value[..] == b"1"));
    }
}

pub(crate) async fn counters_lose_nothing(store: Store) {
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..12 {
                let increment = async |tx: &coditect_store::Transaction| {
                    let count =
                        tx.get("rmw").await?.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()));
                    tx.set("rmw", (count + 1).to_le_bytes())?;
                    tx.add("atomic", 1)
                };
                store.transact(|tx| async move { increment(&tx).await }).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(get_u64(&store, "rmw").await, 96);
    assert_eq!(get_u64(&store, "atomic").await, 96);
}

pub(crate) async fn an_acknowledged_commit_is_seen_by_all(store: Store) {
    for n in 0_u64..30 {
        let tx = store.begin();
        tx.set("seen", n.to_le_bytes()).unwrap();
        let version = tx.commit().await.unwrap().version.unwrap();
        let other = store.clone();
        let (read, value) = tokio::spawn(async move {
            let tx = other.begin();
            (tx.read_version().await.unwrap(), tx.get("seen").await.unwrap().unwrap())
        })
        .await
        .unwrap();
        assert!(read >= version);
        assert_eq!(value[..], n.to_le_bytes());
    }
}
