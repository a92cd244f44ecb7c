//! Against scripted upstreams: real HTTP on a port of its own for each.

mod away;
mod chat;
mod clients;
mod failures;
mod faults;
mod fidelity;
mod hostile;
mod keys;
mod list;
mod money;
mod outage;
mod routing;
mod session;
mod settings;
mod streams;
mod vectors;
mod words;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use coditect_dialects::Dialect;
use coditect_metering::{Asker, CallFilter, Metering, MeteringSettings};
use coditect_protocol::auth::Role;
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest, ModelList};
use coditect_protocol::llm::{BudgetState, CallOutcome, CallRecord, CallTokens, KeyOwner, NewModelKey, Policy, Usd};
use coditect_protocol::{Coded as _, ModelKeyId, UserId};
use coditect_store::{MasterKey, Store};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::gateway::{AnswerBody, Call, Conversation};
use crate::history::History;
use crate::keys::ModelKeys;
use crate::{Gateway, LIST_TIMEOUT, LlmError, LlmSettings, ModelServers, Secret, UpstreamSettings};

/// The key of every scripted upstream; no error may show it.
const KEY: &str = "sk-topsecret-0123456789";
/// Long enough that only a real hang is one.
const PATIENCE: Duration = Duration::from_secs(20);
/// A time limit that is meant to be reached.
const SHORT: Duration = Duration::from_millis(60);

/// A question as an upstream saw it.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    bytes: Bytes,
    body: Value,
}

/// A scripted upstream.
struct Script {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// One message for each answer that was dropped before its end.
    dropped: mpsc::UnboundedReceiver<()>,
    serving: AbortHandle,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Tells when the server drops what holds it, that is when the client went.
struct Guard(mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Headers of a scripted answer.
type Headers = &'static [(&'static str, &'static str)];
type Answerer = dyn Fn(Seen, Guard) -> BoxFuture<'static, Response> + Send + Sync;

impl Script {
    async fn start<F, T>(answer: F) -> Self
    where
        F: Fn(Seen, Guard) -> T + Send + Sync + 'static,
        T: Future<Output = Response> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (guard, dropped) = mpsc::unbounded_channel();
        let answer: Arc<Answerer> = Arc::new(move |seen, guard| answer(seen, guard).boxed());
        let log = Arc::clone(&seen);
        let app = axum::Router::new().fallback(move |request: Request| {
            let (answer, log, guard) = (Arc::clone(&answer), Arc::clone(&log), Guard(guard.clone()));
            async move {
                let (head, body) = request.into_parts();
                let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let seen = Seen { path: head.uri.to_string(), headers: head.headers, bytes, body };
                log.lock().unwrap().push(seen.clone());
                answer(seen, guard).await
            }
        });
        let serving = tokio::spawn(async move { axum::serve(listener, app).await }).abort_handle();
        Self { url, seen, dropped, serving }
    }

    /// Answers everything alike.
    async fn always(status: u16, headers: Headers, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::start(move |_, _| std::future::ready(answer(status, headers, Body::from(body.clone())))).await
    }

    /// Streams these pieces to everybody.
    async fn streams(chunks: Vec<Bytes>) -> Self {
        Self::start(move |_, guard| std::future::ready(events(stream::iter(chunks.clone()), guard))).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What it saw beside questions for its models.
    fn asked(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path != "/v1/models").collect()
    }

    /// Waits until the server noticed that a client went.
    async fn client_went(&mut self) {
        tokio::time::timeout(PATIENCE, self.dropped.recv()).await.expect("the upstream request goes on").unwrap();
    }

    fn settings(&self) -> UpstreamSettings {
        UpstreamSettings { api_key: Some(Secret::from(KEY)), ..UpstreamSettings::new("u", &*self.url) }
    }

    fn speaking(&self, dialect: Dialect) -> UpstreamSettings {
        UpstreamSettings { dialects: vec![dialect], ..self.settings() }
    }

    async fn house(&self) -> House {
        house(vec![self.settings()]).await
    }
}

/// An address where nothing listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: Body) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// An event stream of these pieces, each handed to the network on its own.
fn events(chunks: impl Stream<Item = Bytes> + Send + 'static, guard: Guard) -> Response {
    let apart = chunks.then(move |chunk| {
        let _ = &guard;
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(chunk)
        }
    });
    answer(200, &[("content-type", "text/event-stream")], Body::from_stream(apart))
}

