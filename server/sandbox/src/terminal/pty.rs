//! A pseudo-terminal's two ends.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions, Winsize};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

/// How often an end is tried again that says it is hung up and ready at once, but is not.
const HUNG_UP_RETRY: Duration = Duration::from_millis(20);

/// The end that is kept.
pub(crate) struct Pty {
    fd: AsyncFd<OwnedFd>,
}

/// A pseudo-terminal of the given size, and its program's end.
///
/// Both ends are closed in every other program from the first moment: one that inherited them would read and type into
/// this terminal.
#[expect(unsafe_code, reason = "tokio takes a descriptor that it must not close in no other way")]
pub(crate) fn open(cols: u16, rows: u16) -> io::Result<(Pty, OwnedFd)> {
    let (kept, program) = open_ends()?;
    // SAFETY: it is open and owned here, and stays the same descriptor until it is dropped.
    let pty = unsafe { Pty { fd: AsyncFd::register(kept)? } };
    pty.resize(cols, rows)?;
    Ok((pty, program))
}

impl Pty {
    pub(crate) fn resize(&self, cols: u16, rows: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(&self.fd, size)?)
    }

    /// Reads what the program wrote. An error where its end is closed. Nothing is lost when the call is dropped.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.readable().await?;
            let hung_up = ready.ready().is_read_closed();
            if let Ok(result) = ready.try_io(|fd| Ok(rustix::io::read(fd.as_fd(), &mut *buffer)?)) {
                return result;
            }
            after_refusal(ready, hung_up).await;
        }
    }

    /// Writes some of what was typed. Nothing is written when the call is dropped.
    pub(crate) async fn write(&self, data: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.writable().await?;
            let hung_up = ready.ready().is_write_closed();
            if let Ok(result) = ready.try_io(|fd| Ok(rustix::io::write(fd.as_fd(), data)?)) {
                return result;
            }
            after_refusal(ready, hung_up).await;
        }
    }
}

/// Once hung up an end counts as ready for ever, though a full one still takes nothing: asking again at once would
/// spin.
async fn after_refusal(ready: AsyncFdReadyGuard<'_, OwnedFd>, hung_up: bool) {
    drop(ready);
    if hung_up {
        tokio::time::sleep(HUNG_UP_RETRY).await;
    }
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
