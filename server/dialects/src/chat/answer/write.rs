//! To the dialect.

use serde_json::{Map, Value, json};

use super::reason_word;
use crate::chat::failure;
use crate::dialect::{AnswerWriter, Label};
use crate::turn::{CallKind, Gathered, Piece, Stop, Tokens};

/// A comment, which readers of events skip.
const PING: &[u8] = b": ping\n\n";

/// Writes a stream of chunks.
#[derive(Debug)]
pub(crate) struct Writer {
    label: Label,
    id: String,
    calls: u64,
    open: CallKind,
    tokens: Option<Tokens>,
}

impl Writer {
    pub(crate) fn new(label: Label) -> Self {
        let id = format!("chatcmpl-{}", label.id);
        Self { label, id, calls: 0, open: CallKind::Function, tokens: None }
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>, out: &mut Vec<u8>) {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.label.created,
            "model": self.label.model,
            "choices": choices,
        });
        if self.label.wants_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        event(&chunk, out);
    }

    fn delta(&self, delta: &Value, reason: Option<&str>, out: &mut Vec<u8>) {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        self.chunk(&json!([choice]), None, out);
    }

    fn call(&mut self, id: &str, name: &str, kind: CallKind, signature: Option<&str>, out: &mut Vec<u8>) {
        self.open = kind;
        let mut call = match kind {
            CallKind::Function => {
                json!({ "index": self.calls, "id": id, "type": "function", "function": { "name": name, "arguments": "" } })
            }
            CallKind::Custom => {
                json!({ "index": self.calls, "id": id, "type": "custom", "custom": { "name": name, "input": "" } })
            }
        };
        self.calls += 1;
        if let Some(signature) = signature {
            call["extra_content"] = signed(&self.label, signature);
        }
        self.delta(&json!({ "tool_calls": [call] }), None, out);
    }
}

impl AnswerWriter for Writer {
    fn piece(&mut self, piece: &Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { .. } => self.delta(&json!({ "role": "assistant", "content": "" }), None, out),
            Piece::Text(text) => self.delta(&json!({ "content": text }), None, out),
            Piece::Refusal(text) => self.delta(&json!({ "refusal": text }), None, out),
            Piece::Thought(text) => self.delta(&json!({ "reasoning_content": text }), None, out),
            Piece::Call { id, name, kind, signature } => self.call(id, name, *kind, signature.as_deref(), out),
            Piece::Arguments(more) => {
                let index = self.calls.saturating_sub(1);
                let call = match self.open {
                    CallKind::Function => json!({ "index": index, "function": { "arguments": more } }),
                    CallKind::Custom => json!({ "index": index, "custom": { "input": more } }),
                };
                self.delta(&json!({ "tool_calls": [call] }), None, out);
            }
            Piece::Tokens(tokens) => self.tokens = Some(*tokens),
            Piece::Stop(stop) => {
                self.delta(&json!({}), Some(reason_word(stop)), out);
                if self.label.wants_usage {
                    self.chunk(&json!([]), Some(usage(self.tokens.unwrap_or_default())), out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            Piece::Failed(failure) => event(&failure::write(failure).1, out),
            // This dialect has no place for them.
            Piece::TextSignature(_) | Piece::ThoughtSignature(_) | Piece::Redacted(_) => {}
        }
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(PING)
    }
}

fn event(value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// Where some clients carry what Gemini signs.
fn signed(label: &Label, signature: &str) -> Value {
    json!({ "google": { "thought_signature": label.origin.mark(signature) } })
}

/// Writes a whole answer.
pub(crate) fn whole(answer: &Gathered, label: &Label) -> Value {
    let calls: Vec<Value> = answer
        .calls()
        .map(|call| {
            let mut written = match call.kind {
                CallKind::Function => json!({
                    "id": call.id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                }),
                CallKind::Custom => {
                    json!({ "id": call.id, "type": "custom", "custom": { "name": call.name, "input": call.arguments } })
                }
            };
            if let Some(signature) = &call.signature {
                written["extra_content"] = signed(label, signature);
            }
            written
        })
        .collect();
    let text = answer.text();
    let has_content = !text.is_empty() || (calls.is_empty() && answer.refusal.is_none());
    let mut message = Map::from_iter([
        ("role".to_owned(), "assistant".into()),
        ("content".to_owned(), if has_content { text.into() } else { Value::Null }),
        ("refusal".to_owned(), answer.refusal.clone().into()),
    ]);
    let thoughts = answer.thoughts();
    if !thoughts.is_empty() {
        message.insert("reasoning_content".to_owned(), thoughts.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    let reason = reason_word(answer.stop.as_ref().unwrap_or(&Stop::End));
    json!({
        "id": format!("chatcmpl-{}", label.id),
        "object": "chat.completion",
        "created": label.created,
        "model": label.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason }],
        "usage": usage(answer.tokens.unwrap_or_default()),
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input.saturating_add(tokens.output),
        "prompt_tokens_details": { "cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write },
        "completion_tokens_details": { "reasoning_tokens": tokens.reasoning },
    })
}
