//! A question, as every upstream that may be asked wants it.

use std::sync::OnceLock;

use bytes::Bytes;
use coditect_dialects::{
    DEFAULT_MAX_OUTPUT_TOKENS, Dialect, Disguised, Failure, Framing, Losses, Media, Names, Origin, Part,
    Target as Written, Turn,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::ask::{ADDED_TOKENS, Asked, Bound};
use super::embed::Embed;
use super::hosted;
use crate::routing::Target;
use crate::upstream::Learnt;

/// What of a client's headers an upstream of the same dialect is told.
pub(super) const PASSED_ON: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("x-codex-turn-state"),
];
/// What a client's programs ask Anthropic's servers for ahead of time, by names with commas between them.
const BETAS: HeaderName = HeaderName::from_static("anthropic-beta");
/// How the names begin of what makes long questions dearer than prices here say.
const LONG_CONTEXT: &str = "context-1m";
/// The upstream at which the name of a model may ask for a search of the web, and its host.
const OPENROUTER: &str = "openrouter";
const OPENROUTER_HOST: &str = "openrouter.ai";
/// What stays as it is in the name of a model within an address. A `/` does not: it would lead elsewhere.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes of a question for each token that it is likely to be read as, where nobody tells.
const BYTES_PER_TOKEN: u64 = 4;
/// What the form of a conversation adds for each message, in tokens.
const TOKENS_A_MESSAGE: u64 = 16;

/// What is asked, in the words of whoever asks.
#[expect(clippy::large_enum_variant, reason = "there is one of each call, and it stays where it is")]
pub(crate) enum Question {
    /// In some dialect.
    Written {
        door: Dialect,
        /// For Gemini: how a stream is framed.
        framing: Framing,
        headers: HeaderMap,
        body: Bytes,
        asked: Asked,
        /// The body, once somebody must understand it.
        value: OnceLock<Value>,
    },
    /// In none.
    Turn(Box<Turn>),
    /// For vectors.
    Embed(Box<Embed>),
}

/// What goes for a question at one upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Most tokens of an answer, for a dialect that must be told.
    pub(crate) max_output: Option<u64>,
    /// Most tokens of each answer, where only so many are set aside and nothing else bounds it.
    pub(crate) bound: Option<u64>,
    /// Nothing may be asked for that has a price of its own beside the tokens'.
    pub(crate) counts_all: bool,
}

/// A question as one upstream wants it.
pub(crate) struct Prepared {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the upstream speaks.
    pub(crate) dialect: Dialect,
    /// It asks for the count of tokens, and whoever asked did not.
    pub(crate) asks_count: bool,
    /// How the answer is carried back where the upstream speaks another dialect.
    pub(crate) translated: Option<Translated>,
}

/// What is needed to carry an answer back.
pub(crate) struct Translated {
    pub(crate) names: Names,
    pub(crate) disguised: Disguised,
    pub(crate) losses: Losses,
    pub(crate) origin: Origin,
}

impl Question {
    /// The model, as whoever asks wrote it.
    pub(crate) fn model(&self) -> &str {
        match self {
            Self::Written { asked, .. } => &asked.model,
            Self::Turn(turn) => &turn.model,
            Self::Embed(embed) => &embed.asked.model,
        }
    }

    /// Whether the answer comes in pieces.
    pub(crate) fn stream(&self) -> bool {
        match self {
            Self::Written { asked, .. } => asked.stream,
            Self::Turn(turn) => turn.stream,
            Self::Embed(_) => false,
        }
    }

    /// What is said, as it came in.
    pub(crate) fn content(&self) -> Bytes {
        match self {
            Self::Written { body, .. } => body.clone(),
            Self::Turn(turn) => chat_text(turn),
            Self::Embed(embed) => embed.content(),
        }
    }

