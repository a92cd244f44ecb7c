//! What comes back.

mod arguments;
mod read;
mod write;

pub(crate) use read::{Reader, tokens};
pub(crate) use write::{Writer, whole};

use crate::turn::Stop;

/// Reasons in the words of this dialect.
fn reason_word(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) | Stop::Pause | Stop::BadCall => "stop",
        Stop::Length | Stop::ContextFull => "length",
        Stop::Tools => "tool_calls",
        Stop::Filter => "content_filter",
    }
}

/// Reasons in the words of many servers.
fn reason_of(word: &str) -> Stop {
    match word {
        "length" | "max_tokens" | "model_length" => Stop::Length,
        "tool_calls" | "function_call" | "tool_use" => Stop::Tools,
        "content_filter" | "safety" | "SAFETY" => Stop::Filter,
        // `stop`, and the many names that servers give to it.
        _ => Stop::End,
    }
}
