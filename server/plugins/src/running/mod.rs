//! Plugins that can be called: translated for this machine, loaded once for everybody who has the same package.
//!
//! One task loads a package, and all who want it meanwhile wait for it. Whoever holds a loaded plugin keeps it, whatever comes after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::{Compiled, CompiledCache, Host, HostError, Plugin};
use coditect_plugin_package::Package;
use coditect_protocol::Coded as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::PluginsError;
use crate::lru::Lru;
use crate::packages::{PackageRow, Packages};

/// Packages that are loaded, or wait for it, at once.
const LOADING_MAX: usize = 256;
/// A package that could not be loaded is not tried again within this time.
const FAILED_REST: Duration = Duration::from_secs(60);
/// Such packages that are remembered.
const FAILED_MAX: u64 = 1_000;

/// Translates components. It takes seconds and much memory, and what it reads is hostile: a process of its own is the place for it.
#[async_trait]
pub trait Compiler: Send + Sync {
    /// Translates a component for [`Host`]s like the one here. It is asked for so many at once as
    /// [`crate::PluginSettings::compiles_at_once`] says, and what it answers is kept in the cache.
    async fn compile(&self, component: Bytes) -> Result<Compiled, HostError>;
}

/// What runs plugins.
#[derive(Clone)]
pub struct Engine {
    /// The host.
    pub host: Host,
    /// Where translated components are kept.
    pub cache: CompiledCache,
    /// Who translates them.
    pub compiler: Arc<dyn Compiler>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

type Loaded = Result<Plugin, PluginsError>;

struct Slots {
    loaded: Lru<String, Plugin>,
    loading: HashMap<String, watch::Receiver<Option<Loaded>>>,
    failed: Lru<String, (Instant, PluginsError)>,
}

/// All that are loaded. A clone is the same.
#[derive(Clone)]
pub(crate) struct Running(Arc<Inner>);

struct Inner {
    engine: Engine,
    packages: Arc<Packages>,
    slots: Mutex<Slots>,
    compiling: Semaphore,
    changes: watch::Sender<()>,
}

impl Running {
    pub(crate) fn new(engine: Engine, packages: Arc<Packages>, room: u64, at_once: usize) -> Self {
        let slots = Mutex::new(Slots { loaded: Lru::new(room), loading: HashMap::new(), failed: Lru::new(FAILED_MAX) });
        let (compiling, changes) = (Semaphore::new(at_once.max(1)), watch::Sender::new(()));
        Self(Arc::new(Inner { engine, packages, slots, compiling, changes }))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is being translated or loaded.
    pub(crate) fn is_preparing(&self, sha256: &str) -> bool {
        self.slots().loading.contains_key(sha256)
    }

    /// How many are loaded.
    pub(crate) fn len(&self) -> usize {
        self.slots().loaded.iter().count()
    }

    /// Something began or ended to be prepared.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Loads a package, so that nobody waits for it later.
    pub(crate) fn prepare(&self, sha256: &str) {
        if let Err(error) = self.wanted(sha256) {
            tracing::debug!(%error, "a plugin is prepared when it is called");
        }
    }

    /// A package, to be called.
    pub(crate) async fn get(&self, sha256: &str) -> Loaded {
        let mut loading = match self.wanted(sha256)? {
            Wanted::Loaded(plugin) => return Ok(plugin),
            Wanted::Loading(loading) => loading,
        };
        let loaded = loading.wait_for(Option::is_some).await.map_err(|_| PluginsError::Busy)?;
        loaded.clone().unwrap_or(Err(PluginsError::Busy))
    }

    fn wanted(&self, sha256: &str) -> Result<Wanted, PluginsError> {
        let mut slots = self.slots();
        if let Some(plugin) = slots.loaded.get(sha256) {
            return Ok(Wanted::Loaded(plugin.clone()));
        }
        if let Some(loading) = slots.loading.get(sha256) {
            return Ok(Wanted::Loading(loading.clone()));
        }
        if let Some((at, error)) = slots.failed.get(sha256)
            && at.elapsed() < FAILED_REST
        {
            return Err(error.clone());
        }
        if slots.loading.len() >= LOADING_MAX {
            return Err(PluginsError::Busy);
        }
        let (done, loading) = watch::channel(None);
        slots.loading.insert(sha256.to_owned(), loading.clone());
        drop(slots);
        let loader = Loader { running: self.clone(), sha256: sha256.to_owned(), done };
        tokio::spawn(loader.run());
        self.0.changes.send_replace(());
        Ok(Wanted::Loading(loading))
    }
}

/// A package that somebody wants.
enum Wanted {
    Loaded(Plugin),
    Loading(watch::Receiver<Option<Loaded>>),
}

/// Loads one package. However it ends, nobody waits for it any longer.
struct Loader {
    running: Running,
    sha256: String,
    done: watch::Sender<Option<Loaded>>,
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.running.slots().loading.remove(&self.sha256);
        self.running.0.changes.send_replace(());
    }
}

impl Loader {
    async fn run(self) {
        let loaded = self.load().await;
        let result = {
            let mut slots = self.running.slots();
            match loaded {
                Ok((plugin, bytes)) => {
                    slots.loaded.insert(self.sha256.clone(), plugin.clone(), bytes);
                    Ok(plugin)
                }
                Err(error) => {
                    // What lies at the store or at this server is not the package's fault.
                    if !error.is_inside() && !matches!(error, PluginsError::Store(_) | PluginsError::Busy) {
                        slots.failed.insert(self.sha256.clone(), (Instant::now(), error.clone()), 1);
                    }
                    tracing::warn!(%error, sha256 = self.sha256, "a plugin cannot be loaded");
                    Err(error)
                }
            }
        };
        self.done.send_replace(Some(result));
    }

