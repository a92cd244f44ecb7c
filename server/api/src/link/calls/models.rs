//! Conversations with models.

use coditect_protocol::call::{Item, Reply};
use coditect_protocol::chat::ChatRequest;
use tokio::sync::mpsc;

use super::{Context, each};
use crate::error::ApiError;

/// Pieces of an answer that wait for the page.
const QUEUED_DELTAS: usize = 256;

pub(super) async fn chat(context: &Context, request: ChatRequest) -> Result<Reply, ApiError> {
    let (sink, deltas) = mpsc::channel(QUEUED_DELTAS);
    let answering = context.state.models.chat(request, sink, context.call.cancel.child_token());
    Ok(Reply::ChatEnded(context.forward(answering, each(deltas, Item::Delta)).await?))
}
