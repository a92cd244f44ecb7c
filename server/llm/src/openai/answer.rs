//! What comes back: bytes as events, and events as pieces of an answer. No I/O.

use std::collections::HashSet;

use coditect_protocol::chat::{ChatDelta, ChatEnd, StopReason, ToolCall, Usage};
use serde_json::Value;

use super::failure;
use crate::{
    endpoint::Identity,
    error::LlmError,
    scrub::shorten,
    sse::{Event, MAX_EVENT_BYTES, SseParser},
};

/// Largest piece of text that is passed on at once, in bytes, so that no piece outweighs the reader's credit.
const MAX_DELTA_BYTES: usize = 64 * 1024;
/// Most tool calls in one answer.
const MAX_TOOL_CALLS: usize = 256;
/// All tool calls of one answer together, in bytes.
const MAX_TOOL_BYTES: usize = 16 * 1024 * 1024;
/// What the last event of a stream holds.
const DONE: &[u8] = b"[DONE]";

/// Makes events of bytes: of an event stream, or of the one JSON document that servers send which ignore `stream`.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
}

#[derive(Debug)]
enum Format {
    /// Nothing came yet that tells which of both it is.
    Unknown {
        /// The type said that it is an event stream.
        declared: bool,
    },
    Events(SseParser),
    Document(Vec<u8>),
}

impl Decoder {
    /// `None` for a type that can hold no answer.
    pub(super) fn for_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let declared = essence == "text/event-stream";
        // Enough servers declare one and send the other that only the first byte can be believed.
        let possible = matches!(essence.as_str(), "" | "text/plain" | "application/octet-stream" | "application/json");
        (declared || possible || essence.ends_with("+json")).then_some(Self { format: Format::Unknown { declared } })
    }

    /// A document is growing, which tells nothing before it is whole.
    pub(super) fn is_collecting(&self) -> bool {
        matches!(self.format, Format::Document(_))
    }

    /// The next event of `input`, which moves on to what was not looked at yet; `None` when more bytes are needed.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, String> {
        if let Format::Unknown { declared } = self.format {
            let Some(start) = input.iter().position(|byte| !is_blank(*byte)) else {
                *input = &[];
                return Ok(None);
            };
            *input = &input[start..];
            self.format = match input[0] {
                b'{' | b'[' => Format::Document(Vec::new()),
                // How the lines `data`, `event`, `id`, `retry` and a comment begin.
                b'd' | b'e' | b'i' | b'r' | b':' => Format::Events(SseParser::new(MAX_EVENT_BYTES)),
                _ if declared => Format::Events(SseParser::new(MAX_EVENT_BYTES)),
                _ => return Err("it is neither an event stream nor JSON".to_owned()),
            };
        }
        match &mut self.format {
            Format::Events(parser) => parser.next(input).map_err(|_| too_large()),
            Format::Document(document) if document.len() + input.len() > MAX_EVENT_BYTES => Err(too_large()),
            Format::Document(document) => {
                document.extend_from_slice(input);
                *input = &[];
                Ok(None)
            }
            Format::Unknown { .. } => Ok(None),
        }
    }

    /// What is left at the end of the bytes; to be asked until there is nothing.
    pub(super) fn finish(&mut self) -> Result<Option<Event>, String> {
        Ok(match &mut self.format {
            Format::Events(parser) => parser.finish(),
            Format::Document(document) if !document.is_empty() => {
                Some(Event { is_error: false, data: std::mem::take(document) })
            }
            Format::Document(_) | Format::Unknown { .. } => None,
        })
    }
}

/// White space or a byte of the byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0xEF | 0xBB | 0xBF)
}

fn too_large() -> String {
    format!("it sent an event larger than {} MiB", MAX_EVENT_BYTES / (1024 * 1024))
}

/// An answer as far as it came.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    identity: &'a Identity,
    calls: Vec<Partial>,
    call_bytes: usize,
    began: bool,
    done: bool,
    reason: Option<StopReason>,
    usage: Option<Usage>,
}

/// A tool call as far as it came.
#[derive(Debug, Default)]
struct Partial {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl<'a> Answer<'a> {
    pub(super) fn new(identity: &'a Identity) -> Self {
        Self { identity, calls: Vec::new(), call_bytes: 0, began: false, done: false, reason: None, usage: None }
    }

    /// The upstream said that nothing follows.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The upstream said why the answer ended; only the count of tokens may follow.
    pub(super) fn is_whole(&self) -> bool {
        self.reason.is_some()
    }

