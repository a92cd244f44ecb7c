//! What the server and the supervisor say to each other.
//!
//! Every operation has a connection of its own: a slow one holds up nobody, what is asked for ends with who asked, and
//! the kernel's buffer is the flow control of a terminal's output. On each, the client sends a [`Hello`] and a
//! [`Request`], the supervisor a [`Greeting`] and its [`Reply`]s. Frames are MessagePack behind their length.
//!
//! [`Hello`] and [`Greeting`] are understood by supervisors of every version and never change.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use coditect_protocol::terminal::{EndCause, TerminalExit, TerminalInfo};
use coditect_protocol::{TerminalId, UserId, WorkspaceId};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

use crate::client::SandboxEvent;
use crate::terminal::TerminalStart;
use crate::{Place, Program, SandboxError, SandboxId, SandboxSettings};

/// Goes up with every change of what is said after the greeting.
pub(crate) const VERSION: u32 = 3;
/// Largest frame, in bytes: an input or a program with all its arguments fits with room to spare.
pub(crate) const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// Largest frame of somebody who has not shown the token yet, in bytes.
pub(crate) const MAX_HELLO_BYTES: usize = 1024;
/// Sent by who goes away from a terminal's output for good; who is cut off cannot.
pub(crate) const GOODBYE: u8 = b'.';
/// Descriptors that a program is given: standard input, output and error.
const STREAMS: usize = 3;

/// The client's first frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The client's version.
    pub(crate) version: u32,
    /// From the run file, which only the supervisor's user can read.
    pub(crate) token: String,
    /// Asks the supervisor to end with everything it holds, whatever the versions. The connection closes when that is
    /// done.
    pub(crate) end: bool,
}

/// The supervisor's first frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The supervisor's version. Where it is not the client's, nothing follows.
    pub(crate) version: u32,
    /// How many servers it works for.
    pub(crate) servers: usize,
}

/// Which sandboxes and terminals something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// All.
    Everything,
    /// A person's in all workspaces.
    Person(UserId),
    /// Everybody's in a workspace.
    Workspace(WorkspaceId),
    /// A person's in a workspace.
    Sandbox(SandboxId),
}

impl Scope {
    /// Whether it is one of those.
    #[must_use]
    pub fn holds(self, id: SandboxId) -> bool {
        match self {
            Self::Everything => true,
            Self::Person(person) => id.person == person,
            Self::Workspace(workspace) => id.workspace == workspace,
            Self::Sandbox(sandbox) => id == sandbox,
        }
    }
}

/// What a client asks.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// What holds for sandboxes that are started from now on.
    Configure(Box<SandboxSettings>),
    /// Events, until the client goes. A server is there as long as it has this; its API listens there.
    Watch {
        api: Option<SocketAddr>,
    },
    Create {
        place: Place,
        start: TerminalStart,
    },
    List(Scope),
    /// Sandboxes that run.
    ListSandboxes(Scope),
    /// One terminal.
    Look {
        person: UserId,
        terminal: TerminalId,
    },
    Attach {
        person: UserId,
        terminal: TerminalId,
        from: u64,
    },
    Write {
        person: UserId,
        terminal: TerminalId,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    Resize {
        person: UserId,
        terminal: TerminalId,
        cols: u16,
        rows: u16,
    },
    Rename {
        person: UserId,
        terminal: TerminalId,
        title: String,
    },
    Close {
        person: UserId,
        terminal: TerminalId,
    },
    /// Ends sandboxes with all that is in them.
    End {
        scope: Scope,
        cause: Option<EndCause>,
    },
    /// A program with streams, which follow by [`send_streams`]. It ends with the connection.
    Spawn {
        place: Place,
        program: Program,
    },
    /// A signal for the program that was spawned on this connection.
    Signal {
        number: i32,
    },
    DiskUsage {
        sandbox: SandboxId,
        bytes: u64,
    },
    /// The client's server stops; where nobody else needs it and nothing is to be kept, so does the supervisor.
    Leave {
        keep: bool,
    },
}

