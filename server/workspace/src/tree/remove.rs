//! Removing a folder with everything below it, however deep it is.

use super::is_missing;
use super::write::{Replaces, temporary_name};
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Result;

/// Levels that are descended with their folders held open. What lies deeper is first moved up, so that no tree is deep enough
/// to use up the process's descriptors or its stack.
const MAX_OPEN_LEVELS: u32 = 64;

/// What to do about folders that their owner may not change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Fail.
    Respect,
    /// Unlock them.
    Force,
}

/// Removes a file, link, or folder with everything below it.
pub(crate) fn remove_entry(parent: &Dir, name: &OsStr, facts: &Metadata, locked: Locked) -> Result<()> {
    if !facts.is_dir() {
        return parent.remove_file(name);
    }
    let top = parent.open_dir_nofollow(name)?;
    // Listing a folder while it changes may leave entries out, so it is done again until nothing is left.
    loop {
        empty(&top, &top, 0, locked)?;
        match parent.remove_dir(name) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTEMPTY) => {}
            result => return result,
        }
    }
}

fn empty(folder: &Dir, top: &Dir, level: u32, locked: Locked) -> Result<()> {
    if locked == Locked::Force {
        // On the folder's own `.`: the handle may be one that only names it.
        let _ = rustix::fs::chmodat(folder, ".", Mode::RWXU, rustix::fs::AtFlags::empty());
    }
    for entry in folder.entries()? {
        let name = entry?.file_name();
        match remove_in(folder, &name, top, level, locked) {
            Err(error) if is_missing(&error) => {}
            result => result?,
        }
    }
    Ok(())
}

fn remove_in(folder: &Dir, name: &OsStr, top: &Dir, level: u32, locked: Locked) -> Result<()> {
    if !folder.symlink_metadata(name)?.is_dir() {
        return folder.remove_file(name);
    }
    if level >= MAX_OPEN_LEVELS {
        return Ok(rustix::fs::renameat(folder, name, top, temporary_name(Replaces::Nothing))?);
    }
    let child = folder.open_dir_nofollow(name)?;
    empty(&child, top, level + 1, locked)?;
    match folder.remove_dir(name) {
        // Left for the next round.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTEMPTY) => Ok(()),
        result => result,
    }
}
