//! Forgetting workspaces, and who has no part in one any more.

use coditect_protocol::{UserId, WorkspaceId};

use crate::PluginsError;
use crate::keys::plugin_id;
use crate::plugins::Plugins;

/// Plugins that are taken away at a time.
const BATCH: usize = 100;

impl Plugins {
    /// A person has no part in a workspace any more.
    pub async fn forget_member(&self, user: UserId, workspace: WorkspaceId) -> Result<(), PluginsError> {
        let (inner, all) = (&self.inner, self.inner.keys.installs(user, workspace));
        loop {
            let range = &all.range().limit(BATCH).snapshot();
            let rows = inner.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
            for row in &rows {
                let id: String = all.unpack(&row.key)?;
                let whose = &(user, workspace, plugin_id(&id)?);
                inner.store.transact(|tx| async move { inner.take_away(&tx, whose).await }).await?;
                inner.forget_memory(whose);
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    /// A workspace is no more.
    pub async fn forget_workspace(&self, workspace: WorkspaceId) -> Result<(), PluginsError> {
        let members = &self.inner.keys.members(workspace);
        let rows =
            self.inner.store.transact(|tx| async move { tx.range_all(members.range().snapshot()).await }).await?;
        for row in rows {
            self.forget_member(UserId(members.unpack(&row.key)?), workspace).await?;
        }
        Ok(())
    }
}