impl Request {
    /// Whether its answer may wait for what a person's programs do. All others are answered soon, those above all that
    /// end what somebody runs.
    pub(crate) const fn waits_for_programs(&self) -> bool {
        match self {
            Self::Create { .. } | Self::Attach { .. } | Self::Write { .. } | Self::Spawn { .. } => true,
            Self::Configure(_)
            | Self::Watch { .. }
            | Self::List(_)
            | Self::ListSandboxes(_)
            | Self::Look { .. }
            | Self::Resize { .. }
            | Self::Rename { .. }
            | Self::Close { .. }
            | Self::End { .. }
            | Self::Signal { .. }
            | Self::DiskUsage { .. }
            | Self::Leave { .. } => false,
        }
    }
}

/// What the supervisor answers.
#[derive(Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Configured(Configured),
    Terminal(Box<TerminalInfo>),
    /// One of a list, which ends with `Done`.
    Listed(Box<ListedTerminal>),
    /// All at once: they are few and small.
    Sandboxes(Vec<ListedSandbox>),
    Output {
        offset: u64,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    Started {
        pid: u32,
    },
    Ended(TerminalExit),
    /// The supervisor ends, and everything in it has ended.
    Over,
    Event(SandboxEvent),
    Failed(SandboxError),
}

/// A terminal of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTerminal {
    /// The sandbox that it runs in.
    pub sandbox: SandboxId,
    /// Whether its programs can only read the workspace's files.
    pub read_only: bool,
    /// The terminal.
    pub info: TerminalInfo,
}

/// A sandbox that runs, with or without terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedSandbox {
    /// Which.
    pub id: SandboxId,
    /// Whether its programs can only read the workspace's files.
    pub read_only: bool,
}

/// What works on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Configured {
    /// The walls in use.
    pub(crate) walls: String,
    pub(crate) warnings: Vec<String>,
    /// Why nothing can be run, where that is so.
    pub(crate) unavailable: Option<SandboxError>,
    /// Programs see the workspace and the home at fixed places, and have a network of their own; else they see the real
    /// ones.
    pub(crate) mounted: bool,
    pub(crate) api: ApiReach,
}

/// How programs reach the server's own API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ApiReach {
    /// By the name that their own network has for it.
    ByName,
    /// Where it listens, if that is one of the ports; `None`: any will do.
    Directly {
        ports: Option<Vec<u16>>,
    },
    Nowhere,
}

/// A frame, ready to be sent.
pub(crate) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size_of::<u32>()];
    rmp_serde::encode::write_named(&mut bytes, message).map_err(io::Error::other)?;
    let length = bytes.len() - size_of::<u32>();
    let fits = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let length = fits.ok_or_else(|| io::Error::other("a message is larger than a frame may be"))?;
    bytes[..size_of::<u32>()].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&frame(message)?).await
}

/// The next frame of at most so many bytes; `None` where the other end has closed. Reads nothing beyond the frame.
pub(crate) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> io::Result<Option<T>> {
    let length = match stream.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is larger than it may be"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    rmp_serde::from_slice(&bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Hands a program's streams over.
pub(crate) async fn send_streams(stream: &UnixStream, streams: &[OwnedFd; STREAMS]) -> io::Result<()> {
    let fds: [BorrowedFd<'_>; STREAMS] = [streams[0].as_fd(), streams[1].as_fd(), streams[2].as_fd()];
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
                return Err(io::Error::other("the descriptors do not fit into a message"));
            }
            rustix::net::sendmsg(stream, &[io::IoSlice::new(b"\0")], &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}

/// Takes a program's streams over. They are closed in every program that is started.
pub(crate) async fn receive_streams(stream: &UnixStream) -> io::Result<[OwnedFd; STREAMS]> {
    let fds = stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let mut iov = [io::IoSliceMut::new(&mut byte)];
            rustix::net::recvmsg(stream, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let mut fds = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds.extend(rights);
                }
            }
            Ok(fds)
        })
        .await?;
    fds.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a program's three streams did not come"))
}
