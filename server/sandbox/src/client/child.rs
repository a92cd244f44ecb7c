//! A program with streams.

use std::io;
use std::os::fd::OwnedFd;

use coditect_protocol::terminal::{EndCause, TerminalExit};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use tokio::net::unix::pipe;

use super::connection::{self, Connection};
use crate::SandboxError;
use crate::terminal::UNKNOWN_EXIT;
use crate::wire::{Reply, Request, send, send_streams};

/// Where a program's input and output lead.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// The server's ends of a program's streams.
#[derive(Debug)]
pub struct Pipes {
    /// Leads to standard input. Drop it to end the input.
    pub stdin: pipe::Sender,
    /// Comes from standard output.
    pub stdout: pipe::Receiver,
    /// Comes from standard error.
    pub stderr: pipe::Receiver,
}

impl Streams {
    /// Pipes from and to the server.
    pub fn piped() -> io::Result<(Self, Pipes)> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        let ((stdin, to), (from, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
        let pipes = Pipes {
            stdin: pipe::Sender::from_owned_fd(to)?,
            stdout: pipe::Receiver::from_owned_fd(from)?,
            stderr: pipe::Receiver::from_owned_fd(errors)?,
        };
        Ok((Self { stdin, stdout, stderr }, pipes))
    }

    /// The same with nothing to read for the program.
    pub fn captured() -> io::Result<(Self, pipe::Receiver, pipe::Receiver)> {
        let (streams, pipes) = Self::piped()?;
        let stdin = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok((Self { stdin, ..streams }, pipes.stdout, pipes.stderr))
    }
}

/// A program that runs. It is killed when this is dropped, with all that it started in its session.
pub struct Child {
    connection: Connection,
    pid: u32,
    exit: Option<TerminalExit>,
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Child").field("pid", &self.pid).field("exit", &self.exit).finish_non_exhaustive()
    }
}

impl Child {
    pub(super) async fn start(mut connection: Connection, streams: Streams) -> Result<Self, SandboxError> {
        let lost = |error: io::Error| SandboxError::Supervisor(error.to_string());
        let Streams { stdin, stdout, stderr } = streams;
        send_streams(&connection.stream, &[stdin, stdout, stderr]).await.map_err(lost)?;
        match connection.reply().await? {
            Reply::Started { pid } => Ok(Self { connection, pid, exit: None }),
            _ => Err(connection::unexpected()),
        }
    }

    /// Process id within the sandbox.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. To be waited for until it returns; it may be called again after that.
    pub async fn wait(&mut self) -> TerminalExit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match self.connection.reply().await {
            Ok(Reply::Ended(exit)) => exit,
            _ => TerminalExit { cause: Some(EndCause::HostLost), ..UNKNOWN_EXIT },
        };
        *self.exit.insert(exit)
    }

    /// Sends a signal to it and all of its session.
    pub async fn signal(&mut self, signal: Signal) -> Result<(), SandboxError> {
        let request = Request::Signal { number: signal.as_raw() };
        let lost = |error: io::Error| SandboxError::Supervisor(error.to_string());
        send(&mut self.connection.stream, &request).await.map_err(lost)
    }
}
