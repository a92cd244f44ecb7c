//! HTTP to one model server: questions, the bodies of answers, and connections that are used again.
//!
//! A connection is driven by whoever uses it: while a question is answered, its task reads and writes the socket itself, and nobody has
//! to be woken in between. An unused connection is driven by nobody; that its other end gave it up is noticed when it is taken out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use crate::scrub::shorten;

/// How long an unused connection is kept, so that the next question needs no handshake.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most unused connections kept for one upstream.
const MAX_IDLE: usize = 256;
/// Most pieces of an answer that nobody wants any more which are read so that the connection can be used again.
const MAX_LEFT_OVER: usize = 4;
/// Longest wait that an upstream may ask for: a day. More is a mistake of its clock.
const MAX_RETRY_AFTER_SECONDS: u64 = 24 * 60 * 60;

type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Nobody is there, or not in time.
    Unreachable(String),
    /// Somebody is there, and what they say is not HTTP or breaks off before the answer began.
    Broken(String),
}

/// The connections to one model server. Redirects are not followed and no proxy of the environment is used, so that its headers are
/// sent nowhere else.
#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
    connect_timeout: Duration,
    idle: Arc<Idle>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}

/// One connection, and what drives it.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Connection<TokioIo<Socket>, Full<Bytes>>>>,
    /// It answered before.
    is_used: bool,
}

impl Link {
    /// Reads and writes what can be read and written now; whether the connection has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        self.driver.as_mut().poll(cx).is_ready()
    }

    /// Whether another question can be put.
    fn is_idle(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        !self.drive(&mut nobody) && self.sender.is_ready()
    }
}

