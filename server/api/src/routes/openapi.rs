//! `/openapi.json`: the description of the API.

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header;

/// The description as it is sent.
#[derive(Clone)]
pub(super) struct Document(pub(super) Bytes);

/// This description (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "server",
    responses((status = 200, body = serde_json::Value, content_type = "application/json")))]
pub(super) async fn show(Extension(Document(json)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], json).into_response()
}
