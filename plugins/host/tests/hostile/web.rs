//! A host whose answers are hostile, and one where nobody should come by.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Nothing, 64 MiB of it: in one piece, and in pieces that follow each other.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(64));
static PARTS: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(1).repeat(64));

pub(crate) struct Web {
    /// Where what is asked for is answered.
    pub(crate) open_port: u16,
    /// Where nobody should come by.
    pub(crate) closed_port: u16,
    visits: Arc<AtomicUsize>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Web {
    pub(crate) async fn start() -> Self {
        let open = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (open_port, closed_port) = (open.local_addr().unwrap().port(), closed.local_addr().unwrap().port());
        let visits = Arc::new(AtomicUsize::new(0));
        // Packed now, and not while somebody waits.
        for packed in [&BOMB, &PARTS] {
            LazyLock::force(packed);
        }
        // Also as this machine's address of the other kind, where it has one.
        let also = TcpListener::bind(("::1", closed_port)).await.ok();
        let mut tasks = vec![AbortOnDropHandle::new(tokio::spawn(serve(open)))];
        for closed in [Some(closed), also].into_iter().flatten() {
            tasks.push(AbortOnDropHandle::new(tokio::spawn(count(closed, visits.clone()))));
        }
        Self { open_port, closed_port, visits, _tasks: tasks }
    }

    /// How often somebody came by where nobody should.
    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

async fn count(listener: TcpListener, visits: Arc<AtomicUsize>) {
    while listener.accept().await.is_ok() {
        visits.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener) {
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        talks.spawn(talk(socket));
    }
}

/// Answers one request, by its path.
async fn talk(mut socket: TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.trim_start_matches('/');
    if let Some(target) = path.strip_prefix("to/") {
        let answer =
            format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        return socket.write_all(answer.as_bytes()).await.ok();
    }
    match path {
        "again" => socket.write_all(&answer(&["location: /again"], "302 Found", b"")).await.ok()?,
        "bomb" => socket.write_all(&answer(&["content-encoding: gzip"], "200 OK", &BOMB)).await.ok()?,
        "parts" => {
            socket.write_all(&answer(&["content-encoding: gzip"], "200 OK", &PARTS)).await.ok()?;
        }
        "unpacked" => socket.write_all(&answer(&["content-encoding: gzip"], "200 OK", b"plain")).await.ok()?,
        "lie" => socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx").await.ok()?,
        "garbage" => socket.write_all(&[7; 5000]).await.ok()?,
        "headers" => {
            let many: String = (0..2000).map(|number| format!("x-{number}: {}\r\n", "y".repeat(100))).collect();
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n").as_bytes()).await.ok()?;
        }
        "endless" => {
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
            while socket.write_all(&[b'x'; 65_536]).await.is_ok() {}
        }
        "silent" => {
            let _ = socket.read_u8().await;
        }
        _ => socket.write_all(&answer(&[], "200 OK", b"good")).await.ok()?,
    }
    socket.shutdown().await.ok()
}

fn answer(headers: &[&str], status: &str, body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let mut out = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    out.reserve(body.len());
    [out.as_bytes(), body].concat()
}

/// So many megabytes of nothing.
pub(crate) fn gzip(mib: usize) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&vec![0; mib << 20]).unwrap();
    packer.finish().unwrap()
}
