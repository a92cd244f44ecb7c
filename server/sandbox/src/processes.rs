//! The machine's processes, as `/proc` tells of them. Blocks: call it where that is allowed.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) threads: u32,
    /// When it started, in the kernel's ticks. With the number it names a process for good.
    pub(crate) started: u64,
    pub(crate) resident_pages: u64,
    /// All of it has ended, and nobody has taken note yet.
    pub(crate) is_zombie: bool,
    /// A signal stopped it.
    pub(crate) is_stopped: bool,
}

impl Process {
    /// `None` where there is no such process.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &told(pid, "stat")?)
    }

    /// The fields come after the name, which is in parentheses and may hold anything.
    fn parse(pid: u32, stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let small = |index| number(index)?.try_into().ok();
        let threads: u32 = small(17)?;
        Some(Self {
            pid,
            // The state is that of its first thread, which may end before the others.
            is_zombie: matches!(*fields.first()?, "Z" | "X") && threads <= 1,
            is_stopped: matches!(*fields.first()?, "T" | "t"),
            parent: small(1)?,
            session: small(3)?,
            threads,
            started: number(19)?,
            resident_pages: number(21)?,
        })
    }

    /// A descriptor of exactly this process, whatever has its number by now.
    pub(crate) fn hold(&self) -> Option<OwnedFd> {
        let held = pidfd_open(Pid::from_raw(self.pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
        (Self::read(self.pid)?.started == self.started).then_some(held)
    }

    /// Whether the signal was sent.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.hold().is_some_and(|held| pidfd_send_signal(held, signal).is_ok())
    }

    /// Sends a signal if the process is of a session, by the number that this has in the process's own namespace. Whether
    /// it was sent.
    pub(crate) fn signal_in_session(&self, session: u32, signal: Signal) -> bool {
        let Some(held) = self.hold() else { return false };
        // Should the number be another's by now, what is held has ended, and nobody gets the signal.
        session_inside(self.pid) == Some(session) && pidfd_send_signal(held, signal).is_ok()
    }
}

/// A file of a process in `/proc`. `None` where there is no such process.
fn told(pid: u32, file: &str) -> Option<String> {
    text(format!("/proc/{pid}/{file}")).ok()
}

/// A file in `/proc` that may hold the name of a process, which that chooses in any bytes: if those that are no text made
/// an error, the process could hide behind them.
pub(crate) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// The session of a process, as its innermost namespace of processes numbers it.
fn session_inside(pid: u32) -> Option<u32> {
    let status = told(pid, "status")?;
    let sessions = status.lines().find_map(|line| line.strip_prefix("NSsid:"))?;
    sessions.split_ascii_whitespace().next_back()?.parse().ok()
}

/// All processes of the machine. An error where they cannot be listed at the moment: that there are none is never true.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?)).collect())
}

/// Kills all of them. First all are stopped, so that none can start another meanwhile.
pub(crate) fn end(processes: &[&Process]) {
    for signal in [Signal::STOP, Signal::KILL] {
        for process in processes.iter().filter(|process| !process.is_zombie) {
            process.signal(signal);
        }
    }
}

/// Every process by its parent.
pub(crate) struct Tree<'a> {
    children: HashMap<u32, Vec<&'a Process>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(all: &'a [Process]) -> Self {
        let mut children: HashMap<u32, Vec<&Process>> = HashMap::new();
        for process in all {
            children.entry(process.parent).or_default().push(process);
        }
        Self { children }
    }

    /// The children of a process.
    pub(crate) fn children(&self, parent: u32) -> &[&'a Process] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// Everything below a process, without itself.
    pub(crate) fn below(&self, root: u32) -> Vec<&'a Process> {
        // A number that was used again while the list was read could make a circle.
        let mut visited = HashSet::from([root]);
        let mut found: Vec<&Process> = Vec::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            for child in self.children(parent) {
                if visited.insert(child.pid) {
                    parents.push(child.pid);
                    found.push(child);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_that_looks_like_fields() {
        let stat = "7 (a) Z 1 (b) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 99 4096 12 18446744073709551615 1";
        let process = Process::parse(7, stat).unwrap();
        assert_eq!((process.parent, process.session, process.threads), (3, 5, 2));
        assert_eq!((process.started, process.resident_pages, process.is_zombie), (99, 12, false));
        assert!(Process::parse(7, "7 (x) S 1").is_none());
        let ended = |threads| Process::parse(7, &stat.replace(") S ", ") Z ").replace(" 0 2 0 99", threads)).unwrap();
        assert!(ended(" 0 1 0 99").is_zombie && !ended(" 0 2 0 99").is_zombie, "of a process its last thread decides");
    }

    #[test]
    fn sees_a_process_whose_name_is_no_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(std::ffi::OsStr::from_bytes(b"\xff) Z 1 \xe2\x82"));
        std::fs::copy("/bin/sh", &program).unwrap();
        let mut command = std::process::Command::new(&program);
        let mut child = command.args(["-c", "read line"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let (pid, own) = (child.id(), std::process::id());
        // The name is the program's as soon as its own start is over.
        let is_named = || std::fs::read(format!("/proc/{pid}/comm")).unwrap().starts_with(b"\xff");
        while !is_named() {
            std::thread::yield_now();
        }
        let process = Process::read(pid);
        let all = all().unwrap();
        let seen = Tree::new(&all).below(own).iter().any(|process| process.pid == pid);
        let session = session_inside(pid);
        let is_ended = process.is_some_and(|process| process.signal(Signal::KILL));
        child.kill().unwrap();
        child.wait().unwrap();
        let process = process.unwrap();
        assert_eq!((process.parent, process.is_zombie), (own, false));
        assert!(seen && is_ended);
        assert_eq!(session, Some(process.session));
    }

    #[test]
    fn finds_what_is_below() {
        let process = |pid, parent| Process {
            pid,
            parent,
            session: 0,
            threads: 1,
            started: 0,
            resident_pages: 0,
            is_zombie: false,
            is_stopped: false,
        };
        let all = [process(1, 0), process(2, 1), process(3, 2), process(4, 2), process(5, 1), process(9, 9)];
        let tree = Tree::new(&all);
        let mut pids: Vec<u32> = tree.below(2).iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [3, 4]);
        assert!(tree.below(9).is_empty(), "ends");
    }

    #[test]
    fn holds_no_other_process_of_the_number() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.hold().is_some());
        assert!(Process { started: own.started + 1, ..own }.hold().is_none());
    }

    #[test]
    fn knows_the_session_by_its_number_inside() {
        let own = Process::read(std::process::id()).unwrap();
        assert_eq!(session_inside(own.pid), Some(own.session), "there is but one namespace here");
        assert_eq!(session_inside(u32::MAX), None);
    }
}
