//! How a [`Problem`] becomes an HTTP answer.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use coditect_protocol::{API_PREFIX, Coded as _, Problem, UserId};
use http::StatusCode;
use tower_http::request_id::RequestId;

use crate::denials::{Denials, Denied};
use crate::error::{ApiError, ApiFault};
use crate::identity;
use crate::settings::Settings;

/// Beside the problem of an answer: the same in the words of OAuth (RFC 6749 §5.2, RFC 8628 §3.5).
#[derive(Debug, Clone, Copy)]
pub(crate) struct OAuthError(pub(crate) &'static str);

/// A problem as programs expect it that speak OAuth.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct OAuthProblem {
    #[serde(flatten)]
    problem: Problem,
    /// Of RFC 8628 §3.5 or RFC 6749 §5.2.
    #[schema(value_type = String, example = "authorization_pending")]
    error: &'static str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.into_problem();
        let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// Who makes a request, once the check before its route has found out: for what is told of a request after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<UserId>>);

impl Asker {
    /// It is this person.
    pub(crate) fn is(&self, user: UserId) {
        // Only the first check counts, and there is no second.
        let _ = self.0.set(user);
    }

    /// Who it is.
    pub(crate) fn user(&self) -> Option<UserId> {
        self.0.get().copied()
    }
}

/// What [`render`] needs.
#[derive(Clone)]
pub(crate) struct Rendering {
    pub(crate) settings: Arc<Settings>,
    pub(crate) denials: Denials,
}

/// Layer that writes the body of each problem, with the request's id, and turns the bare refusals of other layers below the API
/// into problems too. What was not allowed is told to the log here, whoever refused it.
pub(crate) async fn render(State(rendering): State<Rendering>, mut request: Request, next: Next) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let proxies = &rendering.settings.trusted_proxies;
    let address = identity::address(request.headers(), request.extensions(), proxies);
    let is_api = request.uri().path().starts_with(API_PREFIX);
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(str::to_owned);
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| bare(&response, is_api));
    let Some(mut problem) = problem else { return response };
    rendering.denials.note(&Denied {
        problem: &problem,
        method: Some(method.as_str()),
        route: route.as_ref().map(MatchedPath::as_str),
        user: asker.user(),
        address,
        request_id: id.as_deref(),
    });
    problem.request_id = id;
    let oauth = response.extensions_mut().remove::<OAuthError>();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.remove(http::header::CONTENT_TYPE);
    let told = match oauth {
        Some(OAuthError(error)) => Json(OAuthProblem { problem, error }).into_response(),
        None => Json(problem).into_response(),
    };
    let (json, body) = told.into_parts();
    parts.headers.extend(json.headers);
    Response::from_parts(parts, body)
}

/// The problem that a status without one stands for.
pub(crate) fn bare(response: &Response, is_api: bool) -> Option<Problem> {
    if !is_api {
        return None;
    }
    let fault = match response.status() {
        StatusCode::NOT_FOUND => ApiFault::NoSuchRoute,
        StatusCode::METHOD_NOT_ALLOWED => ApiFault::Method,
        StatusCode::PAYLOAD_TOO_LARGE => ApiFault::TooLarge,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => ApiFault::Timeout,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiFault::MediaType,
        StatusCode::BAD_REQUEST => ApiFault::BadRequest("The request is malformed."),
        StatusCode::INTERNAL_SERVER_ERROR => ApiFault::Internal,
        _ => return None,
    };
    Some(fault.problem())
}

/// JSON body of a request, refused as a problem that names the field.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        use axum::extract::rejection::JsonRejection;
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::from(match rejection {
                JsonRejection::MissingJsonContentType(_) => ApiFault::MediaType,
                JsonRejection::BytesRejection(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiFault::TooLarge
                }
                JsonRejection::BytesRejection(_) => ApiFault::BadRequest("The request's body did not arrive whole."),
                // serde's text names the field and the kind of value, and never repeats a password: it is a string, as asked for.
                JsonRejection::JsonDataError(error) => ApiFault::BadBody(error.body_text()),
                _ => ApiFault::BadJson,
            })),
        }
    }
}
