//! Removing a folder with everything below it, however deep it is.

use super::is_missing;
use super::write::{Replaces, temporary_name};
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Result;
use std::sync::atomic::{AtomicBool, Ordering};

/// Levels that are descended with their folders held open. What lies deeper is first moved up, so that no tree is deep enough
/// to use up the process's descriptors or its stack.
const MAX_OPEN_LEVELS: u32 = 64;
/// Rounds through a folder that is not empty after them, before it is given up: something keeps filling it.
const MAX_ROUNDS: u32 = 16;
/// Rounds of any kind, those included that only moved deep folders up: a tree of so many times [`MAX_OPEN_LEVELS`] levels.
const MAX_DEEP_ROUNDS: u32 = 65_536;

/// For a removal that nobody can cancel.
pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// What to do about folders that their owner may not change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Fail.
    Respect,
    /// Unlock them.
    Force,
}

/// Removes a file, link, or folder with everything below it. Setting `stop` ends it in the middle. A folder that something
/// keeps filling is given up, with the error of a folder that is not empty.
pub(crate) fn remove_entry(
    parent: &Dir,
    name: &OsStr,
    facts: &Metadata,
    locked: Locked,
    stop: &AtomicBool,
) -> Result<()> {
    if !facts.is_dir() {
        return parent.remove_file(name);
    }
    let top = parent.open_dir_nofollow(name)?;
    let removal = Removal { top: &top, locked, stop, moved_up: Cell::new(false) };
    until_removed(|| {
        removal.moved_up.set(false);
        removal.empty(&top, 0)?;
        match parent.remove_dir(name) {
            Err(error) if is_not_empty(&error) => {
                Ok(if removal.moved_up.get() { Round::Deeper } else { Round::NotEmpty })
            }
            result => result.map(|()| Round::Removed),
        }
    })
}

/// What a round came to.
enum Round {
    Removed,
    /// What was too deep lies nearer now.
    Deeper,
    NotEmpty,
}

/// Listing a folder while it changes may leave entries out, so it is done again until nothing is left, within limits.
fn until_removed(mut round: impl FnMut() -> Result<Round>) -> Result<()> {
    let mut not_empty = 0;
    for _ in 0..MAX_DEEP_ROUNDS {
        match round()? {
            Round::Removed => return Ok(()),
            Round::Deeper => {}
            Round::NotEmpty => not_empty += 1,
        }
        if not_empty == MAX_ROUNDS {
            break;
        }
    }
    Err(Errno::NOTEMPTY.into())
}

fn is_not_empty(error: &std::io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NOTEMPTY)
}

struct Removal<'a> {
    top: &'a Dir,
    locked: Locked,
    stop: &'a AtomicBool,
    /// In this round something was moved up to be removed in the next.
    moved_up: Cell<bool>,
}

impl Removal<'_> {
    fn empty(&self, folder: &Dir, level: u32) -> Result<()> {
        if self.locked == Locked::Force {
            // On the folder's own `.`: the handle may be one that only names it.
            let _ = rustix::fs::chmodat(folder, ".", Mode::RWXU, rustix::fs::AtFlags::empty());
        }
        for entry in folder.entries()? {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Errno::CANCELED.into());
            }
            let name = entry?.file_name();
            match self.remove_in(folder, &name, level) {
                Err(error) if is_missing(&error) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn remove_in(&self, folder: &Dir, name: &OsStr, level: u32) -> Result<()> {
        if !folder.symlink_metadata(name)?.is_dir() {
            return folder.remove_file(name);
        }
        if level >= MAX_OPEN_LEVELS {
            rustix::fs::renameat(folder, name, self.top, temporary_name(Replaces::Nothing))?;
            self.moved_up.set(true);
            return Ok(());
        }
        let child = folder.open_dir_nofollow(name)?;
        self.empty(&child, level + 1)?;
        match folder.remove_dir(name) {
            // Left for the next round.
            Err(error) if is_not_empty(&error) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_folder_that_keeps_filling_is_given_up() {
        let mut rounds = 0;
        let error = until_removed(|| {
            rounds += 1;
            Ok(Round::NotEmpty)
        });
        assert!(is_not_empty(&error.unwrap_err()));
        assert_eq!(rounds, MAX_ROUNDS);
        // What is only deep is no reason to give up, but has its limit too.
        let mut rounds = 0;
        until_removed(|| {
            rounds += 1;
            Ok(if rounds < 1000 { Round::Deeper } else { Round::Removed })
        })
        .unwrap();
        assert!(is_not_empty(&until_removed(|| Ok(Round::Deeper)).unwrap_err()));
    }

    #[test]
    fn a_removal_stops_when_it_is_told_to() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir_all(dir.path().join("folder/below")).unwrap();
        let parent = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let facts = parent.symlink_metadata("folder").unwrap();
        let remove = |stop: &AtomicBool| remove_entry(&parent, "folder".as_ref(), &facts, Locked::Force, stop);
        let error = remove(&AtomicBool::new(true)).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::CANCELED));
        assert!(dir.path().join("folder/below").exists());
        remove(&NEVER).unwrap();
        assert!(!dir.path().join("folder").exists());
    }
}
