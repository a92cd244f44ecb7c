//! Several servers over one store: what is ended on one is ended on all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{Duration, Instant};

use coditect_protocol::auth::TokenMade;
use coditect_protocol::call::Request;
use coditect_store::Store;
use serde_json::{Value, json};
use support::{PASSWORD, Page, Person, TestServer, client, server_over};

/// The longest that something ended elsewhere may still count.
const EVERYWHERE: Duration = Duration::from_secs(1);

async fn two() -> (TestServer, TestServer, tempfile::TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("master.key");
    let store = Store::open("memory:").await.unwrap();
    let one = server_over(&store, &key, |_| {}).await;
    let other = server_over(&store, &key, |_| {}).await;
    (one, other, keys)
}

fn at(server: &TestServer, person: &Person) -> Person {
    Person { http: client(), base: server.url("/api/v5"), token: person.token.clone() }
}

/// How long it takes until a login is refused.
async fn refused_after(person: &Person) -> Duration {
    let since = Instant::now();
    loop {
        let status = person.request("GET", "/auth/me").send().await.unwrap().status();
        if status == 401 {
            return since.elapsed();
        }
        assert_eq!(status, 200);
        assert!(since.elapsed() < support::LIMIT, "it never ended");
    }
}

#[tokio::test]
async fn a_login_ended_on_one_server_is_refused_on_the_other_and_its_pages_end() {
    let (one, other, _keys) = two().await;
    let ada = one.person("ada").await;
    let there = at(&other, &ada);
    let mut page = there.page().await;
    page.call(Request::Session).await.unwrap();
    let since = Instant::now();
    ada.ask::<()>("POST", "/auth/logout", Value::Null).await;
    let refused = refused_after(&there).await;
    assert!(refused < EVERYWHERE, "{refused:?}");
    assert_eq!(page.farewell().await.code, "auth.session_ended");
    assert!(since.elapsed() < EVERYWHERE + refused, "{:?}", since.elapsed());
    other.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn a_revoked_token_and_a_person_kept_out_end_everywhere() {
    let (one, other, _keys) = two().await;
    let ada = one.person("ada").await;
    let bob = one.person("bob").await;
    let new = json!({"name": "x", "scopes": ["account:read"], "expires_in_days": 1, "password": PASSWORD});
    let made: TokenMade = ada.ask("POST", "/auth/tokens", new).await;
    let mut by_token = Page::open(&other.url("/api/v5"), &made.token).await;
    by_token.call(Request::Session).await.unwrap();
    ada.ask::<()>("DELETE", &format!("/auth/tokens/{}", made.entry.id), Value::Null).await;
    let since = Instant::now();
    assert_eq!(by_token.farewell().await.code, "auth.invalid_token");
    assert!(since.elapsed() < EVERYWHERE, "{:?}", since.elapsed());

    let there = at(&other, &bob);
    let mut page = there.page().await;
    page.call(Request::Session).await.unwrap();
    let path = format!("/admin/people/{}", bob.token.session.user.id);
    ada.ask::<Value>("PATCH", &path, json!({"disabled": true})).await;
    let refused = refused_after(&there).await;
    assert!(refused < EVERYWHERE, "{refused:?}");
    page.farewell().await;
    other.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn servers_take_each_others_tokens_and_publish_the_same_keys() {
    let (one, other, _keys) = two().await;
    let ada = one.person("ada").await;
    let there = at(&other, &ada);
    there.ask::<Value>("GET", "/auth/me", Value::Null).await;
    let keys = async |server: &TestServer| -> Value {
        client().get(server.url("/.well-known/jwks.json")).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(keys(&one).await, keys(&other).await);
    other.stop().await;
    one.stop().await;
}
