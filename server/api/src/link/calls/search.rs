//! Search by name and by text, and replacement.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::files::Root;
use coditect_protocol::search::{FindFiles, ReplaceText, SearchText};
use coditect_workspace::search;
use tokio::sync::mpsc;

use super::Context;
use crate::error::ApiError;

/// Files with matches that wait for the page.
const QUEUED_FILES: usize = 64;

pub(super) async fn find_files(context: &Context, workspace: WorkspaceId, query: FindFiles) -> Result<Reply, ApiError> {
    let tree = context.tree(Root::Workspace(workspace)).await?;
    let finding = context.state.indexes.find_files(context.user, &tree, query, context.call.cancel.clone());
    let found = finding.await?;
    Ok(Reply::Paths { paths: found.paths, limit_reached: found.limit_reached })
}

pub(super) async fn search_text(
    context: &Context,
    workspace: WorkspaceId,
    query: SearchText,
) -> Result<Reply, ApiError> {
    let paths = context.access(workspace)?.paths.clone();
    let (sink, matches) = mpsc::channel(QUEUED_FILES);
    let searching = search::search_text(context.user, paths.files, query, context.call.cancel.child_token(), sink);
    Ok(Reply::Searched(context.forward(searching, matches, Item::Matches).await?))
}

pub(super) async fn replace_text(
    context: &Context,
    workspace: WorkspaceId,
    query: ReplaceText,
) -> Result<Reply, ApiError> {
    let tree = context.tree(Root::Workspace(workspace)).await?;
    let (sink, replaced) = mpsc::channel(QUEUED_FILES);
    let replacing = search::replace_text(context.user, tree, query, context.call.cancel.child_token(), sink);
    Ok(Reply::Replaced(context.forward(replacing, replaced, Item::Replaced).await?))
}
