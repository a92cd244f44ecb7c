//! Start and stop.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coditect_protocol::Kind;
use coditect_store::{BackupSchedule, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::denials::Denials;
use crate::error::ServerError;
use crate::features::{self, Opening};
pub use crate::features::{FIRST_LOGIN_FILE, StoreSource};
use crate::settings::Settings;
use crate::standby::Switch;
use crate::state::AppState;
use crate::{descriptors, programs, serving};

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

/// A server that listens. Its features are open, or opened as soon as the store can be reached.
pub struct Server {
    listener: TcpListener,
    switch: Switch,
    /// What is still to be opened.
    opening: Option<Opening>,
    settings: Arc<Settings>,
    started: Instant,
    closing: CancellationToken,
    limits: serving::Limits,
    denials: Denials,
    stop: CancellationToken,
}

impl Server {
    /// Listens and opens every feature. `stop` ends [`Server::run`].
    pub async fn start(settings: Settings, stop: CancellationToken) -> Result<Self, ServerError> {
        let source = StoreSource::url(settings.store_url());
        Self::start_with(settings, source, stop).await
    }

    /// The same with a store from elsewhere.
    pub async fn start_with(
        settings: Settings,
        source: StoreSource,
        stop: CancellationToken,
    ) -> Result<Self, ServerError> {
        let listener = listen(settings.listen).await?;
        make_private_dir(&settings.data_dir())?;
        features::refuse_public_data(&settings)?;
        let address = listener.local_addr().map_err(ServerError::Serve)?;
        let opening = Opening::new(settings, source, stop.clone(), address).await?;
        let switch = Switch::new(&opening)?;
        let mut server = Self {
            listener,
            switch,
            settings: opening.settings.clone(),
            started: opening.started,
            closing: opening.closing.clone(),
            limits: opening.limits.clone(),
            denials: opening.denials.clone(),
            opening: None,
            stop,
        };
        match opening.open().await {
            Ok(state) => server.switch.turn(state)?,
            Err(ServerError::Feature(problem)) if problem.kind == Kind::Unavailable => {
                tracing::warn!(
                    code = problem.code,
                    "the store cannot be reached; starting without it: {}",
                    problem.message
                );
                server.switch.waits_because_of(problem);
                server.opening = Some(opening);
            }
            Err(error) => return Err(error),
        }
        Ok(server)
    }

    /// The address it listens on; its port was chosen by the system where 0 was asked for.
    pub fn address(&self) -> Result<SocketAddr, ServerError> {
        self.listener.local_addr().map_err(ServerError::Serve)
    }

    /// The features, once they are open; for tests.
    #[must_use]
    pub fn state(&self) -> Option<&AppState> {
        self.switch.state()
    }

    /// Serves until `stop` is cancelled, then lets requests under way finish.
    pub async fn run(self) -> Result<(), ServerError> {
        let address = self.address()?;
        let store = self.state().map_or("waiting", |state| state.store.backend_name());
        tracing::info!(%address, ready_ms = self.started.elapsed().as_millis(), store, "ready");
        let serving =
            tokio::spawn(serving::serve(self.listener, self.switch.router(), self.limits, self.closing.clone()));
        let mut features = tokio::spawn(run_features(self.opening, self.switch.clone()));
        let failed = tokio::select! {
            () = self.stop.cancelled() => None,
            // They go on until they are stopped, unless the store turns out to be one that cannot be used.
            ended = &mut features => Some(ended),
        };
        if let Some(ended) = failed {
            self.closing.cancel();
            return ended.unwrap_or_else(|panic| Err(ServerError::Serve(std::io::Error::other(panic))));
        }
        tracing::info!("draining");
        if let Some(state) = self.switch.state() {
            state.terminals.prepare_to_leave();
        }
        tokio::time::sleep(Duration::from_secs(self.settings.drain_grace_seconds)).await;
        self.closing.cancel();
        let drain_limit = Duration::from_secs(self.settings.drain_timeout_seconds);
        let drained = async {
            let served = serving.await;
            if let Some(state) = self.switch.state() {
                state.links.pages_gone().await;
            }
            served
        };
        let outcome = tokio::time::timeout(drain_limit, drained).await;
        features.abort();
        if let Some(state) = self.switch.state() {
            state.terminals.shut_down(programs::at_stop(&self.settings)).await;
            state.terminal_tokens.finish().await;
            // What they ask of the rest of the server ends before that does.
            if let Ok(plugged) = state.plugged() {
                plugged.close().await;
            }
            state.workspaces.close().await;
            state.accounts.close().await;
            state.store.close().await;
        }
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => return Err(ServerError::Serve(std::io::Error::other(panic))),
            Err(_) => tracing::warn!("requests were still under way after {drain_limit:?} and are cut off"),
        }
        self.denials.tell_rest();
        tracing::info!("stopped");
        Ok(())
    }
}

/// Opens what is still to be opened, then does what goes on beside the requests. Ends only where the store cannot be used at all.
async fn run_features(opening: Option<Opening>, switch: Switch) -> Result<(), ServerError> {
    if let Some(opening) = opening {
        let state = open_patiently(&opening, &switch).await?;
        tracing::info!(store = state.store.backend_name(), "the store can be reached now; everything works");
        switch.turn(state)?;
    }
    let Some(state) = switch.state().cloned() else { return Ok(()) };
    // They end with the server only: whoever stops it breaks this off.
    tokio::join!(
        crate::link::watch(state.clone()),
        programs::ends::watch(state.clone()),
        state.terminal_tokens.look_after(),
        state.auth.clone().run_maintenance(std::future::pending()),
        forget_old_answers(&state.store),
        back_up(&state),
    );
    std::future::pending().await
}

/// Lets the store forget what changes that were made once need not remember any longer.
async fn forget_old_answers(store: &Store) {
    const EVERY: Duration = Duration::from_secs(10 * 60);
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = store.sweep_once().await {
            tracing::warn!(%error, "old answers could not be forgotten; it is tried again");
        }
    }
}

/// Makes backups by itself, where the settings say so.
async fn back_up(state: &AppState) {
    let settings = &state.settings;
    if settings.backup_hours > 0 {
        let every = Duration::from_secs(settings.backup_hours * 60 * 60);
        let schedule = BackupSchedule::new(settings.backup_path(), every, settings.backup_keep);
        match schedule.run(&state.store).await {}
    }
}

/// Tries until the store can be reached.
async fn open_patiently(opening: &Opening, switch: &Switch) -> Result<AppState, ServerError> {
    const FIRST_PAUSE: Duration = Duration::from_millis(250);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        match opening.open().await {
            Err(ServerError::Feature(problem)) if problem.kind == Kind::Unavailable => {
                tracing::debug!(code = problem.code, "the store still cannot be reached: {}", problem.message);
                switch.waits_because_of(problem);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
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
pub(crate) fn make_private_dir(path: &Path) -> Result<(), ServerError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ServerError::Data { path: path.to_owned(), source })
}
