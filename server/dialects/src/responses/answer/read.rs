//! From the dialect.

use std::collections::HashSet;

use serde_json::Value;

use crate::dialect::{AnswerReader, new_id, unreadable};
use crate::failure;
use crate::json::{given, list, owned, some_text, text, whole};
use crate::turn::{CallKind, Piece, Stop, Tokens};

/// Most items of one answer whose pieces are told apart.
const MAX_ITEMS: usize = 10_000;

/// What may come beside an unfinished tool call, in bytes.
const MAX_LATER_BYTES: usize = 16 * 1024 * 1024;

/// Reads an answer, whole or in events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    began: bool,
    done: bool,
    failed: bool,
    called: bool,
    stop: Option<Stop>,
    /// The item whose call is passed on as it comes.
    open: Option<u64>,
    /// How many bytes of its arguments were passed on.
    arguments: usize,
    /// What came of other items meanwhile.
    later: Vec<Piece>,
    later_bytes: usize,
    /// Items of which pieces were passed on: when they are whole, they are not passed on again.
    told: HashSet<u64>,
}

impl AnswerReader for Reader {
    fn event(&mut self, data: &[u8], out: &mut Vec<Piece>) {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" || self.done {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(&String::from_utf8_lossy(data)) else {
            return self.fail(unreadable("it sent an event that is not JSON, or only a part of one"), out);
        };
        let item = || event.get("item").unwrap_or(&Value::Null);
        let index = whole(&event, "output_index").unwrap_or_default();
        match text(&event, "type").unwrap_or_default() {
            "response.created" => self.start(event.get("response").unwrap_or(&Value::Null), out),
            "response.output_item.added" => self.begin(index, item(), out),
            "response.output_text.delta" => self.more(index, &event, Piece::Text, out),
            "response.refusal.delta" => self.more(index, &event, Piece::Refusal, out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.more(index, &event, Piece::Thought, out);
            }
            "response.reasoning_summary_part.added" if whole(&event, "summary_index").is_some_and(|at| at > 0) => {
                self.pass(Piece::Thought("\n\n".to_owned()), out);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta"
                if self.open == Some(index) && some_text(&event, "delta").is_some() =>
            {
                let delta = owned(&event, "delta");
                self.arguments += delta.len();
                out.push(Piece::Arguments(delta));
            }
            "response.output_item.done" => self.item(index, item(), out),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.finish(event.get("response").unwrap_or(&Value::Null), out);
            }
            _ if failure::is_failure(&event) => self.fail(Piece::Failed(failure::read(None, &event)), out),
            // What repeats the pieces, and what comes after this was written.
            _ => {}
        }
    }

    fn whole(&mut self, value: &Value, out: &mut Vec<Piece>) {
        if failure::is_failure(value) && given(value, "output").is_none() {
            return self.fail(Piece::Failed(failure::read(None, value)), out);
        }
        self.start(value, out);
        self.finish(value, out);
    }

    fn end(&mut self, out: &mut Vec<Piece>) {
        if self.failed {
            return;
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
        self.done
    }
}

impl Reader {
    fn fail(&mut self, failure: Piece, out: &mut Vec<Piece>) {
        (self.done, self.failed, self.stop) = (true, true, None);
        out.push(failure);
    }

    fn start(&mut self, response: &Value, out: &mut Vec<Piece>) {
        if !std::mem::replace(&mut self.began, true) {
            let field = |name| some_text(response, name).map(str::to_owned);
            out.push(Piece::Start { id: field("id"), model: field("model") });
        }
    }

    /// Nothing comes between a call and its arguments.
    fn pass(&mut self, piece: Piece, out: &mut Vec<Piece>) {
        if self.open.is_none() {
            return out.push(piece);
        }
        self.later_bytes += piece.size();
        self.later.push(piece);
        if self.later_bytes > MAX_LATER_BYTES && !self.failed {
            let mib = MAX_LATER_BYTES / (1024 * 1024);
            self.fail(unreadable(&format!("it sent more than {mib} MiB beside an unfinished tool call")), out);
        }
    }

    fn more(&mut self, index: u64, event: &Value, piece: fn(String) -> Piece, out: &mut Vec<Piece>) {
        let Some(text) = some_text(event, "delta") else { return };
        if self.told.len() < MAX_ITEMS {
            self.told.insert(index);
        }
        self.pass(piece(text.to_owned()), out);
    }

    /// An item begins. A call is passed on as it comes, unless another is open: then it waits until it is whole.
    fn begin(&mut self, index: u64, item: &Value, out: &mut Vec<Piece>) {
        let kind = match text(item, "type") {
            Some("function_call") => CallKind::Function,
            Some("custom_tool_call") => CallKind::Custom,
            _ => return,
        };
        if self.open.is_none() && self.told.len() < MAX_ITEMS && some_text(item, "name").is_some() {
            self.told.insert(index);
            self.call(item, kind, out);
            (self.open, self.arguments) = (Some(index), 0);
        }
    }

