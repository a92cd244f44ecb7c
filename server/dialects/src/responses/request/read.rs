//! From the dialect.

use serde_json::Value;

use crate::chat::request::{choice_word, effort_of, has_detail, media};
use crate::json::{flag, given, list, number, owned, some_text, text, whole};
use crate::responses::REDACTED;
use crate::shorten::shorten;
use crate::turn::{
    Call, CallKind, Failure, Format, Losses, Message, Names, Origin, Outcome, Part, Reasoning, Role, Tool, ToolChoice,
    Turn,
};

/// Fields that no other dialect has, or whose meaning is the upstream's own.
const LEFT_OUT: [&str; 12] = [
    "truncation",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "max_tool_calls",
    "top_logprobs",
    "context_management",
    "prompt_cache_retention",
    "prompt_cache_options",
    "client_metadata",
    "moderation",
];

/// What of an answer is told here without being asked for.
const THOUGHTS: &str = "reasoning.encrypted_content";

/// Reads a request. `origin` is where it goes: what was signed elsewhere is left out.
pub(crate) fn read(body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
    refuse_what_nobody_else_can(body)?;
    let mut losses = Losses::default();
    for field in LEFT_OUT {
        losses.note_if(given(body, field).is_some(), field);
    }
    losses.note_if(list(body, "include").any(|what| what != THOUGHTS), "include");
    losses.note_if(flag(body, "store") == Some(true), "store");
    let mut reading = Reading { origin, losses, names: Names::default(), messages: Vec::new() };
    let tools = reading.tools(body);
    if let Some(instructions) = some_text(body, "instructions") {
        reading.say(Role::System, Part::text(instructions));
    }
    match body.get("input") {
        Some(Value::String(text)) => reading.say(Role::User, Part::text(text.as_str())),
        Some(Value::Array(items)) => {
            for item in items {
                reading.item(item)?;
            }
        }
        _ => {}
    }
    let Reading { losses, names, messages, .. } = reading;
    if messages.is_empty() {
        return Err(Failure::refused("input", "The request has no input."));
    }
    let asked = body.get("text").unwrap_or(&Value::Null);
    let turn = Turn {
        model: owned(body, "model"),
        messages,
        tools,
        tool_choice: tool_choice(body)?,
        names,
        parallel_tools: flag(body, "parallel_tool_calls"),
        max_tokens: whole(body, "max_output_tokens"),
        temperature: number(body, "temperature"),
        top_p: number(body, "top_p"),
        reasoning: reasoning(body),
        format: given(asked, "format").and_then(format),
        verbosity: text(asked, "verbosity").map(str::to_owned),
        cache_key: text(body, "prompt_cache_key").map(str::to_owned),
        stream: flag(body, "stream").unwrap_or_default(),
        wants_usage: true,
        ..Turn::default()
    };
    Ok((turn, losses))
}

fn refuse_what_nobody_else_can(body: &Value) -> Result<(), Failure> {
    let refused = |field: &str, what: &str| {
        let message = format!("The model's server does not speak this dialect, and in its own there is no {what}.");
        Err(Failure::refused(field, message))
    };
    if flag(body, "background") == Some(true) {
        return refused("background", "answer that is fetched later");
    }
    if given(body, "conversation").is_some() {
        return refused("conversation", "conversation that the server keeps");
    }
    if given(body, "prompt").is_some() {
        return refused("prompt", "prompt that the server keeps");
    }
    if given(body, "previous_response_id").is_some() {
        let message = "There is no such response any more: send the whole conversation.";
        let failure = Failure::refused("previous_response_id", message);
        return Err(Failure { code: Some("previous_response_not_found".to_owned()), ..failure });
    }
    Ok(())
}

struct Reading<'a> {
    origin: &'a Origin,
    losses: Losses,
    names: Names,
    messages: Vec<Message>,
}

