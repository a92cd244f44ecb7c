//! From the dialect. The model and whether it streams stand in the URL.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::Value;

use crate::gemini::{FOREIGN_SIGNATURE, schema::to_json_schema};
use crate::json::{flag, list, number, owned, some_text, text, whole};
use crate::shorten::shorten;
use crate::turn::{
    Call, CallKind, Effort, Failure, Format, Losses, Media, Message, Origin, Outcome, Part, Reasoning, Role, Tool,
    ToolChoice, Turn,
};

/// Reads a request. `origin` is where it goes: what was signed elsewhere is left out.
pub(crate) fn read(body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
    let null = &Value::Null;
    let config = either(body, "generationConfig", "generation_config").unwrap_or(null);
    refuse_what_nobody_else_can(body, config)?;
    let mut losses = Losses::default();
    for (camel, snake) in [("safetySettings", "safety_settings"), ("labels", "labels")] {
        losses.note_if(either(body, camel, snake).is_some(), camel);
    }
    let mut reading = Reading { origin, losses, calls: HashMap::new(), answered: HashSet::new(), count: 0 };
    let mut messages = Vec::new();
    if let Some(system) = either(body, "systemInstruction", "system_instruction") {
        let parts = reading.parts(system)?;
        messages.push(Message { role: Role::System, parts });
    }
    for content in list(body, "contents") {
        let role = if text(content, "role") == Some("model") { Role::Assistant } else { Role::User };
        messages.push(Message { role, parts: reading.parts(content)? });
    }
    if !messages.iter().any(|message| message.role != Role::System) {
        return Err(Failure::refused("contents", "The request has no contents."));
    }
    let mut losses = reading.losses;
    losses.note_if(
        either_text(config, "responseMimeType", "response_mime_type") == Some("text/x.enum"),
        "responseMimeType",
    );
    losses.note_if(either(config, "mediaResolution", "media_resolution").is_some(), "mediaResolution");
    let turn = Turn {
        messages,
        tools: tools(body, &mut losses),
        tool_choice: tool_choice(body),
        max_tokens: either_whole(config, "maxOutputTokens", "max_output_tokens"),
        temperature: number(config, "temperature"),
        top_p: number(config, "topP").or_else(|| number(config, "top_p")),
        top_k: either_whole(config, "topK", "top_k"),
        stop: either(config, "stopSequences", "stop_sequences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        seed: config.get("seed").and_then(Value::as_i64),
        frequency_penalty: number(config, "frequencyPenalty").or_else(|| number(config, "frequency_penalty")),
        presence_penalty: number(config, "presencePenalty").or_else(|| number(config, "presence_penalty")),
        reasoning: either(config, "thinkingConfig", "thinking_config").map(reasoning),
        format: format(config),
        wants_usage: true,
        ..Turn::default()
    };
    Ok((turn, losses))
}

/// A field by either of its spellings.
fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake)).filter(|value| !value.is_null())
}

fn either_whole(value: &Value, camel: &str, snake: &str) -> Option<u64> {
    whole(value, camel).or_else(|| whole(value, snake))
}

fn either_text<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a str> {
    either(value, camel, snake).and_then(Value::as_str)
}

fn refuse_what_nobody_else_can(body: &Value, config: &Value) -> Result<(), Failure> {
    let refused = |field: &str, what: &str| {
        let message = format!("The model's server does not speak this dialect, and in its own there is no {what}.");
        Err(Failure::refused(field, message))
    };
    if either(body, "cachedContent", "cached_content").is_some() {
        return refused("cachedContent", "content that was cached before");
    }
    if either_whole(config, "candidateCount", "candidate_count").is_some_and(|count| count > 1) {
        return refused("candidateCount", "way to ask for several answers");
    }
    if either(config, "responseLogprobs", "response_logprobs") == Some(&Value::Bool(true)) {
        return refused("responseLogprobs", "way to ask for probabilities");
    }
    let modalities = either(config, "responseModalities", "response_modalities").and_then(Value::as_array);
    let is_other = |word: &Value| !word.as_str().is_some_and(|word| word.eq_ignore_ascii_case("text"));
    if modalities.is_some_and(|words| words.iter().any(is_other)) {
        return refused("responseModalities", "answer that is not text");
    }
    Ok(())
}

