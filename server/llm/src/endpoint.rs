//! One address with its credentials, its timeouts and its bounds, whatever protocol is spoken there.

use std::{
    error::Error,
    io,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::{
    error::LlmError,
    scrub::scrub,
    settings::{Secret, UpstreamSettings},
};

/// Longest name of an upstream, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// How long an unused connection is kept, so that the next question needs no handshake.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most unused connections kept for one upstream.
const POOL_MAX_IDLE: usize = 8;
/// Longest wait that an upstream may ask for: a day. More is a mistake of its clock.
const MAX_RETRY_AFTER_SECONDS: u64 = 24 * 60 * 60;
/// Headers that belong to HTTP or to the protocol, not to the operator.
const RESERVED_HEADERS: [&str; 8] =
    ["accept", "connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"];

/// Who an upstream is, for its errors.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) name: String,
    /// Its address without query.
    pub(crate) address: String,
    secrets: Vec<Secret>,
}

impl Identity {
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), address: "http://test/v1".to_owned(), secrets: vec![Secret::from(secret)] }
    }

    /// An upstream's own words, fit to be shown.
    pub(crate) fn scrub(&self, text: &str) -> String {
        scrub(text, &self.secrets)
    }

    pub(crate) fn bad_stream(&self, reason: impl Into<String>) -> LlmError {
        LlmError::BadStream { upstream: self.name.clone(), reason: reason.into() }
    }

    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> LlmError {
        LlmError::Unreachable { upstream: self.name.clone(), address: self.address.clone(), reason: reason.into() }
    }
}

/// The client of one upstream. Its headers are sent nowhere else: redirects are not followed and no proxy of the
/// environment is used.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) identity: Identity,
    pub(crate) first_token_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    base: Url,
    headers: HeaderMap,
    client: Client,
}

impl Endpoint {
    /// Checks the settings. `tls` is asked for the one of the two configurations that the address needs.
    pub(crate) fn new(
        settings: &UpstreamSettings,
        tls: impl FnOnce(bool) -> Result<ClientConfig, LlmError>,
    ) -> Result<Self, LlmError> {
        check_name(&settings.name)?;
        let name = &settings.name;
        let base = base_url(name, &settings.base_url)?;
        for (what, value) in [
            ("connect_timeout", settings.connect_timeout),
            ("first_token_timeout", settings.first_token_timeout),
            ("idle_timeout", settings.idle_timeout),
        ] {
            if value.is_zero() {
                return Err(LlmError::configuration(format!("{what} of upstream “{name}” must be longer than 0 s")));
            }
        }
        let (headers, secrets) = headers(settings, &base)?;
        if base.scheme() == "http" && !headers.is_empty() && !is_loopback(&base) {
            tracing::warn!(upstream = %name, "its key crosses the network unencrypted: base_url is not https");
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls(base.scheme() == "https")?)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .user_agent(concat!("coditect/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| LlmError::configuration(format!("the client of “{name}” cannot be set up ({error})")))?;
        let identity = Identity { name: name.clone(), address: shown_address(&base), secrets };
        Ok(Self {
            identity,
            first_token_timeout: settings.first_token_timeout,
            idle_timeout: settings.idle_timeout,
            base,
            headers,
            client,
        })
    }

    /// Whether both lead to the same server and path.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        let place = |url: &Url| {
            let host = url.host_str().map(ToOwned::to_owned).filter(|_| !is_loopback(url));
            (host, url.port_or_known_default(), url.path().to_owned())
        };
        place(&self.base) == place(&other.base)
    }

    /// The address of `path` below the base.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.with_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')))
    }

    /// The address of `path` beside the version of the base: `/api/x` where the base is `/v1`.
    pub(crate) fn sibling_url(&self, path: &str) -> Url {
        let base = self.base.path().trim_end_matches('/');
        self.with_path(&format!("{}/{path}", base.strip_suffix("/v1").unwrap_or(base)))
    }

    fn with_path(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    /// Asks for `url`, until the head of the answer is there.
    pub(crate) async fn get(&self, url: Url) -> Result<Response, LlmError> {
        let request = self.client.get(url).headers(self.headers.clone());
        request.send().await.map_err(|error| self.unanswered(&error))
    }

    /// Posts JSON to `url`, until the head of the answer is there. A connection that ends before anything came is most often one
    /// that the upstream had given up while it was unused: then the question is put once more.
    pub(crate) async fn post(&self, url: Url, accept: &'static str, body: Vec<u8>) -> Result<Response, LlmError> {
        let request = self.client.post(url).headers(self.headers.clone());
        let request = request.header("accept", accept).header("content-type", "application/json").body(body);
        let again = request.try_clone();
        let sent = match (request.send().await, again) {
            (Err(error), Some(again)) if ended_before_the_answer(&error) => again.send().await,
            (sent, _) => sent,
        };
        sent.map_err(|error| self.unanswered(&error))
    }

    fn unanswered(&self, error: &reqwest::Error) -> LlmError {
        let reason = why(error);
        if error.is_connect() || error.is_timeout() {
            self.identity.unreachable(reason)
        } else {
            self.identity.bad_stream(format!("it did not answer in HTTP ({reason})"))
        }
    }
}

/// The body, but not more than `most` bytes of it; whatever came until `deadline` or until it broke off.
pub(crate) async fn read_beginning(response: &mut Response, most: usize, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(deadline, response.chunk()).await {
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == most {
            break;
        }
    }
    body
}

