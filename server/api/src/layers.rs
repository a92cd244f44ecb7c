//! Layers around all routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Extensions, HeaderMap, Method, StatusCode, Version};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use utoipa_axum::router::OpenApiRouter;

use crate::denials::Denials;
use crate::error::{ApiError, ApiFault, ServerError};
use crate::identity::{is_known_host, is_secure, is_terminals_host};
use crate::settings::Settings;
use crate::{AppState, problem};

/// What pages of this site may load and run; [`content_security_policy`] adds the WebSocket. Theia sets inline styles; Wasm needs
/// its own permission.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; connect-src 'self'";

/// Answers smaller than this are not worth compressing, in bytes.
const COMPRESS_ABOVE_BYTES: u64 = 1024;
/// Parameters of routes that nobody but who gave them may know.
const SECRET_PARAMETERS: [&str; 1] = ["{user_code}"];
/// Longest request id taken over from a proxy, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// Puts all layers around the routes.
pub(crate) fn around(routes: Router, settings: &Arc<Settings>, denials: &Denials) -> Result<Router, ServerError> {
    let compressible = SizeAbove::new(COMPRESS_ABOVE_BYTES)
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::IMAGES)
        .and(holds_no_token);
    let trace =
        TraceLayer::new_for_http().make_span_with(span).on_response(on_response).on_failure(DefaultOnFailure::new());
    let rendering = problem::Rendering { settings: settings.clone(), denials: denials.clone() };
    let layers = ServiceBuilder::new()
        .map_request(drop_strange_request_id)
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
        .layer(trace)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(middleware::from_fn_with_state(settings.clone(), security_headers))
        .layer(cors(settings)?)
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(middleware::from_fn_with_state(rendering, problem::render))
        .layer(middleware::from_fn_with_state(settings.clone(), refuse_unknown_hosts))
        .layer(CatchPanicLayer::new());
    Ok(routes.layer(layers))
}

/// Fails a request that takes longer than the limit to start its answer.
pub(crate) fn timeout(routes: OpenApiRouter<AppState>, settings: &Settings) -> OpenApiRouter<AppState> {
    let limit = Duration::from_secs(settings.request_timeout_seconds);
    routes.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit))
}

/// Fails a request whose body stands still for longer than the limit; as long as it moves, it may take its time.
pub(crate) fn moving_body(routes: OpenApiRouter<AppState>, settings: &Settings) -> OpenApiRouter<AppState> {
    routes.layer(RequestBodyTimeoutLayer::new(Duration::from_secs(settings.client_idle_seconds)))
}

fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    // The query is left out: it may hold what is nobody's business.
    tracing::info_span!("http", method = %request.method(), path = loggable(request), request_id = id)
}

/// The path without the codes that some have in theirs: for a route of the API as it is written in the table, for a page up to where
/// a code may begin.
fn loggable(request: &Request) -> &str {
    const SECRET_BELOW: [&str; 4] = ["/api/v5/auth/device/", "/invite/", "/reset-password/", "/device/"];
    let path = request.uri().path();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = route.filter(|route| SECRET_PARAMETERS.iter().any(|parameter| route.contains(parameter)));
    route.or_else(|| SECRET_BELOW.into_iter().find(|folder| path.starts_with(folder))).unwrap_or(path)
}

fn on_response<B>(response: &http::Response<B>, latency: Duration, _: &tracing::Span) {
    tracing::debug!(status = response.status().as_u16(), ms = latency.as_secs_f64() * 1e3, "answered");
}

/// Only what looks like an id may stand in the log.
pub(crate) fn is_request_id(value: &HeaderValue) -> bool {
    (1..=MAX_REQUEST_ID_BYTES).contains(&value.len())
        && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn drop_strange_request_id(mut request: Request) -> Request {
    if request.headers().get("x-request-id").is_some_and(|value| !is_request_id(value)) {
        request.headers_mut().remove("x-request-id");
    }
    request
}

/// The length of a compressed answer tells of its content: what carries tokens beside something that others may choose goes as it is.
fn holds_no_token(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    !headers.contains_key(header::SET_COOKIE)
}

async fn refuse_unknown_hosts(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let is_known = is_known_host(request.uri(), request.headers(), &settings)
        || is_terminals_host(request.headers(), request.extensions(), &settings);
    if is_known {
        return next.run(request).await;
    }
    ApiError::from(ApiFault::UnknownHost).into_response()
}

async fn security_headers(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let secure = is_secure(request.headers(), request.extensions(), &settings.trusted_proxies);
    let policy = content_security_policy(request.headers().get(header::HOST));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    set_default(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(headers, header::REFERRER_POLICY, "same-origin");
    set_default(
        headers,
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    set_default(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set_default(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set_default(headers, header::CACHE_CONTROL, "no-store");
    let hsts = settings.hsts_seconds;
    if secure
        && hsts > 0
        && let Ok(value) = format!("max-age={hsts}").parse()
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// Some browsers do not count the WebSocket of a page's own site to `'self'`, so that it is named. What is no plain name stays out.
fn content_security_policy(host: Option<&HeaderValue>) -> HeaderValue {
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    host.and_then(|host| host.to_str().ok())
        .filter(plain)
        .and_then(|host| format!("{CONTENT_SECURITY_POLICY} ws://{host} wss://{host}").parse().ok())
        .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

fn cors(settings: &Settings) -> Result<CorsLayer, ServerError> {
    let origins = settings
        .cors_origins
        .iter()
        .map(|origin| {
            let is_origin =
                origin.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains(['/', '*']));
            origin.parse::<HeaderValue>().ok().filter(|_| is_origin).ok_or_else(|| ServerError::Setting {
                name: "cors_origins",
                reason: format!("`{origin}` is not an origin like https://example.org"),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::RANGE,
            HeaderName::from_static(coditect_protocol::auth::CSRF_HEADER),
        ])
        .expose_headers([header::ETAG, header::CONTENT_RANGE, HeaderName::from_static("x-request-id")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_websocket_is_named_in_the_policy_and_nothing_else() {
        let policy = |host: &'static str| {
            content_security_policy(Some(&HeaderValue::from_static(host))).to_str().unwrap().to_owned()
        };
        assert!(policy("a.example:81").ends_with("connect-src 'self' ws://a.example:81 wss://a.example:81"));
        assert!(policy("[::1]:8700").ends_with(" ws://[::1]:8700 wss://[::1]:8700"));
        for host in ["", "a b", "a;script-src *", "*", "a,b"] {
            assert_eq!(policy(host), CONTENT_SECURITY_POLICY, "{host}");
        }
    }
}
