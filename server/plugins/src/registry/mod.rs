//! The registry: who publishes, what is published, what of it is allowed here.
//!
//! * `publishers` are names that belong to people, with their keys; `publish` takes packages in; `transparency` is the log of both.
//! * `catalog` is all of it in memory, searched by `search`; `policy` is what the operator allows.
//! * `mirror` offers what lies in a directory; `downloads` counts.

mod author;
mod catalog;
mod downloads;
mod mirror;
mod policy;
mod publish;
mod publishers;
pub(crate) mod rows;
mod search;
mod transparency;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use coditect_plugin_package::README_PATH;
use coditect_protocol::UserId;
use coditect_protocol::plugin::{
    MirrorFault, PluginId, PluginPolicy, RegistryEntry, RegistryLogPage, RegistryPage, RegistryPlugin,
};
use coditect_store::{Range, Store};
use tokio_util::sync::CancellationToken;

use crate::PluginsError;
use crate::keys::Keys;
use crate::packages::Packages;
use crate::settings::{MAX_PAGE, MAX_QUERY_BYTES, PluginSettings};
pub use author::Author;
use catalog::{Catalog, Listed, State};
use downloads::Downloads;
use mirror::Mirror;
use policy::Policies;
pub(crate) use policy::{is_allowed, is_blocked};

/// What packages have below here is shown to people.
const ASSETS: &str = "assets/";

/// What is published, and what of it is allowed. A clone is the same.
#[derive(Clone)]
pub struct Registry {
    store: Store,
    keys: Keys,
    settings: Arc<PluginSettings>,
    packages: Arc<Packages>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) policies: Arc<Policies>,
    downloads: Arc<Downloads>,
    mirror: Arc<Mirror>,
}

impl Registry {
    pub(crate) fn new(settings: Arc<PluginSettings>, packages: Arc<Packages>) -> Self {
        let (store, keys) = (packages.store.clone(), packages.keys.clone());
        Self {
            catalog: Arc::new(Catalog::new(store.clone(), keys.clone())),
            policies: Arc::new(Policies::new(store.clone(), &keys)),
            downloads: Arc::new(Downloads::new(store.clone(), keys.clone())),
            mirror: Arc::new(Mirror::new(settings.mirror.clone())),
            store,
            keys,
            settings,
            packages,
        }
    }

