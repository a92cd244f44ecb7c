//! The IDE's own conversation: a question in no dialect, and the pieces of its answer.

use std::collections::HashSet;

use coditect_dialects::{
    Call, CallKind, Failure, FailureKind, Media, Message, Outcome, Part, Piece, Reading, Role, Stop, Tokens, Tool, Turn,
};
use coditect_metering::Asker;
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest, StopReason, ToolCall, ToolSpec, Usage};
use coditect_protocol::llm::{CallOutcome, Door};
use http::header;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::answer::{DRAIN_TIMEOUT, Patience, TAIL_TIMEOUT};
use super::meter::{Meter, refused};
use super::open::Opened;
use super::question::Question;
use crate::error::{LlmError, code_of};
use crate::failure::{in_our_words, not_an_answer};
use crate::scrub::shorten;
use crate::upstream::address::Identity;

/// Largest question, in bytes.
const MAX_QUESTION_BYTES: usize = 64 * 1024 * 1024;
/// Longest name of a tool, in bytes.
const MAX_TOOL_NAME_BYTES: usize = 64;
/// How the pictures begin that upstreams take.
const PICTURES: [&str; 4] =
    ["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,", "data:image/webp;base64,"];
/// Largest piece of text that is passed on at once, in bytes, so that no piece outweighs the reader's credit.
const MAX_DELTA_BYTES: usize = 64 * 1024;
/// Most tool calls in one answer.
const MAX_TOOL_CALLS: usize = 256;
/// All tool calls of one answer together, in bytes.
const MAX_TOOL_BYTES: usize = 16 * 1024 * 1024;

impl Gateway {
    /// Asks a model and sends the pieces of the answer to `sink`, tool calls last and whole. When `cancel` is cancelled or nobody reads
    /// the sink any more, the upstream's request is dropped at once.
    pub async fn chat(
        &self,
        asker: Asker,
        request: ChatRequest,
        sink: mpsc::Sender<ChatDelta>,
        cancel: CancellationToken,
    ) -> Result<ChatEnd, LlmError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(LlmError::Cancelled),
            () = sink.closed() => Err(LlmError::Cancelled),
            result = Box::pin(self.ask_turn(&asker, request, &sink)) => result,
        }
    }

    async fn ask_turn(
        &self,
        asker: &Asker,
        request: ChatRequest,
        sink: &mpsc::Sender<ChatDelta>,
    ) -> Result<ChatEnd, LlmError> {
        let started = Instant::now();
        let size = size(&request);
        if size > MAX_QUESTION_BYTES {
            let mib = MAX_QUESTION_BYTES / (1024 * 1024);
            return Err(wrong(&format!("it is larger than {mib} MiB; leave out pictures or start anew")).into());
        }
        let question = Question::Turn(Box::new(turn(request)?));
        let max_input = question.max_input(size as u64);
        let begun = self.begin(&question, max_input, asker, Door::Ide, started).await;
        let (opened, meter) = begun.map_err(|no_answer| no_answer.failure)?;
        let mut telling = Telling { sink, calls: Vec::new(), bytes: 0, tokens: None, stop: None };
        match telling.read(opened, meter).await {
            Ok(()) => telling.finish().await,
            Err(Some(failure)) => Err(failure.into()),
            Err(None) => Err(LlmError::Cancelled),
        }
    }
}

fn wrong(what: &str) -> Failure {
    Failure::refused("", format!("The question cannot be put to a model: {what}."))
}

/// About as many bytes as the question has on its way.
fn size(request: &ChatRequest) -> usize {
    let message = |message: &ChatMessage| match message {
        ChatMessage::System { text } => text.len(),
        ChatMessage::User { text, images } => text.len() + images.iter().map(String::len).sum::<usize>(),
        ChatMessage::Assistant { text, tool_calls } => {
            text.len() + tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>()
        }
        ChatMessage::Tool { text, .. } => text.len(),
    };
    let tools = request.tools.iter().map(|tool| tool.name.len() + tool.description.len() + tool.parameters.len());
    request.messages.iter().map(message).sum::<usize>() + tools.sum::<usize>()
}

fn turn(request: ChatRequest) -> Result<Turn, Failure> {
    Ok(Turn {
        messages: request.messages.into_iter().map(message).collect::<Result<_, _>>()?,
        tools: request.tools.into_iter().map(tool).collect::<Result<_, _>>()?,
        max_tokens: request.max_tokens.map(u64::from),
        // What a person wrote as 0.7 is not 0.699999988079071.
        temperature: request.temperature.and_then(|temperature| temperature.to_string().parse().ok()),
        model: request.model,
        stream: true,
        wants_usage: true,
        ..Turn::default()
    })
}

