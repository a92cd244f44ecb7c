//! How answers are delivered: to pages of other sites, compressed, cached, and in time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_api::settings::UpstreamGiven;
use reqwest::{Method, Response};
use support::{LIMIT, TestServer, client, refusal, server};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// A name with a hash of its content.
const HASHED: &str = "/assets/app-C7x_9z-Q.js";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Response {
    let asked = client().get(server.url(path));
    headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value)).send().await.unwrap()
}

#[tokio::test]
async fn pages_of_other_sites_read_nothing_unless_named() {
    let server = server(|_| {}).await;
    for path in ["/health", "/api/v5/auth/me", "/"] {
        let answer = get(&server, path, &[("origin", "https://other.example")]).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_of_a_named_site_read_the_api_with_their_login() {
    let named = "https://pages.example";
    let server = server(|settings| settings.cors_origins = vec![named.to_owned()]).await;
    let answer = get(&server, "/health", &[("origin", named)]).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some(named));
    assert_eq!(header(&answer, "access-control-allow-credentials"), Some("true"));
    let exposed = header(&answer, "access-control-expose-headers").unwrap();
    assert!(exposed.contains("etag") && exposed.contains("x-request-id"), "{exposed}");
    // Just this one: no part of it, no other scheme or port, and not whatever asks.
    for origin in [
        "http://pages.example",
        "https://pages.example:444",
        "https://evil-pages.example",
        "https://pages.example.evil",
        "null",
    ] {
        let answer = get(&server, "/health", &[("origin", origin)]).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{origin}");
    }
    let preflight = async |origin: &str| {
        let asked = client().request(Method::OPTIONS, server.url("/api/v5/workspaces")).header("origin", origin);
        let asked = asked.header("access-control-request-method", "POST");
        asked.header("access-control-request-headers", "content-type,x-csrf-token").send().await.unwrap()
    };
    let allowed = preflight(named).await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some(named));
    assert!(header(&allowed, "access-control-allow-methods").unwrap().contains("POST"));
    let headers = header(&allowed, "access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(headers.contains(coditect_protocol::auth::CSRF_HEADER) && headers.contains("if-match"), "{headers}");
    assert_eq!(header(&preflight("https://evil.example").await, "access-control-allow-origin"), None);
    server.stop().await;
}

#[tokio::test]
async fn assets_come_as_small_as_the_browser_understands() {
    let server = server(|_| {}).await;
    let script = "export const answer = 42;\n".repeat(200);
    let file = server.dir.path().join(format!("web{HASHED}"));
    std::fs::write(&file, &script).unwrap();
    // What the build pressed; the server hands it on as it is.
    std::fs::write(file.with_extension("js.br"), b"pressed before").unwrap();
    let mut tags = Vec::new();
    for (accepted, encoding) in [
        ("br, gzip", Some("br")),
        ("gzip", Some("gzip")),
        ("gzip, br;q=0", Some("gzip")),
        ("identity", None),
        ("", None),
    ] {
        let answer = get(&server, HASHED, &[("accept-encoding", accepted)]).await;
        assert_eq!(header(&answer, "content-encoding"), encoding, "{accepted}");
        assert_eq!(header(&answer, "cache-control"), Some(IMMUTABLE), "{accepted}");
        assert!(header(&answer, "content-type").unwrap().contains("javascript"), "{accepted}");
        assert!(header(&answer, "vary").unwrap().to_ascii_lowercase().contains("accept-encoding"), "{accepted}");
        tags.push((encoding, header(&answer, "etag").unwrap().to_owned()));
        let body = answer.bytes().await.unwrap();
        match encoding {
            Some("br") => assert_eq!(&body[..], b"pressed before"),
            Some(_) => assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < script.len(), "{accepted}"),
            None => assert_eq!(&body[..], script.as_bytes(), "{accepted}"),
        }
    }
    for (encoding, tag) in tags {
        let accepted = encoding.unwrap_or("identity");
        let same = get(&server, HASHED, &[("accept-encoding", accepted), ("if-none-match", &tag)]).await;
        assert_eq!((same.status().as_u16(), header(&same, "cache-control")), (304, Some(IMMUTABLE)), "{accepted}");
        assert!(same.bytes().await.unwrap().is_empty());
    }
    let other = get(&server, HASHED, &[("if-none-match", "\"another\"")]).await;
    assert_eq!(other.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn pages_are_asked_for_again_and_answered_in_short() {
    let server = server(|_| {}).await;
    let page = get(&server, "/", &[]).await;
    assert_eq!(header(&page, "cache-control"), Some("no-cache"));
    let tag = header(&page, "etag").unwrap().to_owned();
    assert_eq!(get(&server, "/", &[("if-none-match", &tag)]).await.status(), 304);
    std::fs::write(server.dir.path().join("web/index.html"), "<!doctype html><title>a newer front</title>").unwrap();
    let newer = get(&server, "/", &[("if-none-match", &tag)]).await;
    assert_eq!(newer.status(), 200);
    assert!(newer.text().await.unwrap().contains("a newer front"));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_given_up() {
    // Takes connections, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = UpstreamGiven::new("silent", format!("http://{}/v1", silent.local_addr().unwrap()));
    let server = server(|settings| {
        settings.llm_upstream = vec![upstream];
        settings.request_timeout_seconds = 1;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let late = ada.refused(ada.request("GET", "/llm/models?refresh=true")).await;
    assert_eq!(late, (504, "api.timeout".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn an_access_token_past_its_time_says_so() {
    let server = server(|settings| settings.access_token_seconds = 1).await;
    let ada = server.person("ada@example.org").await;
    let expired = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            tick.tick().await;
            let answer = ada.request("GET", "/auth/me").send().await.unwrap();
            if answer.status() != 200 {
                return refusal(answer).await;
            }
        }
    };
    assert_eq!(timeout(LIMIT, expired).await.unwrap(), (401, "auth.expired_token".to_owned()));
    // The login itself goes on.
    let body = serde_json::json!({ "refresh_token": ada.token.refresh_token });
    let refreshed = ada.http.post(format!("{}/auth/refresh", ada.base)).json(&body).send().await.unwrap();
    assert_eq!(refreshed.status(), 200);
    server.stop().await;
}
