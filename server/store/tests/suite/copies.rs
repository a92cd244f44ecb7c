//! Backups and copies.

use super::{get, write};
use coditect_store::{OnTarget, Origin, Range, Store, Subspace};

async fn fill(store: &Store) {
    for part in 0..5_usize {
        let key = |n: usize| Subspace::root("copied").pack(&(part, n));
        write(store, |tx| (0..3_000).try_for_each(|n| tx.set(key(n), vec![7; n % 50]))).await;
    }
}

pub(crate) async fn a_backup_comes_back(store: Store) {
    fill(&store).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.backup");
    let made = store.backup(&file, |_| {}).await.unwrap();
    assert_eq!(made.rows, 15_000);
    write(&store, |tx| tx.clear_range(&Subspace::root("copied").range()).and_then(|()| tx.set("later", "x"))).await;
    assert_eq!(store.restore(&file, OnTarget::Refuse, |_| {}).await.unwrap_err().to_string(), NOT_EMPTY);
    let restored = store.restore(&file, OnTarget::Replace, |_| {}).await.unwrap();
    assert_eq!(restored.digest, made.digest);
    assert_eq!(get(&store, "later").await, None);
    assert_eq!(Origin::store(store.clone()).check(|_| {}).await.unwrap().summary.digest, made.digest);
    assert!(store.refuse_unfinished().await.is_ok());
}

const NOT_EMPTY: &str = "The target is not empty; choose an empty one, or --replace what it holds.";

pub(crate) async fn a_copy_is_compared(store: Store) {
    fill(&store).await;
    let other = Store::open("memory:").await.unwrap();
    let copied = Origin::store(store.clone()).copy_to(&other, OnTarget::Refuse, |_| {}).await.unwrap();
    assert_eq!(copied.rows, 15_000);
    write(&store, |tx| tx.clear_range(&Range::new("", b"\xff"))).await;
    let back = Origin::store(other).copy_to(&store, OnTarget::Refuse, |_| {}).await.unwrap();
    assert_eq!(back.digest, copied.digest);
}
