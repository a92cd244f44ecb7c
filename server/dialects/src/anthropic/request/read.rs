//! From the dialect.

use serde_json::Value;

use super::EFFORTS;
use crate::json::{flag, given, list, number, owned, some_text, text, whole};
use crate::shorten::shorten;
use crate::turn::{
    Call, CallKind, Failure, Format, Losses, Media, Message, Origin, Outcome, Part, Reasoning, Role, Tool, ToolChoice,
    Turn,
};

/// Fields that no other dialect has, or whose meaning is the upstream's own.
const LEFT_OUT: [&str; 8] = [
    "metadata",
    "service_tier",
    "speed",
    "cache_control",
    "inference_geo",
    "diagnostics",
    "context_management",
    "betas",
];
/// Begins a text that a command-line agent puts first for Anthropic's accounting, and that is for no model.
const BILLING: &str = "x-anthropic-billing-header:";

/// Reads a request. `origin` is where it goes: what was signed elsewhere is left out.
pub(crate) fn read(body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
    for (field, what) in [("mcp_servers", "tools of other servers"), ("container", "containers")] {
        let is_empty = body.get(field).and_then(Value::as_array).is_some_and(Vec::is_empty);
        if given(body, field).is_some() && !is_empty {
            let message =
                format!("The model's server does not speak this dialect, and in its own there are no {what}.");
            return Err(Failure::refused(field, message));
        }
    }
    let mut losses = Losses::default();
    for field in LEFT_OUT {
        losses.note_if(given(body, field).is_some(), field);
    }
    let mut messages = Vec::new();
    if let Some(system) = given(body, "system") {
        let mut parts = contents(system, origin, &mut losses)?;
        parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.starts_with(BILLING)));
        if !parts.is_empty() {
            messages.push(Message { role: Role::System, parts });
        }
    }
    for message in list(body, "messages") {
        let role = match text(message, "role").unwrap_or_default() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => return Err(Failure::refused("messages.role", format!("There is no role “{}”.", shorten(other)))),
        };
        let content = message.get("content").unwrap_or(&Value::Null);
        messages.push(Message { role, parts: contents(content, origin, &mut losses)? });
    }
    if !messages.iter().any(|message| message.role != Role::System) {
        return Err(Failure::refused("messages", "The request has no messages."));
    }
    let (tool_choice, parallel_tools) = tool_choice(body);
    let turn = Turn {
        model: owned(body, "model"),
        messages,
        tools: tools(body, &mut losses)?,
        tool_choice,
        parallel_tools,
        max_tokens: whole(body, "max_tokens"),
        temperature: number(body, "temperature"),
        top_p: number(body, "top_p"),
        top_k: whole(body, "top_k"),
        stop: list(body, "stop_sequences").filter_map(Value::as_str).map(str::to_owned).collect(),
        reasoning: reasoning(body),
        format: format(body),
        stream: flag(body, "stream").unwrap_or_default(),
        wants_usage: true,
        ..Turn::default()
    };
    Ok((turn, losses))
}

/// The content of a message: a text, or a list of blocks.
fn contents(content: &Value, origin: &Origin, losses: &mut Losses) -> Result<Vec<Part>, Failure> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text.as_str())]),
        Value::Array(blocks) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for block in blocks {
                parts.extend(part(block, origin, losses)?);
            }
            Ok(parts)
        }
        _ => Ok(Vec::new()),
    }
}

fn part(block: &Value, origin: &Origin, losses: &mut Losses) -> Result<Option<Part>, Failure> {
    losses.note_if(given(block, "cache_control").is_some(), "cache_control");
    losses.note_if(list(block, "citations").next().is_some(), "citations");
    let own = |name: &str| text(block, name).and_then(|marked| origin.own(marked));
    Ok(match text(block, "type").unwrap_or_default() {
        "text" => text(block, "text").map(Part::text),
        "image" => Some(Part::Image(source(block)?)),
        "document" => document(block)?,
        "search_result" => Some(Part::text(search_result(block))),
        "thinking" => {
            let signature = own("signature");
            losses.note_if(signature.is_none() && some_text(block, "signature").is_some(), "thinking.signature");
            Some(Part::Thought { text: owned(block, "thinking"), signature })
        }
        "redacted_thinking" => {
            let data = own("data");
            losses.note_if(data.is_none(), "redacted_thinking");
            data.map(Part::Redacted)
        }
        "tool_use" => {
            let arguments = given(block, "input").map_or_else(|| "{}".to_owned(), Value::to_string);
            let (id, name) = (owned(block, "id"), owned(block, "name"));
            Some(Part::Call(Call { id, name, arguments, kind: CallKind::Function, signature: own("signature") }))
        }
        "tool_result" => Some(Part::Outcome(Outcome {
            id: owned(block, "tool_use_id"),
            name: None,
            parts: contents(block.get("content").unwrap_or(&Value::Null), origin, losses)?,
            is_error: flag(block, "is_error").unwrap_or_default(),
            kind: CallKind::Function,
        })),
        // What only Anthropic's own tools leave behind.
        _ => {
            losses.note("messages.content");
            None
        }
    })
}

