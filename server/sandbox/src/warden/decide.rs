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
/// Files and folders that the disk may have less before the directories are measured, for nothing tells who made them: and
/// the same while there is too much already.
const ALLOWANCE_ENTRIES: u64 = 100_000;
const OVER_ALLOWANCE_ENTRIES: u64 = 2000;
/// Bytes that a process may write while the disk is nearly full.
const LAST_BYTES: u64 = 4 * 1024 * 1024;
/// How long writers are held until it is asked again how much there is. They never go on unmeasured.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Least time between a measurement and one for which there is no reason but that the disk has less room, which others
/// may have taken; and the same in times of how long the last measurement took.
const UNSEEN_PAUSE: Duration = Duration::from_secs(2);
const UNSEEN_PAUSE_FACTOR: u32 = 8;
/// How long a killed process may take to end before it counts again.
const DYING: Duration = Duration::from_secs(2);

/// How long a sandbox that is ended may take for that before it counts again.
const ENDING: Duration = Duration::from_secs(15);

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
    /// a measurement come sooner. `None`: nobody may know.
    pub(super) written_bytes: Option<u64>,
    /// The same without those of its children, where that is known.
    pub(super) by_itself_bytes: Option<u64>,
    /// Whether it was started by the agent, as a terminal's shell is.
    pub(super) is_leader: bool,
}

/// What all of them take.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) taken: Vec<Taken>,
    /// Memory that no process has as its own.
    pub(super) files_bytes: u64,
    /// Whether what the processes share is known well enough to kill one for it.
    pub(super) memory_is_known: bool,
    /// What is left on the disk.
    pub(super) free: Free,
}

/// What a disk has left.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Free {
    pub(super) bytes: u64,
    /// Files and folders.
    pub(super) entries: u64,
}

impl Free {
    fn most(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), entries: self.entries.max(other.entries) }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Kill(Name),
    Stop(Name),
    Continue(Name),
    Tell(EndCause),
    AskDisk,
    /// The sandbox as a whole.
    End,
}

/// What is remembered of a sandbox.
#[derive(Debug)]
pub(super) struct Ward {
    pub(super) limits: Limits,
    quota_bytes: Option<u64>,
    seen: HashMap<Name, Seen>,
    /// Memory at the last look: of what has not been killed, and of files.
    memory: HashMap<Name, u64>,
    files_bytes: u64,
    memory_is_known: bool,
    /// Since when it is ended as a whole.
    ending_since: Option<Duration>,
    /// Written since the directories were measured.
    unmeasured_bytes: u64,
    allowance_bytes: u64,
    asked_at: Option<Duration>,
    /// Most room that the disk had since the directories were measured, and what it had at the last look.
    most_free: Free,
    last_free: Free,
    /// From when on a measurement may be asked for only because the disk has less room.
    unseen_from: Duration,
    /// What was measured while the quota is exceeded, at least.
    over_bytes: Option<u64>,
}

/// What is remembered of a process.
#[derive(Debug, Default)]
struct Seen {
    written_bytes: u64,
    by_itself_bytes: u64,
    /// Written since the disk is nearly full.
    last_bytes: u64,
    is_leader: bool,
    is_held: bool,
    /// Killed then, and still there for a moment.
    killed_at: Option<Duration>,
}

impl Ward {
    pub(super) fn new(limits: Limits, quota_bytes: Option<u64>) -> Self {
        Self {
            limits,
            quota_bytes,
            seen: HashMap::new(),
            memory: HashMap::new(),
            files_bytes: 0,
            memory_is_known: true,
            ending_since: None,
            unmeasured_bytes: 0,
            allowance_bytes: FIRST_ALLOWANCE_BYTES,
            asked_at: None,
            most_free: Free::default(),
            last_free: Free::default(),
            unseen_from: Duration::ZERO,
            over_bytes: None,
        }
    }

    /// Whether what is written has to be known at all.
    pub(super) fn counts_writes(&self, free_bytes: u64) -> bool {
        self.quota_bytes.is_some() || free_bytes < self.limits.disk_reserve_bytes
    }

    /// Looks at what the processes take at `now`, a time that only grows.
    pub(super) fn look(&mut self, look: &Look, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let writers = self.remember(look, now);
        let mut alive: Vec<Taken> =
            look.taken.iter().copied().filter(|one| self.seen[&one.name].killed_at.is_none()).collect();
        if look.memory_is_known {
            self.memory(look.files_bytes, &mut alive, now, &mut actions);
        }
        self.processes(&mut alive, now, &mut actions);
        self.full_disk(&mut alive, now, &mut actions);
        self.quota(writers, &alive, now, &mut actions);
        self.ending_since = self.ending_since.filter(|since| now.saturating_sub(*since) < ENDING);
        let is_ending = self.ending_since.is_some();
        self.memory_is_known = look.memory_is_known || is_ending;
        self.files_bytes = if is_ending { 0 } else { look.files_bytes };
        let counts = alive.iter().filter(|_| !is_ending);
        self.memory = counts.map(|one| (one.name, one.memory_bytes)).collect();
        actions
    }

