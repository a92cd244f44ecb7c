//! A whole server on a port of its own, and a page that speaks its link.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

pub mod plugins;
pub mod programs;
pub mod roaming;
pub mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use coditect_api::AppState;
use coditect_api::server::{Server, StoreSource};
use coditect_api::settings::{Discover, Settings};
use coditect_protocol::auth::{CSRF_HEADER, SessionInfo, TokenMade};
use coditect_protocol::call::{ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::link::{Frame, Hello, Resume, Session, Welcome};
use coditect_protocol::workspace::{CreateWorkspace, Workspace, WorkspaceSource, WorkspaceState};
use coditect_protocol::{PROTOCOL_VERSION, Problem};
use coditect_store::Store;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// Longest a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(20);
pub const PASSWORD: &str = "violet teapot 9 marches";

pub struct TestServer {
    pub address: SocketAddr,
    pub state: AppState,
    pub dir: tempfile::TempDir,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

pub async fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    let (settings, dir) = settings(change);
    let stop = CancellationToken::new();
    let server = Server::start(settings, stop.clone()).await.unwrap();
    running(server, dir, stop)
}

/// A server of its own over a store that others use as well; they share the master key.
pub async fn server_over(store: &Store, master_key: &Path, change: impl FnOnce(&mut Settings)) -> TestServer {
    let (mut settings, dir) = settings(change);
    settings.master_key_file = master_key.to_owned();
    let stop = CancellationToken::new();
    let server = Server::start_with(settings, StoreSource::opened(store.clone()), stop.clone()).await.unwrap();
    running(server, dir, stop)
}

fn running(server: Server, dir: tempfile::TempDir, stop: CancellationToken) -> TestServer {
    let (address, state) = (server.address().unwrap(), server.state().unwrap().clone());
    let running = tokio::spawn(async move { server.run().await.unwrap() });
    TestServer { address, state, dir, stop, running }
}

/// Settings of a server with a directory of its own.
pub fn settings(change: impl FnOnce(&mut Settings)) -> (Settings, tempfile::TempDir) {
    programs::build();
    let dir = tempfile::tempdir().unwrap();
    let web = dir.path().join("web");
    let theia = dir.path().join("theia");
    std::fs::create_dir_all(web.join("assets")).unwrap();
    std::fs::create_dir_all(&theia).unwrap();
    std::fs::write(web.join("index.html"), "<!doctype html><title>front</title>").unwrap();
    std::fs::write(web.join("assets/index-B1x_9z-Q.js"), "export const answer = 42;").unwrap();
    std::fs::write(theia.join("index.html"), "<!doctype html><title>ide</title>").unwrap();
    let mut settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: dir.path().join("data"),
        store: "memory:".to_owned(),
        web_dir: web,
        theia_dir: theia,
        llm_discover: Discover::Off,
        // What a test runs ends with its server.
        terminal_keep_minutes: 0,
        ..Settings::default()
    };
    change(&mut settings);
    (settings, dir)
}

/// Waits for something that the server does by itself.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !holds() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("it never became so");
}

/// A client without cookies or proxies.
pub fn client() -> reqwest::Client {
    // The second test of a process finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl TestServer {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Tells it to stop, as a signal would.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.running).await.unwrap().unwrap();
    }

    pub async fn person(&self, login: &str) -> Person {
        Person::register(&self.url("/api/v5"), login).await
    }

    /// One more login of somebody who has registered.
    pub async fn log_in(&self, login: &str, password: &str) -> Person {
        let response = self.try_log_in(login, password).await;
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        Person { http: client(), base: self.url("/api/v5"), token: response.json().await.unwrap() }
    }

    pub async fn try_log_in(&self, login: &str, password: &str) -> reqwest::Response {
        let body = serde_json::json!({ "login": login, "password": password });
        self.post("/auth/login", &body).await
    }

    /// Posts without a login.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> reqwest::Response {
        client().post(self.url(&format!("/api/v5{path}"))).json(body).send().await.unwrap()
    }

    /// The description of the API.
    pub async fn description(&self) -> serde_json::Value {
        client().get(self.url("/api/v5/openapi.json")).send().await.unwrap().json().await.unwrap()
    }
}