    /// Follows what other servers change, counts downloads and offers what the mirror directory holds, until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.catalog.follow() => {}
            () = self.policies.follow() => {}
            () = self.count_downloads() => {}
            () = self.follow_mirror() => {}
        }
        self.downloads.write_down().await;
    }

    /// Plugins that fit what is searched for: what fits best first, and of those that fit as well the ones that were fetched most. `after`
    /// is the `next` of the page before; at most [`MAX_PAGE`] come at once.
    pub async fn search(&self, query: &str, after: Option<&str>, limit: usize) -> Result<RegistryPage, PluginsError> {
        if query.len() > MAX_QUERY_BYTES {
            return Err(PluginsError::BadQuery);
        }
        self.catalog.ready().await?;
        let policy = self.policies.get().await?;
        let after = after.map(|id| PluginId::parse(id).map_err(|_| PluginsError::BadCursor)).transpose()?;
        let (words, catalog) = (search::words(query), self.catalog.clone());
        let limit = limit.clamp(1, MAX_PAGE);
        // It looks at every plugin there is.
        let found = tokio::task::spawn_blocking(move || {
            let known = catalog.known();
            page(&known, &words, after.as_ref(), limit, &policy)
        });
        found.await.map_err(|_| PluginsError::Busy)?
    }

    /// Everything about a plugin.
    pub async fn show(&self, id: &PluginId) -> Result<RegistryPlugin, PluginsError> {
        self.catalog.ready().await?;
        let policy = self.policies.get().await?;
        let (sha256, versions, downloads) = {
            let known = self.catalog.known();
            let all = known.plugins.get(id).ok_or_else(|| PluginsError::NoPlugin(id.to_string()))?;
            let newest = known.newest(id).or(all.first()).ok_or_else(|| PluginsError::NoPlugin(id.to_string()))?;
            let shown = all.iter().map(|listed| {
                let version = listed.version.to_string();
                listed.row.show(&version, known.is_trusted(id, &listed.row), known.downloads(id, &version))
            });
            (newest.row.sha256.clone(), shown.collect(), known.downloads_of(id))
        };
        let manifest = self.packages.manifest(&sha256).await?;
        let readme = self.packages.part(&sha256, README_PATH).await?;
        let readme = readme.map(|text| String::from_utf8_lossy(&text).into_owned());
        let allowed = is_allowed(&policy, id);
        Ok(RegistryPlugin { manifest: manifest.as_ref().clone(), readme, versions, downloads, allowed })
    }

    /// A version by name, or the newest.
    pub(crate) async fn find(&self, id: &PluginId, version: Option<&str>) -> Result<Listed, PluginsError> {
        self.catalog.ready().await?;
        if let Ok(found) = self.known(id, version) {
            return Ok(found);
        }
        // Another server may just have published it.
        self.catalog.catch_up().await?;
        self.known(id, version)
    }

    fn known(&self, id: &PluginId, version: Option<&str>) -> Result<Listed, PluginsError> {
        let known = self.catalog.known();
        if !known.plugins.contains_key(id) {
            return Err(PluginsError::NoPlugin(id.to_string()));
        }
        let found = match version {
            Some(version) => known.version(id, version),
            None => known.newest(id),
        };
        found.cloned().ok_or_else(|| PluginsError::NoVersion {
            id: id.to_string(),
            version: version
                .map_or_else(|| "that is offered".to_owned(), |version| version.chars().take(100).collect()),
        })
    }

    /// A package, piece by piece. Also one that was taken back: who has it installed on several machines needs it.
    pub async fn download(&self, id: &PluginId, version: Option<&str>) -> Result<Download, PluginsError> {
        let listed = self.find(id, version).await?;
        let version = listed.version.to_string();
        self.note_download(id, &version);
        Ok(Download {
            id: id.clone(),
            version,
            bytes: listed.row.bytes,
            packages: self.packages.clone(),
            pieces: VecDeque::new(),
            rest: Some(self.packages.file_range(&listed.row.sha256)),
            sha256: listed.row.sha256,
        })
    }

    pub(crate) fn note_download(&self, id: &PluginId, version: &str) {
        self.downloads.note(id, version);
    }

    /// A picture or theme that a version shows.
    pub async fn asset(&self, id: &PluginId, version: Option<&str>, path: &str) -> Result<Bytes, PluginsError> {
        let listed = self.find(id, version).await?;
        asset(&self.packages, &listed.row.sha256, path).await
    }

    /// What the operator allows.
    pub async fn policy(&self) -> Result<PluginPolicy, PluginsError> {
        Ok(self.policies.get().await?.as_ref().clone())
    }

    /// Changes what is allowed, on every server. Whoever asks is an admin; the caller made sure of that.
    pub async fn set_policy(&self, user: UserId, policy: PluginPolicy) -> Result<PluginPolicy, PluginsError> {
        let policy = self.policies.put(policy).await?;
        tracing::info!(
            target: "audit", action = "plugins.policy", %user, publish = ?policy.publish, files = policy.files,
            private_hosts = policy.private_hosts, blocked = policy.block.len(),
            allowed = policy.allow.as_ref().map(Vec::len)
        );
        Ok(policy)
    }

    /// Entries of the registry's log from a number on; at most [`crate::MAX_LOG_PAGE`] at once.
    pub async fn log(&self, from: u64, limit: usize) -> Result<RegistryLogPage, PluginsError> {
        transparency::page(&self.store, &self.keys, from, limit).await
    }

    /// Packages of the mirror directory that are not offered, and why.
    #[must_use]
    pub fn mirror_faults(&self) -> Vec<MirrorFault> {
        self.mirror.faults()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// A picture or theme of a package.
pub(crate) async fn asset(packages: &Packages, sha256: &str, path: &str) -> Result<Bytes, PluginsError> {
    let part = if path.starts_with(ASSETS) { packages.part(sha256, path).await? } else { None };
    part.ok_or_else(|| PluginsError::NoAsset(path.chars().take(100).collect()))
}

fn page(
    known: &State,
    words: &[String],
    after: Option<&PluginId>,
    limit: usize,
    policy: &PluginPolicy,
) -> Result<RegistryPage, PluginsError> {
    let found = known.plugins.keys().filter_map(|id| {
        let newest = known.newest(id)?;
        let score = search::score(words, id, &newest.row)?;
        Some((Reverse(score), Reverse(known.downloads_of(id)), id, newest))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    let from = match after {
        Some(after) => 1 + found.iter().position(|(_, _, id, _)| *id == after).ok_or(PluginsError::BadCursor)?,
        None => 0,
    };
    let next = found.get(from + limit).and(found.get(from + limit - 1)).map(|(_, _, id, _)| id.to_string());
    let shown = found.into_iter().skip(from).take(limit);
    let plugins = shown.map(|(_, Reverse(downloads), id, newest)| entry(id, newest, downloads, policy)).collect();
    Ok(RegistryPage { plugins, next })
}

fn entry(id: &PluginId, newest: &Listed, downloads: u64, policy: &PluginPolicy) -> RegistryEntry {
    let row = &newest.row;
    RegistryEntry {
        id: id.clone(),
        title: row.title.clone(),
        description: row.description.clone(),
        keywords: row.keywords.clone(),
        version: newest.version.to_string(),
        contract: row.contract,
        downloads,
        published_at: row.published_at,
        allowed: is_allowed(policy, id),
    }
}

/// A package on its way to somebody.
pub struct Download {
    /// The plugin.
    pub id: PluginId,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of the file.
    pub bytes: u64,
    packages: Arc<Packages>,
    pieces: VecDeque<Bytes>,
    rest: Option<Range>,
}

impl Download {
    /// The next piece of the file, of at most 64 KiB; none at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PluginsError> {
        while self.pieces.is_empty() {
            let Some(from) = self.rest.take() else { return Ok(None) };
            let (pieces, rest) = self.packages.pieces(from).await?;
            self.pieces.extend(pieces);
            self.rest = rest;
        }
        Ok(self.pieces.pop_front())
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}
