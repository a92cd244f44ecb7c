//! Keeps all sandboxes within their limits, where the kernel keeps none for a sandbox as a whole.
//!
//! One thread, which waits for nobody, looks at all of them several times a second. Memory: the largest process is killed.
//! Processes: the youngest are, where the kernel does not refuse them, and whoever does not collect its children. Disk: who
//! writes is stopped while the directories are measured. When they are too large the sandbox's programs are killed, when
//! the disk is nearly full those that write. The first process of a sandbox is made to go on should somebody have stopped
//! it, and never touched otherwise.
//!
//! Memory of all sandboxes together: the largest process is killed of whoever takes most. And what programs watch, of
//! which there is one pool for everybody.

#[cfg(test)]
mod attack_tests;
mod decide;
#[cfg(test)]
mod decide_tests;
mod disk;
mod facts;
pub(crate) mod machine;
mod memory;
mod together;
mod watches;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use coditect_protocol::terminal::EndCause;
use rustix::process::Signal;
use tokio::sync::mpsc;

use self::decide::{Action, Free, Look, Name, Ward};
use self::memory::Memory;
use self::watches::Watches;
use crate::processes::{self, Process, Tree};
use crate::{Limits, Place, SandboxId};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The same while a sandbox has taken half of its memory: the rest could be gone in no time.
const CLOSE_LOOK: Duration = Duration::from_millis(50);

/// The part of what all may have together from which on it is looked as often.
const CLOSE_TOGETHER: (u64, u64) = (3, 4);

/// Time between two looks at how many processes the machine has, while there are sandboxes in which nothing else stops
/// new ones.
const COUNT: Duration = Duration::from_millis(10);
/// So many more than at the last look, and the next one is due.
const GROWTH: u64 = 64;
/// Tells, among others, how many processes and threads there are: the number behind the slash.
const LOAD: &str = "/proc/loadavg";

/// Time between two looks at what programs watch.
const WATCHES_LOOK: Duration = Duration::from_secs(2);

/// What the warden tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WardenEvent {
    /// Something was ended because its sandbox took more than it may.
    LimitReached {
        /// Which sandbox.
        sandbox: SandboxId,
        /// Which limit.
        cause: EndCause,
    },
    /// The sandbox wrote much: its writers stand still until [`Warden::disk_usage`] answers.
    DiskAsked {
        /// Which sandbox.
        sandbox: SandboxId,
    },
    /// The sandbox took more than it may, in a way that ends with nothing less: it is to be ended.
    EndAsked {
        /// Which sandbox.
        sandbox: SandboxId,
        /// Which limit.
        cause: EndCause,
    },
}

/// What happens to processes and threads beyond a sandbox's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooManyProcesses {
    /// The kernel refuses them.
    Refused,
    /// The warden ends them, and so looks the more often the more there are.
    Ended,
}

/// Looks after all sandboxes. Cheap to clone; ends with the last clone.
#[derive(Debug, Clone)]
pub struct Warden {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wards: Mutex<HashMap<SandboxId, Entry>>,
    /// Most memory of all together.
    memory_bytes: AtomicU64,
    events: mpsc::Sender<WardenEvent>,
}

#[derive(Debug)]
struct Entry {
    pid: u32,
    files: PathBuf,
    too_many: TooManyProcesses,
    ward: Ward,
    /// What was measured and not yet looked at.
    answered_bytes: Option<u64>,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Measured {
    memories: HashMap<SandboxId, Memory>,
    /// Since when all together take too much, as far as is known what they share.
    tight_since: Option<Duration>,
}

impl Warden {
    /// Starts the warden's thread; it sends what happens to `events` and never waits for a place there.
    pub fn start(events: mpsc::Sender<WardenEvent>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { wards: Mutex::default(), memory_bytes: AtomicU64::new(u64::MAX), events });
        let weak = Arc::downgrade(&shared);
        let again = weak.clone();
        std::thread::Builder::new().name("warden".to_owned()).spawn(move || watch(&weak))?;
        std::thread::Builder::new().name("warden-watches".to_owned()).spawn(move || watch_watches(&again))?;
        Ok(Self { shared })
    }

    /// From now on all sandboxes together may take so much memory.
    pub fn limit_together(&self, memory_bytes: u64) {
        self.shared.memory_bytes.store(memory_bytes, Ordering::Relaxed);
    }

    /// Looks after the processes below `pid` (see `Agent::pid`) until [`Self::remove`].
    pub fn add(&self, place: &Place, pid: u32, limits: &Limits, too_many: TooManyProcesses) {
        let ward = Ward::new(limits.clone(), place.quota_bytes);
        let entry = Entry { pid, files: place.files.clone(), too_many, ward, answered_bytes: None };
        self.shared.wards().insert(place.id, entry);
    }