    fn call(&mut self, item: &Value, kind: CallKind, out: &mut Vec<Piece>) {
        self.called = true;
        let id = some_text(item, "call_id").map_or_else(|| new_id("call"), str::to_owned);
        self.pass(Piece::Call { id, name: owned(item, "name"), kind, signature: None }, out);
    }

    /// The open call is over, whether it was whole or not.
    fn close(&mut self, out: &mut Vec<Piece>) {
        if self.open.take().is_some() && self.arguments == 0 {
            out.push(Piece::Arguments("{}".to_owned()));
        }
        self.later_bytes = 0;
        out.append(&mut self.later);
    }

    /// An item is whole. What was passed on of it is not passed on again.
    fn item(&mut self, index: u64, item: &Value, out: &mut Vec<Piece>) {
        let is_told = self.told.contains(&index);
        match text(item, "type").unwrap_or_default() {
            "message" if !is_told => {
                for part in list(item, "content") {
                    let refusal = some_text(part, "refusal").map(|text| Piece::Refusal(text.to_owned()));
                    if let Some(piece) = some_text(part, "text").map(|text| Piece::Text(text.to_owned())).or(refusal) {
                        self.pass(piece, out);
                    }
                }
            }
            "reasoning" => {
                let texts =
                    list(item, "summary").chain(list(item, "content")).filter_map(|part| some_text(part, "text"));
                let text = texts.collect::<Vec<_>>().join("\n\n");
                if !is_told && !text.is_empty() {
                    self.pass(Piece::Thought(text), out);
                }
                if let Some(signature) = some_text(item, "encrypted_content") {
                    self.pass(Piece::ThoughtSignature(signature.to_owned()), out);
                }
            }
            "function_call" => self.whole_call(index, item, "arguments", CallKind::Function, out),
            "custom_tool_call" => self.whole_call(index, item, "input", CallKind::Custom, out),
            _ => {}
        }
        if self.told.len() < MAX_ITEMS {
            self.told.insert(index);
        }
    }

    fn whole_call(&mut self, index: u64, item: &Value, field: &str, kind: CallKind, out: &mut Vec<Piece>) {
        let whole = text(item, field).unwrap_or_default();
        if self.open == Some(index) {
            // Some servers leave the end of the arguments out of the stream, or all of them.
            if let Some(rest) = whole.get(self.arguments..).filter(|rest| !rest.is_empty()) {
                self.arguments = whole.len();
                out.push(Piece::Arguments(rest.to_owned()));
            }
            if kind == CallKind::Custom && self.arguments == 0 {
                self.open = None;
            }
            self.close(out);
        } else if !self.told.contains(&index) {
            self.call(item, kind, out);
            let nothing = whole.is_empty() && kind == CallKind::Function;
            self.pass(Piece::Arguments(if nothing { "{}" } else { whole }.to_owned()), out);
        }
    }

    fn finish(&mut self, response: &Value, out: &mut Vec<Piece>) {
        // Some servers tell nothing before the end.
        if self.told.is_empty() {
            for (index, item) in (0..).zip(list(response, "output")) {
                self.item(index, item, out);
            }
        }
        if let Some(usage) = given(response, "usage") {
            out.push(Piece::Tokens(tokens(usage)));
        }
        let reason = response.get("incomplete_details").and_then(|details| text(details, "reason"));
        match (text(response, "status"), reason) {
            (Some("failed" | "cancelled"), _) => {
                return self.fail(Piece::Failed(failure::read(None, response)), out);
            }
            (_, Some("content_filter")) => self.stop = Some(Stop::Filter),
            (_, Some(_)) | (Some("incomplete"), _) => self.stop = Some(Stop::Length),
            _ => self.stop = Some(Stop::End),
        }
        self.done = true;
    }
}

/// The tokens of `usage`.
pub(crate) fn tokens(usage: &Value) -> Tokens {
    let number = |name| whole(usage, name).unwrap_or_default();
    let deep =
        |folder: &str, name: &str| usage.get(folder).and_then(|details| whole(details, name)).unwrap_or_default();
    Tokens {
        input: number("input_tokens"),
        cached: deep("input_tokens_details", "cached_tokens"),
        cache_write: deep("input_tokens_details", "cache_write_tokens"),
        cache_write_hour: 0,
        output: number("output_tokens"),
        reasoning: deep("output_tokens_details", "reasoning_tokens"),
    }
}
