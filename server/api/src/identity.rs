//! Who asks: from a bearer token or the browser's cookies to a checked [`Identity`].

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{ConnectInfo, FromRequestParts};
use coditect_auth::{AuthError, Device, Identity};
use coditect_protocol::auth::{ACCESS_COOKIE, CSRF_HEADER, DEVICE_COOKIE};
use coditect_workspace::sandbox::net::{API_CLIENT, API_NAME};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, header};

use crate::error::{ApiError, ApiFault};
use crate::problem::Asker;
use crate::routes::cookies;
use crate::settings::Settings;
use crate::state::AppState;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longest user agent that is kept with a login, in characters.
const MAX_USER_AGENT_CHARS: usize = 300;

/// Who asks, as the check before the route found out.
pub struct Caller(pub Identity);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        // A route that asks who it is without having said who may call it is a fault, and open to nobody.
        parts.extensions.get::<Identity>().cloned().map(Self).ok_or_else(ApiError::internal)
    }
}

/// Finds out who asks: checks the token and, where a browser's cookie carried it, that the session's own page made the request.
pub(crate) async fn identify(parts: &Parts, state: &AppState) -> Result<Identity, ApiError> {
    let proxies = &state.settings.trusted_proxies;
    let (token, by_cookie) = match bearer(&parts.headers) {
        Some(token) => (token, false),
        None => {
            let secure = is_secure(&parts.headers, &parts.extensions, proxies);
            (cookies::value(&parts.headers, ACCESS_COOKIE, secure).ok_or(ApiFault::NotLoggedIn)?, true)
        }
    };
    let identity = state.auth.check(token).await?;
    if let Some(asker) = parts.extensions.get::<Asker>() {
        asker.is(identity.user.id);
    }
    if by_cookie && identity.session_id().is_none() {
        // A personal access token is no browser's; in a cookie it was planted.
        return Err(AuthError::InvalidToken.into());
    }
    if by_cookie && !is_safe(&parts.method) {
        state.auth.check_csrf(&identity, text(&parts.headers, CSRF_HEADER))?;
    }
    Ok(identity)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The token of the header that is made for it.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
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
        Ok(Self::of(parts, state))
    }
}

impl Origin {
    pub(crate) fn of(parts: &Parts, state: &AppState) -> Self {
        let proxies = &state.settings.trusted_proxies;
        let peer = peer(&parts.extensions);
        if !is_trusted(peer, proxies) && parts.headers.contains_key(FORWARDED_FOR) {
            warn_of_unknown_proxy(peer);
        }
        let user_agent = text(&parts.headers, header::USER_AGENT.as_str()).unwrap_or_default();
        let secure = is_secure(&parts.headers, &parts.extensions, proxies);
        let device = Device {
            address: address(&parts.headers, &parts.extensions, proxies),
            user_agent: user_agent.chars().take(MAX_USER_AGENT_CHARS).collect(),
            known: cookies::value(&parts.headers, DEVICE_COOKIE, secure).map(str::to_owned),
        };
        Self { device, secure }
    }
}