    /// The sandbox has ended.
    pub fn remove(&self, sandbox: SandboxId) {
        self.shared.wards().remove(&sandbox);
    }

    /// The answer to [`WardenEvent::DiskAsked`]: how many bytes the sandbox's directories take by now.
    ///
    /// What programs have open there and nobody can find is added: that takes a while and has a thread of its own.
    pub fn disk_usage(&self, sandbox: SandboxId, bytes: u64) {
        let Some((pid, files)) = self.shared.wards().get(&sandbox).map(|entry| (entry.pid, entry.files.clone())) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let search = move || {
            // Where it cannot be told, nothing is too little.
            let deleted = processes::all().map_or(0, |all| facts::deleted_bytes(&Tree::new(&all), pid, &files));
            shared.answer(sandbox, bytes.saturating_add(deleted));
        };
        if let Err(error) = std::thread::Builder::new().name("open-files".to_owned()).spawn(search) {
            tracing::error!(%sandbox, %error, "files that are deleted and open cannot be counted");
            self.shared.answer(sandbox, bytes);
        }
    }
}

impl Shared {
    /// Never held while anything is read or signalled.
    fn wards(&self) -> MutexGuard<'_, HashMap<SandboxId, Entry>> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, sandbox: SandboxId, bytes: u64) {
        if let Some(entry) = self.wards().get_mut(&sandbox) {
            entry.answered_bytes = Some(bytes);
        }
    }

    /// One look at all sandboxes; how long the next may wait.
    fn look(&self, measured: &mut Measured, now: Duration) -> Duration {
        let known: Vec<(SandboxId, u32, PathBuf)> =
            self.wards().iter().map(|(id, entry)| (*id, entry.pid, entry.files.clone())).collect();
        if known.is_empty() {
            return LOOK;
        }
        let all = match processes::all() {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "the processes cannot be listed; the limits are kept at the next look");
                return CLOSE_LOOK;
            }
        };
        let tree = Tree::new(&all);
        measured.memories.retain(|id, _| known.iter().any(|(known, ..)| known == id));
        let mut next = LOOK;
        for (id, pid, files) in known {
            let free = free(&files);
            let ward = |entry: &Entry| (entry.ward.counts_writes(free.bytes), entry.ward.limits.memory_bytes);
            let Some((writes, memory_bytes)) = self.wards().get(&id).map(ward) else { continue };
            let memory = measured.memories.entry(id).or_insert_with(|| Memory::new(memory_bytes));
            let taken = facts::below(&tree, pid, memory, writes, measured.tight_since.is_some());
            let (files_bytes, memory_is_known) = (memory.files_bytes(), memory.is_known());
            if memory.is_close() {
                next = CLOSE_LOOK;
            }
            let look = Look { taken, agent: facts::agent(&tree, pid), files_bytes, memory_is_known, free };
            let mut actions = Vec::new();
            if let Some(entry) = self.wards().get_mut(&id) {
                actions.extend(entry.ward.look(&look, now));
                if let Some(bytes) = entry.answered_bytes.take() {
                    actions.extend(entry.ward.measured(bytes, now));
                }
            }
            for action in actions {
                self.act(id, &all, action);
            }
        }
        let actions = self.with_wards(|wards| disk::relieve(wards, now));
        self.act_on(&all, actions);
        next.min(self.look_together(measured, &all, now))
    }

    fn with_wards<T>(&self, decide: impl FnOnce(&mut [(SandboxId, &mut Ward)]) -> T) -> T {
        let mut entries = self.wards();
        let mut wards: Vec<_> = entries.iter_mut().map(|(id, entry)| (*id, &mut entry.ward)).collect();
        decide(&mut wards)
    }

    fn act_on(&self, all: &[Process], actions: Vec<(SandboxId, Action)>) {
        for (id, action) in actions {
            self.act(id, all, action);
        }
    }

    /// What all take together, as was just measured.
    fn look_together(&self, measured: &mut Measured, all: &[Process], now: Duration) -> Duration {
        let most = self.memory_bytes.load(Ordering::Relaxed);
        let taken: u64 = measured.memories.values().map(Memory::bytes_of_all).sum();
        if taken <= most {
            measured.tight_since = None;
            self.with_wards(|wards| wards.iter_mut().for_each(|(_, ward)| ward.forgive_unknown()));
        } else if let Some(since) = measured.tight_since {
            // Who goes is decided once it is known what they share.
            let too_long = now.saturating_sub(since) > memory::UNKNOWN_WITHIN;
            let actions = self.with_wards(|wards| together::relieve(wards, most, too_long, now));
            self.act_on(all, actions);
        } else {
            measured.tight_since = Some(now);
        }
        let (part, of) = CLOSE_TOGETHER;
        if taken / part > most / of { CLOSE_LOOK } else { LOOK }
    }

    /// Kills who watches so much that others cannot.
    fn look_at_watches(&self, watches: &mut Watches, most: watches::Most) {
        let known: Vec<(SandboxId, u32)> = self.wards().iter().map(|(id, entry)| (*id, entry.pid)).collect();
        if known.is_empty() {
            return;
        }
        // What cannot be listed now can be at the next look.
        let Ok(all) = processes::all() else { return };
        let tree = Tree::new(&all);
        let counted = known.into_iter().map(|(sandbox, root)| watches::count(&tree, root, sandbox, most)).collect();
        let actions = watches.look(counted, most);
        self.act_on(&all, actions);
    }

    fn act(&self, sandbox: SandboxId, all: &[Process], action: Action) {
        let signal = |name: Name, signal| {
            let process = all.iter().find(|process| process.pid == name.pid && process.started == name.started);
            if process.is_some_and(|process| process.signal(signal)) {
                tracing::info!(%sandbox, pid = name.pid, ?signal, "a process of a sandbox is kept within its limits");
            }
        };
        match action {
            Action::Kill(name) => signal(name, Signal::KILL),
            Action::Stop(name) => signal(name, Signal::STOP),
            Action::Continue(name) => signal(name, Signal::CONT),
            Action::Tell(cause) => self.tell(WardenEvent::LimitReached { sandbox, cause }),
            Action::End(cause) => self.tell(WardenEvent::EndAsked { sandbox, cause }),
            Action::AskDisk => self.tell(WardenEvent::DiskAsked { sandbox }),
        }
    }

    fn tell(&self, event: WardenEvent) {
        if let Err(error) = self.events.try_send(event) {
            tracing::warn!(%error, "nobody is told of a limit that was reached");
        }
    }
}

