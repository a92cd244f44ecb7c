//! Starts programs when told, and tells how they end.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, setsid, wait};

use super::bind::{Bound, hold_program};
use super::wire::{Event, LimitsSetup, MAX_PACKET_BYTES, Request, Setup, Start, StartStep};
use super::{packet, signals};

/// Pause before what could not be told is told again.
const TELL_AGAIN: Duration = Duration::from_millis(20);
/// Processes that are collected before it is looked again whether anything is asked.
const COLLECTED_AT_ONCE: usize = 256;

/// Serves until the supervisor's end is closed.
pub(super) fn serve(control: OwnedFd, setup: &Setup, bound: Bound) -> io::Result<()> {
    let ended = signals::descriptor(&[Signal::CHILD])?;
    let (folder, limits) = (setup.folder.clone(), setup.limits.clone());
    let mut agent = Serving { control, folder, limits, programs: HashMap::new() };
    let ready = Event::Ready { notes: bound.notes };
    agent.tell(&ready, bound.tun.as_ref().map(OwnedFd::as_fd))?;
    drop(bound.tun);
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    let mut more_ended = false;
    loop {
        let mut waiting = [PollFd::new(&agent.control, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
        let at_once = Timespec::default();
        match poll(&mut waiting, more_ended.then_some(&at_once)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [asked, some_ended] = waiting.map(|one| !one.revents().is_empty());
        if some_ended {
            signals::take(&ended);
        }
        if some_ended || more_ended {
            more_ended = agent.collect()?;
        }
        if asked {
            match packet::receive(&agent.control, &mut buffer)? {
                None => return Ok(()),
                Some((Request::Start(start), fds)) => agent.start(&start, fds)?,
                Some((Request::Setup(_), _)) => return Err(io::Error::other("a second setup came")),
            }
        }
    }
}

struct Serving {
    control: OwnedFd,
    /// The workspace's.
    folder: PathBuf,
    limits: LimitsSetup,
    /// What runs and is waited for, by its number.
    programs: HashMap<Pid, u64>,
}

impl Serving {
    /// An error means that the line is closed. What the machine lacks at the moment is waited for: a program of whoever
    /// took it must not end all that run here.
    fn tell(&self, event: &Event, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = packet::encode(event)?;
        loop {
            match packet::send(&self.control, &bytes, fd.as_slice()) {
                Err(error) if is_passing(&error) => std::thread::sleep(TELL_AGAIN),
                sent => return sent,
            }
        }
    }

    fn start(&mut self, start: &Start, fds: Vec<OwnedFd>) -> io::Result<()> {
        match self.launch(start, fds) {
            Ok(pid) => {
                self.programs.insert(pid, start.id);
                let event = Event::Started { id: start.id, pid: pid.as_raw_nonzero().get().cast_unsigned() };
                self.tell(&event, None)
            }
            Err((step, error)) => {
                let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                self.tell(&Event::Failed { id: start.id, step, errno }, None)
            }
        }
    }

    fn launch(&self, start: &Start, fds: Vec<OwnedFd>) -> Result<Pid, (StartStep, io::Error)> {
        let folder = self.open_folder(&start.start_in).map_err(|error| (StartStep::Folder, error))?;
        let program = |error| (StartStep::Program, error);
        let mut command = Command::new(&start.program);
        command.args(&start.args).env_clear().envs(start.env.iter().map(|(name, value)| (name, value)));
        let [stdin, stdout, stderr] = streams(fds, start.terminal).map_err(program)?;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        in_session(&mut command, folder, start.terminal, self.limits.clone());
        let child = command.spawn().map_err(program)?;
        // Dropping the handle leaves the process alone; it is collected with all others.
        Pid::from_raw(child.id().cast_signed()).ok_or_else(|| program(Errno::SRCH.into()))
    }

    /// No link leads from the workspace to another folder.
    fn open_folder(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &self.folder, flags, Mode::empty())?;
        if path.is_empty() {
            return Ok(root);
        }
        Ok(openat2(&root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?)
    }

    /// Collects whatever ended, also what lost its parent and was never asked for. Whether there may be more: programs can
    /// have others end faster than they are collected, and must not keep the agent from all else by that.
    fn collect(&mut self) -> io::Result<bool> {
        for _ in 0..COLLECTED_AT_ONCE {
            let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) else { return Ok(false) };
            if let Some(id) = self.programs.remove(&pid) {
                let (code, signal) = (status.exit_status(), status.terminating_signal());
                self.tell(&Event::Exited { id, code, signal }, None)?;
            }
        }
        Ok(true)
    }
}

/// Standard input, output and error of the descriptors that came.
fn streams(fds: Vec<OwnedFd>, terminal: bool) -> io::Result<[Stdio; 3]> {
    let wrong = || io::Error::from(Errno::INVAL);
    if terminal {
        let [pts]: [OwnedFd; 1] = fds.try_into().map_err(|_| wrong())?;
        return Ok([pts.try_clone()?.into(), pts.try_clone()?.into(), pts.into()]);
    }
    let fds: [OwnedFd; 3] = fds.try_into().map_err(|_| wrong())?;
    Ok(fds.map(Stdio::from))
}

/// The kernel has no memory, or too many descriptors are on their way: it counts them for all that belongs to the
/// server's user, and refuses who may have fewer open files than that.
fn is_passing(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN))
}

/// Every program leads a session of its own, so that all that it starts can be signalled together.
#[expect(unsafe_code, reason = "a session, its terminal and its limits can be set only between fork and exec")]
fn in_session(command: &mut Command, folder: OwnedFd, terminal: bool, limits: LimitsSetup) {
    // SAFETY: the closure makes system calls and nothing else; the process has one thread anyway.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            signals::unblock_all()?;
            hold_program(&limits)?;
            if terminal {
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            }
            Ok(rustix::process::fchdir(&folder)?)
        });
    }
}
