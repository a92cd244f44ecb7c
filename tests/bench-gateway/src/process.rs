//! Programs that are started for the measurement, and end with it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// Of what a program said last, so many characters are shown.
const LAST_WORDS: usize = 2000;

/// A program that runs; it ends when this is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it without input; what it says goes to a file, standard output to `out` where that is given.
    pub(crate) fn start(command: &mut Command, log: &Path, out: Option<&Path>) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let said = File::create(log)?;
        let out = out.map_or_else(|| said.try_clone(), File::create)?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(said).spawn();
        let child = child.with_context(|| format!("`{program}` cannot be started"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error where it has ended, with its last words.
    pub(crate) fn require_alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let said = fs::read(&self.log).unwrap_or_default();
        bail!("it ended ({status}): {}", String::from_utf8_lossy(&said[said.len().saturating_sub(LAST_WORDS)..]).trim())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its workers end with it only where it is asked.
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _gone = self.child.kill();
            }
            std::thread::sleep(POLL);
        }
    }
}

/// A port of the loopback that is free at the moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The first line of a file that a program writes, as soon as it is whole.
pub(crate) async fn first_line(running: &mut Running, file: &Path, limit: Duration) -> Result<String> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some((line, _)) = fs::read_to_string(file)?.split_once('\n') {
            return Ok(line.to_owned());
        }
        running.require_alive()?;
        if Instant::now() > deadline {
            bail!("it says nothing after {} s", limit.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
