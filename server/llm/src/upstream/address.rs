//! Where an upstream is: its name, its address and what is sent along with every question, checked.

use std::fmt::Write as _;

use coditect_dialects::Dialect;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use url::Url;

use crate::error::LlmError;
use crate::scrub::{HIDDEN, MIN_SECRET_BYTES, scrub, shorten};
use crate::settings::{Secret, UpstreamSettings};

/// Longest name of an upstream, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Headers that belong to HTTP or to the protocol, not to the operator.
const RESERVED_HEADERS: [&str; 8] =
    ["accept", "connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"];
/// What Anthropic's servers are asked in, unless whoever asks says another.
pub(crate) const ANTHROPIC_VERSION: &str = "anthropic-version";
const DEFAULT_ANTHROPIC_VERSION: &str = "2023-06-01";

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
    /// The same, where it is asked with this key.
    pub(crate) fn with_key(&self, key: Option<&Secret>) -> Self {
        let mut identity = self.clone();
        identity.secrets.extend(key.cloned());
        identity
    }

    /// Whether this tells a secret of it.
    pub(crate) fn gives_away(&self, said: &[u8]) -> bool {
        let mut secrets = self.secrets.iter().map(|secret| secret.expose().as_bytes());
        secrets.any(|secret| secret.len() >= MIN_SECRET_BYTES && memchr::memmem::find(said, secret).is_some())
    }

    /// How many secrets the settings hold for it.
    pub(crate) fn secrets(&self) -> usize {
        self.secrets.len()
    }

    /// The same without its secrets.
    pub(crate) fn hide(&self, said: &[u8]) -> String {
        let said = String::from_utf8_lossy(said).into_owned();
        let secrets = self.secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= MIN_SECRET_BYTES);
        secrets.fold(said, |said, secret| said.replace(secret, HIDDEN))
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

/// A checked address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    scheme: Scheme,
    authority: Authority,
    /// Without a `/` at its end.
    path: String,
    query: Option<String>,
    is_local: bool,
}

impl Address {
    /// `call` below the base, with more in its query.
    pub(crate) fn uri(&self, call: &str, query: Option<&str>) -> Option<Uri> {
        self.with_path(&self.path, call, query)
    }

    /// `call` beside the version of the base: `/api/x` where the base is `/v1`.
    pub(crate) fn sibling_uri(&self, call: &str) -> Option<Uri> {
        self.with_path(self.path.strip_suffix("/v1").unwrap_or(&self.path), call, None)
    }

    fn with_path(&self, path: &str, call: &str, query: Option<&str>) -> Option<Uri> {
        let mut target = format!("{path}/{call}");
        let queries = [self.query.as_deref(), query];
        for (query, mark) in queries.into_iter().flatten().filter(|query| !query.is_empty()).zip(['?', '&']) {
            let _ = write!(target, "{mark}{query}");
        }
        let target = PathAndQuery::from_maybe_shared(target).ok()?;
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(target).build().ok()
    }

    /// Whether it speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether both lead to the same server and path.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        let default = if self.is_secure() { 443 } else { 80 };
        let place = |address: &Self| {
            let host = (!address.is_local).then(|| address.authority.host().to_owned());
            (host, address.authority.port_u16().unwrap_or(default), address.path.clone())
        };
        place(self) == place(other)
    }
}

/// An upstream's identity, address and headers, from its settings.
pub(crate) fn checked(settings: &UpstreamSettings) -> Result<(Identity, Address, HeaderMap), LlmError> {
    check_name(&settings.name)?;
    let url = base_url(&settings.name, &settings.base_url)?;
    let (headers, secrets) = headers(settings, &url)?;
    let address = address(&settings.name, &url)?;
    let sends_secret = headers.values().any(HeaderValue::is_sensitive);
    if !address.is_secure() && sends_secret && !address.is_local {
        tracing::warn!(upstream = %settings.name, "its key crosses the network unencrypted: base_url is not https");
    }
    Ok((Identity { name: settings.name.clone(), address: shown(&url), secrets }, address, headers))
}