    /// The plugin, and the bytes of its machine code.
    async fn load(&self) -> Result<(Plugin, u64), PluginsError> {
        let inner = &self.running.0;
        let damaged = || PluginsError::Damaged(self.sha256.clone());
        let row = inner.packages.row(&self.sha256).await?.ok_or_else(damaged)?;
        let manifest = inner.packages.manifest(&self.sha256).await?;
        let compiled = self.compiled(&row).await?;
        let (host, bytes) = (inner.engine.host.clone(), compiled.bytes().len() as u64);
        let plugin = blocking(move || Ok(host.load(manifest, &compiled)?)).await?;
        Ok((plugin, bytes))
    }

    async fn compiled(&self, row: &PackageRow) -> Result<Compiled, PluginsError> {
        let inner = &self.running.0;
        let nothing =
            || PluginsError::Call(coditect_plugin_host::CallError::NotOffered { what: "anything to call".into() });
        let sha256 = row.component.clone().ok_or_else(nothing)?;
        let _turn = inner.compiling.acquire().await.map_err(|_| PluginsError::Busy)?;
        let (cache, host, name) = (inner.engine.cache.clone(), inner.engine.host.clone(), sha256.clone());
        if let Some(compiled) = blocking(move || Ok(cache.get(&host, &name))).await? {
            return Ok(compiled);
        }
        let component = self.component().await?;
        let compiled = inner.engine.compiler.compile(component).await?;
        let (cache, kept) = (inner.engine.cache.clone(), compiled.clone());
        blocking(move || {
            if let Err(error) = cache.put(&sha256, &kept) {
                tracing::warn!(%error, "a translated plugin cannot be kept");
            }
            Ok(())
        })
        .await?;
        Ok(compiled)
    }

    async fn component(&self) -> Result<Bytes, PluginsError> {
        let packages = &self.running.0.packages;
        let _place = packages.place().await?;
        let file = packages.file(&self.sha256).await?;
        let damaged = PluginsError::Damaged(self.sha256.clone());
        blocking(move || {
            let package = Package::read(&file)?;
            package.component().map(Bytes::copy_from_slice).ok_or(damaged)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginsError> + Send + 'static,
) -> Result<T, PluginsError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| PluginsError::Busy)?
}
