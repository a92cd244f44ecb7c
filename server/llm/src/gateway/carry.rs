//! Carries an answer that has begun to whoever asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use coditect_dialects::{
    Dialect, Failure, FailureKind, Framing, Label, Names, Origin, Reading, Translation, failure, whole,
};
use coditect_protocol::llm::CallOutcome;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::answer::{AnswerBody, Patience, Streaming, Way};
use super::heavy::heavy;
use super::meter::Meter;
use super::open::{NoAnswer, Opened};
use super::question::Translated;
use super::refusal;
use super::tap::Tap;
use crate::error::code_of;
use crate::failure::{in_our_words, not_an_answer};
use crate::upstream::address::Identity;
use crate::upstream::client::Reply;

/// Largest answer that does not come in pieces, in bytes.
const MAX_WHOLE_BYTES: usize = 16 * 1024 * 1024;
/// Identifier of the call's record.
const CALL: HeaderName = HeaderName::from_static("x-coditect-call");
/// What answered, as `upstream/model`.
const MODEL: HeaderName = HeaderName::from_static("x-coditect-model");
/// What of the question the upstream's dialect has no words for.
const LOST: HeaderName = HeaderName::from_static("x-coditect-lost");
/// What of an upstream's headers goes on to who speaks its dialect.
const PASSED_ON: [HeaderName; 2] =
    [HeaderName::from_static("x-codex-turn-state"), HeaderName::from_static("openai-processing-ms")];

/// Who an answer is for.
pub(crate) struct Carrying {
    pub(crate) door: Dialect,
    pub(crate) framing: Framing,
    /// The model, as whoever asks wrote it.
    pub(crate) model: String,
    /// Whether a stream of the chat dialect tells its tokens.
    pub(crate) wants_usage: bool,
    /// Whether several answers are wanted.
    pub(crate) wants_several: bool,
}

impl Carrying {
    /// A stream.
    pub(crate) fn stream(self, opened: Opened, meter: Meter) -> Response<AnswerBody> {
        let Opened { target, identity, prepared, head, first, body } = opened;
        let kind = content_type(head.headers());
        let mut headers = told(&target.id, &meter);
        let way = match prepared.translated {
            None => {
                pass_on(head.headers(), &mut headers);
                Way::Passed(
                    Tap::new(self.door, kind, prepared.asks_count)
                        .of_several(self.wants_several && self.door == Dialect::Chat),
                )
            }
            Some(translated) => {
                self.note_losses(&translated, &mut headers);
                headers.insert(header::CONTENT_TYPE, self.content_type());
                let label = self.label(&translated, &meter);
                match Reading::new(prepared.dialect, kind, translated.disguised) {
                    Some(reading) => Way::Translated(Translation::new(reading, self.door, label, self.framing)),
                    None => {
                        let failure = not_an_answer(&identity, kind);
                        meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
                        return refusal::of_failure(self.door, &failure);
                    }
                }
            }
        };
        let patience = Patience::with(&target.upstream);
        let label = self.bare_label(&meter);
        let streaming = Streaming::new(identity, (self.door, label), way, (first, body), meter, patience);
        let mut response = Response::new(AnswerBody::stream(streaming));
        *response.headers_mut() = headers;
        response
    }

    /// An answer that does not come in pieces.
    pub(crate) async fn whole(
        self,
        opened: Opened,
        mut meter: Meter,
        deadline: Instant,
    ) -> Result<Response<AnswerBody>, NoAnswer> {
        let Opened { target, identity, prepared, head, first, body } = opened;
        let identity = &identity;
        let bytes = match collected(identity, first, body, deadline).await {
            Ok(bytes) => bytes,
            Err(failure) => {
                meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
                return Err(failure.into());
            }
        };
        let mut headers = told(&target.id, &meter);
        let Some(translated) = prepared.translated else {
            pass_on(head.headers(), &mut headers);
            return self.passed(bytes, headers, meter, identity).map_err(NoAnswer::from);
        };
        let value = heavy(bytes.len(), || serde_json::from_slice::<Value>(&bytes));
        if let Ok(value) = &value {
            meter.progress(prepared.dialect.tokens(value, None), 0);
        }
        let label = self.label(&translated, &meter);
        self.note_losses(&translated, &mut headers);
        let kind = content_type(head.headers());
        let value = value.map_err(|_| not_an_answer(identity, kind));
        let answer = value.and_then(|value| {
            whole(prepared.dialect, &value, translated.disguised, self.door, &label)
                .map_err(|failure| in_our_words(identity, &target.model, None, failure))
        });
        match answer {
            Ok((answer, _)) => {
                let body = Bytes::from(answer.to_string());
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                meter.heard(&body);
                meter.finish();
                let mut response = Response::new(AnswerBody::whole(body));
                *response.headers_mut() = headers;
                Ok(response)
            }
            Err(failure) => {
                meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
                Err(failure.into())
            }
        }
    }

