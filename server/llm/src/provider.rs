//! What every kind of upstream can do.

use async_trait::async_trait;
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatRequest, ModelInfo};
use tokio::{sync::mpsc, time::Instant};

use crate::error::LlmError;

/// An upstream, whatever protocol it speaks.
///
/// Dropping a future of it must end the upstream's request at once and leave nothing running: that is how a chat is
/// cancelled.
#[async_trait]
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// Its name, which stands before the `/` of its models' ids.
    fn name(&self) -> &str;

    /// Where it is, for a person, without credentials.
    fn address(&self) -> &str;

    /// The models that can be talked to, by name. It is dropped at `deadline`; what is only nice to know must be given up
    /// before.
    async fn models(&self, deadline: Instant) -> Result<Vec<ModelInfo>, LlmError>;

    /// Asks `model` (its name at the upstream) and sends the pieces of the answer to `sink`, tool calls last and whole. A
    /// sink that nobody reads any more is [`LlmError::Cancelled`].
    async fn chat(
        &self,
        model: &str,
        request: &ChatRequest,
        sink: &mpsc::Sender<ChatDelta>,
    ) -> Result<ChatEnd, LlmError>;
}
