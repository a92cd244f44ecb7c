//! Changing what is installed: on and off, what it is granted, what is set; and taking it away.

use std::sync::Arc;

use coditect_protocol::plugin::{Installed, Manifest, PluginId, SettingsChange};
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{StoreError, Transaction};

use super::place::Place;
use super::rows::InstallRow;
use super::values;
use crate::PluginsError;
use crate::follow::note_changed;
use crate::keys::{Holder, Whose};
use crate::plugins::{Inner, Plugins};

/// How often a change is tried where the plugin is replaced at the same time.
const ATTEMPTS: usize = 3;

impl Plugins {
    /// Changes a plugin of a person. Calls under way feel it at once.
    pub async fn change(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        id: &PluginId,
        change: &SettingsChange,
    ) -> Result<Installed, PluginsError> {
        let place = self.place(user, workspace).await?;
        let mut attempts = 0;
        while let Err(error) = self.try_change(&place, id, change).await {
            attempts += 1;
            if attempts == ATTEMPTS || !matches!(error, PluginsError::Busy) {
                return Err(error);
            }
            self.inner.load(&place).await?;
        }
        if change.enabled == Some(true) {
            self.inner.supervisor.forgive(&place.whose(id));
        }
        tracing::info!(
            target: "audit", action = "plugins.change", %user, %workspace, plugin = %id, enabled = change.enabled,
            granted = ?change.granted, settings = ?change.settings.keys().collect::<Vec<_>>()
        );
        self.inner.load(&place).await?;
        place.touch();
        self.shown(&place, id).await
    }

    async fn try_change(&self, place: &Arc<Place>, id: &PluginId, change: &SettingsChange) -> Result<(), PluginsError> {
        let inner = &self.inner;
        let entries = place.entries();
        let entry = entries.all.get(id).ok_or_else(|| PluginsError::NotInstalled(id.to_string()))?;
        let (whose, manifest, sha256) = (&place.whose(id), &entry.manifest, &entry.row.sha256);
        inner
            .store
            .transact(|tx| async move {
                let mut row = inner.row_of(&tx, whose).await?;
                if row.sha256 != *sha256 {
                    return Err(PluginsError::Busy);
                }
                inner.apply_change(&mut row, manifest, whose, change)?;
                tx.set_record(inner.keys.install(whose), &row)?;
                Ok(note_changed(&tx, &inner.keys.changed(whose.0, whose.1))?)
            })
            .await
    }

    /// Takes a plugin away, with all that it kept and was granted.
    pub async fn uninstall(&self, user: UserId, workspace: WorkspaceId, id: &PluginId) -> Result<(), PluginsError> {
        let (inner, place) = (&self.inner, self.place(user, workspace).await?);
        let whose = &place.whose(id);
        let is_known = place.entries().all.contains_key(id);
        let was_there = inner.store.transact(|tx| async move { inner.take_away(&tx, whose).await }).await?;
        // After a commit of unknown result it is gone already: what was here says that it was there.
        if !was_there && !is_known {
            return Err(PluginsError::NotInstalled(id.to_string()));
        }
        tracing::info!(target: "audit", action = "plugins.uninstall", %user, %workspace, plugin = %id);
        inner.forget_memory(whose);
        inner.load(&place).await
    }
}

impl Inner {
    pub(super) async fn row_of(&self, tx: &Transaction, whose: &Whose) -> Result<InstallRow, PluginsError> {
        let row = tx.get_record(self.keys.install(whose)).await?;
        row.ok_or_else(|| PluginsError::NotInstalled(whose.2.to_string()))
    }

    fn apply_change(
        &self,
        row: &mut InstallRow,
        manifest: &Manifest,
        whose: &Whose,
        change: &SettingsChange,
    ) -> Result<(), PluginsError> {
        if let Some(enabled) = change.enabled {
            row.enabled = enabled;
            row.failed = row.failed.take().filter(|_| !enabled);
        }
        if let Some(granted) = &change.granted {
            let asked: Vec<_> = manifest.capabilities.iter().map(|asked| asked.capability.name()).collect();
            if let Some(name) = granted.iter().find(|name| !asked.contains(name)) {
                return Err(PluginsError::NotAsked(name.to_string()));
            }
            row.granted = asked.into_iter().filter(|name| granted.contains(name)).collect();
        }
        values::set(row, manifest, whose, &self.master, &change.settings)
    }

    /// Takes all away that is stored of a plugin of a person; whether there was any.
    pub(super) async fn take_away(&self, tx: &Transaction, whose: &Whose) -> Result<bool, StoreError> {
        let (user, workspace, id) = whose;
        let key = self.keys.install(whose);
        let Some(row) = tx.get_record::<InstallRow>(&key).await? else { return Ok(false) };
        let holder = Holder::Install(*user, *workspace, id.clone());
        tx.clear(&key)?;
        tx.clear(self.keys.file(*user, &row.sha256, &holder))?;
        self.packages.release(tx, &row.sha256, &holder)?;
        tx.clear_range(&self.keys.values(whose).range())?;
        tx.clear(self.keys.used(whose))?;
        if tx.range(self.keys.installs(*user, *workspace).range().limit(1)).await?.is_empty() {
            tx.clear(self.keys.members(*workspace).pack(&user.0))?;
        }
        note_changed(tx, &self.keys.changed(*user, *workspace))?;
        Ok(true)
    }

    /// Writes down that a plugin failed too often: it is not called until its person switches it on.
    pub(crate) async fn mark_failed(&self, whose: &Whose, sha256: &str, reason: &str) -> Result<(), PluginsError> {
        self.store
            .transact(|tx| async move {
                let mut row = self.row_of(&tx, whose).await?;
                // Another version, or switched off and on meanwhile: it begins anew.
                if row.sha256 == sha256 && row.enabled {
                    row.failed = Some(reason.to_owned());
                    tx.set_record(self.keys.install(whose), &row)?;
                    note_changed(&tx, &self.keys.changed(whose.0, whose.1))?;
                }
                Ok(())
            })
            .await
    }

    /// Forgets what is in memory of a plugin of a person.
    pub(super) fn forget_memory(&self, whose: &Whose) {
        self.logs.forget(whose);
        self.supervisor.forget(whose);
    }
}
