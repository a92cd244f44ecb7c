//! A folder that is closed to its own owner, opened up for a moment.

use rustix::fs::{Mode, Stat};
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Gives the folder its mode back when it goes.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    folder: BorrowedFd<'a>,
    before: Mode,
    now: Mode,
}

impl<'a> Opened<'a> {
    /// Adds to the folder's mode; nothing where that is there already, or where the folder is another user's.
    pub(crate) fn new(folder: BorrowedFd<'a>, more: Mode) -> Option<Self> {
        let before = mode_of(&rustix::fs::fstat(folder).ok()?);
        let now = before.union(more);
        if now == before || rustix::fs::chmod(own_name(folder), now).is_err() {
            return None;
        }
        Some(Self { folder, before, now })
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        // What its owner has made of it meanwhile stays.
        if rustix::fs::fstat(self.folder).is_ok_and(|facts| mode_of(&facts) == self.now)
            && let Err(error) = rustix::fs::chmod(own_name(self.folder), self.before)
        {
            tracing::warn!(%error, "a folder could not be given its mode back");
        }
    }
}

/// A name that works also for handles that only name their folder.
fn own_name(folder: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}

fn mode_of(facts: &Stat) -> Mode {
    Mode::from_raw_mode(facts.st_mode & 0o7777)
}
