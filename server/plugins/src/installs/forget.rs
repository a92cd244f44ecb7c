//! Forgetting people and workspaces.

use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{StoreError, Subspace};
use uuid::Uuid;

use crate::PluginsError;
use crate::keys::{Whose, plugin_id};
use crate::plugins::{Inner, Plugins};

/// Plugins that are taken away at a time.
const BATCH: usize = 100;

impl Plugins {
    /// A person is no more: what they had is taken away, and what they published belongs to nobody.
    pub async fn forget_user(&self, user: UserId) -> Result<(), PluginsError> {
        let inner = &self.inner;
        let all = inner.keys.installs_of_user(user);
        let read = |key: &[u8]| {
            let (workspace, id): (Uuid, String) = all.unpack(key)?;
            Ok((user, WorkspaceId(workspace), plugin_id(&id)?))
        };
        inner.take_all_away(&all, read).await?;
        let uploads = &inner.keys.uploads_of(user);
        let rows = inner.store.transact(|tx| async move { tx.range_all(uploads.range()).await }).await?;
        for row in rows {
            let sha256: &String = &uploads.unpack(&row.key)?;
            inner.store.transact(|tx| async move { inner.forget_upload(&tx, user, sha256).await }).await?;
        }
        inner.registry.abandon(user).await
    }

    /// A person has no part in a workspace any more.
    pub async fn forget_member(&self, user: UserId, workspace: WorkspaceId) -> Result<(), PluginsError> {
        let all = self.inner.keys.installs(user, workspace);
        let read = |key: &[u8]| {
            let id: String = all.unpack(key)?;
            Ok((user, workspace, plugin_id(&id)?))
        };
        self.inner.take_all_away(&all, read).await
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

impl Inner {
    async fn take_all_away(
        &self,
        part: &Subspace,
        read: impl Fn(&[u8]) -> Result<Whose, StoreError>,
    ) -> Result<(), PluginsError> {
        loop {
            let range = &part.range().limit(BATCH).snapshot();
            let rows = self.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
            for row in &rows {
                let whose = &read(&row.key)?;
                self.store.transact(|tx| async move { self.take_away(&tx, whose).await }).await?;
                self.forget_memory(whose);
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
    }
}
