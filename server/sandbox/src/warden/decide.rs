//! What is to be done about one sandbox, given what its processes take: data in, data out.

use std::collections::HashMap;
use std::time::Duration;

use coditect_protocol::terminal::EndCause;

use crate::Limits;

/// Bytes that a sandbox with a quota may write before its directories are measured for the first time.
const FIRST_ALLOWANCE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes that it may write between two measurements, at least and at most; in between it is a part of what is left.
const ALLOWANCE_BYTES: std::ops::RangeInclusive<u64> = 4 * 1024 * 1024..=256 * 1024 * 1024;
/// Part of what is left of a quota that may be written without looking again.
const ALLOWANCE_PART: u64 = 4;
/// Bytes that a process may write while the disk is nearly full.
const LAST_BYTES: u64 = 4 * 1024 * 1024;
/// How long writers are held when nobody measures; then they go on.
const HOLD: Duration = Duration::from_secs(60);

/// Names a process for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    /// First, so that names are in the order of age.
    pub(super) started: u64,
    pub(super) pid: u32,
}

/// What one process takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) name: Name,
    pub(super) memory_bytes: u64,
    pub(super) threads: u32,
    /// Since it started, with those of its children that ended. Counted twice where a child was seen, which only makes
    /// a measurement come sooner.
    pub(super) written_bytes: u64,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Kill(Name),
    Stop(Name),
    Continue(Name),
    Tell(EndCause),
    AskDisk,
}

/// What is remembered of a sandbox.
#[derive(Debug)]
pub(super) struct Ward {
    limits: Limits,
    quota_bytes: Option<u64>,
    seen: HashMap<Name, Seen>,
    /// Written since the directories were measured.
    unmeasured_bytes: u64,
    allowance_bytes: u64,
    asked_at: Option<Duration>,
}

/// What is remembered of a process.
#[derive(Debug, Default)]
struct Seen {
    written_bytes: u64,
    /// Written since the disk is nearly full.
    last_bytes: u64,
    is_held: bool,
    /// Killed, and still there for a moment.
    is_dying: bool,
}

impl Ward {
    pub(super) fn new(limits: Limits, quota_bytes: Option<u64>) -> Self {
        Self {
            limits,
            quota_bytes,
            seen: HashMap::new(),
            unmeasured_bytes: 0,
            allowance_bytes: FIRST_ALLOWANCE_BYTES,
            asked_at: None,
        }
    }

    /// Whether what is written has to be known at all.
    pub(super) fn counts_writes(&self, free_bytes: u64) -> bool {
        self.quota_bytes.is_some() || free_bytes < self.limits.disk_reserve_bytes
    }

    /// Looks at what the processes take at `now`, a time that only grows.
    pub(super) fn look(&mut self, taken: &[Taken], free_bytes: u64, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let writers = self.remember(taken, free_bytes);
        let mut alive: Vec<Taken> = taken.iter().copied().filter(|one| !self.seen[&one.name].is_dying).collect();
        self.memory(&mut alive, &mut actions);
        self.processes(&mut alive, &mut actions);
        self.full_disk(&mut alive, &mut actions);
        self.quota(&writers, now, &mut actions);
        actions
    }

    /// Those who wrote since the last look.
    fn remember(&mut self, taken: &[Taken], free_bytes: u64) -> Vec<Name> {
        let is_full = free_bytes < self.limits.disk_reserve_bytes;
        let mut before = std::mem::take(&mut self.seen);
        let mut writers = Vec::new();
        for one in taken {
            // Of a process that was not there before, all was written since.
            let mut seen = before.remove(&one.name).unwrap_or_default();
            let written = one.written_bytes.saturating_sub(seen.written_bytes);
            seen.written_bytes = seen.written_bytes.max(one.written_bytes);
            seen.last_bytes = if is_full { seen.last_bytes + written } else { 0 };
            if written > 0 && !seen.is_dying {
                writers.push(one.name);
            }
            self.unmeasured_bytes = self.unmeasured_bytes.saturating_add(written);
            self.seen.insert(one.name, seen);
        }
        writers
    }

