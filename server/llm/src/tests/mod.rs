//! Against scripted upstreams: real HTTP on a port of its own for each.

mod chat;
mod failures;
mod list;
mod settings;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use coditect_protocol::{
    Coded,
    chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest},
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{LIST_TIMEOUT, LlmError, LlmSettings, Models, Secret, UpstreamSettings};

/// The key of every scripted upstream; no error may show it.
const KEY: &str = "sk-topsecret-0123456789";
/// Long enough that only a real hang is one.
const PATIENCE: Duration = Duration::from_secs(20);

/// A question as an upstream saw it.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: Value,
}

/// A scripted upstream.
struct Script {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// One message for each answer that was dropped before its end.
    dropped: mpsc::UnboundedReceiver<()>,
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
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let seen = Seen { path: head.uri.to_string(), headers: head.headers, body };
                log.lock().unwrap().push(seen.clone());
                answer(seen, guard).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen, dropped }
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

    /// Waits until the server noticed that a client went.
    async fn client_went(&mut self) {
        tokio::time::timeout(PATIENCE, self.dropped.recv()).await.expect("the upstream request goes on").unwrap();
    }

    fn settings(&self) -> UpstreamSettings {
        UpstreamSettings { api_key: Some(Secret::from(KEY)), ..UpstreamSettings::new("u", &*self.url) }
    }

    fn models(&self) -> Models {
        models(vec![self.settings()])
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

fn models(upstreams: Vec<UpstreamSettings>) -> Models {
    with_places(upstreams, &[])
}

fn with_places(upstreams: Vec<UpstreamSettings>, places: &[(&str, &str)]) -> Models {
    let settings = LlmSettings { upstreams, list_cache: Duration::ZERO, ..LlmSettings::default() };
    Models::with_places(settings, places, LIST_TIMEOUT).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest {
        model: "u/m".to_owned(),
        messages: vec![ChatMessage::User { text: "hello".to_owned(), images: vec![] }],
        tools: vec![],
        max_tokens: None,
        temperature: None,
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

/// Asks, reads everything, and gives both.
async fn ask(models: &Models, request: ChatRequest) -> (Vec<ChatDelta>, Result<ChatEnd, LlmError>) {
    let (sink, mut source) = mpsc::channel(2);
    let read = async {
        let mut deltas = Vec::new();
        while let Some(delta) = source.recv().await {
            deltas.push(delta);
        }
        deltas
    };
    let chat = models.chat(request, sink, CancellationToken::new());
    let (deltas, result) = tokio::time::timeout(PATIENCE, async { tokio::join!(read, chat) }).await.expect("it hangs");
    if let Err(error) = &result {
        assert!(!error.to_string().contains("topsecret") && !format!("{error:?}").contains("topsecret"), "{error:?}");
    }
    (deltas, result)
}

/// The code of the error that a question ends with.
async fn code(models: &Models) -> &'static str {
    ask(models, request()).await.1.expect_err("it must fail").code()
}

fn text(deltas: &[ChatDelta]) -> String {
    deltas.iter().map(|delta| if let ChatDelta::Text { text } = delta { text.as_str() } else { "" }).collect()
}

fn header(name: &str, value: &str) -> BTreeMap<String, Secret> {
    BTreeMap::from([(name.to_owned(), Secret::from(value))])
}
