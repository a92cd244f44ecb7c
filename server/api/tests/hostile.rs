//! Clients that mean harm, or behave as if they did.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::SocketAddr;

use coditect_api::settings::{Discover, UpstreamGiven};
use coditect_protocol::PROTOCOL_VERSION;
use coditect_protocol::call::{ClientMessage, Item, Request, ServerMessage};
use coditect_protocol::chat::{ChatMessage, ChatRequest};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::health::{Health, HealthStatus};
use coditect_protocol::link::{Frame, Hello, LinkError, Resume};
use coditect_protocol::path::RelPath;
use coditect_protocol::search::FindFiles;
use coditect_protocol::terminal::TerminalSpec;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use support::{LIMIT, PASSWORD, Page, TestServer, client, connect, refusal, server, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Sends bytes as they are, and reads to the end of the connection.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, socket.read_to_end(&mut answer)).await.expect("the connection stays open").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(server: &TestServer, path: &str, headers: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    raw(server.address, head.as_bytes()).await
}

#[tokio::test]
async fn names_pointed_at_this_machine_lead_nowhere() {
    let server = server(|settings| settings.allowed_hosts = vec!["ide.example".to_owned()]).await;
    for path in ["/", "/api/v5/health", "/theia/", "/api/v5/auth/me"] {
        let answer = get(&server, path, "host: evil.example:80\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("api.unknown_host"), "{path}: {answer}");
    }
    for host in ["ide.example", "localhost:1", "127.0.0.1", "[::1]:8700"] {
        let answer = get(&server, "/health", &format!("host: {host}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn ambiguous_requests_are_not_taken() {
    let server = server(|_| {}).await;
    let post = "POST /api/v5/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    for odd in [
        "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "content-length: +5\r\n\r\nhello",
        "content-length: 5\r\ntransfer-encoding: gzip\r\n\r\nhello",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "x-a: b\r\n folded: c\r\n\r\n",
        "x-a\0: b\r\n\r\n",
    ] {
        let answer = raw(server.address, format!("{post}{odd}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{odd:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{odd:?}: {answer}");
    }
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert!(get(&server, "/health", &format!("host: localhost\r\n{many}")).await.starts_with("HTTP/1.1 431"));
    let long = "x".repeat(200_000);
    assert!(get(&server, "/health", &format!("host: localhost\r\nx: {long}\r\n")).await.starts_with("HTTP/1.1 431"));
    server.stop().await;
}

#[tokio::test]
async fn paths_of_static_files_lead_nowhere_else() {
    let server = server(|_| {}).await;
    std::fs::write(server.dir.path().join("secret"), "the treasure").unwrap();
    for path in [
        "//assets",
        "//assets/",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/assets/..%2f..%2fsecret",
        "/%252e%252e/secret",
        "/..%5csecret",
        "/%00.js",
        "/assets/%00",
        "/theia/%2e%2e/%2e%2e/secret",
        "/theia/..%2f..%2fsecret",
        "/theia//..%2fsecret",
        "/%ff%fe.js",
    ] {
        let answer = get(&server, path, "host: localhost\r\n").await;
        // What may be a page of the front is answered with the front, whatever it is called.
        assert!(answer.starts_with("HTTP/1.1 4") || answer.contains("<title>front"), "{path}: {answer}");
        assert!(!answer.contains("treasure") && !answer.contains("location: "), "{path}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn request_ids_are_taken_over_only_when_plain() {
    let server = server(|_| {}).await;
    let id_of = async |id: &[u8]| {
        let mut head = b"GET /health HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\nx-request-id: ".to_vec();
        head.extend_from_slice(id);
        head.extend_from_slice(b"\r\n\r\n");
        let answer = raw(server.address, &head).await;
        let line = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        line.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert_eq!(id_of(b"abc-123").await, "abc-123");
    for odd in [&b""[..], b"a b", b"<script>", b"a\xffb", &[b'a'; 65]] {
        let id = id_of(odd).await;
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
    }
    server.stop().await;
}

#[tokio::test]
async fn unreadable_conditions_overwrite_nothing() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let path = format!("/workspaces/{}/files/f", ada.workspace("W").await.id);
    ada.request("PUT", &path).body("old").send().await.unwrap();
    for (name, value) in [("if-match", &b"\"\xff\""[..]), ("if-match", b""), ("if-none-match", b"\"x\"")] {
        for method in ["PUT", "DELETE"] {
            if method == "DELETE" && name == "if-none-match" {
                continue; // Has no meaning there.
            }
            let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
            let (status, _) = ada.refused(ada.request(method, &path).header(name, value).body("new")).await;
            assert!([400, 412].contains(&status), "{method} {name}: {status}");
        }
    }
    let whole = ada.request("GET", &path).send().await.unwrap();
    let etag = whole.headers()["etag"].clone();
    assert_eq!(whole.text().await.unwrap(), "old");
    let same = ada.request("GET", &path).header("if-none-match", etag).send().await.unwrap();
    assert_eq!((same.status().as_u16(), same.headers()["cache-control"].to_str().unwrap()), (304, "private, no-cache"));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let server = server(|settings| settings.header_timeout_seconds = 1).await;
    let answer = raw(server.address, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    assert!(!answer.contains("200"), "{answer}");
    // Nor is a connection kept on which nothing is asked.
    raw(server.address, b"").await;
    until(|| server.state.connections_count() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn an_upload_that_stands_still_ends_and_leaves_nothing() {
    let server = server(|settings| settings.client_idle_seconds = 1).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let head = |path: &str| {
        format!(
            "{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\nsome",
            ada.token.access_token
        )
    };
    let file = raw(server.address, head(&format!("PUT /api/v5/workspaces/{workspace}/files/f")).as_bytes()).await;
    assert!(file.starts_with("HTTP/1.1 4") && file.contains("files.interrupted"), "{file}");
    let archive = "POST /api/v5/workspaces/upload?name=A&file_name=a.zip";
    let archive = raw(server.address, head(archive).as_bytes()).await;
    assert!(archive.starts_with("HTTP/1.1 4") && archive.contains("\"code\""), "{archive}");
    let root = server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files");
    until(|| std::fs::read_dir(&root).unwrap().next().is_none()).await;
    let list: Vec<serde_json::Value> = ada.request("GET", "/workspaces").send().await.unwrap().json().await.unwrap();
    assert_eq!(list.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn who_takes_nothing_is_let_go() {
    let server = server(|settings| settings.client_idle_seconds = 1).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let root = server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files");
    // More than the buffers of both ends' systems hold.
    std::fs::File::create(root.join("big")).unwrap().set_len(1 << 30).unwrap();
    drop(ada.http);
    until(|| server.state.connections_count() == 0).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET /api/v5/workspaces/{workspace}/files/big HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        ada.token.access_token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    until(|| server.state.connections_count() == 1).await;
    until(|| server.state.connections_count() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let server = server(|settings| settings.max_connections = 2).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    until(|| server.state.connections_count() == 2).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    {
        let mut reading = std::pin::pin!(third.read_to_string(&mut answer));
        assert!(futures_util::poll!(&mut reading).is_pending());
        drop(first);
        timeout(LIMIT, reading).await.unwrap().unwrap();
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_load_balancer_sees_the_end_coming() {
    let server = server(|settings| settings.drain_grace_seconds = 1).await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    server.begin_stop();
    let response = client().get(server.url("/health")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.json::<Health>().await.unwrap().status, HealthStatus::Draining);
    // What is open goes on meanwhile; what is new goes elsewhere.
    page.call(Request::Session).await.unwrap();
    assert!(connect(&ada.base, &ada.token.access_token, None).await.is_err());
    assert!(page.next().await.unwrap().is_none());
    server.stop().await;
}

#[tokio::test]
async fn answers_with_tokens_are_not_compressed_and_tls_is_remembered() {
    let server = server(|settings| settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    // An answer is long enough with a long address.
    let email = format!("{}@{}.example.org", "a".repeat(60), "b.".repeat(90).trim_end_matches('.'));
    let body = json!({"email": email, "password": PASSWORD});
    let post = |path: &str| {
        client()
            .post(server.url(&format!("/api/v5{path}")))
            .header("accept-encoding", "br, gzip")
            .header("x-forwarded-proto", "https")
            .json(&body)
    };
    for path in ["/auth/register", "/auth/login"] {
        let response = post(path).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        assert!(!response.headers().contains_key("content-encoding"));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
        assert_eq!(response.headers()["cache-control"], "no-store");
        for cookie in response.headers().get_all("set-cookie") {
            assert!(cookie.to_str().unwrap().contains("; Secure"), "{cookie:?}");
        }
        assert!(response.bytes().await.unwrap().len() > 1024);
    }
    // A page that came without TLS is not the site that the browser speaks to with it.
    let plain = post("/auth/login").header("origin", server.url("")).send().await.unwrap();
    assert_eq!(refusal(plain).await, (403, "auth.other_site".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_a_proxy_unless_named() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let response = client().get(server.url("/health")).header("x-forwarded-proto", "https").send().await.unwrap();
    assert!(!response.headers().contains_key("strict-transport-security"));
    // A made-up address for each attempt does not help: they are counted where they come from.
    let mut codes = Vec::new();
    for n in 0..12 {
        let body = json!({"email": "ada@example.org", "password": "a wrong password"});
        let attempt = ada.http.post(format!("{}/auth/login", ada.base)).header("x-forwarded-for", format!("9.9.9.{n}"));
        codes.push(ada.refused(attempt.json(&body)).await.1);
    }
    assert_eq!(codes.last().unwrap(), "auth.too_many_attempts");
    server.stop().await;
}

#[tokio::test]
async fn data_are_never_below_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let settings = coditect_api::settings::Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: dir.path().join("web/data"),
        web_dir: dir.path().join("web"),
        store: "memory:".to_owned(),
        llm_discover: Discover::Off,
        ..Default::default()
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let error = coditect_api::server::Server::start(settings, stop).await.err().unwrap();
    assert_eq!(error.code(), "config.bad_value");
}

fn hello(resume: Option<Resume>) -> Message {
    Message::Binary(Frame::Hello(Hello { protocol: PROTOCOL_VERSION, resume, user: None }).encode().unwrap())
}

/// The problem with which the server takes leave; `None` where the socket just ends.
async fn farewell(socket: &mut support::Socket) -> Option<String> {
    loop {
        match timeout(LIMIT, socket.next()).await.expect("nothing came") {
            Some(Ok(Message::Binary(bytes))) => match Frame::decode(&bytes).unwrap() {
                Frame::Bye(problem) => return Some(problem.code),
                Frame::Welcome(_) => panic!("welcome"),
                _ => {}
            },
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn before_the_hello_little_is_taken() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let mut socket = connect(&ada.base, &ada.token.access_token, None).await.unwrap();
    // The beginning of a message of 60 MB, of which the rest never comes.
    let mut beginning = vec![0x82, 0xff];
    beginning.extend(60_000_000_u64.to_be_bytes());
    beginning.extend(vec![0; 1_000_000]);
    let stream = socket.get_mut();
    let _ = stream.write_all(&beginning).await;
    // Sooner than the time for a hello is over.
    let ended = timeout(std::time::Duration::from_secs(5), farewell(&mut socket)).await.expect("it is taken");
    assert!(ended.is_none_or(|code| code == "link.no_hello"));
    let mut socket = connect(&ada.base, &ada.token.access_token, None).await.unwrap();
    socket.send(Message::Binary(Frame::Ping { nonce: 1 }.encode().unwrap())).await.unwrap();
    assert_eq!(farewell(&mut socket).await.as_deref(), Some("link.no_hello"));
    assert_eq!(server.state.links_count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn resuming_what_never_was_gives_a_new_link() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    page.call(Request::Session).await.unwrap();
    for received in [2, u64::MAX - 1, u64::MAX] {
        let mut socket = connect(&ada.base, &ada.token.access_token, None).await.unwrap();
        socket.send(hello(Some(Resume { link: page.welcome.link, received }))).await.unwrap();
        let Some(Ok(Message::Binary(bytes))) = socket.next().await else { panic!() };
        let Frame::Welcome(welcome) = Frame::decode(&bytes).unwrap() else { panic!() };
        assert!(!welcome.resumed && welcome.link != page.welcome.link && welcome.received == 0);
    }
    // The link itself is none the worse for it, and forgets nothing that was not acknowledged.
    page.call(Request::Session).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_second_socket_takes_over_and_the_first_ends() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    page.call(Request::Session).await.unwrap();
    let mut first = page.take_socket();
    assert!(page.come_back().await);
    assert_eq!(farewell(&mut first).await, None);
    let id = page.begin(Request::Session).await;
    page.finish(id).await.1.unwrap();
    assert_eq!(server.state.links_count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_takes_do_not_pile_up() {
    let server = server(|settings| {
        settings.link_buffer_bytes = 64 * 1024;
        settings.link_max_calls = 16;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    let flood = async {
        // Each is answered, none is acknowledged.
        for _ in 0..20_000 {
            page.begin(Request::Session).await;
        }
        loop {
            match page.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(problem) => return Some(problem.code),
            }
        }
    };
    let ended = timeout(LIMIT, flood).await.expect("it goes on for ever");
    assert!(ended.is_none_or(|code| code == "link.too_many_calls"));
    until(|| server.state.links_count() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn calls_count_until_their_answer_is_on_its_way() {
    let server = server(|settings| {
        settings.link_buffer_bytes = 4 * 1024;
        settings.link_max_calls = 4;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    // Answers are read and never acknowledged. Once the buffer is full they wait, and so do the calls.
    let refused = async {
        loop {
            page.begin(Request::Session).await;
            match timeout(std::time::Duration::from_millis(200), page.next()).await {
                Ok(Ok(Some(ServerMessage::End { outcome: Err(problem), .. }))) => return problem.code,
                Ok(Ok(Some(_))) | Err(_) => {}
                Ok(ended) => panic!("{ended:?}"),
            }
        }
    };
    assert_eq!(timeout(LIMIT, refused).await.expect("answers pile up"), "link.too_many_calls");
    page.acknowledge().await;
    // What waited comes, and then there is room again.
    for _ in 0..4 {
        assert!(matches!(page.next().await.unwrap().unwrap(), ServerMessage::End { outcome: Ok(_), .. }));
    }
    page.acknowledge().await;
    page.call(Request::Session).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn calls_that_are_too_large_together_wait_and_then_all_are_done() {
    let server = server(|settings| settings.link_content_bytes = 64 * 1024).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let mut under_way = Vec::new();
    for n in 0..20 {
        let place = Place { root: Root::Workspace(workspace), path: RelPath::parse(&format!("f{n}")).unwrap() };
        let content = vec![n; 200_000];
        under_way.push(page.begin(Request::WriteFile { place, content, mode: WriteMode::CreateNew }).await);
    }
    while !under_way.is_empty() {
        let Some(ServerMessage::End { id, outcome }) = page.next().await.unwrap() else { panic!() };
        outcome.unwrap();
        under_way.retain(|call| *call != id);
    }
    server.stop().await;
}

#[tokio::test]
async fn one_number_for_two_calls_ends_the_link() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let id = page.begin(Request::Watch { root: Root::Workspace(workspace) }).await;
    page.send(&ClientMessage::Call { id, request: Box::new(Request::Session) }).await;
    assert_eq!(page.farewell().await.code, "link.call_in_use");
    server.stop().await;
}

#[tokio::test]
async fn nonsense_ends_the_link_and_nothing_else() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    // Arrays within arrays, deeper than any stack.
    let deep = vec![0x91; 1_000_000];
    // Says that it holds more than there is memory.
    let empty_promise = b"\xdd\xff\xff\xff\xff".to_vec();
    // What is no file has no reason to be so large, and may take many times as much memory.
    let query = FindFiles { pattern: "x".repeat(17 * 1024 * 1024), ..FindFiles::default() };
    let workspace = coditect_protocol::WorkspaceId(uuid::Uuid::nil());
    let call = ClientMessage::Call { id: 1, request: Box::new(Request::FindFiles { workspace, query }) };
    let bomb = rmp_serde::to_vec_named(&call).unwrap();
    for body in [deep, empty_promise, bomb, b"\xc1".to_vec(), Vec::new()] {
        let mut page = ada.page().await;
        let frame = Frame::Data { seq: 1, body: body.into() }.encode().unwrap();
        page.send_frame(frame).await;
        let code = page.next().await.unwrap_err().code;
        assert!(["link.malformed_message", "link.malformed_frame"].contains(&code.as_str()), "{code}");
    }
    let mut page = ada.page().await;
    page.send_frame(Frame::Ack { seq: 7 }.encode().unwrap()).await;
    let expected = LinkError::AckBeyond { sent: 0, got: 7 };
    assert_eq!(page.next().await.unwrap_err().code, coditect_protocol::Coded::code(&expected));
    ada.page().await.call(Request::Session).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn links_are_counted_for_the_person_over_all_logins() {
    let server = server(|settings| settings.links_per_person = 2).await;
    let ada = server.person("ada@example.org").await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let again = ada.http.post(format!("{}/auth/login", ada.base)).json(&body).send().await.unwrap();
    let token = again.json::<serde_json::Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let mut first = ada.page().await;
    let _second = ada.page().await;
    let mut third = connect(&ada.base, &token, None).await.unwrap();
    third.send(hello(None)).await.unwrap();
    assert_eq!(farewell(&mut third).await.as_deref(), Some("link.too_many"));
    // One whose page is away makes room.
    first.cut();
    let opened = async {
        loop {
            let mut socket = connect(&ada.base, &token, None).await.unwrap();
            socket.send(hello(None)).await.unwrap();
            if let Some(Ok(Message::Binary(bytes))) = socket.next().await
                && matches!(Frame::decode(&bytes), Ok(Frame::Welcome(_)))
            {
                return;
            }
        }
    };
    timeout(LIMIT, opened).await.unwrap();
    // Somebody else is not concerned.
    server.person("eve@example.org").await.page().await;
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_does_not_come_back_is_forgotten() {
    let server = server(|settings| settings.link_keep_seconds = 0).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    page.begin(Request::Watch { root: Root::Workspace(workspace) }).await;
    page.call(Request::Session).await.unwrap();
    page.cut();
    until(|| server.state.links_count() == 0).await;
    assert!(!page.come_back().await);
    until(|| server.state.watchers.watched_trees() == 0).await;
    server.stop().await;
}

/// A model server that says one word and then waits for the end of the connection.
async fn talkative_upstream() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 64 * 1024];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        let word = r#"data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        socket.write_all(format!("{head}{word}\n\n").as_bytes()).await.unwrap();
        while socket.read(&mut request).await.is_ok_and(|count| count > 0) {}
    });
    (url, serving)
}

#[tokio::test]
async fn logging_out_ends_what_is_under_way() {
    let (base_url, upstream) = talkative_upstream().await;
    let given = UpstreamGiven::new("fake", base_url);
    let server = server(|settings| {
        settings.llm_upstream = vec![given];
        settings.sandbox = "none".to_owned();
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    page.begin(Request::Watch { root: Root::Workspace(workspace) }).await;
    let chat = ChatRequest {
        model: "fake/any".to_owned(),
        messages: vec![ChatMessage::User { text: "Hi".to_owned(), images: Vec::new() }],
        tools: Vec::new(),
        max_tokens: None,
        temperature: None,
        workspace: None,
    };
    page.begin(Request::Chat(chat)).await;
    loop {
        match page.next().await.unwrap().unwrap() {
            ServerMessage::Item { item: Item::Delta(_), .. } => break,
            ServerMessage::End { outcome, .. } => panic!("{outcome:?}"),
            ServerMessage::Item { .. } => {}
        }
    }
    ada.request("POST", "/auth/logout").send().await.unwrap();
    timeout(LIMIT, upstream).await.expect("the model is still asked").unwrap();
    until(|| server.state.watchers.watched_trees() == 0).await;
    assert_eq!(page.farewell().await.code, "auth.session_ended");
    let mut again = connect(&ada.base, &ada.token.access_token, None).await;
    assert!(again.is_err(), "{:?}", again.as_mut().map(|_| ()));
    server.stop().await;
}

#[tokio::test]
async fn a_login_ended_elsewhere_ends_its_pages() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    // Not by way of the route, which would end the links itself: as another server of the same store would.
    server.state.auth.logout(ada.token.session.session_id, &coditect_auth::Device::default()).await.unwrap();
    assert_eq!(page.next().await.unwrap_err().code, "auth.session_ended");
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_workspace_leaves_no_terminal() {
    let server = server(|settings| settings.sandbox = "none".to_owned()).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    page.call(Request::CreateTerminal { workspace, spec: TerminalSpec::default() }).await.unwrap();
    let user = ada.token.session.user.id;
    // The client goes away at once.
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "DELETE /api/v5/workspaces/{workspace} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        ada.token.access_token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    // It may be gone before it was heard; then it is said again.
    let gone = async {
        loop {
            if server.state.workspaces.get(user, workspace).await.is_err() {
                return;
            }
            ada.request("DELETE", &format!("/workspaces/{workspace}")).send().await.unwrap();
        }
    };
    timeout(LIMIT, gone).await.unwrap();
    let ended = async { while !server.state.terminals.list(user, workspace).await.unwrap().is_empty() {} };
    timeout(LIMIT, ended).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn pages_of_one_login_are_no_others() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let page = ada.page().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let again = ada.http.post(format!("{}/auth/login", ada.base)).json(&body).send().await.unwrap();
    let token = again.json::<serde_json::Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let mut other = Page::open(&ada.base, &token).await;
    other.welcome = page.welcome.clone();
    other.cut();
    assert!(!other.come_back().await);
    server.stop().await;
}
