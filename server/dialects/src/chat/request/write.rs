//! To the dialect.

use serde_json::{Map, Value, json};

use super::effort_word;
use crate::chat::models::Abilities;
use crate::dialect::Target;
use crate::schema::can_be_strict;
use crate::turn::{
    Call, CallKind, Failure, Format, Losses, Media, Message, Outcome, Part, Role, Tool, ToolChoice, Turn, shortened,
};

/// Most texts that may end an answer.
const MAX_STOPS: usize = 4;
/// Longest identifier of a call at OpenAI, in bytes.
const MAX_ID_BYTES: usize = 40;
/// Stands where a tool answered with a picture or a document, which this dialect cannot say; it follows.
const ATTACHED: &str = "[What is attached is in the next message.]";

/// Writes a request.
pub(crate) fn write(turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let is_openai = target.habits.is_openai;
    let can = Abilities::of(&target.origin.model, is_openai);
    put("model", Some(target.origin.model.clone().into()));
    put("messages", Some(messages(turn, target, losses)?));
    let (tools, choice) = tools(turn, is_openai, losses);
    let has_tools = !tools.is_empty();
    put("tools", has_tools.then(|| tools.into()));
    put("tool_choice", choice.filter(|_| has_tools));
    put("parallel_tool_calls", turn.parallel_tools.filter(|_| has_tools).map(Into::into));
    put(if is_openai { "max_completion_tokens" } else { "max_tokens" }, turn.max_tokens.map(Into::into));
    sampling(turn, is_openai, can, losses, &mut put);
    let effort = turn.reasoning.and_then(|reasoning| reasoning.effort());
    let nearest = effort.and_then(|effort| can.nearest(effort));
    losses.note_if(effort.is_some() && nearest.is_none(), "reasoning");
    put("reasoning_effort", nearest.map(|effort| effort_word(effort).into()));
    put("response_format", turn.format.as_ref().map(|asked| format(asked, losses)));
    losses.note_if(!is_openai && turn.verbosity.is_some(), "verbosity");
    put("verbosity", turn.verbosity.clone().filter(|_| is_openai).map(Into::into));
    put("prompt_cache_key", turn.cache_key.clone().filter(|_| is_openai).map(Into::into));
    put("stream", turn.stream.then(|| true.into()));
    put("stream_options", turn.stream.then(|| json!({ "include_usage": true })));
    Ok(Value::Object(body))
}

fn sampling(
    turn: &Turn,
    is_openai: bool,
    can: Abilities,
    losses: &mut Losses,
    put: &mut impl FnMut(&str, Option<Value>),
) {
    put("temperature", turn.temperature.filter(|_| can.sampling).map(Into::into));
    put("top_p", turn.top_p.filter(|_| can.sampling).map(Into::into));
    put("top_k", turn.top_k.filter(|_| !is_openai).map(Into::into));
    let stops = &turn.stop[..turn.stop.len().min(if can.sampling { MAX_STOPS } else { 0 })];
    put("stop", (!stops.is_empty()).then(|| stops.into()));
    put("seed", turn.seed.map(Into::into));
    put("frequency_penalty", turn.frequency_penalty.filter(|_| can.sampling).map(Into::into));
    put("presence_penalty", turn.presence_penalty.filter(|_| can.sampling).map(Into::into));
    for (is_lost, field) in [
        (turn.temperature.is_some() && !can.sampling, "temperature"),
        (turn.top_p.is_some() && !can.sampling, "top_p"),
        (turn.top_k.is_some() && is_openai, "top_k"),
        (turn.stop.len() > stops.len(), "stop"),
        (turn.frequency_penalty.is_some() && !can.sampling, "frequency_penalty"),
        (turn.presence_penalty.is_some() && !can.sampling, "presence_penalty"),
    ] {
        losses.note_if(is_lost, field);
    }
}