/// Connections that wait for a question, the latest last.
#[derive(Default)]
struct Idle {
    links: Mutex<VecDeque<(Instant, Link)>>,
    /// A task closes those that nobody uses for long.
    is_looked_after: AtomicBool,
    /// Nobody can put a question any more.
    gone: CancellationToken,
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Link)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Link> {
        loop {
            let (since, mut link) = self.lock().pop_back()?;
            if since.elapsed() < IDLE_TIMEOUT && link.is_idle() {
                return Some(link);
            }
        }
    }

    fn give_back(self: &Arc<Self>, mut link: Link) {
        if !link.is_idle() {
            return;
        }
        link.is_used = true;
        let mut links = self.lock();
        if links.len() < MAX_IDLE {
            links.push_back((Instant::now(), link));
        }
        drop(links);
        if !self.is_looked_after.swap(true, Ordering::Relaxed) {
            let (idle, gone) = (Arc::downgrade(self), self.gone.clone());
            tokio::spawn(async move { gone.run_until_cancelled(Self::look_after(idle)).await });
        }
    }

    /// Closes what nobody used for long, until there is nothing left.
    async fn look_after(idle: std::sync::Weak<Self>) {
        loop {
            sleep(IDLE_TIMEOUT).await;
            let Some(idle) = idle.upgrade() else { return };
            let mut links = idle.lock();
            links.retain_mut(|(since, link)| since.elapsed() < IDLE_TIMEOUT && link.is_idle());
            if links.is_empty() {
                // Whoever gives one back from now on sees to it anew.
                idle.is_looked_after.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

impl Client {
    pub(crate) fn new(tls: ClientConfig, connect_timeout: Duration) -> Self {
        Self { tls: TlsConnector::from(Arc::new(tls)), connect_timeout, idle: Arc::default() }
    }

    /// Asks, until the head of the answer is there. A connection that was used before and ends before anything came is most often one
    /// that the upstream had given up meanwhile: then the question is put once more, on a new one.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Reply>, Unanswered> {
        let request = || {
            let mut request = Request::new(Full::new(body.clone()));
            // To a server itself, only the path is said; the rest is the header `Host`.
            let target =
                uri.path_and_query().and_then(|target| Uri::try_from(target.as_str()).ok()).unwrap_or_default();
            (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
                (method.clone(), target, headers.clone());
            if let Some(host) = uri.authority().and_then(|authority| authority.as_str().parse().ok()) {
                request.headers_mut().insert(header::HOST, host);
            }
            request
        };
        if let Some(link) = self.idle.take() {
            match self.ask(link, request()).await {
                Err(error) if was_given_up(&error) => {}
                answered => return answered.map_err(|error| broken(&error)),
            }
        }
        let link = timeout(self.connect_timeout, self.connect(&uri)).await;
        let link =
            link.map_err(|_| Unanswered::Unreachable("it did not accept the connection in time".to_owned()))??;
        self.ask(link, request()).await.map_err(|error| broken(&error))
    }

    async fn ask(&self, mut link: Link, request: Request<Full<Bytes>>) -> Result<Response<Reply>, hyper::Error> {
        let mut answer = std::pin::pin!(link.sender.send_request(request));
        let mut has_ended = false;
        let driver = &mut link.driver;
        let response = poll_fn(|cx| {
            if !has_ended {
                has_ended = driver.as_mut().poll(cx).is_ready();
            }
            answer.as_mut().poll(cx)
        });
        let response = response.await?;
        let link = (!has_ended).then_some(link);
        Ok(response.map(|body| Reply { body, link, idle: self.idle.clone() }))
    }

    async fn connect(&self, uri: &Uri) -> Result<Link, Unanswered> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let unreachable = |error: io::Error| Unanswered::Unreachable(why(&error));
        let tcp = TcpStream::connect((host, port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let socket = if is_secure {
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| Unanswered::Unreachable("its host has no valid name".to_owned()))?;
            Either::Right(self.tls.connect(name, tcp).await.map_err(unreachable)?)
        } else {
            Either::Left(tcp)
        };
        let (sender, driver) = handshake(TokioIo::new(socket)).await.map_err(|error| broken(&error))?;
        Ok(Link { sender, driver: Box::pin(driver), is_used: false })
    }
}

/// The body of an answer. Dropped before its end, it closes the connection.
pub(crate) struct Reply {
    body: Incoming,
    link: Option<Link>,
    idle: Arc<Idle>,
}

impl Reply {
    /// The end came: the connection is free.
    fn ended(&mut self) {
        if let Some(link) = self.link.take() {
            self.idle.give_back(link);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(link) = &mut this.link
        {
            // The body has said that it wants more; what there is of it is read now.
            if link.drive(cx) {
                this.link = None;
            }
            polled = Pin::new(&mut this.body).poll_frame(cx);
        }
        let frame = ready!(polled);
        if frame.is_none() {
            this.ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Whoever saw the mark of the end does not wait for the end itself, which most often is here already.
        let mut nobody = Context::from_waker(Waker::noop());
        for _ in 0..MAX_LEFT_OVER {
            match Pin::new(&mut *self).poll_frame(&mut nobody) {
                Poll::Ready(Some(Ok(_))) => {}
                _ => return,
            }
        }
    }
}

/// The body, but not more than `most` bytes of it; whatever came until `deadline` or until it broke off.
pub(crate) async fn read_beginning(body: &mut Reply, most: usize, deadline: Instant) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let Some(data) = frame.data_ref() else { continue };
        let room = most - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read.len() == most {
            break;
        }
    }
    read
}

/// The whole body, or nothing when it is larger than `most` bytes or breaks off.
pub(crate) async fn read_whole(body: &mut Reply, most: usize) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.ok()?;
        let Some(data) = frame.data_ref() else { continue };
        if read.len() + data.len() > most {
            return None;
        }
        read.extend_from_slice(data);
    }
    Some(read)
}

/// Seconds that an upstream wants to be left alone, rounded up.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |value: &str, unit: f64| {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
        Some((number * unit).ceil() as u64)
    };
    let exact = text("retry-after-ms").and_then(|value| seconds(value, 0.001));
    let until = |value: &str| {
        let at = httpdate::parse_http_date(value).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64().ceil())
    };
    let plain = || {
        let value = text("retry-after")?;
        seconds(value, 1.0).or_else(|| until(value).and_then(|number| seconds(&number.to_string(), 1.0)))
    };
    exact.or_else(plain).map(|seconds| seconds.min(MAX_RETRY_AFTER_SECONDS))
}

/// Whether a connection was closed before the head of an answer came.
fn was_given_up(error: &hyper::Error) -> bool {
    let closed = [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe];
    let is_closed = |error: &io::Error| closed.contains(&error.kind());
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || cause(error).is_some_and(is_closed)
}

fn cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if let Some(error) = found.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = found.source();
    }
    None
}

fn broken(error: &hyper::Error) -> Unanswered {
    let reason = cause(error).map_or_else(|| shorten(&error.to_string()), why);
    Unanswered::Broken(format!("it did not answer in HTTP ({reason})"))
}

/// A network error in a few words, without the address, which may carry a secret in its query.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::TimedOut => "it did not accept the connection in time".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => shorten(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("retry-after", "7"), Some(7));
        assert_eq!(wait("retry-after", " 0.2 "), Some(1));
        assert_eq!(wait("retry-after-ms", "1500"), Some(2));
        assert_eq!(wait("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        assert!((28..=31).contains(&wait("retry-after", &soon).unwrap()));
        assert_eq!(wait("retry-after", "1e300"), Some(MAX_RETRY_AFTER_SECONDS));
        for bad in ["-1", "NaN", "inf", "soon", ""] {
            assert_eq!(wait("retry-after", bad), None, "{bad}");
        }
    }
}
