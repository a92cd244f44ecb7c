//! How much memory the processes of a sandbox take together. Blocks, for a limited time.
//!
//! What the kernel counts for each process is cheap to read, and counts what several share for each of them: never too
//! little. Only where that is more than the sandbox may have it is read what they share, which makes the kernel look at each
//! page: of a few at a time, those first of which nothing is known.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::decide::Name;

/// Processes of which it is read at a time what they share, and how long that may take.
const EXACT_PROCESSES: usize = 16;
const EXACT_WITHIN: Duration = Duration::from_millis(10);
/// How long what is shared may stay unknown before all of it counts for each.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(1);
/// Smaller processes count with all that they share.
const SMALL_BYTES: u64 = 1024 * 1024;
/// Where a sandbox has files in memory.
const FILES: [&str; 2] = ["dev/shm", "tmp"];

/// What is known of a sandbox's memory.
#[derive(Debug)]
pub(super) struct Memory {
    limit_bytes: u64,
    all: HashMap<Name, Known>,
    files_bytes: u64,
    unknown_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    now: Figures,
    /// What of that is others' by right, and when that was read.
    of_others: Option<(Figures, Instant)>,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Figures {
    /// Of no file, with what was moved out to the disk.
    private: u64,
    /// Of files in memory, and made to be shared.
    shared: u64,
    /// The kernel's own to find the pages with.
    tables: u64,
}

impl Known {
    fn bytes(&self) -> u64 {
        let of_others = self.of_others.map_or_else(Figures::default, |(figures, _)| figures);
        self.now.tables + self.now.private.saturating_sub(of_others.private) + self.shared()
    }

    fn shared(&self) -> u64 {
        self.now.shared.saturating_sub(self.of_others.map_or(0, |(figures, _)| figures.shared))
    }
}

impl Memory {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, all: HashMap::new(), files_bytes: 0, unknown_since: None }
    }

    /// Reads what these take; `agent` is the process that sees the sandbox's files in memory. Where `is_tight` it is found
    /// out what they share, however little they take.
    pub(super) fn measure(&mut self, names: &[Name], agent: Option<u32>, is_tight: bool) {
        let limit_bytes = if is_tight { 0 } else { self.limit_bytes };
        let mut before = std::mem::take(&mut self.all);
        for name in names {
            let known = before.remove(name).unwrap_or_default();
            self.all.insert(*name, Known { now: cheap(name.pid), ..known });
        }
        let files = agent.map_or(0, |agent| FILES.iter().map(|place| files_in_memory(agent, place)).sum());
        let most: u64 = self.all.values().map(|known| known.now.private + known.now.shared + known.now.tables).sum();
        if most + files > limit_bytes {
            self.measure_exactly();
        }
        // Files that are mapped count for who mapped them.
        self.files_bytes = files.saturating_sub(self.all.values().map(Known::shared).sum());
        let is_unknown = self.bytes_of_all() > limit_bytes && self.unmeasured().next().is_some();
        self.unknown_since = is_unknown.then(|| self.unknown_since.unwrap_or_else(Instant::now));
    }

    fn unmeasured(&self) -> impl Iterator<Item = &Name> {
        let large = |known: &Known| known.now.private + known.now.shared > SMALL_BYTES;
        self.all.iter().filter(move |(_, known)| known.of_others.is_none() && large(known)).map(|(name, _)| name)
    }

    /// Those of which nothing is known, largest first; then those of which it was read longest ago.
    fn measure_exactly(&mut self) {
        let begin = Instant::now();
        let mut order: Vec<(Option<Instant>, std::cmp::Reverse<u64>, Name)> = self
            .all
            .iter()
            .map(|(name, known)| (known.of_others.map(|(_, at)| at), std::cmp::Reverse(known.bytes()), *name))
            .filter(|(_, bytes, _)| bytes.0 > SMALL_BYTES)
            .collect();
        order.sort_unstable();
        for (_, _, name) in order.into_iter().take(EXACT_PROCESSES) {
            if begin.elapsed() > EXACT_WITHIN {
                return;
            }
            let Some(known) = self.all.get_mut(&name) else { continue };
            // Where nobody may look, what is shared counts as its own.
            let own = exact(name.pid).unwrap_or(known.now);
            let of_others = Figures {
                private: known.now.private.saturating_sub(own.private),
                shared: known.now.shared.saturating_sub(own.shared),
                tables: 0,
            };
            known.of_others = Some((of_others, Instant::now()));
        }
    }

    /// Of one process.
    pub(super) fn bytes(&self, name: Name) -> u64 {
        self.all.get(&name).map_or(0, Known::bytes)
    }

    /// Of all processes, and of files.
    pub(super) fn bytes_of_all(&self) -> u64 {
        self.all.values().map(Known::bytes).sum::<u64>() + self.files_bytes
    }

    /// Files in memory that no process has mapped.
    pub(super) const fn files_bytes(&self) -> u64 {
        self.files_bytes
    }

    /// Whether it is known well enough what is shared.
    pub(super) fn is_known(&self) -> bool {
        self.unknown_since.is_none_or(|since| since.elapsed() > UNKNOWN_WITHIN)
    }

    /// Whether so much of the limit is taken that the next look should come soon.
    pub(super) fn is_close(&self) -> bool {
        self.bytes_of_all() > self.limit_bytes / 2
    }
}

