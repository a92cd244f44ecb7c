//! What the supervisor and an agent say to each other: one packet for each message.
//!
//! The supervisor believes nothing of what an agent says beyond the sandbox it runs in: behind weaker walls the
//! programs may take it over. It takes no descriptor but the network's from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Most bytes of a packet. The largest is a start: a command as large as allowed, with the lengths of its texts.
pub(crate) const MAX_PACKET_BYTES: usize = 192 * 1024;
/// Most notes of an agent that are taken, and most characters of each.
pub(crate) const MAX_NOTES: usize = 16;
pub(crate) const MAX_NOTE_CHARS: usize = 400;
/// Most descriptors of a packet: the three streams of a program.
pub(crate) const MAX_PACKET_FDS: usize = 3;

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first one, once.
    Setup(Setup),
    /// With three descriptors (standard input, output and error), or one of a terminal.
    Start(Start),
}

/// How the agent has to bind itself and everything that it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) walls: WallsSetup,
    pub(crate) limits: LimitsSetup,
    /// The workspace's folder as seen inside.
    pub(crate) folder: PathBuf,
}

/// What is left to do about the walls when the agent runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum WallsSetup {
    /// Namespaces are there; `network` asks for one more.
    Namespaces { network: bool },
    /// Nothing is there yet.
    Landlock(LandlockSetup),
    /// Nothing is wanted.
    Plain,
}

/// What programs behind Landlock may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LandlockSetup {
    /// Files and directories to read and run.
    pub(crate) readable: Vec<PathBuf>,
    /// Directories to do everything in.
    pub(crate) writable: Vec<PathBuf>,
    /// Devices to read and write.
    pub(crate) devices: Vec<PathBuf>,
    /// Ports to connect to; `None`: no network at all.
    pub(crate) connect_ports: Option<Vec<u16>>,
}

/// Limits that the kernel keeps for each process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LimitsSetup {
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u32,
    /// Of each program; the agent itself is not held to it.
    pub(crate) open_files: u32,
    /// Largest file; `None`: any.
    pub(crate) file_bytes: Option<u64>,
    /// Most bytes of shared memory that no process need hold.
    pub(crate) shared_memory_bytes: u64,
    /// Processors to run on.
    pub(crate) cpus: Vec<usize>,
}

/// A program to start.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    /// Chosen by the supervisor, never used twice in a sandbox.
    pub(crate) id: u64,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// The whole environment.
    pub(crate) env: Vec<(String, String)>,
    /// Below the workspace's folder.
    pub(crate) start_in: String,
    /// Whether the one descriptor is a terminal, and not three of them streams.
    pub(crate) terminal: bool,
}

impl std::fmt::Debug for Start {
    // The environment may hold tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("id", &self.id).field("program", &self.program).finish_non_exhaustive()
    }
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The walls are up. With a descriptor: the way out of the network.
    Ready {
        /// What did not work and leaves the sandbox weaker, for the operator.
        notes: Vec<String>,
    },
    /// The walls cannot be put up; the agent ends.
    Refused { reason: String },
    /// The program runs, and leads a session that has its number.
    Started { id: u64, pid: u32 },
    /// The program does not run.
    Failed { id: u64, step: StartStep, errno: i32 },
    /// The program ended.
    Exited { id: u64, code: Option<i32>, signal: Option<i32> },
}

/// What of a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartStep {
    /// Opening the folder.
    Folder,
    /// Starting the program in it.
    Program,
}
