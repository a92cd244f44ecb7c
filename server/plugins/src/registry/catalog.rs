//! All that is published, in the memory of every server, without packages and manifests.
//!
//! What changes stands in the registry's log: each server watches its end, and reads again what the new entries name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use coditect_protocol::plugin::PluginId;
use coditect_store::{Record as _, Store, StoreError, Subspace};
use semver::Version;
use tokio::sync::Mutex;

use super::rows::{LogRow, PublisherRow, VersionRow};
use super::transparency::head;
use crate::PluginsError;
use crate::follow::follow;
use crate::installs::rows::InstallRow;
use crate::keys::{Keys, number, plugin_id};
use crate::news::News;

/// Entries of the log that are read one by one; where there are more, all is read anew.
const CATCH_UP_MAX: u64 = 500;

/// A version that was published.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) version: Version,
    pub(crate) row: VersionRow,
}

/// What is published.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Length of the log up to which it is known; none before it was read.
    seen: Option<u64>,
    /// Versions of each plugin, the newest first.
    pub(crate) plugins: BTreeMap<PluginId, Vec<Listed>>,
    pub(crate) publishers: BTreeMap<String, PublisherRow>,
    downloads: HashMap<PluginId, HashMap<String, u64>>,
    versions: usize,
}

impl State {
    /// Whether the key that signed a version counts still.
    pub(crate) fn is_trusted(&self, id: &PluginId, row: &VersionRow) -> bool {
        self.publishers.get(id.publisher()).is_some_and(|publisher| publisher.trusts(&row.key))
    }

    /// The version that is offered: the newest that was not taken back, and none before its time where there is another.
    pub(crate) fn newest(&self, id: &PluginId) -> Option<&Listed> {
        let is_offered = |listed: &&Listed| !listed.row.yanked && self.is_trusted(id, &listed.row);
        let mut offered = self.plugins.get(id)?.iter().filter(is_offered).peekable();
        let first = offered.peek().copied();
        offered.find(|listed| listed.version.pre.is_empty()).or(first)
    }

    pub(crate) fn version(&self, id: &PluginId, version: &str) -> Option<&Listed> {
        let version = Version::parse(version).ok()?;
        self.plugins.get(id)?.iter().find(|listed| listed.version == version)
    }

    /// Whether what somebody has is offered no longer: its version was taken back, or the key that signed it was revoked.
    pub(crate) fn is_taken_back(&self, id: &PluginId, row: &InstallRow) -> bool {
        let is_yanked = |listed: &Listed| listed.row.yanked && listed.row.sha256 == row.sha256;
        let is_revoked = |signer: &String| self.publishers.get(id.publisher()).is_some_and(|of| of.revoked(signer));
        self.version(id, &row.version).is_some_and(is_yanked) || row.signer.as_ref().is_some_and(is_revoked)
    }

    pub(crate) fn downloads(&self, id: &PluginId, version: &str) -> u64 {
        self.downloads.get(id).and_then(|versions| versions.get(version)).copied().unwrap_or_default()
    }

    pub(crate) fn downloads_of(&self, id: &PluginId) -> u64 {
        self.downloads.get(id).map_or(0, |versions| versions.values().sum())
    }

    pub(crate) fn len(&self) -> (usize, usize) {
        (self.plugins.len(), self.versions)
    }

    fn put_plugin(&mut self, id: PluginId, mut versions: Vec<Listed>) {
        versions.sort_by(|a, b| b.version.cmp(&a.version));
        self.versions += versions.len();
        let former = if versions.is_empty() { self.plugins.remove(&id) } else { self.plugins.insert(id, versions) };
        self.versions -= former.map_or(0, |versions| versions.len());
    }
}

/// What the log names.
#[derive(Default)]
struct Named {
    publishers: BTreeSet<String>,
    plugins: BTreeSet<PluginId>,
}

/// What is published, kept up with.
pub(crate) struct Catalog {
    store: Store,
    keys: Keys,
    state: RwLock<State>,
    reading: Mutex<()>,
    news: News,
}

impl Catalog {
    pub(crate) fn new(store: Store, keys: Keys) -> Self {
        Self { store, keys, state: RwLock::default(), reading: Mutex::new(()), news: News::default() }
    }