/// What a program gets of a login.
#[derive(Clone, serde::Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub session: SessionInfo,
}

/// Somebody with a bearer token.
pub struct Person {
    pub http: reqwest::Client,
    pub base: String,
    pub token: Tokens,
}

impl Person {
    /// A new account of the server whose API is at this address.
    pub async fn register(base: &str, login: &str) -> Self {
        let http = client();
        let body = serde_json::json!({ "login": login, "password": PASSWORD });
        let response = http.post(format!("{base}/auth/register")).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201, "{:?}", response.text().await);
        Self { http, base: base.to_owned(), token: response.json().await.unwrap() }
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token.access_token)
    }

    /// Sends a body and takes the answer, which must be good.
    pub async fn ask<T: serde::de::DeserializeOwned>(&self, method: &str, path: &str, body: serde_json::Value) -> T {
        let request = self.request(method, path);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status}: {text}");
        serde_json::from_str(if text.is_empty() { "null" } else { &text }).unwrap()
    }

    /// Sends a body that must be refused; status and code.
    pub async fn refused_to(&self, method: &str, path: &str, body: serde_json::Value) -> (u16, String) {
        let request = self.request(method, path);
        self.refused(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// The same person with a personal access token.
    pub async fn with_token(&self, scopes: &[&str]) -> Self {
        let body = serde_json::json!({ "name": "test", "scopes": scopes, "expires_in_days": 1, "password": PASSWORD });
        let made: TokenMade = self.ask("POST", "/auth/tokens", body).await;
        let token = Tokens { access_token: made.token, ..self.token.clone() };
        Self { http: self.http.clone(), base: self.base.clone(), token }
    }

    /// Status and code of an answer that must be a problem.
    pub async fn refused(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        refusal(request.send().await.unwrap()).await
    }

    pub async fn workspace(&self, name: &str) -> Workspace {
        let create = CreateWorkspace { name: Some(name.to_owned()), source: WorkspaceSource::Empty };
        let response = self.request("POST", "/workspaces").json(&create).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let workspace: Workspace = response.json().await.unwrap();
        assert_eq!(workspace.state, WorkspaceState::Ready);
        workspace
    }

    pub async fn page(&self) -> Page {
        Page::open(&self.base, &self.token.access_token).await
    }
}

pub async fn refusal(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    // The doors of the gateway tell refusals in the words of who asks.
    if let Some(code) = response.headers().get("x-coditect-code") {
        assert!(response.headers().contains_key("x-request-id"));
        return (status, code.to_str().unwrap().to_owned());
    }
    let text = response.text().await.unwrap();
    let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status}: {error}: {text}"));
    assert!(problem.kind.status() == status || status == 405, "{status}: {text}");
    assert!(problem.request_id.is_some());
    (status, problem.code)
}