/// The whole body, or nothing when it is larger than `most` bytes or breaks off.
pub(crate) async fn read_whole(response: &mut Response, most: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > most {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
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

fn check_name(name: &str) -> Result<(), LlmError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_good) {
        return Err(LlmError::configuration(format!(
            "the upstream name {:?} must have 1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` or `-`, and no `/`",
            crate::scrub::shorten(name)
        )));
    }
    Ok(())
}

/// Never shows the address in the error: it may hold a password that does not belong there.
fn base_url(name: &str, text: &str) -> Result<Url, LlmError> {
    let wrong = |what: &str| LlmError::configuration(format!("base_url of upstream “{name}” {what}"));
    let url = Url::parse(text.trim()).map_err(|error| wrong(&format!("is no address ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no user and no password: put the key into api_key"));
    }
    if url.fragment().is_some() {
        return Err(wrong("must hold no `#`"));
    }
    Ok(url)
}

fn headers(settings: &UpstreamSettings, base: &Url) -> Result<(HeaderMap, Vec<Secret>), LlmError> {
    let name = &settings.name;
    let mut headers = HeaderMap::new();
    let mut secrets: Vec<Secret> = base.query_pairs().map(|(_, value)| Secret::from(value.into_owned())).collect();
    for (header, value) in &settings.headers {
        let wrong = |what: &str| {
            let header = crate::scrub::shorten(header);
            LlmError::configuration(format!("the header {header:?} of upstream “{name}” {what}"))
        };
        let key = HeaderName::from_bytes(header.as_bytes()).map_err(|_| wrong("has no valid name"))?;
        if RESERVED_HEADERS.contains(&key.as_str()) {
            return Err(wrong("may not be set"));
        }
        if key == AUTHORIZATION && settings.api_key.is_some() {
            return Err(wrong("and api_key exclude each other"));
        }
        let mut sent = HeaderValue::from_str(value.expose().trim()).map_err(|_| wrong("has no valid value"))?;
        sent.set_sensitive(true);
        headers.insert(key, sent);
        secrets.push(Secret::from(value.expose().trim()));
    }
    // A key read from a file often ends with a line feed.
    if let Some(key) = settings.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty()) {
        let mut sent = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
            LlmError::configuration(format!("api_key of upstream “{name}” has characters that no header can carry"))
        })?;
        sent.set_sensitive(true);
        headers.insert(AUTHORIZATION, sent);
        secrets.push(Secret::from(key));
    }
    Ok((headers, secrets))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shown_address(base: &Url) -> String {
    let mut shown = base.clone();
    shown.set_query(None);
    shown.to_string().trim_end_matches('/').to_owned()
}

/// Whether a connection was there, and was closed before the head of an answer came.
fn ended_before_the_answer(error: &reqwest::Error) -> bool {
    if error.is_connect() || error.is_timeout() {
        return false;
    }
    let closed = [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe];
    let is_closed = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
            || cause.downcast_ref::<io::Error>().is_some_and(|error| closed.contains(&error.kind()))
    };
    let mut cause = error.source();
    while let Some(found) = cause {
        if is_closed(found) {
            return true;
        }
        cause = found.source();
    }
    false
}

/// The root of a network error in a few words, without the address, which may carry a secret in its query.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not accept the connection in time".to_owned();
    }
    let mut deepest: &(dyn Error + 'static) = error;
    loop {
        if let Some(kind) = deepest.downcast_ref::<io::Error>().map(io::Error::kind) {
            match kind {
                io::ErrorKind::ConnectionRefused => return "nothing listens there".to_owned(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                    return "the connection was closed".to_owned();
                }
                _ => {}
            }
        }
        match deepest.source() {
            Some(source) => deepest = source,
            None if deepest.is::<reqwest::Error>() => return "the request failed".to_owned(),
            None => return crate::scrub::shorten(&deepest.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;

    fn endpoint(base_url: &str) -> Endpoint {
        Endpoint::new(&UpstreamSettings::new("x", base_url), |_| tls::trusting_nobody()).unwrap()
    }

    #[test]
    fn paths_keep_the_base_and_its_query() {
        for (base, below, beside) in [
            ("http://h:1/v1", "http://h:1/v1/models", "http://h:1/api/show"),
            ("http://h:1/v1/", "http://h:1/v1/models", "http://h:1/api/show"),
            ("http://h/", "http://h/models", "http://h/api/show"),
            (
                "https://h/p/v1?api-version=3",
                "https://h/p/v1/models?api-version=3",
                "https://h/p/api/show?api-version=3",
            ),
        ] {
            let endpoint = endpoint(base);
            assert_eq!(endpoint.url("models").as_str(), below);
            assert_eq!(endpoint.sibling_url("api/show").as_str(), beside);
        }
    }

    #[test]
    fn the_same_place_under_other_names() {
        assert!(endpoint("http://localhost:1234/v1").is_same_place(&endpoint("http://127.0.0.1:1234/v1")));
        assert!(endpoint("http://[::1]:1234/v1").is_same_place(&endpoint("http://127.0.0.1:1234/v1")));
        assert!(!endpoint("http://localhost:1235/v1").is_same_place(&endpoint("http://127.0.0.1:1234/v1")));
        assert!(!endpoint("http://a/v1").is_same_place(&endpoint("http://b/v1")));
    }

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
