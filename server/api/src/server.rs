//! Start and stop.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use coditect_auth::{Auth, AuthSettings, Rate, Registration};
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
use crate::settings::{Discover, Settings, UpstreamGiven};
use crate::state::{AppState, Features};
use crate::{descriptors, layers, routes, serving, static_files};

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
    descriptors::raise_limit(settings.max_connections);
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
    let private = [("data", Some(settings.data_dir())), ("store", settings.store_dir())];
    let public = [("web_dir", real(&settings.web_dir)), ("theia_dir", real(&settings.theia_dir))];
    for (name, place) in private.into_iter().filter_map(|(name, place)| Some((name, real(&place?)))) {
        if let Some((served, _)) = public.iter().find(|(_, served)| place.starts_with(served)) {
            let reason = format!("it lies below `{served}`, which everybody may read; choose another directory");
            return Err(ServerError::Setting { name, reason });
        }
    }
    Ok(())
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
            per_person: settings.terminals_per_person,
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

/// What no program in a terminal may see: everybody's data, wherever they are, and the file that may hold keys.
fn hidden_paths(settings: &Settings) -> Vec<PathBuf> {
    let data = settings.data_dir();
    let store = settings.store_dir().filter(|store| !store.starts_with(&data));
    [data].into_iter().chain(store).chain(settings.config_file.clone()).collect()
}

fn sandbox_settings(settings: &Settings) -> Result<SandboxSettings, ServerError> {
    Ok(SandboxSettings {
        mode: settings.sandbox.parse().map_err(|error| at_start::<coditect_workspace::WorkspaceError>(&error))?,
        read_only_paths: settings.sandbox_read_only_path.clone(),
        hidden_paths: hidden_paths(settings),
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
        attempts_per_account: Rate {
            burst: settings.login_account_burst,
            refill: Duration::from_secs(settings.login_account_refill_seconds),
        },
        attempts_per_address: Rate {
            burst: settings.login_address_burst,
            refill: Duration::from_secs(settings.login_address_refill_seconds),
        },
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
    let first_token_timeout = Duration::from_secs(settings.llm_first_token_seconds);
    let idle_timeout = Duration::from_secs(settings.llm_idle_seconds);
    let upstream = |given: &UpstreamGiven| UpstreamSettings {
        first_token_timeout,
        idle_timeout,
        api_key: given.api_key.clone().map(Secret::from),
        headers: given.headers.iter().map(|(name, value)| (name.clone(), Secret::from(value.clone()))).collect(),
        ..UpstreamSettings::new(given.name.clone(), given.base_url.clone())
    };
    LlmSettings {
        upstreams: settings.llm_upstream.iter().map(upstream).collect(),
        discover: discovers(settings),
        first_token_timeout,
        idle_timeout,
        ..LlmSettings::default()
    }
}

/// Whether to ask the default ports of model servers. A terminal has the same network: whoever has one could answer there, and read
/// what others ask. So by itself only where nobody but the person at this machine is meant to reach the server.
fn discovers(settings: &Settings) -> bool {
    match settings.llm_discover {
        Discover::On => true,
        Discover::Off => false,
        Discover::Auto => settings.listen.ip().is_loopback() && settings.allowed_hosts.is_empty(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_looked_for_where_nobody_else_can_pose_as_one() {
        let check = |listen: &str, hosts: &[&str], discover: Discover, expected: bool| {
            let settings = Settings {
                listen: listen.parse().unwrap(),
                allowed_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
                llm_discover: discover,
                ..Settings::default()
            };
            assert_eq!(llm_settings(&settings).discover, expected, "{listen} {hosts:?} {discover:?}");
        };
        check("127.0.0.1:8700", &[], Discover::Auto, true);
        check("[::1]:8700", &[], Discover::Auto, true);
        check("127.0.0.1:8700", &["ide.example.org"], Discover::Auto, false);
        check("0.0.0.0:8700", &[], Discover::Auto, false);
        check("192.168.1.5:8700", &[], Discover::Auto, false);
        check("0.0.0.0:8700", &["ide.example.org"], Discover::On, true);
        check("127.0.0.1:8700", &[], Discover::Off, false);
    }

    #[test]
    fn every_upstream_has_the_timeouts_and_headers_of_the_settings() {
        let mut given = UpstreamGiven::new("u", "http://h/v1");
        given.headers.insert("x-team".to_owned(), "blue".to_owned());
        let settings = Settings {
            llm_first_token_seconds: 7,
            llm_idle_seconds: 3,
            llm_upstream: vec![given],
            ..Settings::default()
        };
        let llm = llm_settings(&settings);
        let (first, idle) = (Duration::from_secs(7), Duration::from_secs(3));
        assert_eq!((llm.first_token_timeout, llm.idle_timeout), (first, idle));
        let upstream = &llm.upstreams[0];
        assert_eq!((upstream.first_token_timeout, upstream.idle_timeout), (first, idle));
        assert_eq!(upstream.headers["x-team"].expose(), "blue");
    }

    #[test]
    fn a_store_elsewhere_is_hidden_and_never_served() {
        let hidden = |store: &str| hidden_paths(&Settings { store: store.to_owned(), ..Settings::default() });
        assert_eq!((hidden("memory:").len(), hidden("").len()), (1, 1));
        assert_eq!(hidden("embedded:///srv/store?cache_mib=8")[1], Path::new("/srv/store"));
        let served = Settings {
            store: "embedded:///srv/web/store".to_owned(),
            web_dir: PathBuf::from("/srv/web"),
            ..Settings::default()
        };
        let error = refuse_public_data(&served).unwrap_err();
        assert!(error.code() == "config.bad_value" && error.to_string().contains("`store`"), "{error}");
    }

    #[test]
    fn the_rates_of_logins_are_those_of_the_settings() {
        let settings = Settings { login_account_burst: 3, login_address_refill_seconds: 9, ..Settings::default() };
        let auth = auth_settings(&settings);
        assert_eq!((auth.attempts_per_account.burst, auth.attempts_per_address.refill.as_secs()), (3, 9));
        let (given, own) = (auth_settings(&Settings::default()), AuthSettings::default());
        assert_eq!(
            (given.attempts_per_account, given.attempts_per_address),
            (own.attempts_per_account, own.attempts_per_address)
        );
    }
}
