//! Logging in over HTTP: what browsers and programs get, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_api::settings::Registering;
use coditect_protocol::auth::{AuthConfig, RegistrationPolicy};
use serde_json::{Value, json};
use support::{PASSWORD, TestServer, client, refusal, server};

/// The cookies that an answer sets.
fn cookies(response: &reqwest::Response) -> Vec<String> {
    response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// As the browser sends them.
fn jar(set: &[String]) -> String {
    set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn named<'a>(set: &'a [String], name: &str) -> &'a str {
    let cookie = set.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("{set:?}"));
    cookie.split(';').next().unwrap().split_once('=').unwrap().1
}

async fn browser(server: &TestServer, path: &str, body: &Value) -> reqwest::Response {
    client()
        .post(server.url(&format!("/api/v5{path}")))
        .header("origin", server.url(""))
        .json(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_page_learns_what_it_must_know_before_a_login() {
    let server = server(|settings| {
        settings.registration = Registering::Closed;
        settings.password_min_chars = 15;
    })
    .await;
    let config: AuthConfig =
        client().get(server.url("/api/v5/auth/config")).send().await.unwrap().json().await.unwrap();
    assert_eq!(config.registration, RegistrationPolicy::Closed);
    assert_eq!((config.password_min_chars, config.sends_mail), (15, false));
    let body = json!({"login": "ada", "password": PASSWORD});
    assert_eq!(refusal(server.post("/auth/register", &body).await).await, (403, "auth.registration_closed".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn cookies_have_their_attributes() {
    let server = server(|_| {}).await;
    let response = browser(&server, "/auth/register", &json!({"login": "ada", "password": PASSWORD})).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let set = cookies(&response);
    for (name, path, http_only) in [
        ("coditect_access", "/", true),
        ("coditect_refresh", "/api/v5/auth", true),
        ("coditect_csrf", "/", false),
        ("coditect_device", "/api/v5/auth", true),
    ] {
        let cookie =
            set.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("{set:?}"));
        let has = |attribute: &str| cookie.split("; ").any(|part| part == attribute);
        assert!(has(&format!("Path={path}")) && has("SameSite=Strict"), "{cookie}");
        assert!(!has("Secure") && has("HttpOnly") == http_only && !cookie.contains("Domain"), "{cookie}");
    }
    server.stop().await;
}

#[tokio::test]
async fn over_tls_cookies_have_guarded_names_and_only_those_count() {
    let server = server(|settings| settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let tls = |request: reqwest::RequestBuilder| request.header("x-forwarded-proto", "https");
    let body = json!({"login": "ada", "password": PASSWORD});
    let response = tls(client().post(server.url("/api/v5/auth/register"))).json(&body).send().await.unwrap();
    let set = cookies(&response);
    for name in ["__Host-coditect_access", "__Secure-coditect_refresh", "coditect_csrf", "__Secure-coditect_device"] {
        assert!(
            set.iter().any(|cookie| cookie.starts_with(&format!("{name}=")) && cookie.ends_with("; Secure")),
            "{set:?}"
        );
    }
    let me = |cookie: String| tls(client().get(server.url("/api/v5/auth/me"))).header("cookie", cookie).send();
    let access = named(&set, "__Host-coditect_access");
    assert_eq!(me(format!("__Host-coditect_access={access}")).await.unwrap().status(), 200);
    // One that could have been planted over an unencrypted line.
    assert_eq!(refusal(me(format!("coditect_access={access}")).await.unwrap()).await.1, "auth.not_logged_in");
    server.stop().await;
}

#[tokio::test]
async fn a_browser_goes_on_with_its_cookies_and_leaves_with_them() {
    let server = server(|_| {}).await;
    let response = browser(&server, "/auth/register", &json!({"login": "ada", "password": PASSWORD})).await;
    let first = cookies(&response);
    let post = async |path: &str, jar: &str, csrf: Option<&str>, origin: &str| {
        let request =
            client().post(server.url(&format!("/api/v5{path}"))).header("cookie", jar).header("origin", origin);
        let request = if let Some(token) = csrf { support::csrf(request, token) } else { request };
        request.send().await.unwrap()
    };
    let own = server.url("");
    let answer = post("/auth/refresh", &jar(&first), None, &own).await;
    assert_eq!(answer.status(), 200);
    let second = cookies(&answer);
    assert_ne!(named(&first, "coditect_refresh"), named(&second, "coditect_refresh"));
    assert_eq!(named(&first, "coditect_csrf"), named(&second, "coditect_csrf"));
    let elsewhere = post("/auth/refresh", &jar(&second), None, "https://evil.example").await;
    assert_eq!(refusal(elsewhere).await, (403, "auth.other_site".to_owned()));
    let none = post("/auth/refresh", "", None, &own).await;
    assert_eq!(refusal(none).await, (401, "auth.not_logged_in".to_owned()));
    let csrf = named(&second, "coditect_csrf").to_owned();
    assert_eq!(refusal(post("/auth/logout", &jar(&second), None, &own).await).await.1, "auth.csrf");
    let out = post("/auth/logout", &jar(&second), Some(&csrf), &own).await;
    assert_eq!(out.status(), 204);
    let cleared = cookies(&out);
    assert_eq!(cleared.len(), 3);
    assert!(cleared.iter().all(|cookie| cookie.contains("=; ") && cookie.contains("Max-Age=0")), "{cleared:?}");
    let after = client().get(server.url("/api/v5/auth/me")).header("cookie", jar(&second)).send().await.unwrap();
    assert_eq!(refusal(after).await, (401, "auth.session_ended".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_page_gets_its_tokens_as_cookies_only_and_a_program_in_the_body() {
    let server = server(|settings| settings.cors_origins = vec!["https://ok.example".to_owned()]).await;
    server.person("ada").await;
    let body = json!({"login": "ada", "password": PASSWORD});
    let answer = async |origin: Option<&str>| -> (Vec<String>, Value) {
        let request = client().post(server.url("/api/v5/auth/login")).json(&body);
        let request = if let Some(origin) = origin { request.header("origin", origin) } else { request };
        let response = request.send().await.unwrap();
        (cookies(&response), response.json().await.unwrap())
    };
    let (set, told) = answer(Some(&server.url(""))).await;
    assert!(told.get("access_token").is_none() && told.get("refresh_token").is_none(), "{told}");
    assert!(!named(&set, "coditect_access").is_empty() && told["session"]["user"]["login"] == "ada");
    let refreshed = client().post(server.url("/api/v5/auth/refresh")).header("cookie", jar(&set)).send().await.unwrap();
    let refreshed: Value = refreshed.json().await.unwrap();
    assert!(refreshed.get("refresh_token").is_none() && refreshed["expires_in"].as_u64() > Some(0), "{refreshed}");
    // What browsers say of a request tells of a page as well.
    let login = client().post(server.url("/api/v5/auth/login")).json(&body).header("sec-fetch-site", "same-origin");
    assert!(login.send().await.unwrap().json::<Value>().await.unwrap().get("access_token").is_none());
    // Nor do the pages of other sites that the settings let in; programs do.
    assert!(answer(Some("https://ok.example")).await.1.get("refresh_token").is_none());
    assert!(answer(None).await.1["refresh_token"].as_str().is_some_and(|token| token.len() > 20));
    server.stop().await;
}

#[tokio::test]
async fn a_refused_refresh_takes_the_cookies_away() {
    let server = server(|_| {}).await;
    let set = cookies(&browser(&server, "/auth/register", &json!({"login": "ada", "password": PASSWORD})).await);
    let refresh = async |jar: &str, body: &str| {
        let request = client().post(server.url("/api/v5/auth/refresh")).header("cookie", jar).body(body.to_owned());
        let response = request.send().await.unwrap();
        let cleared = cookies(&response);
        (refusal(response).await, cleared)
    };
    let forged = refresh("coditect_refresh=forged", "").await;
    let csrf = named(&set, "coditect_csrf");
    let out = client().post(server.url("/api/v5/auth/logout")).header("cookie", jar(&set));
    assert_eq!(support::csrf(out, csrf).send().await.unwrap().status(), 204);
    let ended = refresh(&jar(&set), "").await;
    for ((told, cleared), code) in [(forged, "auth.invalid_token"), (ended, "auth.session_ended")] {
        assert_eq!(told, (401, code.to_owned()));
        assert_eq!(cleared.len(), 3, "{cleared:?}");
        assert!(cleared.iter().all(|cookie| cookie.contains("=; ") && cookie.contains("Max-Age=0")), "{cleared:?}");
    }
    // A program's token has nothing to do with the cookies; without one there is nothing to take away.
    let (told, cleared) = refresh(&jar(&set), r#"{"refresh_token": "forged"}"#).await;
    assert_eq!((told.0, cleared.len()), (401, 0));
    assert_eq!(refresh("", "").await.1.len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_planted_cookie_of_another_login_does_not_save_the_one_before() {
    let server = server(|_| {}).await;
    let credentials = |login: &str| json!({"login": login, "password": PASSWORD});
    let own = cookies(&browser(&server, "/auth/register", &credentials("ada")).await);
    let planted = cookies(&browser(&server, "/auth/register", &credentials("eve")).await);
    let mixed = format!(
        "coditect_access={}; coditect_refresh={}",
        named(&planted, "coditect_access"),
        named(&own, "coditect_refresh")
    );
    let request = client().post(server.url("/api/v5/auth/login")).header("cookie", mixed).json(&credentials("ada"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    for before in [own, planted] {
        let me = client().get(server.url("/api/v5/auth/me")).header("cookie", jar(&before)).send().await.unwrap();
        assert_eq!(refusal(me).await, (401, "auth.session_ended".to_owned()));
    }
    server.stop().await;
}

#[tokio::test]
async fn logging_in_again_replaces_the_login_before() {
    let server = server(|_| {}).await;
    let credentials = json!({"login": "ada", "password": PASSWORD});
    let first = cookies(&browser(&server, "/auth/register", &credentials).await);
    let again = async |cookies: String| {
        let request = client().post(server.url("/api/v5/auth/login")).header("cookie", cookies).json(&credentials);
        self::cookies(&request.send().await.unwrap())
    };
    let me = async |set: &[String]| {
        client().get(server.url("/api/v5/auth/me")).header("cookie", jar(set)).send().await.unwrap().status()
    };
    let second = again(jar(&first)).await;
    assert_eq!((me(&first).await.as_u16(), me(&second).await.as_u16()), (401, 200));
    // The refresh token alone says which login it was.
    let refresh = format!("coditect_refresh={}", named(&second, "coditect_refresh"));
    let third = again(refresh).await;
    assert_eq!((me(&second).await.as_u16(), me(&third).await.as_u16()), (401, 200));
    let elsewhere = again(String::new()).await;
    assert_eq!((me(&third).await.as_u16(), me(&elsewhere).await.as_u16()), (200, 200));
    server.stop().await;
}

#[tokio::test]
async fn what_comes_before_a_login_is_not_for_pages_of_other_sites() {
    let server = server(|settings| settings.cors_origins = vec!["https://ok.example".to_owned()]).await;
    for path in [
        "/auth/register",
        "/auth/login",
        "/auth/login/second-factor",
        "/auth/refresh",
        "/auth/password/forgot",
        "/auth/password/reset",
        "/auth/device/code",
        "/auth/device/token",
    ] {
        for origin in ["https://evil.example", "null", "http://localhost:1"] {
            let request =
                client().post(server.url(&format!("/api/v5{path}"))).header("origin", origin).json(&json!({}));
            let answer = refusal(request.send().await.unwrap()).await;
            assert_eq!(answer, (403, "auth.other_site".to_owned()), "{path} {origin}");
        }
        let own = client().post(server.url(&format!("/api/v5{path}"))).header("origin", "https://ok.example");
        let (_, code) = refusal(own.json(&json!({})).send().await.unwrap()).await;
        assert_ne!(code, "auth.other_site", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn other_sites_read_nothing_unless_they_are_named() {
    let server = server(|settings| settings.cors_origins = vec!["https://ok.example".to_owned()]).await;
    let ask = async |origin: &str, method: reqwest::Method| {
        client()
            .request(method, server.url("/api/v5/auth/config"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .send()
            .await
            .unwrap()
    };
    for method in [reqwest::Method::GET, reqwest::Method::OPTIONS] {
        let named = ask("https://ok.example", method.clone()).await;
        assert_eq!(named.headers()["access-control-allow-origin"], "https://ok.example");
        assert_eq!(named.headers()["access-control-allow-credentials"], "true");
        assert!(named.headers()["vary"].to_str().unwrap().contains("origin"));
        for origin in ["https://evil.example", "null", "https://ok.example.evil.example", "http://ok.example"] {
            let refused = ask(origin, method.clone()).await;
            assert!(!refused.headers().contains_key("access-control-allow-origin"), "{origin}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn bad_credentials_and_floods_are_refused() {
    let server = server(|settings| {
        settings.login_account_burst = 3;
        settings.login_account_refill_seconds = 1000;
    })
    .await;
    server.person("ada").await;
    let mut told = Vec::new();
    for password in ["wrong password 1", "wrong password 2", "wrong password 3", PASSWORD] {
        told.push(refusal(server.try_log_in("ada", password).await).await);
    }
    assert!(told[..3].iter().all(|told| *told == (401, "auth.bad_credentials".to_owned())), "{told:?}");
    assert_eq!(told[3], (429, "auth.too_many_attempts".to_owned()));
    // Whoever is not there is refused alike.
    assert_eq!(refusal(server.try_log_in("nobody", PASSWORD).await).await.1, "auth.bad_credentials");
    server.stop().await;
}

#[tokio::test]
async fn the_signing_keys_are_public() {
    let server = server(|_| {}).await;
    let response = client().get(server.url("/.well-known/jwks.json")).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=60");
    let keys: Value = response.json().await.unwrap();
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("OKP"), &json!("EdDSA"), &json!("sig")));
    assert!(key.get("d").is_none());
    let ada = server.person("ada").await;
    // A new key is published at once.
    ada.ask::<Value>("POST", "/admin/keys/rotate", Value::Null).await;
    let keys: Value = client().get(server.url("/.well-known/jwks.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    ada.ask::<Value>("GET", "/auth/me", Value::Null).await;
    // Nobody needs so many that old ones would have to go before their tokens have ended.
    let refused = loop {
        let response = ada.request("POST", "/admin/keys/rotate").send().await.unwrap();
        if response.status() != 204 {
            break refusal(response).await;
        }
    };
    assert_eq!(refused, (429, "auth.too_many_attempts".to_owned()));
    let other = client().get(server.url("/.well-known/nothing")).send().await.unwrap();
    assert_eq!(other.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn pages_of_the_front_are_served_wherever_they_are() {
    let server = server(|_| {}).await;
    for page in
        ["/account", "/admin", "/device", "/api-docs", "/reset-password", "/invite/Abc-123_x", "/account/sessions"]
    {
        let response = client().get(server.url(page)).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-cache", "{page}");
        assert!(response.text().await.unwrap().contains("front"), "{page}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_master_key_is_made_once_for_the_server_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let server = server(|_| {}).await;
    let path = server.dir.path().join("data/master.key");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let (mut settings, dir) = support::settings(|_| {});
    settings.master_key_file = dir.path().join("key");
    std::fs::copy(&path, &settings.master_key_file).unwrap();
    std::fs::set_permissions(&settings.master_key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let error = coditect_api::server::Server::start(settings, stop).await.err().unwrap();
    assert_eq!(error.code(), "auth.master_key");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    server.stop().await;
}
