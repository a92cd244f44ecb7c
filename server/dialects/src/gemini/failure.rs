//! What goes wrong.

use serde_json::{Value, json};

use crate::turn::{Failure, FailureKind};

/// The status and the body. `error` comes first and its code is a number: clients look for just that in a stream.
pub(crate) fn write(failure: &Failure) -> (u16, Value) {
    let (status, word) = words(failure.kind);
    let mut details = Vec::new();
    if let Some(code) = &failure.code {
        details
            .push(json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "coditect" }));
    }
    if let Some(wait) = failure.retry_after {
        let delay = format!("{}s", wait.as_secs_f64());
        details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
    }
    let error = json!({ "code": status, "message": failure.message, "status": word, "details": details });
    (status, json!({ "error": error }))
}

fn words(kind: FailureKind) -> (u16, &'static str) {
    match kind {
        FailureKind::BadRequest | FailureKind::ContextTooLong => (400, "INVALID_ARGUMENT"),
        FailureKind::TooLarge => (413, "INVALID_ARGUMENT"),
        FailureKind::Unauthenticated => (401, "UNAUTHENTICATED"),
        FailureKind::Forbidden => (403, "PERMISSION_DENIED"),
        FailureKind::NotFound => (404, "NOT_FOUND"),
        FailureKind::OutOfMoney | FailureKind::RateLimited => (429, "RESOURCE_EXHAUSTED"),
        FailureKind::Upstream => (502, "INTERNAL"),
        FailureKind::Overloaded => (503, "UNAVAILABLE"),
        FailureKind::Timeout => (504, "DEADLINE_EXCEEDED"),
    }
}