    /// About as many bytes as it has.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Written { body, .. } => body.len(),
            Self::Turn(turn) => turn.messages.iter().flat_map(|message| &message.parts).map(part_bytes).sum(),
            Self::Embed(embed) => embed.content().len(),
        }
    }

    /// No more tokens than these are read of a question of so many bytes.
    pub(crate) fn max_input(&self, bytes: u64) -> u64 {
        match self {
            Self::Written { asked, .. } => asked.max_input,
            Self::Embed(embed) => embed.asked.max_input,
            Self::Turn(turn) => bytes + ADDED_TOKENS + turn.messages.len() as u64 * TOKENS_A_MESSAGE,
        }
    }

    /// About as many tokens are read where at most so many are. What stands behind addresses is mostly far smaller than it may be.
    pub(crate) fn likely_input(&self, max_input: u64) -> u64 {
        let linked = match self {
            Self::Written { asked, .. } => asked.linked,
            Self::Embed(embed) => embed.asked.linked,
            Self::Turn(_) => 0,
        };
        max_input.saturating_sub(linked) / BYTES_PER_TOKEN
    }

    /// Most tokens of the answer, where it says.
    pub(crate) fn max_output(&self) -> Option<u64> {
        match self {
            Self::Written { asked, .. } => asked.max_output,
            Self::Turn(turn) => turn.max_tokens,
            Self::Embed(_) => Some(0),
        }
    }

    /// How many answers are wanted.
    pub(crate) fn answers(&self) -> u64 {
        match self {
            Self::Written { asked, .. } => asked.answers,
            Self::Turn(_) | Self::Embed(_) => 1,
        }
    }

    /// Something of it is to be kept in the upstream's cache for an hour.
    pub(crate) fn caches_for_hour(&self) -> bool {
        matches!(self, Self::Written { asked, .. } if asked.caches_for_hour)
    }

    /// As `target` wants it.
    pub(crate) fn prepare(&self, target: &Target, learnt: Learnt, terms: Terms) -> Result<Prepared, Failure> {
        if terms.counts_all && is_openrouter(target) {
            hosted::refuse_online(&target.model)?;
        }
        match self {
            Self::Embed(embed) => embed.prepare(target),
            Self::Written { door, .. } if target.upstream.dialect_for(*door) == *door => {
                self.pass_on(target, learnt, terms)
            }
            _ => self.translate(target, learnt, terms),
        }
    }

    fn pass_on(&self, target: &Target, learnt: Learnt, terms: Terms) -> Result<Prepared, Failure> {
        let Self::Written { door, framing, headers: given, body, asked, .. } = self else {
            return self.translate(target, learnt, terms);
        };
        if terms.counts_all {
            asked.refuse_uncounted(body)?;
        }
        let asks_count = *door == Dialect::Chat && asked.stream && !asked.wants_usage() && !learnt.refuses_usage;
        let mut headers = headers(asked.stream);
        for name in &PASSED_ON {
            for value in given.get_all(name) {
                let is_cut = terms.counts_all && *name == BETAS;
                if let Some(kept) = if is_cut { without_long_context(value) } else { Some(value.clone()) } {
                    headers.append(name.clone(), kept);
                }
            }
        }
        let is_new = target.upstream.habits(learnt).is_openai;
        let bound = terms.bound.map(|most| Bound { most, is_new });
        Ok(Prepared {
            uri: uri(target, *door, asked.stream, *framing)?,
            headers,
            body: asked.bounded(body, &target.model, asks_count, bound),
            dialect: *door,
            asks_count,
            translated: None,
        })
    }

    fn translate(&self, target: &Target, learnt: Learnt, terms: Terms) -> Result<Prepared, Failure> {
        let origin = Origin { upstream: target.upstream.name().to_owned(), model: target.model.clone() };
        let (mut turn, mut losses, door) = match self {
            Self::Written { door, body, asked, value, .. } => {
                let value = value.get_or_init(|| serde_json::from_slice(body).unwrap_or_default());
                let (mut turn, losses) = door.read(value, &origin)?;
                turn.stream = asked.stream;
                (turn, losses, *door)
            }
            Self::Turn(turn) => (turn.as_ref().clone(), Losses::default(), Dialect::Chat),
            Self::Embed(embed) => return embed.prepare(target),
        };
        turn.model.clone_from(&target.model);
        if terms.bound.is_some() {
            turn.max_tokens = turn.max_tokens.filter(|most| *most > 0).or(terms.bound);
        }
        let dialect = target.upstream.dialect_for(door);
        let (stream, names) = (turn.stream, turn.names.clone());
        let written = Written {
            origin: origin.clone(),
            max_output_tokens: terms.max_output.unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS),
            habits: target.upstream.habits(learnt),
        };
        let (mut body, disguised) = dialect.ask(turn, &written, &mut losses)?;
        if dialect == Dialect::Chat && learnt.refuses_usage {
            body.as_object_mut().map(|body| body.remove("stream_options"));
        }
        Ok(Prepared {
            uri: uri(target, dialect, stream, Framing::Events)?,
            headers: headers(stream),
            body: body.to_string().into(),
            dialect,
            asks_count: true,
            translated: Some(Translated { names, disguised, losses, origin }),
        })
    }
}

