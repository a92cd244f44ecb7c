//! `store serve`: one store for several servers on this machine.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, arg, value_parser};
use coditect_store::{Store, StoreError, StoreServer};
use tokio::signal::unix::{SignalKind, signal};

use crate::server;
use crate::settings::{Settings, VARIABLE_PREFIX};

/// Its name and flags.
pub(super) fn command() -> Command {
    let log = arg!(--log <LEVEL> "What to log: a level, or directives of `tracing`")
        .env(format!("{VARIABLE_PREFIX}LOG"))
        .default_value("info")
        .required(false);
    Command::new("serve")
        .about("Serves a store over a local socket, so that several servers on this machine share it")
        .after_help(
            "Start the servers with --store socket:///absolute/path.sock, as the same user. This is for several servers on \
             one machine, for tests above all; several servers in production use FoundationDB.",
        )
        .arg(arg!(--store <URL> "URL of the store to serve: embedded:///absolute/dir or memory:").required(true))
        .arg(
            arg!(--socket <PATH> "Path of the socket, in a directory of your own")
                .value_parser(value_parser!(PathBuf))
                .required(true),
        )
        .arg(log)
}

/// What was asked for.
pub(super) struct StoreServe {
    store: String,
    socket: PathBuf,
    log: String,
}

impl StoreServe {
    /// Reads the flags, which the parser has checked.
    pub(super) fn new(matches: &ArgMatches) -> Self {
        let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
        let socket = matches.get_one::<PathBuf>("socket").cloned().unwrap_or_default();
        Self { store: text("store"), socket, log: text("log") }
    }

    /// Starts to log.
    pub(super) fn init_logging(&self) -> Result<(), String> {
        server::init_logging(&Settings { log: self.log.clone(), ..Settings::default() })
    }

    /// Serves until the process is told to stop.
    pub(super) async fn run(&self) -> Result<(), StoreError> {
        let store = Store::open(&self.store).await?;
        let served = serve(&store, &self.socket).await;
        store.close().await;
        served
    }
}

async fn serve(store: &Store, socket: &Path) -> Result<(), StoreError> {
    // Before it listens: whoever sees the socket can stop its server in good order.
    let stop = stop_signal(socket)?;
    let server = StoreServer::bind(store.clone(), socket).await?;
    tracing::info!(backend = store.backend_name(), socket = %socket.display(), "the store is served");
    server.run(stop).await;
    Ok(())
}

/// Is ready once the process is told to stop (`SIGTERM`, `SIGINT`).
fn stop_signal(socket: &Path) -> Result<impl Future<Output = ()>, StoreError> {
    let receive = |kind| {
        signal(kind).map_err(|error| StoreError::Socket {
            place: socket.display().to_string(),
            detail: format!("signals cannot be received: {error}"),
        })
    };
    let (mut terminate, mut interrupt) = (receive(SignalKind::terminate())?, receive(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
