//! What is asked and answered in every measurement: the same request, the same answer.

use serde_json::{Value, json};

use anyhow::{Result, bail};
use memchr::memmem;

/// Tokens of every answer.
pub(crate) const TOKENS: usize = 20;
/// In each token once and nowhere else, so that tokens can be counted in an answer whatever a gateway made of it.
const MARK: &str = "quokka";
const LAST_EVENT: &[u8] = b"data: [DONE]";

/// The models of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// Answers at once.
    Fast,
    /// Takes its time for each token of a stream.
    Paced,
}

impl Model {
    pub(crate) const ALL: [Self; 2] = [Self::Fast, Self::Paced];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Paced => "paced",
        }
    }
}

/// A chat completion's request; as a stream it ends with the usage, as accounting needs it.
pub(crate) fn request(model: &str, is_stream: bool) -> String {
    let mut body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Tell me about the animals of Rottnest Island, please."},
        ],
        "max_tokens": 100,
        "temperature": 0.5,
    });
    if is_stream {
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

pub(crate) fn models() -> String {
    let one =
        |model: Model| json!({"id": model.name(), "object": "model", "created": 1_700_000_000, "owned_by": "bench"});
    json!({"object": "list", "data": Model::ALL.map(one)}).to_string()
}

/// The answer as one piece of JSON.
pub(crate) fn completion(model: Model) -> String {
    let content: String = (0..TOKENS).map(token).collect();
    let choice = json!({
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "logprobs": null,
        "finish_reason": "stop",
    });
    let mut whole = frame(model, "chat.completion", &json!([choice]));
    whole["usage"] = usage();
    whole.to_string()
}

/// The same as events: one for each token, one each for why it ended, for the usage and for the end.
pub(crate) fn events(model: Model) -> Vec<String> {
    let chunk = |delta: &Value, reason: &Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason});
        frame(model, "chat.completion.chunk", &json!([choice]))
    };
    let token = |index| match index {
        0 => chunk(&json!({"role": "assistant", "content": token(index)}), &Value::Null),
        _ => chunk(&json!({"content": token(index)}), &Value::Null),
    };
    let mut all: Vec<Value> = (0..TOKENS).map(token).collect();
    all.push(chunk(&json!({}), &"stop".into()));
    let mut last = frame(model, "chat.completion.chunk", &json!([]));
    last["usage"] = usage();
    all.push(last);
    let events = all.iter().map(Value::to_string).chain(["[DONE]".to_owned()]);
    events.map(|data| format!("data: {data}\n\n")).collect()
}

/// Whether a token has come.
pub(crate) fn has_token(body: &[u8]) -> bool {
    memmem::find(body, MARK.as_bytes()).is_some()
}

/// What makes an answer wrong: each one is looked at.
pub(crate) fn check(status: u16, body: &[u8], is_stream: bool) -> Result<()> {
    let shown = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    if status != 200 {
        bail!("status {status}: {}", shown());
    }
    let tokens = memmem::find_iter(body, MARK.as_bytes()).count();
    if tokens != TOKENS {
        bail!("{tokens} tokens instead of {TOKENS}: {}", shown());
    }
    let end: &[u8] = if is_stream { LAST_EVENT } else { b"}" };
    if !body.trim_ascii_end().ends_with(end) {
        bail!("the end is missing: {}", shown());
    }
    Ok(())
}

fn token(index: usize) -> String {
    format!("{MARK}{index:02} ")
}

fn frame(model: Model, object: &str, choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-bench",
        "object": object,
        "created": 1_700_000_000,
        "model": model.name(),
        "choices": choices,
    })
}

fn usage() -> Value {
    json!({"prompt_tokens": 30, "completion_tokens": TOKENS, "total_tokens": 30 + TOKENS})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_pass_and_what_is_cut_off_does_not() {
        let stream = events(Model::Fast);
        assert_eq!(stream.len(), 23);
        for (whole, is_stream) in [(completion(Model::Fast), false), (stream.concat(), true)] {
            let whole = whole.as_bytes();
            check(200, whole, is_stream).unwrap();
            assert!(check(500, whole, is_stream).unwrap_err().to_string().contains("500"));
            assert!(check(200, &whole[..whole.len() - 5], is_stream).is_err());
            assert!(check(200, &whole[..whole.len() / 2], is_stream).unwrap_err().to_string().contains("tokens"));
        }
        assert!(has_token(stream[0].as_bytes()) && !has_token(stream[22].as_bytes()));
    }
}
