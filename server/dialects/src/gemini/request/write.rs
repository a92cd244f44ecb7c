//! To the dialect. The model and whether it streams go into the URL.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::dialect::Target;
use crate::gemini::FOREIGN_SIGNATURE;
use crate::json::arguments;
use crate::turn::{
    Call, Effort, Failure, Format, Losses, Media, Message, NOTHING, Outcome, Part, Reasoning, Role, Tool, ToolChoice,
    Turn,
};

/// Most texts that may end an answer.
const MAX_STOPS: usize = 5;

/// Writes a request.
pub(crate) fn write(turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
    let mut body = Map::new();
    let (system, contents) = conversation(turn)?;
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    body.insert("contents".to_owned(), contents.into());
    if !turn.tools.is_empty() {
        let declared: Vec<Value> = turn.tools.iter().map(declaration).collect();
        body.insert("tools".to_owned(), json!([{ "functionDeclarations": declared }]));
        if let Some(choice) = &turn.tool_choice {
            body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": calling(choice) }));
        }
    }
    let config = config(turn, &target.origin.model, losses);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    for (given, field) in [
        (turn.parallel_tools == Some(false), "parallel_tool_calls"),
        (turn.verbosity.is_some(), "verbosity"),
        (turn.cache_key.is_some(), "prompt_cache_key"),
        (turn.stop.len() > MAX_STOPS, "stop"),
        (turn.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict"),
    ] {
        losses.note_if(given, field);
    }
    Ok(Value::Object(body))
}

fn conversation(turn: &Turn) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let messages = turn.settled();
    let first = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
    let (instructions, rest) = messages.split_at(first);
    let system = instructions.iter().flat_map(|message| texts(&message.parts)).map(|text| json!({ "text": text }));
    let system = system.collect();
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut contents: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in rest {
        let (role, parts) = match message.role {
            // In the middle, so that the order and what is cached before it stay as they are.
            Role::System => {
                let told = texts(&message.parts).map(|text| json!({ "text": format!("<system>\n{text}\n</system>") }));
                ("user", told.collect())
            }
            Role::User => ("user", asked(message, &names)?),
            Role::Assistant => {
                let calls = message.parts.iter().filter_map(|part| match part {
                    Part::Call(call) => Some((call.id.as_str(), call.name.as_str())),
                    _ => None,
                });
                names.extend(calls);
                ("model", said(message)?)
            }
        };
        let parts = match message.role {
            Role::User if parts.is_empty() => vec![json!({ "text": NOTHING })],
            _ if parts.is_empty() => continue,
            _ => parts,
        };
        match contents.last_mut() {
            Some((last, written)) if *last == role => written.extend(parts),
            _ => contents.push((role, parts)),
        }
    }
    if contents.first().is_none_or(|(role, _)| *role != "user") {
        contents.insert(0, ("user", vec![json!({ "text": NOTHING })]));
    }
    let contents = contents.into_iter().map(|(role, parts)| json!({ "role": role, "parts": parts })).collect();
    Ok((system, contents))
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } if !text.is_empty() => Some(text.as_str()),
        _ => None,
    })
}

/// What tools answered comes first; the pictures among it follow, since an answer holds text only.
fn asked(message: &Message, names: &HashMap<&str, &str>) -> Result<Vec<Value>, Failure> {
    let (mut outcomes, mut rest) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Outcome(told) => {
                outcomes.push(outcome(told, names));
                for inner in told.parts.iter().filter(|inner| !matches!(inner, Part::Text { .. })) {
                    rest.extend(plain(inner)?);
                }
            }
            other => rest.extend(plain(other)?),
        }
    }
    outcomes.extend(rest);
    Ok(outcomes)
}

fn outcome(outcome: &Outcome, names: &HashMap<&str, &str>) -> Value {
    let name = outcome.name.as_deref().or_else(|| names.get(outcome.id.as_str()).copied()).unwrap_or(&outcome.id);
    let text = texts(&outcome.parts).collect::<Vec<_>>().join("\n\n");
    let field = if outcome.is_error { "error" } else { "output" };
    json!({ "functionResponse": { "name": name, "response": { field: text } } })
}

/// The first call of a step has to be signed. What another model called has no signature, and a word that says so.
fn said(message: &Message) -> Result<Vec<Value>, Failure> {
    let mut parts = Vec::new();
    let mut is_first = true;
    for part in &message.parts {
        let Part::Call(Call { name, arguments: text, signature, .. }) = part else {
            parts.extend(plain(part)?);
            continue;
        };
        let mut written = json!({ "functionCall": { "name": name, "args": arguments(text) } });
        let signature = signature.as_deref().or(is_first.then_some(FOREIGN_SIGNATURE));
        if let Some(signature) = signature {
            written["thoughtSignature"] = signature.into();
        }
        is_first = false;
        parts.push(written);
    }
    Ok(parts)
}

