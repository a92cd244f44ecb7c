//! V9 Self-contained Tokens.

use coditect_auth::{Auth, AuthSettings, Device};
use coditect_store::MasterKey;
use data_encoding::BASE64URL_NOPAD;
use futures_util::poll;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::forge::{OwnKey, head, hs256, parts, payload, signed, tampered};
use crate::harness::{Caller, logged_in, now_ms, person, registered, site, ticket, until, with_second_factor};
use crate::support::{PASSWORD, TestServer, connect};

/// Neither a route nor the link takes it.
async fn assert_refused(server: &TestServer, token: &str, what: &str) {
    let caller = Caller::stranger(server, "203.0.113.90").with_bearer(token);
    for path in ["/auth/me", "/workspaces", "/admin/people"] {
        let answer = caller.get(path).await;
        assert_eq!(answer.status, 401, "{what} at {path}: {answer:?}");
    }
    let browser =
        Caller::stranger(server, "203.0.113.90").with_cookies(&[("coditect_access".to_owned(), token.to_owned())]);
    assert_eq!(browser.get("/auth/me").await.status, 401, "{what} as a cookie");
    assert!(connect(&server.url("/api/v5"), token, None).await.is_err(), "{what} at the link");
}

#[tokio::test]
async fn v9_1_1_a_token_that_was_changed_anywhere_is_refused() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let good = ada.access_token().to_owned();
    let [head, claims, signature] = parts(&good);
    let other = person(&server, "bob@example.org").await;
    let [_, _, of_other] = parts(other.access_token());
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    for place in [0, 31, 32, 63] {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        let flipped = format!("{head}.{claims}.{}", BASE64URL_NOPAD.encode(&bytes));
        assert_refused(&server, &flipped, "a flipped bit of the signature").await;
    }
    assert_refused(&server, &format!("{head}.{claims}."), "no signature").await;
    assert_refused(&server, &format!("{head}.{claims}"), "two parts").await;
    assert_refused(&server, &format!("{head}.{claims}.{of_other}"), "the signature of another token").await;
    assert_refused(&server, &format!("{head}.{claims}.{}", BASE64URL_NOPAD.encode(&[0; 64])), "zeros").await;
    assert_refused(&server, &tampered(&good, |claims| claims["sub"] = json!(other.user_id())), "another person").await;
    assert_refused(&server, &tampered(&good, |claims| claims["exp"] = json!(u32::MAX)), "a later end").await;
    assert!(ada.is_in().await);
    server.stop().await;
}

#[tokio::test]
async fn v9_1_2_no_other_algorithm_is_taken() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let (head, claims) = (head(ada.access_token()), payload(ada.access_token()));
    let keys = ada.get("/.well-known/jwks.json").await.ok().json();
    let x = keys["keys"][0]["x"].as_str().unwrap();
    let public = BASE64URL_NOPAD.decode(x.as_bytes()).unwrap();
    let with = |alg: &str| {
        let mut head = head.clone();
        head["alg"] = json!(alg);
        head
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        assert_refused(&server, &signed(&with(alg), &claims, |_| Vec::new()), alg).await;
    }
    // The public key, which everybody knows, as the secret of a MAC.
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{x}\n-----END PUBLIC KEY-----\n");
    for secret in [public.as_slice(), x.as_bytes(), pem.as_bytes(), b""] {
        assert_refused(&server, &signed(&with("HS256"), &claims, hs256(secret)), "HS256").await;
    }
    let [_, _, signature] = parts(ada.access_token());
    for alg in ["HS512", "RS256", "PS256", "ES256", "Ed448", "EdDSA "] {
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        assert_refused(&server, &signed(&with(alg), &claims, |_| signature), alg).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn v9_1_3_a_token_cannot_name_the_key_that_it_is_checked_with() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let (head, claims) = (head(ada.access_token()), payload(ada.access_token()));
    let own = OwnKey::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let sources: [(&str, Value); 8] = [
        ("kid", head["kid"].clone()),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!(address)),
        ("jwk", own.jwk()),
        ("jku", json!(address)),
        ("x5u", json!(address)),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
    ];
    for (name, value) in sources {
        let mut head = head.clone();
        head[name] = value;
        assert_refused(&server, &signed(&head, &claims, |text| own.sign(text)), name).await;
    }
    let mut nameless = head.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    assert_refused(&server, &signed(&nameless, &claims, |text| own.sign(text)), "no name of a key").await;
    assert!(poll!(std::pin::pin!(listener.accept())).is_pending(), "the server fetched a key that a token named");
    // What is told of the keys is the public half.
    let keys = ada.get("/.well-known/jwks.json").await.ok().json();
    for key in keys["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v9_2_1_a_token_past_its_time_is_refused_though_its_session_goes_on() {
    let server = site(|settings| settings.access_token_seconds = 1).await;
    let ada = person(&server, "ada@example.org").await;
    until(async || ada.get("/auth/me").await.status == 401).await;
    ada.get("/auth/me").await.refused(401, "auth.expired_token");
    assert!(payload(ada.access_token())["exp"].as_u64().unwrap() <= now_ms() / 1000);
    assert!(connect(&server.url("/api/v5"), ada.access_token(), None).await.is_err());
    let next = ada.post("/auth/refresh", json!({ "refresh_token": ada.refresh_token() })).await.ok();
    assert_eq!(next.json()["session"]["session_id"], json!(ada.session_id()));
    server.stop().await;
}

