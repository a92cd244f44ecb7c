//! Several processes that share one store over a socket, and what they see when one of them ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use coditect_store::{Range, Store, StoreError, StoreServer, Subspace};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Says in a child process what it is to be, and where.
const CHILD_ROLE: &str = "CODITECT_STORE_TEST_ROLE";
const CHILD_DIRECTORY: &str = "CODITECT_STORE_TEST_DIRECTORY";
/// What a child says once it does its work.
const READY: &str = "child is ready";
/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn socket(directory: &Path) -> PathBuf {
    directory.join("store.sock")
}

async fn open(directory: &Path) -> Store {
    Store::open(&format!("socket://{}", socket(directory).display())).await.unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap()
}

/// Not a test of its own: what child processes do until they are killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(role), Some(directory)) = (std::env::var(CHILD_ROLE), std::env::var_os(CHILD_DIRECTORY)) else { return };
    let directory = PathBuf::from(directory);
    match &role[..] {
        "server" => {
            let url = format!("embedded://{}?cache_mib=8", directory.join("data").display());
            let server = StoreServer::bind(Store::open(&url).await.unwrap(), socket(&directory)).await.unwrap();
            println!("{READY}");
            server.run(std::future::pending()).await;
        }
        "echo" => echo(&open(&directory).await).await,
        other => panic!("{other}"),
    }
}

/// Answers each change of "ping" with the same value of "pong".
async fn echo(store: &Store) {
    let mut is_ready = false;
    loop {
        let watch = store.watch("ping").await.unwrap();
        store
            .transact(|tx| async move {
                let ping = tx.get("ping").await?.unwrap_or_default();
                tx.set("pong", ping)
            })
            .await
            .unwrap();
        if !std::mem::replace(&mut is_ready, true) {
            println!("{READY}");
        }
        watch.await.unwrap();
    }
}

/// A child process; it ends with this.
struct Process(Child);

impl Process {
    /// Starts it and waits until it does its work.
    fn start(role: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD_ROLE, role)
            .env(CHILD_DIRECTORY, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(READY)));
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What one writer was told.
#[derive(Default)]
struct Told {
    saved: Vec<u64>,
    unknown: Vec<u64>,
    not_saved: Vec<u64>,
}