fn plain(part: &Part) -> Result<Option<Value>, Failure> {
    Ok(match part {
        Part::Text { text, signature } => {
            let mut written = json!({ "text": text });
            if let Some(signature) = signature {
                written["thoughtSignature"] = signature.as_str().into();
            }
            (!text.is_empty() || signature.is_some()).then_some(written)
        }
        Part::Image(media) | Part::Document { media, .. } => match media {
            Media::Base64 { mime, data } => Some(json!({ "inlineData": { "mimeType": mime, "data": data } })),
            Media::Url(_) => {
                let message =
                    "The model's server takes no pictures and documents by their address: send the bytes in base64.";
                return Err(Failure::refused("messages.content", message));
            }
        },
        // Thoughts are known again by what is signed.
        Part::Thought { .. } | Part::Redacted(_) | Part::Call(_) | Part::Outcome(_) => None,
    })
}

fn declaration(tool: &Tool) -> Value {
    let mut declared = Map::from_iter([("name".to_owned(), tool.name.as_str().into())]);
    if let Some(description) = &tool.description {
        declared.insert("description".to_owned(), description.as_str().into());
    }
    if let Some(parameters) = &tool.parameters {
        let mut parameters = parameters.clone();
        if let Some(fields) = parameters.as_object_mut() {
            fields.remove("$schema");
        }
        declared.insert("parametersJsonSchema".to_owned(), parameters);
    }
    Value::Object(declared)
}

fn calling(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::One(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        ToolChoice::Among { names, required } => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            json!({ "mode": mode, "allowedFunctionNames": names })
        }
    }
}

fn config(turn: &Turn, model: &str, losses: &mut Losses) -> Map<String, Value> {
    let mut config = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    put("maxOutputTokens", turn.max_tokens.map(Into::into));
    put("temperature", turn.temperature.map(Into::into));
    put("topP", turn.top_p.map(Into::into));
    put("topK", turn.top_k.map(Into::into));
    let stops = &turn.stop[..turn.stop.len().min(MAX_STOPS)];
    put("stopSequences", (!stops.is_empty()).then(|| stops.into()));
    put("seed", turn.seed.map(Into::into));
    put("frequencyPenalty", turn.frequency_penalty.map(Into::into));
    put("presencePenalty", turn.presence_penalty.map(Into::into));
    put("thinkingConfig", turn.reasoning.and_then(|reasoning| thinking(reasoning, model, losses)));
    match &turn.format {
        None => {}
        Some(Format::JsonObject) => put("responseMimeType", Some("application/json".into())),
        Some(Format::JsonSchema { schema, .. }) => {
            put("responseMimeType", Some("application/json".into()));
            put("responseJsonSchema", Some(schema.clone()));
        }
    }
    config
}

/// The third generation takes a word, the one before it a number of tokens, older ones neither.
fn thinking(reasoning: Reasoning, model: &str, losses: &mut Losses) -> Option<Value> {
    let mut config = Map::new();
    match generation(model) {
        Some(3..) => {
            let level = reasoning.effort().map(|effort| match effort {
                // It cannot be told not to think at all.
                Effort::None | Effort::Minimal if !model.contains("pro") => "MINIMAL",
                Effort::None | Effort::Minimal => "LOW",
                Effort::Low => "LOW",
                Effort::Medium => "MEDIUM",
                Effort::High | Effort::ExtraHigh | Effort::Max => "HIGH",
            });
            config.extend(level.map(|level| ("thinkingLevel".to_owned(), level.into())));
        }
        Some(2) if model.contains("2.5") => {
            let (least, most) = if model.contains("pro") { (128, 32_768) } else { (0, 24_576) };
            let budget = reasoning.budget().map(|budget| budget.clamp(least, most));
            config.extend(budget.map(|budget| ("thinkingBudget".to_owned(), budget.into())));
        }
        _ => {
            losses.note("reasoning");
            return None;
        }
    }
    config.extend(reasoning.shown.map(|shown| ("includeThoughts".to_owned(), shown.into())));
    (!config.is_empty()).then_some(Value::Object(config))
}

/// `gemini-3-pro` is of the third.
fn generation(model: &str) -> Option<u32> {
    let rest = &model[model.find("gemini-")? + "gemini-".len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
