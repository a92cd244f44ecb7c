//! The one layer around all doors: a known host, an id, a span for the log, and refusals in the words of who asks.
//!
//! It stands in place of the layers around the other routes: agents ask thousands of times a second, answers are never compressed,
//! and no page has to be protected from them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use coditect_dialects::{Dialect, Failure, FailureKind};
use coditect_llm::AnswerBody;
use coditect_protocol::{Kind, Problem};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use super::dialect_of;
use crate::denials::{Denials, Denied};
use crate::error::{ApiError, ApiFault};
use crate::identity::{self, is_known_host, is_terminals_host};
use crate::layers::is_request_id;
use crate::problem::{Asker, bare};
use crate::settings::Settings;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The stable code of a refusal, whatever the dialect makes of it.
pub(crate) const CODE: HeaderName = HeaderName::from_static("x-coditect-code");

/// When to come back, in seconds, where nothing better is known.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What the layer needs.
#[derive(Clone)]
struct Around {
    settings: Arc<Settings>,
    denials: Denials,
}

/// Puts the layer around the doors.
pub(crate) fn around(doors: Router, settings: &Arc<Settings>, denials: &Denials) -> Router {
    let state = Around { settings: settings.clone(), denials: denials.clone() };
    let idle = Duration::from_secs(settings.client_idle_seconds);
    doors
        .layer(RequestBodyTimeoutLayer::new(idle))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(state, surround))
}

async fn surround(State(around): State<Around>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).filter(|value| is_request_id(value));
    let id = given.and_then(|id| id.to_str().ok()).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    for name in ["authorization", "x-api-key", "x-goog-api-key", "cookie"] {
        if let Some(value) = request.headers_mut().get_mut(name) {
            value.set_sensitive(true);
        }
    }
    let dialect = dialect_of(request.method(), request.uri().path(), request.headers(), request.uri().query());
    let told = Told {
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        address: identity::address(request.headers(), request.extensions(), &around.settings.trusted_proxies),
    };
    let span = tracing::info_span!("http", method = %told.method, path = request.uri().path(), request_id = id);
    let is_known = is_known_host(request.uri(), request.headers(), &around.settings)
        || is_terminals_host(request.headers(), request.extensions(), &around.settings);
    let mut response = if is_known {
        next.run(request).instrument(span).await
    } else {
        axum::response::IntoResponse::into_response(ApiError::from(ApiFault::UnknownHost))
    };
    let is_own = response.headers().contains_key("x-coditect-call") || response.headers().contains_key(CODE);
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| bare(&response, !is_own));
    if let Some(problem) = problem {
        told.tell(&around.denials, &problem, &asker, &id);
        let allowed = response.headers_mut().remove(header::ALLOW);
        response = refusal(dialect, &problem, response.status());
        if let Some(methods) = allowed {
            response.headers_mut().insert(header::ALLOW, methods);
        }
    } else if let Some(problem) = own_refusal(&response) {
        told.tell(&around.denials, &problem, &asker, &id);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    // Whatever an upstream answers, no browser takes it for a page of this site.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// What the gateway itself did not allow, for the log: nobody reads there what was said.
fn own_refusal(response: &Response) -> Option<Problem> {
    const NOT_ALLOWED: [&str; 4] = ["llm.not_allowed", "llm.budget_exhausted", "llm.no_price", "llm.no_key"];
    let code = response.headers().get(CODE)?.to_str().ok().filter(|code| NOT_ALLOWED.contains(code))?;
    Some(Problem {
        kind: Kind::Forbidden,
        code: code.to_owned(),
        message: String::new(),
        subject: None,
        request_id: None,
    })
}

/// What the log is told of a refusal.
struct Told {
    method: http::Method,
    route: Option<MatchedPath>,
    address: Option<std::net::IpAddr>,
}

impl Told {
    fn tell(&self, denials: &Denials, problem: &Problem, asker: &Asker, id: &str) {
        denials.note(&Denied {
            problem,
            method: Some(self.method.as_str()),
            route: self.route.as_ref().map(MatchedPath::as_str),
            user: asker.user(),
            address: self.address,
            request_id: Some(id),
        });
    }
}

/// A problem in a dialect.
fn refusal(dialect: Dialect, problem: &Problem, status: StatusCode) -> Response {
    let kind = match problem.kind {
        Kind::Unauthenticated => FailureKind::Unauthenticated,
        Kind::Forbidden => FailureKind::Forbidden,
        Kind::NotFound => FailureKind::NotFound,
        Kind::TooLarge => FailureKind::TooLarge,
        Kind::TooManyRequests => FailureKind::RateLimited,
        Kind::Unavailable | Kind::OutOfSpace => FailureKind::Overloaded,
        Kind::Timeout => FailureKind::Timeout,
        Kind::Internal | Kind::Upstream => FailureKind::Upstream,
        _ => FailureKind::BadRequest,
    };
    let failure = Failure::new(kind, problem.code.clone(), problem.message.clone());
    let (_, body) = dialect.failure(&failure);
    let mut response = Response::new(axum::body::Body::new(AnswerBody::whole(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(code) = HeaderValue::from_str(&problem.code) {
        headers.insert(CODE, code);
    }
    if matches!(problem.kind, Kind::Unavailable | Kind::TooManyRequests) {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}
