//! Files in memory, and descriptors that one child gets.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::FdFlags;
use tokio::process::Command;

use crate::SandboxError;

/// A file that exists only in memory and is closed in every other program that is started.
pub(super) fn memory_file(name: &str, content: &[u8]) -> Result<OwnedFd, SandboxError> {
    filled(name, MemfdFlags::CLOEXEC, |file| file.write_all(content))
}

fn filled(
    name: &str,
    flags: MemfdFlags,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<OwnedFd, SandboxError> {
    let failed = |error: std::io::Error| SandboxError::Failed(format!("no file in memory can be made ({error})"));
    let mut file = File::from(memfd_create(name, flags).map_err(|error| failed(error.into()))?);
    fill(&mut file).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(file.into())
}

/// Keeps `files` open in this one child under their own numbers.
#[expect(unsafe_code, reason = "only between fork and exec can a descriptor be kept open for one child without a race")]
pub(super) fn pass_on(command: &mut Command, files: Vec<OwnedFd>) {
    // SAFETY: the closure makes one system call for each file, which is async-signal-safe; it neither allocates nor
    // locks.
    unsafe {
        command.pre_exec(move || {
            for file in &files {
                rustix::io::fcntl_setfd(file.as_fd(), FdFlags::empty())?;
            }
            Ok(())
        });
    }
}

/// The program that becomes the agent: a sealed copy in memory. Programs inside can reopen what runs, and this they
/// cannot write; and a new version on the disk changes nothing for a supervisor that is running.
#[derive(Debug)]
pub(super) struct Helper {
    copy: OwnedFd,
}

impl Helper {
    pub(super) fn load(path: &Path) -> Result<Self, SandboxError> {
        let mut program = File::open(path).map_err(|error| SandboxError::Unavailable {
            reason: format!("the program {} cannot be read ({error})", path.display()),
        })?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let name = "coditect-sandbox";
        let mut copy = |flags| filled(name, flags, |file| std::io::copy(&mut program, file).map(drop));
        // Older kernels do not know the flag and need none.
        let copy = copy(flags | MemfdFlags::EXEC).or_else(|_| copy(flags))?;
        fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
            .map_err(|error| SandboxError::Failed(format!("the copy of the helper cannot be sealed ({error})")))?;
        Ok(Self { copy })
    }

    /// A descriptor for one child, and the path by which that can run it.
    pub(super) fn for_child(&self) -> Result<(OwnedFd, PathBuf), SandboxError> {
        let copy = self.copy.try_clone().map_err(|error| SandboxError::Failed(error.to_string()))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        Ok((copy, path))
    }
}
