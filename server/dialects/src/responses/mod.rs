//! OpenAI responses.

pub(crate) mod answer;
pub(crate) mod request;

/// Goes before an encrypted thought that another dialect keeps apart from signatures.
const REDACTED: &str = "redacted\n";
