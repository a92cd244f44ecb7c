//! Search by name and by text, and replacement.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::files::Root;
use coditect_protocol::search::{FileMatches, FileReplacements, FindFiles, ReplaceText, SearchText};
use coditect_workspace::search;
use tokio::sync::mpsc;

use super::{Context, batches};
use crate::error::ApiError;

/// Files with matches that wait for the page: about what a search finds at most between two looks for it.
const QUEUED_FILES: usize = 256;
/// Cost of the files that are told in one message, where more than one is ready: a message for each takes longer than the search.
const MESSAGE_BYTES: usize = 64 * 1024;

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
    let told = batches(matches, MESSAGE_BYTES, FileMatches::cost, Item::Matches);
    Ok(Reply::Searched(context.forward(searching, told).await?))
}

pub(super) async fn replace_text(
    context: &Context,
    workspace: WorkspaceId,
    query: ReplaceText,
) -> Result<Reply, ApiError> {
    let tree = context.tree(Root::Workspace(workspace)).await?;
    let (sink, replaced) = mpsc::channel(QUEUED_FILES);
    let replacing = search::replace_text(context.user, tree, query, context.call.cancel.child_token(), sink);
    let told = batches(replaced, MESSAGE_BYTES, FileReplacements::cost, Item::Replaced);
    Ok(Reply::Replaced(context.forward(replacing, told).await?))
}
