//! Requests to named hosts. Capability `http` with those hosts.
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Release { tag: String }
//!
//! # let answer = |_: &http::Request| Ok(http::Response { status: 200, headers: vec![], body: br#"{"tag":"v2"}"#.to_vec() });
//! # let _host = testing::Host::new().http(answer).enter();
//! let newest: Release = http::get("https://example.org/newest").header("accept", "application/json").send()?.ok()?.json()?;
//! assert_eq!(newest.tag, "v2");
//! # Ok::<(), Error>(())
//! ```
//!
//! What comes over time is opened and read as it comes:
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! # let answer = |_: &http::Request| Ok(http::Response { status: 200, headers: vec![], body: b"one\r\ntwo\n".to_vec() });
//! # let host = testing::Host::new().http(answer).enter();
//! for line in http::get("https://example.org/events").open()?.ok()?.lines() {
//!     log::info!("{}", line?);
//! }
//! # assert_eq!(host.log().iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(), ["one", "two"]);
//! # Ok::<(), Error>(())
//! ```

use std::io::{self, Read};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::coditect::plugin::http::{Request, Response};
use crate::error::{Error, Result};
use crate::host::http as host;

/// As long as may be.
const NO_TIMEOUT: u32 = 0;
/// Longest line that is read of an exchange, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;
/// Largest body that is taken whole, in bytes.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Most characters of a body that an error repeats.
const TOLD_CHARACTERS: usize = 200;

/// A `GET` of an address.
#[must_use]
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `POST` to an address.
#[must_use]
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

impl Request {
    /// Any of `GET`, `HEAD`, `POST`, `PUT`, `PATCH` and `DELETE`.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout_ms: NO_TIMEOUT }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With bytes.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// With a value as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// With another time than the longest there is: that of the whole exchange where it is sent, at most thirty seconds; that until the
    /// head of the answer, and between two pieces, where it is opened, at most two minutes each.
    #[must_use]
    pub fn timeout(mut self, most: Duration) -> Self {
        self.timeout_ms = u32::try_from(most.as_millis()).unwrap_or(u32::MAX).max(1);
        self
    }

    /// Sends it. Every answer is one here, also one with status 404: see [`Response::ok`].
    pub fn send(&self) -> Result<Response> {
        host::send(self).map_err(Error::from_wire)
    }

    /// Sends it, and waits for the head of the answer alone: its body is read as it comes. At most eight of a call are open at a time.
    pub fn open(&self) -> Result<Exchange> {
        let exchange = host::open(self).map_err(Error::from_wire)?;
        let (status, headers) = (exchange.status(), exchange.headers());
        Ok(Exchange { status, headers, body: Body { exchange: Some(exchange), piece: Vec::new(), read: 0 } })
    }
}

/// Opens a request: [`Request::open`].
pub fn open(request: &Request) -> Result<Exchange> {
    request.open()
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// An answer whose body is still to come. Dropping it ends the exchange.
#[derive(Debug)]
pub struct Exchange {
    /// As in [`Response`].
    pub status: u16,
    /// As in [`Response`].
    pub headers: Vec<(String, String)>,
    body: Body,
}

impl Exchange {
    /// A header by its name, in upper or lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// This, where the status is 200 to 299; else the error of [`Response::ok`], with the beginning of the body.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.whole()?.status_error()) }
    }

    /// Its body, piece by piece as it comes, at most 64 KiB each and 16 MiB in all. What follows an error is nothing.
    #[must_use]
    pub fn pieces(self) -> Body {
        self.body
    }

    /// Its body line by line, without what ends them: `\n` or `\r\n`. `limit` for a line of more than 1 MiB, `invalid` where it is not
    /// UTF-8; what follows an error is nothing.
    #[must_use]
    pub fn lines(self) -> Lines {
        Lines { body: Some(self.body), open: Vec::new(), read: 0 }
    }

    /// The whole answer; `limit` where its body is larger than 4 MiB, as with [`Request::send`].
    pub fn whole(self) -> Result<Response> {
        let mut body = Vec::new();
        for piece in self.body {
            body.extend(piece?);
            if body.len() > MAX_BODY_BYTES {
                return Err(Error::Limit(format!("the answer has more than {} MiB", MAX_BODY_BYTES >> 20)));
            }
        }
        Ok(Response { status: self.status, headers: self.headers, body })
    }
}

