//! Language models: which there are, and streaming conversations with them.
//!
//! [`Models`] knows any number of upstreams, the configured ones and those found on this machine (LM Studio, Ollama). Each
//! is a [`Provider`]; [`Models`] only chooses one by the name before the `/` of a model's id and sees to cancellation, so
//! another protocol is another implementation of the trait.
//!
//! * `openai/` speaks the OpenAI-compatible protocol: what is asked (`request`), what comes back (`answer`), what goes
//!   wrong (`failure`) and which models there are (`listing`). The three that only read bytes do no I/O.
//! * `endpoint` holds one address with its credentials, its timeouts and its bounds, whatever is spoken there.
//! * `sse` cuts a byte stream into server-sent events.
//!
//! **May know:** the protocol crate. **Invariants:** dropping the future of a chat drops the upstream's request at once, and
//! nothing goes on in the background; whatever an upstream sends, memory stays within the constants beside the readers and
//! nothing panics; a key is sent to its own upstream only and stands in no error, log or `Debug`; what people and models
//! say is never logged.

mod endpoint;
mod error;
mod models;
mod openai;
mod provider;
mod scrub;
mod settings;
mod sse;
#[cfg(test)]
mod tests;
mod tls;

pub use error::LlmError;
pub use models::{LIST_TIMEOUT, Models};
pub use provider::Provider;
pub use settings::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_FIRST_TOKEN_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_LIST_CACHE, LlmSettings,
    Secret, UpstreamSettings,
};
