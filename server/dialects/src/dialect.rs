//! The dialects, and what each can do.
//!
//! Each folder has the same parts: `request::read` and `request::write` for what is asked, `answer::Reader`, `answer::Writer` and
//! `answer::whole` for what comes back, and `failure::write` for what goes wrong. What others write of failures is so alike that
//! [`failure`](crate::failure) reads it for all of them.

use serde_json::Value;

use crate::turn::{Disguised, Failure, FailureKind, Gathered, Losses, Names, Origin, Piece, Tokens, Turn};
use crate::{anthropic, chat, gemini, json, responses};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions, which most servers speak.
    Chat,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini];

    /// Its name in settings, records and figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// Reads a request. `origin` is where it goes: what was signed elsewhere is left out. The model and whether it streams are not
    /// in the body of every dialect.
    ///
    /// # Errors
    /// What would change the meaning or the shape of the answer if it were left out, and what is no request.
    pub fn read(self, body: &Value, origin: &Origin) -> Result<(Turn, Losses), Failure> {
        match self {
            Self::Chat => chat::request::read(body, origin),
            Self::Responses => responses::request::read(body, origin),
            Self::Anthropic => anthropic::request::read(body, origin),
            Self::Gemini => gemini::request::read(body, origin),
        }
    }

    /// Writes a request, and notes what goes lost.
    ///
    /// # Errors
    /// What this dialect cannot say at all.
    pub fn write(self, turn: &Turn, target: &Target, losses: &mut Losses) -> Result<Value, Failure> {
        // Elsewhere than in the dialect that has no signatures, a model takes for its own only thoughts that are signed.
        losses.note_if(self != Self::Chat && turn.has_unsigned_thoughts(), "thinking");
        match self {
            Self::Chat => chat::request::write(turn, target, losses),
            Self::Responses => responses::request::write(turn, target, losses),
            Self::Anthropic => anthropic::request::write(turn, target, losses),
            Self::Gemini => gemini::request::write(turn, target, losses),
        }
    }

    /// Writes a request after changing what the upstream does not know, so far as the answer can be changed back: free text that
    /// tools take, and texts that end the answer.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn ask(self, mut turn: Turn, target: &Target, losses: &mut Losses) -> Result<(Value, Disguised), Failure> {
        let knows_free_text = target.habits.is_openai && matches!(self, Self::Chat | Self::Responses);
        let mut disguised = if knows_free_text { Disguised::default() } else { turn.disguise_custom_tools() };
        let body = self.write(&turn, target, losses)?;
        if losses.made_good("stop") {
            disguised.cut_at(&turn.stop);
        }
        Ok((body, disguised))
    }

    /// A reader of answers.
    pub fn reader(self) -> Box<dyn AnswerReader> {
        match self {
            Self::Chat => Box::new(chat::answer::Reader::default()),
            Self::Responses => Box::new(responses::answer::Reader::default()),
            Self::Anthropic => Box::new(anthropic::answer::Reader::default()),
            Self::Gemini => Box::new(gemini::answer::Reader::default()),
        }
    }

    /// A writer of streams.
    pub fn writer(self, label: Label, framing: Framing) -> Box<dyn AnswerWriter> {
        match self {
            Self::Chat => Box::new(chat::answer::Writer::new(label)),
            Self::Responses => Box::new(responses::answer::Writer::new(label)),
            Self::Anthropic => Box::new(anthropic::answer::Writer::new(label)),
            Self::Gemini => Box::new(gemini::answer::Writer::new(label, framing)),
        }
    }

    /// Writes a whole answer.
    pub fn whole(self, answer: &Gathered, label: &Label) -> Value {
        match self {
            Self::Chat => chat::answer::whole(answer, label),
            Self::Responses => responses::answer::whole(answer, label),
            Self::Anthropic => anthropic::answer::whole(answer, label),
            Self::Gemini => gemini::answer::whole(answer, label),
        }
    }

    /// The tokens that an answer or an event of a stream tells, on top of those that events `before` it told.
    #[must_use]
    pub fn tokens(self, told: &Value, before: Option<Tokens>) -> Option<Tokens> {
        match self {
            Self::Chat => chat::answer::tokens(told),
            Self::Responses => {
                let response = json::given(told, "response").unwrap_or(told);
                json::given(response, "usage").map(responses::answer::tokens)
            }
            Self::Anthropic => {
                let message = json::given(told, "message").unwrap_or(told);
                json::given(message, "usage").map(|usage| anthropic::answer::tokens(usage, before.unwrap_or_default()))
            }
            Self::Gemini => json::given(told, "usageMetadata").map(gemini::answer::tokens),
        }
        .or(before)
    }

    /// Status and body of a failure.
    pub fn failure(self, failure: &Failure) -> (u16, Value) {
        match self {
            Self::Chat | Self::Responses => chat::failure::write(failure),
            Self::Anthropic => anthropic::failure::write(failure),
            Self::Gemini => gemini::failure::write(failure),
        }
    }
}

