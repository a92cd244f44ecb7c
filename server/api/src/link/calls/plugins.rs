//! Plugins of the person in a workspace.

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply};
use coditect_protocol::plugin::{PluginCall, PluginId, PluginItem};
use tokio::sync::mpsc;

use super::{Context, each};
use crate::error::ApiError;

/// Items of a plugin that wait for the page; the plugin waits with them.
const QUEUED_ITEMS: usize = 64;

fn item(item: PluginItem) -> Item {
    Item::Plugin(Box::new(item))
}

/// Tells the list and what plugins say. Meanwhile they are told what happens to files.
pub(super) async fn follow(context: &Context, workspace: WorkspaceId) -> Result<Reply, ApiError> {
    let access = context.access(workspace)?;
    let plugged = context.state.plugged()?;
    let _told = plugged.hooks.follow(context.user, workspace);
    let mut following = plugged.plugins.follow(context.user, workspace).await?;
    loop {
        let told = tokio::select! {
            told = following.next() => told?,
            // The page looks what it may do now, and follows again.
            () = access.changed() => return Ok(Reply::Done),
        };
        context.call.item(item(told)).await?;
    }
}

/// Calls a plugin. A call that is cancelled is dropped, and the plugin's with it.
pub(super) async fn call(
    context: &Context,
    workspace: WorkspaceId,
    plugin: PluginId,
    call: PluginCall,
) -> Result<Reply, ApiError> {
    let plugins = context.state.plugins()?;
    let (sink, items) = mpsc::channel(QUEUED_ITEMS);
    let cancel = context.call.cancel.child_token();
    let calling = plugins.call(context.user, workspace, &plugin, call, Some(sink), cancel);
    let answered = context.forward(calling, each(items, item)).await?;
    Ok(Reply::Plugin(Box::new(answered)))
}
