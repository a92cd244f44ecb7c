//! The FoundationDB backend where no cluster is: what it says when something is missing, and what it does when the cluster
//! is away or fails. Tests that need the client library run in a process of their own, over the stand-in.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod double;

use coditect_protocol::{Coded, Kind};
use coditect_store::{Range, Store, StoreError, limits};
use double::Child;
use std::future::Future as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Tells a test in its own process what its parent prepared.
const CLUSTER_FILE: &str = "TEST_CLUSTER_FILE";
const EXPECTED: &str = "TEST_EXPECTED";
/// More than anything here may take, less than for ever.
const SLACK: Duration = Duration::from_secs(4);

fn given(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// Runs one test of `children`.
fn run(name: &str, change: impl FnOnce(Child) -> Child) {
    let directory = tempfile::tempdir().unwrap();
    let child = Child::of(&format!("children::{name}")).env(CLUSTER_FILE, double::cluster_file(directory.path()));
    assert_eq!(change(child).run(), 1, "{name}");
}

#[tokio::test]
async fn a_wrong_cluster_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fdb.cluster");
    let url = format!("fdb://{}", file.display());
    let refused = async |text: Option<&[u8]>| {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let error = Store::open(&url).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), ("store.fdb_cluster_file", Kind::Internal), "{text:?}");
        assert!(error.to_string().contains("description:id@host:port"), "{error}");
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    };
    refused(None).await;
    for text in ["", "no cluster", "a:b@", "a:b@127.0.0.1", "a:b@127.0.0.1:4500,"] {
        refused(Some(text.as_bytes())).await;
    }
    refused(Some(b"a:b@\xff\xfe")).await;
    refused(Some(&vec![b' '; limits::FDB_CLUSTER_FILE_MAX_BYTES as usize + 1])).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    refused(None).await;
}

#[test]
fn a_missing_library_is_told_with_what_to_install() {
    run("the_library_is_refused", |child| {
        child
            .env(double::LIBRARY, "/nowhere/libfdb_c.so")
            .env(EXPECTED, "store.fdb_library_missing: cannot open shared object file")
    });
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("libfdb_c.so");
    std::fs::write(&file, "not a library").unwrap();
    run("the_library_is_refused", |child| {
        child.env(double::LIBRARY, &file).env(EXPECTED, "store.fdb_library_missing: file too short")
    });
}

#[test]
#[cfg(target_os = "linux")]
fn another_library_is_refused() {
    run("the_library_is_refused", |child| {
        child.env(double::LIBRARY, "libm.so.6").env(EXPECTED, "store.fdb_library_missing: it is another library")
    });
}

#[test]
fn an_old_library_is_refused_with_its_version() {
    run("the_library_is_refused", |child| {
        child
            .env("FDB_DOUBLE_MAX_API_VERSION", "710")
            .env(EXPECTED, "store.fdb_library_too_old: up to version 710, and 730")
    });
}

#[test]
fn a_newer_library_is_taken() {
    run("it_works", |child| child.env("FDB_DOUBLE_MAX_API_VERSION", "740"));
}

#[test]
fn the_network_ends_before_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ended");
    run("it_works", |child| child.env("FDB_DOUBLE_EXIT_FILE", &file));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "stopped");
}

#[test]
fn a_cluster_that_is_away_is_told_in_time_and_found_again() {
    run("the_cluster_goes_and_comes", |child| child);
}

#[test]
fn a_commit_of_unknown_result_is_told() {
    run("commits_fail", |child| child);
}

#[test]
fn what_the_cluster_asks_to_repeat_is_repeated() {
    run("busy_clusters_are_asked_again", |child| child);
}

#[test]
fn directories_are_apart() {
    run("directories_share_a_cluster", |child| child);
}

#[test]
fn a_range_that_is_read_during_a_write_conflicts_all_the_same() {
    run("reads_and_writes_at_once", |child| child);
}

#[test]
fn more_watches_stand_than_the_library_admits_by_itself() {
    run("many_watches_stand", |child| child);
}

/// What goes wrong in the cluster of the stand-in.
struct Faults(PathBuf);

impl Faults {
    fn set(&self, faults: &str) {
        std::fs::write(&self.0, faults).unwrap();
    }

