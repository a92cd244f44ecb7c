//! Processes of others, and those that guard the sandbox: seeing, tracing, signals.

use std::fs;
use std::io::{self, IoSliceMut, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid, getppid};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::{Report, marker};

/// What is not ended by others ends by itself.
const LONGEST_STAY: Duration = Duration::from_secs(60);

/// `given` are ids of processes outside, as the machine counts them, after the number of processes that are the
/// person's own.
pub(crate) fn attack(report: &mut Report, given: &[String]) {
    let visible = visible();
    for pid in &visible {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        println!("sees {pid} {}", name.trim());
        for file in ["environ", "cmdline", "maps", "mem", "stack", "auxv"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let marker = marker();
            report.check(
                format!("a secret in {file} of {pid}"),
                bytes.windows(marker.len()).any(|window| window == marker),
            );
        }
    }
    trace_guard(report);
    let outside = given.iter().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw);
    for pid in outside.filter(|pid| !visible.contains(&pid.as_raw())) {
        for signal in [None, Some(Signal::SIGKILL), Some(Signal::SIGSTOP), Some(Signal::SIGCONT)] {
            report.attempt(format!("signal {signal:?} to {pid}"), kill(pid, signal));
        }
        report.attempt(format!("trace of {pid}"), ptrace::attach(pid));
        report.attempt(format!("facts of {pid}"), fs::read(format!("/proc/{pid}/stat")));
        report.attempt(format!("handle of {pid}"), handle(pid));
    }
    for pid in given.iter().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| visible.contains(pid)) {
        // The same number in here is somebody else.
        println!("{pid} is a process of one's own in here");
    }
}

fn visible() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What holds the sandbox is the first process in it.
fn trace_guard(report: &mut Report) {
    let guard = Pid::from_raw(1);
    report.attempt("trace of the guard", ptrace::attach(guard));
    report.attempt("seizing the guard", ptrace::seize(guard, ptrace::Options::empty()));
    report.attempt("memory of the guard", read_memory(guard));
    for file in ["mem", "environ", "fd", "maps", "root", "cwd", "exe"] {
        let path = format!("/proc/1/{file}");
        match file {
            "fd" => report.attempt(path.clone(), first_descriptor(&path)),
            "root" | "cwd" | "exe" => report.attempt(path.clone(), fs::read_link(&path)),
            _ => report.attempt(path.clone(), fs::OpenOptions::new().read(true).write(true).open(&path)),
        }
    }
    report.attempt("a descriptor of the guard", handle(guard));
    // Signals to it get lost, as for every first process; what matters is that it is still there.
    for signal in [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGSEGV] {
        let _sent = kill(guard, signal);
    }
    report.check("the guard is gone", kill(guard, None) == Err(nix::errno::Errno::ESRCH));
    report.check("orphaned", getppid().as_raw() == 0);
}

/// Numbers of descriptors may be seen by who is root outside, too; what they lead to may not.
fn first_descriptor(folder: &str) -> io::Result<PathBuf> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match fs::read_link(&path).or_else(|_| fs::File::open(&path).map(|_| path)) {
            Ok(target) => return Ok(target),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn read_memory(pid: Pid) -> nix::Result<usize> {
    let mut buffer = [0; 16];
    let remote = [RemoteIoVec { base: 0x40_0000, len: buffer.len() }];
    process_vm_readv(pid, &mut [IoSliceMut::new(&mut buffer)], &remote)
}

fn handle(pid: Pid) -> io::Result<()> {
    let raw = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = pidfd_open(raw, PidfdFlags::empty())?;
    for descriptor in 0..16 {
        if pidfd_getfd(&handle, descriptor, PidfdGetfdFlags::empty()).is_ok() {
            return Ok(());
        }
    }
    Err(io::ErrorKind::PermissionDenied.into())
}

/// What is not hostile: a debugger on a program of one's own must work.
pub(crate) fn debug_own() -> ExitCode {
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut child = match Command::new(program).arg("wait").stdin(std::process::Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("no child: {error}");
            return ExitCode::FAILURE;
        }
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let traced = ptrace::attach(pid).and_then(|()| waitpid(pid, None)).and_then(|_| ptrace::detach(pid, None));
    let _ended = child.kill().and_then(|()| child.wait());
    println!("own child traced: {traced:?} by {}", getpid());
    if traced.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Does nothing until its standard input ends.
pub(crate) fn wait() -> ExitCode {
    println!("waiting");
    let _ended = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

/// Has the end of the terminal's program told to another alone, in a session of its own, and stays. The other is this
/// program once more, with the id of the first one.
pub(crate) fn trace_leader(given: &[String]) -> ExitCode {
    let Some(leader) = given.first().and_then(|id| id.parse().ok()).map(Pid::from_raw) else {
        let _may_be_traced = rustix::process::set_ptracer(rustix::process::PTracer::Any);
        // It leads no group yet, so that it can lead a session.
        let tracer = std::env::current_exe()
            .and_then(|program| Command::new(program).args(["trace-leader", &getpid().to_string()]).spawn());
        std::thread::sleep(LONGEST_STAY);
        return if tracer.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let seized = nix::unistd::setsid().and_then(|_| ptrace::seize(leader, ptrace::Options::empty()));
    println!("the terminal's program is traced: {seized:?}");
    std::thread::sleep(LONGEST_STAY);
    ExitCode::SUCCESS
}

/// Runs this program again, detached from everything.
pub(crate) fn again(arguments: &[&str]) -> io::Result<std::process::Child> {
    Command::new(std::env::current_exe()?).args(arguments).process_group(0).spawn()
}
