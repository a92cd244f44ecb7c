//! Keeps all sandboxes within their limits, where the kernel keeps none for a sandbox as a whole.
//!
//! One task looks at all of them several times a second. Memory: the largest process is killed. Processes: the youngest
//! are. Disk: who writes is stopped while the directories are measured, and killed when they are too large or the disk is
//! nearly full. The first process of a sandbox is never touched.

mod decide;
#[cfg(test)]
mod decide_tests;
mod facts;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use coditect_protocol::terminal::EndCause;
use rustix::process::Signal;
use tokio::sync::mpsc;

use self::decide::{Action, Name, Ward};
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
    /// Starts the warden's task; it sends what happens to `events` and never waits for a place there.
    #[must_use]
    pub fn start(limits: Limits, events: mpsc::Sender<WardenEvent>) -> Self {
        let shared = Arc::new(Shared { limits, wards: Mutex::default(), events });
        tokio::spawn(watch(Arc::downgrade(&shared)));
        Self { shared }
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
    pub fn disk_usage(&self, sandbox: SandboxId, bytes: u64) {
        if let Some(entry) = self.shared.wards().get_mut(&sandbox) {
            entry.answered_bytes = Some(bytes);
        }
    }
}

impl Shared {
    /// Never held while anything is read or signalled.
    fn wards(&self) -> MutexGuard<'_, HashMap<SandboxId, Entry>> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look at all sandboxes; how long the next may wait.
    fn look(&self, now: Duration) -> Duration {
        let known: Vec<(SandboxId, u32, PathBuf)> =
            self.wards().iter().map(|(id, entry)| (*id, entry.pid, entry.files.clone())).collect();
        if known.is_empty() {
            return LOOK;
        }
        let all = processes::all();
        let tree = Tree::new(&all);
        let mut next = LOOK;
        for (id, pid, files) in known {
            let free = free_bytes(&files);
            let Some(writes) = self.wards().get(&id).map(|entry| entry.ward.counts_writes(free)) else { continue };
            let taken = facts::below(&tree, pid, self.limits.memory_bytes, writes);
            if facts::is_close(&taken, self.limits.memory_bytes) {
                next = CLOSE_LOOK;
            }
            let mut actions = Vec::new();
            if let Some(entry) = self.wards().get_mut(&id) {
                if let Some(bytes) = entry.answered_bytes.take() {
                    actions.extend(entry.ward.measured(bytes));
                }
                actions.extend(entry.ward.look(&taken, free, now));
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

/// The task; what it looks at is read where blocking is allowed.
async fn watch(shared: Weak<Shared>) {
    let start = Instant::now();
    while let Some(shared) = shared.upgrade() {
        let next = tokio::task::spawn_blocking(move || shared.look(start.elapsed())).await;
        if let Err(error) = &next {
            tracing::error!(%error, "a look at the sandboxes failed");
        }
        tokio::time::sleep(next.unwrap_or(LOOK)).await;
    }
}

/// Bytes that are left on the disk of a directory; as many as can be where it does not tell.
fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |facts| facts.f_bavail.saturating_mul(facts.f_frsize))
}
