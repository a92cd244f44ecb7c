//! What is to be done about one sandbox, given what its processes take: data in, data out.

use std::collections::HashMap;
use std::time::Duration;

use coditect_protocol::terminal::EndCause;

use super::memory::UNKNOWN_WITHIN;
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
/// Bytes that a process may write although it is held: another may have made it go on.
const HELD_BYTES: u64 = 8 * 1024 * 1024;
/// The same in the calls in which its threads were stopped: each goes on to its end, and writes as much as one call can.
const LAST_CALLS_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The same of one that keeps secret what it writes: others may have written what is missing.
const HELD_SECRET_BYTES: u64 = 64 * 1024 * 1024;
/// Part of a sandbox's processes that may have ended without being collected before whoever does not collect them goes.
const DEAD_PART: u64 = 2;
/// How long the agent may take to collect what ended, once it was told to go on.
const COLLECT_WITHIN: Duration = Duration::from_secs(2);
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
    /// The number of the process that has to collect it.
    pub(super) parent: u32,
    /// It has ended, and nobody has collected it: a signal does nothing to it.
    pub(super) is_dead: bool,
    /// Since it started, with those of its children that ended. Counted twice where a child was seen, which only makes
    /// a measurement come sooner. `None`: nobody may know.
    pub(super) written_bytes: Option<u64>,
    /// The same without those of its children, where that is known.
    pub(super) by_itself_bytes: Option<u64>,
    /// Calls in which it did; 0 where it keeps that secret.
    pub(super) write_calls: u64,
    /// It stands still.
    pub(super) is_stopped: bool,
    /// Whether it was started by the agent, as a terminal's shell is.
    pub(super) is_leader: bool,
}

/// What all of them take.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) taken: Vec<Taken>,
    /// The process that collects what has no parent any more.
    pub(super) agent: Option<Name>,
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
    End(EndCause),
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
    /// How long in all it was unknown what is shared while all together take too much, and when it was looked last.
    unknown_for: Duration,
    looked_at: Duration,
    /// Since when the agent has been told to collect what ended.
    collecting_since: Option<Duration>,
    /// Whether what is written was counted at the last look.
    counted_writes: bool,
    /// Written since the disk is nearly full: in all, and since the look before.
    last_bytes: u64,
    just_written_bytes: u64,
    just_missing_bytes: u64,
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
    /// Written since it was seen to be held. A signal may take until the look after the one at which it was sent.
    held: Option<Held>,
    /// Nobody may know what it writes.
    is_secret: bool,
    /// Killed then, and still there for a moment.
    killed_at: Option<Duration>,
}

/// What a process does that is held.
#[derive(Debug, Clone, Copy)]
struct Held {
    bytes: u64,
    /// Calls until it was seen to be held.
    calls_before: u64,
    calls: u64,
    threads: u32,
}

impl Held {
    const fn of(one: &Taken) -> Self {
        Self { bytes: 0, calls_before: one.write_calls, calls: one.write_calls, threads: one.threads }
    }

    fn and(self, one: &Taken, by_itself: u64) -> Self {
        // What is missing on the disk is not what one wrote that stands still.
        let is_others = one.by_itself_bytes.is_none() && one.is_stopped;
        let bytes = if is_others { 0 } else { self.bytes.saturating_add(by_itself) };
        Self { bytes, calls: one.write_calls, ..self }
    }

