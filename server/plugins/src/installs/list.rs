//! The list that a person sees, and updates that need nobody's consent.

use std::sync::Arc;

use coditect_protocol::plugin::{Installed, InstalledList, PackageSource, PluginId, PluginLog, PluginState, Review};
use coditect_protocol::{UserId, WorkspaceId};
use semver::Version;

use super::install::Agreed;
use super::place::{Entry, Place};
use super::review::{Candidate, has_to_ask};
use super::rows::Origin;
use super::values;
use crate::PluginsError;
use crate::plugins::{Inner, Plugins};
use crate::registry::is_allowed;
use crate::time::now_ms;

/// A newer version of what is installed.
enum Update {
    /// It asks for nothing more.
    Silent(Candidate),
    /// Its person has to agree.
    Asks(Box<Review>),
}

impl Plugins {
    /// A person's plugins in a workspace, by name. Newer versions that ask for nothing more are taken first.
    pub async fn list(&self, user: UserId, workspace: WorkspaceId) -> Result<InstalledList, PluginsError> {
        let place = self.place(user, workspace).await?;
        self.list_of(&place).await
    }

    pub(super) async fn list_of(&self, place: &Arc<Place>) -> Result<InstalledList, PluginsError> {
        let mut plugins = Vec::new();
        for (id, entry) in &place.entries().all {
            let update = self.inner.update_of(place, id, entry).await;
            let (entry, update) = match update {
                Some(Update::Silent(candidate)) => (self.take_update(place, id, entry, &candidate).await, None),
                Some(Update::Asks(review)) => (entry.clone(), Some(*review)),
                None => (entry.clone(), None),
            };
            plugins.push(self.inner.show(place, id, &entry, update));
        }
        Ok(InstalledList { plugins })
    }

    /// One of them.
    pub(super) async fn shown(&self, place: &Arc<Place>, id: &PluginId) -> Result<Installed, PluginsError> {
        let entries = place.entries();
        let entry = entries.all.get(id).ok_or_else(|| PluginsError::NotInstalled(id.to_string()))?;
        let update = match self.inner.update_of(place, id, entry).await {
            Some(Update::Asks(review)) => Some(*review),
            _ => None,
        };
        Ok(self.inner.show(place, id, entry, update))
    }

    /// Takes a newer version. Where that cannot be, the one that is there goes on.
    async fn take_update(
        &self,
        place: &Arc<Place>,
        id: &PluginId,
        entry: &Arc<Entry>,
        candidate: &Candidate,
    ) -> Arc<Entry> {
        let inner = &self.inner;
        let agreed = &Agreed { consent: None, grant: None, is_named: false };
        let taken = inner.store.transact(|tx| async move { inner.put_row(&tx, place, candidate, agreed).await });
        match taken.await {
            Ok(row) => {
                tracing::info!(
                    target: "audit", action = "plugins.update", user = %place.user, workspace = %place.workspace,
                    plugin = %id, version = row.version, sha256 = row.sha256
                );
                inner.registry.note_download(id, &row.version);
                inner.supervisor.forgive(&place.whose(id));
                if let Err(error) = inner.load(place).await {
                    tracing::debug!(%error, "plugins of a workspace are read again later");
                }
                inner.prepare(place, id);
                place.entries().all.get(id).unwrap_or(entry).clone()
            }
            Err(error) => {
                tracing::debug!(%error, plugin = %id, "a newer version is taken later");
                entry.clone()
            }
        }
    }

    /// What a plugin said and was denied, on this server.
    pub async fn log(&self, user: UserId, workspace: WorkspaceId, id: &PluginId) -> Result<PluginLog, PluginsError> {
        let place = self.place(user, workspace).await?;
        if !place.entries().all.contains_key(id) {
            return Err(PluginsError::NotInstalled(id.to_string()));
        }
        Ok(self.inner.logs.show(&place.whose(id)))
    }

    /// A picture or theme of a plugin that is installed.
    pub async fn asset(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        id: &PluginId,
        path: &str,
    ) -> Result<bytes::Bytes, PluginsError> {
        let place = self.place(user, workspace).await?;
        let entries = place.entries();
        let entry = entries.all.get(id).ok_or_else(|| PluginsError::NotInstalled(id.to_string()))?;
        crate::registry::asset(&self.inner.packages, &entry.row.sha256, path).await
    }
}

impl Inner {
    /// The version that is offered, where it is newer than the one that is installed from the registry.
    async fn update_of(&self, place: &Place, id: &PluginId, entry: &Entry) -> Option<Update> {
        if entry.row.origin != Origin::Registry || !is_allowed(&*self.registry.policies.known()?, id) {
            return None;
        }
        let installed = Version::parse(&entry.row.version).ok()?;
        let newer = self.registry.catalog.known().newest(id).map(|listed| listed.version.clone())?;
        if newer <= installed {
            return None;
        }
        let source = PackageSource::Registry { id: id.clone(), version: Some(newer.to_string()) };
        let found = async {
            let candidate = self.candidate(place.user, &source).await?;
            if !has_to_ask(&entry.manifest, &candidate.manifest) {
                return Ok(Update::Silent(candidate));
            }
            Ok::<_, PluginsError>(Update::Asks(Box::new(self.review_of(place, &candidate).await?)))
        };
        found.await.inspect_err(|error| tracing::debug!(%error, plugin = %id, "a newer version cannot be read")).ok()
    }

    fn show(&self, place: &Place, id: &PluginId, entry: &Entry, update: Option<Review>) -> Installed {
        let whose = place.whose(id);
        Installed {
            state: self.state_of(&whose, entry),
            granted: entry.row.granted.clone(),
            settings: values::shown(&entry.row),
            update,
            development: entry.row.origin == Origin::Development,
            taken_back: self.registry.catalog.known().is_taken_back(id, &entry.row),
            installed_at: entry.row.installed_at,
            figures: self.supervisor.figures(&whose),
            manifest: entry.manifest.as_ref().clone(),
        }
    }

    fn state_of(&self, whose: &crate::keys::Whose, entry: &Entry) -> PluginState {
        if entry.is_blocked {
            PluginState::Blocked
        } else if !entry.row.enabled {
            PluginState::Disabled
        } else if let Some(reason) = entry.row.failed.clone() {
            PluginState::Failed { reason }
        } else if let Some((rest, reason)) = self.supervisor.rest(whose) {
            PluginState::Resting { until: now_ms().saturating_add(crate::time::millis(rest)), reason }
        } else if self.running.is_preparing(&entry.row.sha256) {
            PluginState::Preparing
        } else if let Some((rest, error)) = self.running.failure(&entry.row.sha256) {
            let until = now_ms().saturating_add(crate::time::millis(rest));
            PluginState::Resting { until, reason: error.to_string() }
        } else {
            PluginState::Ready
        }
    }
}