/// A body that comes piece by piece: an iterator of the pieces, or a [`Read`].
#[derive(Debug)]
pub struct Body {
    exchange: Option<host::Exchange>,
    /// The piece that [`Read`] reads, and how far it did.
    piece: Vec<u8>,
    read: usize,
}

impl Iterator for Body {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read < self.piece.len() {
            let rest = self.piece.split_off(self.read);
            self.piece.clear();
            self.read = 0;
            return Some(Ok(rest));
        }
        let next = self.exchange.as_ref()?.read().map_err(Error::from_wire).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.exchange = None;
        }
        next
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            match self.next() {
                None => return Ok(0),
                Some(piece) => {
                    self.piece = piece.map_err(|error| io::Error::other(error.to_string()))?;
                    self.read = 0;
                }
            }
        }
        let bytes = (&self.piece[self.read..]).read(buffer)?;
        self.read += bytes;
        Ok(bytes)
    }
}

/// Lines of a body as they come.
#[derive(Debug)]
pub struct Lines {
    body: Option<Body>,
    /// What came and was not told, and how much of it.
    open: Vec<u8>,
    read: usize,
}

impl Lines {
    /// Whether the next line is there already: what is gathered until it is not is not held up by anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.open[self.read..].contains(&b'\n')
    }

    /// Where the next line ends, once that came.
    fn ready(&mut self) -> Result<Option<usize>> {
        let mut searched = self.read;
        loop {
            if let Some(end) = self.open[searched..].iter().position(|&byte| byte == b'\n') {
                return Ok(Some(searched + end));
            }
            self.open.drain(..self.read);
            self.read = 0;
            searched = self.open.len();
            if searched > MAX_LINE_BYTES {
                return Err(Error::Limit(format!("a line of the answer has more than {} MiB", MAX_LINE_BYTES >> 20)));
            }
            match self.body.as_mut().and_then(Iterator::next) {
                None => return Ok(None),
                Some(piece) => self.open.extend(piece?),
            }
        }
    }

    /// The next line; whether what is behind the last end of a line is one is known at the end.
    fn line(&mut self) -> Result<Option<String>> {
        let (end, next) = match self.ready()? {
            Some(end) => (end, end + 1),
            None if self.open.is_empty() => return Ok(None),
            None => (self.open.len(), self.open.len()),
        };
        let line = &self.open[self.read..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| Error::invalid("the answer is not UTF-8"))?.to_owned();
        self.read = next;
        Ok(Some(line))
    }
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.line().transpose();
        if matches!(line, Some(Err(_))) {
            (self.body, self.open, self.read) = (None, Vec::new(), 0);
        }
        line
    }
}

