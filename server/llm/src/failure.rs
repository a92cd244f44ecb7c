//! What an upstream says went wrong, in our words.

use std::time::Duration;

use coditect_dialects::{Failure, FailureKind, failure};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::error::LlmError;
use crate::scrub::shorten;
use crate::upstream::address::Identity;
use crate::upstream::client::retry_after;

/// The failure that an answer with a status other than 2xx means.
pub(crate) fn of_answer(
    identity: &Identity,
    model: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Failure {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value,
        // A page made for browsers says nothing to a person who reads one sentence.
        Err(_) if content_type.starts_with("text/plain") => Value::from(String::from_utf8_lossy(body)),
        Err(_) => Value::Null,
    };
    let mut failure = failure::read(Some(status.as_u16()), &told);
    failure.retry_after = retry_after(headers).map(Duration::from_secs).or(failure.retry_after);
    in_our_words(identity, model, Some(status), failure)
}

/// As [`of_answer`], where models are only listed.
pub(crate) fn of_response(identity: &Identity, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> LlmError {
    of_answer(identity, "", status, headers, body).into()
}

/// An answer of a type that cannot hold one.
pub(crate) fn not_an_answer(identity: &Identity, content_type: &str) -> Failure {
    let kind = identity.scrub(content_type);
    identity.bad_stream(format!("it sent `{kind}` instead of an answer; its base_url usually ends in /v1")).into()
}

/// A failure with the upstream's name and advice, and without whatever looks like a key.
pub(crate) fn in_our_words(identity: &Identity, model: &str, status: Option<StatusCode>, failure: Failure) -> Failure {
    let name = &identity.name;
    let said = or_hint(identity.scrub(&failure.message), status);
    let message = match failure.kind {
        FailureKind::Upstream if failure.code.as_deref() == Some("llm.refused_key") => {
            let status = status.map(|status| format!(" (HTTP {})", status.as_u16())).unwrap_or_default();
            format!("Upstream “{name}” refused the key{status}: check the key and what it may be used for.")
        }
        FailureKind::Upstream if failure.code.as_deref() == Some("llm.upstream_out_of_money") => {
            format!("Upstream “{name}” says that its account has no money left: whoever owns the key must see to it.")
        }
        FailureKind::ContextTooLong => format!(
            "The conversation is too long for the model at “{name}”: shorten it, start a new one, or choose a model with a longer \
             context. It says: {said}"
        ),
        FailureKind::RateLimited => {
            let when = match failure.retry_after {
                Some(wait) => format!("in {} s", wait.as_secs_f64().ceil()),
                None => "later".to_owned(),
            };
            let says = if failure.message.is_empty() { String::new() } else { format!(" It says: {said}") };
            format!("Upstream “{name}” has reached its limit: try again {when}, or choose another model.{says}")
        }
        FailureKind::NotFound if !model.is_empty() => {
            format!("Upstream “{name}” has no model “{}”: choose another one. It says: {said}", shorten(model))
        }
        _ => {
            let status = status.map(|status| format!(" (HTTP {})", status.as_u16())).unwrap_or_default();
            format!("Upstream “{name}” reports a failure{status}: {said}")
        }
    };
    Failure { message, ..failure }
}

fn or_hint(message: String, status: Option<StatusCode>) -> String {
    let hint = match status.map(|status| status.as_u16()) {
        Some(300..=399) => "it answers from another address: set base_url to where it redirects",
        Some(404 | 405) if message.is_empty() => "there is nothing at this address: its base_url usually ends in /v1",
        _ if message.is_empty() => "it does not say why",
        _ => return message,
    };
    hint.to_owned()
}