/// What a request is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The upstream, and the model's name there.
    pub origin: Origin,
    /// Most tokens of an answer, for a dialect that must be told. See [`DEFAULT_MAX_OUTPUT_TOKENS`].
    pub max_output_tokens: u64,
    /// What the upstream is known to want otherwise than others of its dialect.
    pub habits: Habits,
}

/// Most tokens of an answer where neither the client nor the price table tells.
pub const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 8192;

/// What servers of one dialect do differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// OpenAI itself: `max_completion_tokens`, the role `developer`, `prompt_cache_key`.
    pub is_openai: bool,
    /// DeepSeek: wants the thoughts back with every call of a tool.
    pub wants_thoughts_back: bool,
}

/// Reads an answer and makes pieces of it, which are put behind `out`.
///
/// Once a piece is [`Piece::Failed`], nothing follows.
pub trait AnswerReader: Send {
    /// One event of a stream: its data.
    fn event(&mut self, data: &[u8], out: &mut Vec<Piece>);

    /// The whole answer at once, where it is no stream.
    fn whole(&mut self, value: &Value, out: &mut Vec<Piece>);

    /// There are no more bytes. The last piece is [`Piece::Stop`], or a failure where the answer is not complete.
    fn end(&mut self, out: &mut Vec<Piece>);

    /// Nothing that comes now matters.
    fn is_done(&self) -> bool;

    /// The answer is whole; only the count of tokens may follow, and some servers never end the stream.
    fn is_whole(&self) -> bool;
}

/// Writes a stream of events, piece by piece.
///
/// It is given the pieces of one answer in their order (see [`Piece`]), the last of which is a `Stop` or a `Failed`: then it writes
/// what ends the stream.
pub trait AnswerWriter: Send {
    /// Puts the bytes for a piece behind `out`.
    fn piece(&mut self, piece: &Piece, out: &mut Vec<u8>);

    /// What may be sent while nothing happens, so that nobody takes the connection for dead; nothing where the dialect has no words
    /// for it.
    fn keep_alive(&self) -> Option<&'static [u8]>;
}

/// What an answer says of itself beside its pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The model, as whoever asks wrote it.
    pub model: String,
    /// What the names of tools stand for.
    pub names: Names,
    /// Who answers: what is signed is marked with it.
    pub origin: Origin,
    /// When it begins, in seconds since 1970.
    pub created: u64,
    /// The stream tells the tokens at its end (chat).
    pub wants_usage: bool,
    /// What the answer is called where the upstream did not name it: letters and digits.
    pub id: String,
}

/// How the chunks of Gemini's streams are told apart. The other dialects have events only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// As events (`alt=sse`).
    #[default]
    Events,
    /// As the items of one JSON array.
    Array,
}

/// An identifier for a call that the upstream gave none, or one that it gave another call too. It stays in the conversation, and so
/// differs from those of all other answers.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

/// An answer that cannot be read.
pub(crate) fn unreadable(reason: &str) -> Piece {
    let message = format!("The answer of the model's server could not be read: {reason}.");
    Piece::Failed(Failure::new(FailureKind::Upstream, "llm.bad_stream", message))
}
