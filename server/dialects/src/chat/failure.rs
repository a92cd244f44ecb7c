//! What goes wrong, as both of OpenAI's dialects say it.

use serde_json::{Value, json};

use crate::turn::{Failure, FailureKind};

/// The status and the body.
pub(crate) fn write(failure: &Failure) -> (u16, Value) {
    let (status, kind, code) = words(failure.kind);
    let error = json!({
        "message": failure.message,
        "type": kind,
        "param": failure.param,
        "code": code.or(failure.code.as_deref()),
    });
    (status, json!({ "error": error }))
}

/// Status, type and, where clients act on it, code.
pub(crate) fn words(kind: FailureKind) -> (u16, &'static str, Option<&'static str>) {
    match kind {
        FailureKind::BadRequest => (400, "invalid_request_error", None),
        FailureKind::ContextTooLong => (400, "invalid_request_error", Some("context_length_exceeded")),
        FailureKind::Unauthenticated => (401, "invalid_request_error", Some("invalid_api_key")),
        FailureKind::OutOfMoney => (429, "insufficient_quota", Some("insufficient_quota")),
        FailureKind::Forbidden => (403, "permission_error", None),
        FailureKind::NotFound => (404, "invalid_request_error", Some("model_not_found")),
        FailureKind::TooLarge => (413, "invalid_request_error", None),
        FailureKind::RateLimited => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        FailureKind::Upstream => (502, "server_error", None),
        FailureKind::Overloaded => (503, "server_error", Some("server_is_overloaded")),
        FailureKind::Timeout => (504, "server_error", None),
    }
}
