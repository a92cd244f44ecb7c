//! To the dialect.

use serde_json::{Value, json};

use super::reason_word;
use crate::anthropic::failure;
use crate::dialect::{AnswerWriter, Label};
use crate::json::arguments;
use crate::turn::{Call, Gathered, Part, Piece, Stop, Tokens};

/// May come at any time after the beginning.
const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// What kind of block is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    Tool,
}

/// Writes a stream of events: one block at a time, their indexes without a gap.
#[derive(Debug)]
pub(crate) struct Writer {
    label: Label,
    began: bool,
    blocks: u64,
    open: Option<Block>,
    tokens: Tokens,
    refused: bool,
}

impl Writer {
    pub(crate) fn new(label: Label) -> Self {
        Self { label, began: false, blocks: 0, open: None, tokens: Tokens::default(), refused: false }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.began, true) {
            let message = json!({
                "id": format!("msg_{}", self.label.id),
                "type": "message",
                "role": "assistant",
                "model": self.label.model,
                "content": [],
                "stop_reason": null,
                "stop_sequence": null,
                "usage": usage(self.tokens),
            });
            event("message_start", &json!({ "type": "message_start", "message": message }), out);
        }
    }

    /// Sees to it that a block of this kind is open.
    fn within(&mut self, block: Block, out: &mut Vec<u8>) {
        if self.open != Some(block) {
            let empty = match block {
                Block::Text => json!({ "type": "text", "text": "" }),
                _ => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            };
            self.begin(block, &empty, out);
        }
    }

    fn begin(&mut self, block: Block, content: &Value, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        let index = self.blocks;
        event(
            "content_block_start",
            &json!({ "type": "content_block_start", "index": index, "content_block": content }),
            out,
        );
        self.open = Some(block);
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        let index = self.blocks;
        event("content_block_delta", &json!({ "type": "content_block_delta", "index": index, "delta": delta }), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            event("content_block_stop", &json!({ "type": "content_block_stop", "index": self.blocks }), out);
            self.blocks += 1;
        }
    }
}

impl AnswerWriter for Writer {
    fn piece(&mut self, piece: &Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { .. } => self.start(out),
            Piece::Text(text) | Piece::Refusal(text) => {
                self.refused |= matches!(piece, Piece::Refusal(_));
                self.within(Block::Text, out);
                self.delta(&json!({ "type": "text_delta", "text": text }), out);
            }
            Piece::Thought(text) => {
                self.within(Block::Thinking, out);
                self.delta(&json!({ "type": "thinking_delta", "thinking": text }), out);
            }
            Piece::ThoughtSignature(signature) => {
                self.within(Block::Thinking, out);
                let signature = self.label.origin.mark(signature);
                self.delta(&json!({ "type": "signature_delta", "signature": signature }), out);
                self.close(out);
            }
            Piece::Redacted(data) => {
                let data = self.label.origin.mark(data);
                self.begin(Block::Thinking, &json!({ "type": "redacted_thinking", "data": data }), out);
                self.close(out);
            }
            Piece::Call { id, name, signature, .. } => {
                let mut block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                if let Some(signature) = signature {
                    block["signature"] = self.label.origin.mark(signature).into();
                }
                self.begin(Block::Tool, &block, out);
            }
            Piece::Arguments(more) if self.open == Some(Block::Tool) => {
                self.delta(&json!({ "type": "input_json_delta", "partial_json": more }), out);
            }
            Piece::Tokens(tokens) => self.tokens = *tokens,
            Piece::Stop(stop) => {
                self.start(out);
                self.close(out);
                let delta = json!({ "stop_reason": reason_word(stop, self.refused), "stop_sequence": sequence(stop) });
                let delta = json!({ "type": "message_delta", "delta": delta, "usage": usage(self.tokens) });
                event("message_delta", &delta, out);
                event("message_stop", &json!({ "type": "message_stop" }), out);
            }
            Piece::Failed(failed) => event("error", &failure::write(failed).1, out),
            // Only Gemini knows texts that are signed.
            Piece::TextSignature(_) | Piece::Arguments(_) => {}
        }
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        self.began.then_some(PING)
    }
}

fn event(name: &str, value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

fn sequence(stop: &Stop) -> Option<&str> {
    if let Stop::Sequence(sequence) = stop { Some(sequence) } else { None }
}

/// Writes a whole answer.
pub(crate) fn whole(answer: &Gathered, label: &Label) -> Value {
    let mark = |signature: &Option<String>| signature.as_ref().map(|signature| label.origin.mark(signature));
    let mut content: Vec<Value> = Vec::with_capacity(answer.parts.len());
    for part in &answer.parts {
        content.push(match part {
            // An empty one is refused when it comes back.
            Part::Text { text, .. } if text.is_empty() => continue,
            Part::Text { text, .. } => json!({ "type": "text", "text": text }),
            Part::Thought { text, signature } => {
                json!({ "type": "thinking", "thinking": text, "signature": mark(signature).unwrap_or_default() })
            }
            Part::Redacted(data) => json!({ "type": "redacted_thinking", "data": label.origin.mark(data) }),
            Part::Call(Call { id, name, arguments: text, signature, .. }) => {
                let mut block = json!({ "type": "tool_use", "id": id, "name": name, "input": arguments(text) });
                if let Some(signature) = mark(signature) {
                    block["signature"] = signature.into();
                }
                block
            }
            Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => continue,
        });
    }
    if let Some(refusal) = &answer.refusal {
        content.push(json!({ "type": "text", "text": refusal }));
    }
    let stop = answer.stop.as_ref().unwrap_or(&Stop::End);
    json!({
        "id": format!("msg_{}", label.id),
        "type": "message",
        "role": "assistant",
        "model": label.model,
        "content": content,
        "stop_reason": reason_word(stop, answer.refusal.is_some()),
        "stop_sequence": sequence(stop),
        "usage": usage(answer.tokens.unwrap_or_default()),
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input.saturating_sub(tokens.cached).saturating_sub(tokens.cache_write),
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.output,
        "output_tokens_details": { "thinking_tokens": tokens.reasoning },
    })
}
