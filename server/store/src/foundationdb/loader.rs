//! Finding FoundationDB's client library when a store is opened, and its network thread.
//!
//! The library, its interface version and its network exist once in a process, for as long as it runs: what was opened
//! first stays, and everything here may be called again. The only unsafe code of the store is here and in
//! `loader_symbols.rs`.

#![expect(unsafe_code, reason = "calls a C library that is found at run time")]

#[path = "loader_symbols.rs"]
mod symbols;

use super::API_VERSION;
use crate::error::StoreError;
use crate::limits::FDB_EXIT_WAIT;
use ::foundationdb::api::{FdbApiBuilder, NetworkRunner, NetworkStop};
use libloading::Library;
use std::ffi::OsString;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use symbols::Symbols;

/// The variable that says where the library is.
pub(crate) const LIBRARY_VARIABLE: &str = "CODITECT_FDB_LIBRARY";

/// How far the client has come in this process.
static CLIENT: Mutex<Client> = Mutex::new(Client::Absent);

/// Whether the network thread runs, and what to do to end it.
static NETWORK: Network =
    Network { state: Mutex::new(NetworkState { stop: None, runs: false }), ended: Condvar::new() };

enum Client {
    /// No library was loaded; the next attempt may find one.
    Absent,
    /// The network runs.
    Running,
    /// The library was loaded and did not start, which cannot be tried twice.
    Failed(StoreError),
}

struct Network {
    state: Mutex<NetworkState>,
    ended: Condvar,
}

struct NetworkState {
    stop: Option<NetworkStop>,
    runs: bool,
}

/// Makes the client ready: loads the library and starts its network, unless that happened before. Blocks.
pub(super) fn start() -> Result<(), StoreError> {
    let mut client = CLIENT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*client {
        Client::Running => return Ok(()),
        Client::Failed(error) => return Err(error.clone()),
        Client::Absent => {}
    }
    load()?.install();
    let started = start_network();
    *client = match &started {
        Ok(()) => Client::Running,
        Err(error) => Client::Failed(error.clone()),
    };
    started
}

/// Loads the library and looks at what it can do.
fn load() -> Result<Symbols, StoreError> {
    let name = std::env::var_os(LIBRARY_VARIABLE)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| libloading::library_filename("fdb_c"));
    let missing = |detail: String| missing(&name, detail);
    // SAFETY: loading runs the library's initialisers. Which library that is, is the decision of whoever runs the server:
    // the system's own search path or the variable.
    let library = unsafe { Library::new(&name) }.map_err(|error| missing(reason(&error)))?;
    // Never unloaded, not even when it is refused: its threads and exit handlers would be left without their code.
    let library: &'static Library = Box::leak(Box::new(library));
    let symbols = Symbols::find(library);
    let version = symbols.max_api_version().ok_or_else(|| missing("it is another library".to_owned()))?;
    if version < API_VERSION {
        return Err(StoreError::FdbLibraryTooOld { library: name.display().to_string(), version });
    }
    match symbols.missing() {
        Some(function) => Err(missing(format!("it lacks the function {function}"))),
        None => Ok(symbols),
    }
}

/// What the system says; the error itself only names the call that failed.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn missing(name: &OsString, detail: String) -> StoreError {
    StoreError::FdbLibraryMissing { library: name.display().to_string(), detail }
}

/// Selects the version of the interface and starts the network thread. Both can be done once in a process.
fn start_network() -> Result<(), StoreError> {
    let failed = |error: ::foundationdb::FdbError| {
        StoreError::unavailable(format!("FoundationDB's client did not start: {}", error.message()))
    };
    let builder = FdbApiBuilder::default().set_runtime_version(API_VERSION).build().map_err(failed)?;
    let (runner, started) = builder.build().map_err(failed)?;
    // SAFETY: `stop_at_exit` takes nothing, does not unwind, and lives as long as the program. Handlers run in the reverse
    // order of their registration: this one, before those of the library, which was loaded earlier.
    if unsafe { libc::atexit(stop_at_exit) } != 0 {
        return Err(StoreError::unavailable("the program's exit cannot be prepared"));
    }
    NETWORK.lock().runs = true;
    let spawned = std::thread::Builder::new().name("fdb-network".to_owned()).spawn(move || run_network(runner));
    if let Err(error) = spawned {
        NETWORK.lock().runs = false;
        return Err(StoreError::unavailable(format!("no thread for FoundationDB's network: {error}")));
    }
    NETWORK.lock().stop = Some(started.wait());
    Ok(())
}

fn run_network(runner: NetworkRunner) {
    // SAFETY: the network is stopped before the program exits: `stop_at_exit` is registered by now.
    if let Err(error) = unsafe { runner.run() } {
        tracing::error!(code = error.code(), "FoundationDB's network ended: {}", error.message());
    }
    NETWORK.lock().runs = false;
    NETWORK.ended.notify_all();
}

/// Ends the network thread before the library's own exit handlers take away what it uses. A thread that does not end in
/// time is left behind: the program exits in any case.
extern "C" fn stop_at_exit() {
    let mut state = NETWORK.lock();
    if let Some(stop) = state.stop.take()
        && stop.stop().is_ok()
    {
        drop(NETWORK.ended.wait_timeout_while(state, FDB_EXIT_WAIT, |state| state.runs));
    }
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, NetworkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
