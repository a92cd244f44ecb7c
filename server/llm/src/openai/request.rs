//! What is asked: a [`ChatRequest`] as the body of `POST /chat/completions`.

use coditect_protocol::chat::{ChatMessage, ChatRequest, ToolCall, ToolSpec};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{error::LlmError, scrub::shorten};

/// Largest question, in bytes of JSON.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// Most tools offered with one question.
const MAX_TOOLS: usize = 1024;
/// Longest name of a tool, in bytes.
const MAX_TOOL_NAME_BYTES: usize = 64;
/// Highest temperature.
const MAX_TEMPERATURE: f32 = 2.0;
/// Pictures must come with the question: an upstream must not be made to fetch an address of the asker's choice.
const PICTURES: [&str; 4] =
    ["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,", "data:image/webp;base64,"];

/// Which dialect of the body the upstream understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Ask for the count of tokens at the end of the stream.
    pub(super) ask_usage: bool,
    /// Say `max_completion_tokens` where older servers want `max_tokens`.
    pub(super) new_bound: bool,
}

impl Shape {
    /// Another shape to try, when the refusal names what this one holds.
    pub(super) fn otherwise(self, refusal: &[u8]) -> Option<Self> {
        let refusal = String::from_utf8_lossy(refusal);
        let names = |word: &str| refusal.contains(word);
        if self.ask_usage && (names("stream_options") || names("include_usage")) {
            Some(Self { ask_usage: false, ..self })
        } else if !self.new_bound && names("max_completion_tokens") {
            Some(Self { new_bound: true, ..self })
        } else {
            None
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
    /// An assistant that said nothing but called tools: `null`, because some servers refuse the empty text there.
    Nothing,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The body, after everything in the request was checked.
pub(super) fn encode(model: &str, request: &ChatRequest, shape: Shape) -> Result<Vec<u8>, LlmError> {
    if request.messages.is_empty() {
        return Err(LlmError::request("it has no message"));
    }
    if request.max_tokens == Some(0) {
        return Err(LlmError::request("max_tokens must be at least 1"));
    }
    if request.temperature.is_some_and(|temperature| !(0.0..=MAX_TEMPERATURE).contains(&temperature)) {
        return Err(LlmError::request(format!("the temperature must lie between 0 and {MAX_TEMPERATURE}")));
    }
    if request.tools.len() > MAX_TOOLS {
        return Err(LlmError::request(format!("it has more than {MAX_TOOLS} tools")));
    }
    let body = Body {
        model,
        messages: request.messages.iter().map(message).collect::<Result<_, _>>()?,
        tools: request.tools.iter().map(tool).collect::<Result<_, _>>()?,
        max_tokens: request.max_tokens.filter(|_| !shape.new_bound),
        max_completion_tokens: request.max_tokens.filter(|_| shape.new_bound),
        temperature: request.temperature,
        stream: true,
        stream_options: shape.ask_usage.then_some(StreamOptions { include_usage: true }),
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| LlmError::request(error.to_string()))?;
    if bytes.len() > MAX_REQUEST_BYTES {
        let mib = MAX_REQUEST_BYTES / (1024 * 1024);
        return Err(LlmError::request(format!("it is larger than {mib} MiB; leave out pictures or start anew")));
    }
    Ok(bytes)
}

fn message(message: &ChatMessage) -> Result<Message<'_>, LlmError> {
    let plain = |role, text| Message { role, content: Content::Text(text), tool_calls: Vec::new(), tool_call_id: None };
    Ok(match message {
        ChatMessage::System { text } => plain("system", text),
        ChatMessage::User { text, images } if images.is_empty() => plain("user", text),
        ChatMessage::User { text, images } => Message { content: with_pictures(text, images)?, ..plain("user", text) },
        ChatMessage::Assistant { text, tool_calls } => Message {
            content: if text.is_empty() && !tool_calls.is_empty() { Content::Nothing } else { Content::Text(text) },
            tool_calls: tool_calls.iter().map(call).collect::<Result<_, _>>()?,
            ..plain("assistant", text)
        },
        ChatMessage::Tool { call_id, text } => Message { tool_call_id: Some(call_id), ..plain("tool", text) },
    })
}

fn with_pictures<'a>(text: &'a str, images: &'a [String]) -> Result<Content<'a>, LlmError> {
    let mut parts = Vec::with_capacity(images.len() + 1);
    if !text.is_empty() {
        parts.push(Part::Text { text });
    }
    for url in images {
        if !PICTURES.iter().any(|beginning| url.starts_with(beginning)) {
            return Err(LlmError::request("a picture must be a base64 data: URL of a PNG, JPEG, GIF or WebP"));
        }
        parts.push(Part::ImageUrl { image_url: ImageUrl { url } });
    }
    Ok(Content::Parts(parts))
}

fn call(call: &ToolCall) -> Result<Call<'_>, LlmError> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    if serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_err() {
        return Err(LlmError::request(format!(
            "the arguments of a call of the tool “{}” are no JSON",
            shorten(&call.name)
        )));
    }
    Ok(Call { id: &call.id, r#type: "function", function: Function { name: &call.name, arguments } })
}

fn tool(tool: &ToolSpec) -> Result<Value, LlmError> {
    let wrong = |what: &str| LlmError::request(format!("{what} of the tool “{}”", shorten(&tool.name)));
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if tool.name.is_empty() || tool.name.len() > MAX_TOOL_NAME_BYTES || !tool.name.bytes().all(is_good) {
        return Err(wrong("only letters, digits, `_` and `-`, at most 64, may make up the name"));
    }
    let parameters = if tool.parameters.trim().is_empty() {
        json!({ "type": "object", "properties": {} })
    } else {
        let schema: Option<Value> = serde_json::from_str(&tool.parameters).ok();
        schema.filter(Value::is_object).ok_or_else(|| wrong("a JSON Schema object must be the parameters"))?
    };
    Ok(json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": parameters },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { ask_usage: true, new_bound: false };

    fn request(messages: Vec<ChatMessage>) -> ChatRequest {
        ChatRequest { model: "u/m".to_owned(), messages, tools: Vec::new(), max_tokens: None, temperature: None }
    }

    fn user(images: &[&str]) -> ChatMessage {
        ChatMessage::User { text: "look".to_owned(), images: images.iter().map(|url| (*url).to_owned()).collect() }
    }

    fn encoded(request: &ChatRequest, shape: Shape) -> Value {
        serde_json::from_slice(&encode("m", request, shape).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_conversation() {
        let call = |id: &str, arguments: &str| ToolCall {
            id: id.to_owned(),
            name: "read".to_owned(),
            arguments: arguments.to_owned(),
        };
        let mut request = request(vec![
            ChatMessage::System { text: "be".to_owned() },
            user(&["data:image/png;base64,AA=="]),
            ChatMessage::Assistant { text: String::new(), tool_calls: vec![call("1", r#"{"p":1}"#), call("2", "")] },
            ChatMessage::Tool { call_id: "1".to_owned(), text: "x".to_owned() },
            ChatMessage::Assistant { text: String::new(), tool_calls: vec![] },
            user(&[]),
        ]);
        request.tools = vec![ToolSpec {
            name: "read".to_owned(),
            description: "reads".to_owned(),
            parameters: r#"{"type":"object"}"#.to_owned(),
        }];
        request.max_tokens = Some(9);
        request.temperature = Some(0.7);
        let text = String::from_utf8(encode("m", &request, SHAPE).unwrap()).unwrap();
        assert!(text.contains("\"temperature\":0.7,"), "as the person wrote it, not as a wider float: {text}");
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({
                "model": "m",
                "messages": [
                    { "role": "system", "content": "be" },
                    { "role": "user", "content": [
                        { "type": "text", "text": "look" },
                        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } },
                    ] },
                    { "role": "assistant", "content": null, "tool_calls": [
                        { "id": "1", "type": "function", "function": { "name": "read", "arguments": "{\"p\":1}" } },
                        { "id": "2", "type": "function", "function": { "name": "read", "arguments": "{}" } },
                    ] },
                    { "role": "tool", "content": "x", "tool_call_id": "1" },
                    { "role": "assistant", "content": "" },
                    { "role": "user", "content": "look" },
                ],
                "tools": [{ "type": "function", "function": {
                    "name": "read", "description": "reads", "parameters": { "type": "object" } } }],
                "max_tokens": 9,
                "temperature": 0.7,
                "stream": true,
                "stream_options": { "include_usage": true },
            })
        );
        let other = encoded(&request, Shape { ask_usage: false, new_bound: true });
        assert_eq!(other["max_completion_tokens"], 9);
        assert!(other.get("max_tokens").is_none() && other.get("stream_options").is_none());
    }

    #[test]
    fn what_no_upstream_shall_see() {
        let good = request(vec![user(&[])]);
        let tool = |name: &str, parameters: &str| ToolSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters: parameters.to_owned(),
        };
        let bad_call = ToolCall { id: "1".to_owned(), name: "x".to_owned(), arguments: "{".to_owned() };
        for (case, bad) in [
            ("no message", request(vec![])),
            ("http picture", request(vec![user(&["http://169.254.169.254/latest/meta-data"])])),
            ("svg picture", request(vec![user(&["data:image/svg+xml;base64,AA=="])])),
            ("file picture", request(vec![user(&["file:///etc/passwd"])])),
            ("broken call", request(vec![ChatMessage::Assistant { text: String::new(), tool_calls: vec![bad_call] }])),
            ("no tokens", ChatRequest { max_tokens: Some(0), ..good.clone() }),
            ("NaN", ChatRequest { temperature: Some(f32::NAN), ..good.clone() }),
            ("too hot", ChatRequest { temperature: Some(2.1), ..good.clone() }),
            ("tool name", ChatRequest { tools: vec![tool("a b", "{}")], ..good.clone() }),
            ("tool without name", ChatRequest { tools: vec![tool("", "{}")], ..good.clone() }),
            ("tool schema", ChatRequest { tools: vec![tool("a", "[]")], ..good.clone() }),
            ("too many tools", ChatRequest { tools: vec![tool("a", "{}"); MAX_TOOLS + 1], ..good.clone() }),
        ] {
            assert!(matches!(encode("m", &bad, SHAPE), Err(LlmError::BadRequest { .. })), "{case}");
        }
        assert_eq!(
            encoded(&ChatRequest { tools: vec![tool("a", " ")], ..good }, SHAPE)["tools"][0]["function"]["parameters"],
            json!({ "type": "object", "properties": {} })
        );
    }

    #[test]
    fn shapes_run_out() {
        let refusal = b"Unknown field stream_options; use max_completion_tokens";
        let second = SHAPE.otherwise(refusal).unwrap();
        assert_eq!(second, Shape { ask_usage: false, new_bound: false });
        let third = second.otherwise(refusal).unwrap();
        assert_eq!(third, Shape { ask_usage: false, new_bound: true });
        assert_eq!(third.otherwise(refusal), None);
        assert_eq!(SHAPE.otherwise(b"the prompt is bad"), None);
    }
}
