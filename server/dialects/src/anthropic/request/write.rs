//! To the dialect.

use serde_json::{Map, Value, json};

use super::EFFORTS;
use crate::anthropic::models::{Abilities, abilities};
use crate::dialect::Target;
use crate::json::arguments;
use crate::turn::{
    Call, Effort, Failure, Format, Losses, Media, Message, NOTHING, Outcome, Part, Role, ToolChoice, Turn,
};

/// Fewest tokens a model may be told to think.
const MIN_THINKING_TOKENS: u64 = 1024;
/// Asks for JSON where there is no field for it.
const ONLY_JSON: &str = "Answer with one JSON object and nothing else: no code fence, no words before or after it.";

/// Writes a request.
pub(crate) fn write(turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
    let can = abilities(&target.origin.model);
    let max_tokens = turn.max_tokens.unwrap_or(target.max_output_tokens).max(1);
    let messages = turn.settled();
    let thinking = thinking(turn, &messages, can, max_tokens);
    losses.note_if(thinking.is_given_up, "thinking");
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("model", Some(target.origin.model.clone().into()));
    put("max_tokens", Some(max_tokens.into()));
    let (system, messages) = conversation(&messages, turn, thinking.is_on, can);
    put("system", (!system.is_empty()).then(|| system.into()));
    put("messages", Some(messages.into()));
    let tools = tools(turn);
    let choice = tool_choice(turn).filter(|_| !tools.is_empty());
    put("tools", (!tools.is_empty()).then(|| tools.into()));
    put("tool_choice", choice);
    put("stop_sequences", stops(turn));
    sampling(turn, can, thinking.is_on, losses, &mut put);
    put("thinking", thinking.field);
    put("output_config", output_config(turn, can));
    put("stream", turn.stream.then(|| true.into()));
    for (given, field) in [
        (turn.stop.iter().any(|stop| is_blank(stop)), "stop"),
        (turn.seed.is_some(), "seed"),
        (turn.frequency_penalty.is_some(), "frequency_penalty"),
        (turn.presence_penalty.is_some(), "presence_penalty"),
        (turn.verbosity.is_some(), "verbosity"),
        (turn.cache_key.is_some(), "prompt_cache_key"),
        (matches!(turn.format, Some(Format::JsonObject)), "response_format"),
        (turn.format.is_some() && !can.schema, "response_format"),
        (turn.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict"),
    ] {
        losses.note_if(given, field);
    }
    Ok(Value::Object(body))
}

fn sampling(
    turn: &Turn,
    can: Abilities,
    is_thinking: bool,
    losses: &mut Losses,
    put: &mut impl FnMut(&str, Option<Value>),
) {
    let is_possible = can.sampling && !is_thinking;
    let temperature = turn.temperature.filter(|_| is_possible);
    // The newer ones take one of both.
    let top_p = turn.top_p.filter(|_| can.sampling && !(can.one_of_sampling && temperature.is_some()));
    let top_k = turn.top_k.filter(|_| is_possible);
    losses.note_if(turn.temperature.is_some() && temperature.is_none(), "temperature");
    losses.note_if(turn.top_p.is_some() && top_p.is_none(), "top_p");
    losses.note_if(turn.top_k.is_some() && top_k.is_none(), "top_k");
    put("temperature", temperature.map(|value| value.clamp(0.0, 1.0).into()));
    put("top_p", top_p.map(Into::into));
    put("top_k", top_k.map(Into::into));
}

/// What ends the answer; a text of white space only is refused.
fn stops(turn: &Turn) -> Option<Value> {
    let stops: Vec<&str> = turn.stop.iter().map(String::as_str).filter(|stop| !is_blank(stop)).collect();
    (!stops.is_empty()).then(|| stops.into())
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[derive(Default)]
struct Thinking {
    field: Option<Value>,
    is_on: bool,
    is_given_up: bool,
}

fn thinking(turn: &Turn, messages: &[Message], can: Abilities, max_tokens: u64) -> Thinking {
    let Some(reasoning) = turn.reasoning else { return Thinking::default() };
    let off = |is_given_up| Thinking { field: Some(json!({ "type": "disabled" })), is_on: false, is_given_up };
    if reasoning.effort() == Some(Effort::None) {
        return off(false);
    }
    // A tool that must be called and thoughts exclude each other.
    if turn.must_call() {
        return off(true);
    }
    if can.adaptive {
        let mut field = json!({ "type": "adaptive" });
        if let Some(shown) = reasoning.shown {
            field["display"] = if shown { "summarized" } else { "omitted" }.into();
        }
        return Thinking { field: Some(field), is_on: true, is_given_up: false };
    }
    let Some(budget) = reasoning.budget() else { return Thinking::default() };
    if max_tokens <= MIN_THINKING_TOKENS || has_lost_thoughts(messages) {
        return off(true);
    }
    let budget = budget.clamp(MIN_THINKING_TOKENS, max_tokens - 1);
    let field = json!({ "type": "enabled", "budget_tokens": budget });
    Thinking { field: Some(field), is_on: true, is_given_up: false }
}

/// Models that think on a budget want to see what they thought before the calls that are being answered. What another model thought
/// is no such thing.
fn has_lost_thoughts(messages: &[Message]) -> bool {
    let last = messages.iter().rev().find(|message| message.role == Role::Assistant);
    last.is_some_and(|message| {
        let has_called = message.parts.iter().any(|part| matches!(part, Part::Call(_)));
        let begins_with_thought = message
            .parts
            .first()
            .is_some_and(|part| matches!(part, Part::Redacted(_) | Part::Thought { signature: Some(_), .. }));
        has_called && !begins_with_thought
    })
}

fn output_config(turn: &Turn, can: Abilities) -> Option<Value> {
    let mut config = Map::new();
    let effort = turn.reasoning.and_then(|reasoning| reasoning.effort()).filter(|effort| *effort != Effort::None);
    if let Some(effort) = effort.filter(|_| can.adaptive) {
        let word = EFFORTS.iter().rev().find(|(known, _)| *known <= effort).map_or("low", |(_, word)| word);
        config.insert("effort".to_owned(), word.into());
    }
    if let Some(Format::JsonSchema { schema, .. }) = turn.format.as_ref().filter(|_| can.schema) {
        config.insert("format".to_owned(), json!({ "type": "json_schema", "schema": schema }));
    }
    (!config.is_empty()).then(|| Value::Object(config))
}

/// The instructions at the beginning, and the messages: roles take turns, and nobody says nothing.
fn conversation(messages: &[Message], turn: &Turn, is_thinking: bool, can: Abilities) -> (Vec<Value>, Vec<Value>) {
    let first = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
    let (instructions, rest) = messages.split_at(first);
    let mut system: Vec<Value> =
        instructions.iter().flat_map(|message| texts(&message.parts)).map(text_block).collect();
    match &turn.format {
        Some(Format::JsonObject) => system.push(text_block(ONLY_JSON)),
        Some(Format::JsonSchema { schema, .. }) if !can.schema => {
            system.push(text_block(&format!("{ONLY_JSON} It must follow this JSON Schema:\n{schema}")));
        }
        _ => {}
    }
    let mut turns: Vec<(Role, Vec<Value>)> = Vec::new();
    for message in rest {
        let (role, mut blocks) = blocks(message, is_thinking);
        if blocks.is_empty() && message.role == Role::User {
            blocks.push(text_block(NOTHING));
        }
        if blocks.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some((last, written)) if *last == role => written.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    if turns.first().is_none_or(|(role, _)| *role != Role::User) {
        turns.insert(0, (Role::User, vec![text_block(NOTHING)]));
    }
    if !turn.tools.is_empty() {
        cache(&mut system, &mut turns);
    }
    let word = |role| if role == Role::Assistant { "assistant" } else { "user" };
    let messages = turns.into_iter().map(|(role, blocks)| json!({ "role": word(role), "content": blocks })).collect();
    (system, messages)
}

/// An agent sends the same beginning again and again: told so, the upstream keeps it, and asks for less money.
fn cache(system: &mut [Value], turns: &mut [(Role, Vec<Value>)]) {
    let last_said = turns.last_mut().and_then(|(_, blocks)| blocks.last_mut());
    for block in system.last_mut().into_iter().chain(last_said) {
        if !matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking")) {
            block["cache_control"] = json!({ "type": "ephemeral" });
        }
    }
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } if !text.trim().is_empty() => Some(text.as_str()),
        _ => None,
    })
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn blocks(message: &Message, is_thinking: bool) -> (Role, Vec<Value>) {
    if message.role == Role::System {
        // In the middle, so that the order and what is cached before it stay as they are.
        let blocks = texts(&message.parts).map(|text| text_block(&format!("<system>\n{text}\n</system>"))).collect();
        return (Role::User, blocks);
    }
    let (mut outcomes, mut rest) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Outcome(told) => outcomes.push(outcome(told)),
            Part::Thought { text, signature: Some(signature) } if is_thinking => {
                rest.push(json!({ "type": "thinking", "thinking": text, "signature": signature }));
            }
            Part::Redacted(data) if is_thinking => rest.push(json!({ "type": "redacted_thinking", "data": data })),
            other => rest.extend(block(other)),
        }
    }
    outcomes.extend(rest);
    (message.role, outcomes)
}

