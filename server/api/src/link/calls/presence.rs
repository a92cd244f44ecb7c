//! Who else is there.

use std::time::Duration;

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::presence::Showing;

use super::Context;
use crate::error::ApiError;

/// Pause between two items: what changes meanwhile is told together.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn follow(context: &Context, workspace: WorkspaceId) -> Result<Reply, ApiError> {
    let access = context.access(workspace)?;
    let mut following = context.state.presence.follow(workspace, context.call.link_id(), context.user)?;
    loop {
        let mut present = tokio::select! {
            present = following.next() => present,
            // The page looks what it may do now, and follows again.
            () = access.changed() => return Ok(Reply::Done),
        };
        let people: Vec<_> = present.iter().map(|person| person.user).collect();
        let mut names = context.state.auth.names(&people).await;
        for person in &mut present {
            person.name = names.remove(&person.user).unwrap_or_default();
        }
        context.call.item(Item::Presence(present)).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

pub(super) async fn show(context: &Context, workspace: WorkspaceId, showing: Showing) -> Result<Reply, ApiError> {
    context.state.presence.show(workspace, context.call.link_id(), context.user, showing).await?;
    Ok(Reply::Done)
}
