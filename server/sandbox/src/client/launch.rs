//! Finding the supervisor of a run directory, or starting one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{self, Connection, Unreachable};
use crate::supervisor::run_file::RunFile;
use crate::supervisor::{READY, TAKEN};
use crate::wire::{Configured, Reply, Request, VERSION};
use crate::{SandboxError, SandboxSettings};

const PROGRAM: &str = "coditect-sandbox";
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a supervisor may take to start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long one that was told to end may take: its terminals get some time.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Where another process is about to start or end one, how often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The helper beside the running program. (A test's program lies one folder deeper.)
pub(super) fn helper_beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?;
    [folder.join(PROGRAM), folder.parent()?.join(PROGRAM)].into_iter().find(|path| path.is_file())
}

/// A supervisor that has taken these settings over.
pub(super) async fn find_or_start(settings: &SandboxSettings) -> Result<(RunFile, Configured), SandboxError> {
    let deadline = Instant::now() + LIMIT;
    let configure = Request::Configure(Box::new(settings.clone()));
    loop {
        let run_dir = settings.run_dir.clone();
        let read = tokio::task::spawn_blocking(move || RunFile::read(&run_dir)).await;
        let reason = match read.ok().flatten() {
            None => "it was not started".to_owned(),
            Some(file) => match Connection::open(&file, &configure).await {
                Ok(mut connection) => match connection.reply().await {
                    Ok(Reply::Configured(configured)) => return Ok((file, configured)),
                    Ok(_) => return Err(connection::unexpected()),
                    // It ended just now.
                    Err(SandboxError::Supervisor(reason)) => reason,
                    Err(error) => return Err(error),
                },
                Err(Unreachable::Gone(error)) => error.to_string(),
                Err(Unreachable::Other(greeting)) => {
                    // An older one makes way. A newer one does so only where no newer server needs it, or two servers
                    // would take it from each other for ever.
                    if greeting.version > VERSION && greeting.servers > 0 {
                        return Err(SandboxError::OtherVersion { found: greeting.version });
                    }
                    tracing::warn!(
                        found = greeting.version,
                        "the sandboxes' supervisor is of another version and is replaced"
                    );
                    let ended = timeout(END_LIMIT, connection::end(&file)).await;
                    format!("one of another version was told to end ({ended:?})")
                }
                Err(Unreachable::Invalid(error)) => return Err(error),
            },
        };
        if Instant::now() > deadline {
            return Err(SandboxError::Supervisor(reason));
        }
        if !start(settings).await? {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Starts a supervisor; `false` where another one has the run directory, or is just about to.
async fn start(settings: &SandboxSettings) -> Result<bool, SandboxError> {
    let failed = |reason: String| SandboxError::Supervisor(reason);
    let helper = settings.helper.as_deref();
    let helper = helper.ok_or_else(|| failed(format!("the program `{PROGRAM}` is not beside the server's")))?;
    let mut child = command(helper, &settings.run_dir)
        .spawn()
        .map_err(|error| failed(format!("{} cannot be started: {error}", helper.display())))?;
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?);
    let read = timeout(START_LIMIT, lines.read_line(&mut line)).await;
    // Whatever becomes of the child, the runtime sees its end.
    drop(child);
    match (read, line.trim()) {
        (Ok(Ok(_)), READY) => Ok(true),
        (Ok(Ok(_)), TAKEN) => Ok(false),
        (Ok(Ok(_)), "") => Err(failed("it ended at once".to_owned())),
        (Ok(Ok(_)), said) => Err(failed(said.trim_start_matches("failed ").to_owned())),
        (Ok(Err(error)), _) => Err(failed(error.to_string())),
        (Err(_), _) => Err(failed("it did not start in time".to_owned())),
    }
}

/// How long the system's resolver may wait for a name server that says nothing: each lookup holds a thread.
const RESOLVER_OPTIONS: (&str, &str) = ("RES_OPTIONS", "timeout:3 attempts:2");

/// It makes itself independent of who started it.
fn command(helper: &Path, run_dir: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(helper);
    command.arg("supervise").arg(run_dir);
    command.env_clear().env(RESOLVER_OPTIONS.0, RESOLVER_OPTIONS.1).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
