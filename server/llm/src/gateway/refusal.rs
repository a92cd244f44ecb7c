//! That there is no answer, in the words of whoever asked.

use coditect_dialects::{Dialect, Failure, FailureKind};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::answer::AnswerBody;
use super::carry::passed_type;
use super::open::{NoAnswer, Said};
use crate::error::code_of;

/// The stable code of a refusal, whatever the dialect makes of it.
pub(crate) const CODE: HeaderName = HeaderName::from_static("x-coditect-code");

/// Tells the clients of OpenAI and Anthropic whether to put a question again by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The answer. What an upstream of the same dialect said is passed on as it is, unless it is about our key: who asks would take that
/// for their own, and log out.
pub(crate) fn response(door: Dialect, no_answer: &NoAnswer) -> Response<AnswerBody> {
    let passes_on = |said: &&Said| {
        said.is_passed_on && !matches!(code_of(&no_answer.failure), "llm.refused_key" | "llm.upstream_out_of_money")
    };
    let mut response = match no_answer.said.as_ref().filter(passes_on) {
        Some(said) if said.status.is_client_error() || said.status.is_server_error() => {
            passed_on(said, &no_answer.failure)
        }
        _ => of_failure(door, &no_answer.failure),
    };
    if no_answer.was_retried || no_answer.failure.kind == FailureKind::OutOfMoney {
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// A failure in a dialect.
pub(crate) fn of_failure(door: Dialect, failure: &Failure) -> Response<AnswerBody> {
    let (status, body) = match code_of(failure) {
        // An upstream's fault by its kind, which agents would try to outwait. A 401 would be about their own key.
        "llm.refused_key" => door.failure(&Failure { kind: FailureKind::Forbidden, ..failure.clone() }),
        _ => door.failure(failure),
    };
    let mut response = Response::new(AnswerBody::whole(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    tell(headers, failure);
    response
}

fn passed_on(said: &Said, failure: &Failure) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(said.body.clone()));
    *response.status_mut() = said.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, passed_type(&said.headers));
    tell(headers, failure);
    response
}

fn tell(headers: &mut HeaderMap, failure: &Failure) {
    headers.insert(CODE, HeaderValue::from_static(code_of(failure)));
    if let Some(wait) = failure.retry_after {
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)),
        );
    }
}
