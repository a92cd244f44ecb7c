//! Search by name and by text.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::search::{FindFiles, SearchText};
use coditect_workspace::search;
use tokio::sync::mpsc;

use super::Context;
use crate::error::ApiError;

/// Files with matches that wait for the page.
const QUEUED_FILES: usize = 64;

pub(super) async fn find_files(context: &Context, workspace: WorkspaceId, query: FindFiles) -> Result<Reply, ApiError> {
    let paths = context.state.workspaces.paths(context.user, workspace).await?;
    let found = search::find_files(context.user, paths.files, query, context.call.cancel.clone()).await?;
    Ok(Reply::Paths { paths: found.paths, limit_reached: found.limit_reached })
}

pub(super) async fn search_text(
    context: &Context,
    workspace: WorkspaceId,
    query: SearchText,
) -> Result<Reply, ApiError> {
    let paths = context.state.workspaces.paths(context.user, workspace).await?;
    let (sink, matches) = mpsc::channel(QUEUED_FILES);
    let searching = search::search_text(context.user, paths.files, query, context.call.cancel.child_token(), sink);
    Ok(Reply::Searched(context.forward(searching, matches, Item::Matches).await?))
}
