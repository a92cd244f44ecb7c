//! OpenAI chat completions.

pub(crate) mod answer;
pub(crate) mod failure;
pub(crate) mod models;
pub(crate) mod request;
