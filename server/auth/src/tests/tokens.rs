//! Access tokens, good and forged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coditect_protocol::{Coded as _, Kind, SessionId, UserId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::Header;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::*;

/// A server with somebody logged in, and what their token says.
async fn logged_in() -> (Server, Login, Value, Value) {
    let server = Server::new().await;
    let login = server.register("ada@example.org").await.unwrap();
    let parts: Vec<&str> = login.access_token.split('.').collect();
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = (json(parts[0]), json(parts[1]));
    (server, login, header, claims)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Claims with some of them changed; `null` takes one away.
fn changed(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn a_token_says_who_which_session_and_how_long() {
    let (server, login, header, claims) = logged_in().await;
    let kid = &server.auth.jwks().keys[0].kid;
    assert_eq!(header, json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid}));
    let seconds = START / 1000;
    assert_eq!(
        claims,
        json!({
            "sub": login.session.user.id.to_string(), "sid": login.session.session_id.to_string(),
            "iat": seconds, "exp": seconds + 600, "iss": "coditect", "aud": "coditect-api",
        })
    );
    assert!(login.access_token.len() < 600);
}

#[tokio::test]
async fn a_token_expires_to_the_second() {
    let (server, login, ..) = logged_in().await;
    server.wait(Duration::from_millis(599_999));
    server.auth.check(&login.access_token).await.unwrap();
    server.wait(Duration::from_millis(1));
    let error = server.auth.check(&login.access_token).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("auth.expired_token", Kind::Unauthenticated));
    // A forged one is never called expired: that would tell its forger something.
    let mut forged = login.access_token.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert_eq!(code(server.auth.check(&forged).await), "auth.invalid_token");
}

#[tokio::test]
async fn every_change_of_one_letter_is_noticed() {
    let (server, login, ..) = logged_in().await;
    let token = &login.access_token;
    for place in 0..token.len() {
        for letter in ["A", "B", "-", ".", "=", " "] {
            let mut changed = token.clone();
            changed.replace_range(place..=place, letter);
            if changed != *token {
                assert_eq!(code(server.auth.check(&changed).await), "auth.invalid_token", "{place} {letter}");
            }
        }
    }
    for end in 0..token.len() {
        assert_eq!(code(server.auth.check(&token[..end]).await), "auth.invalid_token", "{end}");
    }
}

#[tokio::test]
async fn other_algorithms_are_refused() {
    let (server, login, header, claims) = logged_in().await;
    let signature = login.access_token.rsplit('.').next().unwrap();
    for algorithm in ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "EdDSA ", "eddsa", "PS256"] {
        let header = encode(&changed(&header, &json!({"alg": algorithm})));
        for signature in ["", signature] {
            let token = format!("{header}.{}.{signature}", encode(&claims));
            assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token", "{algorithm}");
        }
    }
    // The public key taken as the secret of a MAC, in each form in which it is published.
    let public = server.auth.jwks().keys[0].clone();
    let raw = URL_SAFE_NO_PAD.decode(&public.x).unwrap();
    for secret in [raw.as_slice(), public.x.as_bytes(), public.kid.as_bytes(), b""] {
        for algorithm in ["HS256", "EdDSA"] {
            let header = encode(&changed(&header, &json!({"alg": algorithm})));
            let signed = format!("{header}.{}", encode(&claims));
            let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&signed).finalize().into_bytes();
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
            assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
        }
    }
}

#[tokio::test]
async fn another_instances_key_under_our_name_is_refused() {
    let (server, _, header, claims) = logged_in().await;
    let (stranger, ..) = logged_in().await;
    let mut header: Header = serde_json::from_value(header).unwrap();
    let token = stranger.auth.inner.keys.forge(&header, &claims, START);
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
    // A key that the token brings along itself is not looked at.
    let own = stranger.auth.jwks().keys[0].clone();
    header.jwk = Some(serde_json::from_value(serde_json::to_value(&own).unwrap()).unwrap());
    header.kid = Some(own.kid);
    let token = stranger.auth.inner.keys.forge(&header, &claims, START);
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
    assert_eq!(code(stranger.auth.check(&token).await), "auth.session_ended");
}

