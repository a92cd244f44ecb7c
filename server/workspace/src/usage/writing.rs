//! The room that one write has.

use super::walk::FileId;
use super::{Meter, REPLACING_BYTES};
use crate::error::WorkspaceError;
use std::sync::Arc;

/// Something of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    /// Files and folders.
    pub(super) entries: u64,
}

impl Amount {
    pub(super) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), entries: self.entries.saturating_add(other.entries) }
    }

    fn without(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), entries: self.entries.saturating_sub(other.entries) }
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Room that a write under way has; given back when it goes. Without a meter there is always room.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    meter: Option<Arc<Meter>>,
    held: Amount,
    /// Bytes that it may take beyond the limit, for what will be replaced; and those of them that are left.
    spared: u64,
    spare: u64,
    /// Bytes to come that were asked for already.
    asked: u64,
    file: Option<FileId>,
}

impl Writing {
    pub(super) fn of(meter: Arc<Meter>) -> Self {
        Self { meter: Some(meter), ..Self::default() }
    }

    /// So many bytes will go when this is done. Few enough of them, of all writes together, need not be asked for.
    pub(crate) fn replaces(&mut self, bytes: u64) {
        let Some(meter) = &self.meter else { return };
        let mut state = meter.state();
        let spared = bytes.min(REPLACING_BYTES.saturating_sub(state.spared));
        state.spared += spared;
        self.spared += spared;
        self.spare += spared;
    }

    /// The next bytes take the place of some that were asked for already.
    pub(crate) fn overlaps(&mut self, bytes: u64) {
        self.asked = bytes;
    }

    /// The file or folder being written is this; counts leave it out, for the room that is held stands for it.
    pub(crate) fn stands_for(&mut self, device: u64, inode: u64) {
        if let Some(meter) = &self.meter {
            meter.state().writing.insert((device, inode));
            self.file = Some((device, inode));
        }
    }

    /// Asks for room for further bytes.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), WorkspaceError> {
        let Some(meter) = &self.meter else { return Ok(()) };
        let asked = bytes.min(self.asked);
        let spare = (bytes - asked).min(self.spare);
        let amount = Amount { bytes: bytes - asked - spare, entries: 0 };
        meter.check_disk(bytes - asked)?;
        meter.take(amount)?;
        self.asked -= asked;
        self.spare -= spare;
        self.held = self.held.and(amount);
        Ok(())
    }

    /// Asks for room for further files and folders.
    pub(crate) fn add_entries(&mut self, entries: u64) -> Result<(), WorkspaceError> {
        let Some(meter) = &self.meter else { return Ok(()) };
        let amount = Amount { bytes: 0, entries };
        meter.take(amount)?;
        self.held = self.held.and(amount);
        Ok(())
    }

    /// It is done: `now` bytes are on the disk in place of the `before` that were, and the files and folders that were asked for.
    pub(crate) fn finish(self, before: u64, now: u64) {
        let Some(meter) = &self.meter else { return };
        let mut state = meter.state();
        let entries = self.held.entries;
        state.during = state.during.and(Amount { bytes: now.saturating_sub(before), entries });
        if let Some(counted) = &mut state.counted {
            counted.bytes = counted.bytes.saturating_add(now).saturating_sub(before);
            counted.entries = counted.entries.saturating_add(entries);
            counted.all_entries = counted.all_entries.saturating_add(entries);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(meter) = &self.meter else { return };
        let mut state = meter.state();
        state.held = state.held.without(self.held);
        state.spared = state.spared.saturating_sub(self.spared);
        if let Some(file) = &self.file {
            state.writing.remove(file);
        }
    }
}
