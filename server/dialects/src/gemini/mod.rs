//! Gemini's `generateContent`.

pub(crate) mod answer;
pub(crate) mod failure;
pub(crate) mod request;
mod schema;

/// What Gemini takes for the signature of a call that another model made.
const FOREIGN_SIGNATURE: &str = "skip_thought_signature_validator";
