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
mod tests {
    use coditect_protocol::Coded;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    type Outcome = (Vec<ChatDelta>, Result<(Vec<ToolCall>, ChatEnd), &'static str>);

    /// Everything that is made of an answer that arrives in these pieces.
    fn run(content_type: &str, chunks: &[&[u8]]) -> Outcome {
        let identity = Identity::for_test("u", "topsecret");
        let mut decoder = Decoder::for_type(content_type).unwrap();
        let mut answer = Answer::new(&identity);
        let mut out = Vec::new();
        let mut inner = || -> Result<(), LlmError> {
            let bad = |reason: String| identity.bad_stream(reason);
            for chunk in chunks {
                let mut rest = *chunk;
                while let Some(event) = decoder.next(&mut rest).map_err(bad)? {
                    answer.take(&event, &mut out)?;
                    if answer.is_done() {
                        return Ok(());
                    }
                }
            }
            while let Some(event) = decoder.finish().map_err(bad)? {
                answer.take(&event, &mut out)?;
            }
            Ok(())
        };
        let result = inner().and_then(|()| answer.finish());
        // Made-up identifiers differ from run to run.
        let steady = |mut calls: Vec<ToolCall>| {
            for call in calls.iter_mut().filter(|call| call.id.starts_with("call_")) {
                call.id = "made up".to_owned();
            }
            calls
        };
        (out, result.map(|(calls, end)| (steady(calls), end)).map_err(|error| error.code()))
    }

    fn stream(events: &[Value]) -> String {
        events.iter().map(|event| format!("data: {event}\n\n")).collect()
    }

    fn delta(delta: &Value) -> Value {
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
    }

    fn end(reason: &str) -> Value {
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
    }

    fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    fn text(text: &str) -> ChatDelta {
        ChatDelta::Text { text: text.to_owned() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that the expectation reads as a value where it stands")]
    fn check_calls(events: &[Value], expected: Result<Vec<ToolCall>, &str>) {
        let (_, result) = run("text/event-stream", &[stream(events).as_bytes()]);
        assert_eq!(result.map(|(calls, _)| calls), expected, "{events:?}");
    }

    #[test]
    fn calls_however_a_server_cuts_them() {
        let part = |part: Value| delta(&json!({ "tool_calls": [part] }));
        let f = |index: u64, arguments: &str| json!({ "index": index, "function": { "arguments": arguments } });
        let named = |index: u64, id: &str, name: &str, arguments: &str| json!({ "index": index, "id": id, "function": { "name": name, "arguments": arguments } });
        let bare = |id: &str, name: &str, arguments: &str| json!({ "id": id, "function": { "name": name, "arguments": arguments } });
        // In parallel and interleaved.
        check_calls(
            &[
                part(named(0, "a", "one", "")),
                part(f(0, "{\"x\"")),
                part(named(1, "b", "two", "{")),
                part(f(0, ":1}")),
                part(f(1, "}")),
                end("tool_calls"),
            ],
            Ok(vec![call("a", "one", "{\"x\":1}"), call("b", "two", "{}")]),
        );
        // No index at all; the same index for all; identifier and name repeated with each fragment.
        check_calls(
            &[part(bare("a", "one", "{}")), part(bare("b", "two", "{}")), end("stop")],
            Ok(vec![call("a", "one", "{}"), call("b", "two", "{}")]),
        );
        check_calls(
            &[part(named(0, "a", "one", "{}")), part(named(0, "b", "two", "[")), part(f(0, "]")), end("stop")],
            Ok(vec![call("a", "one", "{}"), call("b", "two", "[]")]),
        );
        check_calls(
            &[part(bare("a", "one", "[1,")), part(bare("a", "one", "2]")), end("stop")],
            Ok(vec![call("a", "one", "[1,2]")]),
        );
        check_calls(
            &[part(bare("", "one", "{}")), part(bare("", "one", "[]")), end("stop")],
            Ok(vec![call("made up", "one", "{}"), call("made up", "one", "[]")]),
        );
        // Arguments as JSON, none, `null`; an identifier given twice.
        check_calls(
            &[
                part(json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": { "x": 1 } } })),
                part(named(1, "b", "two", " ")),
                part(named(2, "b", "three", "null")),
                end("tool_calls"),
            ],
            Ok(vec![call("a", "one", "{\"x\":1}"), call("b", "two", "{}"), call("made up", "three", "{}")]),
        );
        check_calls(&[part(named(0, "a", "one", "{\"x\"")), end("tool_calls")], Err("llm.bad_tool_call"));
        check_calls(&[part(named(0, "a", "", "{}")), end("tool_calls")], Err("llm.bad_tool_call"));
        // Cut by the bound on tokens: what is whole is kept, what is not may not run.
        check_calls(
            &[part(named(0, "a", "one", "{}")), part(named(1, "b", "two", "{\"x\"")), end("length")],
            Ok(vec![call("a", "one", "{}")]),
        );
        check_calls(&[part(named(0, "a", "delete", "")), end("length")], Ok(vec![]));
        check_calls(&[part(named(0, "a", "one", "{}"))], Err("llm.bad_stream"));
        let flood: Vec<Value> = (0..300).map(|n| part(named(n, "", "x", "{}"))).collect();
        check_calls(&flood, Err("llm.bad_stream"));
    }

    #[test]
    fn tool_calls_are_bounded_together() {
        let identity = Identity::for_test("u", "topsecret");
        let mut answer = Answer::new(&identity);
        let piece = json!({ "index": 0, "id": "a", "function": { "name": "x", "arguments": "y".repeat(1024 * 1024) } });
        let event = Event { is_error: false, data: delta(&json!({ "tool_calls": [piece] })).to_string().into_bytes() };
        let failed = (0..20).find_map(|n| answer.take(&event, &mut Vec::new()).err().map(|error| (n, error.code())));
        assert_eq!(failed, Some((15, "llm.bad_stream")));
    }

    #[test]
    fn reasons_usage_and_what_is_left_out() {
        for (said, meant) in [
            ("stop", StopReason::Stop),
            ("eos", StopReason::Stop),
            ("tool_calls", StopReason::Stop),
            ("length", StopReason::Length),
            ("content_filter", StopReason::ContentFilter),
        ] {
            let events = [
                delta(&json!({ "role": "assistant", "content": "" })),
                delta(&json!({ "reasoning_content": "hm", "reasoning": "hm" })),
                delta(&json!({ "reasoning": "so" })),
                delta(&json!({ "content": "a", "reasoning_content": "" })),
                delta(&json!({ "content": [{ "type": "thinking", "thinking": [{ "text": "t" }] }, { "text": "b" }] })),
                json!({ "choices": [{ "index": 1, "delta": { "content": "another choice" } }] }),
                json!({ "type": "ping" }),
                end(said),
                json!({ "choices": [], "usage": {
                    "prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": { "cached_tokens": 2 } } }),
            ];
            let (out, result) = run("text/event-stream", &[stream(&events).as_bytes()]);
            let thought = |text: &str| ChatDelta::Reasoning { text: text.to_owned() };
            assert_eq!(out, [thought("hm"), thought("so"), text("a"), thought("t"), text("b")]);
            let usage = Some(Usage { input_tokens: 5, output_tokens: 3, cached_tokens: 2 });
            assert_eq!(result, Ok((vec![], ChatEnd { reason: meant, usage })));
        }
    }

    #[test]
    fn ends() {
        let hello = delta(&json!({ "content": "hello" }));
        let outcome = |body: &str| run("text/event-stream", &[body.as_bytes()]).1.map(|(_, end)| end.reason);
        let events = |events: &[Value]| stream(events);
        assert_eq!(outcome(&(events(std::slice::from_ref(&hello)) + "data: [DONE]\n\n")), Ok(StopReason::Stop));
        assert_eq!(outcome(&(events(std::slice::from_ref(&hello)) + "data: [DONE]")), Ok(StopReason::Stop));
        assert_eq!(outcome(&events(&[hello.clone(), end("stop")])), Ok(StopReason::Stop));
        assert_eq!(outcome(&events(std::slice::from_ref(&hello))), Err("llm.bad_stream"));
        assert_eq!(outcome("data: [DONE]\n\n"), Err("llm.bad_stream"));
        assert_eq!(outcome(""), Err("llm.bad_stream"));
        assert_eq!(outcome("data: {\"choices\": [\n\n"), Err("llm.bad_stream"));
        assert_eq!(outcome("garbage\u{1}\n\nmore"), Err("llm.bad_stream"));
        assert_eq!(outcome("data: {\"error\":{\"message\":\"no\"}}\n\n"), Err("llm.upstream_error"));
        assert_eq!(outcome("data: {\"error\":{\"code\":429}}\n\n"), Err("llm.rate_limited"));
        assert_eq!(
            outcome("event: error\ndata: {\"message\":\"prompt is too long\"}\n\n"),
            Err("llm.context_overflow")
        );
        let deep = format!("data: {}\n\n", "[".repeat(100_000));
        assert_eq!(outcome(&deep), Err("llm.bad_stream"));
    }

    #[test]
    fn servers_that_ignore_stream() {
        let whole = json!({
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "hi", "tool_calls": [
                    { "id": "", "function": { "name": "x", "arguments": "" } },
                    { "id": "", "function": { "name": "x", "arguments": "[]" } } ] } }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2 },
        });
        let body = format!("\n\r\n \u{feff}{whole}");
        for content_type in ["application/json; charset=utf-8", "", "text/event-stream", "text/plain"] {
            let (out, result) = run(content_type, &[body.as_bytes()]);
            assert_eq!(out, [text("hi")]);
            let (calls, end) = result.unwrap();
            assert_eq!(calls, [call("made up", "x", "{}"), call("made up", "x", "[]")]);
            assert_eq!(end.reason, StopReason::ToolCalls);
            assert_eq!(end.usage.unwrap().output_tokens, 2);
        }
        for body in ["<html>", "hello", "{", "{}", "[]", "{\"choices\":[]}"] {
            assert_eq!(run("application/json", &[body.as_bytes()]).1, Err("llm.bad_stream"), "{body}");
        }
        assert_eq!(run("application/json", &[b"{\"error\":\"no\"}"]).1, Err("llm.upstream_error"));
        assert_eq!(run("application/json", &[b"[{\"error\":{}}]"]).1, Err("llm.upstream_error"));
        for no in ["text/html", "application/x-ndjson", "image/png"] {
            assert!(Decoder::for_type(no).is_none(), "{no}");
        }
    }

    #[test]
    fn a_long_text_comes_in_pieces() {
        let long = "ä".repeat(MAX_DELTA_BYTES);
        let events = stream(&[delta(&json!({ "content": long })), end("stop")]);
        let (out, _) = run("text/event-stream", &[events.as_bytes()]);
        let texts: Vec<&str> =
            out.iter().map(|delta| if let ChatDelta::Text { text } = delta { text.as_str() } else { "" }).collect();
        assert!(texts.len() == 2 && texts.iter().all(|text| text.len() <= MAX_DELTA_BYTES));
        assert_eq!(texts.concat(), long);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-zä{}\"]{0,6}".prop_map(Value::from),
        ];
        let keys = prop::sample::select(vec![
            "choices",
            "index",
            "delta",
            "message",
            "content",
            "reasoning",
            "thinking",
            "text",
            "tool_calls",
            "id",
            "function",
            "name",
            "arguments",
            "finish_reason",
            "usage",
            "prompt_tokens",
            "prompt_tokens_details",
            "error",
            "code",
            "detail",
            "x_groq",
        ]);
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((keys.clone(), inner), 0..6)
                    .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_events_in_any_chunks_mean_the_same(
            events in prop::collection::vec(value(), 0..6),
            size in 1_usize..40,
        ) {
            let body = stream(&events);
            let whole = run("text/event-stream", &[body.as_bytes()]);
            let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            prop_assert_eq!(run("text/event-stream", &chunks), whole);
            let document = value_document(&events);
            let chunks: Vec<&[u8]> = document.as_bytes().chunks(size).collect();
            prop_assert_eq!(run("application/json", &chunks), run("application/json", &[document.as_bytes()]));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            for content_type in ["", "application/json", "text/event-stream"] {
                prop_assert!(run(content_type, &chunks).1.is_err());
            }
        }
    }

    fn value_document(events: &[Value]) -> String {
        json!({ "choices": events }).to_string()
    }
}
