//! From the dialect.

use serde_json::Value;

use super::effort_of;
use crate::json::{data_url, flag, given, list, number, owned, some_text, text, whole};
use crate::shorten::shorten;
use crate::turn::{
    Call, CallKind, Failure, Format, Losses, Media, Message, Names, Origin, Outcome, Part, Reasoning, Role, Tool,
    ToolChoice, Turn,
};

/// Fields that no other dialect has, or whose meaning is the upstream's own.
const LEFT_OUT: [&str; 16] = [
    "logit_bias",
    "metadata",
    "store",
    "service_tier",
    "prediction",
    "web_search_options",
    "moderation",
    "safety_identifier",
    "user",
    "prompt_cache_retention",
    "prompt_cache_options",
    "top_logprobs",
    "enable_thinking",
    "chat_template_kwargs",
    "min_p",
    "repetition_penalty",
];

/// Reads a request. `origin` is where it goes: what was signed elsewhere is left out.
pub(crate) fn read(body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
    refuse_what_nobody_else_can(body)?;
    let mut losses = Losses::default();
    for field in LEFT_OUT {
        losses.note_if(given(body, field).is_some(), field);
    }
    let mut messages = Vec::new();
    for message in list(body, "messages") {
        messages.push(read_message(message, origin, &mut losses)?);
    }
    if messages.is_empty() {
        return Err(Failure::refused("messages", "The request has no messages."));
    }
    let turn = Turn {
        model: owned(body, "model"),
        messages,
        tools: tools(body, &mut losses),
        names: Names::default(),
        tool_choice: tool_choice(body),
        parallel_tools: flag(body, "parallel_tool_calls"),
        max_tokens: whole(body, "max_completion_tokens").or_else(|| whole(body, "max_tokens")),
        temperature: number(body, "temperature"),
        top_p: number(body, "top_p"),
        top_k: whole(body, "top_k"),
        stop: stops(body),
        seed: body.get("seed").and_then(Value::as_i64),
        frequency_penalty: number(body, "frequency_penalty"),
        presence_penalty: number(body, "presence_penalty"),
        reasoning: reasoning(body),
        format: format(body),
        verbosity: text(body, "verbosity").map(str::to_owned),
        cache_key: text(body, "prompt_cache_key").map(str::to_owned),
        stream: flag(body, "stream").unwrap_or_default(),
        wants_usage: body.get("stream_options").and_then(|options| flag(options, "include_usage")).unwrap_or_default(),
    };
    Ok((turn, losses))
}

/// What would change the answer's meaning or shape if it were left out.
fn refuse_what_nobody_else_can(body: &Value) -> Result<(), Failure> {
    let refused = |field: &str, what: &str| {
        let message = format!("The model's server does not speak this dialect, and in its own there is no {what}.");
        Err(Failure::refused(field, message))
    };
    if whole(body, "n").is_some_and(|n| n > 1) {
        return refused("n", "way to ask for several answers");
    }
    if flag(body, "logprobs") == Some(true) {
        return refused("logprobs", "way to ask for probabilities");
    }
    if list(body, "modalities").any(|modality| modality != "text") || given(body, "audio").is_some() {
        return refused("modalities", "spoken answer");
    }
    Ok(())
}

fn read_message(message: &Value, origin: &Origin, losses: &mut Losses) -> Result<Message, Failure> {
    let role = text(message, "role").unwrap_or_default();
    match role {
        "system" | "developer" => Ok(Message { role: Role::System, parts: parts(message, losses)? }),
        "user" => Ok(Message { role: Role::User, parts: parts(message, losses)? }),
        "assistant" => Ok(Message { role: Role::Assistant, parts: said(message, origin, losses)? }),
        "tool" => {
            Ok(Message { role: Role::User, parts: vec![outcome(message, owned(message, "tool_call_id"), losses)?] })
        }
        // Of before tools were called tools.
        "function" => Ok(Message { role: Role::User, parts: vec![outcome(message, owned(message, "name"), losses)?] }),
        other => Err(Failure::refused("messages.role", format!("There is no role “{}”.", shorten(other)))),
    }
}

fn outcome(message: &Value, id: String, losses: &mut Losses) -> Result<Part, Failure> {
    let name = some_text(message, "name").map(str::to_owned);
    let parts = parts(message, losses)?;
    Ok(Part::Outcome(Outcome { id, name, parts, is_error: false, kind: CallKind::Function }))
}

