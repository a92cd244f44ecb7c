//! Keeps all sandboxes within their limits, where the kernel keeps none for a sandbox as a whole.
//!
//! One thread, which waits for nobody, looks at all of them several times a second. Memory: the largest process is killed.
//! Processes: the youngest are. Disk: who writes is stopped while the directories are measured. When they are too large the
//! sandbox's programs are killed, when the disk is nearly full those that write. The first process of a sandbox is never
//! touched.

mod decide;
#[cfg(test)]
mod decide_tests;
mod facts;
mod memory;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use coditect_protocol::terminal::EndCause;
use rustix::process::Signal;
use tokio::sync::mpsc;

use self::decide::{Action, Look, Name, Ward};
use self::memory::Memory;
use crate::processes::{self, Process, Tree};
use crate::{Limits, Place, SandboxId};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The same while a sandbox has taken half of its memory: the rest could be gone in no time.
const CLOSE_LOOK: Duration = Duration::from_millis(50);

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
}

/// Looks after all sandboxes. Cheap to clone; ends with the last clone.
#[derive(Debug, Clone)]
pub struct Warden {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    wards: Mutex<HashMap<SandboxId, Entry>>,
    events: mpsc::Sender<WardenEvent>,
}

#[derive(Debug)]
struct Entry {
    pid: u32,
    files: PathBuf,
    ward: Ward,
    /// What was measured and not yet looked at.
    answered_bytes: Option<u64>,
}

impl Warden {
    /// Starts the warden's thread; it sends what happens to `events` and never waits for a place there.
    pub fn start(limits: Limits, events: mpsc::Sender<WardenEvent>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { limits, wards: Mutex::default(), events });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new().name("warden".to_owned()).spawn(move || watch(&weak))?;
        Ok(Self { shared })
    }

    /// Looks after the processes below `pid` (see `Agent::pid`) until [`Self::remove`].
    pub fn add(&self, place: &Place, pid: u32) {
        let ward = Ward::new(self.shared.limits.clone(), place.quota_bytes);
        let entry = Entry { pid, files: place.files.clone(), ward, answered_bytes: None };
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
    fn look(&self, memories: &mut HashMap<SandboxId, Memory>, now: Duration) -> Duration {
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
        memories.retain(|id, _| known.iter().any(|(known, ..)| known == id));
        let mut next = LOOK;
        for (id, pid, files) in known {
            let free = free_bytes(&files);
            let Some(writes) = self.wards().get(&id).map(|entry| entry.ward.counts_writes(free)) else { continue };
            let memory = memories.entry(id).or_insert_with(|| Memory::new(self.limits.memory_bytes));
            let taken = facts::below(&tree, pid, memory, writes);
            let (files_bytes, memory_is_known) = (memory.files_bytes(), memory.is_known());
            if memory.is_close() {
                next = CLOSE_LOOK;
            }
            let look = Look { taken, files_bytes, memory_is_known, free_bytes: free };
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
        next
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
    let (start, mut memories) = (Instant::now(), HashMap::new());
    while let Some(shared) = shared.upgrade() {
        // A look that fails is told by the panic itself, and must not be the last one.
        let next = catch_unwind(AssertUnwindSafe(|| shared.look(&mut memories, start.elapsed()))).unwrap_or(LOOK);
        drop(shared);
        std::thread::sleep(next);
    }
}

/// Bytes that are left on the disk of a directory; as many as can be where it does not tell.
fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |facts| facts.f_bavail.saturating_mul(facts.f_frsize))
}
