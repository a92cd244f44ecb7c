//! What comes back.

mod read;
mod write;

pub(crate) use read::{Reader, tokens};
pub(crate) use write::{Writer, whole};

use crate::turn::Stop;

/// Reasons in the words of this dialect.
fn reason_word(stop: &Stop, refused: bool) -> &'static str {
    match stop {
        Stop::End if refused => "SAFETY",
        Stop::End | Stop::Sequence(_) | Stop::Tools | Stop::Pause => "STOP",
        Stop::Length | Stop::ContextFull => "MAX_TOKENS",
        Stop::Filter => "SAFETY",
        Stop::BadCall => "MALFORMED_FUNCTION_CALL",
    }
}

fn reason_of(word: &str) -> Stop {
    match word {
        "MAX_TOKENS" => Stop::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Stop::Filter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => Stop::BadCall,
        "CONTINUATION" => Stop::Pause,
        _ => Stop::End,
    }
}
