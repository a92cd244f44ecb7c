//! How much memory the processes of a sandbox take together. Blocks, for a limited time.
//!
//! What the kernel counts for each process is cheap to read, and counts what several share for each of them: never too
//! little. Only where that is more than the sandbox may have it is read what they share, which makes the kernel look at each
//! page: of a few at a time.
//!
//! What was read once is worth less with each page that a process may have written to since, and with each that ends: its
//! part of what it shared is others' then.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::decide::Name;
use super::machine::processor_time;

/// Processes of which it is read at a time what they share, and how long that may take, in time of the processor.
const EXACT_PROCESSES: usize = 16;
const EXACT_WITHIN: Duration = Duration::from_millis(10);
/// How long what is shared may stay unknown before all of it counts for each.
pub(super) const UNKNOWN_WITHIN: Duration = Duration::from_secs(1);
/// How long it is known at most. All of a sandbox's processes are read in less.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// Smaller processes count with all that they share.
const SMALL_BYTES: u64 = 1024 * 1024;
/// Most that one page fault can give a process.
const LARGEST_PAGE_BYTES: u64 = 2 * 1024 * 1024;
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
    /// Page faults since it started.
    faults: u64,
    /// What of that is others' by right.
    of_others: Option<OfOthers>,
}

#[derive(Debug, Clone, Copy)]
struct OfOthers {
    figures: Figures,
    at: Instant,
    /// Page faults until then.
    faults: u64,
    /// What processes that ended since may have left to this one.
    left_bytes: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Figures {
    /// Of no file, with what was moved out to the disk.
    private: u64,
    /// How much of that was moved out.
    swapped: u64,
    /// Of files in memory, and made to be shared.
    shared: u64,
    /// The kernel's own to find the pages with.
    tables: u64,
}

impl Figures {
    const fn total(&self) -> u64 {
        self.private + self.shared
    }
}

impl OfOthers {
    /// What is others' still, after so many page faults: whoever writes to a page that is shared gets one of its own by one.
    fn after(&self, faults: u64) -> Figures {
        let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(LARGEST_PAGE_BYTES);
        let own = faults.saturating_sub(self.faults).saturating_mul(page_bytes).saturating_add(self.left_bytes);
        let figures = self.figures;
        Figures { private: figures.private.saturating_sub(own), shared: figures.shared.saturating_sub(own), ..figures }
    }

    /// What may be its own by now where it had the largest of pages.
    fn doubt(&self, faults: u64) -> u64 {
        let large = faults.saturating_sub(self.faults).saturating_mul(LARGEST_PAGE_BYTES);
        large.saturating_add(self.left_bytes).min(self.figures.total())
    }
}

impl Known {
    /// As much as it can be.
    fn bytes(&self) -> u64 {
        let of_others = self.of_others();
        self.now.tables + self.now.private.saturating_sub(of_others.private) + self.shared()
    }

    fn shared(&self) -> u64 {
        self.now.shared.saturating_sub(self.of_others().shared)
    }

    fn of_others(&self) -> Figures {
        self.of_others.map_or_else(Figures::default, |of_others| of_others.after(self.faults))
    }

    /// As much as it is, if nothing of what it shared became its own.
    fn least_bytes(&self) -> u64 {
        let of_others = self.of_others.map_or_else(Figures::default, |of_others| of_others.figures);
        self.now.tables
            + self.now.private.saturating_sub(of_others.private)
            + self.now.shared.saturating_sub(of_others.shared)
    }

    /// What others may have of it alone when it ends.
    fn left_bytes(&self) -> u64 {
        let shared = self.of_others.map_or(u64::MAX, |of_others| of_others.figures.total());
        self.bytes().saturating_sub(self.now.tables).min(shared)
    }

    const fn is_large(&self) -> bool {
        self.now.total() > SMALL_BYTES
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
            let Some(now) = cheap(name.pid) else { continue };
            let mut known = Known { now, ..before.remove(name).unwrap_or_default() };
            known.of_others = known.of_others.filter(|read| known.is_large() && read.at.elapsed() < KNOWN_FOR);
            if known.of_others.is_some() {
                known.faults = faults(name.pid).unwrap_or(u64::MAX);
            }
            self.all.insert(*name, known);
        }
        self.inherit(before.values().map(Known::left_bytes).sum());
        let files = agent.map_or(0, |agent| FILES.iter().map(|place| files_in_memory(agent, place)).sum());
        let most: u64 = self.all.values().map(|known| known.now.total() + known.now.tables).sum();
        if most + files > limit_bytes {
            self.measure_exactly();
        }
        // Files that are mapped count for who mapped them.
        self.files_bytes = files.saturating_sub(self.all.values().map(Known::shared).sum());
        let least = self.all.values().map(Known::least_bytes).sum::<u64>() + self.files_bytes;
        let is_unknown = self.bytes_of_all() > limit_bytes
            && (least <= limit_bytes || self.all.values().any(|known| known.of_others.is_none() && known.is_large()));
        self.unknown_since = is_unknown.then(|| self.unknown_since.unwrap_or_else(Instant::now));
    }

