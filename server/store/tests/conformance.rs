//! One suite for every backend: the contract, not how it is kept.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cluster;
mod double;
mod suite;

use coditect_store::{Store, StoreServer};
use std::time::Duration;

/// What takes longer waits for something that will not happen.
fn longest_test() -> Duration {
    let is_long_run = std::env::var_os("CODITECT_STORE_CASES").is_some();
    Duration::from_secs(if is_long_run { 3_600 } else { 60 })
}

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

/// A client of a server in this process; the server ends with the test's runtime.
async fn socket() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sock");
    let served = Store::open("memory:").await.unwrap();
    let server = StoreServer::bind(served, &path).await.unwrap();
    tokio::spawn(server.run(std::future::pending()));
    let store = Store::open(&format!("socket://{}", path.display())).await.unwrap();
    Fixture { store, _directory: Some(directory) }
}

/// Runs each test of the suite on each backend.
macro_rules! conformance {
    ($($area:ident: $($test:ident),+;)+) => {
        conformance!(@backend memory $($area: $($test),+;)+);
        conformance!(@backend embedded $($area: $($test),+;)+);
        conformance!(@backend socket $($area: $($test),+;)+);
        conformance!(@cluster $($area: $($test),+;)+);
    };
    (@cluster $($area:ident: $($test:ident),+;)+) => {
        /// On the cluster of a variable.
        mod foundationdb {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    super::cluster::run(super::suite::$area::$test).await;
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
                    tokio::time::timeout(super::longest_test(), test).await.unwrap();
                }
            )+)+
        }
    };
}

conformance! {
    model: it_behaves_like_an_ordered_map;
    histories: concurrent_histories_are_serializable;
    isolation: write_skew_is_refused, phantoms_are_refused, a_limited_read_conflicts_only_with_what_it_saw,
        snapshot_reads_and_blind_writes_do_not_conflict, explicit_conflicts_count, a_reader_sees_one_state,
        counters_lose_nothing, an_acknowledged_commit_is_seen_by_all;
    reads: ranges_go_both_ways_and_say_whether_there_is_more, long_ranges_come_in_parts, own_writes_are_seen,
        what_the_commit_completes_cannot_be_read_before;
    writes: versionstamps_grow_with_the_commits, atomic_operations_do_the_same_before_and_after_commit,
        many_writers_at_once_all_arrive;
    limits: keys_values_and_transactions_are_bounded, the_largest_transactions_are_taken, a_transaction_lives_five_seconds, an_ended_transaction_is_refused;
    retry: an_error_of_the_closure_commits_nothing, conflicts_are_retried_even_if_swallowed, closing_lets_nobody_in;
    once: the_same_id_is_done_once, who_is_refused_may_try_again;
    copies: a_backup_comes_back, a_copy_is_compared;
    watching: a_watch_tells_of_a_change, a_watch_misses_nothing, watches_come_and_go;
    records: records_are_kept;
}

/// The same tests of the same backend, in another process, over a stand-in for FoundationDB's client library.
#[test]
fn foundationdb_double() {
    let directory = tempfile::tempdir().unwrap();
    let cluster_file = double::cluster_file(directory.path());
    let passed = double::Child::of("foundationdb::").env(cluster::VARIABLE, &cluster_file).run();
    assert!(passed > 20, "only {passed} tests ran");
}
