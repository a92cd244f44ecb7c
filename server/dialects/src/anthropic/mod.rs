//! Anthropic messages.

pub(crate) mod answer;
pub(crate) mod failure;
mod models;
pub(crate) mod request;