/// Whether it is OpenRouter, by its name or by its address.
fn is_openrouter(target: &Target) -> bool {
    let uri = target.upstream.uri("models", None);
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().to_ascii_lowercase();
    target.upstream.name() == OPENROUTER || host == OPENROUTER_HOST || host.ends_with(&format!(".{OPENROUTER_HOST}"))
}

/// The same names, but for those that make long questions dearer; nothing where none is left.
fn without_long_context(betas: &HeaderValue) -> Option<HeaderValue> {
    let is_long = |name: &&str| {
        let begin = name.get(..LONG_CONTEXT.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(LONG_CONTEXT))
    };
    let kept: Vec<&str> = betas.to_str().ok()?.split(',').map(str::trim).filter(|name| !is_long(name)).collect();
    HeaderValue::try_from(kept.join(",")).ok().filter(|kept| !kept.is_empty())
}

pub(super) fn headers(stream: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers
}

/// The address that a conversation goes to.
fn uri(target: &Target, dialect: Dialect, stream: bool, framing: Framing) -> Result<Uri, Failure> {
    let uri = match dialect {
        Dialect::Chat => target.upstream.uri("chat/completions", None),
        Dialect::Responses => target.upstream.uri("responses", None),
        Dialect::Anthropic => target.upstream.uri("messages", None),
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent" } else { "generateContent" };
            let query = (stream && framing == Framing::Events).then_some("alt=sse");
            target.upstream.uri(&gemini_call(&target.model, method), query)
        }
    };
    uri.ok_or_else(|| Failure::refused("model", "The name of the model cannot stand in an address."))
}

/// A method of one of Gemini's models, below its base.
pub(crate) fn gemini_call(model: &str, method: &str) -> String {
    format!("models/{}:{method}", utf8_percent_encode(model, IN_ADDRESS))
}

fn part_bytes(part: &Part) -> usize {
    match part {
        Part::Text { text, .. } => text.len(),
        Part::Image(Media::Base64 { data, .. }) => data.len(),
        Part::Call(call) => call.arguments.len(),
        Part::Outcome(outcome) => outcome.parts.iter().map(part_bytes).sum(),
        _ => 0,
    }
}

/// What is said in a turn, as the chat dialect writes it.
fn chat_text(turn: &Turn) -> Bytes {
    let origin = Origin { upstream: String::new(), model: turn.model.clone() };
    let target =
        Written { origin, max_output_tokens: DEFAULT_MAX_OUTPUT_TOKENS, habits: coditect_dialects::Habits::default() };
    let written = Dialect::Chat.write(turn, &target, &mut Losses::default());
    written.map(|body| body.to_string().into()).unwrap_or_default()
}
