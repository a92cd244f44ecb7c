//! To the dialect.

use serde_json::{Map, Value, json};

use super::items::{Item, part, response, summary};
use crate::chat::failure::words;
use crate::dialect::{AnswerWriter, Label};
use crate::responses::REDACTED;
use crate::turn::{Call, CallKind, Failure, FailureKind, Gathered, Part, Piece, Stop, Tokens};

/// A comment, which readers of events skip.
const PING: &[u8] = b": ping\n\n";

/// Writes a stream of events: one item after another.
#[derive(Debug)]
pub(crate) struct Writer {
    label: Label,
    began: bool,
    events: u64,
    open: Option<Item>,
    output: Vec<Value>,
    tokens: Option<Tokens>,
}

impl Writer {
    pub(crate) fn new(label: Label) -> Self {
        Self { label, began: false, events: 0, open: None, output: Vec::new(), tokens: None }
    }

    fn event(&mut self, kind: &str, mut fields: Value, out: &mut Vec<u8>) {
        fields["type"] = kind.into();
        fields["sequence_number"] = self.events.into();
        self.events += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(fields.to_string().as_bytes());
        out.extend_from_slice(b"\n\n");
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.began, true) {
            let begun = Value::Object(response(&self.label, "in_progress", &[], None));
            self.event("response.created", json!({ "response": begun }), out);
            self.event("response.in_progress", json!({ "response": begun }), out);
        }
    }

    fn id(&self, item: &Item) -> String {
        format!("{}_{}{}", item.prefix(), self.label.id, self.output.len())
    }

    /// An item begins, with its one part where it has parts.
    fn begin(&mut self, item: Item, out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        let id = self.id(&item);
        let index = self.output.len();
        let written = item.written(&id, "in_progress", &self.label);
        self.event("response.output_item.added", json!({ "output_index": index, "item": written }), out);
        let fields = json!({ "item_id": id, "output_index": index });
        match &item {
            Item::Message { is_refusal, .. } => {
                let fields = with(fields, &[("content_index", 0.into()), ("part", part("", *is_refusal))]);
                self.event("response.content_part.added", fields, out);
            }
            Item::Reasoning { signature: None, .. } => {
                let fields = with(fields, &[("summary_index", 0.into()), ("part", summary(""))]);
                self.event("response.reasoning_summary_part.added", fields, out);
            }
            Item::Reasoning { .. } | Item::Call { .. } => {}
        }
        self.open = Some(item);
    }

    /// More of the open item.
    fn more(&mut self, more: &str, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        let fields = json!({ "item_id": self.id(&item), "output_index": self.output.len(), "delta": more });
        match &mut item {
            Item::Message { text, is_refusal } => {
                text.push_str(more);
                let fields = with(fields, &[("content_index", 0.into())]);
                if *is_refusal {
                    self.event("response.refusal.delta", fields, out);
                } else {
                    self.event("response.output_text.delta", with(fields, &[("logprobs", json!([]))]), out);
                }
            }
            Item::Reasoning { text, .. } => {
                text.push_str(more);
                let fields = with(fields, &[("summary_index", 0.into())]);
                self.event("response.reasoning_summary_text.delta", fields, out);
            }
            Item::Call { arguments, kind, .. } => {
                arguments.push_str(more);
                let name = match kind {
                    CallKind::Function => "response.function_call_arguments.delta",
                    CallKind::Custom => "response.custom_tool_call_input.delta",
                };
                self.event(name, fields, out);
            }
        }
        self.open = Some(item);
    }

    /// The open item is whole.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_as("completed", out);
    }

    /// The open item is over, and this is its state.
    fn close_as(&mut self, state: &str, out: &mut Vec<u8>) {
        let Some(item) = self.open.take() else { return };
        let id = self.id(&item);
        let index = self.output.len();
        let fields = json!({ "item_id": id, "output_index": index });
        match &item {
            Item::Message { text, is_refusal } => {
                let fields = with(fields, &[("content_index", 0.into())]);
                if *is_refusal {
                    let done = with(fields.clone(), &[("refusal", text.as_str().into())]);
                    self.event("response.refusal.done", done, out);
                } else {
                    let done = with(fields.clone(), &[("text", text.as_str().into()), ("logprobs", json!([]))]);
                    self.event("response.output_text.done", done, out);
                }
                let done = with(fields, &[("part", part(text, *is_refusal))]);
                self.event("response.content_part.done", done, out);
            }
            // One that is encrypted as a whole has no part.
            Item::Reasoning { text, signature: Some(_) } if text.is_empty() => {}
            Item::Reasoning { text, .. } => {
                let fields = with(fields, &[("summary_index", 0.into())]);
                let done = with(fields.clone(), &[("text", text.as_str().into())]);
                self.event("response.reasoning_summary_text.done", done, out);
                self.event("response.reasoning_summary_part.done", with(fields, &[("part", summary(text))]), out);
            }
            Item::Call { arguments, kind, .. } => {
                let (name, field) = match kind {
                    CallKind::Function => ("response.function_call_arguments.done", "arguments"),
                    CallKind::Custom => ("response.custom_tool_call_input.done", "input"),
                };
                self.event(name, with(fields, &[(field, arguments.as_str().into())]), out);
            }
        }
        let written = item.written(&id, state, &self.label);
        self.event("response.output_item.done", json!({ "output_index": index, "item": written }), out);
        self.output.push(written);
    }

    fn within_message(&mut self, wanted: bool, out: &mut Vec<u8>) {
        if !matches!(&self.open, Some(Item::Message { is_refusal, .. }) if *is_refusal == wanted) {
            self.begin(Item::Message { text: String::new(), is_refusal: wanted }, out);
        }
    }

    fn within_reasoning(&mut self, out: &mut Vec<u8>) {
        if !matches!(&self.open, Some(Item::Reasoning { .. })) {
            self.begin(Item::Reasoning { text: String::new(), signature: None }, out);
        }
    }

    fn sign(&mut self, signed: String, out: &mut Vec<u8>) {
        if let Some(Item::Reasoning { signature, .. }) = &mut self.open {
            *signature = Some(signed);
        } else {
            self.begin(Item::Reasoning { text: String::new(), signature: Some(signed) }, out);
        }
        self.close(out);
    }

    fn finish(&mut self, stop: &Stop, out: &mut Vec<u8>) {
        self.start(out);
        let (status, reason) = status(stop);
        self.close_as(if reason.is_some() { "incomplete" } else { "completed" }, out);
        let whole = ended(&self.label, status, reason, &self.output, self.tokens);
        self.event(&format!("response.{status}"), json!({ "response": whole }), out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.start(out);
        let mut whole = response(&self.label, "failed", &self.output, self.tokens);
        let error = failed(failure);
        // SDKs raise this one; agents pass over it, and know only the next.
        self.event("error", json!({ "code": error["code"], "message": error["message"], "param": null }), out);
        whole.insert("error".to_owned(), error);
        self.event("response.failed", json!({ "response": whole }), out);
    }
}

