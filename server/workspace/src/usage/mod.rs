//! What a workspace takes on the disk, and how much it may.
//!
//! The figure is counted by a walk. Writes of this server are added as they happen, and asked for before, so that two of them cannot
//! take the same room. What others change (terminals, git) makes the figure stale, and it is counted anew after a pause that grows with
//! what the count takes; nobody is refused by a figure that is stale.

mod walk;

use crate::error::WorkspaceError;
use crate::tree::at;
use coditect_protocol::RelPath;
use coditect_protocol::files::Usage;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
pub(crate) use walk::size_of;
use walk::{Count, FileId};

/// Bytes of one block of [`cap_std::fs::MetadataExt::blocks`].
pub(crate) const BLOCK_BYTES: u64 = 512;
/// A count that is younger refuses without counting again.
const FRESH: Duration = Duration::from_secs(1);
/// Least pause between two counts that nobody waits for.
const LEAST_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two counts that nobody waits for, in times of what one takes: at most so small a share of a core goes into them.
const PAUSE_FACTOR: u32 = 20;
/// Age after which a count is done again though nothing was told to have changed.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Counts one workspace. All trees of it share one.
#[derive(Debug)]
pub struct Meter {
    folder: PathBuf,
    quota: Option<u64>,
    state: Mutex<State>,
    /// Held while it is counted.
    counting: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    counted: Option<Counted>,
    /// Room that writes under way have asked for.
    held: u64,
    /// Files being written, which [`Self::held`] stands for.
    writing: HashSet<FileId>,
    /// Bytes that writes added since the count that goes on began; it may or may not have seen them.
    during: u64,
    /// Somebody will count when it is due.
    is_scheduled: bool,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    bytes: u64,
    entries: u64,
    trash_bytes: u64,
    at: Instant,
    took: Duration,
    is_stale: bool,
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
}

impl Meter {
    /// For the workspace whose files, trash and uploads are in `folder`. Nothing is counted yet.
    #[must_use]
    pub(crate) fn new(folder: PathBuf, quota: Option<u64>) -> Self {
        Self { folder, quota, state: Mutex::default(), counting: Mutex::default() }
    }

    /// What it takes; counted now if `fresh`, or if it never was. May block.
    pub(crate) fn usage(self: &Arc<Self>, fresh: bool) -> Result<Usage, WorkspaceError> {
        let known = self.state().counted;
        let counted = match known {
            Some(counted) if !fresh && !counted.is_due() => counted,
            _ => self.count(Instant::now())?,
        };
        let Counted { bytes, entries, trash_bytes, .. } = counted;
        Ok(Usage { bytes, entries, trash_bytes, quota_bytes: self.quota })
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
        Writing { meter: Some(Arc::clone(self)), held: 0, spare: 0, file: None }
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
            let counting = tokio::task::spawn_blocking(move || {
                let Some(meter) = meter.upgrade() else { return };
                meter.state().is_scheduled = false;
                if let Err(error) = meter.count(Instant::now()) {
                    tracing::warn!(%error, "a workspace could not be counted");
                }
            });
            let _ = counting.await;
        });
    }

    /// Counts, unless somebody did since `asked`.
    fn count(&self, asked: Instant) -> Result<Counted, WorkspaceError> {
        let _turn = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let skip = {
            let mut state = self.state();
            // Counted while this one waited for its turn.
            if let Some(counted) = state.counted.filter(|counted| counted.at >= asked) {
                return Ok(counted);
            }
            state.during = 0;
            if let Some(counted) = &mut state.counted {
                counted.is_stale = false;
            }
            state.writing.clone()
        };
        let count = walk::count(&self.folder, &skip);
        let mut state = self.state();
        let Count { bytes, entries, trash_bytes } = count.map_err(at(&RelPath::root()))?;
        // What ended meanwhile may be counted twice; then the next count puts that right.
        let is_stale = state.during > 0 || state.counted.is_some_and(|before| before.is_stale);
        let bytes = bytes.saturating_add(state.during);
        let counted = Counted { bytes, entries, trash_bytes, at: begun, took: begun.elapsed(), is_stale };
        state.counted = Some(counted);
        Ok(counted)
    }

    /// Takes room, if there is.
    fn take(self: &Arc<Self>, bytes: u64) -> Result<(), WorkspaceError> {
        let Some(quota) = self.quota else { return Ok(()) };
        let mut counted = self.state().counted;
        if counted.is_some_and(|counted| counted.is_due()) {
            self.count_when_due();
        }
        let mut is_sure = false;
        loop {
            if let Some(counted) = counted {
                let mut state = self.state();
                let now = state.counted.unwrap_or(counted);
                let wanted = now.bytes.saturating_add(state.held).saturating_add(bytes);
                if wanted <= quota {
                    state.held += bytes;
                    return Ok(());
                }
                is_sure |= !now.is_stale && now.at.elapsed() < FRESH;
            }
            if is_sure {
                return Err(WorkspaceError::Quota { limit: quota });
            }
            counted = Some(self.count(Instant::now())?);
            is_sure = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room that a write under way has; given back when it goes. Without a meter there is always room.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    meter: Option<Arc<Meter>>,
    held: u64,
    /// Room of what will be replaced, which need not be asked for.
    spare: u64,
    file: Option<FileId>,
}

impl Writing {
    /// So many bytes will go when this is done.
    pub(crate) fn replaces(&mut self, bytes: u64) {
        self.spare = bytes;
    }

    /// The file or folder being written is this; counts leave it out, for the room that is held stands for it.
    pub(crate) fn stands_for(&mut self, device: u64, inode: u64) {
        if let Some(meter) = &self.meter {
            meter.state().writing.insert((device, inode));
            self.file = Some((device, inode));
        }
    }

    /// Asks for room for further bytes. May block.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), WorkspaceError> {
        let Some(meter) = &self.meter else { return Ok(()) };
        let from_spare = bytes.min(self.spare);
        meter.take(bytes - from_spare)?;
        self.spare -= from_spare;
        self.held += if meter.quota.is_some() { bytes - from_spare } else { 0 };
        Ok(())
    }

    /// It is done: `now` bytes are on the disk in place of the `before` that were. How many files there are is known from counts alone.
    pub(crate) fn finish(self, before: u64, now: u64) {
        let Some(meter) = &self.meter else { return };
        let mut state = meter.state();
        state.during = state.during.saturating_add(now.saturating_sub(before));
        if let Some(counted) = &mut state.counted {
            counted.bytes = counted.bytes.saturating_add(now).saturating_sub(before);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(meter) = &self.meter else { return };
        let mut state = meter.state();
        state.held = state.held.saturating_sub(self.held);
        if let Some(file) = &self.file {
            state.writing.remove(file);
        }
    }
}

#[cfg(test)]
mod tests;