pub fn csrf(request: reqwest::RequestBuilder, token: &str) -> reqwest::RequestBuilder {
    request.header(CSRF_HEADER, token)
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One page's end of the link, by hand.
pub struct Page {
    base: String,
    token: String,
    socket: Option<Socket>,
    session: Session,
    pub welcome: Welcome,
    next_call: u32,
}

pub async fn connect(
    base: &str,
    token: &str,
    origin: Option<&str>,
) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("{}/ws", base.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
}

impl Page {
    pub async fn open(base: &str, token: &str) -> Self {
        let mut socket = connect(base, token, None).await.unwrap();
        let welcome = hello(&mut socket, None).await;
        assert!(!welcome.resumed);
        Self {
            base: base.to_owned(),
            token: token.to_owned(),
            socket: Some(socket),
            session: Session::new(),
            welcome,
            next_call: 1,
        }
    }

    /// The network goes away without a word.
    pub fn cut(&mut self) {
        self.socket = None;
    }

    /// Goes on with another credential.
    pub fn use_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// Comes back; answers whether the link was still there.
    pub async fn come_back(&mut self) -> bool {
        let mut socket = connect(&self.base, &self.token, None).await.unwrap();
        let resume = Resume { link: self.welcome.link, received: self.session.received() };
        self.welcome = hello(&mut socket, Some(resume)).await;
        if self.welcome.resumed {
            let again: Vec<_> = self.session.resume(self.welcome.received).unwrap().collect();
            for frame in again {
                socket.send(Message::Binary(frame)).await.unwrap();
            }
        } else {
            self.session = Session::new();
        }
        self.socket = Some(socket);
        self.welcome.resumed
    }

    /// Numbers a message, and sends it where there is a socket.
    pub async fn send(&mut self, message: &ClientMessage) {
        let frame = self.session.send(message).unwrap();
        if let Some(socket) = &mut self.socket {
            let _ = socket.send(Message::Binary(frame)).await;
        }
    }

    pub async fn send_raw(&mut self, bytes: &'static [u8]) {
        self.socket.as_mut().unwrap().send(Message::Binary(Bytes::from_static(bytes))).await.unwrap();
    }

    pub async fn send_frame(&mut self, frame: Bytes) {
        // A server that cuts off in the middle tells why all the same.
        let _ = self.socket.as_mut().unwrap().send(Message::Binary(frame)).await;
    }

    /// The page goes on without it.
    pub fn take_socket(&mut self) -> Socket {
        self.socket.take().unwrap()
    }

    pub async fn begin(&mut self, request: Request) -> u32 {
        let id = self.next_call;
        self.next_call += 1;
        self.send(&ClientMessage::Call { id, request: Box::new(request) }).await;
        id
    }

    /// The next message; `None` when the socket ended, the problem where the server said good-bye.
    pub async fn next(&mut self) -> Result<Option<ServerMessage>, Problem> {
        loop {
            let socket = self.socket.as_mut().expect("the page is away");
            let message = tokio::time::timeout(LIMIT, socket.next()).await.expect("nothing came");
            let bytes = match message {
                Some(Ok(Message::Binary(bytes))) => bytes,
                // The server asks after a page that is quiet for long; the library answers.
                Some(Ok(Message::Ping(_))) => continue,
                _ => return Ok(None),
            };
            match Frame::decode(&bytes).unwrap() {
                Frame::Data { seq, body } => {
                    if let Some(message) = self.session.receive(seq, &body).unwrap() {
                        return Ok(Some(message));
                    }
                }
                Frame::Ack { seq } => self.session.acknowledged(seq).unwrap(),
                Frame::Bye(problem) => return Err(problem),
                Frame::Pong { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The problem with which the server takes leave; what else comes before is dropped.
    pub async fn farewell(&mut self) -> Problem {
        loop {
            match self.next().await {
                Ok(message) => assert!(message.is_some(), "the socket ended without a word"),
                Err(problem) => return problem,
            }
        }
    }

    pub async fn acknowledge(&mut self) {
        if let Some(ack) = self.session.take_ack() {
            self.socket.as_mut().unwrap().send(Message::Binary(ack.encode().unwrap())).await.unwrap();
        }
    }

    /// Items and outcome of one call; everything else that comes meanwhile is dropped.
    pub async fn finish(&mut self, call: u32) -> (Vec<Item>, Result<Reply, Problem>) {
        let mut items = Vec::new();
        loop {
            match self.next().await.unwrap().expect("the socket ended") {
                ServerMessage::Item { id, item } if id == call => {
                    self.send(&ClientMessage::Credit { id, bytes: item.cost() }).await;
                    items.push(item);
                }
                ServerMessage::End { id, outcome } if id == call => return (items, outcome),
                _ => {}
            }
            self.acknowledge().await;
        }
    }

    pub async fn call(&mut self, request: Request) -> Result<Reply, Problem> {
        let id = self.begin(request).await;
        self.finish(id).await.1
    }
}

async fn hello(socket: &mut Socket, resume: Option<Resume>) -> Welcome {
    let hello = Frame::Hello(Hello { protocol: PROTOCOL_VERSION, resume, user: None });
    socket.send(Message::Binary(hello.encode().unwrap())).await.unwrap();
    let Some(Ok(Message::Binary(bytes))) = socket.next().await else { panic!("no welcome") };
    match Frame::decode(&bytes).unwrap() {
        Frame::Welcome(welcome) => welcome,
        other => panic!("{other:?}"),
    }
}
