//! All places that are in memory, and what keeps them up with the store.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use coditect_protocol::plugin::PluginId;
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::{Record as _, StoreError};

use super::place::Place;
use super::rows::InstallRow;
use crate::PluginsError;
use crate::follow::follow;
use crate::keys::plugin_id;
use crate::lru::Lru;
use crate::plugins::{Inner, Plugins};

/// All that are in memory.
pub(crate) struct Places(Mutex<Lru<(UserId, WorkspaceId), Arc<Place>>>);

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(Lru::new(most as u64)))
    }

    fn get(&self, user: UserId, workspace: WorkspaceId) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&(user, workspace)) {
            return place.clone();
        }
        let place = Arc::new(Place::new(user, workspace));
        places.insert((user, workspace), place.clone(), 1);
        place
    }

    pub(crate) fn all(&self) -> Vec<Arc<Place>> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().map(|(_, place)| place.clone()).collect()
    }

    /// Lets go of those that nobody used for so long, and nobody uses now.
    pub(crate) fn let_go(&self, idle: Duration) {
        let is_used = |place: &Arc<Place>| Arc::strong_count(place) > 1 || place.last_used().elapsed() < idle;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, place| is_used(place));
    }
}

impl Plugins {
    /// A person's plugins in a workspace, as they are now.
    pub(crate) async fn place(&self, user: UserId, workspace: WorkspaceId) -> Result<Arc<Place>, PluginsError> {
        let place = self.inner.places.get(user, workspace);
        place.use_now();
        let begin = || async {
            self.inner.registry.policies.get().await?;
            self.inner.load(&place).await?;
            self.keep_up(&place);
            Ok::<_, PluginsError>(())
        };
        place.ready.get_or_try_init(begin).await?;
        Ok(place)
    }

    /// Follows a place until nobody has it any more.
    fn keep_up(&self, place: &Arc<Place>) {
        let (inner, store) = (Arc::downgrade(&self.inner), self.inner.store.clone());
        let key = self.inner.keys.changed(place.user, place.workspace);
        let (place, gone) = (Arc::downgrade(place), place.gone.clone());
        tokio::spawn(gone.run_until_cancelled_owned(async move {
            follow(&store, &key, "plugins of a workspace", || reload(inner.clone(), place.clone())).await;
        }));
    }
}

async fn reload(inner: Weak<Inner>, place: Weak<Place>) -> Result<(), StoreError> {
    let (Some(inner), Some(place)) = (inner.upgrade(), place.upgrade()) else {
        // Whoever waits for it is told to end by `gone`; a server that stops ends it with its runtime.
        return std::future::pending().await;
    };
    match inner.load(&place).await {
        Err(PluginsError::Store(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "plugins of a workspace cannot be read");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

impl Inner {
    /// Reads a place from the store.
    pub(crate) async fn load(&self, place: &Place) -> Result<(), PluginsError> {
        let (version, rows) = self.read_rows(place).await?;
        let mut known = Vec::with_capacity(rows.len());
        for (id, row) in rows {
            match self.packages.manifest(&row.sha256).await {
                Ok(manifest) => known.push((id, row, manifest)),
                Err(PluginsError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(%error, plugin = %id, "an installed plugin cannot be read"),
            }
        }
        let policy = self.registry.policies.get().await?;
        place.put(version, known, &policy, &self.master);
        Ok(())
    }

    async fn read_rows(&self, place: &Place) -> Result<(u64, Vec<(PluginId, InstallRow)>), StoreError> {
        let installs = self.keys.installs(place.user, place.workspace);
        let range = &installs.range().snapshot();
        let (version, rows) = self
            .store
            .transact(|tx| async move {
                Ok::<_, StoreError>((tx.read_version().await?, tx.range_all(range.clone()).await?))
            })
            .await?;
        let read = rows.iter().map(|row| {
            let id: String = installs.unpack(&row.key)?;
            Ok((plugin_id(&id)?, InstallRow::decode(&row.value)?))
        });
        Ok((version, read.collect::<Result<_, StoreError>>()?))
    }
}
