//! All places that are in memory, and what keeps them up with the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
pub(crate) struct Places(Mutex<Known>);

type Key = (UserId, WorkspaceId);

struct Known {
    /// Those used last, whether anybody uses them now or not.
    kept: Lru<Key, Arc<Place>>,
    /// All that anybody has: there is never a second one of the same, and whoever is to hear of something hears of it.
    living: HashMap<Key, Weak<Place>>,
    /// Once there are so many, those that nobody has any more are taken out.
    tidy_at: usize,
}

/// Fewer than so many are not worth looking for those that nobody has any more.
const TIDY_LEAST: usize = 64;

impl Known {
    fn get(&mut self, user: UserId, workspace: WorkspaceId) -> Arc<Place> {
        let key = (user, workspace);
        if let Some(place) = self.kept.get(&key) {
            return place.clone();
        }
        let place = self.living.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let place = Arc::new(Place::new(user, workspace));
            self.living.insert(key, Arc::downgrade(&place));
            place
        });
        self.kept.insert(key, place.clone(), 1);
        if self.living.len() >= self.tidy_at {
            self.living.retain(|_, place| place.strong_count() > 0);
            self.tidy_at = (2 * self.living.len()).max(TIDY_LEAST);
        }
        place
    }
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(Known { kept: Lru::new(most as u64), living: HashMap::new(), tidy_at: TIDY_LEAST }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, user: UserId, workspace: WorkspaceId) -> Arc<Place> {
        self.known().get(user, workspace)
    }

    /// All that anybody has, also those for which there is no room any more.
    pub(crate) fn all(&self) -> Vec<Arc<Place>> {
        self.known().living.values().filter_map(Weak::upgrade).collect()
    }

    /// Lets go of those that nobody used for so long, and nobody uses now.
    pub(crate) fn let_go(&self, idle: Duration) {
        let is_used = |place: &Arc<Place>| Arc::strong_count(place) > 1 || place.last_used().elapsed() < idle;
        self.known().kept.retain(|_, place| is_used(place));
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
    /// Loads what a person has of a plugin, so that nobody waits for it later.
    pub(crate) fn prepare(&self, place: &Place, id: &PluginId) {
        let entries = place.entries();
        // What has only themes has nothing to run.
        if let Some(entry) = entries.all.get(id).filter(|entry| !entry.manifest.offers.are_themes()) {
            self.running.prepare(place.user, &entry.row.sha256, &entry.wish);
        }
    }

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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn place(places: &Places, n: u128) -> Arc<Place> {
        places.get(UserId(Uuid::from_u128(n)), WorkspaceId(Uuid::nil()))
    }

    #[test]
    fn what_is_used_is_reached_however_many_there_are() {
        let places = Places::new(2);
        let used = place(&places, 1);
        for n in 2..1_000 {
            place(&places, n);
        }
        assert!(Arc::ptr_eq(&used, &place(&places, 1)), "there is no second one");
        place(&places, 1_000);
        place(&places, 1_001);
        let all = places.all();
        assert!(all.iter().any(|place| Arc::ptr_eq(place, &used)), "it has no room, and is used");
        assert_eq!(all.len(), 3, "the others are those used last");
        let known = places.known();
        assert!(known.living.len() <= TIDY_LEAST, "{} are remembered", known.living.len());
    }
}
