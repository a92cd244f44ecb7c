//! Plugins that can be called: translated for this machine, loaded once for everybody who has the same package.
//!
//! One task loads a package, and all who want it meanwhile wait for it; it ends with the last who wants it. What was translated before
//! waits for no translation. Whoever holds a loaded plugin keeps it, whatever comes after it.

mod slots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coditect_plugin_host::{Compiled, CompiledCache, Host, HostError, Plugin};
use coditect_plugin_package::Package;
use coditect_protocol::plugin::Manifest;
use coditect_protocol::{Coded as _, UserId};
use tokio::sync::{Semaphore, watch};

pub(crate) use slots::Wish;
use slots::{Awaited, Slots, Started, Wanted};
#[cfg(test)]
pub(crate) use slots::{LOADING_PER_PERSON, TOO_LARGE_REST};

use crate::PluginsError;
use crate::news::News;
use crate::packages::Packages;

/// Translations that are read and made ready at once, each of which takes memory for all of it.
const READ_AT_ONCE: usize = 2;

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

/// All that are loaded. A clone is the same.
#[derive(Clone)]
pub(crate) struct Running(Arc<Inner>);

struct Inner {
    engine: Engine,
    packages: Arc<Packages>,
    slots: Mutex<Slots>,
    reading: Semaphore,
    news: News,
}

impl Running {
    pub(crate) fn new(engine: Engine, packages: Arc<Packages>, room: u64, at_once: usize) -> Self {
        let slots = Mutex::new(Slots::new(room, at_once.max(1)));
        Self(Arc::new(Inner { engine, packages, slots, reading: Semaphore::new(READ_AT_ONCE), news: News::default() }))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is being translated or loaded.
    pub(crate) fn is_preparing(&self, sha256: &str) -> bool {
        self.slots().is_loading(sha256)
    }

    /// Why it could not be loaded, and for how long nobody tries again.
    pub(crate) fn failure(&self, sha256: &str) -> Option<(Duration, PluginsError)> {
        self.slots().failure(sha256)
    }

    /// Whether the server lets plugins reach private networks at all.
    pub(crate) fn may_private(&self) -> bool {
        self.0.engine.host.settings().private_hosts
    }

    /// How many are loaded.
    pub(crate) fn len(&self) -> usize {
        self.slots().loaded.iter().count()
    }

    /// What began or ended to be prepared, by the SHA-256 of packages.
    pub(crate) fn news(&self) -> &News {
        &self.0.news
    }

    /// Loads a package for somebody while they wish it, so that nobody waits for it later.
    pub(crate) fn prepare(&self, user: UserId, sha256: &str, wish: &Wish) {
        if let Err(error) = self.wanted(user, sha256, wish) {
            tracing::debug!(%error, "a plugin is prepared when it is called");
        }
    }

    /// A package, to be called by somebody.
    pub(crate) async fn get(&self, user: UserId, sha256: &str, wish: &Wish) -> Loaded {
        let Awaited { mut done, interest: _interest } = match self.wanted(user, sha256, wish)? {
            Ok(plugin) => return Ok(plugin),
            Err(awaited) => awaited,
        };
        let loaded = done.wait_for(Option::is_some).await.map_err(|_| PluginsError::Busy)?;
        loaded.clone().unwrap_or(Err(PluginsError::Busy))
    }

    /// It is loaded, or on its way.
    fn wanted(&self, user: UserId, sha256: &str, wish: &Wish) -> Result<Result<Plugin, Awaited>, PluginsError> {
        let wanted = self.slots().want(user, sha256, wish)?;
        let Started { number, done, interest, awaited } = match wanted {
            Wanted::Loaded(plugin) => return Ok(Ok(plugin)),
            Wanted::Loading(awaited) => return Ok(Err(awaited)),
            Wanted::New(started) => started,
        };
        let loader = Loader { running: self.clone(), sha256: sha256.to_owned(), number, done, interest };
        tokio::spawn(loader.run());
        self.0.news.tell([sha256.to_owned()]);
        Ok(Err(awaited))
    }
}

#[cfg(test)]
impl Running {
    /// How many wait to be translated.
    pub(crate) fn waiting(&self) -> usize {
        self.slots().waiting()
    }
}

/// Loads one package. However it ends, nobody waits for it any longer.
struct Loader {
    running: Running,
    sha256: String,
    number: u64,
    done: watch::Sender<Option<Loaded>>,
    interest: watch::Sender<()>,
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.running.slots().end(&self.sha256, self.number);
        self.running.0.news.tell([self.sha256.clone()]);
    }
}

