//! Who asks: from a bearer token or the browser's cookies to a checked [`Identity`].

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use coditect_auth::{Device, Identity};
use coditect_protocol::Kind;
use coditect_protocol::auth::{ACCESS_COOKIE, CSRF_HEADER};
use http::request::Parts;
use http::{HeaderMap, Method, header};

use crate::error::ApiError;
use crate::state::AppState;

/// Longest user agent that is kept with a login, in characters.
const MAX_USER_AGENT_CHARS: usize = 300;

/// A caller whose token and session were checked for this request, and whose CSRF token where cookies spoke for them.
pub struct Caller(pub Identity);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers) {
            return Ok(Self(state.auth.check(token).await?));
        }
        let Some(token) = cookie(&parts.headers, ACCESS_COOKIE) else {
            return Err(ApiError::new(Kind::Unauthenticated, "auth.not_logged_in", "Log in first."));
        };
        let identity = state.auth.check(token).await?;
        if !is_safe(&parts.method) {
            let header = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            state.auth.check_csrf(&identity, header)?;
        }
        Ok(Self(identity))
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

/// Where the request came from, as far as trusted proxies tell.
pub(crate) struct Origin {
    /// The device, for the session's record and the limits.
    pub(crate) device: Device,
    /// Whether the browser speaks TLS.
    pub(crate) secure: bool,
}

impl FromRequestParts<AppState> for Origin {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let trusted = peer.is_some_and(|peer| state.settings.trusted_proxies.contains(&peer));
        let user_agent = text(&parts.headers, header::USER_AGENT.as_str()).unwrap_or_default();
        Ok(Self {
            device: Device {
                address: if trusted { forwarded(&parts.headers, state).or(peer) } else { peer },
                user_agent: user_agent.chars().take(MAX_USER_AGENT_CHARS).collect(),
            },
            secure: trusted && text(&parts.headers, "x-forwarded-proto") == Some("https"),
        })
    }
}

/// The last address in `X-Forwarded-For` that is no trusted proxy: everything before it is the client's own claim.
fn forwarded(headers: &HeaderMap, state: &AppState) -> Option<IpAddr> {
    let chain = text(headers, "x-forwarded-for")?;
    chain
        .rsplit(',')
        .filter_map(|part| part.trim().parse().ok())
        .find(|address| !state.settings.trusted_proxies.contains(address))
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a browser's request comes from a page of this very site or of one named in the settings. A request without `Origin` is
/// no browser's, and is judged by its token alone.
pub(crate) fn same_origin(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|entry| entry == origin) {
        return true;
    }
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, rest)| !host.is_empty() && rest.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn only_the_sites_own_pages() {
        let check = |pairs, expected| {
            assert_eq!(same_origin(&headers(pairs), &["https://ok.example".to_owned()]), expected, "{pairs:?}");
        };
        check(&[("host", "a.example")], true);
        check(&[("host", "a.example:80"), ("origin", "http://a.example:80")], true);
        check(&[("host", "a.example"), ("origin", "https://ok.example")], true);
        check(&[("host", "a.example"), ("origin", "https://evil.example")], false);
        check(&[("host", "a.example"), ("origin", "null")], false);
        check(&[("origin", "https://")], false);
    }

    #[test]
    fn cookies_are_told_apart_by_their_whole_name() {
        let map = headers(&[("cookie", "xcoditect_access=1; coditect_access=2;b=3")]);
        assert_eq!(cookie(&map, ACCESS_COOKIE), Some("2"));
        assert_eq!(cookie(&map, "c"), None);
    }
}