/// As [`events`], but the connection breaks after them.
fn broken(chunks: Vec<Bytes>) -> Response {
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("dies"))
    });
    let body = Body::from_stream(stream::iter(chunks).map(Ok).chain(end));
    answer(200, &[("content-type", "text/event-stream")], body)
}

/// As [`events`], and then silence.
fn hanging(chunks: Vec<Bytes>, guard: Guard) -> Response {
    events(stream::iter(chunks).chain(stream::pending()), guard)
}

/// A gateway with everything around it.
struct House {
    store: Store,
    gateway: Gateway,
    stop: CancellationToken,
    books: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.books.abort();
    }
}

async fn house(upstreams: Vec<UpstreamSettings>) -> House {
    House::with_places(settings_of(upstreams), &[], LIST_TIMEOUT).await
}

/// Without model servers beyond these, and without asking again.
fn settings_of(upstreams: Vec<UpstreamSettings>) -> LlmSettings {
    LlmSettings { upstreams, presets: vec![], retries: 0, list_cache: Duration::ZERO, ..LlmSettings::default() }
}

impl House {
    async fn with(settings: LlmSettings) -> Self {
        Self::with_places(settings, &[], LIST_TIMEOUT).await
    }

    async fn with_places(settings: LlmSettings, places: &[(&str, &str)], list_timeout: Duration) -> Self {
        Self::over(Store::open("memory:").await.unwrap(), settings, places, list_timeout).await
    }

    async fn over(store: Store, settings: LlmSettings, places: &[(&str, &str)], list_timeout: Duration) -> Self {
        let servers = ModelServers::with_places(&settings, places, list_timeout).unwrap();
        let master = MasterKey::from_bytes([7; 32]);
        let metering = Metering::open(store.clone(), MeteringSettings::default()).await.unwrap();
        let keys = ModelKeys::open(store.clone(), master.clone());
        let history = History::open(store.clone(), master, 30);
        let gateway = Gateway::new(&settings, &servers, keys, metering, history);
        let stop = CancellationToken::new();
        let books = tokio::spawn(gateway.clone().keep_books(stop.clone()));
        Self { store, gateway, stop, books }
    }

    async fn policy(&self, policy: Value) {
        let policy: Policy = serde_json::from_value(policy).unwrap();
        let metering = self.gateway.metering();
        metering.put_policy(metering.policy().version, policy).await.unwrap();
    }

    /// Adds a key of a model server.
    async fn key(&self, upstream: &str, owner: KeyOwner, key: &str) -> ModelKeyId {
        let (upstream, name) = (upstream.to_owned(), key.to_owned());
        let new = NewModelKey { upstream, name, key: key.to_owned(), weight: 1, owner: None };
        let upstreams = self.gateway.upstreams();
        let names: Vec<&str> = upstreams.iter().map(String::as_str).collect();
        self.gateway.keys().add(owner, new, &names).await.unwrap().id
    }

    async fn list(&self, refresh: bool) -> ModelList {
        self.gateway.list(refresh, user(1), Role::Member).await
    }