fn block(part: &Part) -> Option<Value> {
    match part {
        Part::Text { text, .. } => (!text.trim().is_empty()).then(|| text_block(text)),
        Part::Image(media) => Some(json!({ "type": "image", "source": source(media) })),
        Part::Document { media, name } => {
            let mut block = json!({ "type": "document", "source": source(media) });
            if let Some(name) = name {
                block["title"] = name.as_str().into();
            }
            Some(block)
        }
        Part::Call(Call { id, name, arguments: text, .. }) => {
            Some(json!({ "type": "tool_use", "id": plain_id(id), "name": name, "input": arguments(text) }))
        }
        // A thought of another model, or one that nobody signed, would be refused.
        Part::Thought { .. } | Part::Redacted(_) | Part::Outcome(_) => None,
    }
}

fn source(media: &Media) -> Value {
    match media {
        Media::Base64 { mime, data } => json!({ "type": "base64", "media_type": mime, "data": data }),
        Media::Url(url) => json!({ "type": "url", "url": url }),
    }
}

fn outcome(outcome: &Outcome) -> Value {
    let mut content: Vec<Value> = outcome.parts.iter().filter_map(block).collect();
    if content.is_empty() {
        content.push(text_block(NOTHING));
    }
    let mut block = json!({ "type": "tool_result", "tool_use_id": plain_id(&outcome.id), "content": content });
    if outcome.is_error {
        block["is_error"] = true.into();
    }
    block
}

/// Identifiers of other dialects may hold what this one refuses. The same one always becomes the same.
fn plain_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    if id.is_empty() { "_".to_owned() } else { id.chars().map(plain).collect() }
}

fn tools(turn: &Turn) -> Vec<Value> {
    let tools = turn.choosable().into_iter().map(|tool| {
        let schema = tool.parameters.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
        let mut written = json!({ "name": tool.name, "input_schema": schema });
        if let Some(description) = &tool.description {
            written["description"] = description.as_str().into();
        }
        written
    });
    tools.collect()
}

fn tool_choice(turn: &Turn) -> Option<Value> {
    let mut choice = match &turn.tool_choice {
        Some(ToolChoice::None) => return Some(json!({ "type": "none" })),
        Some(ToolChoice::Required | ToolChoice::Among { required: true, .. }) => json!({ "type": "any" }),
        Some(ToolChoice::One(name)) => json!({ "type": "tool", "name": name }),
        Some(ToolChoice::Auto | ToolChoice::Among { required: false, .. }) => json!({ "type": "auto" }),
        None if turn.parallel_tools == Some(false) => json!({ "type": "auto" }),
        None => return None,
    };
    if turn.parallel_tools == Some(false) {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Some(choice)
}
