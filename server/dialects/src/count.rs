//! How many tokens a question has: Anthropic's `/v1/messages/count_tokens`, Gemini's `:countTokens` and `/v1/responses/input_tokens`.
//! Servers of chat completions do not count; for them there is an estimate.

use serde_json::{Map, Value, json};

use crate::dialect::{Dialect, Target};
use crate::json::{given, whole};
use crate::turn::{Failure, Losses, Media, Origin, Outcome, Part, Tool, Turn};

/// Bytes of text that are about one token. English is about 4; other languages and code need more tokens for as many bytes, but
/// fewer for as many letters.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of a picture of a size that upstreams do not make smaller.
const IMAGE_TOKENS: u64 = 1_600;
/// Bytes of base64 that are about one token of a document: a page of PDF has about 2,000 tokens and 40 KiB.
const DOCUMENT_BYTES_PER_TOKEN: u64 = 20;
/// Tokens of a document that is known by its address only.
const LINKED_DOCUMENT_TOKENS: u64 = 10_000;
/// Tokens that each message and each tool needs beside its text.
const FRAME_TOKENS: u64 = 4;

/// Reads what is to be counted.
///
/// # Errors
/// As [`Dialect::read`].
pub fn read(door: Dialect, body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
    let inner = match door {
        Dialect::Gemini => given(body, "generateContentRequest").or_else(|| given(body, "generate_content_request")),
        _ => None,
    };
    door.read(inner.unwrap_or(body), origin)
}

/// Writes what is to be counted; nothing where servers of this dialect do not count.
///
/// # Errors
/// As [`Dialect::write`].
pub fn write(to: Dialect, turn: &Turn, target: &Target) -> Result<Option<Value>, Failure> {
    let keep: &[&str] = match to {
        Dialect::Chat => return Ok(None),
        Dialect::Responses => {
            &["model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"]
        }
        Dialect::Anthropic => &["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"],
        Dialect::Gemini => &["systemInstruction", "contents", "tools", "toolConfig", "generationConfig"],
    };
    let written = to.write(turn, target, &mut Losses::default())?;
    let Value::Object(fields) = written else { return Ok(None) };
    let mut kept: Map<String, Value> = fields.into_iter().filter(|(name, _)| keep.contains(&name.as_str())).collect();
    if to != Dialect::Gemini {
        return Ok(Some(kept.into()));
    }
    kept.insert("model".to_owned(), format!("models/{}", target.origin.model).into());
    Ok(Some(json!({ "generateContentRequest": kept })))
}

/// The number in an upstream's answer.
#[must_use]
pub fn read_answer(from: Dialect, answer: &Value) -> Option<u64> {
    match from {
        Dialect::Chat => None,
        Dialect::Responses | Dialect::Anthropic => whole(answer, "input_tokens"),
        Dialect::Gemini => whole(answer, "totalTokens"),
    }
}

/// The answer; nothing where the dialect has none.
#[must_use]
pub fn write_answer(door: Dialect, tokens: u64) -> Option<Value> {
    match door {
        Dialect::Chat => None,
        Dialect::Responses => Some(json!({ "object": "response.input_tokens", "input_tokens": tokens })),
        Dialect::Anthropic => Some(json!({ "input_tokens": tokens })),
        Dialect::Gemini => Some(json!({ "totalTokens": tokens })),
    }
}

/// About how many tokens it is, for any model.
#[must_use]
pub fn estimate(turn: &Turn) -> u64 {
    let messages = turn.messages.iter().map(|message| FRAME_TOKENS.saturating_add(parts(&message.parts)));
    let tools = turn.tools.iter().map(|declared| FRAME_TOKENS.saturating_add(tool(declared)));
    messages.chain(tools).fold(0, u64::saturating_add)
}

/// About how many tokens a text of so many bytes is.
pub(crate) fn of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_PER_TOKEN)
}