struct Reading<'a> {
    origin: &'a Origin,
    losses: Losses,
    /// Identifiers of the calls that are not answered yet, by the names of their tools.
    calls: HashMap<String, VecDeque<String>>,
    /// Those of them whose answers named them.
    answered: HashSet<String>,
    count: usize,
}

impl Reading<'_> {
    fn parts(&mut self, content: &Value) -> Result<Vec<Part>, Failure> {
        // Some clients send a bare text.
        if let Some(text) = content.as_str() {
            return Ok(vec![Part::text(text)]);
        }
        let mut parts = Vec::new();
        for part in list(content, "parts") {
            let part = self.part(part)?;
            match (parts.last_mut(), part) {
                // One thought comes in several parts, the last of which is empty and signed.
                (
                    Some(Part::Thought { text, signature: signed @ None }),
                    Some(Part::Thought { text: more, signature }),
                ) => {
                    text.push_str(&more);
                    *signed = signature;
                }
                (_, part) => parts.extend(part),
            }
        }
        Ok(parts)
    }

    fn part(&mut self, part: &Value) -> Result<Option<Part>, Failure> {
        let signature = either_text(part, "thoughtSignature", "thought_signature");
        let signature = signature.filter(|given| *given != FOREIGN_SIGNATURE).and_then(|given| self.origin.own(given));
        if let Some(call) = either(part, "functionCall", "function_call") {
            return Ok(Some(self.call(call, signature)));
        }
        if let Some(response) = either(part, "functionResponse", "function_response") {
            return Ok(Some(self.outcome(response)?));
        }
        if let Some(data) = either(part, "inlineData", "inline_data") {
            let mime = either_text(data, "mimeType", "mime_type").unwrap_or_default();
            return Ok(Some(media(mime, Media::Base64 { mime: mime.to_owned(), data: owned(data, "data") })?));
        }
        if let Some(file) = either(part, "fileData", "file_data") {
            let uri = either_text(file, "fileUri", "file_uri").unwrap_or_default();
            let mime = either_text(file, "mimeType", "mime_type").unwrap_or("image/");
            if !uri.starts_with("https://") || uri.starts_with("https://generativelanguage.googleapis.com/") {
                let message = "The model's server cannot take a file that Google holds: send it as inlineData.";
                return Err(Failure::refused("contents.parts.fileData", message));
            }
            return Ok(Some(media(mime, Media::Url(uri.to_owned()))?));
        }
        if let Some(text) = text(part, "text") {
            let text = text.to_owned();
            let is_thought = flag(part, "thought").unwrap_or_default();
            return Ok(Some(if is_thought {
                Part::Thought { text, signature }
            } else {
                Part::Text { text, signature }
            }));
        }
        self.losses.note("contents.parts");
        Ok(None)
    }

    /// Calls need no identifier here. Made of the place where it stands, it is the same whenever the conversation is sent again.
    fn call(&mut self, call: &Value, signature: Option<String>) -> Part {
        self.count += 1;
        let id = some_text(call, "id").map_or_else(|| format!("call_{}", self.count), str::to_owned);
        let name = owned(call, "name");
        self.calls.entry(name.clone()).or_default().push_back(id.clone());
        let arguments =
            call.get("args").filter(|args| args.is_object()).map_or_else(|| "{}".to_owned(), Value::to_string);
        Part::Call(Call { id, name, arguments, kind: CallKind::Function, signature })
    }

    /// The first call of this tool that nobody answered yet.
    fn next_call(&mut self, name: &str) -> Option<String> {
        let waiting = self.calls.get_mut(name)?;
        while let Some(id) = waiting.pop_front() {
            if !self.answered.remove(&id) {
                return Some(id);
            }
        }
        None
    }

    fn outcome(&mut self, response: &Value) -> Result<Part, Failure> {
        let name = owned(response, "name");
        let id = match some_text(response, "id") {
            Some(given) => {
                self.answered.insert(given.to_owned());
                given.to_owned()
            }
            None => self.next_call(&name).unwrap_or_else(|| name.clone()),
        };
        let (said, is_error) = said(response.get("response").unwrap_or(&Value::Null));
        let mut parts = vec![Part::text(said)];
        for part in list(response, "parts") {
            parts.extend(self.part(part)?);
        }
        let name = Some(name).filter(|name| !name.is_empty());
        Ok(Part::Outcome(Outcome { id, name, parts, is_error, kind: CallKind::Function }))
    }
}

