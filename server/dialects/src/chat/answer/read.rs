//! From the dialect.

use std::collections::VecDeque;

use serde_json::Value;

use super::arguments::Brackets;
use super::reason_of;
use crate::dialect::{AnswerReader, new_id, unreadable};
use crate::turn::{CallKind, Piece, Stop, Tokens};
use crate::{failure, json};

/// Most tool calls in one answer.
const MAX_TOOL_CALLS: usize = 256;
/// All tool calls of one answer that wait for their turn together, in bytes.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;

/// Reads an answer, whole or in events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    began: bool,
    done: bool,
    failed: bool,
    stop: Option<Stop>,
    tokens: Option<Tokens>,
    /// The call whose arguments are passed on as they come.
    open: Option<Open>,
    /// Calls that began before it was whole: they wait until it is.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// What was said meanwhile.
    later: Vec<Piece>,
    calls: usize,
    ids: Vec<String>,
    is_unreadable: bool,
}

/// What fragments of a call have in common.
#[derive(Debug, Default, Clone)]
struct Key {
    index: Option<u64>,
    id: String,
    name: String,
}

#[derive(Debug)]
struct Open {
    key: Key,
    kind: CallKind,
    has_arguments: bool,
    arguments: Brackets,
}

#[derive(Debug, Default)]
struct Waiting {
    key: Key,
    kind: CallKind,
    signature: Option<String>,
    arguments: String,
}

impl Key {
    /// Whether a fragment belongs to this call. The index decides, but some servers give every call the same one or none at all;
    /// then another identifier, or a name where there was one, begins another call.
    fn continues(&self, fragment: &Self) -> bool {
        let same_id = fragment.id.is_empty() || self.id.is_empty() || self.id == fragment.id;
        match fragment.index {
            Some(_) => self.index == fragment.index && same_id,
            None if fragment.id.is_empty() => fragment.name.is_empty() || self.name.is_empty(),
            None => same_id && (self.id == fragment.id || self.name.is_empty()),
        }
    }

    fn complete(&mut self, fragment: &Self) {
        if self.id.is_empty() {
            self.id.clone_from(&fragment.id);
        }
        if self.name.is_empty() {
            self.name.clone_from(&fragment.name);
        }
    }
}

impl Open {
    /// It can be told that no more arguments will come.
    fn is_whole(&self) -> bool {
        self.kind == CallKind::Function && self.arguments.is_whole()
    }
}

impl AnswerReader for Reader {
    fn event(&mut self, data: &[u8], out: &mut Vec<Piece>) {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return;
        }
        if data.is_empty() || self.done {
            return;
        }
        // A lone broken character in a text must not cost the rest of the answer.
        match serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) {
            Ok(value) => self.whole(&value, out),
            Err(_) => self.fail(unreadable("it sent an event that is not JSON, or only a part of one"), out),
        }
    }

    fn whole(&mut self, value: &Value, out: &mut Vec<Piece>) {
        if failure::is_failure(value) {
            return self.fail(Piece::Failed(failure::read(None, value)), out);
        }
        let id = json::some_text(value, "id");
        // Some servers send an event before the answer that tells nothing of it.
        let is_head = id.is_some() || json::list(value, "choices").next().is_some();
        if is_head && !std::mem::replace(&mut self.began, true) {
            out.push(Piece::Start {
                id: id.map(str::to_owned),
                model: json::some_text(value, "model").map(str::to_owned),
            });
        }
        if let Some(told) = tokens(value).filter(|told| self.tokens.replace(*told) != Some(*told)) {
            out.push(Piece::Tokens(told));
        }
        let first = |choice: &&Value| json::whole(choice, "index").unwrap_or(0) == 0;
        if let Some(choice) = json::list(value, "choices").find(first) {
            self.choice(choice, out);
        }
    }

    fn end(&mut self, out: &mut Vec<Piece>) {
        if self.failed {
            return;
        }
        if self.done && self.stop.is_none() && self.began {
            self.stop = Some(Stop::End);
        }
        let Some(stop) = self.stop.take() else {
            return self.fail(unreadable("it ended before the answer was complete"), out);
        };
        self.close(out);
        while !self.waiting.is_empty() {
            if !self.begin_waiting(out) {
                // Nobody named it.
                self.is_unreadable |= self.waiting.pop_front().is_some_and(|call| !call.arguments.trim().is_empty());
            }
            self.close(out);
        }
        let stop = if self.is_unreadable && self.calls == 0 { Stop::BadCall } else { stop };
        out.push(Piece::Stop(stop.after(self.calls > 0)));
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn is_whole(&self) -> bool {
        self.stop.is_some()
    }
}