/// What the kernel counts for a process.
fn cheap(pid: u32) -> Figures {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Figures {
        private: kibibytes(&text, &["RssAnon:", "VmSwap:"]),
        shared: kibibytes(&text, &["RssShmem:"]),
        tables: kibibytes(&text, &["VmPTE:"]),
    }
}

/// The same with its share of what several processes share.
fn exact(pid: u32) -> Option<Figures> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = kibibytes(&text, &["Pss_Anon:", "SwapPss:"]);
    Some(Figures { private, shared: kibibytes(&text, &["Pss_Shmem:"]), tables: 0 })
}

fn kibibytes(text: &str, names: &[&str]) -> u64 {
    let values = text.lines().filter_map(|line| names.iter().find_map(|name| line.strip_prefix(name)));
    values.filter_map(|value| value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).sum::<u64>() * 1024
}

/// Bytes of the files in a file system in memory, where that is the sandbox's own.
fn files_in_memory(agent: u32, place: &str) -> u64 {
    let inside = Path::new("/proc").join(agent.to_string()).join("root").join(place);
    let disk = |path: &Path| path.metadata().ok().map(|facts| facts.dev());
    let is_own = disk(&inside).is_some_and(|own| disk(&Path::new("/").join(place)) != Some(own));
    let is_memory = |facts: &rustix::fs::StatFs| u64::try_from(facts.f_type).is_ok_and(|kind| kind == TMPFS);
    match rustix::fs::statfs(&inside) {
        Ok(facts) if is_own && is_memory(&facts) => {
            facts.f_blocks.saturating_sub(facts.f_bfree).saturating_mul(u64::try_from(facts.f_bsize).unwrap_or(0))
        }
        _ => 0,
    }
}

/// What a file system in memory says that it is.
const TMPFS: u64 = 0x0102_1994;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let text = "Rss: 9 kB\nPss_Anon:              12 kB\nPss_Shmem: 3 kB\nSwapPss: 1 kB\n";
        assert_eq!(kibibytes(text, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"]), 16 * 1024);
        let own = std::process::id();
        assert!(cheap(own).private > 0 && cheap(own).tables > 0 && exact(own).unwrap().private > 0);
        assert_eq!(cheap(u32::MAX), Figures::default());
    }

    #[test]
    fn what_is_shared_counts_until_it_is_known_to_be() {
        let figures = |private, shared| Figures { private, shared, tables: 1 };
        let known = Known { now: figures(100, 50), of_others: None };
        assert_eq!(known.bytes(), 151);
        let known = Known { of_others: Some((figures(90, 40), Instant::now())), ..known };
        assert_eq!((known.bytes(), known.shared()), (21, 10));
        // What is taken in its place is its own again.
        assert_eq!(Known { now: figures(140, 0), ..known }.bytes(), 51);
    }
}