#[tokio::test]
async fn signed_tokens_with_other_claims_are_refused() {
    let (server, login, header, claims) = logged_in().await;
    let header: Header = serde_json::from_value(header).unwrap();
    let keys = &server.auth.inner.keys;
    assert_eq!(code(server.auth.check(&keys.forge(&header, &claims, START)).await), "ok");
    let far = START / 1000 + 1_000_000;
    let others = [
        json!({"iss": "other"}),
        json!({"iss": null}),
        json!({"iss": ["coditect"]}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": ["coditect-api", "other"]}),
        json!({"exp": null}),
        json!({"exp": "2099-01-01"}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sid": null}),
        json!({"sid": 7}),
        json!({"iat": null}),
        json!({"sub": UserId(Uuid::now_v7()).to_string()}),
        json!({"sub": "' OR 1=1", "exp": far}),
    ];
    for change in others {
        let token = keys.forge(&header, &changed(&claims, &change), START);
        assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token", "{change}");
    }
    for (change, expected) in [
        (json!({"exp": 0}), "auth.expired_token"),
        (json!({"exp": START / 1000}), "auth.expired_token"),
        (json!({"sid": SessionId(Uuid::now_v7()).to_string()}), "auth.session_ended"),
        (json!({"exp": far, "role": "admin", "extra": [1, {"a": null}]}), "ok"),
    ] {
        let token = keys.forge(&header, &changed(&claims, &change), START);
        assert_eq!(code(server.auth.check(&token).await), expected, "{change}");
    }
    assert_eq!(login.session.user.id, server.auth.check(&login.access_token).await.unwrap().user.id);
}

#[tokio::test]
async fn signed_tokens_with_other_headers_are_refused() {
    let (server, _, header, claims) = logged_in().await;
    let ours: Header = serde_json::from_value(header).unwrap();
    let changes: Vec<fn(&mut Header)> = vec![
        |header| header.kid = None,
        |header| header.kid = Some(String::new()),
        |header| header.kid = Some("../../etc/passwd".to_owned()),
        |header| header.typ = None,
        |header| header.typ = Some("JWT".to_owned()),
        |header| header.crit = Some(vec!["exp".to_owned()]),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut header = ours.clone();
        change(&mut header);
        let token = server.auth.inner.keys.forge(&header, &claims, START);
        assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token", "{n}");
    }
}

#[tokio::test]
async fn nonsense_is_refused_whatever_its_size() {
    let (server, login, ..) = logged_in().await;
    let huge = "A".repeat(4 << 20);
    let dots = ".".repeat(2000);
    let deep = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode("[".repeat(1200)));
    let long = format!("{}{}", login.access_token, "A".repeat(4000));
    let texts = [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "\0.\0.\0",
        "ä.ö.ü",
        &huge,
        &dots,
        &deep,
        &long,
        &login.refresh_token,
    ];
    for text in texts {
        assert_eq!(code(server.auth.check(text).await), "auth.invalid_token");
    }
}

#[tokio::test]
async fn one_persons_token_never_names_another() {
    let (server, ada, _, claims) = logged_in().await;
    let bob = server.register("bob@example.org").await.unwrap();
    assert_ne!(server.auth.check(&bob.access_token).await.unwrap().user.id, ada.session.user.id);
    // Even signed by us: a session belongs to its person.
    let header: Header = serde_json::from_value(json!({
        "typ": "at+jwt", "alg": "EdDSA", "kid": server.auth.jwks().keys[0].kid,
    }))
    .unwrap();
    let mixed = changed(&claims, &json!({"sid": bob.session.session_id.to_string()}));
    let token = server.auth.inner.keys.forge(&header, &mixed, START);
    assert_eq!(code(server.auth.check(&token).await), "auth.invalid_token");
}

#[tokio::test]
async fn servers_of_one_store_share_their_keys_and_a_restart_keeps_them() {
    let (server, login, ..) = logged_in().await;
    let other = server.other(cheap()).await;
    assert_eq!(server.auth.jwks(), other.auth.jwks());
    other.auth.check(&login.access_token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_the_same_moment_make_one_key() {
    let store = Store::open("memory:").await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { Auth::open(store, cheap(), master()).await.unwrap().jwks() })
        })
        .collect();
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    assert!(seen.iter().all(|keys| *keys == seen[0] && keys.keys.len() == 1), "{seen:?}");
}

#[tokio::test]
async fn keys_rotate_under_running_servers_without_a_token_lost() {
    let (server, login, ..) = logged_in().await;
    let other = server.other(cheap()).await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let old = kid(&login.access_token);
    let admin = server.identity(&login).await;
    server.auth.rotate_keys(&admin, &device()).await.unwrap();
    assert_eq!(server.auth.jwks().keys.len(), 2);
    server.wait(Duration::from_secs(1));
    let early = server.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(kid(&early.access_token), old, "no other server knows the new key yet");
    server.wait(Duration::from_secs(60));
    other.auth.check(&early.access_token).await.unwrap();
    assert_eq!(other.auth.jwks().keys.len(), 2, "read again by now");
    server.wait(Duration::from_secs(61));
    let late = server.login("ada@example.org", PASSWORD).await.unwrap();
    assert_ne!(kid(&late.access_token), old);
    for token in [&login.access_token, &early.access_token, &late.access_token] {
        server.auth.check(token).await.unwrap();
        other.auth.check(token).await.unwrap();
    }
    // A day later the first key is of no use to anybody and goes with the next rotation.
    server.wait(DAY);
    server.auth.rotate_keys(&admin, &device()).await.unwrap();
    let names: Vec<_> = server.auth.jwks().keys.into_iter().map(|key| key.kid).collect();
    assert_eq!(names.len(), 2);
    assert!(!names.contains(&old) && names.contains(&kid(&late.access_token)));
    assert_eq!(code(server.auth.check(&login.access_token).await), "auth.invalid_token");
}

#[tokio::test]
async fn rotating_in_a_loop_stops_before_it_takes_away_keys_in_use() {
    let (server, login, ..) = logged_in().await;
    let admin = server.identity(&login).await;
    let mut last = Ok(());
    for _ in 0..20 {
        last = server.auth.rotate_keys(&admin, &device()).await;
    }
    assert_eq!(code(last), "auth.too_many_attempts");
    let keys = server.auth.jwks().keys;
    assert_eq!(keys.len(), 16);
    // Made in one millisecond, they are still in order: the one in use is the oldest.
    let first = jsonwebtoken::decode_header(&login.access_token).unwrap().kid.unwrap();
    assert_eq!(keys[0].kid, first);
    server.auth.check(&login.access_token).await.unwrap();
}

#[tokio::test]
async fn the_published_keys_hold_nothing_private() {
    let (server, ..) = logged_in().await;
    let jwks = serde_json::to_value(server.auth.jwks()).unwrap();
    let key = jwks["keys"][0].as_object().unwrap();
    let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap().len(), 32);
}
