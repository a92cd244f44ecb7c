//! What processes take, read from `/proc`. Blocks.

use super::decide::{Name, Taken};
use crate::processes::{Process, Tree};

/// What the processes of a sandbox take; `root` is its outermost one. That and the agent are not counted: they are the
/// supervisor's.
pub(super) fn below(tree: &Tree<'_>, root: u32, limit_bytes: u64, writes: bool) -> Vec<Taken> {
    let agents = tree.children(root);
    let programs: Vec<&Process> = agents.iter().flat_map(|agent| tree.below(agent.pid)).collect();
    let page = rustix::param::page_size() as u64;
    let rough: u64 = programs.iter().map(|process| process.resident_pages * page).sum();
    let taken = |process: &&Process| {
        let resident = process.resident_pages * page;
        Taken {
            name: Name { started: process.started, pid: process.pid },
            // What several share counts for each of them; only where that looks like too much is it told apart.
            memory_bytes: if rough > limit_bytes { own_memory(process.pid).unwrap_or(resident) } else { resident },
            threads: if process.is_zombie { 1 } else { process.threads },
            written_bytes: if writes { written(process.pid).unwrap_or(0) } else { 0 },
        }
    };
    programs.iter().map(taken).collect()
}

/// Whether so much of the limit is taken that the next look should come soon.
pub(super) fn is_close(taken: &[Taken], limit_bytes: u64) -> bool {
    taken.iter().map(|one| one.memory_bytes).sum::<u64>() > limit_bytes / 2
}

/// Memory that no file backs, with its share of what several processes share.
fn own_memory(pid: u32) -> Option<u64> {
    match std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(text) => Some(kibibytes(&text, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"])),
        // A process that let nobody look: what it shares counts as its own.
        Err(_) => {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some(kibibytes(&text, &["RssAnon:", "RssShmem:", "VmSwap:"]))
        }
    }
}

fn kibibytes(text: &str, names: &[&str]) -> u64 {
    let values = text.lines().filter_map(|line| names.iter().find_map(|name| line.strip_prefix(name)));
    values.filter_map(|value| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).sum::<u64>() * 1024
}

/// Bytes that the process caused to be written to a disk.
fn written(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let text =
            "55-56 ---p 00 00:00 0 [rollup]\nRss: 9 kB\nPss_Anon:              12 kB\nPss_Shmem: 3 kB\nSwapPss: 1 kB\n";
        assert_eq!(kibibytes(text, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]), 16 * 1024);
        assert!(own_memory(std::process::id()).unwrap() > 0);
        assert!(written(std::process::id()).is_some());
    }
}
