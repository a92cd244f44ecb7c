//! Signals as something to read.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use rustix::process::Signal;

/// Blocks the signals for this thread and gives a descriptor that is readable while one waits.
#[expect(unsafe_code, reason = "the C library's calls for sets of signals take pointers")]
pub(super) fn descriptor(signals: &[Signal]) -> io::Result<OwnedFd> {
    // SAFETY: a set of signals is plain data for which all zero bits are a value; every call gets a pointer to it that
    // lives longer than the call; the descriptor is new and belongs to nobody else.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal.as_raw());
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// Lets every signal through again: a program that is started inherits what is blocked, and a shell would wait for the end
/// of its children for ever. May be called between fork and exec.
#[expect(unsafe_code, reason = "the C library's calls for sets of signals take pointers")]
pub(super) fn unblock_all() -> io::Result<()> {
    // SAFETY: as above; and both calls may be made between fork and exec.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        match libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Takes what waits, so that the descriptor tells of the next one; the numbers of the signals.
pub(super) fn take(descriptor: &OwnedFd) -> Vec<i32> {
    let mut taken = Vec::new();
    let mut record = [0; size_of::<libc::signalfd_siginfo>()];
    while let Ok(length) = rustix::io::read(descriptor, &mut record) {
        if length < record.len() {
            break;
        }
        // The record begins with the number.
        let [a, b, c, d, ..] = record;
        taken.push(i32::from_ne_bytes([a, b, c, d]));
    }
    taken
}