/// Address of who asks, as far as trusted proxies tell.
pub(crate) fn address(headers: &HeaderMap, extensions: &Extensions, proxies: &[IpAddr]) -> Option<IpAddr> {
    let peer = peer(extensions);
    if is_trusted(peer, proxies) { forwarded(headers, proxies).or(peer) } else { peer }
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

fn is_trusted(peer: Option<IpAddr>, proxies: &[IpAddr]) -> bool {
    let is_sandbox = |peer: IpAddr| peer == API_CLIENT;
    peer.is_some_and(|peer| !is_sandbox(peer) && proxies.iter().any(|proxy| proxy.to_canonical() == peer))
}

/// Whether the browser speaks TLS, as a trusted proxy tells.
pub(crate) fn is_secure(headers: &HeaderMap, extensions: &Extensions, proxies: &[IpAddr]) -> bool {
    is_trusted(peer(extensions), proxies)
        && headers
            .get_all("x-forwarded-proto")
            .iter()
            .next_back()
            .is_some_and(|scheme| scheme.as_bytes().trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// The last address in `X-Forwarded-For` that is no trusted proxy: everything before it is the client's own claim. Nothing where the
/// header cannot be read that far.
fn forwarded(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    // Some proxies add a line of their own behind the client's.
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for part in line.to_str().ok()?.rsplit(',') {
            let address = address_of(part.trim())?;
            if !is_trusted(Some(address), proxies) {
                return Some(address);
            }
        }
    }
    None
}

/// An address as proxies write it: with or without port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Once: an operator should know, but nobody should fill the log.
fn warn_of_unknown_proxy(peer: Option<IpAddr>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if let Some(peer) = peer
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(%peer, "X-Forwarded-For is not believed; if this is a proxy of yours, add it to trusted_proxies");
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a browser's request comes from a page of this very site or of one named in the settings. A request without `Origin` is
/// no browser's, and is judged by its token alone. Where the browser speaks TLS, a page that came without it is another site.
pub(crate) fn same_origin(headers: &HeaderMap, secure: bool, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|entry| entry == origin) {
        return true;
    }
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    origin.split_once("://").is_some_and(|(scheme, rest)| {
        !host.is_empty() && rest.eq_ignore_ascii_case(host) && (!secure || scheme == "https")
    })
}

/// Whether the server answers under the name that was asked for. A web site can point a name of its own at this machine and so make
/// its pages the server's "own" (DNS rebinding); it can do so neither with a bare address nor with `localhost`.
pub(crate) fn is_known_host(uri: &Uri, headers: &HeaderMap, settings: &Settings) -> bool {
    if settings.allowed_hosts.is_empty() && !settings.listen.ip().is_loopback() {
        return true;
    }
    let known = |host: &str| {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    };
    uri.host().is_none_or(known) && headers.get_all(header::HOST).iter().all(|host| host.to_str().is_ok_and(known))
}

/// Whether a program in a terminal asks, under the name that terminals have for the server. Whoever answers for names in a network may
/// point that one here as well (DNS rebinding), so it counts only on this machine, and never for a page: whatever a page does beyond
/// looking at what everybody may see names its origin.
pub(crate) fn is_terminals_host(headers: &HeaderMap, extensions: &Extensions, settings: &Settings) -> bool {
    let from = address(headers, extensions, &settings.trusted_proxies);
    let is_local = from.is_some_and(|from| from.is_loopback() || from == settings.listen.ip().to_canonical());
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_theirs = |host: &http::HeaderValue| host.to_str().is_ok_and(|host| host_name(host) == API_NAME);
    let named = matches!((hosts.next(), hosts.next()), (Some(host), None) if is_theirs(host));
    is_local && named && !headers.contains_key(header::ORIGIN)
}

/// The name or address in a `Host` header, without its port.
fn host_name(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name)
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
        let allowed = ["https://ok.example".to_owned()];
        let check = |pairs, expected| {
            assert_eq!(same_origin(&headers(pairs), false, &allowed), expected, "{pairs:?}");
        };
        check(&[("host", "a.example")], true);
        check(&[("host", "a.example:80"), ("origin", "http://a.example:80")], true);
        check(&[("host", "a.example"), ("origin", "https://ok.example")], true);
        check(&[("host", "a.example"), ("origin", "https://evil.example")], false);
        check(&[("host", "a.example"), ("origin", "null")], false);
        check(&[("origin", "https://")], false);
        let plain = headers(&[("host", "a.example"), ("origin", "http://a.example")]);
        assert!(same_origin(&plain, false, &allowed) && !same_origin(&plain, true, &allowed));
    }

    #[test]
    fn only_what_trusted_proxies_saw_is_believed() {
        let proxies = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.2".parse().unwrap()];
        let check = |lines: &[&'static str], expected: Option<&str>| {
            let pairs: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(forwarded(&headers(&pairs), &proxies), expected, "{lines:?}");
        };
        check(&["1.2.3.4"], Some("1.2.3.4"));
        check(&["9.9.9.9, 1.2.3.4, 10.0.0.2, 10.0.0.1"], Some("1.2.3.4"));
        check(&["9.9.9.9", "1.2.3.4"], Some("1.2.3.4"));
        check(&["9.9.9.9, unknown"], None);
        check(&["9.9.9.9,"], None);
        check(&["10.0.0.1"], None);
        check(&["1.2.3.4:567"], Some("1.2.3.4"));
        check(&["[2001:db8::1]:567"], Some("2001:db8::1"));
        check(&["[2001:db8::1]"], Some("2001:db8::1"));
        check(&["::ffff:1.2.3.4"], Some("1.2.3.4"));
        assert!(is_trusted(Some("::ffff:10.0.0.1".parse::<IpAddr>().unwrap().to_canonical()), &proxies));
        assert!(!is_trusted(Some("10.0.0.3".parse().unwrap()), &proxies));
        assert!(!is_trusted(None, &proxies));
    }

    #[test]
    fn names_that_anybody_may_point_here_are_unknown() {
        let local = Settings::default();
        let named = Settings { allowed_hosts: vec!["ide.example.org".to_owned()], ..Settings::default() };
        let public = Settings { listen: "0.0.0.0:80".parse().unwrap(), ..Settings::default() };
        let check = |settings: &Settings, host: &'static str, expected| {
            assert_eq!(
                is_known_host(&Uri::from_static("/"), &headers(&[("host", host)]), settings),
                expected,
                "{host}"
            );
        };
        for host in ["localhost", "LOCALHOST:8700", "127.0.0.1:8700", "[::1]:8700", "192.168.1.5", "localhost."] {
            check(&local, host, true);
            check(&named, host, true);
        }
        for host in ["evil.example", "evil.example:8700", "localhost.evil.example", "127.0.0.1.evil.example", "", "::1"]
        {
            check(&local, host, false);
        }
        check(&named, "IDE.example.org:443", true);
        check(&named, "other.example.org", false);
        check(&public, "anything.example", true);
        let absolute = Uri::from_static("http://evil.example/");
        assert!(!is_known_host(&absolute, &headers(&[("host", "localhost")]), &local));
        let two = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(!is_known_host(&Uri::from_static("/"), &two, &local));
        assert!(is_known_host(&Uri::from_static("/"), &HeaderMap::new(), &local));
    }

    #[test]
    fn the_terminals_name_counts_on_this_machine_and_for_no_page() {
        let settings = Settings {
            listen: "10.0.0.5:80".parse().unwrap(),
            trusted_proxies: vec!["127.0.0.2".parse().unwrap(), API_CLIENT.into()],
            ..Settings::default()
        };
        let check = |peer: &str, pairs, expected| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            assert_eq!(is_terminals_host(&headers(pairs), &extensions, &settings), expected, "{peer} {pairs:?}");
        };
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.5"] {
            check(own, &[("host", "coditect.internal")], true);
        }
        check("127.0.0.1", &[("host", "coditect.internal:80")], true);
        check("10.0.0.6", &[("host", "coditect.internal")], false);
        check("127.0.0.1", &[("host", "evil.example")], false);
        check("127.0.0.1", &[("host", "coditect.internal"), ("host", "evil.example")], false);
        check("127.0.0.1", &[("host", "coditect.internal"), ("origin", "http://coditect.internal")], false);
        check("127.0.0.1", &[], false);
        // Sandboxes come from an address of their own, and forge nothing there.
        check("127.67.79.68", &[("host", "coditect.internal"), ("x-forwarded-for", "1.2.3.4")], true);
        // Through a proxy it is somebody else who asks.
        check("127.0.0.2", &[("host", "coditect.internal"), ("x-forwarded-for", "1.2.3.4")], false);
    }

    #[test]
    fn cookies_are_told_apart_by_their_whole_name() {
        let map = headers(&[("cookie", "xcoditect_access=1; coditect_access=2;b=3")]);
        assert_eq!(cookie(&map, ACCESS_COOKIE), Some("2"));
        assert_eq!(cookie(&map, "c"), None);
    }
}
