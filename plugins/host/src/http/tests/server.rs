//! A server that answers what a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        super::header(&self.headers, name)
    }
}

type Answering = dyn Fn(&Seen) -> Vec<u8> + Send + Sync;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) certificate: CertificateDer<'static>,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// With TLS, on a free port of an address.
    pub(super) async fn secure(address: &str, answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(TcpListener::bind((address, 0)).await.unwrap(), true, Arc::new(answer))
    }

    /// Without.
    pub(super) async fn plain(address: &str, answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(TcpListener::bind((address, 0)).await.unwrap(), false, Arc::new(answer))
    }

    /// Two with TLS, on the same port of two addresses.
    pub(super) async fn pair(
        addresses: [&str; 2],
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + Clone + 'static,
    ) -> [Self; 2] {
        loop {
            let first = TcpListener::bind((addresses[0], 0)).await.unwrap();
            let port = first.local_addr().unwrap().port();
            if let Ok(second) = TcpListener::bind((addresses[1], port)).await {
                let answer: Arc<Answering> = Arc::new(answer);
                return [Self::start(first, true, answer.clone()), Self::start(second, true, answer)];
            }
        }
    }

    fn start(listener: TcpListener, is_secure: bool, answer: Arc<Answering>) -> Self {
        let names = ["a.test", "b.test", "127.0.0.1", "127.0.0.2", "127.0.0.3"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let tls = is_secure.then(|| TlsAcceptor::from(Arc::new(tls)));
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let address = listener.local_addr().unwrap();
        let (saw, counted) = (seen.clone(), connections.clone());
        let task = tokio::spawn(async move {
            let mut under_way = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (tls, answer, saw) = (tls.clone(), answer.clone(), saw.clone());
                under_way.spawn(async move {
                    match tls {
                        None => talk(socket, &*answer, &saw).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(socket) => talk(socket, &*answer, &saw).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, certificate, seen, connections, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A server that answers one request with what a test says, when it says so.
pub(crate) struct Stream {
    pub(crate) port: u16,
    say: mpsc::UnboundedSender<Vec<u8>>,
    task: AbortOnDropHandle<()>,
}

impl Stream {
    /// Without TLS, on a free port of this machine.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (say, mut said) = mpsc::unbounded_channel::<Vec<u8>>();
        let task = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut input = [0; 4096];
            let asked = socket.read(&mut input).await;
            assert!(asked.is_ok_and(|bytes| bytes > 0), "nothing was asked");
            loop {
                tokio::select! {
                    read = socket.read(&mut input) => match read {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    },
                    said = said.recv() => match said {
                        None => return,
                        Some(said) => {
                            if socket.write_all(&said).await.is_err() {
                                return;
                            }
                        }
                    },
                }
            }
        });
        Self { port, say, task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn say(&self, bytes: impl Into<Vec<u8>>) {
        self.say.send(bytes.into()).unwrap();
    }

    /// Says the head of an answer whose body ends with the connection.
    pub(crate) fn begin(&self, headers: &str) {
        self.say(format!("HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n"));
    }

    /// Ends the connection after all that was said.
    pub(crate) async fn end(self) {
        drop(self.say);
        self.task.await.unwrap();
    }

    /// Waits until the other side has ended the connection.
    pub(crate) async fn until_left(self) {
        tokio::time::timeout(Duration::from_secs(30), self.task).await.expect("the connection stays open").unwrap();
    }
}

/// Answers one request after another. An empty answer keeps the asker waiting.
async fn talk(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answering,
    saw: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let mut input = Vec::new();
    loop {
        let seen = loop {
            if let Some((seen, length)) = parse(&input) {
                input.drain(..length);
                break seen;
            }
            let mut piece = [0; 4096];
            match socket.read(&mut piece).await.ok()? {
                0 => return None,
                length => input.extend_from_slice(&piece[..length]),
            }
        };
        saw.lock().unwrap().push(seen.clone());
        let mut answer = answer(&seen);
        // The answer to HEAD says how long a body would be, and has none.
        if seen.method == "HEAD" {
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
            answer.truncate(head + 4);
        }
        socket.write_all(&answer).await.ok()?;
        socket.flush().await.ok()?;
        if answer.windows(17).any(|part| part == b"connection: close") {
            return socket.shutdown().await.ok();
        }
    }
}

fn parse(input: &[u8]) -> Option<(Seen, usize)> {
    let head = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&input[..head]).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(pair).collect();
    let length = super::header(&headers, "content-length").map_or(0, |length| length.parse().unwrap());
    let body = input.get(head + 4..head + 4 + length)?.to_vec();
    Some((Seen { method, path, headers, body }, head + 4 + length))
}

/// An answer with headers and a body.
pub(super) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}
