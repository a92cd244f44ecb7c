//! As much of HTTP/1.1 as both ends of the measurement need: messages one after the other over a connection that is kept.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BytesMut};
use httparse::{EMPTY_HEADER, Header, Status};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Room for what is read at once, in bytes.
const ROOM: usize = 16 * 1024;
/// Largest message that is taken, in bytes: none of the measurement is near it.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_HEADERS: usize = 64;
/// Status of an answer without a body.
const NO_CONTENT: u16 = 204;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// What is read of a request's head.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) path: String,
    pub(crate) framing: Framing,
}

/// What is read of an answer's head.
#[derive(Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// The other end closes the connection behind this answer.
    pub(crate) closes: bool,
}

/// A head of a certain kind, from its bytes: nothing while it is not whole, otherwise how long it is.
type Parse<T> = fn(&[u8]) -> Result<Option<(usize, T)>>;

/// One connection, and what was read of it and not used yet.
pub(crate) struct Connection {
    stream: TcpStream,
    read: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::with_capacity(ROOM) })
    }

    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Self::new(TcpStream::connect(address).await.with_context(|| format!("no connection to {address}"))?)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// The next request's head; nothing where the other end closed the connection instead.
    pub(crate) async fn request(&mut self) -> Result<Option<RequestHead>> {
        self.head(request).await
    }

    pub(crate) async fn answer(&mut self) -> Result<AnswerHead> {
        self.head(answer).await?.context("the connection was closed instead of an answer")
    }

    async fn head<T>(&mut self, parse: Parse<T>) -> Result<Option<T>> {
        loop {
            if let Some((length, head)) = parse(&self.read)? {
                self.read.advance(length);
                return Ok(Some(head));
            }
            let was_empty = self.read.is_empty();
            if !self.more().await? {
                return if was_empty { Ok(None) } else { bail!("the connection was closed within a head") };
            }
        }
    }

    /// Reads a body into `whole`, which is emptied before; `each` sees it whenever it has grown.
    pub(crate) async fn body(
        &mut self,
        framing: Framing,
        whole: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<()> {
        whole.clear();
        loop {
            let before = whole.len();
            let ended = match framing {
                Framing::Length(length) => {
                    let taken = self.read.len().min(length - whole.len());
                    whole.extend_from_slice(&self.read[..taken]);
                    self.read.advance(taken);
                    whole.len() == length
                }
                Framing::Chunked => {
                    let (used, ended) = chunks(&self.read, whole)?;
                    self.read.advance(used);
                    ended
                }
            };
            if whole.len() > before {
                each(whole);
            }
            if ended {
                return Ok(());
            }
            if whole.len() > MAX_BYTES || !self.more().await? {
                bail!("the answer ended early, after {} bytes of its body", whole.len());
            }
        }
    }

    /// Reads more; false where the other end closed.
    async fn more(&mut self) -> Result<bool> {
        if self.read.len() > MAX_BYTES {
            bail!("a message has more than {MAX_BYTES} bytes");
        }
        self.read.reserve(ROOM);
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }
}

/// Status and body of the answer to one request, over a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut connection = Connection::open(address).await?;
    connection.write(request).await?;
    let head = connection.answer().await?;
    let mut body = Vec::new();
    connection.body(head.framing, &mut body, |_| ()).await?;
    Ok((head.status, body))
}

/// A request in the form in which it is sent.
pub(crate) fn bytes(method: &str, path: &str, authorization: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = authorization.map_or_else(String::new, |value| format!("authorization: {value}\r\n"));
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{authorization}accept: */*\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn request(bytes: &[u8]) -> Result<Option<(usize, RequestHead)>> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let Status::Complete(length) = parsed.parse(bytes)? else { return Ok(None) };
    let path = parsed.path.unwrap_or_default().to_owned();
    let framing = framing(parsed.headers)?.unwrap_or(Framing::Length(0));
    Ok(Some((length, RequestHead { path, framing })))
}

fn answer(bytes: &[u8]) -> Result<Option<(usize, AnswerHead)>> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let Status::Complete(length) = parsed.parse(bytes)? else { return Ok(None) };
    let status = parsed.code.unwrap_or_default();
    let framing = match framing(parsed.headers)? {
        Some(framing) => framing,
        None if status == NO_CONTENT => Framing::Length(0),
        None => bail!("the answer does not say where it ends"),
    };
    let closes = value(parsed.headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    Ok(Some((length, AnswerHead { status, framing, closes })))
}

fn framing(headers: &[Header<'_>]) -> Result<Option<Framing>> {
    if value(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        return Ok(Some(Framing::Chunked));
    }
    let Some(length) = value(headers, "content-length") else { return Ok(None) };
    let length = std::str::from_utf8(length)?.trim().parse()?;
    if length > MAX_BYTES {
        bail!("a body of {length} bytes");
    }
    Ok(Some(Framing::Length(length)))
}

fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Takes the whole chunks from the front of `bytes`: how many bytes they are with what is around them, and whether the last was among them.
fn chunks(bytes: &[u8], whole: &mut Vec<u8>) -> Result<(usize, bool)> {
    const END: &[u8] = b"\r\n";
    let mut used = 0;
    loop {
        let rest = &bytes[used..];
        let size = httparse::parse_chunk_size(rest).ok().context("a chunk without a size")?;
        let Status::Complete((begin, size)) = size else { return Ok((used, false)) };
        if size == 0 {
            // Behind it come trailers, which end with an empty line, as a head does.
            let trailers = &rest[begin - END.len()..];
            let end = memmem::find(trailers, b"\r\n\r\n").map(|at| used + begin + at + END.len());
            return Ok((end.unwrap_or(used), end.is_some()));
        }
        let end = begin + usize::try_from(size)?;
        if rest.len() < end + END.len() {
            return Ok((used, false));
        }
        whole.extend_from_slice(&rest[begin..end]);
        used += end + END.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_taken_when_they_are_whole_wherever_the_bytes_are_cut() {
        let sent = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-trailer: 1\r\n\r\nHTTP";
        for cut in 0..=sent.len() {
            let mut whole = Vec::new();
            let (used, ended) = chunks(&sent[..cut], &mut whole).unwrap();
            let (more, ended) = if ended { (0, true) } else { chunks(&sent[used..], &mut whole).unwrap() };
            assert!(ended && whole == b"abcde" && &sent[used + more..] == b"HTTP", "cut at {cut}");
        }
        assert!(chunks(b"xyz\r\n", &mut Vec::new()).is_err());
    }

    #[test]
    fn an_answer_says_where_it_ends() {
        let (length, head) =
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc").unwrap().unwrap();
        assert_eq!((length, head.status, head.framing, head.closes), (57, 200, Framing::Length(3), true));
        assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
        assert!(answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().1.framing, Framing::Length(0));
        assert!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n").is_err());
    }
}
