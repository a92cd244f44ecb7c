//! From the dialect.

use serde_json::Value;

use super::reason_of;
use crate::dialect::{AnswerReader, new_id, unreadable};
use crate::failure;
use crate::json::{flag, given, list, owned, some_text, text, whole};
use crate::turn::{CallKind, Piece, Stop, Tokens};

/// Reads an answer, whole or in chunks, which have the same shape.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    began: bool,
    failed: bool,
    called: bool,
    stop: Option<Stop>,
    tokens: Option<Tokens>,
}

impl AnswerReader for Reader {
    fn event(&mut self, data: &[u8], out: &mut Vec<Piece>) {
        let data = data.trim_ascii();
        if data.is_empty() || self.failed {
            return;
        }
        match serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) {
            Ok(value) => self.whole(&value, out),
            Err(_) => self.fail(unreadable("it sent an event that is not JSON, or only a part of one"), out),
        }
    }

    fn whole(&mut self, value: &Value, out: &mut Vec<Piece>) {
        // A stream that is no stream of events is an array of its chunks.
        if let Some(chunks) = value.as_array() {
            for chunk in chunks.iter().filter(|chunk| !chunk.is_array()) {
                self.whole(chunk, out);
            }
            return;
        }
        if self.failed {
            return;
        }
        if failure::is_failure(value) {
            return self.fail(Piece::Failed(failure::read(None, value)), out);
        }
        if !std::mem::replace(&mut self.began, true) {
            let field = |name| some_text(value, name).map(str::to_owned);
            out.push(Piece::Start { id: field("responseId"), model: field("modelVersion") });
        }
        if let Some(usage) = given(value, "usageMetadata") {
            let told = tokens(usage);
            if self.tokens.replace(told) != Some(told) {
                out.push(Piece::Tokens(told));
            }
        }
        let blocked = given(value, "promptFeedback").is_some_and(|feedback| given(feedback, "blockReason").is_some());
        if blocked {
            self.stop = Some(Stop::Filter);
        }
        let first = |candidate: &&Value| whole(candidate, "index").unwrap_or(0) == 0;
        let Some(candidate) = list(value, "candidates").find(first) else { return };
        for part in candidate.get("content").into_iter().flat_map(|content| list(content, "parts")) {
            self.part(part, out);
        }
        if let Some(word) = some_text(candidate, "finishReason") {
            self.stop = Some(reason_of(word));
        }
    }

    fn end(&mut self, out: &mut Vec<Piece>) {
        if self.failed {
            return;
        }
        let Some(stop) = self.stop.take() else {
            return self.fail(unreadable("it ended before the answer was complete"), out);
        };
        out.push(Piece::Stop(stop.after(self.called)));
    }

    fn is_done(&self) -> bool {
        self.failed
    }

    fn is_whole(&self) -> bool {
        self.stop.is_some()
    }
}

impl Reader {
    fn fail(&mut self, failure: Piece, out: &mut Vec<Piece>) {
        (self.failed, self.stop) = (true, None);
        out.push(failure);
    }

    fn part(&mut self, part: &Value, out: &mut Vec<Piece>) {
        let signature = some_text(part, "thoughtSignature").map(str::to_owned);
        if let Some(call) = given(part, "functionCall") {
            self.called = true;
            let id = some_text(call, "id").map_or_else(|| new_id("call"), str::to_owned);
            let arguments = call.get("args").filter(|args| args.is_object());
            let arguments = arguments.map_or_else(|| "{}".to_owned(), Value::to_string);
            out.push(Piece::Call { id, name: owned(call, "name"), kind: CallKind::Function, signature });
            out.push(Piece::Arguments(arguments));
            return;
        }
        let is_thought = flag(part, "thought").unwrap_or_default();
        let text = text(part, "text").unwrap_or_default().to_owned();
        if !text.is_empty() {
            out.push(if is_thought { Piece::Thought(text) } else { Piece::Text(text) });
        }
        let signed = if is_thought { Piece::ThoughtSignature } else { Piece::TextSignature };
        out.extend(signature.map(signed));
    }
}

/// The tokens of `usageMetadata`.
pub(crate) fn tokens(usage: &Value) -> Tokens {
    let number = |name| whole(usage, name).unwrap_or_default();
    let reasoning = number("thoughtsTokenCount");
    Tokens {
        input: number("promptTokenCount").saturating_add(number("toolUsePromptTokenCount")),
        cached: number("cachedContentTokenCount"),
        cache_write: 0,
        cache_write_hour: 0,
        output: number("candidatesTokenCount").saturating_add(reasoning),
        reasoning,
    }
}