    /// Asks, reads everything, and gives both.
    async fn ask(&self, request: ChatRequest) -> (Vec<ChatDelta>, Result<ChatEnd, LlmError>) {
        let (sink, mut source) = mpsc::channel(2);
        let read = async {
            let mut deltas = Vec::new();
            while let Some(delta) = source.recv().await {
                deltas.push(delta);
            }
            deltas
        };
        let chat = self.gateway.chat(asker(), request, sink, CancellationToken::new());
        let both = async { tokio::join!(read, chat) };
        let (deltas, result) = tokio::time::timeout(PATIENCE, both).await.expect("it hangs");
        if let Err(error) = &result {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("topsecret"), "{shown}");
        }
        (deltas, result)
    }

    /// The code of the error that a question ends with.
    async fn code(&self) -> &'static str {
        self.ask(request()).await.1.expect_err("it must fail").code()
    }

    /// Asks a conversation of some dialect, and reads all of the answer.
    async fn converse(&self, conversation: Conversation) -> Answered {
        let all = async { Answered::read(self.gateway.converse(conversation).await).await };
        tokio::time::timeout(PATIENCE, all).await.expect("it hangs")
    }

    /// All is written down and nothing goes on: the records of all calls, the oldest first, and the budgets, of which nothing is held.
    async fn close(mut self) -> Books {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.books).await.expect("the books are not closed").unwrap();
        // As another server sees it: only what the store has counts.
        let metering = Metering::open(self.store.clone(), MeteringSettings::default()).await.unwrap();
        let page = metering.calls(&CallFilter { user: None, from: 0, to: u64::MAX }, None, 1000).await.unwrap();
        let mut calls = page.calls;
        calls.reverse();
        let budgets = metering.budgets_of(&asker()).await.unwrap();
        for budget in &budgets {
            assert_eq!(budget.reserved, Usd::ZERO, "{budget:?}");
            assert!(budget.spent <= budget.limit, "{budget:?}");
        }
        Books { calls, budgets }
    }
}

/// What is left of a gateway.
struct Books {
    calls: Vec<CallRecord>,
    budgets: Vec<BudgetState>,
}

impl Books {
    /// The calls that were refused before anybody was asked are on record and cost nothing; takes them out, and says how many there were.
    fn refused(&mut self, code: &str) -> usize {
        let before = self.calls.len();
        self.calls.retain(|call| {
            let is_refusal = call.outcome == CallOutcome::Refused && call.code.as_deref() == Some(code);
            assert!(!is_refusal || (call.cost == Usd::ZERO && call.tokens == CallTokens::default()), "{call:?}");
            !is_refusal
        });
        before - self.calls.len()
    }

    /// The one call that there was. What it cost is what the budgets lost.
    fn only(self) -> CallRecord {
        let [call] = self.calls.try_into().expect("one record of one call");
        for budget in &self.budgets {
            assert_eq!(budget.spent, call.cost, "{budget:?} {call:?}");
        }
        call
    }
}

/// An answer, as who asked got it.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Answered {
    async fn read(response: http::Response<AnswerBody>) -> Self {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let answered = Self { status: head.status.as_u16(), headers: head.headers, bytes };
        assert!(!format!("{:?} {}", answered.headers, answered.text()).contains("topsecret"), "{answered:?}");
        answered
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("{self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The stable code of a refusal.
    fn code(&self) -> &str {
        self.header("x-coditect-code")
    }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn asker() -> Asker {
    Asker { user: user(1), role: Role::Member, token: None, workspace: None, agent: "test".into(), allowance: None }
}

/// A question of a client that speaks this dialect.
fn conversation(dialect: Dialect, body: impl Into<Bytes>) -> Conversation {
    let call = Call { asker: asker(), headers: HeaderMap::new(), body: body.into() };
    Conversation::new(dialect, call)
}

fn request() -> ChatRequest {
    ChatRequest {
        model: "u/m".to_owned(),
        messages: vec![ChatMessage::User { text: "hello".to_owned(), images: vec![] }],
        tools: vec![],
        max_tokens: None,
        temperature: None,
        workspace: None,
    }
}

fn delta(delta: &Value) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }))
}

fn says(text: &str) -> String {
    delta(&json!({ "content": text }))
}

fn ends(reason: &str) -> String {
    format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [{ "delta": {}, "finish_reason": reason }] }))
}

fn text(deltas: &[ChatDelta]) -> String {
    deltas.iter().map(|delta| if let ChatDelta::Text { text } = delta { text.as_str() } else { "" }).collect()
}

fn header(name: &str, value: &str) -> BTreeMap<String, Secret> {
    BTreeMap::from([(name.to_owned(), Secret::from(value))])
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it never happens");
}

/// Runs a test, and waits until nothing that it began goes on.
async fn leaving_nothing<T>(test: impl Future<Output = T>) -> T {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let out = Box::pin(test).await;
    wait_until(|| alive() <= before).await;
    out
}
