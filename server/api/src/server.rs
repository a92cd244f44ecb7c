//! Start and stop.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use coditect_auth::{Auth, AuthSettings, Registration};
use coditect_llm::{LlmSettings, Models, Secret, UpstreamSettings};
use coditect_store::Store;
use coditect_workspace::import::ImportSettings;
use coditect_workspace::registry::{RegistrySettings, Workspaces};
use coditect_workspace::sandbox::{Sandbox, SandboxSettings};
use coditect_workspace::terminals::{TerminalSettings, Terminals};
use coditect_workspace::watch::{WatchSettings, Watchers};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::error::{ServerError, at_start};
use crate::link::Links;
use crate::settings::Settings;
use crate::state::{AppState, Features};
use crate::{layers, routes, serving, static_files};

/// Name of the file below the data directory that holds the first login.
pub const FIRST_LOGIN_FILE: &str = "first-login.json";

/// Sets up the log once for the process.
pub fn init_logging(settings: &Settings) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&settings.log).map_err(|error| format!("the setting `log` cannot be used: {error}"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let done = match settings.log_format.as_str() {
        "text" => subscriber.try_init(),
        "json" => subscriber.json().try_init(),
        other => return Err(format!("the setting `log_format` cannot be `{other}`; it is `text` or `json`")),
    };
    done.map_err(|error| error.to_string())
}

/// Serves until the process is told to stop (`SIGTERM`, `SIGINT`), then drains.
pub async fn serve(settings: Settings) -> Result<(), ServerError> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let server = Server::start(settings, stop).await?;
    server.run().await
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; the server will stop only when it is killed");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}

/// A server that listens, and whose features are open.
pub struct Server {
    listener: TcpListener,
    router: Router,
    state: AppState,
    stop: CancellationToken,
}

impl Server {
    /// Listens and opens every feature. `stop` ends [`Server::run`].
    pub async fn start(settings: Settings, stop: CancellationToken) -> Result<Self, ServerError> {
        let started = Instant::now();
        let listener = listen(settings.listen).await?;
        make_private_dir(&settings.data_dir())?;
        refuse_public_data(&settings)?;
        let state = open_features(settings, started, stop.clone()).await?;
        write_first_login(&state).await?;
        let router = router(&state)?;
        Ok(Self { listener, router, state, stop })
    }

    /// The address it listens on; its port was chosen by the system where 0 was asked for.
    pub fn address(&self) -> Result<SocketAddr, ServerError> {
        self.listener.local_addr().map_err(ServerError::Serve)
    }

    /// The features, for tests.
    #[must_use]
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Serves until `stop` is cancelled, then lets requests under way finish.
    pub async fn run(self) -> Result<(), ServerError> {
        let address = self.address()?;
        tracing::info!(%address, ready_ms = self.state.started.elapsed().as_millis(), store = self.state.store.backend_name(), "ready");
        let reaper = tokio::spawn(crate::link::reap(self.state.clone()));
        let housekeeper = tokio::spawn(housekeeping(self.state.clone()));
        let closing = self.state.closing.clone();
        let serving =
            tokio::spawn(serving::serve(self.listener, self.router, self.state.limits.clone(), closing.clone()));
        self.stop.cancelled().await;
        tracing::info!("draining");
        tokio::time::sleep(Duration::from_secs(self.state.settings.drain_grace_seconds)).await;
        closing.cancel();
        let drain_limit = Duration::from_secs(self.state.settings.drain_timeout_seconds);
        let drained = async {
            let served = serving.await;
            self.state.links.pages_gone().await;
            served
        };
        let outcome = tokio::time::timeout(drain_limit, drained).await;
        reaper.abort();
        housekeeper.abort();
        self.state.terminals.shutdown().await;
        self.state.workspaces.close().await;
        self.state.store.close().await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => return Err(ServerError::Serve(std::io::Error::other(panic))),
            Err(_) => tracing::warn!("requests were still under way after {drain_limit:?} and are cut off"),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Removes what has expired, now and then.
async fn housekeeping(state: AppState) {
    const EVERY: Duration = Duration::from_secs(60 * 60);
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        match state.auth.purge_expired().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "expired logins removed"),
            Err(error) => tracing::warn!(%error, "expired logins could not be removed"),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServerError::AddressInUse { address },
        _ => ServerError::Listen { address, source },
    })
}

/// Everybody's files are below it: nobody else on the machine may look in.
fn make_private_dir(path: &Path) -> Result<(), ServerError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ServerError::Data { path: path.to_owned(), source })
}

/// Whatever lies below the directories of the front and the IDE is served to everybody.
fn refuse_public_data(settings: &Settings) -> Result<(), ServerError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let data = real(&settings.data_dir());
    let public = [("web_dir", &settings.web_dir), ("theia_dir", &settings.theia_dir)];
    match public.into_iter().find(|(_, public)| data.starts_with(real(public))) {
        Some((name, _)) => Err(ServerError::Setting {
            name: "data",
            reason: format!("it lies below `{name}`, which everybody may read; choose another directory"),
        }),
        None => Ok(()),
    }
}