/// What a function answered: by convention under `output` or `error`.
fn said(response: &Value) -> (String, bool) {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Some(fields) = response.as_object() else { return (plain(response), false) };
    match (fields.len(), fields.get("error"), fields.get("output").or_else(|| fields.get("result"))) {
        (1, Some(error), _) => (plain(error), true),
        (1, _, Some(output)) => (plain(output), false),
        (0, ..) => (String::new(), false),
        _ => (response.to_string(), false),
    }
}

fn media(mime: &str, media: Media) -> Result<Part, Failure> {
    match mime.split('/').next().unwrap_or_default() {
        "image" => Ok(Part::Image(media)),
        "audio" | "video" => {
            let message = format!("The model's server cannot take {}.", shorten(mime));
            Err(Failure::refused("contents.parts", message))
        }
        _ => Ok(Part::Document { media, name: None }),
    }
}

fn tools(body: &Value, losses: &mut Losses) -> Vec<Tool> {
    let mut tools = Vec::new();
    for entry in list(body, "tools") {
        let Some(declared) = either(entry, "functionDeclarations", "function_declarations").and_then(Value::as_array)
        else {
            losses.note("tools");
            continue;
        };
        tools.extend(declared.iter().map(|declared| {
            let plain = either(declared, "parametersJsonSchema", "parameters_json_schema");
            let parameters = plain.or_else(|| declared.get("parameters")).filter(|schema| schema.is_object());
            Tool {
                name: owned(declared, "name"),
                description: some_text(declared, "description").map(str::to_owned),
                parameters: parameters.map(to_json_schema),
                format: None,
                strict: None,
                kind: CallKind::Function,
            }
        }));
    }
    tools
}

fn tool_choice(body: &Value) -> Option<ToolChoice> {
    let config = either(body, "toolConfig", "tool_config")?;
    let calling = either(config, "functionCallingConfig", "function_calling_config")?;
    let allowed = either(calling, "allowedFunctionNames", "allowed_function_names").and_then(Value::as_array);
    let names: Vec<String> = allowed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    match (text(calling, "mode").unwrap_or_default().to_ascii_uppercase().as_str(), &names[..]) {
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", []) => Some(ToolChoice::Required),
        ("ANY", [only]) => Some(ToolChoice::One(only.clone())),
        ("ANY", _) => Some(ToolChoice::Among { names, required: true }),
        (_, []) => Some(ToolChoice::Auto),
        _ => Some(ToolChoice::Among { names, required: false }),
    }
}

fn reasoning(config: &Value) -> Reasoning {
    let level = either_text(config, "thinkingLevel", "thinking_level").unwrap_or_default().to_ascii_uppercase();
    let effort = match level.as_str() {
        "MINIMAL" => Some(Effort::Minimal),
        "LOW" => Some(Effort::Low),
        "MEDIUM" => Some(Effort::Medium),
        "HIGH" => Some(Effort::High),
        "XHIGH" => Some(Effort::ExtraHigh),
        _ => None,
    };
    let shown = either(config, "includeThoughts", "include_thoughts").and_then(Value::as_bool);
    // -1 is: as much as it likes.
    Reasoning { effort, budget: either_whole(config, "thinkingBudget", "thinking_budget"), shown }
}

fn format(config: &Value) -> Option<Format> {
    let is_json = either_text(config, "responseMimeType", "response_mime_type") == Some("application/json");
    let plain =
        either(config, "responseJsonSchema", "response_json_schema").or_else(|| config.get("_responseJsonSchema"));
    let schema =
        plain.or_else(|| either(config, "responseSchema", "response_schema")).filter(|schema| schema.is_object());
    match schema {
        Some(schema) if is_json => {
            let schema = to_json_schema(schema);
            Some(Format::JsonSchema { name: None, description: None, schema, strict: None })
        }
        None if is_json => Some(Format::JsonObject),
        _ => None,
    }
}