fn check_name(name: &str) -> Result<(), LlmError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_good) {
        return Err(LlmError::configuration(format!(
            "the upstream name {:?} must have 1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` or `-`, and no `/`",
            shorten(name)
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

fn address(name: &str, url: &Url) -> Result<Address, LlmError> {
    let wrong = || LlmError::configuration(format!("base_url of upstream “{name}” is no address for HTTP"));
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let bare = host.trim_matches(['[', ']']);
    let is_local = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    Ok(Address {
        scheme: if url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP },
        authority: authority.parse().map_err(|_| wrong())?,
        path: url.path().trim_end_matches('/').to_owned(),
        query: url.query().map(str::to_owned),
        is_local,
    })
}

/// The header that carries a key in this dialect.
pub(crate) fn key_header(dialect: Dialect, key: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, mut value) = match dialect {
        Dialect::Chat | Dialect::Responses => {
            (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}")).ok()?)
        }
        Dialect::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key).ok()?),
        Dialect::Gemini => (HeaderName::from_static("x-goog-api-key"), HeaderValue::from_str(key).ok()?),
    };
    value.set_sensitive(true);
    Some((name, value))
}

fn headers(settings: &UpstreamSettings, base: &Url) -> Result<(HeaderMap, Vec<Secret>), LlmError> {
    let name = &settings.name;
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("coditect/", env!("CARGO_PKG_VERSION"))));
    if settings.dialects.contains(&Dialect::Anthropic) {
        headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static(DEFAULT_ANTHROPIC_VERSION));
    }
    let mut secrets: Vec<Secret> = base.query_pairs().map(|(_, value)| Secret::from(value.into_owned())).collect();
    for (header, value) in &settings.headers {
        let wrong = |what: &str| {
            LlmError::configuration(format!("the header {:?} of upstream “{name}” {what}", shorten(header)))
        };
        let key = HeaderName::from_bytes(header.as_bytes()).map_err(|_| wrong("has no valid name"))?;
        if RESERVED_HEADERS.contains(&key.as_str()) {
            return Err(wrong("may not be set"));
        }
        if key == header::AUTHORIZATION && settings.api_key.is_some() {
            return Err(wrong("and api_key exclude each other"));
        }
        let mut sent = HeaderValue::from_str(value.expose().trim()).map_err(|_| wrong("has no valid value"))?;
        sent.set_sensitive(true);
        headers.insert(key, sent);
        secrets.push(Secret::from(value.expose().trim()));
    }
    // A key read from a file often ends with a line feed.
    if let Some(key) = settings.api_key.as_ref().map(|key| key.expose().trim()).filter(|key| !key.is_empty()) {
        if key_header(Dialect::Chat, key).is_none() {
            let reason = format!("api_key of upstream “{name}” has characters that no header can carry");
            return Err(LlmError::configuration(reason));
        }
        secrets.push(Secret::from(key));
    }
    Ok((headers, secrets))
}

fn shown(base: &Url) -> String {
    let mut shown = base.clone();
    shown.set_query(None);
    shown.to_string().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base_url: &str) -> Address {
        checked(&UpstreamSettings::new("x", base_url)).unwrap().1
    }

    #[test]
    fn paths_keep_the_base_and_its_query() {
        for (base, below, beside) in [
            ("http://h:1/v1", "http://h:1/v1/models?a=b", "http://h:1/api/show"),
            ("http://h:1/v1/", "http://h:1/v1/models?a=b", "http://h:1/api/show"),
            ("http://h/", "http://h/models?a=b", "http://h/api/show"),
            (
                "https://h/p/v1?api-version=3",
                "https://h/p/v1/models?api-version=3&a=b",
                "https://h/p/api/show?api-version=3",
            ),
        ] {
            let address = address(base);
            assert_eq!(address.uri("models", Some("a=b")).unwrap(), below);
            assert_eq!(address.sibling_uri("api/show").unwrap(), beside);
        }
    }

    #[test]
    fn the_same_place_under_other_names() {
        assert!(address("http://localhost:1234/v1").is_same_place(&address("http://127.0.0.1:1234/v1")));
        assert!(address("http://[::1]:1234/v1").is_same_place(&address("http://127.0.0.1:1234/v1")));
        assert!(!address("http://localhost:1235/v1").is_same_place(&address("http://127.0.0.1:1234/v1")));
        assert!(!address("http://a/v1").is_same_place(&address("http://b/v1")));
    }

    #[test]
    fn a_key_goes_where_its_dialect_wants_it() {
        for (dialect, name, value) in [
            (Dialect::Chat, "authorization", "Bearer k"),
            (Dialect::Responses, "authorization", "Bearer k"),
            (Dialect::Anthropic, "x-api-key", "k"),
            (Dialect::Gemini, "x-goog-api-key", "k"),
        ] {
            let (header, sent) = key_header(dialect, "k").unwrap();
            assert_eq!((header.as_str(), sent.to_str().unwrap(), sent.is_sensitive()), (name, value, true));
            assert!(key_header(dialect, "k\n").is_none());
        }
    }
}
