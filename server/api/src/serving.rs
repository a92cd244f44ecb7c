//! Takes connections and speaks HTTP/1.1 on each, for as long as the client keeps to the limits.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::connection::{Connection, Intake};
use crate::settings::Settings;

/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 100;
/// Pause after the system refused to give a connection out, because it has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client may take, and how many there may be.
#[derive(Clone)]
pub(crate) struct Limits {
    head: Duration,
    idle: Duration,
    connections: usize,
    places: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            head: Duration::from_secs(settings.header_timeout_seconds),
            idle: Duration::from_secs(settings.client_idle_seconds),
            connections: settings.max_connections,
            places: Arc::new(Semaphore::new(settings.max_connections)),
        }
    }

    /// Connections there are now, WebSockets included.
    pub(crate) fn connections(&self) -> usize {
        self.connections - self.places.available_permits()
    }
}

/// Serves until `closing` is cancelled, then lets the requests under way finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, closing: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES);
    let conversations = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = accept(&listener, &limits.places) => accepted,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let intake = Arc::new(Intake::default());
        let service = TowerToHyperService::new(service(&router, address, &intake));
        let io = TokioIo::new(Connection::new(stream, intake, limits.idle, place));
        let connection = http.serve_connection(io, service).with_upgrades();
        let closing = closing.clone();
        conversations.spawn(async move {
            let mut connection = pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                tracing::trace!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    conversations.close();
    conversations.wait().await;
}

/// The next connection, once there is a place for it; nothing where it was gone again.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Nobody else takes places: the one that is free now is free when somebody comes.
    drop(places.acquire().await.ok()?);
    match listener.accept().await {
        Ok((stream, address)) => {
            let place = places.clone().try_acquire_owned().ok()?;
            // Small frames of terminals and chats must not wait for company.
            let _ = stream.set_nodelay(true);
            Some((stream, address, place))
        }
        Err(error) => {
            let gone = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
            if !gone.contains(&error.kind()) {
                tracing::error!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}

/// The routes for one connection: they learn who it is from.
fn service(
    router: &Router,
    address: SocketAddr,
    intake: &Arc<Intake>,
) -> impl tower::Service<Request<Incoming>, Response = axum::response::Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let intake = intake.clone();
    router.clone().map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.extensions_mut().insert(intake.clone());
        request.map(Body::new)
    })
}