    fn kill(&mut self, name: Name, alive: &mut Vec<Taken>, actions: &mut Vec<Action>) {
        alive.retain(|one| one.name != name);
        if let Some(seen) = self.seen.get_mut(&name) {
            seen.is_dying = true;
        }
        actions.push(Action::Kill(name));
    }

    /// The largest ones go until the rest fits.
    fn memory(&mut self, alive: &mut Vec<Taken>, actions: &mut Vec<Action>) {
        let mut told = false;
        while alive.iter().map(|one| one.memory_bytes).sum::<u64>() > self.limits.memory_bytes {
            let Some(largest) = alive.iter().max_by_key(|one| (one.memory_bytes, one.name)) else { return };
            self.kill(largest.name, alive, actions);
            told = true;
        }
        if told {
            actions.push(Action::Tell(EndCause::Memory));
        }
    }

    /// The youngest ones go until the rest is not too many.
    fn processes(&mut self, alive: &mut Vec<Taken>, actions: &mut Vec<Action>) {
        let mut told = false;
        alive.sort_unstable_by_key(|one| one.name);
        let mut threads: u64 = alive.iter().map(|one| u64::from(one.threads)).sum();
        while threads > u64::from(self.limits.processes) {
            let Some(youngest) = alive.last().copied() else { return };
            self.kill(youngest.name, alive, actions);
            threads -= u64::from(youngest.threads);
            told = true;
        }
        if told {
            actions.push(Action::Tell(EndCause::Processes));
        }
    }

    /// Whoever writes on and on while the disk is nearly full goes.
    fn full_disk(&mut self, alive: &mut Vec<Taken>, actions: &mut Vec<Action>) {
        let writers: Vec<Name> = alive
            .iter()
            .map(|one| one.name)
            .filter(|name| self.seen.get(name).is_some_and(|seen| seen.last_bytes >= LAST_BYTES))
            .collect();
        for name in &writers {
            self.kill(*name, alive, actions);
        }
        if !writers.is_empty() {
            actions.push(Action::Tell(EndCause::Disk));
        }
    }

    /// When much was written, all who write stand still until somebody has measured.
    fn quota(&mut self, writers: &[Name], now: Duration, actions: &mut Vec<Action>) {
        if self.quota_bytes.is_none() {
            return;
        }
        match self.asked_at {
            None if self.unmeasured_bytes < self.allowance_bytes => return,
            None => {
                self.asked_at = Some(now);
                actions.push(Action::AskDisk);
            }
            Some(asked) if now.saturating_sub(asked) >= HOLD => {
                self.asked_at = None;
                self.unmeasured_bytes = 0;
                actions.extend(self.release().into_iter().map(Action::Continue));
                return;
            }
            Some(_) => {}
        }
        for name in writers {
            if let Some(seen) = self.seen.get_mut(name).filter(|seen| !seen.is_dying) {
                seen.is_held = true;
                actions.push(Action::Stop(*name));
            }
        }
    }

    fn release(&mut self) -> Vec<Name> {
        let held = self.seen.iter_mut().filter(|(_, seen)| seen.is_held && !seen.is_dying);
        let mut released: Vec<Name> = held
            .map(|(name, seen)| {
                seen.is_held = false;
                *name
            })
            .collect();
        released.sort_unstable();
        released
    }

    /// The directories were measured.
    pub(super) fn measured(&mut self, used_bytes: u64) -> Vec<Action> {
        let Some(quota) = self.quota_bytes else { return Vec::new() };
        self.asked_at = None;
        self.unmeasured_bytes = 0;
        let left = quota.saturating_sub(used_bytes);
        self.allowance_bytes = (left / ALLOWANCE_PART).clamp(*ALLOWANCE_BYTES.start(), *ALLOWANCE_BYTES.end());
        let held = self.release();
        if used_bytes <= quota {
            return held.into_iter().map(Action::Continue).collect();
        }
        let mut actions = Vec::new();
        for name in &held {
            self.kill(*name, &mut Vec::new(), &mut actions);
        }
        if !held.is_empty() {
            actions.push(Action::Tell(EndCause::Disk));
        }
        actions
    }
}
