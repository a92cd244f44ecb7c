//! What model servers and their clients say to each other, and one dialect as another while it comes.
//!
//! * `turn/` is a question and its answer in no dialect; every dialect is read into it and written from it, so that N dialects need
//!   2·N translations and not N².
//! * `chat/`, `responses/`, `anthropic/`, `gemini/` are the dialects, each with the same parts; `dialect` chooses among them.
//! * [`count`] and [`embeddings`] are the two other questions, which have whole answers only.
//! * `events/` cuts bytes into events; `translate/` carries a whole answer or a stream across.
//!
//! `docs/llm-dialects.md` is the reference, with its sources.
//!
//! **May know:** nothing of ours. **Invariants:** no I/O and no clock; whatever is read may be hostile or broken: nothing panics, and
//! memory stays within what was read and the constants beside the readers; the same question is always written as the same bytes.

mod anthropic;
mod chat;
pub mod count;
mod dialect;
pub mod embeddings;
mod events;
pub mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gemini;
mod json;
mod responses;
mod schema;
mod shorten;
#[cfg(test)]
mod tests;
mod translate;
mod turn;

pub use dialect::{AnswerReader, AnswerWriter, DEFAULT_MAX_OUTPUT_TOKENS, Dialect, Framing, Habits, Label, Target};
pub use events::{Decoder, Event, EventTooLarge, MAX_EVENT_BYTES, SseParser};
pub use translate::{Ending, Reading, Translation, whole};
pub use turn::{
    Call, CallKind, Disguised, Effort, Failure, FailureKind, Format, Gathered, Losses, Media, Message, Names, Origin,
    Outcome, Part, Piece, Reasoning, Role, Stop, Tokens, Tool, ToolChoice, Turn, Unmasking,
};
