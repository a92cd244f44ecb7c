//! One suite on every backend of the store.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../store/tests/double/mod.rs"]
mod double;
mod suite;

use std::time::Duration;

use coditect_store::{Range, Store, StoreError, StoreServer};

/// What takes longer waits for something that will not happen.
const LONGEST_TEST: Duration = Duration::from_secs(120);
/// Names the cluster file of a cluster for tests.
const CLUSTER: &str = "CODITECT_TEST_FDB_CLUSTER";

/// A store and what must outlive it.
struct Fixture {
    store: Store,
    _directory: Option<tempfile::TempDir>,
}

async fn memory() -> Fixture {
    Fixture { store: Store::open("memory:").await.unwrap(), _directory: None }
}

async fn embedded() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded://{}?cache_mib=8", directory.path().display());
    Fixture { store: Store::open(&url).await.unwrap(), _directory: Some(directory) }
}

/// A client of a store in this process, over a socket.
async fn socket() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sock");
    let served = Store::open("memory:").await.unwrap();
    let server = StoreServer::bind(served, &path).await.unwrap();
    tokio::spawn(server.run(std::future::pending()));
    let store = Store::open(&format!("socket://{}", path.display())).await.unwrap();
    Fixture { store, _directory: Some(directory) }
}

/// On the cluster of a variable, in a directory of the test's own.
async fn on_cluster<Fut: Future<Output = ()>>(test: impl Fn(Store) -> Fut) {
    let Some(file) = std::env::var_os(CLUSTER).filter(|file| !file.is_empty()) else {
        println!("skipped: {CLUSTER} names no cluster file");
        return;
    };
    let file = std::path::absolute(file).unwrap();
    let directory = format!("coditect-test-{}", uuid::Uuid::new_v4().simple());
    let store = Store::open(&format!("fdb://{}?directory={directory}", file.display())).await.unwrap();
    tokio::time::timeout(LONGEST_TEST, test(store.clone())).await.unwrap();
    let cleared = store.transact(|tx| async move { tx.clear_range(&Range::new("", b"\xff")) });
    let cleared: Result<(), StoreError> = cleared.await;
    cleared.unwrap();
}

/// Runs each test of the suite on each backend.
macro_rules! on_every_backend {
    ($($area:ident: $($test:ident),+;)+) => {
        on_every_backend!(@backend memory $($area: $($test),+;)+);
        on_every_backend!(@backend embedded $($area: $($test),+;)+);
        on_every_backend!(@backend socket $($area: $($test),+;)+);
        mod foundationdb {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    super::on_cluster(super::suite::$area::$test).await;
                }
            )+)+
        }
    };
    (@backend $backend:ident $($area:ident: $($test:ident),+;)+) => {
        mod $backend {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    let fixture = super::$backend().await;
                    let test = super::suite::$area::$test(fixture.store.clone());
                    tokio::time::timeout(super::LONGEST_TEST, test).await.unwrap();
                }
            )+)+
        }
    };
}

on_every_backend! {
    money: a_hundred_calls_at_once_overspend_nothing, what_a_crashed_server_took_counts_as_spent, every_scope_and_period_counts,
        an_answer_that_goes_on_gets_more_or_is_cut, what_never_came_back_is_paid_for, what_has_no_price_is_refused_where_a_budget_counts,
        a_lower_limit_counts_at_once;
    usage: every_call_is_recorded_once, reports_and_pages_tell_the_same, a_document_holds_all_calls;
    rules: a_policy_is_in_force_everywhere, a_policy_that_cannot_be_is_refused, limits_bound_requests_and_tokens,
        the_queue_is_bounded;
}

/// The same tests in another process, over a stand-in for FoundationDB's client library.
#[test]
fn foundationdb_double() {
    let directory = tempfile::tempdir().unwrap();
    let cluster_file = double::cluster_file(directory.path());
    let passed = double::Child::of("foundationdb::").env(CLUSTER, &cluster_file).run();
    assert!(passed > 10, "only {passed} tests ran");
}
