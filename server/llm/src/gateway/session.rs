//! The Responses dialect over one socket: questions that go on from answers of the same socket.
//!
//! An upstream is always sent the whole conversation: what came before is kept here, for this socket alone, and forgotten with it. What
//! is not kept any more is `previous_response_not_found`, upon which clients send all of it again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use coditect_dialects::{Dialect, MAX_EVENT_BYTES, SseParser};
use coditect_metering::Asker;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Gateway;
use super::answer::AnswerBody;
use super::door::{Call, Conversation};
use super::refusal::CODE;

/// Conversations that are kept for a socket.
const MAX_KEPT: usize = 16;
/// All that is kept for a socket, in bytes.
const MAX_KEPT_BYTES: usize = 8 * 1024 * 1024;
/// The status that an answer has which broke off.
const BROKEN_OFF: u16 = 502;
/// Longest name of a lane, in bytes.
const MAX_LANE_BYTES: usize = 256;

/// Where the events go. Nobody may be there any more.
pub trait Events: Send {
    /// Takes an event, as JSON; whether anybody is there.
    fn send(&mut self, event: String) -> impl Future<Output = bool> + Send;
}

/// One socket.
pub struct ResponsesSession {
    gateway: Gateway,
    headers: HeaderMap,
    kept: VecDeque<Kept>,
}

/// Of a conversation, as it was written: read, it would take many times the room. Conversations that share it share its room.
type Item = Arc<RawValue>;

/// A conversation up to an answer.
struct Kept {
    /// The answer's.
    id: String,
    items: Vec<Item>,
    bytes: usize,
}

/// A message of the client.
struct Asked {
    fields: BTreeMap<String, Box<RawValue>>,
    items: Vec<Item>,
    lane: Option<String>,
    generates: bool,
}

/// The question of a message, with all that came before.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    fields: &'a BTreeMap<String, Box<RawValue>>,
    input: Vec<&'a RawValue>,
    stream: bool,
}

impl ResponsesSession {
    /// Of a client that opened it with these headers.
    #[must_use]
    pub fn new(gateway: Gateway, headers: HeaderMap) -> Self {
        Self { gateway, headers, kept: VecDeque::new() }
    }

    /// Answers one message, event by event. Nothing of it goes on once nobody takes the events.
    pub async fn message(&mut self, asker: Asker, text: &str, events: &mut impl Events) {
        match self.asked(text) {
            Ok(asked) if asked.generates => self.answer(asker, asked, events).await,
            Ok(asked) => self.keep_unanswered(asked, events).await,
            Err((lane, refusal)) => {
                events.send(named(refusal, lane.as_deref())).await;
            }
        }
    }

    fn asked(&self, text: &str) -> Result<Asked, (Option<String>, Value)> {
        let bad = |lane: Option<String>, code: &str, param: Option<&str>, message: &str| {
            let error = json!({ "type": "invalid_request_error", "code": code, "message": message, "param": param });
            (lane, json!({ "type": "error", "status": 400, "error": error }))
        };
        let Ok(mut fields) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) else {
            return Err(bad(None, "llm.bad_request", None, "A message is one JSON object."));
        };
        let lane = fields.remove("stream_id").and_then(|lane| words(&lane));
        let lane = lane.filter(|lane| lane.len() <= MAX_LANE_BYTES);
        if fields.remove("type").and_then(|kind| words(&kind)).as_deref() != Some("response.create") {
            return Err(bad(
                lane,
                "llm.unsupported",
                Some("type"),
                "Only messages of the type `response.create` are understood here.",
            ));
        }
        let before = fields.remove("previous_response_id").filter(|id| id.get() != "null");
        let mut items = match before.map(|id| words(&id)) {
            None => Vec::new(),
            Some(id) => match self.kept.iter().find(|kept| Some(&kept.id) == id.as_ref()) {
                Some(kept) => kept.items.clone(),
                None => {
                    let message =
                        "The answer that this goes on from is not kept here any more: send the whole conversation.";
                    return Err(bad(lane, "previous_response_not_found", Some("previous_response_id"), message));
                }
            },
        };
        items.extend(fields.remove("input").map(|input| items_of(&input)).unwrap_or_default());
        fields.remove("stream");
        let generates = fields.remove("generate").is_none_or(|generate| generate.get() != "false");
        Ok(Asked { fields, items, lane, generates })
    }

    /// The client will go on from this: it is kept, and no model is asked.
    async fn keep_unanswered(&mut self, asked: Asked, events: &mut impl Events) {
        let id = format!("resp_{}", Uuid::new_v4().simple());
        let model = asked.fields.get("model");
        let response = |status: &str| {
            let usage = json!({
                "input_tokens": 0, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": 0, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 0,
            });
            json!({ "id": id, "object": "response", "created_at": 0, "status": status, "model": model, "output": [], "usage": usage })
        };
        for (number, (kind, status)) in
            [("response.created", "in_progress"), ("response.completed", "completed")].iter().enumerate()
        {
            let event = json!({ "type": kind, "sequence_number": number, "response": response(status) });
            if !events.send(named(event, asked.lane.as_deref())).await {
                return;
            }
        }
        self.keep(id, asked.items);
    }

    async fn answer(&mut self, asker: Asker, asked: Asked, events: &mut impl Events) {
        let Asked { fields, mut items, lane, .. } = asked;
        let whole = Whole { fields: &fields, input: items.iter().map(AsRef::as_ref).collect(), stream: true };
        let body = Bytes::from(serde_json::to_vec(&whole).unwrap_or_default());
        drop(fields);
        let call = Call { asker, headers: self.headers.clone(), body };
        let response = self.gateway.converse(Conversation::new(Dialect::Responses, call)).await;
        let (head, body) = response.into_parts();
        if !head.status.is_success() || head.headers.contains_key(CODE) {
            let refusal = refusal(head.status.as_u16(), &head.headers, body).await;
            events.send(named(refusal, lane.as_deref())).await;
            return;
        }
        if let Some(id) = tell(body, lane.as_deref(), &mut items, events).await {
            self.keep(id, items);
        }
    }

    fn keep(&mut self, id: String, items: Vec<Item>) {
        let bytes = items.iter().map(|item| item.get().len()).sum();
        self.kept.push_back(Kept { id, items, bytes });
        while self.kept.len() > MAX_KEPT || self.kept.iter().map(|kept| kept.bytes).sum::<usize>() > MAX_KEPT_BYTES {
            self.kept.pop_front();
        }
    }
}