fn messages(turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
    let is_openai = target.habits.is_openai;
    let mut written = Vec::new();
    for message in &turn.settled() {
        match message.role {
            Role::System => {
                let role = if is_openai { "developer" } else { "system" };
                written.push(json!({ "role": role, "content": texts(&message.parts) }));
            }
            Role::User => user(message, is_openai, &mut written)?,
            Role::Assistant => written.push(assistant(message, target, losses)),
        }
    }
    Ok(written.into())
}

fn texts(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// What tools answered comes first, each in a message of its own, right after the calls.
fn user(message: &Message, is_openai: bool, written: &mut Vec<Value>) -> Result<(), Failure> {
    let mut rest = Vec::new();
    for part in &message.parts {
        match part {
            Part::Outcome(outcome) => {
                let (text, attached) = outcome_text(outcome)?;
                written
                    .push(json!({ "role": "tool", "tool_call_id": call_id(&outcome.id, is_openai), "content": text }));
                rest.extend(attached);
            }
            other => rest.extend(content(other)?),
        }
    }
    if rest.is_empty() {
        return Ok(());
    }
    // Most servers understand a bare text, not all a list with one.
    let bare = match &rest[..] {
        [only] if only["type"] == "text" => Some(only["text"].clone()),
        _ => None,
    };
    written.push(json!({ "role": "user", "content": bare.unwrap_or(Value::Array(rest)) }));
    Ok(())
}

/// The text of an outcome, and the pictures and documents that have to follow it.
fn outcome_text(outcome: &Outcome) -> Result<(String, Vec<Value>), Failure> {
    let mut text = texts(&outcome.parts);
    if outcome.is_error {
        text.insert_str(0, "Error: ");
    }
    let mut attached = Vec::new();
    for part in outcome.parts.iter().filter(|part| !matches!(part, Part::Text { .. })) {
        attached.extend(content(part)?);
    }
    if !attached.is_empty() {
        text.push_str(if text.is_empty() { "" } else { "\n\n" });
        text.push_str(ATTACHED);
    }
    Ok((text, attached))
}

fn content(part: &Part) -> Result<Option<Value>, Failure> {
    Ok(match part {
        Part::Text { text, .. } => Some(json!({ "type": "text", "text": text })),
        Part::Image(image) => Some(json!({ "type": "image_url", "image_url": { "url": url(image) } })),
        Part::Document { media: Media::Url(_), .. } => {
            let message = "The model's server takes no documents by their address: send the bytes in base64.";
            return Err(Failure::refused("messages.content", message));
        }
        Part::Document { media, name } => {
            let filename = name.as_deref().unwrap_or("document");
            Some(json!({ "type": "file", "file": { "file_data": url(media), "filename": filename } }))
        }
        _ => None,
    })
}

/// The address of a picture or document, which holds it where its bytes are known.
pub(crate) fn url(media: &Media) -> String {
    match media {
        Media::Base64 { mime, data } => format!("data:{mime};base64,{data}"),
        Media::Url(url) => url.clone(),
    }
}

fn assistant(message: &Message, target: &Target, losses: &mut Losses) -> Value {
    let mut written = Map::from_iter([("role".to_owned(), "assistant".into())]);
    let calls: Vec<Value> = message.parts.iter().filter_map(|part| call(part, target.habits.is_openai)).collect();
    let text = texts(&message.parts);
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
    written.insert("content".to_owned(), content);
    let thoughts = message.parts.iter().filter_map(|part| match part {
        Part::Thought { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let thoughts = thoughts.collect::<Vec<_>>().join("\n\n");
    if target.habits.wants_thoughts_back && (!calls.is_empty() || !thoughts.is_empty()) {
        written.insert("reasoning_content".to_owned(), thoughts.into());
    } else {
        losses.note_if(!thoughts.is_empty(), "thinking");
    }
    if !calls.is_empty() {
        written.insert("tool_calls".to_owned(), calls.into());
    }
    Value::Object(written)
}

fn call(part: &Part, is_openai: bool) -> Option<Value> {
    let Part::Call(Call { id, name, arguments, kind, signature }) = part else { return None };
    let id = call_id(id, is_openai);
    let mut written = match kind {
        CallKind::Function => {
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
            json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        }
        CallKind::Custom => json!({ "id": id, "type": "custom", "custom": { "name": name, "input": arguments } }),
    };
    if let Some(signature) = signature {
        written["extra_content"] = json!({ "google": { "thought_signature": signature } });
    }
    Some(written)
}

fn call_id(id: &str, is_openai: bool) -> String {
    shortened(id.to_owned(), if is_openai { MAX_ID_BYTES } else { usize::MAX })
}

/// The tools and which of them may be called. Only OpenAI itself understands a choice among some.
fn tools(turn: &Turn, is_openai: bool, losses: &mut Losses) -> (Vec<Value>, Option<Value>) {
    let chosen = if is_openai { turn.tools.iter().collect() } else { turn.choosable() };
    let tools: Vec<Value> = chosen.into_iter().map(|chosen| tool(chosen, losses)).collect();
    let custom = turn.custom_tools();
    let named = |name: &String| {
        let kind = if custom.contains(name.as_str()) { "custom" } else { "function" };
        let mut named = Map::from_iter([("type".to_owned(), kind.into())]);
        named.insert(kind.to_owned(), json!({ "name": name }));
        Value::Object(named)
    };
    let choice = turn.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::One(name) => named(name),
        ToolChoice::Among { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(named).collect();
            if is_openai {
                json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } })
            } else {
                mode.into()
            }
        }
    });
    (tools, choice)
}