    /// Takes an event in and puts what it says into `out`; whether it brought the answer on.
    pub(super) fn take(&mut self, event: &Event, out: &mut Vec<ChatDelta>) -> Result<bool, LlmError> {
        let data = event.data.trim_ascii();
        if data == DONE {
            self.done = true;
            return Ok(true);
        }
        if data.is_empty() {
            return Ok(false);
        }
        // A lone broken character in a text must not cost the rest of the answer.
        let value: Value = serde_json::from_str(&String::from_utf8_lossy(data))
            .map_err(|_| self.identity.bad_stream("it sent an event that is not JSON, or only a part of one"))?;
        if event.is_error || is_error(&value) {
            return Err(failure::of_event(self.identity, &value));
        }
        if let Some(usage) = usage(&value) {
            self.usage = Some(usage);
        }
        let choices = value.get("choices").and_then(Value::as_array);
        let first = |choice: &&Value| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0;
        match choices.and_then(|choices| choices.iter().find(first)) {
            Some(choice) => self.take_choice(choice, out),
            None => Ok(false),
        }
    }

    fn take_choice(&mut self, choice: &Value, out: &mut Vec<ChatDelta>) -> Result<bool, LlmError> {
        self.began = true;
        let given = |name: &str| choice.get(name).filter(|value| value.is_object());
        let (piece, is_whole) = match (given("delta"), given("message")) {
            (Some(delta), _) => (Some(delta), false),
            (None, message) => (message, message.is_some()),
        };
        let before = (out.len(), self.call_bytes, self.calls.len());
        if let Some(piece) = piece {
            let thought = piece.get("reasoning_content").filter(|text| !is_blank_text(text));
            texts(thought.or_else(|| piece.get("reasoning")), Speech::Reasoning, out);
            texts(piece.get("content"), Speech::Text, out);
            texts(piece.get("refusal"), Speech::Text, out);
            for call in piece.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                self.take_call(call, is_whole)?;
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
            self.reason = Some(stop_reason(reason));
        } else if is_whole {
            self.reason = Some(StopReason::Stop);
        }
        Ok(before != (out.len(), self.call_bytes, self.calls.len()) || self.is_whole())
    }

    fn take_call(&mut self, call: &Value, is_whole: bool) -> Result<(), LlmError> {
        let text = |value: &Value, name: &str| match value.get(name) {
            Some(Value::String(text)) => text.clone(),
            // Some servers send the arguments as JSON instead of as JSON text.
            Some(other @ Value::Object(_)) => other.to_string(),
            _ => String::new(),
        };
        let function = call.get("function").unwrap_or(&Value::Null);
        let index = call.get("index").and_then(Value::as_u64);
        let (id, name, arguments) = (text(call, "id"), text(function, "name"), text(function, "arguments"));
        self.call_bytes += id.len() + name.len() + arguments.len();
        let known =
            if is_whole { None } else { self.calls.iter().rposition(|known| known.continues(index, &id, &name)) };
        if self.call_bytes > MAX_TOOL_BYTES || (known.is_none() && self.calls.len() == MAX_TOOL_CALLS) {
            let mib = MAX_TOOL_BYTES / (1024 * 1024);
            let most = format!("more than {MAX_TOOL_CALLS} tool calls or {mib} MiB of them");
            return Err(self.identity.bad_stream(format!("it sent {most}")));
        }
        let at = known.unwrap_or_else(|| {
            self.calls.push(Partial { index, ..Partial::default() });
            self.calls.len() - 1
        });
        let partial = &mut self.calls[at];
        if partial.id.is_empty() {
            partial.id = id;
        }
        if partial.name.is_empty() {
            partial.name = name;
        }
        partial.arguments.push_str(&arguments);
        Ok(())
    }

    /// The tool calls, whole, and how the answer ended.
    pub(super) fn finish(self) -> Result<(Vec<ToolCall>, ChatEnd), LlmError> {
        let reason = match self.reason {
            Some(reason) => reason,
            None if self.done && self.began => StopReason::Stop,
            None => return Err(self.identity.bad_stream("it ended before the answer was complete")),
        };
        let was_cut = matches!(reason, StopReason::Length | StopReason::ContentFilter);
        let mut ids = HashSet::new();
        let mut calls = Vec::with_capacity(self.calls.len());
        for partial in self.calls {
            match partial.complete(&mut ids, was_cut) {
                Ok(call) => calls.push(call),
                // The rest of it was never written; what was is no call.
                Err(_) if was_cut => {}
                Err((tool, reason)) => {
                    let upstream = self.identity.name.clone();
                    return Err(LlmError::BadToolCall { upstream, tool: self.identity.scrub(&tool), reason });
                }
            }
        }
        let reason = match reason {
            StopReason::Stop if !calls.is_empty() => StopReason::ToolCalls,
            StopReason::ToolCalls if calls.is_empty() => StopReason::Stop,
            reason => reason,
        };
        Ok((calls, ChatEnd { reason, usage: self.usage }))
    }
}

impl Partial {
    /// Whether a fragment belongs to this call, asked from the newest call to the oldest. The index decides, but some
    /// servers give every call the same one or none at all; then another identifier, or a name where there was one, begins
    /// another call.
    fn continues(&self, index: Option<u64>, id: &str, name: &str) -> bool {
        let same_id = id.is_empty() || self.id.is_empty() || self.id == id;
        match index {
            Some(_) => self.index == index && same_id,
            None if id.is_empty() => name.is_empty() || self.name.is_empty(),
            None => same_id && (self.id == id || self.name.is_empty()),
        }
    }