impl Reader {
    fn fail(&mut self, failure: Piece, out: &mut Vec<Piece>) {
        (self.done, self.failed, self.stop) = (true, true, None);
        out.push(failure);
    }

    fn choice(&mut self, choice: &Value, out: &mut Vec<Piece>) {
        let given = |name: &str| choice.get(name).filter(|value| value.is_object());
        let (said, is_whole) = match (given("delta"), given("message")) {
            (Some(delta), _) => (Some(delta), false),
            (None, message) => (message, message.is_some()),
        };
        if let Some(said) = said {
            self.say(said, out);
            for call in json::list(said, "tool_calls") {
                self.fragment(call, is_whole, out);
            }
            if let Some(call) = json::given(said, "function_call") {
                self.fragment(&serde_json::json!({ "index": 0, "function": call }), is_whole, out);
            }
        }
        match json::some_text(choice, "finish_reason") {
            Some(word) if self.stop.is_none() => self.stop = Some(reason_of(word)),
            None if is_whole => self.stop = Some(Stop::End),
            _ => {}
        }
    }

    /// Words and thoughts. In the middle of a call, they wait for its end.
    fn say(&mut self, said: &Value, out: &mut Vec<Piece>) {
        let mut words = Vec::new();
        let thought = json::given(said, "reasoning_content").filter(|text| text.as_str() != Some(""));
        texts(thought.or_else(|| said.get("reasoning")), Piece::Thought, &mut words);
        texts(said.get("content"), Piece::Text, &mut words);
        texts(said.get("refusal"), Piece::Refusal, &mut words);
        if words.is_empty() {
            return;
        }
        if self.open.as_ref().is_none_or(Open::is_whole) && self.waiting.is_empty() {
            out.append(&mut words);
            return;
        }
        self.waiting_bytes += words.iter().map(Piece::size).sum::<usize>();
        self.later.append(&mut words);
        self.bound_waiting(out);
    }

    /// A fragment of a call, or in a whole answer the whole of it.
    fn fragment(&mut self, call: &Value, is_whole: bool, out: &mut Vec<Piece>) {
        let kind = if json::given(call, "custom").is_some() { CallKind::Custom } else { CallKind::Function };
        let (inner, field) = match kind {
            CallKind::Function => (call.get("function").unwrap_or(&Value::Null), "arguments"),
            CallKind::Custom => (&call["custom"], "input"),
        };
        let arguments = match inner.get(field) {
            Some(Value::String(text)) => text.clone(),
            // Some servers send the arguments as JSON instead of as JSON text.
            Some(other @ Value::Object(_)) => other.to_string(),
            _ => String::new(),
        };
        let index = json::whole(call, "index").filter(|_| !is_whole);
        let key = Key { index, id: json::owned(call, "id"), name: json::owned(inner, "name") };
        let signature =
            call.pointer("/extra_content/google/thought_signature").and_then(Value::as_str).map(str::to_owned);
        let waits = self.waiting.iter().rposition(|known| !is_whole && known.key.continues(&key));
        if self.open.as_ref().is_some_and(|open| !is_whole && open.key.continues(&key)) {
            self.arguments(arguments, out);
        } else if let Some(at) = waits {
            self.hold(at, &key, &arguments, out);
        } else if self.calls + self.waiting.len() >= MAX_TOOL_CALLS {
            return self.fail(unreadable(&format!("it sent more than {MAX_TOOL_CALLS} tool calls")), out);
        } else {
            self.waiting.push_back(Waiting { key, kind, signature, arguments: String::new() });
            self.hold(self.waiting.len() - 1, &Key::default(), &arguments, out);
        }
        while !self.failed && self.open.as_ref().is_none_or(Open::is_whole) && self.begin_waiting(out) {}
    }

    fn hold(&mut self, at: usize, key: &Key, arguments: &str, out: &mut Vec<Piece>) {
        self.waiting_bytes += arguments.len();
        let waiting = &mut self.waiting[at];
        waiting.key.complete(key);
        waiting.arguments.push_str(arguments);
        self.bound_waiting(out);
    }

    fn bound_waiting(&mut self, out: &mut Vec<Piece>) {
        if self.waiting_bytes > MAX_WAITING_BYTES && !self.failed {
            let mib = MAX_WAITING_BYTES / (1024 * 1024);
            self.fail(unreadable(&format!("it sent more than {mib} MiB beside an unfinished tool call")), out);
        }
    }