/// The response at its end.
fn ended(
    label: &Label,
    status: &str,
    reason: Option<&str>,
    output: &[Value],
    tokens: Option<Tokens>,
) -> Map<String, Value> {
    let mut whole = response(label, status, output, Some(tokens.unwrap_or_default()));
    if let Some(reason) = reason {
        whole.insert("incomplete_details".to_owned(), json!({ "reason": reason }));
    }
    if status == "failed" {
        let message = "The model called a tool in a way that cannot be read. Ask again.";
        whole.insert("error".to_owned(), json!({ "code": "server_error", "message": message }));
    }
    whole
}

fn with(mut fields: Value, more: &[(&str, Value)]) -> Value {
    for (name, value) in more {
        fields[*name] = value.clone();
    }
    fields
}

/// The status, and why it is incomplete.
fn status(stop: &Stop) -> (&'static str, Option<&'static str>) {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Tools | Stop::Pause => ("completed", None),
        Stop::BadCall => ("failed", None),
        Stop::Length | Stop::ContextFull => ("incomplete", Some("max_output_tokens")),
        Stop::Filter => ("incomplete", Some("content_filter")),
    }
}

/// The failure as it stands in a response: clients act on the code.
fn failed(failure: &Failure) -> Value {
    let code = match failure.kind {
        FailureKind::BadRequest => "invalid_prompt",
        kind => words(kind).2.or(failure.code.as_deref()).unwrap_or("server_error"),
    };
    let message = match failure.retry_after {
        // One agent reads how long to wait out of these words.
        Some(wait) => format!("{} Please try again in {}s.", failure.message, wait.as_secs_f64()),
        None => failure.message.clone(),
    };
    json!({ "code": code, "message": message })
}