    fn complete(self, ids: &mut HashSet<String>, was_cut: bool) -> Result<ToolCall, (String, String)> {
        let text = self.arguments.trim();
        if self.name.is_empty() {
            return Err((String::new(), "it gave no name".to_owned()));
        }
        let arguments = match text {
            // In an answer that was cut, the arguments may just not have begun.
            "" | "null" if was_cut => return Err((self.name, "it was cut".to_owned())),
            "" | "null" => "{}".to_owned(),
            text => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => text.to_owned(),
                Err(error) => {
                    return Err((self.name, format!("its arguments are not JSON: {}", shorten(&error.to_string()))));
                }
            },
        };
        // The answer of the tool names the call, so no two may have the same identifier.
        let id = if self.id.is_empty() || ids.contains(&self.id) {
            format!("call_{}", uuid::Uuid::new_v4().simple())
        } else {
            self.id
        };
        ids.insert(id.clone());
        Ok(ToolCall { id, name: self.name, arguments })
    }
}

#[derive(Debug, Clone, Copy)]
enum Speech {
    Text,
    Reasoning,
}

fn is_blank_text(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// Text, or a list of parts with text or thoughts.
fn texts(value: Option<&Value>, speech: Speech, out: &mut Vec<ChatDelta>) {
    match value {
        Some(Value::String(text)) => push(text, speech, out),
        Some(Value::Array(parts)) => {
            for part in parts {
                match part.get("thinking") {
                    // Thoughts hold parts themselves, but no deeper ones.
                    Some(Value::Array(thoughts)) => {
                        for thought in thoughts.iter().filter_map(|thought| thought.get("text")?.as_str()) {
                            push(thought, Speech::Reasoning, out);
                        }
                    }
                    Some(Value::String(thought)) => push(thought, Speech::Reasoning, out),
                    _ => push(part.get("text").and_then(Value::as_str).unwrap_or_default(), speech, out),
                }
            }
        }
        _ => {}
    }
}

fn push(mut text: &str, speech: Speech, out: &mut Vec<ChatDelta>) {
    while !text.is_empty() {
        let (now, later) = text.split_at(text.floor_char_boundary(MAX_DELTA_BYTES));
        let now = now.to_owned();
        out.push(match speech {
            Speech::Text => ChatDelta::Text { text: now },
            Speech::Reasoning => ChatDelta::Reasoning { text: now },
        });
        text = later;
    }
}

fn is_error(value: &Value) -> bool {
    value.get("error").is_some_and(|error| !error.is_null())
        || value.get("object").and_then(Value::as_str) == Some("error")
        || value.as_array().is_some_and(|list| list.iter().any(is_error_object))
}

fn is_error_object(value: &Value) -> bool {
    value.get("error").is_some_and(|error| !error.is_null())
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "length" | "max_tokens" | "model_length" => StopReason::Length,
        "tool_calls" | "function_call" | "tool_use" => StopReason::ToolCalls,
        "content_filter" | "safety" | "SAFETY" => StopReason::ContentFilter,
        // `stop`, and the many names that servers give to it.
        _ => StopReason::Stop,
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let usage = value.get("usage").filter(|usage| usage.is_object()).or_else(|| value.get("x_groq")?.get("usage"))?;
    let number = |value: Option<&Value>| value.and_then(Value::as_u64);
    let input = number(usage.get("prompt_tokens"));
    let output = number(usage.get("completion_tokens"));
    let cached = number(usage.get("prompt_tokens_details").and_then(|details| details.get("cached_tokens")))
        .or_else(|| number(usage.get("prompt_cache_hit_tokens")));
    (input.is_some() || output.is_some()).then(|| Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        cached_tokens: cached.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
