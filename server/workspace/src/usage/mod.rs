//! What a workspace or a home takes on the disk, and how much it may.
//!
//! The figure is counted by a walk, one at a time for each tree; whoever needs it awaits that one walk and holds no thread meanwhile.
//! Writes of this server are added as they happen, and asked for before, so that two of them cannot take the same room. What others
//! change (terminals, git) makes the figure stale, and it is counted anew after a pause that grows with what the count takes; before a
//! stale figure refuses somebody, it is counted anew ([`Meter::recount`]).

mod walk;
mod writing;

use crate::error::WorkspaceError;
use crate::tree::at;
use coditect_protocol::RelPath;
use coditect_protocol::files::Usage;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
pub(crate) use walk::size_of;
use walk::{Count, FileId};
use writing::Amount;
pub(crate) use writing::Writing;

/// What a file or folder beyond their number counts for programs, in bytes.
const ENTRY_BYTES: u64 = 4096;
/// Bytes of one block of [`cap_std::fs::MetadataExt::blocks`].
pub(crate) const BLOCK_BYTES: u64 = 512;
/// A count that is younger refuses without counting again.
const FRESH: Duration = Duration::from_secs(1);
/// Least pause between two counts that nobody waits for.
const LEAST_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two counts that nobody has to wait for, in times of what one takes: at most so small a share of a core goes into them.
const PAUSE_FACTOR: u32 = 20;
/// Pause before a count that somebody waits for, in times of what the last one took, and at the most.
const WAITED_PAUSE_FACTOR: u32 = 2;
const MOST_WAITED_PAUSE: Duration = Duration::from_secs(5);
/// Age after which a count is done again though nothing was told to have changed.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Counts that somebody waits for, of all trees of the process at once. Each takes a thread.
const COUNTS_AT_ONCE: usize = 8;
/// Counts that nobody waits for, of all trees of the process at once.
const IDLE_COUNTS_AT_ONCE: usize = 2;
/// Bytes by which the files of one tree that are just being replaced may exceed its limit, together, until the old ones are gone: in a
/// workspace that is full files can still be saved.
const REPLACING_BYTES: u64 = 64 * 1024 * 1024;

static COUNTS: Semaphore = Semaphore::const_new(COUNTS_AT_ONCE);
static IDLE_COUNTS: Semaphore = Semaphore::const_new(IDLE_COUNTS_AT_ONCE);

/// What a tree is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A workspace: the folder that holds its files, its trash and its uploads.
    Workspace,
    /// A person's home.
    Home,
}

/// How much a tree may take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Most bytes.
    pub(crate) bytes: Option<u64>,
    /// Most files and folders, those in the trash and the uploads included.
    pub(crate) entries: Option<u64>,
    /// Bytes of the disk that stay free whatever is asked for.
    pub(crate) disk_reserve_bytes: u64,
}

/// Counts one workspace or home. All trees of it share one.
#[derive(Debug)]
pub struct Meter {
    folder: PathBuf,
    kind: Kind,
    room: Room,
    state: Mutex<State>,
    /// Held while it is counted, by the thread that counts.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    counted: Option<Counted>,
    /// Room that writes under way have asked for.
    held: Amount,
    /// Bytes that writes under way may take beyond the limit, for what they replace.
    spared: u64,
    /// Files being written, which [`Self::held`] stands for.
    writing: HashSet<FileId>,
    /// What writes added since the count that goes on began; it may or may not have seen them.
    during: Amount,
    /// Somebody will count when it is due.
    is_scheduled: bool,
    /// The last count failed or could not see everything.
    is_failing: bool,
}

/// A figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    bytes: u64,
    entries: u64,
    all_entries: u64,
    trash_bytes: u64,
    at: Instant,
    took: Duration,
    is_stale: bool,
    is_partial: bool,
}

impl Counted {
    /// How long it is good enough.
    fn good_for(&self) -> Duration {
        let age = if self.is_stale { LEAST_PAUSE.max(self.took * PAUSE_FACTOR) } else { MAX_AGE };
        age.saturating_sub(self.at.elapsed())
    }

    fn is_due(&self) -> bool {
        self.good_for().is_zero()
    }

    /// How long nobody may have it counted again just to see.
    fn young_for(&self) -> Duration {
        FRESH.max(self.took * PAUSE_FACTOR).saturating_sub(self.at.elapsed())
    }
}

impl Meter {
    /// For what is in `folder`. Nothing is counted yet.
    #[must_use]
    pub(crate) fn new(folder: PathBuf, kind: Kind, room: Room) -> Self {
        Self { folder, kind, room, state: Mutex::default(), turn: Arc::default() }
    }

