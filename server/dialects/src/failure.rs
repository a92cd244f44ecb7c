//! What goes wrong, in the words of many servers.

use std::time::Duration;

use serde_json::Value;

use crate::json;
use crate::turn::{Failure, FailureKind};

/// How servers say that the conversation is too long, in lower case.
const OVERFLOW_WORDS: [&str; 17] = [
    "maximum context length",
    "maximum prompt length",
    "context length exceeded",
    "context_length_exceeded",
    "exceeds the context",
    "exceed the context",
    "exceeds the available context",
    "exceed context",
    "context window",
    "context overflow",
    "context the overflows",
    "greater than the context length",
    "prompt is too long",
    "input is too long",
    "exceeds the maximum number of tokens",
    "too many tokens",
    "reduce the length of the messages",
];
/// How servers say that they do not have the model, beside the word “model”, in lower case.
const UNKNOWN_WORDS: [&str; 6] =
    ["not found", "does not exist", "doesn't exist", "no such model", "unknown model", "invalid model"];
/// How servers say that there is no money left, in their codes and types.
const MONEY_WORDS: [&str; 4] = ["insufficient_quota", "billing", "insufficient balance", "payment_required"];
/// How they say it in a message, in lower case.
const MONEY_MESSAGES: [&str; 3] =
    ["your credit balance is too low", "insufficient balance", "you exceeded your current quota"];
/// How they say that our key is no good where the status does not, in lower case.
const KEY_WORDS: [&str; 2] = ["api_key_invalid", "invalid_api_key"];
/// Longest wait that is believed, in seconds.
const MAX_WAIT_SECONDS: f64 = 86_400.0;

/// What a server says about a failure, wherever in its JSON it says it.
#[derive(Debug, Default)]
struct Told {
    message: String,
    code: String,
    kind: String,
    /// Why, in a word, in Gemini's details.
    reason: String,
    wait: Option<Duration>,
}

/// Whether this is a failure and not a piece of an answer.
#[must_use]
pub fn is_failure(value: &Value) -> bool {
    let has_error = |value: &Value| json::given(value, "error").is_some();
    has_error(value)
        || json::text(value, "object") == Some("error")
        || json::text(value, "type") == Some("error")
        || value.as_array().is_some_and(|list| list.iter().any(has_error))
}

/// Reads a failure: the body of an answer with this status, or an event in the middle of one. The message is the server's own and
/// may repeat what it was sent, the key included.
pub fn read(status: Option<u16>, body: &Value) -> Failure {
    let told = told(body);
    // Some servers put the status there that they could not send any more.
    let status = status.or_else(|| told.code.parse().ok().filter(|status| (400..600).contains(status)));
    let (kind, code) = classify(status, &told);
    Failure { kind, message: told.message, code: Some(code.to_owned()), param: None, retry_after: told.wait }
}

fn classify(status: Option<u16>, told: &Told) -> (FailureKind, &'static str) {
    let says = |word: &str| told.kind.contains(word) || told.code.contains(word);
    match status {
        // The key is ours, not that of whoever asks.
        Some(401 | 403) => (FailureKind::Upstream, "llm.refused_key"),
        _ if is_key(told) => (FailureKind::Upstream, "llm.refused_key"),
        Some(402) => (FailureKind::Upstream, "llm.upstream_out_of_money"),
        _ if MONEY_WORDS.iter().any(|word| says(word)) || is_money(told) => {
            (FailureKind::Upstream, "llm.upstream_out_of_money")
        }
        Some(429) => (FailureKind::RateLimited, "llm.rate_limited"),
        None if says("invalid_prompt") => (FailureKind::BadRequest, "llm.upstream_error"),
        None if says("rate_limit") || says("RESOURCE_EXHAUSTED") => (FailureKind::RateLimited, "llm.rate_limited"),
        None | Some(400 | 413 | 422 | 500) if is_overflow(told) => {
            (FailureKind::ContextTooLong, "llm.context_overflow")
        }
        Some(400 | 404) if is_unknown_model(told) => (FailureKind::NotFound, "llm.unknown_model"),
        Some(503 | 529) => (FailureKind::Overloaded, "llm.upstream_error"),
        None if says("overloaded") || says("UNAVAILABLE") => (FailureKind::Overloaded, "llm.upstream_error"),
        Some(408 | 504) => (FailureKind::Timeout, "llm.upstream_error"),
        Some(413) => (FailureKind::TooLarge, "llm.upstream_error"),
        Some(400 | 422) => (FailureKind::BadRequest, "llm.upstream_error"),
        None if says("invalid_request") => (FailureKind::BadRequest, "llm.upstream_error"),
        _ => (FailureKind::Upstream, "llm.upstream_error"),
    }
}

fn told(value: &Value) -> Told {
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    let error = json::given(value, "error").unwrap_or(value);
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let detail = |value: &Value| match value.get("detail") {
        // A list of what is wrong with each field.
        Some(Value::Array(list)) => text(list.first().and_then(|first| first.get("msg"))),
        detail => text(detail),
    };
    let message = text(Some(error))
        .or_else(|| text(error.get("message")))
        .or_else(|| detail(error))
        .or_else(|| text(value.get("message")))
        .unwrap_or_default();
    let kind = text(error.get("type")).or_else(|| text(error.get("status"))).unwrap_or_default();
    let detail = |name: &'static str| json::list(error, "details").find_map(move |detail| json::text(detail, name));
    let wait = detail("retryDelay").and_then(seconds).or_else(|| wait_in(&message));
    let reason = detail("reason").unwrap_or_default().to_lowercase();
    Told { code: text(error.get("code")).unwrap_or_default(), message, kind, reason, wait }
}

