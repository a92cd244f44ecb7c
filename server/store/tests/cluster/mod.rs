//! Tests over a FoundationDB cluster.

use crate::longest_test;
use coditect_store::{Range, Store, StoreError};
use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names the cluster file of a cluster for tests.
pub(crate) const VARIABLE: &str = "CODITECT_TEST_FDB_CLUSTER";

/// Runs a test in a directory of its own, which is cleared afterwards, however the test ends.
pub(crate) async fn run<F, Fut>(test: F)
where
    F: FnOnce(Store) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let Some(file) = std::env::var_os(VARIABLE).filter(|file| !file.is_empty()) else {
        println!("skipped: {VARIABLE} names no cluster file");
        return;
    };
    let file = std::path::absolute(file).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
    let url = format!("fdb://{}?directory=coditect-test-{}-{thread}-{now}", file.display(), std::process::id());
    let store = Store::open(&url).await.unwrap();
    let ended = tokio::spawn(tokio::time::timeout(longest_test(), test(store))).await;
    clear(&url).await;
    match ended {
        Ok(in_time) => in_time.unwrap(),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn clear(url: &str) {
    let store = Store::open_target(url).await.unwrap();
    let cleared = store.transact(|tx| async move { tx.clear_range(&Range::new("", b"\xff")) });
    let cleared: Result<(), StoreError> = cleared.await;
    cleared.unwrap();
    store.close().await;
}