    /// What it takes; counted now if it never was or if `fresh`, but not all the time: of a tree that takes long to count the last
    /// figure has to do.
    pub(crate) async fn usage(self: &Arc<Self>, fresh: bool) -> Result<Usage, WorkspaceError> {
        let asked = Instant::now();
        if let Some(counted) = self.counted().filter(|_| fresh) {
            let wait = counted.young_for();
            tokio::time::sleep(if wait <= MOST_WAITED_PAUSE { wait } else { Duration::ZERO }).await;
        }
        let counted = match self.counted() {
            Some(counted) if counted.at >= asked || !counted.young_for().is_zero() => counted,
            Some(counted) if !fresh && !counted.is_due() => counted,
            Some(counted) => self.count(Some(&COUNTS)).await.unwrap_or(counted),
            None => self.count(Some(&COUNTS)).await?,
        };
        let Counted { bytes, entries, trash_bytes, .. } = counted;
        Ok(Usage { bytes, entries, trash_bytes, quota_bytes: self.room.bytes })
    }

    /// Bytes that may still be written by whoever does not ask for them, counted now; below 0 what there is too much, where each file
    /// too many counts as one block. `None` where that cannot be told. As many as can be where there is no limit.
    pub(crate) async fn left(self: &Arc<Self>) -> Option<i128> {
        if self.room.bytes.is_none() && self.room.entries.is_none() {
            return Some(u64::MAX.into());
        }
        let counted = self.count(Some(&COUNTS)).await.ok().filter(|counted| !counted.is_partial)?;
        let left = |limit| i128::from(limit) - i128::from(counted.bytes);
        let bytes = self.room.bytes.map_or(u64::MAX.into(), left);
        let too_many = self.room.entries.map_or(0, |limit| counted.all_entries.saturating_sub(limit));
        let entries = i128::from(too_many) * i128::from(ENTRY_BYTES);
        Some(if too_many > 0 { bytes.min(-entries) } else { bytes })
    }

    /// Whether writes can be judged.
    pub(crate) fn is_ready(&self) -> bool {
        let has_limit = self.room.bytes.is_some() || self.room.entries.is_some();
        !has_limit || self.state().counted.is_some()
    }

    /// Counts, so that writes can be judged. Where that fails it is told; the disk's reserve is heeded in any case.
    pub(crate) async fn ready(self: &Arc<Self>) {
        let _ = self.count(Some(&COUNTS)).await;
    }

    /// Counts anew where a write was refused by a figure that may be wrong; answers whether it is worth to ask again.
    pub(crate) async fn recount(self: &Arc<Self>) -> bool {
        let is_sure = |counted: Counted| !counted.is_stale && counted.at.elapsed() < FRESH;
        !self.state().counted.is_some_and(is_sure) && self.count(Some(&COUNTS)).await.is_ok()
    }

    /// Something was changed that no write of this server has told of.
    pub(crate) fn note_change(self: &Arc<Self>) {
        if let Some(counted) = &mut self.state().counted {
            counted.is_stale = true;
        }
        self.count_when_due();
    }

    /// A write that will ask for room.
    pub(crate) fn begin(self: &Arc<Self>) -> Writing {
        Writing::of(Arc::clone(self))
    }

    fn counted(&self) -> Option<Counted> {
        self.state().counted
    }