/// The content of a message: a text, or a list of parts.
fn parts(message: &Value, losses: &mut Losses) -> Result<Vec<Part>, Failure> {
    losses.note_if(some_text(message, "name").is_some() && text(message, "role") != Some("function"), "messages.name");
    match message.get("content") {
        Some(Value::String(text)) => Ok(vec![Part::text(text.as_str())]),
        Some(Value::Array(items)) => {
            let images = items.iter().filter_map(|item| item.get("image_url"));
            losses.note_if(images.into_iter().any(has_detail), "image_url.detail");
            items.iter().filter_map(|item| part(item).transpose()).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether a picture is to be looked at more closely, or less, than the model's server would by itself.
pub(crate) fn has_detail(image: &Value) -> bool {
    text(image, "detail").is_some_and(|detail| detail != "auto")
}

fn part(item: &Value) -> Result<Option<Part>, Failure> {
    let refused =
        |what: &str| Err(Failure::refused("messages.content", format!("The model's server cannot take {what}.")));
    match text(item, "type").unwrap_or("text") {
        "text" | "input_text" => Ok(text(item, "text").map(Part::text)),
        "refusal" => Ok(text(item, "refusal").map(Part::text)),
        "image_url" => {
            let image = item.get("image_url").unwrap_or(&Value::Null);
            let Some(url) = image.as_str().or_else(|| text(image, "url")) else {
                return refused("a picture without an address");
            };
            Ok(Some(Part::Image(media(url))))
        }
        "file" => {
            let file = item.get("file").unwrap_or(&Value::Null);
            let Some(data) = text(file, "file_data") else {
                return refused("a file that another server holds: send it as file_data");
            };
            let name = some_text(file, "filename").map(str::to_owned);
            Ok(Some(Part::Document { media: media(data), name }))
        }
        "input_audio" => refused("sound"),
        other => refused(&format!("a part of the type “{}”", shorten(other))),
    }
}

/// A picture or document by its address, which may hold it.
pub(crate) fn media(url: &str) -> Media {
    match data_url(url) {
        Some((mime, data)) => Media::Base64 { mime: mime.to_owned(), data: data.to_owned() },
        None => Media::Url(url.to_owned()),
    }
}

/// What the model said: its thoughts, its words and its calls, in the order in which it produces them.
fn said(message: &Value, origin: &Origin, losses: &mut Losses) -> Result<Vec<Part>, Failure> {
    let mut said = Vec::new();
    let thought = some_text(message, "reasoning_content").or_else(|| some_text(message, "reasoning"));
    said.extend(thought.map(|text| Part::Thought { text: text.to_owned(), signature: None }));
    said.extend(parts(message, losses)?);
    said.extend(some_text(message, "refusal").map(Part::text));
    for call in list(message, "tool_calls") {
        said.push(Part::Call(read_call(call, origin)));
    }
    if let Some(call) = given(message, "function_call") {
        let name = owned(call, "name");
        let arguments = owned(call, "arguments");
        said.push(Part::Call(Call { id: name.clone(), name, arguments, kind: CallKind::Function, signature: None }));
    }
    Ok(said)
}

fn read_call(call: &Value, origin: &Origin) -> Call {
    let id = owned(call, "id");
    let signature = call
        .pointer("/extra_content/google/thought_signature")
        .and_then(Value::as_str)
        .and_then(|marked| origin.own(marked));
    match given(call, "custom") {
        Some(custom) => {
            let (name, arguments) = (owned(custom, "name"), owned(custom, "input"));
            Call { id, name, arguments, kind: CallKind::Custom, signature }
        }
        None => {
            let function = call.get("function").unwrap_or(&Value::Null);
            let (name, arguments) = (owned(function, "name"), owned(function, "arguments"));
            Call { id, name, arguments, kind: CallKind::Function, signature }
        }
    }
}

fn tools(body: &Value, losses: &mut Losses) -> Vec<Tool> {
    let old = list(body, "functions").map(function);
    let new = list(body, "tools").filter_map(|tool| match text(tool, "type") {
        Some("function") | None => Some(function(tool.get("function")?)),
        Some("custom") => {
            let custom = tool.get("custom")?;
            let format = given(custom, "format").map(flat_format);
            Some(Tool { kind: CallKind::Custom, parameters: None, format, ..function(custom) })
        }
        Some(_) => {
            losses.note("tools");
            None
        }
    });
    let new: Vec<Tool> = new.collect();
    old.chain(new).collect()
}

fn function(function: &Value) -> Tool {
    Tool {
        name: owned(function, "name"),
        description: some_text(function, "description").map(str::to_owned),
        parameters: given(function, "parameters").cloned(),
        format: None,
        strict: flag(function, "strict"),
        kind: CallKind::Function,
    }
}

/// The form of free text, as the responses say it: without a fold.
fn flat_format(format: &Value) -> Value {
    let mut flat = format.clone();
    if let Some(Value::Object(grammar)) = flat.as_object_mut().and_then(|fields| fields.remove("grammar"))
        && let Some(fields) = flat.as_object_mut()
    {
        fields.extend(grammar);
    }
    flat
}

fn tool_choice(body: &Value) -> Option<ToolChoice> {
    let choice = given(body, "tool_choice").or_else(|| given(body, "function_call"))?;
    if let Some(word) = choice.as_str() {
        return choice_word(word);
    }
    let name = |value: &Value| {
        let inner = value.get("function").or_else(|| value.get("custom")).unwrap_or(value);
        some_text(inner, "name").map(str::to_owned)
    };
    if let Some(allowed) = given(choice, "allowed_tools") {
        let names = list(allowed, "tools").filter_map(name).collect();
        return Some(ToolChoice::Among { names, required: text(allowed, "mode") == Some("required") });
    }
    name(choice).map(ToolChoice::One)
}

/// The words of this dialect and of the responses.
pub(crate) fn choice_word(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn stops(body: &Value) -> Vec<String> {
    match body.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        _ => list(body, "stop").filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

fn reasoning(body: &Value) -> Option<Reasoning> {
    let effort = text(body, "reasoning_effort").and_then(effort_of);
    let asked = given(body, "reasoning");
    let effort = effort.or_else(|| text(asked?, "effort").and_then(effort_of));
    let budget = asked.and_then(|asked| whole(asked, "max_tokens"));
    (effort.is_some() || budget.is_some()).then_some(Reasoning { effort, budget, shown: None })
}

fn format(body: &Value) -> Option<Format> {
    let format = given(body, "response_format")?;
    match text(format, "type")? {
        "json_object" => Some(Format::JsonObject),
        "json_schema" => {
            let asked = given(format, "json_schema")?;
            Some(Format::JsonSchema {
                name: some_text(asked, "name").map(str::to_owned),
                description: some_text(asked, "description").map(str::to_owned),
                schema: given(asked, "schema").cloned().unwrap_or_else(|| serde_json::json!({ "type": "object" })),
                strict: flag(asked, "strict"),
            })
        }
        _ => None,
    }
}