impl Response {
    /// This, where the status is 200 to 299; else an error with the status and the beginning of the body: `not-found` for 404,
    /// `unavailable` for 429 and from 500 on.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.status_error()) }
    }

    fn status_error(&self) -> Error {
        let body = String::from_utf8_lossy(&self.body);
        let told: String = body.trim().chars().take(TOLD_CHARACTERS).collect();
        let text = format!("the server answered with status {}: {told}", self.status);
        match self.status {
            404 => Error::NotFound(text),
            429 | 500.. => Error::Unavailable(text),
            _ => Error::Failed(text),
        }
    }

    /// A header by its name, in upper or lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text; `invalid` where it is not UTF-8.
    pub fn text(self) -> Result<String> {
        String::from_utf8(self.body).map_err(|_| Error::invalid("the answer is not UTF-8"))
    }

    /// The body as JSON; `invalid` where it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Invalid(format!("the answer cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_bad_status_is_an_error_of_its_kind() {
        let of = |status| Response { status, headers: vec![], body: b" no ".to_vec() }.ok().err();
        assert_eq!(of(204), None);
        assert_eq!(of(404), Some(Error::not_found("the server answered with status 404: no")));
        assert!(matches!(of(503), Some(Error::Unavailable(_))));
        assert!(matches!(of(301), Some(Error::Failed(_))));
    }

    #[test]
    fn headers_are_found_in_any_case_and_times_bounded() {
        let response = Response { status: 200, headers: vec![("Content-Type".into(), "x".into())], body: vec![] };
        assert_eq!(response.header("content-type"), Some("x"));
        assert_eq!(get("").timeout_ms, NO_TIMEOUT);
        assert_eq!(get("").timeout(Duration::MAX).timeout_ms, u32::MAX);
        assert_eq!(get("").timeout(Duration::ZERO).timeout_ms, 1, "none is not as long as may be");
        assert_eq!(get("").timeout(Duration::from_secs(2)).timeout_ms, 2000);
    }

    /// A host whose answer comes in these pieces.
    fn host(status: u16, pieces: &[&[u8]], fails: Option<Error>) -> testing::Entered {
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let streamed = move |_: &Request| {
            let streamed = testing::Streamed::new(status, pieces.clone());
            Ok(fails.clone().into_iter().fold(streamed, testing::Streamed::then))
        };
        testing::Host::new().stream(streamed).enter()
    }

    #[test]
    fn lines_are_told_however_they_are_cut() {
        let _host = host(200, &[b"on", b"e\r", b"\ntw\xc3", b"\xb6\n\n", b"thr", b"ee"], None);
        let lines: Result<Vec<String>> = get("").open().unwrap().lines().collect();
        assert_eq!(lines.unwrap(), ["one", "twö", "", "three"]);
        let mut lines = get("").open().unwrap().lines();
        let ready: Vec<bool> = std::iter::from_fn(|| lines.next().map(|_| lines.is_ready())).collect();
        assert_eq!(ready, [false, true, false, false]);
        let mut text = String::new();
        get("").open().unwrap().pieces().read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\r\ntwö\n\nthree");
    }

    #[test]
    fn pieces_follow_what_was_read() {
        let _host = host(200, &[b"abc", b"d"], None);
        let mut body = get("").open().unwrap().pieces();
        let mut first = [0; 2];
        body.read_exact(&mut first).unwrap();
        assert_eq!(
            (&first, body.next(), body.next(), body.next()),
            (b"ab", Some(Ok(b"c".into())), Some(Ok(b"d".into())), None)
        );
    }

    #[test]
    fn what_came_before_an_error_is_told_and_nothing_after_it() {
        let _host = host(200, &[b"one\ntwo"], Some(Error::Unavailable("gone".into())));
        let lines: Vec<_> = get("").open().unwrap().lines().collect();
        assert_eq!(lines, [Ok("one".into()), Err(Error::Unavailable("gone".into()))]);
        assert!(get("").open().unwrap().whole().is_err());
    }

    #[test]
    fn odd_lines_and_bad_statuses_are_errors() {
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        for (piece, is_limit) in [(&long[..], true), (b"\xff\n", false)] {
            let _host = host(200, &[piece, b"\nmore\n"], None);
            let lines: Vec<_> = get("").open().unwrap().lines().collect();
            assert!(matches!(&lines[..], [Err(error)] if matches!(error, Error::Limit(_)) == is_limit), "{lines:?}");
        }
        let _host = host(404, &[b"no such ", b"thing"], None);
        let refused = get("").open().unwrap().ok().err();
        assert_eq!(refused, Some(Error::not_found("the server answered with status 404: no such thing")));
    }
}