    /// Sees to it that a figure that is stale is counted anew, when its pause is over.
    fn count_when_due(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let wait = {
            let mut state = self.state();
            let Some(counted) = state.counted.filter(|_| !state.is_scheduled) else { return };
            state.is_scheduled = true;
            counted.good_for()
        };
        let meter = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            // Before its turn: who needs a count of this tree does not wait for those of others.
            let _place = idle_place().await;
            let Some(meter) = meter.upgrade() else { return };
            meter.state().is_scheduled = false;
            // Told where it failed.
            let _ = meter.count(None).await;
        });
    }

    /// A count that began after this was called, in one of `places` if it has none yet. Those who wait share one, and who goes away leaves it running for the others.
    async fn count(self: &Arc<Self>, places: Option<&'static Semaphore>) -> Result<Counted, WorkspaceError> {
        let asked = Instant::now();
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(counted) = self.counted() {
            // Counted while this one waited for its turn.
            if counted.at >= asked {
                return Ok(counted);
            }
            let pause = counted.took + MOST_WAITED_PAUSE.min(counted.took * WAITED_PAUSE_FACTOR);
            tokio::time::sleep(pause.saturating_sub(counted.at.elapsed())).await;
        }
        let internal = |error: &dyn std::fmt::Display| WorkspaceError::Internal(error.to_string());
        let place = match places {
            Some(places) => Some(places.acquire().await.map_err(|error| internal(&error))?),
            None => None,
        };
        let meter = Arc::clone(self);
        let counting = tokio::task::spawn_blocking(move || {
            let _held = (turn, place);
            meter.count_here()
        });
        counting.await.map_err(|error| internal(&error))?
    }

    /// Counts on this thread.
    fn count_here(&self) -> Result<Counted, WorkspaceError> {
        let begun = Instant::now();
        let skip = {
            let mut state = self.state();
            state.during = Amount::default();
            if let Some(counted) = &mut state.counted {
                counted.is_stale = false;
            }
            state.writing.clone()
        };
        let count = walk::count(&self.folder, self.kind, &skip);
        let mut state = self.state();
        self.tell(&mut state, &count);
        let count = match count {
            Ok(count) => count,
            Err(error) => {
                if let Some(counted) = &mut state.counted {
                    counted.is_stale = true;
                }
                return Err(at(&RelPath::root())(error));
            }
        };
        let counted = state.taken(count, begun);
        state.counted = Some(counted);
        Ok(counted)
    }

    /// Says once that it cannot be counted, and not each time.
    fn tell(&self, state: &mut State, count: &std::io::Result<Count>) {
        let is_failing = count.as_ref().map_or(true, |count| count.is_partial);
        if is_failing && !state.is_failing {
            let (place, error) = (self.folder.display(), count.as_ref().err());
            tracing::warn!(%place, ?error, "a workspace or home could not be counted as a whole");
        }
        state.is_failing = is_failing;
    }

    /// Refuses to take so much of the disk that less than its reserve stays free.
    fn check_disk(&self, bytes: u64) -> Result<(), WorkspaceError> {
        check_reserve(rustix::fs::statvfs(&self.folder), self.room.disk_reserve_bytes, bytes)
    }

    /// Takes room, if there is. Never waits.
    fn take(self: &Arc<Self>, amount: Amount) -> Result<(), WorkspaceError> {
        if self.state().counted.is_some_and(|counted| counted.is_due()) {
            self.count_when_due();
        }
        let mut state = self.state();
        let counted = state
            .counted
            .map_or(Amount::default(), |counted| Amount { bytes: counted.bytes, entries: counted.all_entries });
        let taken = counted.and(state.held);
        let wanted = taken.and(amount);
        if let Some(limit) = self.room.bytes.filter(|limit| wanted.bytes > *limit && amount.bytes > 0) {
            let (used, more) = (taken.bytes, amount.bytes);
            return Err(match self.kind {
                Kind::Workspace => WorkspaceError::Quota { used, more, limit },
                Kind::Home => WorkspaceError::HomeQuota { used, more, limit },
            });
        }
        if let Some(limit) = self.room.entries.filter(|limit| wanted.entries > *limit && amount.entries > 0) {
            return Err(WorkspaceError::TooManyFiles { limit });
        }
        state.held = state.held.and(amount);
        Ok(())
    }

    /// Nothing is counted as long as this is held.
    #[cfg(test)]
    pub(crate) async fn hold_up(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The figure after a count that began at `begun`.
    fn taken(&self, count: Count, begun: Instant) -> Counted {
        let seen = Counted {
            bytes: count.bytes.saturating_add(self.during.bytes),
            entries: count.entries.saturating_add(self.during.entries),
            all_entries: count.all_entries.saturating_add(self.during.entries),
            trash_bytes: count.trash_bytes,
            at: begun,
            took: begun.elapsed(),
            // What ended meanwhile may be counted twice; then the next count puts that right.
            is_stale: !self.during.is_none() || self.counted.is_some_and(|before| before.is_stale) || count.is_partial,
            is_partial: count.is_partial,
        };
        match self.counted {
            // Where not everything could be seen, there is no less than what was known.
            Some(known) if count.is_partial => Counted {
                bytes: seen.bytes.max(known.bytes),
                entries: seen.entries.max(known.entries),
                all_entries: seen.all_entries.max(known.all_entries),
                trash_bytes: seen.trash_bytes.max(known.trash_bytes),
                ..seen
            },
            _ => seen,
        }
    }
}

/// Refuses to take `bytes` of a disk where fewer than `reserve` stay free.
pub(crate) fn check_reserve(
    disk: rustix::io::Result<rustix::fs::StatVfs>,
    reserve: u64,
    bytes: u64,
) -> Result<(), WorkspaceError> {
    // A file system that does not tell says itself when it is full.
    let Some(facts) = disk.ok().filter(|_| reserve > 0) else { return Ok(()) };
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    if free < reserve.saturating_add(bytes) { Err(WorkspaceError::DiskReserve) } else { Ok(()) }
}

/// A place among what is counted while nobody waits for it.
pub(crate) async fn idle_place() -> Option<tokio::sync::SemaphorePermit<'static>> {
    IDLE_COUNTS.acquire().await.ok()
}

#[cfg(test)]
mod tests;
