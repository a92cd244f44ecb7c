//! All of it together, on one server.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use coditect_protocol::plugin::PluginsOverview;
use coditect_protocol::{Coded as _, Kind};
use coditect_store::{MasterKey, Store};
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::PluginsError;
use crate::installs::Places;
use crate::keys::Keys;
use crate::log::Logs;
use crate::metrics::Metrics;
use crate::news::News;
use crate::packages::Packages;
use crate::registry::Registry;
use crate::running::{Engine, Running};
use crate::settings::PluginSettings;
use crate::storage::WriteRates;
use crate::supervise::Supervisor;
use crate::traits::Surroundings;

/// How often what nobody needs any more is taken from the store.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long what changes is gathered until it is told together.
const TELL_PAUSE: Duration = Duration::from_millis(50);
/// How often places that nobody uses are let go from memory.
const LET_GO_EVERY: Duration = Duration::from_secs(60);

/// Plugins of people: what is published, what is installed, and calls of it. A clone is the same.
#[derive(Clone)]
pub struct Plugins {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) settings: Arc<PluginSettings>,
    pub(crate) master: MasterKey,
    pub(crate) packages: Arc<Packages>,
    pub(crate) registry: Registry,
    pub(crate) running: Running,
    pub(crate) supervisor: Supervisor,
    pub(crate) write_rates: Arc<WriteRates>,
    pub(crate) logs: Logs,
    pub(crate) metrics: Metrics,
    pub(crate) places: Places,
    pub(crate) followers: Arc<Semaphore>,
    pub(crate) surroundings: OnceLock<Arc<dyn Surroundings>>,
}

impl Plugins {
    /// Reads what is published and allowed. A store that is away is no error: nothing can be done until it is there.
    pub async fn open(
        store: Store,
        engine: Engine,
        master: MasterKey,
        settings: PluginSettings,
    ) -> Result<Self, PluginsError> {
        let (settings, keys) = (Arc::new(settings), Keys::new());
        let packages = Arc::new(Packages::new(store.clone(), keys.clone(), settings.packages_at_once));
        let running = Running::new(engine, packages.clone(), settings.loaded_bytes, settings.compiles_at_once);
        let inner = Inner {
            registry: Registry::new(settings.clone(), packages.clone()),
            supervisor: Supervisor::new(),
            write_rates: Arc::new(WriteRates::new()),
            logs: Logs::new(settings.log_bytes),
            metrics: Metrics::default(),
            places: Places::new(settings.places),
            followers: Arc::new(Semaphore::new(settings.followers)),
            surroundings: OnceLock::new(),
            store,
            keys,
            settings,
            master,
            packages,
            running,
        };
        let read = async {
            inner.registry.policies.read().await?;
            inner.registry.catalog.catch_up().await
        };
        match read.await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Timeout) => {
                tracing::warn!(%error, "plugins cannot be read yet; nothing is done with them until they can");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Says what is around plugins. Until then they are called without; what counts is what was said first.
    pub fn set_surroundings(&self, surroundings: Arc<dyn Surroundings>) {
        if self.inner.surroundings.set(surroundings).is_err() {
            tracing::error!("what is around plugins was said before; this is done once on a server");
        }
    }

    /// What is published, and what of it is allowed.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// What happened on this server since its start, as Prometheus reads it (text format 0.0.4).
    #[must_use]
    pub fn metrics(&self) -> String {
        self.inner.metrics.text(self.inner.running.len(), self.inner.places.all().len())
    }

    /// How plugins do on this server.
    pub async fn overview(&self) -> Result<PluginsOverview, PluginsError> {
        let inner = &self.inner;
        inner.registry.catalog.ready().await?;
        let (plugins, versions) = inner.registry.catalog.known().len();
        Ok(PluginsOverview {
            plugins: plugins as u64,
            versions: versions as u64,
            loaded: inner.running.len() as u64,
            private_hosts: inner.running.may_private(),
            mirror_faults: inner.registry.mirror_faults(),
            usage: inner.metrics.usage(),
        })
    }

    /// Follows what other servers change, offers what the mirror directory holds, counts, sweeps and seals secrets anew that a former
    /// master key sealed, until `stop`. Each server runs it once.
    pub async fn run(self, stop: CancellationToken) {
        let inner = &self.inner;
        let look_after = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.tell_all(inner.registry.policies.changes()) => {}
                () = self.tell_of(inner.registry.catalog.news()) => {}
                () = self.tell_of(inner.running.news()) => {}
                () = every(SWEEP_EVERY, || self.sweep()) => {}
                () = every(LET_GO_EVERY, || async { inner.places.let_go(inner.settings.place_idle) }) => {}
            }
        };
        tokio::join!(look_after, inner.registry.run(&stop), inner.reseal(&stop));
    }

    /// Tells all of what is allowed now, and stops at once what may not go on.
    async fn tell_all(&self, mut changes: watch::Receiver<()>) {
        while changes.changed().await.is_ok() {
            let Some(policy) = self.inner.registry.policies.known() else { continue };
            for place in self.inner.places.all() {
                place.apply(&policy, &self.inner.master);
                place.touch();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Lets those who follow a list look again when something changed that they have.
    async fn tell_of(&self, news: &News) {
        loop {
            let changed = news.next().await;
            for place in self.inner.places.all() {
                if place.has(&changed) {
                    place.touch();
                }
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(TELL_PAUSE).await;
        }
    }

    async fn sweep(&self) {
        let swept = async {
            self.inner.sweep_uploads().await?;
            self.inner.packages.sweep().await
        };
        match swept.await {
            Ok(0) => {}
            Ok(packages) => tracing::debug!(packages, "packages that nobody needs were taken away"),
            Err(error) => tracing::warn!(%error, "packages that nobody needs are taken away later"),
        }
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Does something at once, and again and again.
async fn every<F: Future<Output = ()>>(pause: Duration, work: impl Fn() -> F) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work().await;
    }
}