    /// Whether somebody makes it go on.
    fn goes_on(&self, is_secret: bool) -> bool {
        let in_last_calls = self.calls.saturating_sub(self.calls_before) <= u64::from(self.threads);
        let most = if is_secret { HELD_SECRET_BYTES } else { HELD_BYTES };
        self.bytes > if in_last_calls && !is_secret { most + LAST_CALLS_BYTES } else { most }
    }
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
            unknown_for: Duration::ZERO,
            looked_at: Duration::ZERO,
            collecting_since: None,
            counted_writes: false,
            last_bytes: 0,
            just_written_bytes: 0,
            just_missing_bytes: 0,
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
        let is_dying = |one: &&Taken| self.seen.get(&one.name).is_some_and(|seen| seen.killed_at.is_some());
        let (dead, mut alive): (Vec<Taken>, Vec<Taken>) =
            look.taken.iter().filter(|one| !is_dying(one)).partition(|one| one.is_dead);
        if look.memory_is_known {
            self.memory(look.files_bytes, &mut alive, now, &mut actions);
        }
        self.processes(&mut alive, &dead, look.agent, now, &mut actions);
        self.held(&mut alive, now, &mut actions);
        self.full_disk(&mut alive, now, &mut actions);
        self.quota(writers, &alive, now, &mut actions);
        self.ending_since = self.ending_since.filter(|since| now.saturating_sub(*since) < ENDING);
        let is_ending = self.ending_since.is_some();
        self.memory_is_known = look.memory_is_known || is_ending;
        if !self.memory_is_known {
            self.unknown_for = self.unknown_for.saturating_add(now.saturating_sub(self.looked_at));
        }
        self.looked_at = now;
        self.files_bytes = if is_ending { 0 } else { look.files_bytes };
        let counts = alive.iter().filter(|_| !is_ending);
        self.memory = counts.map(|one| (one.name, one.memory_bytes)).collect();
        actions
    }

    /// What it took at the last look and is not about to give back.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.values().sum::<u64>() + self.files_bytes
    }

    /// Whether what it takes may be acted on: it is known, or has been unknown for long, be it with pauses.
    pub(super) fn knows_memory(&self) -> bool {
        self.memory_is_known || self.unknown_for > UNKNOWN_WITHIN
    }

    /// All together fit: what they share may be unknown for a while once more.
    pub(super) const fn forgive_unknown(&mut self) {
        self.unknown_for = Duration::ZERO;
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
        Action::End(EndCause::Memory)
    }

    /// Those who wrote since the last look.
    fn remember(&mut self, look: &Look, now: Duration) -> Vec<Name> {
        let is_full = look.free.bytes < self.limits.disk_reserve_bytes;
        // Whoever keeps secret what it writes may have written all that is missing.
        let missing = self.last_free.bytes.saturating_sub(look.free.bytes);
        self.last_free = look.free;
        let counts_writes = self.counts_writes(look.free.bytes);
        let began_to_count = !std::mem::replace(&mut self.counted_writes, counts_writes) && counts_writes;
        self.just_missing_bytes = missing;
        self.just_written_bytes = 0;
        let mut before = std::mem::take(&mut self.seen);
        let mut writers = Vec::new();
        let mut unknown = 0;
        for one in &look.taken {
            // Of a process that was not there before, all was written since.
            let known = before.remove(&one.name);
            let mut seen = match known {
                // Nobody counted what it wrote before.
                Some(seen) if began_to_count => Seen {
                    written_bytes: one.written_bytes.unwrap_or(0),
                    by_itself_bytes: one.by_itself_bytes.unwrap_or(0),
                    ..seen
                },
                known => known.unwrap_or_default(),
            };
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
            seen.is_secret = one.by_itself_bytes.is_none();
            seen.held = seen.is_held.then(|| seen.held.map_or(Held::of(one), |held| held.and(one, by_itself)));
            self.just_written_bytes = self.just_written_bytes.saturating_add(written);
            if by_itself > 0 && seen.killed_at.is_none() {
                writers.push(one.name);
            }
            self.seen.insert(one.name, seen);
        }
        self.unmeasured_bytes = self.unmeasured_bytes.saturating_add(unknown);
        if !is_full {
            (self.last_bytes, self.just_written_bytes) = (0, 0);
        }
        writers
    }

    fn kill(&mut self, name: Name, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        alive.retain(|one| one.name != name);
        self.kill_one(name, now, actions);
    }

    fn kill_one(&mut self, name: Name, now: Duration, actions: &mut Vec<Action>) {
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

    /// The youngest ones go until the rest is not too many. What has ended and was not collected counts for whoever has to
    /// collect it: where that is much, whoever has most goes first, for only that frees the numbers of the dead.
    fn processes(
        &mut self,
        alive: &mut Vec<Taken>,
        dead: &[Taken],
        agent: Option<Name>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let mut uncollected: HashMap<u32, u64> = HashMap::new();
        for one in dead {
            *uncollected.entry(one.parent).or_default() += 1;
        }
        self.collected(&uncollected, agent, now, actions);
        let mut told = false;
        alive.sort_unstable_by_key(|one| one.name);
        let most = u64::from(self.limits.processes);
        let of = |one: &Taken| uncollected.get(&one.name.pid).copied().unwrap_or(0);
        let mut threads: u64 = alive.iter().map(|one| u64::from(one.threads)).sum();
        let mut ended: u64 = alive.iter().map(of).sum();
        while threads + ended > most {
            let next = if ended > most / DEAD_PART {
                let worst = (0..alive.len())
                    .max_by_key(|index| alive.get(*index).map(|one| (of(one) + u64::from(one.threads), one.name)));
                worst.map(|index| alive.remove(index))
            } else {
                alive.pop()
            };
            let Some(next) = next else { break };
            self.kill_one(next.name, now, actions);
            threads -= u64::from(next.threads);
            ended -= of(&next);
            told = true;
        }
        if told {
            actions.push(Action::Tell(EndCause::Processes));
        }
    }

    /// The agent collects all that has no parent any more. Where it does not, somebody has stopped it: it is made to go on,
    /// and should that not help, the sandbox ends.
    fn collected(
        &mut self,
        uncollected: &HashMap<u32, u64>,
        agent: Option<Name>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(agent) = agent else { return };
        let count = uncollected.get(&agent.pid).copied().unwrap_or(0);
        if count <= u64::from(self.limits.processes) / DEAD_PART || self.ending_since.is_some() {
            self.collecting_since = None;
            return;
        }
        match self.collecting_since {
            None => {
                self.collecting_since = Some(now);
                actions.push(Action::Continue(agent));
            }
            Some(since) if now.saturating_sub(since) >= COLLECT_WITHIN => {
                self.collecting_since = None;
                self.ending_since = Some(now);
                actions.extend([Action::End(EndCause::Processes), Action::Tell(EndCause::Processes)]);
            }
            Some(_) => {}
        }
    }

    /// Whoever goes on writing although it is held goes: somebody makes it go on.
    fn held(&mut self, alive: &mut Vec<Taken>, now: Duration, actions: &mut Vec<Action>) {
        let goes = |seen: &Seen| seen.held.is_some_and(|held| held.goes_on(seen.is_secret));
        let writers: Vec<Name> =
            alive.iter().map(|one| one.name).filter(|name| self.seen.get(name).is_some_and(goes)).collect();
        for name in &writers {
            self.kill(*name, alive, now, actions);
        }
        if !writers.is_empty() {
            actions.push(Action::Tell(EndCause::Disk));
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

    /// What it wrote since the last look while the disk is nearly full, and what the disk has less since then.
    pub(super) const fn just_written(&self) -> (u64, u64) {
        (self.just_written_bytes, self.just_missing_bytes)
    }

    /// Has written so much more since the disk is nearly full; how much that is in all.
    pub(super) fn charge(&mut self, bytes: u64) -> u64 {
        self.just_written_bytes = 0;
        self.last_bytes = self.last_bytes.saturating_add(bytes);
        self.last_bytes
    }

    /// All its processes go, for it has written most of what a disk that is nearly full has left.
    pub(super) fn stop_writing(&mut self, now: Duration) -> Vec<Action> {
        self.last_bytes = 0;
        let ends = self.seen.iter().filter(|(_, seen)| seen.killed_at.is_none()).map(|(name, _)| *name).collect();
        self.end_at_once(ends, now)
    }

    fn end_at_once(&mut self, mut ends: Vec<Name>, now: Duration) -> Vec<Action> {
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
        let ends = self.seen.iter().filter_map(goes).collect();
        self.end_at_once(ends, now)
    }
}
