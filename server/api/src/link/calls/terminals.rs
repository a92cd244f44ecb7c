//! Terminals.

use coditect_protocol::call::{Item, Reply};
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::{TerminalId, WorkspaceId};

use super::Context;
use crate::error::ApiError;

pub(super) async fn list(context: &Context, workspace: WorkspaceId) -> Result<Reply, ApiError> {
    Ok(Reply::Terminals(context.state.terminals.list(context.user, workspace).await?))
}

pub(super) async fn create(context: &Context, workspace: WorkspaceId, spec: TerminalSpec) -> Result<Reply, ApiError> {
    let access = context.access(workspace)?;
    Ok(Reply::Terminal(context.state.terminals.create(access, spec).await?))
}

pub(super) async fn attach(context: &Context, terminal: TerminalId, from: u64) -> Result<Reply, ApiError> {
    let mut attachment = context.state.terminals.attach(context.user, terminal, from).await?;
    while let Some(chunk) = attachment.next().await {
        context.call.item(Item::Output { offset: chunk.offset, data: chunk.data }).await?;
    }
    Ok(Reply::TerminalEnded(attachment.exit()))
}

pub(super) async fn write(context: &Context, terminal: TerminalId, data: &[u8]) -> Result<Reply, ApiError> {
    context.state.terminals.write(context.user, terminal, data).await?;
    Ok(Reply::Done)
}

pub(super) async fn resize(context: &Context, terminal: TerminalId, cols: u16, rows: u16) -> Result<Reply, ApiError> {
    context.state.terminals.resize(context.user, terminal, cols, rows).await?;
    Ok(Reply::Done)
}

pub(super) async fn rename(context: &Context, terminal: TerminalId, title: &str) -> Result<Reply, ApiError> {
    context.state.terminals.rename(context.user, terminal, title).await?;
    Ok(Reply::Done)
}

pub(super) async fn close(context: &Context, terminal: TerminalId) -> Result<Reply, ApiError> {
    context.state.terminals.close(context.user, terminal).await?;
    Ok(Reply::Done)
}

pub(super) async fn profiles(context: &Context) -> Result<Reply, ApiError> {
    Ok(Reply::Profiles(context.state.terminals.profiles().await?))
}