impl Loader {
    async fn run(self) {
        let loaded = tokio::select! {
            loaded = self.load() => loaded,
            () = self.unwanted() => {
                tracing::debug!(sha256 = self.sha256, "a plugin that nobody has any more is not loaded");
                return;
            }
        };
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
                        slots.note_failed(&self.sha256, &error);
                    }
                    tracing::warn!(code = error.code(), sha256 = self.sha256, "a plugin cannot be loaded");
                    Err(error)
                }
            }
        };
        self.done.send_replace(Some(result));
    }

    /// Waits until nobody wants it, and takes it off the way: whoever wants it after that has it begun anew.
    async fn unwanted(&self) {
        loop {
            self.interest.closed().await;
            let mut slots = self.running.slots();
            if self.interest.receiver_count() == 0 {
                return slots.end(&self.sha256, self.number);
            }
        }
    }

    /// The plugin, and the bytes of its machine code.
    async fn load(&self) -> Result<(Plugin, u64), PluginsError> {
        let inner = &self.running.0;
        let damaged = || PluginsError::Damaged(self.sha256.clone());
        let nothing =
            || PluginsError::Call(coditect_plugin_host::CallError::NotOffered { what: "anything to call".into() });
        let row = inner.packages.row(&self.sha256).await?.ok_or_else(damaged)?;
        let manifest = inner.packages.manifest(&self.sha256).await?;
        let component = row.component.ok_or_else(nothing)?;
        if let Some(loaded) = self.translated(&component, &manifest).await? {
            return Ok(loaded);
        }
        let turn = self.running.slots().line_up(&self.sha256, self.number);
        turn.await.map_err(|_| PluginsError::Busy)?;
        // Another package with the same component may have been first.
        if let Some(loaded) = self.translated(&component, &manifest).await? {
            return Ok(loaded);
        }
        let compiled = self.translate(component).await?;
        let _reading = inner.reading.acquire().await.map_err(|_| PluginsError::Busy)?;
        let host = inner.engine.host.clone();
        blocking(move || Ok((host.load(manifest, &compiled)?, compiled.bytes().len() as u64))).await
    }

    /// Loads what was translated before.
    async fn translated(
        &self,
        component: &str,
        manifest: &Arc<Manifest>,
    ) -> Result<Option<(Plugin, u64)>, PluginsError> {
        let inner = &self.running.0;
        let _reading = inner.reading.acquire().await.map_err(|_| PluginsError::Busy)?;
        let (cache, host) = (inner.engine.cache.clone(), inner.engine.host.clone());
        let (name, manifest) = (component.to_owned(), manifest.clone());
        let loaded = blocking(move || {
            let Some(compiled) = cache.get(&host, &name) else { return Ok(None) };
            Ok(Some((host.load(manifest, &compiled)?, compiled.bytes().len() as u64)))
        });
        let loaded = loaded.await?;
        let too_large = if loaded.is_none() { self.running.slots().too_large(component) } else { None };
        too_large.map_or(Ok(loaded), |error| Err(error.into()))
    }

    /// Translates a component, and keeps that.
    async fn translate(&self, sha256: String) -> Result<Compiled, PluginsError> {
        let inner = &self.running.0;
        let component = self.component().await?;
        let compiled = inner.engine.compiler.compile(component).await.inspect_err(|error| {
            if matches!(error, HostError::TranslationTooLarge { .. }) {
                self.running.slots().note_too_large(&sha256, error);
            }
        })?;
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