/// The thread. It ends with the last [`Warden`].
fn watch(shared: &Weak<Shared>) {
    let (start, mut measured) = (Instant::now(), Measured::default());
    while let Some(shared) = shared.upgrade() {
        // A look that fails is told by the panic itself, and must not be the last one.
        let next = catch_unwind(AssertUnwindSafe(|| shared.look(&mut measured, start.elapsed()))).unwrap_or(LOOK);
        let ends = shared.wards().values().any(|entry| entry.too_many == TooManyProcesses::Ended);
        drop(shared);
        if ends { rest(next) } else { std::thread::sleep(next) }
    }
}

/// Waits, but no longer than until the machine has many more processes.
fn rest(most: Duration) {
    let (begin, before) = (Instant::now(), processes_count());
    while begin.elapsed() < most && processes_count() < before.saturating_add(GROWTH) {
        std::thread::sleep(COUNT.min(most.saturating_sub(begin.elapsed())));
    }
}

/// Processes and threads of the machine; 0 where it does not tell.
fn processes_count() -> u64 {
    let load = std::fs::read_to_string(LOAD).unwrap_or_default();
    load.split(['/', ' ']).nth(4).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The other thread, for what may take longer. It ends with the last [`Warden`], too.
fn watch_watches(shared: &Weak<Shared>) {
    let (most, mut watches) = (watches::Most::of_this_machine(), Watches::default());
    while let Some(shared) = shared.upgrade() {
        // Told by the panic itself.
        let _ = catch_unwind(AssertUnwindSafe(|| shared.look_at_watches(&mut watches, most)));
        drop(shared);
        std::thread::sleep(WATCHES_LOOK);
    }
}

/// What is left on the disk of a directory; as much as can be where it does not tell.
fn free(path: &Path) -> Free {
    let Ok(facts) = rustix::fs::statvfs(path) else { return Free { bytes: u64::MAX, entries: u64::MAX } };
    // Some file systems have no number of entries.
    let entries = if facts.f_files == 0 { u64::MAX } else { facts.f_favail };
    Free { bytes: facts.f_bavail.saturating_mul(facts.f_frsize), entries }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_how_many_processes_there_are() {
        let here = processes::all().unwrap().iter().map(|process| u64::from(process.threads)).sum::<u64>();
        // Others begin and end meanwhile, and in a container some are not seen.
        assert!(processes_count() * 2 > here, "{here}");
    }
}