impl AnswerWriter for Writer {
    fn piece(&mut self, piece: &Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { .. } => self.start(out),
            Piece::Text(text) => {
                self.within_message(false, out);
                self.more(text, out);
            }
            Piece::Refusal(text) => {
                self.within_message(true, out);
                self.more(text, out);
            }
            Piece::Thought(text) => {
                self.within_reasoning(out);
                self.more(text, out);
            }
            Piece::ThoughtSignature(signature) => self.sign(signature.clone(), out),
            Piece::Redacted(data) => self.sign(format!("{REDACTED}{data}"), out),
            Piece::Call { id, name, kind, .. } => {
                let (id, name, arguments) = (id.clone(), name.clone(), String::new());
                self.begin(Item::Call { id, name, kind: *kind, arguments }, out);
            }
            Piece::Arguments(more) if matches!(self.open, Some(Item::Call { .. })) => self.more(more, out),
            Piece::Tokens(tokens) => self.tokens = Some(*tokens),
            Piece::Stop(stop) => self.finish(stop, out),
            Piece::Failed(failure) => self.fail(failure, out),
            // Only Gemini knows texts that are signed.
            Piece::TextSignature(_) | Piece::Arguments(_) => {}
        }
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(PING)
    }
}

/// Writes a whole answer.
pub(crate) fn whole(answer: &Gathered, label: &Label) -> Value {
    let mut output = Vec::with_capacity(answer.parts.len());
    let mut push = |item: Item| {
        let id = format!("{}_{}{}", item.prefix(), label.id, output.len());
        output.push(item.written(&id, "completed", label));
    };
    for part in &answer.parts {
        match part {
            Part::Text { text, .. } if text.is_empty() => {}
            Part::Text { text, .. } => push(Item::Message { text: text.clone(), is_refusal: false }),
            Part::Thought { text, signature } => {
                push(Item::Reasoning { text: text.clone(), signature: signature.clone() });
            }
            Part::Redacted(data) => {
                push(Item::Reasoning { text: String::new(), signature: Some(format!("{REDACTED}{data}")) });
            }
            Part::Call(Call { id, name, arguments, kind, .. }) => {
                let (id, name, arguments) = (id.clone(), name.clone(), arguments.clone());
                push(Item::Call { id, name, kind: *kind, arguments });
            }
            Part::Image(_) | Part::Document { .. } | Part::Outcome(_) => {}
        }
    }
    if let Some(refusal) = &answer.refusal {
        push(Item::Message { text: refusal.clone(), is_refusal: true });
    }
    let (status, reason) = status(answer.stop.as_ref().unwrap_or(&Stop::End));
    if let Some(last) = output.last_mut().filter(|last| reason.is_some() && last.get("status").is_some()) {
        last["status"] = "incomplete".into();
    }
    Value::Object(ended(label, status, reason, &output, answer.tokens))
}
