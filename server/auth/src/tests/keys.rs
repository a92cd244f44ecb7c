//! Signing keys: sealed, rotated, and a store that is away.

use coditect_protocol::Kind;
use coditect_store::{Record as _, Subspace};

use super::*;
use crate::rows::{KeyRow, KeyRow1};

fn key_rows() -> Range {
    Subspace::root("auth").sub(&("key",)).range()
}

async fn keys_of(server: &Server) -> Vec<KeyRow> {
    let rows = server.store.transact(|tx| async move { tx.range_all(key_rows()).await }).await;
    let rows: Result<_, StoreError> = rows;
    rows.unwrap().iter().map(|row| KeyRow::decode(&row.value).unwrap()).collect()
}

#[tokio::test]
async fn private_keys_are_sealed_with_the_master_key() {
    let server = Server::new().await;
    let row = keys_of(&server).await.remove(0);
    let name = server.auth.jwks().keys[0].kid.clone();
    let seed = master().open(format!("auth key {name}").as_bytes(), &row.sealed).unwrap();
    assert_eq!(seed.len(), 32);
    assert!(!server.dump().await.iter().any(|bytes| bytes.windows(32).any(|part| part == seed.as_slice())));
    let stranger = MasterKey::from_bytes([8; 32]);
    let error = Auth::open(server.store.clone(), cheap(), stranger).await.unwrap_err();
    assert_eq!(error.code(), "auth.master_key");
    assert_eq!(server.auth.jwks(), Auth::open(server.store.clone(), cheap(), master()).await.unwrap().jwks());
}

#[tokio::test]
async fn keys_that_were_never_sealed_are_sealed_by_the_next_start() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let name = server.auth.jwks().keys[0].kid.clone();
    let row = keys_of(&server).await.remove(0);
    let sealed = master().open(format!("auth key {name}").as_bytes(), &row.sealed).unwrap();
    let seed: [u8; 32] = sealed.as_slice().try_into().unwrap();
    let first = &KeyRow1 { seed, created_at: START };
    let key = &Subspace::root("auth").pack(&("key", name.as_str()));
    let set: Result<(), StoreError> = server.store.transact(|tx| async move { tx.set_record(key, first) }).await;
    set.unwrap();
    let dumped = async || server.dump().await.iter().any(|bytes| bytes.windows(32).any(|part| part == seed));
    let plain = keys_of(&server).await.remove(0).plain;
    assert_eq!(plain, Some(seed), "the former form is read");
    let other = server.other(cheap()).await;
    other.auth.check(&login.access_token).await.unwrap();
    assert!(!dumped().await && keys_of(&server).await[0].plain.is_none());
}

#[tokio::test]
async fn a_server_starts_without_its_store_and_lets_in_nobody() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    server.store.close().await;
    let degraded = server.other(cheap()).await;
    assert!(degraded.auth.jwks().keys.is_empty());
    for _ in 0..3 {
        let error = degraded.auth.check(&login.access_token).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    }
    assert_eq!(degraded.login("ada@example.org", PASSWORD).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_server_that_had_no_keys_reads_them_when_the_store_is_back() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let keys = server.auth.jwks();
    server.auth.inner.keys.forget_all();
    server.auth.check(&login.access_token).await.unwrap();
    assert_eq!(server.auth.jwks(), keys);
}

#[tokio::test]
async fn keys_rotate_by_themselves_once_for_all_servers() {
    let server = Server::with(AuthSettings { key_rotation: 7 * DAY, ..cheap() }).await;
    let other = server.other(AuthSettings { key_rotation: 7 * DAY, ..cheap() }).await;
    server.wait(7 * DAY - Duration::from_secs(1));
    server.auth.maintain().await;
    assert_eq!(server.auth.jwks().keys.len(), 1);
    server.events();
    server.wait(Duration::from_secs(1));
    server.auth.maintain().await;
    other.auth.maintain().await;
    assert_eq!(server.auth.jwks().keys.len(), 2, "both are in use for a while");
    assert_eq!(server.events(), [AuditAction::KeysRotated]);
    assert_eq!(other.events(), []);
    server.wait(Duration::from_secs(60));
    other.auth.maintain().await;
    assert_eq!(server.auth.jwks(), other.auth.jwks());
    for _ in 0..3 {
        server.wait(7 * DAY);
        server.auth.maintain().await;
    }
    assert_eq!(server.auth.jwks().keys.len(), 2, "those of which no token is left are gone");
}

#[tokio::test]
async fn only_an_admin_rotates_keys() {
    let server = Server::new().await;
    server.register("ada@example.org").await.unwrap();
    let bob = server.register("bob@example.org").await.unwrap();
    let member = server.identity(&bob).await;
    assert_eq!(code(server.auth.rotate_keys(&member, &device()).await), "auth.not_admin");
    assert_eq!(server.auth.jwks().keys.len(), 1);
}

#[tokio::test]
async fn a_token_that_was_verified_is_refused_once_its_key_is_gone() {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let session = server.identity(&login).await;
    server.auth.check(&login.access_token).await.unwrap();
    let other = server.other(cheap()).await;
    // An operator who fears for a key takes it away and has a new one made.
    let cleared: Result<(), StoreError> = server.store.transact(|tx| async move { tx.clear_range(&key_rows()) }).await;
    cleared.unwrap();
    other.auth.rotate_keys(&session, &device()).await.unwrap();
    server.wait(Duration::from_secs(60));
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.invalid_token");
    assert_eq!(server.auth.jwks(), other.auth.jwks());
    let next = server.refresh(&login.refresh_token).await.unwrap();
    other.auth.check(&next.access_token).await.unwrap();
}