/// `1.5s`, `20ms` or `3 seconds`.
fn seconds(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim_start();
    let seconds = if unit.starts_with("ms") { number / 1000.0 } else { number };
    (unit.starts_with('s') || unit.starts_with("ms")).then_some(())?;
    Duration::try_from_secs_f64(seconds.min(MAX_WAIT_SECONDS)).ok()
}

/// Some servers tell how long to wait in words only.
fn wait_in(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("try again in ")?;
    seconds(rest)
}

/// Never by the message: it may quote whoever asked, who could so speak ill of a key that others use as well.
fn is_key(told: &Told) -> bool {
    KEY_WORDS.iter().any(|word| told.reason == *word || told.code == *word)
}

/// By how the message begins at the most, for the same reason.
fn is_money(told: &Told) -> bool {
    let message = told.message.to_lowercase();
    MONEY_MESSAGES.iter().any(|words| message.starts_with(words))
}

fn is_overflow(told: &Told) -> bool {
    let message = told.message.to_lowercase();
    told.code == "context_length_exceeded"
        || told.kind == "exceed_context_size_error"
        || OVERFLOW_WORDS.iter().any(|words| message.contains(words))
}

fn is_unknown_model(told: &Told) -> bool {
    let message = told.message.to_lowercase();
    told.code == "model_not_found"
        || (message.contains("model") && UNKNOWN_WORDS.iter().any(|words| message.contains(words)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_many_servers() {
        use FailureKind as Kind;
        let rows = [
            (Some(401), json!({ "error": { "message": "no" } }), Kind::Upstream, "llm.refused_key"),
            (
                Some(400),
                json!({ "error": { "code": 400, "message": "API key not valid.", "details": [{ "reason": "API_KEY_INVALID" }] } }),
                Kind::Upstream,
                "llm.refused_key",
            ),
            (Some(402), json!("pay"), Kind::Upstream, "llm.upstream_out_of_money"),
            (
                Some(429),
                json!({ "error": { "type": "insufficient_quota", "code": "insufficient_quota" } }),
                Kind::Upstream,
                "llm.upstream_out_of_money",
            ),
            (
                Some(400),
                json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "Your credit balance is too low" } }),
                Kind::Upstream,
                "llm.upstream_out_of_money",
            ),
            (Some(429), json!({ "error": "slow down" }), Kind::RateLimited, "llm.rate_limited"),
            (
                None,
                json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED" } }),
                Kind::RateLimited,
                "llm.rate_limited",
            ),
            (
                Some(400),
                json!({ "error": { "message": "This model's maximum context length is 8192 tokens" } }),
                Kind::ContextTooLong,
                "llm.context_overflow",
            ),
            (
                Some(400),
                json!({ "error": { "code": 400, "message": "too big", "type": "exceed_context_size_error" } }),
                Kind::ContextTooLong,
                "llm.context_overflow",
            ),
            (
                Some(404),
                json!({ "error": { "message": "The model `x` does not exist", "code": "model_not_found" } }),
                Kind::NotFound,
                "llm.unknown_model",
            ),
            (Some(404), json!("<html>not here</html>"), Kind::Upstream, "llm.upstream_error"),
            (Some(529), json!({ "error": { "type": "overloaded_error" } }), Kind::Overloaded, "llm.upstream_error"),
            (None, json!({ "error": { "type": "overloaded_error" } }), Kind::Overloaded, "llm.upstream_error"),
            (
                None,
                json!({ "type": "error", "code": "server_error", "message": "x" }),
                Kind::Upstream,
                "llm.upstream_error",
            ),
            (Some(504), json!(null), Kind::Timeout, "llm.upstream_error"),
            (Some(413), json!({ "detail": "too large" }), Kind::TooLarge, "llm.upstream_error"),
            (
                Some(422),
                json!({ "detail": [{ "msg": "field required", "loc": ["body"] }] }),
                Kind::BadRequest,
                "llm.upstream_error",
            ),
            (Some(500), json!({}), Kind::Upstream, "llm.upstream_error"),
        ];
        for (status, body, kind, code) in rows {
            let failure = read(status, &body);
            assert_eq!((failure.kind, failure.code.as_deref()), (kind, Some(code)), "{status:?} {body}");
        }
    }

    #[test]
    fn the_message_is_found_wherever_it_stands() {
        for body in [
            json!("gone"),
            json!({ "error": "gone" }),
            json!({ "error": { "message": "gone" } }),
            json!([{ "error": { "message": "gone" } }]),
            json!({ "message": "gone" }),
            json!({ "detail": "gone" }),
            json!({ "detail": [{ "msg": "gone" }] }),
            json!({ "error": { "detail": "gone" } }),
            json!({ "type": "error", "message": "gone" }),
        ] {
            assert_eq!(read(None, &body).message, "gone", "{body}");
        }
    }

    #[test]
    fn waits() {
        let seconds = |body: Value| read(Some(429), &body).retry_after.map(|wait| wait.as_secs_f64());
        let told = |message: &str| json!({ "error": { "message": message } });
        assert_eq!(seconds(told("Please try again in 1.5s.")), Some(1.5));
        assert_eq!(seconds(told("Please try again in 20ms")), Some(0.02));
        assert_eq!(seconds(told("try again in 3 seconds")), Some(3.0));
        assert_eq!(seconds(json!({ "error": { "code": 429, "details": [{}, { "retryDelay": "2s" }] } })), Some(2.0));
        for strange in [
            "try again in ",
            "try again in a while",
            "try again in 6 minutes",
            "try again in 6m0s",
            "try again in 1.2.3s",
            "no",
        ] {
            assert_eq!(seconds(told(strange)), None, "{strange}");
        }
        assert_eq!(seconds(told("try again in 99999999999999999999999s")), Some(MAX_WAIT_SECONDS));
    }
}
