//! What comes back.

mod read;
mod write;

pub(crate) use read::{Reader, tokens};
pub(crate) use write::{Writer, whole};

use crate::turn::Stop;

/// Reasons in the words of this dialect.
fn reason_word(stop: &Stop, refused: bool) -> &'static str {
    match stop {
        Stop::End if refused => "refusal",
        Stop::End | Stop::BadCall => "end_turn",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::ContextFull => "model_context_window_exceeded",
        Stop::Tools => "tool_use",
        Stop::Filter => "refusal",
        Stop::Pause => "pause_turn",
    }
}

fn reason_of(word: &str, sequence: Option<&str>) -> Stop {
    match word {
        "stop_sequence" => Stop::Sequence(sequence.unwrap_or_default().to_owned()),
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::ContextFull,
        "tool_use" => Stop::Tools,
        "refusal" => Stop::Filter,
        "pause_turn" => Stop::Pause,
        _ => Stop::End,
    }
}