/// A string.
fn words(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn items_of(input: &RawValue) -> Vec<Item> {
    match serde_json::from_str::<Vec<Box<RawValue>>>(input.get()) {
        Ok(items) => items.into_iter().map(Item::from).collect(),
        Err(_) => {
            let said = |text| json!({ "type": "message", "role": "user", "content": text });
            words(input).and_then(|text| item(&said(text))).into_iter().collect()
        }
    }
}

fn item(value: &Value) -> Option<Item> {
    to_raw_value(value).ok().map(Item::from)
}

/// Passes a stream on, event by event; the answer's id, where it came to its end and can be gone on from.
async fn tell(
    mut body: AnswerBody,
    lane: Option<&str>,
    items: &mut Vec<Item>,
    events: &mut impl Events,
) -> Option<String> {
    let mut parser = SseParser::new(MAX_EVENT_BYTES);
    let (mut id, mut bytes, mut has_ended) = (None, 0, false);
    'frames: while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let mut rest = &data[..];
        loop {
            let data = match parser.next(&mut rest) {
                Ok(Some(event)) => event.data,
                Ok(None) => break,
                Err(_) => break 'frames,
            };
            let Ok(mut event) = serde_json::from_slice::<Value>(&data) else { continue };
            match event.get("type").and_then(Value::as_str) {
                Some("response.output_item.done") => {
                    bytes += data.len();
                    // What is too large to be kept is not gathered either.
                    if bytes <= MAX_KEPT_BYTES {
                        items.extend(event.get("item").and_then(item));
                    }
                }
                Some("response.completed" | "response.incomplete") => {
                    has_ended = true;
                    id = event.pointer("/response/id").and_then(Value::as_str).map(str::to_owned);
                }
                Some("response.failed") => has_ended = true,
                Some("error") => {
                    has_ended = true;
                    // Clients wait on where they see none.
                    if event.get("status").is_none() {
                        event["status"] = BROKEN_OFF.into();
                    }
                }
                _ => {}
            }
            if !events.send(named(event, lane)).await {
                return None;
            }
        }
    }
    if !has_ended {
        let error = json!({ "type": "server_error", "code": "llm.bad_stream", "message": "The model's server sent no whole answer." });
        events.send(named(json!({ "type": "error", "status": BROKEN_OFF, "error": error }), lane)).await;
    }
    id.filter(|_| bytes <= MAX_KEPT_BYTES)
}

/// A refusal, as a socket tells it: with the status that HTTP has elsewhere.
async fn refusal(status: u16, headers: &HeaderMap, body: AnswerBody) -> Value {
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = told
        .get("error")
        .cloned()
        .unwrap_or_else(|| json!({ "type": "server_error", "message": "The model's server failed." }));
    let mut event = json!({ "type": "error", "status": status, "error": error });
    if let Some(wait) = headers.get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()) {
        event["headers"] = json!({ "retry-after": wait });
    }
    event
}

/// An event of a lane.
fn named(mut event: Value, lane: Option<&str>) -> String {
    if let Some(lane) = lane {
        event["stream_id"] = lane.into();
    }
    event.to_string()
}
