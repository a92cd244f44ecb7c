//! A server on this machine, for plugins that fetch something.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::locked;
use crate::error::HarnessError;

/// The most of a request's body that is kept, in bytes.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Status of an answer that cannot be written as the test has it, and of requests without an answer.
const BROKEN: u16 = 500;
const NOT_FOUND: u16 = 404;

/// What the server answers to a kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// `GET`, `POST` …
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSeen {
    /// `GET`, `POST` …
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

/// A server that answers by a list; it ends when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<HttpSeen>>>,
    _stop: DropGuard,
}

impl TestServer {
    /// Starts it at a free port of this machine alone. What no answer is for is answered with 404.
    pub async fn start(answers: Vec<HttpAnswer>) -> Result<Self, HarnessError> {
        let io = || HarnessError::io("127.0.0.1");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io())?;
        let address = listener.local_addr().map_err(io())?;
        let (stop, seen) = (CancellationToken::new(), Arc::default());
        let served = Served { answers: Arc::new(answers), seen: Arc::clone(&seen) };
        tokio::spawn(serve(listener, served, stop.clone()));
        Ok(Self { address, seen, _stop: stop.drop_guard() })
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<HttpSeen> {
        locked(&self.seen).clone()
    }
}

#[derive(Clone)]
struct Served {
    answers: Arc<Vec<HttpAnswer>>,
    seen: Arc<Mutex<Vec<HttpSeen>>>,
}

async fn serve(listener: TcpListener, served: Served, stop: CancellationToken) {
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        let (served, stop) = (served.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(served.clone(), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // Whoever goes away early is missed by nobody.
            let _ = stop.run_until_cancelled(connection).await;
        });
    }
}

async fn answer(served: Served, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map(Collected::to_bytes).unwrap_or_default();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = head.headers.iter().map(header).collect();
    let seen = HttpSeen { method: head.method.to_string(), path, headers, body: body.to_vec() };
    let found = served.answers.iter().find(|answer| answer.method == seen.method && answer.path == seen.path);
    let response = found.map_or_else(not_found, written);
    locked(&served.seen).push(seen);
    Ok(response)
}

fn written(answer: &HttpAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(Bytes::from(answer.body.clone())))
        .unwrap_or_else(|_| plain(BROKEN, "The test's answer is malformed."))
}

fn not_found() -> Response<Full<Bytes>> {
    plain(NOT_FOUND, "The test has no answer to this.")
}

fn plain(status: u16, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}
