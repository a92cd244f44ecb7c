//! The HTTP side, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::files::{FileStat, FolderListing};
use coditect_protocol::health::{Health, HealthStatus};
use serde_json::json;
use support::{PASSWORD, client, refusal, server};

#[tokio::test]
async fn health_and_headers() {
    let server = server(|_| {}).await;
    for path in ["/health", "/api/v5/health"] {
        let response = client().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(
            response.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("script-src 'self' 'wasm-unsafe-eval'")
        );
        let health: Health = response.json().await.unwrap();
        assert_eq!(health.status, HealthStatus::Ok);
        assert_eq!(health.store.backend, "memory");
    }
    server.stop().await;
}

#[tokio::test]
async fn static_files_are_cached_by_their_hash() {
    let server = server(|_| {}).await;
    let get = async |path: &str| client().get(server.url(path)).send().await.unwrap();
    let asset = get("/assets/index-B1x_9z-Q.js").await;
    assert_eq!(asset.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert!(asset.headers().contains_key("etag"));
    for page in ["/", "/login", "/dashboard"] {
        let page = get(page).await;
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert!(page.text().await.unwrap().contains("front"));
    }
    assert!(get("/theia/?workspace=1").await.text().await.unwrap().contains("ide"));
    assert_eq!(get("/assets/gone-B1x_9z-Q.js").await.status(), 404);
    assert_eq!(get("/theia/../../data/first-login.json").await.status(), 404);
    assert_eq!(get("/%2e%2e/data/first-login.json").await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn register_login_refresh_logout() {
    let server = server(|_| {}).await;
    let ada = server.person("Ada@example.org").await;
    let post = async |path: &str, body: serde_json::Value| {
        ada.http.post(format!("{}{path}", ada.base)).json(&body).send().await.unwrap()
    };

    assert_eq!(
        refusal(post("/auth/register", json!({"email": "ada@EXAMPLE.org", "password": PASSWORD})).await).await.1,
        "auth.login_taken"
    );
    assert_eq!(
        refusal(post("/auth/register", json!({"login": "b@example.org", "password": "short"})).await).await.1,
        "auth.weak_password"
    );
    assert_eq!(
        refusal(post("/auth/register", json!({"login": "no name at all", "password": PASSWORD})).await).await.1,
        "auth.invalid_login"
    );
    assert_eq!(
        refusal(post("/auth/login", json!({"login": "ada@example.org", "password": "wrong password 1"})).await).await,
        (401, "auth.bad_credentials".to_owned())
    );
    assert_eq!(
        refusal(post("/auth/login", json!({"login": "nobody@example.org", "password": PASSWORD})).await).await.1,
        "auth.bad_credentials"
    );
    assert_eq!(refusal(post("/auth/login", json!({"login": "ada@example.org"})).await).await.1, "api.bad_body");
    assert_eq!(
        refusal(post("/auth/login", json!({"login": "a@b.c", "password": "x", "role": "admin"})).await).await.1,
        "api.bad_body"
    );

    let me = ada.request("GET", "/auth/me").send().await.unwrap();
    assert_eq!(me.json::<serde_json::Value>().await.unwrap()["user"]["login"], "Ada@example.org");

    let answer: serde_json::Value =
        post("/auth/refresh", json!({"refresh_token": ada.token.refresh_token})).await.json().await.unwrap();
    assert_ne!(answer["refresh_token"], json!(ada.token.refresh_token));

    assert_eq!(ada.request("POST", "/auth/logout").send().await.unwrap().status(), 204);
    assert_eq!(ada.refused(ada.request("GET", "/auth/me")).await, (401, "auth.session_ended".to_owned()));
    assert_eq!(refusal(post("/auth/refresh", json!({"refresh_token": answer["refresh_token"]})).await).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let good = &ada.token.access_token;
    let parts: Vec<_> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for token in [
        "",
        "x",
        "a.b.c",
        &format!("{none}.{}.", parts[1]),
        &format!("{}.{}.AAAA", parts[0], parts[1]),
        &good[..good.len() - 4],
    ] {
        let response = ada.http.get(format!("{}/auth/me", ada.base)).bearer_auth(token).send().await.unwrap();
        assert_eq!(refusal(response).await.0, 401, "{token}");
    }
    assert_eq!(
        refusal(client().get(server.url("/api/v5/auth/me")).send().await.unwrap()).await,
        (401, "auth.not_logged_in".to_owned())
    );
    server.stop().await;
}

#[tokio::test]
async fn cookies_need_the_csrf_token_and_the_own_site() {
    let server = server(|_| {}).await;
    let http = client();
    let body = json!({"login": "ada@example.org", "password": PASSWORD});
    let register =
        |origin: &'static str| http.post(server.url("/api/v5/auth/register")).header("origin", origin).json(&body);
    assert_eq!(
        refusal(register("https://evil.example").send().await.unwrap()).await,
        (403, "auth.other_site".to_owned())
    );
    let response = http
        .post(server.url("/api/v5/auth/register"))
        .header("origin", server.url(""))
        .json(&body)
        .send()
        .await
        .unwrap();
    let set: Vec<_> =
        response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert_eq!(set.len(), 4);
    for cookie in &set {
        assert!(cookie.contains("SameSite=Strict"), "{cookie}");
        assert_eq!(cookie.contains("HttpOnly"), !cookie.starts_with("coditect_csrf"), "{cookie}");
    }
    let cookies = set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
    let token = set.iter().find_map(|cookie| cookie.strip_prefix("coditect_csrf=")).unwrap().split(';').next().unwrap();
    let create = || {
        http.post(server.url("/api/v5/workspaces"))
            .header("cookie", &cookies)
            .json(&json!({"name": "x", "source": {"type": "empty"}}))
    };
    assert_eq!(
        http.get(server.url("/api/v5/workspaces")).header("cookie", &cookies).send().await.unwrap().status(),
        200
    );
    assert_eq!(refusal(create().send().await.unwrap()).await, (403, "auth.csrf".to_owned()));
    assert_eq!(refusal(support::csrf(create(), "guess").send().await.unwrap()).await.1, "auth.csrf");
    assert_eq!(support::csrf(create(), token).send().await.unwrap().status(), 201);
    server.stop().await;
}

#[tokio::test]
async fn files_as_resources() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let files = format!("/workspaces/{}/files", ada.workspace("Notes").await.id);
    let at = |path: &str| format!("{files}/{path}");

    let created =
        ada.request("PUT", &at("a/b%20c.txt")).header("if-none-match", "*").body("0123456789").send().await.unwrap();
    assert_eq!(created.status(), 201);
    let etag = created.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(created.json::<FileStat>().await.unwrap().size, 10);

    let whole = ada.request("GET", &at("a/b%20c.txt")).send().await.unwrap();
    assert_eq!(whole.headers()["etag"].to_str().unwrap(), etag);
    assert_eq!(whole.headers()["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    let part = ada.request("GET", &at("a/b%20c.txt")).header("range", "bytes=2-4").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 2-4/10"));
    assert_eq!(part.text().await.unwrap(), "234");
    assert_eq!(
        ada.refused(ada.request("GET", &at("a/b%20c.txt")).header("range", "bytes=10-")).await,
        (416, "files.range".to_owned())
    );
    let same = ada.request("GET", &at("a/b%20c.txt")).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(same.status(), 304);
    let head = ada.request("HEAD", &at("a/b%20c.txt")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "10"));

    let listing: FolderListing = ada.request("GET", &at("a")).send().await.unwrap().json().await.unwrap();
    assert_eq!(listing.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["b c.txt"]);
    assert_eq!(
        ada.request("GET", &files).send().await.unwrap().json::<FolderListing>().await.unwrap().entries.len(),
        1
    );

    let changed = ada.request("PUT", &at("a/b%20c.txt")).header("if-match", &etag).body("new").send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_eq!(
        ada.refused(ada.request("PUT", &at("a/b%20c.txt")).header("if-match", &etag).body("newer")).await,
        (412, "files.changed".to_owned())
    );
    assert_eq!(
        ada.refused(ada.request("DELETE", &at("a/b%20c.txt")).header("if-match", &etag)).await,
        (412, "files.changed".to_owned())
    );
    assert_eq!(
        ada.refused(ada.request("PUT", &at("a/b%20c.txt")).header("if-none-match", "*").body("z")).await.1,
        "files.exists"
    );
    assert_eq!(ada.request("DELETE", &at("a/b%20c.txt")).send().await.unwrap().status(), 204);
    assert_eq!(ada.refused(ada.request("GET", &at("a/b%20c.txt"))).await, (404, "files.not_found".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn nothing_outside_the_workspace_is_reached() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("Mine").await;
    let root = server.dir.path().join("data/workspaces").join(workspace.id.to_string()).join("files");
    std::fs::write(server.dir.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../../../../secret", root.join("relative")).unwrap();
    std::os::unix::fs::symlink(server.dir.path(), root.join("absolute")).unwrap();
    let long = "x".repeat(300);
    for path in [
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "%2fetc%2fpasswd",
        "a/%2e%2e/%2e%2e/%2e%2e/secret",
        "a%00b",
        "relative",
        "absolute/secret",
        &long,
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            if method == "DELETE" && path == "relative" {
                continue; // Deletes the link itself, which is the person's own.
            }
            let request =
                ada.request(method, &format!("/workspaces/{}/files/{path}", workspace.id)).body("overwritten");
            let (status, code) = ada.refused(request).await;
            assert!((400..500).contains(&status), "{method} {path}: {status} {code}");
        }
    }
    assert_eq!(std::fs::read_to_string(server.dir.path().join("secret")).unwrap(), "secret");

    let eve = server.person("eve@example.org").await;
    for request in [
        eve.request("GET", &format!("/workspaces/{}", workspace.id)),
        eve.request("DELETE", &format!("/workspaces/{}", workspace.id)),
        eve.request("GET", &format!("/workspaces/{}/files", workspace.id)),
        eve.request("PUT", &format!("/workspaces/{}/files/x", workspace.id)).body("x"),
        eve.request("PATCH", &format!("/workspaces/{}", workspace.id)).json(&json!({"name": "hers"})),
        eve.request("GET", "/workspaces/not-an-id"),
    ] {
        assert_eq!(eve.refused(request).await, (404, "workspace.not_found".to_owned()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_over_the_limit_leaves_the_old_one() {
    let server = server(|settings| settings.files_max_upload_bytes = 1000).await;
    let ada = server.person("ada@example.org").await;
    let path = format!("/workspaces/{}/files/f", ada.workspace("W").await.id);
    ada.request("PUT", &path).body("old").send().await.unwrap();
    assert_eq!(ada.refused(ada.request("PUT", &path).body(vec![0; 1001])).await, (413, "files.too_large".to_owned()));
    let chunks = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![1u8; 100])));
    assert_eq!(
        ada.refused(ada.request("PUT", &path).body(reqwest::Body::wrap_stream(chunks))).await,
        (413, "files.too_large".to_owned())
    );
    assert_eq!(ada.request("GET", &path).send().await.unwrap().text().await.unwrap(), "old");
    server.stop().await;
}

#[tokio::test]
async fn an_occupied_port_is_named() {
    let server = server(|_| {}).await;
    let settings = coditect_api::settings::Settings {
        listen: server.address,
        data: server.dir.path().join("other"),
        store: "memory:".to_owned(),
        ..Default::default()
    };
    let error =
        coditect_api::server::Server::start(settings, tokio_util::sync::CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.code(), "server.address_in_use");
    assert!(error.to_string().contains("--listen"));
    server.stop().await;
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let server = server(|_| {}).await;
    let http = client();
    let code = async |request: reqwest::RequestBuilder| refusal(request.send().await.unwrap()).await;
    assert_eq!(code(http.get(server.url("/api/v5/nothing"))).await, (404, "api.no_such_route".to_owned()));
    assert_eq!(code(http.post(server.url("/api/v5/auth/login")).body("{")).await.1, "api.media_type");
    assert_eq!(
        code(http.post(server.url("/api/v5/auth/login")).header("content-type", "application/json").body("{")).await.1,
        "api.bad_json"
    );
    let huge = "x".repeat(2 * 1024 * 1024);
    assert_eq!(
        code(http.post(server.url("/api/v5/auth/login")).header("content-type", "application/json").body(huge)).await.1,
        "api.too_large"
    );
    server.stop().await;
}

/// As bytes on the socket: clients tidy such paths up before they send them.
#[tokio::test]
async fn raw_dots_in_the_address_lead_nowhere() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    std::fs::write(server.dir.path().join("data/secret"), "secret").unwrap();
    for path in ["../../secret", "a/../../../../secret", "..%2f..%2fsecret", "/etc/passwd", "%00", "%ff"] {
        let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET /api/v5/workspaces/{workspace}/files/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
            ada.token.access_token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(answer.contains("\"code\":"), "{path}: {answer}");
    }
    server.stop().await;
}
