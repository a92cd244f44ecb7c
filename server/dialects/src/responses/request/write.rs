//! To the dialect.

use serde_json::{Map, Value, json};

use crate::chat::models::Abilities;
use crate::chat::request::{effort_word, strict, url};
use crate::dialect::Target;
use crate::turn::{
    Call, CallKind, Effort, Failure, Format, Losses, Media, Message, NOTHING, Outcome, Part, Reasoning, Role, Tool,
    ToolChoice, Turn, shortened,
};

/// Longest identifier of a call, in bytes.
const MAX_ID_BYTES: usize = 64;

/// Writes a request.
pub(crate) fn write(turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("model", Some(target.origin.model.clone().into()));
    let messages = turn.settled();
    // There has to be some input, even if it is instructions only.
    let first = messages.iter().position(|message| message.role != Role::System).unwrap_or(0);
    let (instructions, rest) = messages.split_at(first);
    let instructions: Vec<&str> = instructions.iter().flat_map(|message| texts(&message.parts)).collect();
    put("instructions", (!instructions.is_empty()).then(|| instructions.join("\n\n").into()));
    let mut input: Vec<Value> = rest.iter().flat_map(items).collect();
    if input.is_empty() {
        input.push(json!({ "type": "message", "role": "user", "content": NOTHING }));
    }
    put("input", Some(input.into()));
    let can = Abilities::of(&target.origin.model, target.habits.is_openai);
    let has_tools = !turn.tools.is_empty();
    put("tools", has_tools.then(|| turn.tools.iter().map(|one| tool(one, losses)).collect()));
    put("tool_choice", turn.tool_choice.as_ref().filter(|_| has_tools).map(|choice| tool_choice(choice, turn)));
    put("parallel_tool_calls", turn.parallel_tools.filter(|_| has_tools).map(Into::into));
    put("max_output_tokens", turn.max_tokens.map(Into::into));
    put("temperature", turn.temperature.filter(|_| can.sampling).map(Into::into));
    put("top_p", turn.top_p.filter(|_| can.sampling).map(Into::into));
    put("reasoning", turn.reasoning.and_then(|asked| reasoning(asked, can, losses)));
    put("text", text(turn, losses));
    put("prompt_cache_key", turn.cache_key.clone().map(Into::into));
    // Nothing of a conversation is left with whoever answers.
    put("store", Some(false.into()));
    // Who did not ask for thoughts may not know what to do with one.
    let thinks = turn.reasoning.is_some_and(|asked| asked.effort != Some(Effort::None)) || turn.has_signed_thoughts();
    put("include", (thinks && !can.efforts.is_empty()).then(|| json!(["reasoning.encrypted_content"])));
    put("stream", turn.stream.then(|| true.into()));
    for (is_lost, field) in [
        (turn.temperature.is_some() && !can.sampling, "temperature"),
        (turn.top_p.is_some() && !can.sampling, "top_p"),
        (turn.top_k.is_some(), "top_k"),
        (!turn.stop.is_empty(), "stop"),
        (turn.seed.is_some(), "seed"),
        (turn.frequency_penalty.is_some(), "frequency_penalty"),
        (turn.presence_penalty.is_some(), "presence_penalty"),
    ] {
        losses.note_if(is_lost, field);
    }
    Ok(Value::Object(body))
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } if !text.is_empty() => Some(text.as_str()),
        _ => None,
    })
}