#[tokio::test]
async fn v9_2_2_nothing_but_an_access_token_is_taken_for_one() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let stranger = Caller::stranger(&server, "203.0.113.91");
    let cookies = stranger.try_login("ada@example.org", PASSWORD).await.ok().cookies();
    for (name, value) in &cookies {
        if !name.ends_with("coditect_access") {
            assert_refused(&server, value, name).await;
        }
    }
    let device = stranger.post("/auth/device/code", json!({ "client_name": "p" })).await.ok().json();
    assert_refused(&server, device["device_code"].as_str().unwrap(), "a device code").await;
    assert_refused(&server, ada.refresh_token(), "a refresh token").await;
    with_second_factor(&ada).await;
    assert_refused(&server, &ticket(&stranger, "ada@example.org").await, "the ticket of a second factor").await;
    // Nor is an access token taken for something else.
    let access = ada.access_token();
    assert_eq!(stranger.post("/auth/refresh", json!({ "refresh_token": access })).await.status, 401);
    let answer = json!({ "ticket": access, "code": "000000" });
    assert_eq!(stranger.post("/auth/login/second-factor", answer).await.status, 401);
    assert!(stranger.post("/auth/device/token", json!({ "device_code": access })).await.status >= 400);
    // Its type says what it is, so that no other token of this instance can be.
    assert_eq!(head(access)["typ"], "at+jwt");
    server.stop().await;
}

/// Another service that signs with the same keys and has the same sessions, for another audience.
pub async fn other_service(server: &TestServer) -> Auth {
    let settings = server.state.auth.settings();
    let settings = AuthSettings { audience: "another-service".to_owned(), ..settings.clone() };
    let key = std::fs::read(server.dir.path().join("data/master.key")).unwrap();
    Auth::open(server.state.store.clone(), settings, MasterKey::parse(&key).unwrap()).await.unwrap()
}

#[tokio::test]
async fn v9_2_3_a_token_for_another_service_is_refused() {
    let server = site(|_| {}).await;
    person(&server, "ada@example.org").await;
    let other = other_service(&server).await;
    let login = logged_in(&other, "ada@example.org").await;
    other.check(&login.access_token).await.expect("the other service takes its own token");
    assert_eq!(
        head(&login.access_token)["kid"],
        server.state.auth.jwks().keys[0].kid.as_str(),
        "both sign with the same key, or this proves nothing"
    );
    assert_refused(&server, &login.access_token, "a token for another service").await;
    server.stop().await;
}

#[tokio::test]
async fn v9_2_4_every_token_names_the_one_service_that_it_is_for() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let other = other_service(&server).await;
    assert!(ada.is_in().await);
    assert!(other.check(ada.access_token()).await.is_err(), "another service with the same key takes the token");
    // Whoever asks for tokens cannot choose what they are for.
    let stranger = Caller::stranger(&server, "203.0.113.92");
    let body = json!({ "login": "ada@example.org", "password": PASSWORD, "audience": "another-service" });
    stranger.post("/auth/login", body).await.refused(400, "api.bad_body");
    let fresh = registered(&other, "bob@example.org").await;
    for token in [ada.access_token(), &fresh.access_token] {
        let claims = payload(token);
        assert!(claims["aud"].is_string() && claims["iss"].is_string(), "{claims}");
    }
    let refreshed = other.refresh(ada.refresh_token(), &Device::default()).await.unwrap();
    assert_eq!(payload(&refreshed.access_token)["aud"], "another-service", "a token keeps its own service's name");
    server.stop().await;
}