/// Commits one number after the other, each once, until told to stop.
async fn write_numbers(store: Store, worker: u64, stop: Arc<AtomicBool>, saved: watch::Sender<usize>) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let tx = store.begin();
        let write = async {
            // Half of them read first.
            if number % 2 == 0 {
                tx.get(Subspace::root("a").pack(&(worker, number))).await?;
            }
            tx.set(Subspace::root("a").pack(&(worker, number)), vec![7; 300])?;
            tx.set(Subspace::root("b").pack(&(worker, number)), "")?;
            tx.commit().await
        };
        match write.await {
            Ok(_) => {
                told.saved.push(number);
                saved.send_modify(|count| *count += 1);
            }
            Err(StoreError::CommitUnknown) => told.unknown.push(number),
            Err(StoreError::ConnectionLost | StoreError::Unavailable { .. }) => told.not_saved.push(number),
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start("server", directory.path());
    let store = open(directory.path()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (saved, mut count) = watch::channel(0);
    let workers: Vec<_> =
        (0..4).map(|worker| tokio::spawn(write_numbers(store.clone(), worker, stop.clone(), saved.clone()))).collect();
    for lines in [10, 35, 80] {
        // While commits are under way.
        let seen = *count.borrow();
        within(count.wait_for(|count| *count >= seen + lines)).await.unwrap();
        server.kill();
        server = Process::start("server", directory.path());
    }
    let seen = *count.borrow();
    within(count.wait_for(|count| *count >= seen + 10)).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut all_told = Vec::new();
    for worker in workers {
        all_told.push(within(worker).await.unwrap());
    }
    let tx = store.begin();
    let mut unsaved = 0;
    for (worker, told) in all_told.into_iter().enumerate() {
        let rows = async |name: &str| {
            let part = Subspace::root(name);
            let rows = tx.range_all(Range::prefix(part.pack(&(worker as u64)))).await.unwrap();
            rows.iter().map(|row| part.unpack::<(u64, u64)>(&row.key).unwrap().1).collect::<Vec<_>>()
        };
        let kept = rows("a").await;
        assert_eq!(kept, rows("b").await, "a torn transaction");
        assert!(told.saved.iter().all(|number| kept.contains(number)), "worker {worker} lost something");
        assert!(!told.not_saved.iter().any(|number| kept.contains(number)), "worker {worker} was told wrong");
        assert_eq!(
            kept.iter().filter(|number| !told.saved.contains(number) && !told.unknown.contains(number)).count(),
            0
        );
        unsaved += told.unknown.len() + told.not_saved.len();
    }
    assert!(unsaved > 0, "nobody noticed that the server was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transact_goes_on_with_the_next_server() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start("server", directory.path());
    let store = open(directory.path()).await;
    store.transact(|tx| async move { tx.set("k", "0") }).await.unwrap();
    let watch = store.watch("k").await.unwrap();
    let reader = store.begin();
    reader.get("k").await.unwrap();
    let runs = AtomicUsize::new(0);
    let (reads, mut has_read) = watch::channel(false);
    let (resume, resumed) = watch::channel(false);
    let change = store.transact(|tx| {
        let (reads, mut resumed) = (reads.clone(), resumed.clone());
        runs.fetch_add(1, Ordering::SeqCst);
        async move {
            let value = tx.get("k").await?;
            reads.send_replace(true);
            resumed.wait_for(|resumed| *resumed).await.unwrap();
            assert_eq!(value.as_deref(), Some(&b"0"[..]));
            tx.set("k", "1")
        }
    });
    let exchange = async {
        has_read.wait_for(|has_read| *has_read).await.unwrap();
        server.kill();
        assert_eq!(watch.await, Err(StoreError::WatchCancelled));
        server = Process::start("server", directory.path());
        resume.send_replace(true);
    };
    let (changed, ()) = within(async { tokio::join!(change, exchange) }).await;
    changed.unwrap();
    assert!(runs.into_inner() > 1);
    assert_eq!(reader.get("k").await, Err(StoreError::ConnectionLost));
    assert_eq!(store.begin().get("k").await.unwrap().as_deref(), Some(&b"1"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_see_each_others_changes() {
    let directory = tempfile::tempdir().unwrap();
    let _server = Process::start("server", directory.path());
    let mut echo = Process::start("echo", directory.path());
    let store = open(directory.path()).await;
    for n in 0..20 {
        let value = n.to_string();
        store
            .transact(|tx| {
                let value = value.clone();
                async move { tx.set("ping", value) }
            })
            .await
            .unwrap();
        let answered = async {
            loop {
                let watch = store.watch("pong").await.unwrap();
                if store.begin().get("pong").await.unwrap().as_deref() == Some(value.as_bytes()) {
                    return;
                }
                watch.await.unwrap();
            }
        };
        within(answered).await;
    }
    // One that dies takes nobody with it.
    echo.kill();
    let watch = store.watch("ping").await.unwrap();
    store.transact(|tx| async move { tx.set("ping", "again") }).await.unwrap();
    within(watch).await.unwrap();
    assert_eq!(store.begin().get("pong").await.unwrap().as_deref(), Some(&b"19"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_served_yet_is_used_once_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().contains("no process serves it"), "{error}");
    let write = |key: &'static str| store.transact(move |tx| async move { tx.set(key, "1") });
    assert!(matches!(within(write("a")).await, Err(StoreError::Unavailable { .. })));
    let inner = Store::open("memory:").await.unwrap();
    let (stop, mut stopping) = watch::channel(false);
    let server = StoreServer::bind(inner.clone(), socket(directory.path())).await.unwrap();
    let second = StoreServer::bind(inner.clone(), socket(directory.path())).await.map(drop);
    assert!(matches!(second, Err(StoreError::Locked { .. })));
    let server = tokio::spawn(server.run(async move { drop(stopping.wait_for(|stop| *stop).await) }));
    within(async {
        while store.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    write("b").await.unwrap();
    assert!(inner.begin().get("b").await.unwrap().is_some());
    let watch = store.watch("b").await.unwrap();
    stop.send_replace(true);
    within(server).await.unwrap();
    assert_eq!(within(watch).await, Err(StoreError::WatchCancelled));
    assert!(!socket(directory.path()).exists());
    // The store that was served is not closed with its server.
    inner.ping().await.unwrap();
}
