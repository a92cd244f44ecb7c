//! The program that lets several servers on one machine share a store.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use coditect_store::Store;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(store: &str, socket: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_coditect-v5-api"))
        .args(["store", "serve", "--store", store, "--socket"])
        .arg(socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn one_store_for_several_servers() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("run/store.sock");
    let url = format!("embedded://{}", directory.path().join("data").display());
    let server = start(&url, &socket);
    let open = || async { Store::open(&format!("socket://{}", socket.display())).await.unwrap() };
    let (one, other) = (open().await, open().await);
    let served = async {
        while one.ping().await.is_err() || other.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    let watch = other.watch("k").await.unwrap();
    one.transact(|tx| async move { tx.set("k", "v") }).await.unwrap();
    watch.await.unwrap();
    assert_eq!(other.begin().get("k").await.unwrap().as_deref(), Some(&b"v"[..]));

    // A second one finds the data or the socket taken.
    for url in [&url[..], "memory:"] {
        let second = timeout(PATIENCE, start(url, &socket).wait_with_output()).await.unwrap().unwrap();
        assert_eq!(second.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&second.stderr).contains("(store.locked)"), "{second:?}");
    }

    let id = server.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().unwrap())).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let ended = timeout(PATIENCE, server.wait_with_output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!socket.exists());
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.begin().get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
}
