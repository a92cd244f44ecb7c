//! Conversations with models.

use coditect_auth::{Credential, Identity};
use coditect_metering::Asker;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::chat::ChatRequest;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Context, each};
use crate::error::ApiError;

/// Pieces of an answer that wait for the page.
const QUEUED_DELTAS: usize = 256;
/// What the IDE is called among the agents.
const AGENT: &str = "ide";

pub(super) async fn list(context: &Context, identity: &Identity, refresh: bool) -> Result<Reply, ApiError> {
    let (user, role) = (identity.user.id, identity.user.role);
    Ok(Reply::Models(context.state.gateway.list(refresh, user, role).await))
}

pub(super) async fn chat(context: &Context, identity: &Identity, request: ChatRequest) -> Result<Reply, ApiError> {
    let (token, bound) = match &identity.credential {
        Credential::Session(_) => (None, None),
        Credential::Token { id, workspace, .. } => (Some(*id), *workspace),
    };
    // Whether the person may be there was asked before the call.
    let workspace = bound.or(request.workspace);
    let asker = Asker { user: identity.user.id, role: identity.user.role, token, workspace, agent: AGENT.into() };
    let (sink, deltas) = mpsc::channel(QUEUED_DELTAS);
    // A call that is cancelled is dropped, and the chat with it.
    let answering = context.state.gateway.chat(asker, request, sink, CancellationToken::new());
    Ok(Reply::ChatEnded(context.forward(answering, each(deltas, Item::Delta)).await?))
}
