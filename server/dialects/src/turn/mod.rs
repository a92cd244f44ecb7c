//! A turn of a conversation in no dialect: what is asked ([`Turn`]), and the answer in pieces ([`Piece`]).
//!
//! Every dialect is read into these and written from them, so N dialects need 2·N translations and not N². They hold what more
//! than one dialect can say; what only one can is named in [`Losses`] where it goes lost.

mod custom;
mod cut;
mod failure;
mod gathered;
mod losses;
mod names;
mod piece;
mod reasoning;
mod settled;
mod signature;
mod tools;

pub use custom::{Disguised, Unmasking};
pub use failure::{Failure, FailureKind};
pub use gathered::Gathered;
pub(crate) use gathered::MAX_ANSWER_BYTES;
pub use losses::Losses;
pub use names::Names;
pub(crate) use names::shortened;
pub use piece::{CallKind, Piece, Stop, Tokens};
pub use reasoning::{Effort, Reasoning};
pub(crate) use settled::NOTHING;
pub use signature::Origin;

use serde_json::Value;

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// Name of the model, as whoever asks wrote it.
    pub model: String,
    /// The conversation so far, instructions included, in their places.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// What their names stand for, where the dialect knows namespaces.
    pub names: Names,
    /// Which of them it may or must call. Absent: as it likes, where there are any.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// Most tokens of the answer, thoughts included.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling: the probability that is kept.
    pub top_p: Option<f64>,
    /// How many candidates sampling keeps.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Seed of the sampling.
    pub seed: Option<i64>,
    /// Weight against what was said often.
    pub frequency_penalty: Option<f64>,
    /// Weight against what was said at all.
    pub presence_penalty: Option<f64>,
    /// How much the model is to think, and whether that is shown.
    pub reasoning: Option<Reasoning>,
    /// The form the answer must have.
    pub format: Option<Format>,
    /// How long the answer is to be: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// What tells the upstream's cache which conversations belong together.
    pub cache_key: Option<String>,
    /// Whether the answer comes in pieces.
    pub stream: bool,
    /// Whether a stream tells the tokens used at its end. Only the chat dialect asks.
    pub wants_usage: bool,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever runs the application. Where dialects tell `system` and `developer` apart, this is either.
    System,
    /// The person, and tools that answer.
    User,
    /// The model.
    Assistant,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Of Gemini, which signs texts as well as calls.
        signature: Option<String>,
    },
    /// A picture.
    Image(Media),
    /// A document, for example a PDF.
    Document {
        /// What it holds.
        media: Media,
        /// Its name.
        name: Option<String>,
    },
    /// What the model thought. Only of the assistant.
    Thought {
        /// The text, where it is shown.
        text: String,
        /// What the upstream knows it by again.
        signature: Option<String>,
    },
    /// What the model thought, encrypted as a whole. Only of the assistant.
    Redacted(String),
    /// A call of a tool. Only of the assistant.
    Call(Call),
    /// What a tool answered. Only of the user.
    Outcome(Outcome),
}

/// A picture or a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// Its bytes, in base64.
    Base64 {
        /// Media type.
        mime: String,
        /// Base64.
        data: String,
    },
    /// Where the upstream finds it.
    Url(String),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What its outcome names it by.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments: JSON text, or free text for [`CallKind::Custom`].
    pub arguments: String,
    /// What kind of tool it is.
    pub kind: CallKind,
    /// What the upstream knows the thought before it by.
    pub signature: Option<String>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// [`Call::id`].
    pub id: String,
    /// Name of the tool, where the dialect tells it.
    pub name: Option<String>,
    /// Text, pictures and documents.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// What kind of tool it is.
    pub kind: CallKind,
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments. Nothing for [`CallKind::Custom`].
    pub parameters: Option<Value>,
    /// What free text it takes, as OpenAI says it. Only for [`CallKind::Custom`].
    pub format: Option<Value>,
    /// Whether the arguments must follow the schema.
    pub strict: Option<bool>,
    /// What kind of tool it is.
    pub kind: CallKind,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// Any.
    Required,
    /// This one.
    One(String),
    /// One of these; it must where `required`.
    Among {
        /// Their names.
        names: Vec<String>,
        /// Whether it must.
        required: bool,
    },
}

/// The form an answer must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Some JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// Name of the schema.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema.
        schema: Value,
        /// Whether it must be followed to the letter.
        strict: Option<bool>,
    },
}

impl Turn {
    /// Whether thoughts are told that no model knows again.
    pub(crate) fn has_unsigned_thoughts(&self) -> bool {
        let is_unsigned = |part: &Part| matches!(part, Part::Thought { signature: None, .. });
        self.messages.iter().any(|message| message.parts.iter().any(is_unsigned))
    }

    /// Whether the model is to be given thoughts of its own back.
    pub(crate) fn has_signed_thoughts(&self) -> bool {
        let is_signed = |part: &Part| matches!(part, Part::Thought { signature: Some(_), .. } | Part::Redacted(_));
        self.messages.iter().any(|message| message.parts.iter().any(is_signed))
    }
}

impl Part {
    /// Text without a signature.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), signature: None }
    }
}
