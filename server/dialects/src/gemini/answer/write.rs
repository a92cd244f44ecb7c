//! To the dialect.

use serde_json::{Map, Value, json};

use super::reason_word;
use crate::dialect::{AnswerWriter, Framing, Label};
use crate::gemini::failure;
use crate::json::arguments;
use crate::turn::{Call, Gathered, Part, Piece, Stop, Tokens};

/// Writes a stream of chunks. A call is one part, so it is written once it is whole.
#[derive(Debug)]
pub(crate) struct Writer {
    label: Label,
    framing: Framing,
    chunks: usize,
    call: Option<Call>,
    tokens: Tokens,
    refused: bool,
}

impl Writer {
    pub(crate) fn new(label: Label, framing: Framing) -> Self {
        Self { label, framing, chunks: 0, call: None, tokens: Tokens::default(), refused: false }
    }

    fn part(&mut self, part: &Value, out: &mut Vec<u8>) {
        let candidate = json!({ "content": { "role": "model", "parts": [part] }, "index": 0 });
        self.chunk(&candidate, false, out);
    }

    fn chunk(&mut self, candidate: &Value, is_last: bool, out: &mut Vec<u8>) {
        let mut chunk = Map::from_iter([("candidates".to_owned(), json!([candidate]))]);
        if is_last {
            chunk.insert("usageMetadata".to_owned(), usage(self.tokens));
        }
        chunk.insert("modelVersion".to_owned(), self.label.model.as_str().into());
        chunk.insert("responseId".to_owned(), self.label.id.as_str().into());
        self.frame(&Value::Object(chunk), out);
    }

    fn frame(&mut self, value: &Value, out: &mut Vec<u8>) {
        match self.framing {
            Framing::Events => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(value.to_string().as_bytes());
                out.extend_from_slice(b"\r\n\r\n");
            }
            Framing::Array => {
                out.extend_from_slice(if self.chunks == 0 { b"[" } else { b",\r\n" });
                out.extend_from_slice(value.to_string().as_bytes());
            }
        }
        self.chunks += 1;
    }

    fn finish(&self, out: &mut Vec<u8>) {
        if self.framing == Framing::Array {
            out.extend_from_slice(if self.chunks == 0 { b"[]" } else { b"]" });
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(call) = self.call.take() {
            let part = call_part(&call, &self.label);
            self.part(&part, out);
        }
    }
}

impl AnswerWriter for Writer {
    fn piece(&mut self, piece: &Piece, out: &mut Vec<u8>) {
        if !matches!(piece, Piece::Arguments(_) | Piece::Tokens(_)) {
            self.close(out);
        }
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => {
                self.refused |= matches!(piece, Piece::Refusal(_));
                self.part(&json!({ "text": text }), out);
            }
            Piece::TextSignature(signature) => {
                let signature = self.label.origin.mark(signature);
                self.part(&json!({ "text": "", "thoughtSignature": signature }), out);
            }
            Piece::Thought(text) => self.part(&json!({ "text": text, "thought": true }), out),
            Piece::ThoughtSignature(signature) => {
                let signature = self.label.origin.mark(signature);
                self.part(&json!({ "text": "", "thought": true, "thoughtSignature": signature }), out);
            }
            Piece::Call { id, name, kind, signature } => {
                let (id, name, signature) = (id.clone(), name.clone(), signature.clone());
                self.call = Some(Call { id, name, arguments: String::new(), kind: *kind, signature });
            }
            Piece::Arguments(more) => {
                if let Some(call) = &mut self.call {
                    call.arguments.push_str(more);
                }
            }
            Piece::Tokens(tokens) => self.tokens = *tokens,
            Piece::Stop(stop) => {
                // Clients want a text beside the reason.
                let content = json!({ "role": "model", "parts": [{ "text": "" }] });
                let candidate =
                    json!({ "content": content, "finishReason": reason_word(stop, self.refused), "index": 0 });
                self.chunk(&candidate, true, out);
                self.finish(out);
            }
            Piece::Failed(failed) => {
                self.frame(&failure::write(failed).1, out);
                self.finish(out);
            }
            // The head of the answer stands in every chunk; nothing else holds what is encrypted.
            Piece::Start { .. } | Piece::Redacted(_) => {}
        }
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        // Every line that is no data is an error for its clients.
        None
    }
}

fn call_part(call: &Call, label: &Label) -> Value {
    let mut part = json!({ "functionCall": { "id": call.id, "name": call.name, "args": arguments(&call.arguments) } });
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = label.origin.mark(signature).into();
    }
    part
}

/// Writes a whole answer.
pub(crate) fn whole(answer: &Gathered, label: &Label) -> Value {
    let mut parts = Vec::with_capacity(answer.parts.len());
    for part in &answer.parts {
        let (mut written, signature) = match part {
            Part::Text { text, signature } => (json!({ "text": text }), signature.as_ref()),
            Part::Thought { text, signature } => (json!({ "text": text, "thought": true }), signature.as_ref()),
            Part::Call(call) => (call_part(call, label), None),
            Part::Redacted(_) | Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => continue,
        };
        if let Some(signature) = signature {
            written["thoughtSignature"] = label.origin.mark(signature).into();
        }
        parts.push(written);
    }
    if let Some(refusal) = &answer.refusal {
        parts.push(json!({ "text": refusal }));
    }
    let reason = reason_word(answer.stop.as_ref().unwrap_or(&Stop::End), answer.refusal.is_some());
    json!({
        "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": reason, "index": 0 }],
        "usageMetadata": usage(answer.tokens.unwrap_or_default()),
        "modelVersion": label.model,
        "responseId": label.id,
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output.saturating_sub(tokens.reasoning),
        "thoughtsTokenCount": tokens.reasoning,
        "cachedContentTokenCount": tokens.cached,
        "totalTokenCount": tokens.input.saturating_add(tokens.output),
    })
}