    /// The first of the calls that wait is passed on, as far as it came, unless it has no name yet.
    fn begin_waiting(&mut self, out: &mut Vec<Piece>) -> bool {
        if self.waiting.front().is_none_or(|call| call.key.name.is_empty()) {
            return false;
        }
        let Some(Waiting { key, kind, signature, arguments }) = self.waiting.pop_front() else { return false };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(arguments.len());
        self.close(out);
        self.calls += 1;
        // The outcome names the call, so no two may have the same identifier.
        let is_free = !key.id.is_empty() && !self.ids.contains(&key.id);
        let id = if is_free { key.id.clone() } else { new_id("call") };
        self.ids.push(id.clone());
        out.push(Piece::Call { id, name: key.name.clone(), kind, signature });
        // Of custom tools, nothing is a text like any other.
        let has_arguments = kind == CallKind::Custom;
        self.open = Some(Open { key, kind, has_arguments, arguments: Brackets::default() });
        self.arguments(arguments, out);
        true
    }

    fn arguments(&mut self, arguments: String, out: &mut Vec<Piece>) {
        let Some(open) = &mut self.open else { return };
        // Some servers write `null` or nothing for no arguments, and some repeat what was whole.
        let is_nothing = arguments.is_empty() || (arguments == "null" && !open.has_arguments);
        if !is_nothing && !open.is_whole() {
            open.has_arguments = true;
            open.arguments.follow(&arguments);
            out.push(Piece::Arguments(arguments));
        }
    }

    fn close(&mut self, out: &mut Vec<Piece>) {
        if self.open.take().is_some_and(|open| !open.has_arguments) {
            out.push(Piece::Arguments("{}".to_owned()));
        }
        let later = std::mem::take(&mut self.later);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(later.iter().map(Piece::size).sum());
        out.extend(later);
    }
}

/// Text, or a list of parts with text or thoughts.
fn texts(value: Option<&Value>, piece: fn(String) -> Piece, out: &mut Vec<Piece>) {
    let mut push = |text: &str, piece: fn(String) -> Piece| {
        if !text.is_empty() {
            out.push(piece(text.to_owned()));
        }
    };
    match value {
        Some(Value::String(text)) => push(text, piece),
        Some(Value::Array(parts)) => {
            for part in parts {
                match part.get("thinking") {
                    // Thoughts hold parts themselves, but no deeper ones.
                    Some(Value::Array(thoughts)) => {
                        for thought in thoughts.iter().filter_map(|thought| json::text(thought, "text")) {
                            push(thought, Piece::Thought);
                        }
                    }
                    Some(Value::String(thought)) => push(thought, Piece::Thought),
                    _ => push(json::text(part, "text").unwrap_or_default(), piece),
                }
            }
        }
        _ => {}
    }
}

/// The tokens that an answer or an event tells, where many servers put them.
pub(crate) fn tokens(value: &Value) -> Option<Tokens> {
    let usage = value.get("usage").filter(|usage| usage.is_object()).or_else(|| value.get("x_groq")?.get("usage"))?;
    let deep = |folder: &str, name: &str| usage.get(folder).and_then(|details| json::whole(details, name));
    let (input, output) = (json::whole(usage, "prompt_tokens"), json::whole(usage, "completion_tokens"));
    let reasoning = deep("completion_tokens_details", "reasoning_tokens").unwrap_or_default();
    // Some count what was thought beside what was said (xAI): only the sum shows it.
    let beside = match (json::whole(usage, "total_tokens"), input) {
        (Some(total), Some(input)) if output.is_some() => total.saturating_sub(input),
        _ => 0,
    };
    (input.is_some() || output.is_some()).then(|| Tokens {
        input: input.unwrap_or_default(),
        cached: deep("prompt_tokens_details", "cached_tokens")
            .or_else(|| json::whole(usage, "prompt_cache_hit_tokens"))
            .unwrap_or_default(),
        cache_write: deep("prompt_tokens_details", "cache_write_tokens").unwrap_or_default(),
        cache_write_hour: 0,
        output: output.unwrap_or_default().max(beside),
        reasoning,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_thought_counts_wherever_it_is_told() {
        let output = |usage: Value| tokens(&json!({ "usage": usage })).map(|tokens| tokens.output);
        // xAI counts it beside what is said.
        let beside = json!({ "prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 331,
            "completion_tokens_details": { "reasoning_tokens": 317 } });
        assert_eq!(output(beside), Some(319));
        // OpenAI counts it among what is said.
        let among = json!({ "prompt_tokens": 12, "completion_tokens": 319, "total_tokens": 331,
            "completion_tokens_details": { "reasoning_tokens": 317 } });
        assert_eq!(output(among), Some(319));
        // Sums that are none, and those that tell of nothing written.
        assert_eq!(output(json!({ "prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 3 })), Some(2));
        assert_eq!(output(json!({ "completion_tokens": 2, "total_tokens": 331 })), Some(2));
        assert_eq!(output(json!({ "prompt_tokens": 12, "total_tokens": 331 })), Some(0));
    }
}
