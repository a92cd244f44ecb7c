//! What the operator decides about sandboxes.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::SandboxError;
use crate::net::NetworkPolicy;

/// Default of the setting for the memory of a sandbox, in bytes.
pub const DEFAULT_MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Default of the setting for the processes and threads of a sandbox.
pub const DEFAULT_PROCESSES: u32 = 512;
/// Default of the setting for the open files of each process.
pub const DEFAULT_OPEN_FILES: u32 = 4096;
/// Default of the setting for the most bytes of `/tmp` and `/dev/shm` of a sandbox, each.
pub const DEFAULT_TEMPORARY_BYTES: u64 = 1024 * 1024 * 1024;
/// Default of the setting for the bytes of the disk that sandboxes leave free.
pub const DEFAULT_DISK_RESERVE_BYTES: u64 = 1024 * 1024 * 1024;
/// Default of [`SandboxSettings::per_person`].
pub const DEFAULT_SANDBOXES_PER_PERSON: usize = 8;
/// Default of [`SandboxSettings::memory_percent`].
pub const DEFAULT_MEMORY_PERCENT: u32 = 75;
/// Default of the setting for how long terminals go on without a server.
pub const DEFAULT_KEEP: Duration = Duration::from_mins(10);
/// Default of the setting for the ports that programs behind Landlock may connect to: SSH, the web, git.
pub const DEFAULT_CONNECT_PORTS: [u16; 4] = [22, 80, 443, 9418];

/// Default of [`TerminalSettings::per_workspace`].
pub const DEFAULT_TERMINALS_PER_WORKSPACE: usize = 32;
/// Default of [`TerminalSettings::per_person`].
pub const DEFAULT_TERMINALS_PER_PERSON: usize = 64;
/// Default of [`TerminalSettings::scrollback_bytes`].
pub const DEFAULT_SCROLLBACK_BYTES: usize = 1024 * 1024;
/// Most bytes of one write to a terminal.
pub const MAX_INPUT_BYTES: usize = 256 * 1024;
/// Default of [`TerminalSettings::stall_limit`].
pub const DEFAULT_STALL_LIMIT: Duration = Duration::from_secs(10);
/// Default of [`TerminalSettings::close_grace`].
pub const DEFAULT_CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Which walls are used (setting `sandbox`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxMode {
    /// Bubblewrap where it works, else Landlock where that works; else nothing can be run.
    #[default]
    Auto,
    /// Bubblewrap; the server does not start where it does not work.
    Bubblewrap,
    /// Landlock; the server does not start where it does not work.
    Landlock,
    /// No walls: programs run as the server's own user.
    None,
}

impl std::str::FromStr for SandboxMode {
    type Err = SandboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "bubblewrap" => Ok(Self::Bubblewrap),
            "landlock" => Ok(Self::Landlock),
            "none" => Ok(Self::None),
            _ => Err(SandboxError::Invalid(format!("{text:?} is none of auto, bubblewrap, landlock and none"))),
        }
    }
}

/// What one sandbox may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most bytes of memory of all its processes together.
    pub memory_bytes: u64,
    /// Most processes and threads.
    pub processes: u32,
    /// Most open files of each process.
    pub open_files: u32,
    /// Most processors; 0: all but one, at least one.
    pub cpus: u32,
    /// Most bytes of `/tmp` and `/dev/shm`, each.
    pub temporary_bytes: u64,
    /// Bytes of the disk that its programs leave free.
    pub disk_reserve_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: DEFAULT_MEMORY_BYTES,
            processes: DEFAULT_PROCESSES,
            open_files: DEFAULT_OPEN_FILES,
            cpus: 0,
            temporary_bytes: DEFAULT_TEMPORARY_BYTES,
            disk_reserve_bytes: DEFAULT_DISK_RESERVE_BYTES,
        }
    }
}

/// What the operator decides about terminals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSettings {
    /// Most terminals of one workspace, ended ones that are still listed included.
    pub per_workspace: usize,
    /// Most terminals of one person in all workspaces together, ended ones that are still listed included.
    pub per_person: usize,
    /// Bytes of output kept for each terminal.
    pub scrollback_bytes: usize,
    /// Most bytes of one write, at most [`MAX_INPUT_BYTES`].
    pub input_bytes: usize,
    /// How long a program waits for the slowest that is attached before that one is skipped ahead.
    pub stall_limit: Duration,
    /// How long a program that is closed has to end by itself.
    pub close_grace: Duration,
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self {
            per_workspace: DEFAULT_TERMINALS_PER_WORKSPACE,
            per_person: DEFAULT_TERMINALS_PER_PERSON,
            scrollback_bytes: DEFAULT_SCROLLBACK_BYTES,
            input_bytes: MAX_INPUT_BYTES,
            stall_limit: DEFAULT_STALL_LIMIT,
            close_grace: DEFAULT_CLOSE_GRACE,
        }
    }
}

/// What the operator decides about sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSettings {
    /// Which walls.
    pub mode: SandboxMode,
    /// The program `coditect-sandbox`; beside the server's own where `None`.
    pub helper: Option<PathBuf>,
    /// Directory for what tells a server of the running supervisor.
    pub run_dir: PathBuf,
    /// Directories that every sandbox sees read-only at their own place, beside the system's: tool chains under other
    /// prefixes. Where one has a folder `bin`, that is on `PATH`.
    pub read_only_paths: Vec<PathBuf>,
    /// Directories and files that no sandbox may see, whatever holds them: the server's own data and configuration.
    pub hidden_paths: Vec<PathBuf>,
    /// Environment variables of every program.
    pub env: Vec<(String, String)>,
    /// What one sandbox may take.
    pub limits: Limits,
    /// Most sandboxes of one person that run at once. One in which nothing runs makes room for another.
    pub per_person: usize,
    /// Most memory of all sandboxes together, in hundredths of what the machine has.
    pub memory_percent: u32,
    /// What programs may reach over the network.
    pub network: NetworkPolicy,
    /// Behind Landlock, which knows no hosts: the ports that programs may connect to.
    pub connect_ports: Vec<u16>,
    /// How long terminals go on without a server.
    pub keep: Duration,
    /// What the operator decides about terminals.
    pub terminals: TerminalSettings,
}

impl SandboxSettings {
    /// Whether programs may reach the same places by both.
    pub(crate) fn allows_same_network(&self, other: &Self) -> bool {
        self.network == other.network && self.connect_ports == other.connect_ports
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            mode: SandboxMode::Auto,
            helper: None,
            run_dir: PathBuf::new(),
            read_only_paths: Vec::new(),
            hidden_paths: Vec::new(),
            env: Vec::new(),
            limits: Limits::default(),
            per_person: DEFAULT_SANDBOXES_PER_PERSON,
            memory_percent: DEFAULT_MEMORY_PERCENT,
            network: NetworkPolicy::default(),
            connect_ports: DEFAULT_CONNECT_PORTS.to_vec(),
            keep: DEFAULT_KEEP,
            terminals: TerminalSettings::default(),
        }
    }
}
