//! What goes wrong.

use serde_json::{Value, json};

use crate::turn::{Failure, FailureKind};

/// How Anthropic says that a conversation is too long.
const TOO_LONG: &str = "prompt is too long";

/// The status and the body.
pub(crate) fn write(failure: &Failure) -> (u16, Value) {
    let (status, kind) = words(failure.kind);
    let mut error = json!({ "type": kind, "message": message(failure) });
    if let Some(code) = &failure.code {
        error["details"] = json!({ "code": code });
    }
    (status, json!({ "type": "error", "error": error }))
}

/// Clients know by its first words that a conversation is too long, and make it shorter.
fn message(failure: &Failure) -> String {
    if failure.kind == FailureKind::ContextTooLong && !failure.message.starts_with(TOO_LONG) {
        format!("{TOO_LONG}: {}", failure.message)
    } else {
        failure.message.clone()
    }
}

fn words(kind: FailureKind) -> (u16, &'static str) {
    match kind {
        FailureKind::BadRequest | FailureKind::ContextTooLong => (400, "invalid_request_error"),
        FailureKind::Unauthenticated => (401, "authentication_error"),
        FailureKind::OutOfMoney => (402, "billing_error"),
        FailureKind::Forbidden => (403, "permission_error"),
        FailureKind::NotFound => (404, "not_found_error"),
        FailureKind::TooLarge => (413, "request_too_large"),
        FailureKind::RateLimited => (429, "rate_limit_error"),
        FailureKind::Upstream => (502, "api_error"),
        FailureKind::Overloaded => (529, "overloaded_error"),
        FailureKind::Timeout => (504, "timeout_error"),
    }
}