fn message(message: ChatMessage) -> Result<Message, Failure> {
    let said =
        |role, text: String| Message { role, parts: if text.is_empty() { Vec::new() } else { vec![Part::text(text)] } };
    Ok(match message {
        ChatMessage::System { text } => said(Role::System, text),
        ChatMessage::User { text, images } => {
            let mut message = said(Role::User, text);
            for image in images {
                message.parts.push(Part::Image(picture(&image)?));
            }
            message
        }
        ChatMessage::Assistant { text, tool_calls } => {
            let mut message = said(Role::Assistant, text);
            for call in tool_calls {
                message.parts.push(Part::Call(called(call)?));
            }
            message
        }
        ChatMessage::Tool { call_id, text } => {
            let parts = vec![Part::text(text)];
            let outcome = Outcome { id: call_id, name: None, parts, is_error: false, kind: CallKind::Function };
            Message { role: Role::User, parts: vec![Part::Outcome(outcome)] }
        }
    })
}

fn picture(url: &str) -> Result<Media, Failure> {
    let of_kind = |beginning: &&&str| url.starts_with(**beginning);
    let beginning = PICTURES.iter().find(of_kind);
    let beginning =
        beginning.ok_or_else(|| wrong("a picture must be a base64 data: URL of a PNG, JPEG, GIF or WebP"))?;
    let mime = beginning.trim_start_matches("data:").trim_end_matches(";base64,");
    Ok(Media::Base64 { mime: mime.to_owned(), data: url[beginning.len()..].to_owned() })
}

fn called(call: ToolCall) -> Result<Call, Failure> {
    let arguments = if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments };
    if serde_json::from_str::<serde::de::IgnoredAny>(&arguments).is_err() {
        return Err(wrong(&format!("the arguments of a call of the tool “{}” are no JSON", shorten(&call.name))));
    }
    Ok(Call { id: call.id, name: call.name, arguments, kind: CallKind::Function, signature: None })
}

fn tool(tool: ToolSpec) -> Result<Tool, Failure> {
    let bad = |what: &str| wrong(&format!("{what} of the tool “{}”", shorten(&tool.name)));
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if tool.name.is_empty() || tool.name.len() > MAX_TOOL_NAME_BYTES || !tool.name.bytes().all(is_good) {
        return Err(bad("only letters, digits, `_` and `-`, at most 64, may make up the name"));
    }
    let parameters = if tool.parameters.trim().is_empty() {
        json!({ "type": "object", "properties": {} })
    } else {
        let schema: Option<Value> = serde_json::from_str(&tool.parameters).ok();
        schema.filter(Value::is_object).ok_or_else(|| bad("a JSON Schema object must be the parameters"))?
    };
    let description = (!tool.description.is_empty()).then_some(tool.description);
    Ok(Tool {
        name: tool.name,
        description,
        parameters: Some(parameters),
        strict: None,
        kind: CallKind::Function,
        format: None,
    })
}

/// Tells an answer to who reads it, piece by piece.
struct Telling<'a> {
    sink: &'a mpsc::Sender<ChatDelta>,
    calls: Vec<ToolCall>,
    /// Of all calls together.
    bytes: usize,
    tokens: Option<Tokens>,
    stop: Option<Stop>,
}

