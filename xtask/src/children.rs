//! Every process that xtask starts, so that nothing survives it.
//!
//! Each one leads a process group of its own: an interruption reaches all of them in an orderly way, and the workers of a build tool
//! end with it. Only processes started here are ever signalled.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::os::unix::process::CommandExt as _;

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(12);
/// How often an ending process is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Exit status after an interruption, as shells give it for SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on Ctrl-C, SIGTERM and SIGHUP end everything that was started, the youngest first, and then this program.
pub(crate) fn end_all_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        let pids = running().clone();
        for &pid in pids.iter().rev() {
            end(pid, GRACE);
        }
        std::process::exit(EXIT_INTERRUPTED);
    })
    .context("the handler for Ctrl-C cannot be set")
}

/// Asks a process to end, and makes it and its group end after `grace`.
fn end(pid: Pid, grace: Duration) {
    // The process alone first: a server that drains must not find its helpers gone.
    let _gone = kill_process(pid, Signal::TERM);
    let deadline = Instant::now() + grace;
    while is_alive(pid) && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
    let _gone = kill_process_group(pid, Signal::KILL);
}

/// Looks without reaping, so that whoever waits for the process still gets its status.
fn is_alive(pid: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(pid), look), Ok(None))
}

/// A process that was started here. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pid: Pid,
}

impl Running {
    /// Starts `command` in its own process group, without a terminal to read from.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut all = running();
        if INTERRUPTED.load(Ordering::SeqCst) {
            bail!("interrupted");
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("`{program}` cannot be started"))?;
        let pid = Pid::from_child(&child);
        all.push(pid);
        Ok(Self { child, pid })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        let status = self.child.wait().context("the process cannot be waited for")?;
        self.pause_when_interrupted();
        Ok(status)
    }

    /// Its status, where it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it and says how it went.
    pub(crate) fn stop(self) {
        drop(self);
    }

    /// The handler of the interruption ends the program; what it stopped must not be reported as a failure before.
    fn pause_when_interrupted(&self) {
        if INTERRUPTED.load(Ordering::SeqCst) {
            std::thread::sleep(GRACE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            end(self.pid, GRACE);
            let _status = self.child.wait();
        }
        running().retain(|&pid| pid != self.pid);
    }
}

/// A command for a process that stays: it also ends when xtask is killed outright, where the system's `setpriv` can see to that.
pub(crate) fn service(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !crate::exec::on_path("setpriv") {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_gone_with_its_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut running = Running::start(&mut command).unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(running.child().stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        drop(running);
        // The pipe closes when the last process that holds it is gone.
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
        assert!(line.trim().parse::<u32>().is_ok());
    }

    #[test]
    fn the_status_is_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        assert_eq!(Running::start(&mut command).unwrap().wait().unwrap().code(), Some(3));
    }

    #[test]
    fn an_unknown_program_is_named() {
        let error = Running::start(&mut Command::new("surely-no-such-program")).unwrap_err();
        assert!(error.to_string().contains("surely-no-such-program"));
    }
}
