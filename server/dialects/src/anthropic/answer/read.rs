//! From the dialect.

use serde_json::Value;

use super::reason_of;
use crate::dialect::{AnswerReader, new_id, unreadable};
use crate::failure;
use crate::json::{given, list, owned, some_text, text, whole};
use crate::turn::{CallKind, Piece, Stop, Tokens};

/// Longest signature of a thought, in bytes.
const MAX_SIGNATURE_BYTES: usize = 4 * 1024 * 1024;

/// Reads an answer, whole or in events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    began: bool,
    done: bool,
    failed: bool,
    stop: Option<Stop>,
    tokens: Option<Tokens>,
    /// A call is open, and whether it has arguments.
    open: Option<bool>,
    called: bool,
    /// What the open thought is signed with, so far.
    signature: String,
}

impl AnswerReader for Reader {
    fn event(&mut self, data: &[u8], out: &mut Vec<Piece>) {
        let data = data.trim_ascii();
        if data.is_empty() || self.done {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) else {
            return self.fail(unreadable("it sent an event that is not JSON, or only a part of one"), out);
        };
        match text(&event, "type").unwrap_or_default() {
            "message_start" => self.start(event.get("message").unwrap_or(&Value::Null), out),
            "content_block_start" => self.block(event.get("content_block").unwrap_or(&Value::Null), out),
            "content_block_delta" => self.delta(event.get("delta").unwrap_or(&Value::Null), out),
            "content_block_stop" => self.close(out),
            "message_delta" => {
                let delta = event.get("delta").unwrap_or(&Value::Null);
                if let Some(word) = some_text(delta, "stop_reason") {
                    self.stop = Some(reason_of(word, text(delta, "stop_sequence")));
                }
                self.count(&event, out);
            }
            "message_stop" => self.done = true,
            _ if failure::is_failure(&event) => self.fail(Piece::Failed(failure::read(None, &event)), out),
            // `ping`, and what comes after this was written.
            _ => {}
        }
    }

    fn whole(&mut self, value: &Value, out: &mut Vec<Piece>) {
        if failure::is_failure(value) {
            return self.fail(Piece::Failed(failure::read(None, value)), out);
        }
        self.start(value, out);
        for block in list(value, "content") {
            self.block(block, out);
            self.close(out);
        }
        if let Some(word) = some_text(value, "stop_reason") {
            self.stop = Some(reason_of(word, text(value, "stop_sequence")));
        }
        self.done = true;
    }

