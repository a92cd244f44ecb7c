//! The cookies of a browser.
//!
//! Over TLS their names begin with `__Host-`, or `__Secure-` where they are confined to a path, so that no other site of the same domain
//! and nobody on an unencrypted line can plant one. Browsers refuse such names without TLS, so that without it they have none. The
//! CSRF cookie has one name always: pages read it, and it is compared with the session's own token and never with itself.

use std::borrow::Cow;

use coditect_auth::Login;
use coditect_protocol::auth::{ACCESS_COOKIE, CSRF_COOKIE, DEVICE_COOKIE, REFRESH_COOKIE};
use http::HeaderMap;
use http::header::{HeaderName, SET_COOKIE};

use crate::settings::Settings;

/// Path to which the cookies are confined that only logging in needs.
const AUTH_PATH: &str = "/api/v5/auth";
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// How long a browser is remembered from which somebody has logged in, in seconds; browsers keep nothing much longer.
const DEVICE_SECONDS: u64 = 365 * DAY_SECONDS;

/// The name of a cookie on this connection.
fn name(cookie: &'static str, secure: bool) -> Cow<'static, str> {
    match cookie {
        CSRF_COOKIE => cookie.into(),
        _ if !secure => cookie.into(),
        ACCESS_COOKIE => format!("__Host-{cookie}").into(),
        _ => format!("__Secure-{cookie}").into(),
    }
}

/// The value of a cookie of ours, if the browser sent it.
pub(crate) fn value<'a>(headers: &'a HeaderMap, cookie: &'static str, secure: bool) -> Option<&'a str> {
    crate::identity::cookie(headers, &name(cookie, secure))
}

/// What a browser keeps of a login.
pub(super) fn of_login(login: &Login, settings: &Settings, secure: bool) -> Vec<(HeaderName, String)> {
    let refresh_seconds = settings.session_idle_days * DAY_SECONDS;
    let device = login.device_token.as_deref().map(|token| (DEVICE_COOKIE, token, DEVICE_SECONDS));
    [
        (ACCESS_COOKIE, login.access_token.as_str(), login.expires_in),
        (REFRESH_COOKIE, login.refresh_token.as_str(), refresh_seconds),
        (CSRF_COOKIE, login.csrf_token.as_str(), refresh_seconds),
    ]
    .into_iter()
    .chain(device)
    .map(|(cookie, value, seconds)| (SET_COOKIE, set(cookie, value, seconds, secure)))
    .collect()
}

/// Takes a login's cookies away. The browser stays known.
pub(super) fn cleared(secure: bool) -> [(HeaderName, String); 3] {
    [ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE].map(|cookie| (SET_COOKIE, set(cookie, "", 0, secure)))
}

fn set(cookie: &'static str, value: &str, max_age: u64, secure: bool) -> String {
    let path = if [REFRESH_COOKIE, DEVICE_COOKIE].contains(&cookie) { AUTH_PATH } else { "/" };
    let http_only = if cookie == CSRF_COOKIE { "" } else { "; HttpOnly" };
    let name = name(cookie, secure);
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={max_age}; SameSite=Strict{http_only}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_over_tls_are_those_that_browsers_guard() {
        let check = |cookie, secure, expected: &str| {
            let set = set(cookie, "v", 1, secure);
            assert!(set.starts_with(&format!("{expected}=v; ")), "{set}");
            assert_eq!(set.contains("; Secure"), secure, "{set}");
            assert_eq!(set.contains("; HttpOnly"), cookie != CSRF_COOKIE, "{set}");
            // What browsers demand of each prefix.
            assert!(!expected.starts_with("__Host-") || set.contains("; Path=/; "), "{set}");
            assert!(set.contains("; SameSite=Strict") && !set.contains("Domain"), "{set}");
        };
        check(ACCESS_COOKIE, false, "coditect_access");
        check(ACCESS_COOKIE, true, "__Host-coditect_access");
        check(REFRESH_COOKIE, true, "__Secure-coditect_refresh");
        check(DEVICE_COOKIE, true, "__Secure-coditect_device");
        check(CSRF_COOKIE, true, "coditect_csrf");
    }

    #[test]
    fn over_tls_a_planted_cookie_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::COOKIE, "coditect_access=planted".parse().unwrap());
        assert_eq!(value(&headers, ACCESS_COOKIE, true), None);
        assert_eq!(value(&headers, ACCESS_COOKIE, false), Some("planted"));
        headers.append(http::header::COOKIE, "__Host-coditect_access=own".parse().unwrap());
        assert_eq!(value(&headers, ACCESS_COOKIE, true), Some("own"));
    }
}