    /// What is known. It is not held over anything that waits.
    pub(crate) fn known(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changed, by the names of plugins, and by that of the publisher where it is about all of theirs.
    pub(crate) fn news(&self) -> &News {
        &self.news
    }

    /// Reads it, where nothing is known yet.
    pub(crate) async fn ready(&self) -> Result<(), PluginsError> {
        if self.known().seen.is_none() {
            self.catch_up().await?;
        }
        Ok(())
    }

    /// Follows what any server changes, until it is dropped.
    pub(crate) async fn follow(&self) {
        follow(&self.store, &self.keys.log_head(), "the registry of plugins", || self.catch_up()).await;
    }

    /// Reads what changed since it was read last.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let _alone = self.reading.lock().await;
        let length = self.store.transact(|tx| async move { head(&tx, &self.keys).await }).await?.length;
        let seen = self.known().seen;
        match seen {
            Some(seen) if seen == length => return Ok(()),
            Some(seen) if seen < length && length - seen <= CATCH_UP_MAX => self.read_new(seen, length).await?,
            // Nothing is known, too much is new, or the store was put back to what it was.
            _ => {
                self.read_all(length).await?;
                self.news.tell_all();
            }
        }
        Ok(())
    }

    async fn read_new(&self, from: u64, to: u64) -> Result<(), StoreError> {
        let mut range = self.keys.log().range().snapshot();
        range.begin = self.keys.log().pack(&from).into();
        range.end = self.keys.log().pack(&to).into();
        let range = &range;
        let rows = self.store.transact(|tx| async move { tx.range_all(range.clone()).await }).await?;
        let (mut named, mut news) = (Named::default(), Vec::new());
        for row in rows {
            let LogRow(entry) = LogRow::decode(&row.value)?;
            if let Some(plugin) = &entry.plugin {
                named.plugins.insert(plugin_id(&format!("{}.{plugin}", entry.publisher))?);
            } else {
                news.push(entry.publisher.clone());
            }
            named.publishers.insert(entry.publisher);
        }
        news.extend(named.plugins.iter().map(ToString::to_string));
        for name in named.publishers {
            let key = &self.keys.publisher(&name);
            let row = self.store.transact(|tx| async move { tx.get_record::<PublisherRow>(key).await }).await?;
            let publishers = &mut self.change().publishers;
            match row {
                Some(row) => publishers.insert(name, row),
                None => publishers.remove(&name),
            };
        }
        for id in named.plugins {
            let range = &self.keys.versions_of(&id).range().snapshot();
            let rows = self.store.transact(|tx| async move { tx.range_all(range.clone()).await }).await?;
            let versions = rows.iter().map(|row| {
                let version: String = self.keys.versions_of(&id).unpack(&row.key)?;
                listed(&version, &row.value)
            });
            let versions = versions.collect::<Result<_, StoreError>>()?;
            self.change().put_plugin(id, versions);
        }
        self.change().seen = Some(to);
        self.news.tell(news);
        Ok(())
    }

    async fn read_all(&self, length: u64) -> Result<(), StoreError> {
        let mut state = State { seen: Some(length), ..State::default() };
        let publishers = self.keys.publishers();
        self.each(&publishers, |key, value| {
            state.publishers.insert(publishers.unpack(key)?, PublisherRow::decode(value)?);
            Ok(())
        })
        .await?;
        let mut plugins: BTreeMap<PluginId, Vec<Listed>> = BTreeMap::new();
        let versions = self.keys.versions();
        self.each(&versions, |key, value| {
            let (id, version): (String, String) = versions.unpack(key)?;
            plugins.entry(plugin_id(&id)?).or_default().push(listed(&version, value)?);
            Ok(())
        })
        .await?;
        plugins.into_iter().for_each(|(id, versions)| state.put_plugin(id, versions));
        state.downloads = self.all_downloads().await?;
        *self.change() = state;
        Ok(())
    }

    /// Reads how often everything was fetched.
    pub(crate) async fn read_downloads(&self) -> Result<(), StoreError> {
        let downloads = self.all_downloads().await?;
        self.change().downloads = downloads;
        Ok(())
    }

    async fn all_downloads(&self) -> Result<HashMap<PluginId, HashMap<String, u64>>, StoreError> {
        let mut all: HashMap<PluginId, HashMap<String, u64>> = HashMap::new();
        let downloads = self.keys.downloads();
        self.each(&downloads, |key, value| {
            let (id, version): (String, String) = downloads.unpack(key)?;
            all.entry(plugin_id(&id)?).or_default().insert(version, number(Some(value))?);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Reads all rows below a part, as many at a time as one read answers.
    async fn each(
        &self,
        part: &Subspace,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        let mut range = part.range().snapshot();
        loop {
            let from = &range;
            let rows = self.store.transact(|tx| async move { tx.range(from.clone()).await }).await?;
            rows.iter().try_for_each(|row| take(&row.key, &row.value))?;
            match rows.last() {
                Some(last) if rows.more => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}

fn listed(version: &str, row: &[u8]) -> Result<Listed, StoreError> {
    let corrupt = |error: semver::Error| StoreError::KeyCorrupt { detail: error.to_string() };
    Ok(Listed { version: Version::parse(version).map_err(corrupt)?, row: VersionRow::decode(row)? })
}