    /// What ended processes shared with those that are left is theirs alone now. Nobody knows whose, until it is read again:
    /// in sum it is right.
    fn inherit(&mut self, mut bytes: u64) {
        let mut heirs: Vec<&mut OfOthers> =
            self.all.values_mut().filter_map(|known| known.of_others.as_mut()).collect();
        heirs.sort_unstable_by_key(|heir| Reverse(heir.figures.total().saturating_sub(heir.left_bytes)));
        for heir in heirs {
            let part = heir.figures.total().saturating_sub(heir.left_bytes).min(bytes);
            heir.left_bytes += part;
            bytes -= part;
        }
    }

    /// By turns one of which nothing is known, largest first, one of which least is sure, and one that was read longest ago:
    /// nobody can keep another from being looked at.
    fn exact_order(&self) -> Vec<Name> {
        let (mut new, mut doubtful, mut old) = (Vec::new(), Vec::new(), Vec::new());
        for (name, known) in self.all.iter().filter(|(_, known)| known.is_large()) {
            match &known.of_others {
                None => new.push((Reverse(known.now.total()), *name)),
                Some(read) => {
                    doubtful.push((Reverse(read.doubt(known.faults)), *name));
                    old.push((read.at, *name));
                }
            }
        }
        new.sort_unstable();
        doubtful.sort_unstable();
        old.sort_unstable();
        let mut order: Vec<Name> = Vec::new();
        let turns = new.len().max(old.len());
        for turn in 0..turns {
            let new = new.get(turn).map(|(_, name)| *name);
            let doubtful = doubtful.get(turn).map(|(_, name)| *name);
            let old = old.get(turn).map(|(_, name)| *name);
            for name in [new, doubtful, old].into_iter().flatten() {
                if !order.contains(&name) {
                    order.push(name);
                }
            }
            if order.len() >= EXACT_PROCESSES {
                break;
            }
        }
        order
    }

    fn measure_exactly(&mut self) {
        let begin = processor_time();
        for name in self.exact_order().into_iter().take(EXACT_PROCESSES) {
            if processor_time().saturating_sub(begin) > EXACT_WITHIN {
                return;
            }
            let Some(known) = self.all.get_mut(&name) else { continue };
            // Counted before, so that what is written meanwhile counts.
            known.faults = faults(name.pid).unwrap_or(u64::MAX);
            // Where nobody may look, what is shared counts as its own.
            let figures = exact(name.pid, known.now).unwrap_or_default();
            known.of_others = Some(OfOthers { figures, at: Instant::now(), faults: known.faults, left_bytes: 0 });
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

/// What the kernel counts for a process; `None` where it has no memory any more.
fn cheap(pid: u32) -> Option<Figures> {
    let text = read(&folder(pid), "status", "RssAnon:")?;
    let swapped = kibibytes(&text, &["VmSwap:"]);
    Some(Figures {
        private: kibibytes(&text, &["RssAnon:"]) + swapped,
        swapped,
        shared: kibibytes(&text, &["RssShmem:"]),
        tables: kibibytes(&text, &["VmPTE:"]),
    })
}

/// What of that is others' by right. What is compared was read at one time, so that nothing can be moved in between.
fn exact(pid: u32, now: Figures) -> Option<Figures> {
    let text = read(&folder(pid), "smaps_rollup", "Pss_Anon:")?;
    let one = |name| kibibytes(&text, &[name]);
    let swapped = now.swapped.saturating_sub(one("SwapPss:"));
    Some(Figures {
        private: one("Anonymous:").saturating_sub(one("Pss_Anon:")) + swapped,
        swapped,
        shared: now.shared.saturating_sub(one("Pss_Shmem:")),
        tables: 0,
    })
}

/// Page faults of a process since it started.
fn faults(pid: u32) -> Option<u64> {
    let text = text(&folder(pid).join("stat")).ok()?;
    // After the name, which may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(7);
    // Those without a disk and, behind those of its children, those with one.
    let (minor, major) = (fields.next()?, fields.nth(1)?);
    Some(minor.parse::<u64>().ok()?.saturating_add(major.parse().ok()?))
}

fn folder(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// A file of a process that holds `mark`. A process whose first thread has ended tells nothing of its memory; any other
/// thread does.
fn read(process: &Path, file: &str, mark: &str) -> Option<String> {
    let marked = |text: &String| text.contains(mark);
    match text(&process.join(file)) {
        Ok(text) if marked(&text) => return Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
        _ => {}
    }
    let threads = std::fs::read_dir(process.join("task")).ok()?.flatten();
    threads.filter_map(|thread| text(&thread.path().join(file)).ok()).find(marked)
}

/// What a file holds; it may hold the name that a process gave itself, which need not be text.
fn text(path: &Path) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
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
#[path = "memory_tests.rs"]
mod tests;