    /// What came is passed on as it is, where it is an answer at all, be it a failure in place of one.
    fn passed(
        &self,
        bytes: Bytes,
        headers: HeaderMap,
        mut meter: Meter,
        identity: &Identity,
    ) -> Result<Response<AnswerBody>, Failure> {
        let (told, is_answer) = heavy(bytes.len(), || skimmed(self.door, &bytes));
        meter.progress(self.door.tokens(&told, None), 0);
        let has_failed = failure::is_failure(&told);
        if !is_answer && !has_failed {
            let failure = Failure::from(identity.bad_stream("it sent JSON that breaks off, or that is no answer"));
            meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
            return Err(failure);
        }
        let body = if has_failed {
            let body = if identity.gives_away(&bytes) { identity.hide(&bytes).into() } else { bytes };
            meter.heard(&body);
            let failure = in_our_words(identity, "", None, failure::read(None, &told));
            meter.end(CallOutcome::BrokeOff, Some(code_of(&failure)));
            body
        } else {
            meter.heard(&bytes);
            meter.finish();
            bytes
        };
        let mut response = Response::new(AnswerBody::whole(body));
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn content_type(&self) -> HeaderValue {
        match self.framing {
            Framing::Events => HeaderValue::from_static("text/event-stream; charset=utf-8"),
            Framing::Array => HeaderValue::from_static("application/json"),
        }
    }

    fn note_losses(&self, translated: &Translated, headers: &mut HeaderMap) {
        if let Some(losses) = translated.losses.listed().and_then(|losses| HeaderValue::try_from(losses).ok()) {
            headers.insert(LOST, losses);
        }
    }

    fn label(&self, translated: &Translated, meter: &Meter) -> Label {
        Label { names: translated.names.clone(), origin: translated.origin.clone(), ..self.bare_label(meter) }
    }

    fn bare_label(&self, meter: &Meter) -> Label {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        Label {
            model: self.model.clone(),
            names: Names::default(),
            origin: Origin { upstream: String::new(), model: String::new() },
            created,
            wants_usage: self.wants_usage,
            id: meter.id().simple().to_string(),
        }
    }
}

/// What is looked at of an answer that is passed on.
#[derive(Deserialize, Serialize)]
struct Skimmed {
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(rename = "usageMetadata", skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
    #[serde(skip_serializing)]
    choices: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    output: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    content: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    candidates: Option<IgnoredAny>,
    #[serde(rename = "promptFeedback", skip_serializing)]
    prompt_feedback: Option<IgnoredAny>,
}

impl Skimmed {
    /// Whether what an answer of this dialect says is there.
    fn has_answer(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Chat => self.choices.is_some(),
            Dialect::Responses => self.output.is_some(),
            Dialect::Anthropic => self.content.is_some(),
            // It tells an answer of no words by its tokens alone.
            Dialect::Gemini => {
                self.candidates.is_some() || self.prompt_feedback.is_some() || self.usage_metadata.is_some()
            }
        }
    }
}

/// What it tells of its tokens and of a failure, and whether it is an answer.
fn skimmed(dialect: Dialect, answer: &[u8]) -> (Value, bool) {
    match serde_json::from_slice::<Skimmed>(answer) {
        Ok(skimmed) => (serde_json::to_value(&skimmed).unwrap_or_default(), skimmed.has_answer(dialect)),
        // It may repeat a field, or hold a number that is too large: whoever asked may know what to do with that.
        Err(_) => (Value::Null, is_object(answer)),
    }
}

fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(json).is_ok()
}

/// All of the body.
pub(super) async fn collected(
    identity: &Identity,
    first: Bytes,
    mut body: Reply,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    let broken = || Failure::from(identity.bad_stream("the connection broke before the answer was complete"));
    let mut rest = BytesMut::new();
    loop {
        let next = timeout_at(deadline, body.frame()).await.map_err(|_| late(identity))?;
        let Some(frame) = next else { break };
        if let Ok(data) = frame.map_err(|_| broken())?.into_data() {
            if first.len() + rest.len() + data.len() > MAX_WHOLE_BYTES {
                let mib = MAX_WHOLE_BYTES / (1024 * 1024);
                return Err(identity.bad_stream(format!("it is larger than {mib} MiB")).into());
            }
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn late(identity: &Identity) -> Failure {
    let message = format!(
        "Upstream “{}” did not finish its answer in time: ask for a stream, or lengthen llm_whole_seconds.",
        identity.name
    );
    Failure::new(FailureKind::Timeout, "llm.timeout_whole", message)
}

/// What every answer tells of itself.
pub(super) fn told(model: &str, meter: &Meter) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Ok(id) = HeaderValue::try_from(meter.id().to_string()) {
        headers.insert(CALL, id);
    }
    // Names of models may hold any letters; headers may not.
    if let Ok(model) = HeaderValue::from_str(model) {
        headers.insert(MODEL, model);
    }
    headers
}

/// The type of what is passed on, where it is one that models answer in: no browser shall take it for a page.
pub(super) fn passed_type(from: &HeaderMap) -> HeaderValue {
    const TYPES: [&str; 3] = ["application/json", "text/event-stream", "text/plain"];
    let is_one = |told: &&HeaderValue| {
        let essence = told.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        TYPES.iter().any(|kind| essence.eq_ignore_ascii_case(kind))
    };
    let told = from.get(header::CONTENT_TYPE).filter(is_one).cloned();
    told.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn pass_on(from: &HeaderMap, to: &mut HeaderMap) {
    to.insert(header::CONTENT_TYPE, passed_type(from));
    for name in &PASSED_ON {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
