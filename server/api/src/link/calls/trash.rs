//! What was deleted and can be had back.

use coditect_protocol::call::Reply;
use coditect_protocol::files::Root;
use coditect_protocol::{RelPath, TrashId, WorkspaceId};

use super::Context;
use crate::error::ApiError;

pub(super) async fn list(context: &Context, workspace: WorkspaceId) -> Result<Reply, ApiError> {
    Ok(Reply::Trash(context.tree(Root::Workspace(workspace)).await?.list_trash().await?))
}

pub(super) async fn restore(
    context: &Context,
    workspace: WorkspaceId,
    entry: TrashId,
    to: Option<RelPath>,
) -> Result<Reply, ApiError> {
    Ok(Reply::Stat(context.tree(Root::Workspace(workspace)).await?.restore(entry, to).await?))
}

pub(super) async fn empty(context: &Context, workspace: WorkspaceId, entries: Vec<TrashId>) -> Result<Reply, ApiError> {
    context.tree(Root::Workspace(workspace)).await?.empty_trash(entries).await?;
    Ok(Reply::Done)
}
