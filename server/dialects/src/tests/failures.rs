//! Failures, in the words of each dialect.

use std::time::Duration;

use serde_json::json;

use crate::FailureKind as Kind;
use crate::{Dialect, Failure, failure};

type Row = (Kind, (u16, &'static str, &'static str), (u16, &'static str), (u16, &'static str));

/// Status, type and code of OpenAI; status and type of Anthropic; status and word of Gemini.
const ROWS: [Row; 11] = [
    (
        Kind::BadRequest,
        (400, "invalid_request_error", "llm.x"),
        (400, "invalid_request_error"),
        (400, "INVALID_ARGUMENT"),
    ),
    (
        Kind::ContextTooLong,
        (400, "invalid_request_error", "context_length_exceeded"),
        (400, "invalid_request_error"),
        (400, "INVALID_ARGUMENT"),
    ),
    (
        Kind::Unauthenticated,
        (401, "invalid_request_error", "invalid_api_key"),
        (401, "authentication_error"),
        (401, "UNAUTHENTICATED"),
    ),
    (
        Kind::OutOfMoney,
        (429, "insufficient_quota", "insufficient_quota"),
        (402, "billing_error"),
        (429, "RESOURCE_EXHAUSTED"),
    ),
    (Kind::Forbidden, (403, "permission_error", "llm.x"), (403, "permission_error"), (403, "PERMISSION_DENIED")),
    (Kind::NotFound, (404, "invalid_request_error", "model_not_found"), (404, "not_found_error"), (404, "NOT_FOUND")),
    (Kind::TooLarge, (413, "invalid_request_error", "llm.x"), (413, "request_too_large"), (413, "INVALID_ARGUMENT")),
    (
        Kind::RateLimited,
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (429, "rate_limit_error"),
        (429, "RESOURCE_EXHAUSTED"),
    ),
    (Kind::Upstream, (502, "server_error", "llm.x"), (502, "api_error"), (502, "INTERNAL")),
    (Kind::Overloaded, (503, "server_error", "server_is_overloaded"), (529, "overloaded_error"), (503, "UNAVAILABLE")),
    (Kind::Timeout, (504, "server_error", "llm.x"), (504, "timeout_error"), (504, "DEADLINE_EXCEEDED")),
];

#[test]
fn statuses_and_words() {
    for (kind, openai, anthropic, gemini) in ROWS {
        let failed = Failure { param: Some("field".to_owned()), ..Failure::new(kind, "llm.x", "Why.") };
        for dialect in [Dialect::Chat, Dialect::Responses] {
            let error = json!({ "message": "Why.", "type": openai.1, "param": "field", "code": openai.2 });
            assert_eq!(dialect.failure(&failed), (openai.0, json!({ "error": error })));
        }
        let (status, body) = Dialect::Anthropic.failure(&failed);
        assert_eq!(
            (status, body["error"]["type"].as_str(), &body["type"]),
            (anthropic.0, Some(anthropic.1), &json!("error"))
        );
        let (status, body) = Dialect::Gemini.failure(&failed);
        let error = &body["error"];
        assert_eq!(
            (status, error["code"].as_u64(), &error["status"]),
            (gemini.0, Some(u64::from(gemini.0)), &json!(gemini.1))
        );
        // Clients look for just this at the beginning of an event.
        assert!(body.to_string().starts_with("{\"error\":{\"code\":"));
        for dialect in Dialect::ALL {
            let (_, body) = dialect.failure(&failed);
            assert!(failure::is_failure(&body) && failure::read(None, &body).message.ends_with("Why."), "{body}");
        }
    }
}

#[test]
fn too_long_in_the_words_that_agents_know() {
    let written = |message: &str| {
        let failed = Failure::new(Kind::ContextTooLong, "llm.context_overflow", message);
        Dialect::Anthropic.failure(&failed).1["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(written("prompt is too long: 5 tokens > 4 maximum"), "prompt is too long: 5 tokens > 4 maximum");
    assert_eq!(written("Too much."), "prompt is too long: Too much.");
}

#[test]
fn how_long_to_wait() {
    let wait = Some(Duration::from_millis(1500));
    let failed = Failure { retry_after: wait, ..Failure::new(Kind::RateLimited, "llm.rate_limited", "Slow down.") };
    let (_, body) = Dialect::Gemini.failure(&failed);
    assert_eq!(failure::read(None, &body).retry_after, wait);
    let body = super::write(Dialect::Responses, crate::Framing::Events, &[crate::Piece::Failed(failed)]);
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("Slow down. Please try again in 1.5s."), "{text}");
    assert!(text.contains("\"code\":\"rate_limit_exceeded\""), "{text}");
}