    fn end(&mut self, out: &mut Vec<Piece>) {
        if self.failed {
            return;
        }
        if self.stop.is_none() && self.done && self.began {
            self.stop = Some(Stop::End);
        }
        let Some(stop) = self.stop.take() else {
            return self.fail(unreadable("it ended before the answer was complete"), out);
        };
        self.close(out);
        out.push(Piece::Stop(stop.after(self.called)));
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

    /// What is read is told first, so that it can stand at the head of an answer.
    fn start(&mut self, message: &Value, out: &mut Vec<Piece>) {
        self.count(message, out);
        if !std::mem::replace(&mut self.began, true) {
            let field = |name| some_text(message, name).map(str::to_owned);
            out.push(Piece::Start { id: field("id"), model: field("model") });
        }
    }

    fn count(&mut self, value: &Value, out: &mut Vec<Piece>) {
        let Some(usage) = given(value, "usage") else { return };
        let told = tokens(usage, self.tokens.unwrap_or_default());
        if self.tokens.replace(told) != Some(told) {
            out.push(Piece::Tokens(told));
        }
    }

    /// It comes at once or in parts, and anywhere in its block, but it belongs to the whole of it.
    fn sign(&mut self, more: &str, out: &mut Vec<Piece>) {
        self.signature.push_str(more);
        if self.signature.len() > MAX_SIGNATURE_BYTES && !self.failed {
            self.fail(unreadable("it sent a signature that is too large"), out);
        }
    }

    /// A block begins, or in a whole answer is there.
    fn block(&mut self, block: &Value, out: &mut Vec<Piece>) {
        self.close(out);
        let mut push = |name: &str, piece: fn(String) -> Piece| {
            out.extend(some_text(block, name).map(|text| piece(text.to_owned())));
        };
        match text(block, "type").unwrap_or_default() {
            "text" => push("text", Piece::Text),
            "thinking" => {
                push("thinking", Piece::Thought);
                self.sign(text(block, "signature").unwrap_or_default(), out);
            }
            "redacted_thinking" => push("data", Piece::Redacted),
            "tool_use" => {
                self.called = true;
                let (id, name) = (owned(block, "id"), owned(block, "name"));
                let id = if id.is_empty() { new_id("toolu") } else { id };
                out.push(Piece::Call { id, name, kind: CallKind::Function, signature: None });
                let input = given(block, "input").filter(|input| input.as_object().is_none_or(|map| !map.is_empty()));
                out.extend(input.map(|input| Piece::Arguments(input.to_string())));
                self.open = Some(input.is_some());
            }
            // Tools that the upstream runs by itself: what they bring is in the texts.
            _ => {}
        }
    }

    fn delta(&mut self, delta: &Value, out: &mut Vec<Piece>) {
        let kind = text(delta, "type").unwrap_or_default();
        // Nothing comes between a call and its arguments.
        if self.open.is_some() && matches!(kind, "text_delta" | "thinking_delta" | "signature_delta") {
            self.close(out);
        }
        let mut push = |name: &str, piece: fn(String) -> Piece| {
            out.extend(some_text(delta, name).map(|text| piece(text.to_owned())));
        };
        match kind {
            "text_delta" => push("text", Piece::Text),
            "thinking_delta" => push("thinking", Piece::Thought),
            "signature_delta" => self.sign(text(delta, "signature").unwrap_or_default(), out),
            "input_json_delta" if self.open.is_some() => {
                push("partial_json", Piece::Arguments);
                if some_text(delta, "partial_json").is_some() {
                    self.open = Some(true);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, out: &mut Vec<Piece>) {
        if self.open.take() == Some(false) {
            out.push(Piece::Arguments("{}".to_owned()));
        }
        if !self.signature.is_empty() {
            out.push(Piece::ThoughtSignature(std::mem::take(&mut self.signature)));
        }
    }
}

/// The tokens of `usage`. What it does not tell stays as it was told `before`.
pub(crate) fn tokens(usage: &Value, before: Tokens) -> Tokens {
    let cached = whole(usage, "cache_read_input_tokens").unwrap_or(before.cached);
    let cache_write = whole(usage, "cache_creation_input_tokens").unwrap_or(before.cache_write);
    let fresh = before.input.saturating_sub(before.cached).saturating_sub(before.cache_write);
    let fresh = whole(usage, "input_tokens").unwrap_or(fresh);
    let hour = usage.get("cache_creation").and_then(|written| whole(written, "ephemeral_1h_input_tokens"));
    let thought = usage.get("output_tokens_details").and_then(|details| whole(details, "thinking_tokens"));
    Tokens {
        input: fresh.saturating_add(cached).saturating_add(cache_write),
        cached,
        cache_write,
        cache_write_hour: hour.unwrap_or(before.cache_write_hour),
        output: whole(usage, "output_tokens").unwrap_or(before.output),
        reasoning: thought.unwrap_or(before.reasoning),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_for_an_hour_is_told_apart() {
        let begun = tokens(
            &json!({ "input_tokens": 7, "cache_creation_input_tokens": 100, "output_tokens": 1,
                "cache_creation": { "ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60 } }),
            Tokens::default(),
        );
        assert_eq!((begun.input, begun.cache_write, begun.cache_write_hour), (107, 100, 60));
        let ended = tokens(&json!({ "output_tokens": 5 }), begun);
        assert_eq!(ended, Tokens { output: 5, ..begun });
    }
}
