//! Items of an answer, as they are written.

use serde_json::{Map, Value, json};

use crate::dialect::Label;
use crate::turn::{CallKind, Tokens};

/// An item, as far as it came.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Message { text: String, is_refusal: bool },
    Reasoning { text: String, signature: Option<String> },
    Call { id: String, name: String, kind: CallKind, arguments: String },
}

impl Item {
    /// Begins the item's identifier.
    pub(super) fn prefix(&self) -> &'static str {
        match self {
            Self::Message { .. } => "msg",
            Self::Reasoning { .. } => "rs",
            Self::Call { kind: CallKind::Function, .. } => "fc",
            Self::Call { kind: CallKind::Custom, .. } => "ctc",
        }
    }

    /// The whole item, in this state.
    pub(super) fn written(&self, id: &str, status: &str, label: &Label) -> Value {
        match self {
            Self::Message { text, is_refusal } => {
                let part = part(text, *is_refusal);
                let content = if text.is_empty() && status == "in_progress" { json!([]) } else { json!([part]) };
                json!({ "type": "message", "id": id, "status": status, "role": "assistant", "content": content })
            }
            Self::Reasoning { text, signature } => {
                let summary = if text.is_empty() { json!([]) } else { json!([summary(text)]) };
                let mut item = json!({ "type": "reasoning", "id": id, "summary": summary });
                if let Some(signature) = signature {
                    item["encrypted_content"] = label.origin.mark(signature).into();
                }
                item
            }
            Self::Call { id: call_id, name, kind, arguments } => {
                let (space, name) = label.names.whole(name);
                let (kind, field) = match kind {
                    CallKind::Function => ("function_call", "arguments"),
                    CallKind::Custom => ("custom_tool_call", "input"),
                };
                let mut item = json!({ "type": kind, "id": id, "call_id": call_id, "name": name, "status": status });
                item[field] = arguments.as_str().into();
                if let Some(space) = space {
                    item["namespace"] = space.into();
                }
                item
            }
        }
    }
}

/// The one part of a message.
pub(super) fn part(text: &str, is_refusal: bool) -> Value {
    if is_refusal {
        json!({ "type": "refusal", "refusal": text })
    } else {
        json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
    }
}

pub(super) fn summary(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

/// The response object.
pub(super) fn response(label: &Label, status: &str, output: &[Value], tokens: Option<Tokens>) -> Map<String, Value> {
    let Value::Object(fields) = json!({
        "id": format!("resp_{}", label.id),
        "object": "response",
        "created_at": label.created,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "model": label.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "store": false,
        "temperature": null,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": tokens.map(usage),
        "user": null,
        "metadata": {},
    }) else {
        return Map::new();
    };
    fields
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input,
        "input_tokens_details": { "cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write },
        "output_tokens": tokens.output,
        "output_tokens_details": { "reasoning_tokens": tokens.reasoning },
        "total_tokens": tokens.input.saturating_add(tokens.output),
    })
}
