//! What is sent.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::body::MAX_BODY_BYTES;
use super::place::Place;
use super::{Request, Unsent};
use crate::ports::Refused;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Largest headers of a request, names and values together, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Headers of a connection, of the message's length or of browsers: nobody but the host says those.
const REFUSED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-host",
];
const REFUSED_PREFIXES: [&str; 3] = ["proxy-", "sec-", ":"];
/// Schemes that authenticate a connection in place of a request: whoever used it next would be taken for the same person.
const CONNECTION_SCHEMES: [&str; 2] = ["ntlm", "negotiate"];
/// Parts of the names of headers with credentials.
const CREDENTIALS: [&str; 5] = ["authorization", "cookie", "token", "key", "secret"];

/// A request in the form in which it is sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Prepared {
    /// Checks what a plugin wrote.
    pub(super) fn new(request: Request) -> Result<Self, Unsent> {
        let method = METHODS.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(&request.method));
        let method =
            method.ok_or_else(|| Unsent::invalid("The method is none of GET, HEAD, POST, PUT, PATCH and DELETE."))?;
        if request.body.len() > MAX_BODY_BYTES {
            let why = Refused::Limit(format!("The body of a request has at most {} MiB.", MAX_BODY_BYTES >> 20));
            return Err(Unsent::Refused { host: String::new(), why });
        }
        if !request.body.is_empty() && matches!(method, Method::GET | Method::HEAD) {
            return Err(Unsent::invalid(format!("{method} has no body.")));
        }
        Ok(Self { method, headers: headers(&request.headers)?, body: request.body.into() })
    }

    /// Makes it what is sent to the next place, as RFC 9110 (15.4) and browsers have it.
    pub(super) fn redirect(&mut self, status: StatusCode, from: &Place, to: &Place) {
        let is_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if is_get && self.method != Method::GET {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.drop_headers(|name| name.starts_with("content-"));
        }
        if !to.has_origin_of(from) {
            self.drop_headers(|name| name == "origin" || CREDENTIALS.iter().any(|part| name.contains(part)));
        }
    }

    fn drop_headers(&mut self, is_dropped: impl Fn(&str) -> bool) {
        let names: Vec<HeaderName> = self.headers.keys().filter(|name| is_dropped(name.as_str())).cloned().collect();
        for name in names {
            self.headers.remove(name);
        }
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, Unsent> {
    let weight: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if given.len() > MAX_HEADERS || weight > MAX_HEADER_BYTES {
        let most = MAX_HEADER_BYTES / 1024;
        let why = Refused::Limit(format!("A request has at most {MAX_HEADERS} headers and {most} KiB of them."));
        return Err(Unsent::Refused { host: String::new(), why });
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (name, value) = read(name, value)?;
        headers.append(name, value);
    }
    // The host unpacks what comes, and so it says what may come.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(headers)
}

fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Unsent> {
    let is_refused =
        |name: &str| REFUSED.contains(&name) || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let header: HeaderName = name.parse().map_err(|_| Unsent::invalid("A header's name is none."))?;
    if is_refused(header.as_str()) {
        return Err(Unsent::invalid(format!("The header {header} is set by nobody but the host.")));
    }
    let unreadable = |_| Unsent::invalid(format!("The value of the header {header} is none."));
    let mut text: HeaderValue = value.parse().map_err(unreadable)?;
    if header == header::AUTHORIZATION {
        text.set_sensitive(true);
        let scheme = value.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if CONNECTION_SCHEMES.contains(&scheme.as_str()) {
            return Err(Unsent::invalid(format!(
                "The scheme {scheme} is not carried: it holds for a whole connection."
            )));
        }
    }
    Ok((header, text))
}
