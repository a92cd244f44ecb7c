//! The process that holds all sandboxes and terminals of a data directory, and outlives a restart of the server.
//!
//! A server finds it by the run file (`supervisor.json`), or starts it ([`crate::client`]). It listens on an abstract
//! socket with a random name, and lets in who runs as its own user and knows the token of the run file. It ends when no
//! server has come for the time that the settings say, or when it is told to.
//!
//! Invariants:
//! * One for each data directory: it holds a lock as long as it lives.
//! * A program goes on whatever happens to a server: its terminal is read with nobody attached.
//! * A terminal is its person's alone: every operation names the person, and a wrong one finds nothing.
//! * Everything it started ends with it.

mod connection;
mod host;
mod lifetime;
mod listen;
mod log;
mod presence;
pub(crate) mod run_file;
mod sandboxes;
mod starts;
pub(crate) mod strays;
mod table;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use self::host::Host;
use self::run_file::{Lock, RunFile};

/// First word on standard output once it can be reached.
pub(crate) const READY: &str = "ready";
/// First word where another one has the data directory.
pub(crate) const TAKEN: &str = "taken";
/// Threads that drive tasks: it mostly hands bytes on.
const WORKER_THREADS: usize = 2;

/// Runs it: `coditect-sandbox supervise <run directory>`.
#[must_use]
pub fn main() -> ExitCode {
    match start(std::env::args_os().nth(2)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            tell(&format!("failed {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn start(run_dir: Option<OsString>) -> Result<(), String> {
    let run_dir = PathBuf::from(run_dir.ok_or("no run directory was named")?);
    become_independent()?;
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let Some(lock) = Lock::take(&run_dir).map_err(|error| failed("the run directory cannot be used", error))? else {
        tell(TAKEN);
        return Ok(());
    };
    let lines = log::open(&run_dir.join(log::NAME)).map_err(|error| failed("its log cannot be written", error))?;
    strays::adopt().map_err(|error| failed("it cannot look after what loses its parents", error))?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| failed("no runtime", error))?;
    let ended = runtime.block_on(serve(&run_dir));
    runtime.shutdown_background();
    lines.finish();
    drop(lock);
    ended
}

async fn serve(run_dir: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let file = RunFile::random();
    let listener = listen::bind(&file).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    file.write(run_dir).map_err(failed)?;
    tell(READY);
    leave_standard_output().map_err(failed)?;
    tracing::info!(pid = std::process::id(), version = crate::wire::VERSION, "started");
    let host = Host::new();
    tokio::select! {
        () = listen::serve(listener, host.clone(), &file.token) => {}
        why = lifetime::run(&host) => tracing::info!("ends: {why}"),
        _ = terminate.recv() => tracing::info!("ends: it was told to by a signal"),
    }
    // Nobody finds it any more; who asked for the end waits for it on a connection of their own.
    file.remove(run_dir);
    host.end_everything().await;
    tracing::info!("ended");
    host.ended.cancel();
    // Those who wait for the end learn of it.
    tokio::task::yield_now().await;
    Ok(())
}

/// What a server that starts one reads.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Who started it may be gone already; it works all the same.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Takes nothing along of who started it: no terminal, no folder in use, no open file.
#[expect(unsafe_code, reason = "descriptors that nobody in the program owns can be named only by their numbers")]
fn become_independent() -> Result<(), String> {
    // SAFETY: nothing has been opened by this program yet, so that nobody owns what is closed.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } != 0 {
        return Err(format!("inherited files cannot be closed: {}", std::io::Error::last_os_error()));
    }
    // Fails only where it leads a session already.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    std::env::set_current_dir("/").map_err(|error| error.to_string())
}

/// Nobody reads it after the first line; who started it sees it closed.
fn leave_standard_output() -> std::io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&nowhere)?)
}

/// Terminals and their connections need many.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
