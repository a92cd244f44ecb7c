//! Layers around all routes.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::{DefaultOnFailure, TraceLayer};

use crate::error::ServerError;
use crate::problem;
use crate::settings::Settings;

/// What pages of this site may load and run. Theia sets inline styles; Wasm needs its own permission.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

/// Answers smaller than this are not worth compressing, in bytes.
const COMPRESS_ABOVE_BYTES: u64 = 1024;
/// Longest request id taken over from a proxy, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// Puts all layers around the routes.
pub(crate) fn around(routes: Router, settings: &Settings) -> Result<Router, ServerError> {
    let compressible = SizeAbove::new(COMPRESS_ABOVE_BYTES)
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::IMAGES);
    let trace =
        TraceLayer::new_for_http().make_span_with(span).on_response(on_response).on_failure(DefaultOnFailure::new());
    let layers = ServiceBuilder::new()
        .map_request(drop_strange_request_id)
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
        .layer(trace)
        .layer(PropagateRequestIdLayer::x_request_id())
        .map_response(security_headers)
        .layer(cors(settings)?)
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(middleware::from_fn(problem::render))
        .layer(CatchPanicLayer::new());
    Ok(routes.layer(layers))
}

/// Fails a request that takes longer than the limit to start its answer.
pub(crate) fn timeout(routes: Router<crate::AppState>, settings: &Settings) -> Router<crate::AppState> {
    let limit = Duration::from_secs(settings.request_timeout_seconds);
    routes.layer(tower_http::timeout::TimeoutLayer::with_status_code(http::StatusCode::GATEWAY_TIMEOUT, limit))
}

fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    // The query is left out: it may hold what is nobody's business.
    tracing::info_span!("http", method = %request.method(), path = request.uri().path(), request_id = id)
}

fn on_response<B>(response: &http::Response<B>, latency: Duration, _: &tracing::Span) {
    tracing::debug!(status = response.status().as_u16(), ms = latency.as_secs_f64() * 1e3, "answered");
}

/// Only what looks like an id may stand in the log.
fn drop_strange_request_id(mut request: Request) -> Request {
    let plain = |value: &HeaderValue| {
        value.len() <= MAX_REQUEST_ID_BYTES
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    if request.headers().get("x-request-id").is_some_and(|value| !plain(value)) {
        request.headers_mut().remove("x-request-id");
    }
    request
}

fn security_headers<B>(mut response: http::Response<B>) -> http::Response<B> {
    let headers = response.headers_mut();
    set_default(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
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
    response
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
