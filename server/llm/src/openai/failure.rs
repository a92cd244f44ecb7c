//! What goes wrong: a refusal or a failure in the words of many servers, as one of our errors.

use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::Value;

use crate::{
    endpoint::{Identity, retry_after},
    error::LlmError,
};

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

/// What a server says about a failure, wherever in its JSON it says it.
#[derive(Debug, Default)]
struct Told {
    message: String,
    code: String,
    kind: String,
}

/// The failure that an answer with a status other than 2xx means.
pub(super) fn of_response(identity: &Identity, model: &str, response: &Response, body: &[u8]) -> LlmError {
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = match serde_json::from_slice::<Value>(body) {
        Ok(value) => told(&value),
        // A page made for browsers says nothing to a person who reads one sentence.
        Err(_) if content_type.starts_with("text/plain") => {
            Told { message: String::from_utf8_lossy(body).into_owned(), ..Told::default() }
        }
        Err(_) => Told::default(),
    };
    classify(identity, model, Some(status), &told, retry_after(response.headers()))
}

/// The failure that stands in the middle of an answer.
pub(super) fn of_event(identity: &Identity, event: &Value) -> LlmError {
    let told = told(event);
    // Some servers put the status there that they could not send any more.
    let status = told.code.parse().ok().filter(|status| (400..600).contains(status));
    classify(identity, "", status, &told, None)
}

/// An answer of a type that cannot hold one.
pub(super) fn not_an_answer(identity: &Identity, content_type: &str) -> LlmError {
    let kind = identity.scrub(content_type);
    identity.bad_stream(format!("it sent `{kind}` instead of an event stream; its base_url usually ends in /v1"))
}

fn classify(identity: &Identity, model: &str, status: Option<u16>, told: &Told, retry_after: Option<u64>) -> LlmError {
    let upstream = identity.name.clone();
    let message = identity.scrub(&told.message);
    match status {
        Some(status @ (401 | 403)) => LlmError::RefusedKey { upstream, status },
        Some(429) => LlmError::RateLimited { upstream, retry_after_seconds: retry_after },
        None if told.kind.contains("rate_limit") || told.code.contains("rate_limit") => {
            LlmError::RateLimited { upstream, retry_after_seconds: retry_after }
        }
        None | Some(400 | 413 | 422 | 500) if is_overflow(told) => LlmError::ContextOverflow { upstream, message },
        Some(400 | 404) if !model.is_empty() && is_unknown_model(told) => {
            LlmError::UnknownModel { model: crate::scrub::shorten(&format!("{upstream}/{model}")) }
        }
        _ => LlmError::UpstreamError { upstream, status, message: or_hint(message, status) },
    }
}

fn or_hint(message: String, status: Option<u16>) -> String {
    let hint = match status {
        Some(300..=399) => "it answers from another address: set base_url to where it redirects",
        Some(404 | 405) if message.is_empty() => "there is nothing at this address: its base_url usually ends in /v1",
        _ if message.is_empty() => "it does not say why",
        _ => return message,
    };
    hint.to_owned()
}

fn told(value: &Value) -> Told {
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
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
    Told {
        message,
        code: text(error.get("code")).unwrap_or_default(),
        kind: text(error.get("type")).unwrap_or_default(),
    }
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
    use coditect_protocol::Coded;
    use serde_json::json;

    use super::*;

    fn check(status: Option<u16>, body: &Value, code: &str) {
        let identity = Identity::for_test("u", "topsecret");
        let error = classify(&identity, "m", status, &told(body), None);
        assert_eq!(error.code(), code, "{status:?} {body} {error}");
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }

    #[test]
    fn the_words_of_many_servers() {
        for message in [
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "the request exceeds the available context size, try increasing it",
            "The number of tokens to keep from the initial prompt is greater than the context length",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "The input token count (5) exceeds the maximum number of tokens allowed (4).",
        ] {
            check(Some(400), &json!({ "error": { "message": message } }), "llm.context_overflow");
            check(Some(400), &json!({ "error": message }), "llm.context_overflow");
            check(Some(422), &json!({ "detail": message }), "llm.context_overflow");
            check(None, &json!({ "object": "error", "message": message }), "llm.context_overflow");
            check(Some(400), &json!([{ "error": { "message": message } }]), "llm.context_overflow");
        }
        check(Some(400), &json!({ "error": { "code": "context_length_exceeded" } }), "llm.context_overflow");
        check(Some(400), &json!({ "error": { "type": "exceed_context_size_error" } }), "llm.context_overflow");
        check(Some(404), &json!({ "error": "model 'x' not found, try pulling it first" }), "llm.unknown_model");
        check(Some(404), &json!({ "message": "The model `x` does not exist." }), "llm.unknown_model");
        check(Some(404), &json!({ "error": { "code": "model_not_found" } }), "llm.unknown_model");
        check(Some(404), &json!({ "detail": "Not Found" }), "llm.upstream_error");
        check(Some(401), &json!({ "error": { "message": "key topsecret is wrong" } }), "llm.refused_key");
        check(Some(403), &json!({}), "llm.refused_key");
        check(Some(429), &json!(null), "llm.rate_limited");
        check(None, &json!({ "error": { "type": "rate_limit_error" } }), "llm.rate_limited");
        check(Some(500), &json!({ "error": { "message": "topsecret exploded" } }), "llm.upstream_error");
        check(Some(302), &json!({}), "llm.upstream_error");
        for odd in [json!([]), json!([[]]), json!(7), json!({ "error": [1] }), json!({ "detail": [] }), json!("x")] {
            check(Some(400), &odd, "llm.upstream_error");
        }
    }
}
