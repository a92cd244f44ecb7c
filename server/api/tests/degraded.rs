//! A server whose store cannot be reached yet: it starts, says so, and recovers by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coditect_api::server::{FIRST_LOGIN_FILE, Server, StoreSource};
use coditect_protocol::Problem;
use coditect_protocol::health::{Health, HealthStatus};
use coditect_store::{Store, StoreError};
use support::{LIMIT, client};
use tokio_util::sync::CancellationToken;

/// What only the operator may read.
const INSIDE: &str = "nobody answers at /srv/place";

/// A store that is away until it is said to be back; then it may be one that cannot be used.
fn away(back: &Arc<AtomicBool>, damaged: bool) -> StoreSource {
    let back = back.clone();
    StoreSource::new(move || {
        let is_back = back.load(Ordering::SeqCst);
        Box::pin(async move {
            match (is_back, damaged) {
                (false, _) => Err(StoreError::Unavailable { reason: INSIDE.to_owned() }),
                (true, false) => Store::open("memory:").await,
                (true, true) => Err(StoreError::Corrupt { place: "x".to_owned(), detail: "y".to_owned() }),
            }
        })
    })
}

#[tokio::test]
async fn it_starts_without_its_store_and_recovers() {
    let (settings, dir) = support::settings(|settings| settings.first_login = "root".to_owned());
    let back = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let server = Server::start_with(settings, away(&back, false), stop.clone()).await.unwrap();
    assert!(server.state().is_none());
    let base = format!("http://{}", server.address().unwrap());
    let running = tokio::spawn(server.run());
    let get = async |path: &str| client().get(format!("{base}{path}")).send().await.unwrap();
    for path in ["/health", "/api/v5/health"] {
        let response = get(path).await;
        assert_eq!(response.status(), 200);
        let health: Health = response.json().await.unwrap();
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!((health.store.ok, health.store.code.as_deref()), (false, Some("store.unavailable")));
        assert_eq!(health.store.backend, "memory");
    }
    for path in ["/api/v5/auth/me", "/api/v5/auth/config", "/api/v5/ws", "/api/v5/nothing", "/.well-known/jwks.json"] {
        let response = get(path).await;
        assert!(response.headers().contains_key("retry-after"), "{path}");
        assert_eq!(response.status(), 503, "{path}");
        let problem: Problem = response.json().await.unwrap();
        assert_eq!(problem.code, "store.unavailable", "{path}");
        assert!(!problem.message.contains(INSIDE), "{path}: {problem}");
    }
    let page = get("/dashboard").await;
    assert!(page.headers().contains_key("content-security-policy"));
    assert!(page.text().await.unwrap().contains("front"));
    assert!(get("/theia/").await.text().await.unwrap().contains("ide"));
    assert!(!dir.path().join("data").join(FIRST_LOGIN_FILE).exists());

    back.store(true, Ordering::SeqCst);
    let recovered = async {
        loop {
            if get("/api/v5/auth/config").await.status() == 200 {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, recovered).await.expect("it does not recover");
    let health: Health = get("/health").await.json().await.unwrap();
    assert_eq!((health.status, health.store.ok), (HealthStatus::Ok, true));
    assert!(dir.path().join("data").join(FIRST_LOGIN_FILE).exists());
    assert_eq!(get("/.well-known/jwks.json").await.status(), 200);
    stop.cancel();
    tokio::time::timeout(LIMIT, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn it_stops_while_it_waits() {
    let (settings, _dir) = support::settings(|_| {});
    let stop = CancellationToken::new();
    let server = Server::start_with(settings, away(&Arc::default(), false), stop.clone()).await.unwrap();
    let running = tokio::spawn(server.run());
    stop.cancel();
    tokio::time::timeout(LIMIT, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_used_ends_it_sooner_or_later() {
    let (settings, _dir) = support::settings(|_| {});
    let back = Arc::new(AtomicBool::new(true));
    let refused = Server::start_with(settings, away(&back, true), CancellationToken::new()).await.err().unwrap();
    assert_eq!(refused.code(), "store.corrupt");
    back.store(false, Ordering::SeqCst);
    let (settings, _dir) = support::settings(|_| {});
    let server = Server::start_with(settings, away(&back, true), CancellationToken::new()).await.unwrap();
    let running = tokio::spawn(server.run());
    back.store(true, Ordering::SeqCst);
    let ended = tokio::time::timeout(LIMIT, running).await.expect("it goes on").unwrap();
    assert_eq!(ended.unwrap_err().code(), "store.corrupt");
}

#[tokio::test]
async fn it_backs_its_store_up_by_itself_where_the_settings_say_so() {
    let server = support::server(|settings| settings.backup_hours = 24).await;
    let backups = server.state.settings.backup_path();
    let made = || {
        let files = std::fs::read_dir(&backups).into_iter().flatten().filter_map(Result::ok);
        files.map(|file| file.path()).find(|file| file.extension().is_some_and(|ending| ending == "backup"))
    };
    support::until(|| made().is_some()).await;
    // The first is made at the start, and is whole: the signing keys at least are in it.
    let checked = coditect_store::Origin::file(&made().unwrap()).check(|_| {}).await.unwrap();
    assert!(checked.directories.contains_key("auth"), "{checked:?}");
    server.stop().await;
}
