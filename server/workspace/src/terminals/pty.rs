//! Opening a pseudo-terminal.

use std::io;
use std::os::fd::OwnedFd;

use pty_process::{Pts, Pty, Size};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions};

/// A pseudo-terminal of the given size, and its program's end.
///
/// Both ends are closed in every other program from the first moment: one that inherited them would read and type into this
/// terminal.
#[expect(unsafe_code, reason = "the crate cannot open both ends closed-on-exec by itself, and takes descriptors only so")]
pub(super) fn open(cols: u16, rows: u16) -> io::Result<(Pty, Pts)> {
    let (server, program) = open_ends()?;
    // SAFETY: both are valid, open, belong to a pseudo-terminal and are owned here; the server's end does not block.
    let (pty, pts) = unsafe { (Pty::from_fd(server).map_err(into_io)?, Pts::from_fd(program)) };
    resize(&pty, cols, rows)?;
    Ok((pty, pts))
}

pub(super) fn resize(pty: &Pty, cols: u16, rows: u16) -> io::Result<()> {
    pty.resize(Size::new(rows, cols)).map_err(into_io)
}

fn open_ends() -> io::Result<(OwnedFd, OwnedFd)> {
    let server = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&server)?;
    rustix::pty::unlockpt(&server)?;
    let flags = rustix::fs::fcntl_getfl(&server)?;
    rustix::fs::fcntl_setfl(&server, flags | OFlags::NONBLOCK)?;
    let name = rustix::pty::ptsname(&server, Vec::new())?;
    let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    // So that a backspace takes a whole character away where the program leaves editing to the system.
    let mut modes = rustix::termios::tcgetattr(&program)?;
    modes.input_modes |= InputModes::IUTF8;
    rustix::termios::tcsetattr(&program, OptionalActions::Now, &modes)?;
    Ok((server, program))
}

pub(super) fn into_io(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