fn parts(parts: &[Part]) -> u64 {
    parts.iter().map(part).fold(0, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } | Part::Thought { text, .. } => of_bytes(text.len()),
        Part::Image(_) => IMAGE_TOKENS,
        Part::Document { media: Media::Base64 { data, .. }, .. } => {
            u64::try_from(data.len()).unwrap_or(u64::MAX).div_ceil(DOCUMENT_BYTES_PER_TOKEN)
        }
        Part::Document { media: Media::Url(_), .. } => LINKED_DOCUMENT_TOKENS,
        Part::Redacted(data) => of_bytes(data.len()),
        Part::Call(call) => of_bytes(call.name.len() + call.arguments.len()),
        Part::Outcome(Outcome { parts: inner, .. }) => parts(inner),
    }
}

fn tool(tool: &Tool) -> u64 {
    let schema = tool.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
    of_bytes(tool.name.len() + tool.description.as_ref().map_or(0, String::len) + schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Habits;

    fn target(model: &str) -> Target {
        let origin = Origin { upstream: "up".to_owned(), model: model.to_owned() };
        Target { origin, max_output_tokens: 100, habits: Habits::default() }
    }

    #[test]
    fn there_and_back() {
        let body = json!({
            "model": "claude-opus-4-6",
            "system": "Be brief.",
            "messages": [{ "role": "user", "content": "Hello" }],
            "tools": [{ "name": "f", "input_schema": { "type": "object" } }],
            "tool_choice": { "type": "auto" },
        });
        let to = target("m");
        let (turn, _) = read(Dialect::Anthropic, &body, &to.origin).unwrap();
        assert_eq!(write(Dialect::Chat, &turn, &to).unwrap(), None);
        let anthropic = write(Dialect::Anthropic, &turn, &to).unwrap().unwrap();
        assert_eq!(anthropic.get("max_tokens"), None);
        assert_eq!(anthropic["messages"][0]["content"][0]["text"], "Hello");
        let responses = write(Dialect::Responses, &turn, &to).unwrap().unwrap();
        assert_eq!((responses.get("store"), &responses["instructions"]), (None, &json!("Be brief.")));
        let gemini = write(Dialect::Gemini, &turn, &to).unwrap().unwrap();
        assert_eq!(gemini["generateContentRequest"]["model"], "models/m");
        let (again, _) = read(Dialect::Gemini, &gemini, &to.origin).unwrap();
        assert_eq!((again.messages, again.tools), (turn.messages, turn.tools));
        let (bare, _) =
            read(Dialect::Gemini, &json!({ "contents": [{ "parts": [{ "text": "x" }] }] }), &to.origin).unwrap();
        assert_eq!(estimate(&bare), FRAME_TOKENS + 1);
    }

    #[test]
    fn answers() {
        for dialect in Dialect::ALL {
            let answer = write_answer(dialect, 42);
            assert_eq!(answer.is_none(), dialect == Dialect::Chat);
            assert_eq!(
                answer.and_then(|answer| read_answer(dialect, &answer)),
                (dialect != Dialect::Chat).then_some(42)
            );
            assert_eq!(read_answer(dialect, &json!({ "error": {} })), None);
        }
    }

    #[test]
    fn an_estimate_counts_everything() {
        let origin = target("m").origin;
        let count = |content: Value| {
            let body = json!({ "messages": [{ "role": "user", "content": content }] });
            estimate(&read(Dialect::Anthropic, &body, &origin).unwrap().0) - FRAME_TOKENS
        };
        assert_eq!(count(json!("x".repeat(400))), 100);
        let source = json!({ "type": "base64", "media_type": "image/png", "data": "A".repeat(1_000_000) });
        assert_eq!(count(json!([{ "type": "image", "source": source }])), IMAGE_TOKENS);
        assert_eq!(count(json!([{ "type": "document", "source": source }])), 50_000);
        let outcome = json!([{ "type": "tool_result", "tool_use_id": "1", "content": "x".repeat(40) }]);
        assert_eq!(count(outcome), 10);
        let call = json!([{ "type": "tool_use", "id": "1", "name": "read", "input": { "a": 1 } }]);
        assert_eq!(count(call), of_bytes("read{\"a\":1}".len()));
    }
}
