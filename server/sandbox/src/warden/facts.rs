//! What processes take, read from `/proc`. Blocks.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::decide::{Name, Taken};
use super::memory::Memory;
use crate::processes::{Process, Tree};

/// Longest search for open files that were deleted.
const SEARCH_WITHIN: Duration = Duration::from_secs(5);

/// What the processes of a sandbox take; `root` is its outermost one. That and the agent are not counted: they are the
/// supervisor's.
pub(super) fn below(tree: &Tree<'_>, root: u32, memory: &mut Memory, writes: bool, is_tight: bool) -> Vec<Taken> {
    let agents = tree.children(root);
    let programs: Vec<&Process> = programs(tree, root);
    let name = |process: &Process| Name { started: process.started, pid: process.pid };
    // The first thread may end before the others.
    let is_dead = |process: &Process| process.is_zombie && process.threads <= 1;
    let names: Vec<Name> = programs.iter().filter(|process| !is_dead(process)).map(|process| name(process)).collect();
    memory.measure(&names, agents.first().map(|agent| agent.pid), is_tight);
    let taken = |process: &&Process| {
        let is_leader = process.session == process.pid && agents.iter().any(|agent| agent.pid == process.parent);
        let written = if writes { written(process) } else { Some(Written::default()) };
        // A shell has all that its commands wrote, which is not its own doing.
        let by_itself = if is_leader && writes { written_by_itself(process) } else { written };
        Taken {
            name: name(process),
            memory_bytes: memory.bytes(name(process)),
            threads: process.threads.max(1),
            parent: process.parent,
            is_dead: is_dead(process),
            written_bytes: written.map(|written| written.bytes),
            by_itself_bytes: by_itself.map(|written| written.bytes),
            write_calls: by_itself.unwrap_or_default().calls,
            is_stopped: process.is_stopped,
            is_leader,
        }
    };
    programs.iter().map(taken).collect()
}

/// The process that has to collect whatever ended and has no parent any more.
pub(super) fn agent(tree: &Tree<'_>, root: u32) -> Option<Name> {
    tree.children(root).first().map(|agent| Name { started: agent.started, pid: agent.pid })
}

fn programs<'a>(tree: &Tree<'a>, root: u32) -> Vec<&'a Process> {
    tree.children(root).iter().flat_map(|agent| tree.below(agent.pid)).collect()
}

/// What a process wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Written {
    /// To a disk.
    bytes: u64,
    /// In so many calls that have ended, to wherever.
    calls: u64,
}

/// What the process wrote; `None` where it keeps that secret.
fn written(process: &Process) -> Option<Written> {
    read_written(Path::new("/proc").join(process.pid.to_string()).join("io"), process)
}

/// The same of its threads that are still there, without its children.
fn written_by_itself(process: &Process) -> Option<Written> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", process.pid)) else { return Some(Written::default()) };
    threads.flatten().try_fold(Written::default(), |sum, thread| {
        let own = read_written(thread.path().join("io"), process)?;
        Some(Written { bytes: sum.bytes + own.bytes, calls: sum.calls + own.calls })
    })
}

fn read_written(path: PathBuf, process: &Process) -> Option<Written> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let number = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            Some(Written { bytes: number("write_bytes:")?, calls: number("syscw:")? })
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !process.is_zombie => None,
        // It has ended.
        Err(_) => Some(Written::default()),
    }
}

/// Bytes on the disk of `folder` that programs hold in files that nobody finds any more. All that can be where there are too
/// many open files to tell.
pub(super) fn deleted_bytes(tree: &Tree<'_>, root: u32, folder: &Path) -> u64 {
    let Ok(disk) = std::fs::metadata(folder).map(|facts| facts.dev()) else { return 0 };
    let (begin, mut known, mut bytes) = (Instant::now(), HashSet::new(), 0_u64);
    for process in programs(tree, root) {
        let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", process.pid)) else { continue };
        for file in open.flatten() {
            if begin.elapsed() > SEARCH_WITHIN {
                return u64::MAX;
            }
            let Ok(facts) = std::fs::metadata(file.path()) else { continue };
            let is_gone = facts.is_file() && facts.nlink() == 0 && facts.dev() == disk;
            if is_gone && known.insert(facts.ino()) {
                bytes = bytes.saturating_add(facts.blocks().saturating_mul(512));
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let own = Process::read(std::process::id()).unwrap();
        let (by_itself, all) = (written_by_itself(&own).unwrap(), written(&own).unwrap());
        assert!(by_itself.bytes <= all.bytes && by_itself.calls <= all.calls && all.calls > 0);
    }

    #[test]
    fn files_that_nobody_finds_any_more_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let own = Process::read(std::process::id()).unwrap();
        // As if this process were a program of an agent.
        let chain = [Process { pid: 0, parent: u32::MAX, ..own }, Process { parent: 0, ..own }];
        let tree = Tree::new(&chain);
        let before = deleted_bytes(&tree, u32::MAX, folder.path());
        let path = folder.path().join("gone");
        let file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, &[1; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        assert!(deleted_bytes(&tree, u32::MAX, folder.path()) < before + (1 << 20));
        std::fs::remove_file(path).unwrap();
        let _again = file.try_clone().unwrap();
        let after = deleted_bytes(&tree, u32::MAX, folder.path());
        assert!(after >= before + (1 << 20) && after < before + (2 << 20), "counted once");
    }
}