fn source(block: &Value) -> Result<Media, Failure> {
    let source = block.get("source").unwrap_or(&Value::Null);
    match text(source, "type") {
        Some("base64") => Ok(Media::Base64 { mime: owned(source, "media_type"), data: owned(source, "data") }),
        Some("url") => Ok(Media::Url(owned(source, "url"))),
        _ => Err(Failure::refused(
            "messages.content.source",
            "The model's server cannot take a file that another server holds: send it as base64.",
        )),
    }
}

fn document(block: &Value) -> Result<Option<Part>, Failure> {
    let name = some_text(block, "title").map(str::to_owned);
    let source_of = block.get("source").unwrap_or(&Value::Null);
    match text(source_of, "type") {
        Some("text") => {
            let title = name.map_or_else(String::new, |name| format!("{name}:\n\n"));
            Ok(Some(Part::text(format!("{title}{}", text(source_of, "data").unwrap_or_default()))))
        }
        Some("content") => {
            let texts: Vec<&str> = match source_of.get("content") {
                Some(Value::String(text)) => vec![text],
                _ => list(source_of, "content").filter_map(|block| text(block, "text")).collect(),
            };
            Ok(Some(Part::text(texts.join("\n\n"))))
        }
        _ => Ok(Some(Part::Document { media: source(block)?, name })),
    }
}

fn search_result(block: &Value) -> String {
    let head = [text(block, "title"), text(block, "source")].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let texts = list(block, "content").filter_map(|block| text(block, "text")).collect::<Vec<_>>().join("\n\n");
    format!("{head}\n\n{texts}")
}

fn tools(body: &Value, losses: &mut Losses) -> Result<Vec<Tool>, Failure> {
    let forced = given(body, "tool_choice").and_then(|choice| text(choice, "name"));
    let mut tools = Vec::new();
    for tool in list(body, "tools") {
        losses.note_if(given(tool, "cache_control").is_some(), "cache_control");
        let name = owned(tool, "name");
        match text(tool, "type") {
            None | Some("custom") => tools.push(Tool {
                name,
                description: some_text(tool, "description").map(str::to_owned),
                parameters: given(tool, "input_schema").cloned(),
                format: None,
                strict: flag(tool, "strict"),
                kind: CallKind::Function,
            }),
            Some(kind) if forced == Some(name.as_str()) => {
                let message = format!("The model's server has no tool of its own like “{}”.", shorten(kind));
                return Err(Failure::refused("tool_choice", message));
            }
            Some(_) => losses.note("tools"),
        }
    }
    Ok(tools)
}

fn tool_choice(body: &Value) -> (Option<ToolChoice>, Option<bool>) {
    let Some(choice) = given(body, "tool_choice") else { return (None, None) };
    let chosen = match text(choice, "type") {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("none") => Some(ToolChoice::None),
        Some("tool") => some_text(choice, "name").map(|name| ToolChoice::One(name.to_owned())),
        _ => None,
    };
    (chosen, flag(choice, "disable_parallel_tool_use").map(|disabled| !disabled))
}

fn reasoning(body: &Value) -> Option<Reasoning> {
    use crate::turn::Effort;
    let word = given(body, "output_config").and_then(|config| text(config, "effort"));
    let word = word.and_then(|word| EFFORTS.iter().find(|(_, known)| *known == word)).map(|(effort, _)| *effort);
    let Some(thinking) = given(body, "thinking") else {
        return word.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() });
    };
    let shown = match text(thinking, "display") {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        _ => None,
    };
    match text(thinking, "type") {
        Some("disabled") => Some(Reasoning { effort: Some(Effort::None), budget: None, shown }),
        Some("enabled") => {
            let shown = shown.or(Some(true));
            Some(Reasoning { effort: word, budget: whole(thinking, "budget_tokens"), shown })
        }
        // Adaptive, as much as the model likes.
        _ => Some(Reasoning { effort: word, budget: None, shown }),
    }
}

fn format(body: &Value) -> Option<Format> {
    let config = given(body, "output_config").and_then(|config| given(config, "format"));
    let format = config.or_else(|| given(body, "output_format"))?;
    let schema = given(format, "schema")?.clone();
    Some(Format::JsonSchema { name: None, description: None, schema, strict: Some(true) })
}