/// The items of one message: what is said is one, each call and each outcome another.
fn items(message: &Message) -> Vec<Value> {
    let (role, kind) = match message.role {
        Role::System => ("developer", "input_text"),
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    let mut items: Vec<Value> = Vec::new();
    let mut said: Vec<Value> = Vec::new();
    let say = |said: &mut Vec<Value>, items: &mut Vec<Value>| {
        if !said.is_empty() {
            items.push(json!({ "type": "message", "role": role, "content": std::mem::take(said) }));
        }
    };
    for part in &message.parts {
        let item = match part {
            Part::Call(call) => Some(called(call)),
            Part::Outcome(outcome) => Some(answered(outcome)),
            Part::Thought { text, signature: Some(signature) } => {
                let summary: Vec<Value> =
                    (!text.is_empty()).then(|| json!({ "type": "summary_text", "text": text })).into_iter().collect();
                Some(json!({ "type": "reasoning", "summary": summary, "encrypted_content": signature }))
            }
            // A thought that nobody signed would be looked for, and not be found.
            Part::Thought { .. } | Part::Redacted(_) => continue,
            Part::Text { .. } | Part::Image(_) | Part::Document { .. } => None,
        };
        match item {
            Some(item) => {
                say(&mut said, &mut items);
                items.push(item);
            }
            None => said.extend(content(part, kind)),
        }
    }
    say(&mut said, &mut items);
    items
}

fn content(part: &Part, kind: &str) -> Option<Value> {
    match part {
        Part::Text { text, .. } if !text.is_empty() => Some(match kind {
            "output_text" => json!({ "type": kind, "text": text, "annotations": [] }),
            _ => json!({ "type": kind, "text": text }),
        }),
        Part::Image(media) => Some(json!({ "type": "input_image", "image_url": url(media), "detail": "auto" })),
        Part::Document { media: Media::Url(url), .. } => Some(json!({ "type": "input_file", "file_url": url })),
        Part::Document { media, name } => {
            let filename = name.as_deref().unwrap_or("document");
            Some(json!({ "type": "input_file", "filename": filename, "file_data": url(media) }))
        }
        _ => None,
    }
}

fn called(call: &Call) -> Value {
    let id = short_id(&call.id);
    match call.kind {
        CallKind::Function => {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            json!({ "type": "function_call", "call_id": id, "name": call.name, "arguments": arguments })
        }
        CallKind::Custom => {
            json!({ "type": "custom_tool_call", "call_id": id, "name": call.name, "input": call.arguments })
        }
    }
}

fn answered(outcome: &Outcome) -> Value {
    let kind = match outcome.kind {
        CallKind::Function => "function_call_output",
        CallKind::Custom => "custom_tool_call_output",
    };
    let text = texts(&outcome.parts).collect::<Vec<_>>().join("\n\n");
    let text = if outcome.is_error { format!("Error: {text}") } else { text };
    let others = outcome.parts.iter().filter(|part| !matches!(part, Part::Text { .. }));
    let mut others: Vec<Value> = others.filter_map(|part| content(part, "input_text")).collect();
    let output = if others.is_empty() {
        text.into()
    } else {
        if !text.is_empty() {
            others.insert(0, json!({ "type": "input_text", "text": text }));
        }
        Value::Array(others)
    };
    json!({ "type": kind, "call_id": short_id(&outcome.id), "output": output })
}

fn short_id(id: &str) -> String {
    shortened(id.to_owned(), MAX_ID_BYTES)
}

fn tool(tool: &Tool, losses: &mut Losses) -> Value {
    let mut written = Map::new();
    let kind = if tool.kind == CallKind::Custom { "custom" } else { "function" };
    written.insert("type".to_owned(), kind.into());
    written.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        written.insert("description".to_owned(), description.as_str().into());
    }
    if tool.kind == CallKind::Function {
        let parameters = tool.parameters.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
        let strict = strict(tool.strict, &parameters, "tools.strict", losses);
        written.insert("parameters".to_owned(), parameters);
        // Where it is absent, this dialect takes it for true, and others for false.
        written.insert("strict".to_owned(), strict.unwrap_or_default().into());
    } else if let Some(format) = &tool.format {
        written.insert("format".to_owned(), format.clone());
    }
    Value::Object(written)
}

fn tool_choice(choice: &ToolChoice, turn: &Turn) -> Value {
    let custom = turn.custom_tools();
    let named = |name: &String| {
        let kind = if custom.contains(name.as_str()) { "custom" } else { "function" };
        json!({ "type": kind, "name": name })
    };
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::One(name) => named(name),
        ToolChoice::Among { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(named).collect();
            json!({ "type": "allowed_tools", "mode": mode, "tools": tools })
        }
    }
}

fn reasoning(reasoning: Reasoning, can: Abilities, losses: &mut Losses) -> Option<Value> {
    let effort = reasoning.effort().and_then(|effort| can.nearest(effort));
    losses.note_if(can.efforts.is_empty(), "reasoning");
    let mut written = Map::new();
    written.extend(effort.map(|effort| ("effort".to_owned(), effort_word(effort).into())));
    if reasoning.shown == Some(true) && !can.efforts.is_empty() {
        written.insert("summary".to_owned(), "auto".into());
    }
    (!written.is_empty()).then_some(Value::Object(written))
}

fn text(turn: &Turn, losses: &mut Losses) -> Option<Value> {
    let mut written = Map::new();
    let format = turn.format.as_ref().map(|format| match format {
        Format::JsonObject => json!({ "type": "json_object" }),
        Format::JsonSchema { name, description, schema, strict: asked } => {
            let strict = strict(*asked, schema, "response_format.strict", losses);
            let mut asked = json!({
                "type": "json_schema",
                "name": name.as_deref().unwrap_or("answer"),
                "schema": schema,
                "strict": strict.unwrap_or_default(),
            });
            if let Some(description) = description {
                asked["description"] = description.as_str().into();
            }
            asked
        }
    });
    written.extend(format.map(|format| ("format".to_owned(), format)));
    written.extend(turn.verbosity.clone().map(|verbosity| ("verbosity".to_owned(), verbosity.into())));
    (!written.is_empty()).then_some(Value::Object(written))
}
