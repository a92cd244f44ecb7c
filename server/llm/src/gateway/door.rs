//! What comes in at the doors.

use bytes::Bytes;
use coditect_dialects::{Dialect, Framing};
use coditect_metering::Asker;
use http::HeaderMap;

/// A call of any door.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub asker: Asker,
    /// The client's headers. A few of them go on to an upstream of the same dialect; none that tells who asks.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A question of a conversation.
#[derive(Debug)]
pub struct Conversation {
    /// In which dialect.
    pub dialect: Dialect,
    /// How a stream is framed. Only Gemini's clients choose.
    pub framing: Framing,
    /// The model, where the address names it and not the body (Gemini).
    pub model: Option<String>,
    /// Whether it streams, where the address says so and not the body (Gemini).
    pub stream: Option<bool>,
    /// The call.
    pub call: Call,
}

impl Conversation {
    /// One of a dialect whose body says everything.
    #[must_use]
    pub fn new(dialect: Dialect, call: Call) -> Self {
        Self { dialect, framing: Framing::Events, model: None, stream: None, call }
    }
}