    /// What it took at the last look and is not about to give back.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.values().sum::<u64>() + self.files_bytes
    }

    pub(super) const fn knows_memory(&self) -> bool {
        self.memory_is_known
    }

    /// Gives up its largest process; all there is where files in memory are larger, which end with nothing less.
    pub(super) fn give_up(&mut self, now: Duration) -> Action {
        let largest = self.memory.iter().map(|(name, bytes)| (*bytes, *name)).max();
        if let Some((_, name)) = largest.filter(|(bytes, _)| *bytes > 0 && *bytes >= self.files_bytes) {
            self.memory.remove(&name);
            if let Some(seen) = self.seen.get_mut(&name) {
                seen.killed_at = Some(now);
            }
            return Action::Kill(name);
        }
        self.ending_since = Some(now);
        self.files_bytes = 0;
        self.memory.clear();
        Action::End
    }

    /// Those who wrote since the last look.
    fn remember(&mut self, look: &Look, now: Duration) -> Vec<Name> {
        let is_full = look.free.bytes < self.limits.disk_reserve_bytes;
        // Whoever keeps secret what it writes may have written all that is missing.
        let missing = self.last_free.bytes.saturating_sub(look.free.bytes);
        self.last_free = look.free;
        let mut before = std::mem::take(&mut self.seen);
        let mut writers = Vec::new();
        let mut unknown = 0;
        for one in &look.taken {
            // Of a process that was not there before, all was written since.
            let mut seen = before.remove(&one.name).unwrap_or_default();
            seen.is_leader = one.is_leader;
            seen.killed_at = seen.killed_at.filter(|at| now.saturating_sub(*at) < DYING);
            let written = match one.written_bytes {
                Some(bytes) => bytes.saturating_sub(seen.written_bytes),
                None => missing,
            };
            match one.written_bytes {
                Some(bytes) => {
                    seen.written_bytes = seen.written_bytes.max(bytes);
                    self.unmeasured_bytes = self.unmeasured_bytes.saturating_add(written);
                }
                None => unknown = missing,
            }
            let by_itself = match one.by_itself_bytes {
                Some(bytes) => bytes.saturating_sub(seen.by_itself_bytes),
                None => missing,
            };
            seen.by_itself_bytes = seen.by_itself_bytes.max(one.by_itself_bytes.unwrap_or(0));
            seen.last_bytes = if is_full { seen.last_bytes.saturating_add(by_itself) } else { 0 };
            if by_itself > 0 && seen.killed_at.is_none() {
                writers.push(one.name);
            }
            self.seen.insert(one.name, seen);
        }
        self.unmeasured_bytes = self.unmeasured_bytes.saturating_add(unknown);
        writers
    }

    fn kill(&mut self, name: Name, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        alive.retain(|one| one.name != name);
        if let Some(seen) = self.seen.get_mut(&name) {
            seen.killed_at = Some(now);
        }
        actions.push(Action::Kill(name));
    }

    /// The largest ones go until the rest fits. Files in memory outlive them, and leave half of it to programs: with less
    /// nobody could remove them.
    fn memory(&mut self, files_bytes: u64, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        let most = self.limits.memory_bytes - files_bytes.min(self.limits.memory_bytes / 2);
        let mut told = false;
        while alive.iter().map(|one| one.memory_bytes).sum::<u64>() > most {
            let Some(largest) = alive.iter().max_by_key(|one| (one.memory_bytes, one.name)) else { return };
            self.kill(largest.name, alive, now, actions);
            told = true;
        }
        if told {
            actions.push(Action::Tell(EndCause::Memory));
        }
    }

    /// The youngest ones go until the rest is not too many.
    fn processes(&mut self, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        let mut told = false;
        alive.sort_unstable_by_key(|one| one.name);
        let mut threads: u64 = alive.iter().map(|one| u64::from(one.threads)).sum();
        while threads > u64::from(self.limits.processes) {
            let Some(youngest) = alive.last().copied() else { return };
            self.kill(youngest.name, alive, now, actions);
            threads -= u64::from(youngest.threads);
            told = true;
        }
        if told {
            actions.push(Action::Tell(EndCause::Processes));
        }
    }

    /// Whoever writes on and on while the disk is nearly full goes.
    fn full_disk(&mut self, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        let writers: Vec<Name> = alive
            .iter()
            .map(|one| one.name)
            .filter(|name| self.seen.get(name).is_some_and(|seen| seen.last_bytes >= LAST_BYTES))
            .collect();
        for name in &writers {
            self.kill(*name, alive, now, actions);
        }
        if !writers.is_empty() {
            actions.push(Action::Tell(EndCause::Disk));
        }
    }

    /// When much was written, all who write stand still until somebody has measured; while there is too much, all do but
    /// those that the agent started and that do not write themselves.
    fn quota(&mut self, mut writers: Vec<Name>, alive: &[Taken], now: Duration, actions: &mut Vec<Action>) {
        if self.quota_bytes.is_none() {
            return;
        }
        self.most_free = self.most_free.most(self.last_free);
        if self.asked_at.is_none_or(|asked| now.saturating_sub(asked) >= ASK_AGAIN) {
            if self.asked_at.is_none() && !self.may_have_written(alive, now) {
                return;
            }
            self.asked_at = Some(now);
            // What is written while it is measured may be missing in what is found.
            self.most_free = self.last_free;
            actions.push(Action::AskDisk);
        }
        if self.over_bytes.is_some() {
            writers.extend(alive.iter().filter(|one| !one.is_leader).map(|one| one.name));
            writers.sort_unstable();
            writers.dedup();
        }
        for name in writers {
            if let Some(seen) = self.seen.get_mut(&name).filter(|seen| seen.killed_at.is_none()) {
                seen.is_held = true;
                actions.push(Action::Stop(name));
            }
        }
    }

    /// Whether so much was written, or is missing on the disk, that there may be too much. Processes that end at once are
    /// seen by nobody: the room that they took is.
    fn may_have_written(&self, alive: &[Taken], now: Duration) -> bool {
        let missing = self.most_free.bytes.saturating_sub(self.last_free.bytes);
        let missing_entries = self.most_free.entries.saturating_sub(self.last_free.entries);
        let entries = if self.over_bytes.is_some() { OVER_ALLOWANCE_ENTRIES } else { ALLOWANCE_ENTRIES };
        let is_missing = missing >= self.allowance_bytes || missing_entries >= entries;
        let unseen = is_missing && now >= self.unseen_from && !alive.is_empty();
        unseen || self.unmeasured_bytes >= self.allowance_bytes
    }

    fn release(&mut self) -> Vec<Name> {
        let held = self.seen.iter_mut().filter(|(_, seen)| seen.is_held && seen.killed_at.is_none());
        let mut released: Vec<Name> = held
            .map(|(name, seen)| {
                seen.is_held = false;
                *name
            })
            .collect();
        released.sort_unstable();
        released
    }

    /// The directories were measured. What is too much ends the sandbox's programs as a whole, whoever wrote: first without
    /// those that the agent started, unless they wrote themselves, so that a shell is left to remove something with, and
    /// what it starts then as long as it writes little; should it become more nevertheless, all.
    pub(super) fn measured(&mut self, used_bytes: u64, now: Duration) -> Vec<Action> {
        let Some(quota) = self.quota_bytes else { return Vec::new() };
        let took = self.asked_at.take().map_or(Duration::ZERO, |asked| now.saturating_sub(asked));
        self.unseen_from = now + UNSEEN_PAUSE.max(took * UNSEEN_PAUSE_FACTOR);
        let written = std::mem::take(&mut self.unmeasured_bytes);
        let left = quota.saturating_sub(used_bytes);
        self.allowance_bytes = (left / ALLOWANCE_PART).clamp(*ALLOWANCE_BYTES.start(), *ALLOWANCE_BYTES.end());
        let held = self.release();
        if used_bytes <= quota {
            self.over_bytes = None;
            return held.into_iter().map(Action::Continue).collect();
        }
        let (before, much) = (self.over_bytes.replace(used_bytes), *ALLOWANCE_BYTES.start());
        let all = before.is_some_and(|before| used_bytes > before.saturating_add(much));
        if let Some(before) = before.filter(|_| !all) {
            self.over_bytes = Some(before.min(used_bytes));
            if written < much {
                return held.into_iter().map(Action::Continue).collect();
            }
        }
        let goes = |(name, seen): (&Name, &Seen)| {
            let goes = seen.killed_at.is_none() && (all || !seen.is_leader || held.contains(name));
            goes.then_some(*name)
        };
        let mut ends: Vec<Name> = self.seen.iter().filter_map(goes).collect();
        ends.sort_unstable();
        // None is to start another meanwhile.
        let mut actions: Vec<Action> = ends.iter().copied().map(Action::Stop).collect();
        for name in &ends {
            self.kill(*name, &mut Vec::new(), now, &mut actions);
        }
        if !ends.is_empty() {
            actions.push(Action::Tell(EndCause::Disk));
        }
        actions
    }
}