async fn open_features(
    settings: Settings,
    started: Instant,
    draining: CancellationToken,
) -> Result<AppState, ServerError> {
    let store = Store::open(&settings.store_url()).await.map_err(|error| at_start(&error))?;
    let auth = Auth::open(store.clone(), auth_settings(&settings)).await.map_err(|error| at_start(&error))?;
    let workspaces =
        Workspaces::open(store.clone(), workspace_settings(&settings)).await.map_err(|error| at_start(&error))?;
    let models = Models::new(llm_settings(&settings)).map_err(|error| at_start(&error))?;
    let sandbox = Sandbox::detect(sandbox_settings(&settings)?).await.map_err(|error| at_start(&error))?;
    let warnings: Vec<_> = sandbox.warning().into_iter().collect();
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let terminals = Terminals::new(
        TerminalSettings {
            per_workspace: settings.terminals_per_workspace,
            scrollback_bytes: settings.terminal_scrollback_bytes,
            ..TerminalSettings::default()
        },
        sandbox,
    );
    let watchers = Watchers::new(WatchSettings {
        ignore: settings.watch_ignore.clone(),
        max_folders: settings.watch_max_folders,
        ..WatchSettings::default()
    })
    .map_err(|error| at_start(&error))?;
    let links = Links::new(&settings);
    let limits = serving::Limits::new(&settings);
    Ok(AppState::new(Features {
        settings,
        store,
        auth,
        workspaces,
        watchers,
        terminals,
        models,
        links,
        draining,
        closing: CancellationToken::new(),
        limits,
        started,
        warnings,
    }))
}

fn sandbox_settings(settings: &Settings) -> Result<SandboxSettings, ServerError> {
    Ok(SandboxSettings {
        mode: settings.sandbox.parse().map_err(|error| at_start::<coditect_workspace::WorkspaceError>(&error))?,
        read_only_paths: settings.sandbox_read_only_path.clone(),
        hidden_paths: [settings.data_dir()].into_iter().chain(settings.config_file.clone()).collect(),
        ..SandboxSettings::default()
    })
}

fn auth_settings(settings: &Settings) -> AuthSettings {
    const DAY_SECONDS: u64 = 24 * 60 * 60;
    let defaults = AuthSettings::default();
    AuthSettings {
        access_lifetime: Duration::from_secs(settings.access_token_seconds),
        refresh_idle_lifetime: Duration::from_secs(settings.session_idle_days * DAY_SECONDS),
        absolute_lifetime: Duration::from_secs(settings.session_absolute_days * DAY_SECONDS),
        registration: if settings.registration_open { Registration::Open } else { Registration::Closed },
        password_min_chars: settings.password_min_chars,
        hashes_at_once: match settings.password_checks_at_once {
            0 => defaults.hashes_at_once,
            count => count,
        },
        ..defaults
    }
}

fn workspace_settings(settings: &Settings) -> RegistrySettings {
    RegistrySettings {
        max_workspaces_per_person: settings.workspaces_per_person,
        max_imports_per_person: settings.imports_per_person,
        import: ImportSettings {
            import_paths: settings.import_path.clone(),
            allow_http: settings.import_http,
            allow_private_hosts: settings.import_private_hosts,
            clone_timeout: Duration::from_secs(settings.clone_timeout_minutes * 60),
            max_archive_bytes: settings.archive_max_bytes,
            max_unpacked_bytes: settings.archive_max_unpacked_bytes,
            max_entries: settings.archive_max_entries,
            ..ImportSettings::default()
        },
        ..RegistrySettings::new(settings.data_dir())
    }
}

fn llm_settings(settings: &Settings) -> LlmSettings {
    LlmSettings {
        upstreams: settings
            .llm_upstream
            .iter()
            .map(|given| UpstreamSettings {
                first_token_timeout: Duration::from_secs(settings.llm_first_token_seconds),
                idle_timeout: Duration::from_secs(settings.llm_idle_seconds),
                api_key: given.api_key.clone().map(Secret::from),
                ..UpstreamSettings::new(given.name.clone(), given.base_url.clone())
            })
            .collect(),
        discover: settings.llm_discover,
        ..LlmSettings::default()
    }
}

fn router(state: &AppState) -> Result<Router, ServerError> {
    let settings = &state.settings;
    let routes = routes::all(settings).merge(static_files::routes(&settings.web_dir, &settings.theia_dir));
    layers::around(routes.with_state(state.clone()), state)
}

/// Makes the first administrator where the settings ask for one and nobody is there yet.
async fn write_first_login(state: &AppState) -> Result<(), ServerError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if state.settings.first_login.is_empty() {
        return Ok(());
    }
    let made = state.auth.create_first_login(&state.settings.first_login).await.map_err(|error| at_start(&error))?;
    let Some((email, password)) = made else { return Ok(()) };
    let path = state.settings.data_dir().join(FIRST_LOGIN_FILE);
    let text = serde_json::json!({ "email": email, "password": password }).to_string();
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| ServerError::Data { path: path.clone(), source })?;
    tracing::info!(path = %path.display(), "the first administrator was made; the login is in the file");
    Ok(())
}
