//! How a [`Problem`] becomes an HTTP answer.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use coditect_protocol::{API_PREFIX, Coded as _, Problem};
use http::StatusCode;
use tower_http::request_id::RequestId;

use crate::error::{ApiError, ApiFault};

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.into_problem();
        let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

/// Layer that writes the body of each problem, with the request's id, and turns the bare refusals of other layers below the API
/// into problems too.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with(API_PREFIX);
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(str::to_owned);
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| bare(&response, is_api));
    let Some(mut problem) = problem else { return response };
    problem.request_id = id;
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.remove(http::header::CONTENT_TYPE);
    let (json, body) = Json(problem).into_response().into_parts();
    parts.headers.extend(json.headers);
    Response::from_parts(parts, body)
}

/// The problem that a status without one stands for.
fn bare(response: &Response, is_api: bool) -> Option<Problem> {
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
