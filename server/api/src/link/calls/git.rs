//! Git.

use coditect_protocol::call::{Item, Reply};
use coditect_protocol::git::GitRequest;
use coditect_protocol::{RelPath, WorkspaceId};
use tokio::sync::mpsc;

use super::{Context, each};
use crate::error::ApiError;

/// Steps and lines that wait for the page; further ones are dropped meanwhile.
const QUEUED_PROGRESS: usize = 64;

pub(super) async fn carry_out(
    context: &Context,
    workspace: WorkspaceId,
    repository: RelPath,
    request: GitRequest,
) -> Result<Reply, ApiError> {
    let access = context.access(workspace)?;
    let (sink, progress) = mpsc::channel(QUEUED_PROGRESS);
    let running = context.state.git.run(access, repository, request, sink);
    match context.forward(running, each(progress, Item::Git)).await? {
        Ok(reply) => Ok(Reply::Git(reply)),
        Err(problem) => Err(ApiError::told(problem)),
    }
}