fn tool(tool: &Tool, losses: &mut Losses) -> Value {
    let mut inner = Map::from_iter([("name".to_owned(), tool.name.as_str().into())]);
    if let Some(description) = &tool.description {
        inner.insert("description".to_owned(), description.as_str().into());
    }
    if tool.kind == CallKind::Custom {
        if let Some(format) = &tool.format {
            inner.insert("format".to_owned(), folded_format(format));
        }
        return json!({ "type": "custom", "custom": inner });
    }
    let parameters = tool.parameters.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
    let strict = strict(tool.strict, &parameters, "tools.strict", losses);
    inner.insert("parameters".to_owned(), parameters);
    if let Some(strict) = strict {
        inner.insert("strict".to_owned(), strict.into());
    }
    json!({ "type": "function", "function": inner })
}

/// The form of free text: this dialect puts a grammar in a fold.
fn folded_format(format: &Value) -> Value {
    match (format.get("syntax"), format.get("definition")) {
        (Some(syntax), Some(definition)) => {
            json!({ "type": "grammar", "grammar": { "syntax": syntax, "definition": definition } })
        }
        _ => format.clone(),
    }
}

/// Whether to follow a schema to the letter, which is asked for only where it is possible.
pub(crate) fn strict(asked: Option<bool>, schema: &Value, field: &'static str, losses: &mut Losses) -> Option<bool> {
    let possible = asked.map(|asked| asked && can_be_strict(schema));
    losses.note_if(possible != asked, field);
    possible
}

fn format(format: &Format, losses: &mut Losses) -> Value {
    match format {
        Format::JsonObject => json!({ "type": "json_object" }),
        Format::JsonSchema { name, description, schema, strict } => {
            let mut asked = Map::from_iter([("name".to_owned(), name.as_deref().unwrap_or("answer").into())]);
            if let Some(description) = description {
                asked.insert("description".to_owned(), description.as_str().into());
            }
            asked.insert("schema".to_owned(), schema.clone());
            if let Some(strict) = self::strict(*strict, schema, "response_format.strict", losses) {
                asked.insert("strict".to_owned(), strict.into());
            }
            json!({ "type": "json_schema", "json_schema": asked })
        }
    }
}
