//! An answer's bytes as events, however they arrive in pieces.

mod decoder;
mod sse;

pub use decoder::Decoder;
pub use sse::{Event, EventTooLarge, MAX_EVENT_BYTES, SseParser};
