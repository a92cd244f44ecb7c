//! Language models: one door to every model there is, whoever asks and whatever they speak.
//!
//! * `gateway/` answers calls: it admits them, asks upstreams, carries answers back and settles what they cost.
//! * `routing/` says which models are asked in which order; `upstream/` is the model servers: addresses, connections, listing.
//! * `keys/` keeps the keys of model servers, sealed; `history/` what was said, for people who want that.
//! * `catalogue` knows which models there are.
//!
//! The dialects and their translation are the crate `coditect-dialects`; budgets, limits and usage are `coditect-metering`.
//!
//! **May know:** the protocol, store, dialects and metering crates. **Invariants:** dropping an answer drops the upstream's request at
//! once, and nothing goes on in the background; every call that was sent to an upstream is settled and recorded once, however it
//! ends; whatever an upstream sends, memory stays within the constants beside the readers and nothing panics; a key is sent to its own
//! upstream only and stands in no error, log or `Debug`; what people and models say is never logged, and kept only for who wants it.

mod catalogue;
mod error;
mod failure;
mod gateway;
pub mod history;
pub mod keys;
mod routing;
mod scrub;
mod settings;
#[cfg(test)]
mod tests;
mod upstream;

pub use catalogue::LIST_TIMEOUT;
pub use coditect_dialects::embeddings::Form;
pub use coditect_dialects::{Dialect, Framing};
pub use error::LlmError;
pub use gateway::{AnswerBody, Call, Conversation, Embedding, Events, Gateway, ModelServers, ResponsesSession};
pub use settings::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_FIRST_TOKEN_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_LIST_CACHE, DEFAULT_RETRIES,
    DEFAULT_WHOLE_TIMEOUT, LlmSettings, Secret, UpstreamSettings,
};