impl Telling<'_> {
    /// Reads the answer to its end, and settles the call. An error without a failure: nobody reads any more.
    async fn read(&mut self, opened: Opened, mut meter: Meter) -> Result<(), Option<Failure>> {
        match self.read_all(opened, &mut meter).await {
            Ok(()) => {
                meter.finish();
                Ok(())
            }
            Err(Some(failure)) => {
                let outcome = if failure.kind == FailureKind::OutOfMoney {
                    CallOutcome::OutOfMoney
                } else {
                    CallOutcome::BrokeOff
                };
                meter.end(outcome, Some(code_of(&failure)));
                Err(Some(failure))
            }
            // Dropped, the meter says that nobody wanted it any more.
            Err(None) => Err(None),
        }
    }

    async fn read_all(&mut self, opened: Opened, meter: &mut Meter) -> Result<(), Option<Failure>> {
        let Opened { target, identity, prepared, head, first, mut body } = opened;
        let identity = &identity;
        let mut patience = Patience::with(&target.upstream);
        let mut deadline = Instant::now() + patience.limit();
        let kind = head.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let disguised = prepared.translated.map(|translated| translated.disguised).unwrap_or_default();
        let mut reading =
            Reading::new(prepared.dialect, kind, disguised).ok_or_else(|| not_an_answer(identity, kind))?;
        let mut next = Some(first);
        while let Some(chunk) = next {
            if patience.hears(&chunk) {
                deadline = Instant::now() + patience.limit();
            }
            let mut pieces = Vec::new();
            reading.feed(&chunk, &mut pieces);
            self.tell(identity, pieces, meter).await?;
            self.pay(meter).await?;
            if reading.is_done() {
                // Nothing that comes now matters, and neither does what goes wrong now.
                let _ = timeout(DRAIN_TIMEOUT, body.frame()).await;
                break;
            }
            if reading.is_whole() {
                deadline = deadline.min(Instant::now() + TAIL_TIMEOUT);
            }
            next = match timeout_at(deadline, body.frame()).await {
                Ok(Some(Ok(frame))) => Some(frame.into_data().unwrap_or_default()),
                Ok(None) => None,
                Ok(Some(Err(_))) | Err(_) if reading.is_whole() => None,
                Ok(Some(Err(_))) => {
                    return Err(Some(
                        identity.bad_stream("the connection broke before the answer was complete").into(),
                    ));
                }
                Err(_) => return Err(Some(patience.ended(identity))),
            };
        }
        let mut pieces = Vec::new();
        reading.end(&mut pieces);
        self.tell(identity, pieces, meter).await
    }

    /// Sets more money aside where the answer is longer than was thought.
    async fn pay(&self, meter: &mut Meter) -> Result<(), Failure> {
        if meter.is_covered() {
            return Ok(());
        }
        let tokens = meter.tokens().0;
        match meter.admission() {
            Some(admission) => admission.extend(&tokens).await.map_err(|refusal| refused(&refusal)),
            None => Ok(()),
        }
    }

    async fn tell(
        &mut self,
        identity: &Identity,
        pieces: Vec<Piece>,
        meter: &mut Meter,
    ) -> Result<(), Option<Failure>> {
        for piece in pieces {
            meter.said(&piece);
            match piece {
                Piece::Text(text) | Piece::Refusal(text) => self.send(&text, |text| ChatDelta::Text { text }).await?,
                Piece::Thought(text) => self.send(&text, |text| ChatDelta::Reasoning { text }).await?,
                Piece::Call { id, name, .. } => self.call(identity, id, name)?,
                Piece::Arguments(more) => self.arguments(identity, &more)?,
                Piece::Tokens(tokens) => self.tokens = Some(tokens),
                Piece::Stop(stop) => self.stop = Some(stop),
                Piece::Failed(failure) => return Err(Some(in_our_words(identity, "", None, failure))),
                _ => {}
            }
        }
        Ok(())
    }

    async fn send(&self, mut text: &str, delta: impl Fn(String) -> ChatDelta) -> Result<(), Option<Failure>> {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.floor_char_boundary(MAX_DELTA_BYTES));
            self.sink.send(delta(now.to_owned())).await.map_err(|_| None)?;
            text = later;
        }
        Ok(())
    }

    fn call(&mut self, identity: &Identity, id: String, name: String) -> Result<(), Failure> {
        if self.calls.len() == MAX_TOOL_CALLS {
            let reason = format!("it called more than {MAX_TOOL_CALLS} tools at once");
            return Err(bad_call(identity, &name, &reason));
        }
        self.calls.push(ToolCall { id, name, arguments: String::new() });
        Ok(())
    }

    fn arguments(&mut self, identity: &Identity, more: &str) -> Result<(), Failure> {
        self.bytes += more.len();
        let Some(call) = self.calls.last_mut() else { return Ok(()) };
        if self.bytes > MAX_TOOL_BYTES {
            return Err(bad_call(identity, &call.name, "its arguments are too large"));
        }
        call.arguments.push_str(more);
        Ok(())
    }

    /// Tells the calls, each once it is known to be whole, and how the answer ended.
    async fn finish(self) -> Result<ChatEnd, LlmError> {
        let was_cut = matches!(self.stop, Some(Stop::Length | Stop::ContextFull));
        let has_calls = !self.calls.is_empty();
        let mut ids = HashSet::new();
        for mut call in self.calls {
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            if serde_json::from_str::<serde_json::Map<String, Value>>(&call.arguments).is_err() {
                let reason = if was_cut {
                    "the answer was cut off in the middle of it"
                } else {
                    "its arguments are no JSON object"
                };
                let message = format!(
                    "The model called the tool “{}” wrongly ({reason}): ask again, or choose another model.",
                    shorten(&call.name)
                );
                return Err(Failure::new(FailureKind::Upstream, "llm.bad_tool_call", message).into());
            }
            if call.id.is_empty() || !ids.insert(call.id.clone()) {
                call.id = format!("call_{}", uuid::Uuid::new_v4().simple());
                ids.insert(call.id.clone());
            }
            self.sink.send(ChatDelta::ToolCall(call)).await.map_err(|_| LlmError::Cancelled)?;
        }
        Ok(ChatEnd { reason: reason(self.stop.as_ref(), has_calls), usage: self.tokens.map(usage) })
    }
}

fn bad_call(identity: &Identity, tool: &str, reason: &str) -> Failure {
    let (name, tool) = (&identity.name, shorten(&identity.scrub(tool)));
    let message = format!(
        "The model at “{name}” called the tool “{tool}” wrongly ({reason}): ask again, or choose another model."
    );
    Failure::new(FailureKind::Upstream, "llm.bad_tool_call", message)
}

fn reason(stop: Option<&Stop>, has_calls: bool) -> StopReason {
    match stop {
        Some(Stop::Length | Stop::ContextFull) => StopReason::Length,
        Some(Stop::Filter) => StopReason::ContentFilter,
        _ if has_calls => StopReason::ToolCalls,
        _ => StopReason::Stop,
    }
}

fn usage(tokens: Tokens) -> Usage {
    Usage { input_tokens: tokens.input, output_tokens: tokens.output, cached_tokens: tokens.cached }
}
