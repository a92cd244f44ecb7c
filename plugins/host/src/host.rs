//! The host, and the plugins that it loaded.

use std::sync::{Arc, OnceLock};

use coditect_protocol::plugin::Manifest;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::contract::{self, Adapter};
use crate::engine;
use crate::examine::{self, Examined};
use crate::executor::Executor;
use crate::gate::Gate;
use crate::http::{Http, ThisMachine};
use crate::settings::HostSettings;
use crate::state::State;
use crate::{Compiled, HostError};

/// Runs plugins. Until the first one is loaded it takes next to nothing, and its threads start with the first call.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: Arc<HostSettings>,
    pub(crate) gate: Arc<Gate>,
    fingerprint: String,
    translating: Engine,
    running: OnceLock<Result<Running, HostError>>,
    executor: OnceLock<Result<Executor, HostError>>,
    http: OnceLock<Http>,
}

/// What plugins are loaded into.
struct Running {
    engine: Engine,
    linker: Linker<State>,
}

/// One loaded version of a plugin. It lives on while calls of it are under way.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Loaded>);

pub(crate) struct Loaded {
    pub(crate) host: Arc<Inner>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) instance: InstancePre<State>,
    pub(crate) adapter: Box<dyn Adapter>,
}

impl Host {
    /// A host with these settings.
    pub fn new(settings: HostSettings) -> Result<Self, HostError> {
        let translating = engine::translating(&settings)?;
        Ok(Self(Arc::new(Inner {
            gate: Gate::new(&settings),
            fingerprint: engine::fingerprint(&translating),
            translating,
            running: OnceLock::new(),
            executor: OnceLock::new(),
            http: OnceLock::new(),
            settings: Arc::new(settings),
        })))
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &HostSettings {
        &self.0.settings
    }

    /// Names all that a translation depends on: wasmtime's version, the machine's kind and settings. Hexadecimal SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Looks at a component without translating it: what it imports and exports. What is no component, asks for what plugins do not
    /// have, or is larger than they may be, is refused.
    pub fn examine(component: &[u8]) -> Result<Examined, HostError> {
        examine::examine(component)
    }

    /// Translates a component. That takes seconds for a large one, and memory: a process of its own is the place for what strangers
    /// wrote, and a thread for blocking work for what was written here.
    pub fn compile(&self, component: &[u8]) -> Result<Compiled, HostError> {
        examine::examine(component)?;
        let bytes = self.0.translating.precompile_component(component).map_err(refused)?;
        Ok(Compiled::new(self.fingerprint().to_owned(), bytes))
    }

    /// Loads what was translated, as the manifest describes it. That copies the machine code: for a large plugin it is work of
    /// milliseconds, which a thread for blocking work should do.
    pub fn load(&self, manifest: Arc<Manifest>, compiled: &Compiled) -> Result<Plugin, HostError> {
        if compiled.fingerprint() != self.fingerprint() {
            return Err(HostError::OtherHost);
        }
        let running = self.0.running()?;
        let component = revive(&running.engine, compiled)?;
        let version = contract::version_of(&running.engine, &component, manifest.contract)?;
        let instance = running.linker.instantiate_pre(&component).map_err(refused)?;
        let adapter = (version.adapt)(&instance, &manifest.offers)?;
        Ok(Plugin(Arc::new(Loaded { host: Arc::clone(&self.0), manifest, instance, adapter })))
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Inner {
    fn running(&self) -> Result<&Running, HostError> {
        self.running.get_or_init(|| Running::new(&self.settings)).as_ref().map_err(Clone::clone)
    }

    /// The threads, from the first call on.
    pub(crate) fn executor(&self) -> Result<&Executor, HostError> {
        let engine = &self.running()?.engine;
        let start = || Executor::start(engine, self.settings.worker_threads());
        self.executor.get_or_init(start).as_ref().map_err(Clone::clone)
    }

    /// What plugins' requests are sent with.
    pub(crate) fn http(&self) -> &Http {
        self.http.get_or_init(|| Http::new(Arc::new(ThisMachine)))
    }
}

impl Running {
    fn new(settings: &HostSettings) -> Result<Self, HostError> {
        let engine = engine::running(settings)?;
        let mut linker = Linker::new(&engine);
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| contract::VERSIONS.iter().try_for_each(|version| (version.link)(&mut linker)));
        linked.map_err(|error| HostError::Engine { detail: format!("{error:#}") })?;
        Ok(Self { engine, linker })
    }
}

impl Plugin {
    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let manifest = self.manifest();
        f.debug_struct("Plugin").field("id", &manifest.id).field("version", &manifest.version).finish_non_exhaustive()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "goes to map_err")]
fn refused(error: wasmtime::Error) -> HostError {
    HostError::Refused { detail: crate::calls::one_line(&format!("{error:#}"), MAX_DETAIL_BYTES) }
}

/// Longest detail of an error, in bytes.
const MAX_DETAIL_BYTES: usize = 500;

/// Makes a component of machine code.
#[expect(unsafe_code, reason = "machine code is run as it is; `Compiled` holds only what this host made")]
fn revive(engine: &Engine, compiled: &Compiled) -> Result<Component, HostError> {
    // SAFETY: the bytes are what `Engine::precompile_component` made, unchanged: a `Compiled` is built by `Host::compile` in this process,
    // or by `Seal::open`, which checked their MAC under a key that only this server has. Other settings and versions are refused
    // by wasmtime itself, and before that by the fingerprint.
    unsafe { Component::deserialize(engine, compiled.bytes()) }.map_err(refused)
}