impl Reading<'_> {
    /// Goes on with the last message, where the same one says it.
    fn say(&mut self, role: Role, part: Part) {
        match self.messages.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.parts.push(part),
            _ => self.messages.push(Message { role, parts: vec![part] }),
        }
    }

    fn item(&mut self, item: &Value) -> Result<(), Failure> {
        match text(item, "type").unwrap_or("message") {
            "message" => self.message(item),
            "function_call" => {
                let name = Names::flat(text(item, "namespace"), &owned(item, "name"));
                let (id, arguments) = (owned(item, "call_id"), owned(item, "arguments"));
                let call = Call { id, name, arguments, kind: CallKind::Function, signature: None };
                self.say(Role::Assistant, Part::Call(call));
                Ok(())
            }
            "custom_tool_call" => {
                let name = Names::flat(text(item, "namespace"), &owned(item, "name"));
                let (id, arguments) = (owned(item, "call_id"), owned(item, "input"));
                let call = Call { id, name, arguments, kind: CallKind::Custom, signature: None };
                self.say(Role::Assistant, Part::Call(call));
                Ok(())
            }
            "function_call_output" => self.outcome(item, CallKind::Function),
            "custom_tool_call_output" => self.outcome(item, CallKind::Custom),
            "reasoning" => {
                self.thought(item);
                Ok(())
            }
            "item_reference" => Err(Failure::refused(
                "input",
                "The model's server keeps no items: send the whole conversation instead of references.",
            )),
            // What OpenAI's own tools leave behind.
            _ => {
                self.losses.note("input");
                Ok(())
            }
        }
    }

    fn message(&mut self, item: &Value) -> Result<(), Failure> {
        let role = match text(item, "role").unwrap_or_default() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => return Err(Failure::refused("input.role", format!("There is no role “{}”.", shorten(other)))),
        };
        self.losses.note_if(list(item, "content").any(has_detail), "input_image.detail");
        for part in contents(item.get("content"))? {
            self.say(role, part);
        }
        Ok(())
    }

    fn outcome(&mut self, item: &Value, kind: CallKind) -> Result<(), Failure> {
        self.losses.note_if(list(item, "output").any(has_detail), "input_image.detail");
        let parts = contents(item.get("output"))?;
        let outcome = Outcome { id: owned(item, "call_id"), name: None, parts, is_error: false, kind };
        self.say(Role::User, Part::Outcome(outcome));
        Ok(())
    }

    fn thought(&mut self, item: &Value) {
        let texts = list(item, "summary").chain(list(item, "content")).filter_map(|part| text(part, "text"));
        let text = texts.collect::<Vec<_>>().join("\n\n");
        let marked = some_text(item, "encrypted_content");
        let signature = marked.and_then(|marked| self.origin.own(marked));
        self.losses.note_if(marked.is_some() && signature.is_none(), THOUGHTS);
        match signature.as_deref().and_then(|signature| signature.strip_prefix(REDACTED)) {
            Some(data) => self.say(Role::Assistant, Part::Redacted(data.to_owned())),
            None if text.is_empty() && signature.is_none() => {}
            None => self.say(Role::Assistant, Part::Thought { text, signature }),
        }
    }

    fn tools(&mut self, body: &Value) -> Vec<Tool> {
        let mut tools = Vec::new();
        for tool in list(body, "tools") {
            if text(tool, "type") != Some("namespace") {
                tools.extend(self.tool(tool));
                continue;
            }
            let space = owned(tool, "name");
            for inner in list(tool, "tools") {
                let inner = self.tool(inner);
                tools.extend(inner.map(|inner| Tool { name: self.names.add(&space, &inner.name), ..inner }));
            }
        }
        tools
    }

    fn tool(&mut self, tool: &Value) -> Option<Tool> {
        match text(tool, "type").unwrap_or("function") {
            "function" => Some(function(tool)),
            "custom" => {
                let format = given(tool, "format").cloned();
                Some(Tool { kind: CallKind::Custom, parameters: None, format, ..function(tool) })
            }
            _ => {
                self.losses.note("tools");
                None
            }
        }
    }
}

/// A text, or a list of parts.
fn contents(content: Option<&Value>) -> Result<Vec<Part>, Failure> {
    match content {
        Some(Value::String(text)) => Ok(vec![Part::text(text.as_str())]),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| content_part(part).transpose()).collect(),
        _ => Ok(Vec::new()),
    }
}

fn content_part(part: &Value) -> Result<Option<Part>, Failure> {
    let refused =
        |what: &str| Err(Failure::refused("input.content", format!("The model's server cannot take {what}.")));
    match text(part, "type").unwrap_or("input_text") {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            Ok(text(part, "text").map(Part::text))
        }
        "refusal" => Ok(text(part, "refusal").map(Part::text)),
        "input_image" => match text(part, "image_url") {
            Some(url) => Ok(Some(Part::Image(media(url)))),
            None => refused("a picture that another server holds: send it as image_url"),
        },
        "input_file" => {
            let name = some_text(part, "filename").map(str::to_owned);
            match text(part, "file_data").or_else(|| text(part, "file_url")) {
                Some(data) => Ok(Some(Part::Document { media: media(data), name })),
                None => refused("a file that another server holds: send it as file_data"),
            }
        }
        "input_audio" => refused("sound"),
        other => refused(&format!("a part of the type “{}”", shorten(other))),
    }
}

fn function(tool: &Value) -> Tool {
    Tool {
        name: owned(tool, "name"),
        description: some_text(tool, "description").map(str::to_owned),
        parameters: given(tool, "parameters").cloned(),
        format: None,
        strict: flag(tool, "strict"),
        kind: CallKind::Function,
    }
}

fn tool_choice(body: &Value) -> Result<Option<ToolChoice>, Failure> {
    let Some(choice) = given(body, "tool_choice") else { return Ok(None) };
    if let Some(word) = choice.as_str() {
        return Ok(choice_word(word));
    }
    let name = |value: &Value| some_text(value, "name").map(|name| Names::flat(text(value, "namespace"), name));
    match text(choice, "type").unwrap_or("function") {
        "allowed_tools" => {
            let names = list(choice, "tools").filter_map(name).collect();
            Ok(Some(ToolChoice::Among { names, required: text(choice, "mode") == Some("required") }))
        }
        "function" | "custom" => Ok(name(choice).map(ToolChoice::One)),
        hosted => {
            let message = format!("The model's server has no tool of its own like “{}”.", shorten(hosted));
            Err(Failure::refused("tool_choice", message))
        }
    }
}

fn reasoning(body: &Value) -> Option<Reasoning> {
    let asked = given(body, "reasoning")?;
    let effort = text(asked, "effort").and_then(effort_of);
    let summary = given(asked, "summary").or_else(|| given(asked, "generate_summary"));
    Some(Reasoning { effort, budget: None, shown: summary.map(|_| true) })
}

fn format(format: &Value) -> Option<Format> {
    match text(format, "type")? {
        "json_object" => Some(Format::JsonObject),
        "json_schema" => Some(Format::JsonSchema {
            name: some_text(format, "name").map(str::to_owned),
            description: some_text(format, "description").map(str::to_owned),
            schema: given(format, "schema").cloned().unwrap_or_else(|| serde_json::json!({ "type": "object" })),
            strict: flag(format, "strict"),
        }),
        _ => None,
    }
}