    fn clear(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

async fn open() -> (Store, Faults) {
    let file = given(CLUSTER_FILE);
    let store = Store::open(&format!("fdb://{file}")).await.unwrap();
    (store, Faults(Path::new(&file).with_added_extension("faults")))
}

async fn value(store: &Store, key: &str) -> Option<String> {
    let value = store.transact(|tx| async move { tx.get(key).await }).await.unwrap();
    value.map(|value: coditect_store::Bytes| String::from_utf8(value.to_vec()).unwrap())
}

/// Sets a key in one attempt.
async fn set(store: &Store, key: &str, value: &str) -> Result<(), StoreError> {
    let tx = store.begin();
    tx.set(key, value)?;
    tx.commit().await.map(drop)
}

mod children {
    use super::*;

    #[tokio::test]
    #[ignore = "another test starts it in its own process"]
    async fn the_library_is_refused() {
        let expected = given(EXPECTED);
        let (code, part) = expected.split_once(": ").unwrap();
        for _ in 0..2 {
            let error = Store::open(&format!("fdb://{}", given(CLUSTER_FILE))).await.unwrap_err();
            assert_eq!((error.code(), error.kind()), (code, Kind::Invalid));
            let text = error.to_string();
            for part in [part, "foundationdb-clients", "7.3"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(code == "store.fdb_library_too_old" || text.contains(double::LIBRARY), "{text}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn it_works() {
        let url = format!("fdb://{}", given(CLUSTER_FILE));
        let opened = (0..8).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Store::open(&url).await.unwrap() })
        });
        for (number, store) in opened.collect::<Vec<_>>().into_iter().enumerate() {
            let store = store.await.unwrap();
            assert_eq!(store.backend_name(), "foundationdb");
            store.ping().await.unwrap();
            set(&store, "k", &number.to_string()).await.unwrap();
            assert_eq!(value(&store, "k").await, Some(number.to_string()));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn the_cluster_goes_and_comes() {
        let faults = Faults(Path::new(&given(CLUSTER_FILE)).with_added_extension("faults"));
        faults.set("unreachable");
        let started = Instant::now();
        let (store, faults) = open().await;
        assert!(started.elapsed() < SLACK);
        let unreachable = |result: Result<(), StoreError>| {
            let error = result.unwrap_err();
            assert_eq!((error.code(), error.kind()), ("store.fdb_unreachable", Kind::Unavailable));
        };
        let started = Instant::now();
        let (ping, read, ranged, blind, read_write, watch) = tokio::join!(
            store.ping(),
            store.transact(|tx| async move { tx.get("k").await.map(drop) }),
            store.transact(|tx| async move { tx.range(Range::prefix("k")).await.map(drop) }),
            store.transact(|tx| async move { tx.set("k", "1") }),
            store.transact(|tx| async move {
                tx.get("k").await?;
                tx.set("k", "2")
            }),
            store.watch("k"),
        );
        assert!(started.elapsed() < limits::FDB_ANSWER_TIMEOUT + SLACK, "{:?}", started.elapsed());
        [ping, read, ranged, blind, read_write, watch.map(drop)].into_iter().for_each(unreachable);

        // What waits when it comes back goes on by itself.
        let waiting = [tokio::spawn({
            let store = store.clone();
            async move { store.transact(|tx| async move { tx.set("k", "back") }).await }
        })];
        tokio::task::yield_now().await;
        faults.clear();
        for task in waiting {
            let result: Result<(), StoreError> = task.await.unwrap();
            result.unwrap();
        }
        store.ping().await.unwrap();
        assert_eq!(value(&store, "k").await.as_deref(), Some("back"));

        // Gone in the middle of a transaction, after its reads: nothing was committed.
        let tx = store.begin();
        tx.get("k").await.unwrap();
        tx.set("k", "lost").unwrap();
        let watch = store.watch("k").await.unwrap();
        faults.set("unreachable");
        assert_eq!(tx.get("other").await, Err(StoreError::TransactionTooOld));
        assert_eq!(store.ping().await.unwrap_err().code(), "store.fdb_unreachable");
        faults.clear();
        assert_eq!(value(&store, "k").await.as_deref(), Some("back"));
        set(&store, "k", "new").await.unwrap();
        watch.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn commits_fail() {
        let (store, faults) = open().await;
        for (fault, expected) in [("commit 1021 applied", Some("1")), ("commit 1039", None), ("commit 1100", None)] {
            faults.set(fault);
            let key = fault.replace(' ', "-");
            let tx = store.begin();
            tx.set(&key, "1").unwrap();
            let watch = tx.watch("w").await.unwrap();
            assert_eq!(tx.commit().await, Err(StoreError::CommitUnknown), "{fault}");
            if expected.is_none() {
                assert_eq!(watch.await, Err(StoreError::WatchCancelled));
            }
            faults.clear();
            assert_eq!(value(&store, &key).await.as_deref(), expected);
        }
        // Run again until somebody knows.
        faults.set("commit 1021 applied");
        let runs = AtomicUsize::new(0);
        let (result, faults) = {
            let faults = &faults;
            let runs = &runs;
            let result = store.transact(|tx| async move {
                if runs.fetch_add(1, Ordering::SeqCst) == 2 {
                    faults.clear();
                }
                tx.set("again", "1")
            });
            (result.await, faults)
        };
        assert_eq!((result, runs.into_inner()), (Ok(()), 3));
        // Sent, and never answered.
        faults.set("commit silent");
        let (started, tx, dropped) = (Instant::now(), store.begin(), store.begin());
        tx.set("silent", "1").unwrap();
        dropped.set("dropped", "1").unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(200), dropped.commit()).await.is_err());
        assert_eq!(tx.commit().await, Err(StoreError::CommitUnknown));
        assert!(started.elapsed() < limits::FDB_COMMIT_TIMEOUT + SLACK);
        faults.clear();
        assert_eq!(value(&store, "silent").await.as_deref(), Some("1"));
        assert_eq!(dropped.commit().await, Err(StoreError::TransactionFinished));
        store.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn busy_clusters_are_asked_again() {
        let (store, faults) = open().await;
        let faults = &faults;
        for fault in
            ["version 1037", "version 1039", "version 1078", "read 1009", "commit 1042", "commit 1213", "commit 1020"]
        {
            faults.set(fault);
            let runs = AtomicUsize::new(0);
            let counted = &runs;
            let result = store.transact(|tx| async move {
                if counted.fetch_add(1, Ordering::SeqCst) == 1 {
                    faults.clear();
                }
                tx.get("k").await?;
                tx.set("k", fault)
            });
            let result: Result<(), StoreError> = result.await;
            assert_eq!((result, runs.into_inner()), (Ok(()), 2), "{fault}");
            assert_eq!(value(&store, "k").await.as_deref(), Some(fault));
        }
        faults.set("read 1038");
        assert_eq!(store.ping().await.unwrap_err().code(), "store.unavailable");
        faults.set("version 1039");
        assert_eq!(store.ping().await.unwrap_err().code(), "store.busy");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn directories_share_a_cluster() {
        let file = given(CLUSTER_FILE);
        let names = ["", "?directory=a", "?directory=ab", "?directory=coditect-2"];
        let mut stores = Vec::new();
        for name in names {
            stores.push(Store::open(&format!("fdb://{file}{name}")).await.unwrap());
        }
        for (store, name) in stores.iter().zip(names) {
            for key in ["", "k"] {
                set(store, key, name).await.unwrap();
            }
        }
        for (store, name) in stores.iter().zip(names) {
            let rows = store.begin().range(Range::new("", b"\xff")).await.unwrap();
            let rows: Vec<_> = rows.iter().map(|row| (&row.key[..], &row.value[..])).collect();
            assert_eq!(rows, [(&b""[..], name.as_bytes()), (&b"k"[..], name.as_bytes())]);
        }
        let cleared = stores[1].transact(|tx| async move { tx.clear_range(&Range::new("", b"\xff")) }).await;
        assert_eq!(cleared, Ok::<_, StoreError>(()));
        assert_eq!(value(&stores[1], "k").await, None);
        assert_eq!(value(&stores[2], "k").await.as_deref(), Some(names[2]));
        // One may close while another goes on.
        stores[0].close().await;
        assert_eq!(stores[0].ping().await, Err(StoreError::Closed));
        stores[2].ping().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn many_watches_stand() {
        const WATCHES: usize = 10_500;
        let (store, _) = open().await;
        let mut watches = Vec::new();
        for number in 0..WATCHES {
            watches.push(store.watch(format!("w/{}", number % 7)).await.unwrap());
        }
        for number in 0..7 {
            set(&store, &format!("w/{number}"), "1").await.unwrap();
        }
        for watch in watches {
            watch.await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "another test starts it in its own process"]
    async fn reads_and_writes_at_once() {
        let (store, _) = open().await;
        let mut sees_own = 0;
        for round in 0..50 {
            set(&store, "r/5", "old").await.unwrap();
            let tx = store.begin();
            tx.read_version().await.unwrap();
            let mut range = Box::pin(tx.range(Range::prefix("r/")));
            let at_once = std::future::poll_fn(|context| Poll::Ready(range.as_mut().poll(context))).await;
            tx.set("r/5", "mine").unwrap();
            let rows = match at_once {
                Poll::Ready(rows) => rows,
                Poll::Pending => range.await,
            };
            set(&store, "r/5", "theirs").await.unwrap();
            let is_own = &rows.unwrap()[0].value[..] == b"mine";
            sees_own += usize::from(is_own);
            let expected = if is_own { Ok(()) } else { Err(StoreError::Conflict) };
            assert_eq!(tx.commit().await.map(drop), expected, "{round}");
        }
        assert!(sees_own > 0);
    }
}
