//! Terminals.

use serde::{Deserialize, Serialize};

use crate::id::TerminalId;
use crate::path::RelPath;

/// Largest terminal, in columns or rows.
pub const MAX_TERMINAL_CELLS: u16 = 2000;
/// Most input that a page sends to a terminal with one call, in bytes. Servers take more at once, so that nothing depends on both ends
/// being of one version.
pub const TERMINAL_PIECE_BYTES: usize = 64 * 1024;

/// What to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(default)]
pub struct TerminalSpec {
    /// Columns; 80 where 0.
    pub cols: u16,
    /// Rows; 24 where 0.
    pub rows: u16,
    /// Folder to start in.
    pub folder: RelPath,
    /// Profile to start, by its name; the default one where empty and no program is named.
    pub profile: String,
    /// Program to start instead of a profile's.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
    /// Title for lists.
    pub title: String,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct TerminalInfo {
    /// Identifier.
    pub id: TerminalId,
    /// Number within the workspace, from 1; Theia counts terminals.
    pub number: u32,
    /// Title.
    pub title: String,
    /// The person gave it that title while it ran.
    #[serde(default)]
    pub renamed: bool,
    /// Program it runs.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Profile it was started with; empty for a program that was named.
    pub profile: String,
    /// Process id within the sandbox.
    pub pid: u32,
    /// When it was started, in milliseconds since 1970.
    pub started_at: u64,
    /// The folder that its paths are below, as its programs see it: the workspace's.
    pub workspace_folder: String,
    /// The person's home, as its programs see it.
    pub home_folder: String,
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// How it ended, if it did.
    pub exit: Option<TerminalExit>,
}

/// How a terminal's program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct TerminalExit {
    /// Exit code, if it exited by itself.
    pub code: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Why it was ended, where it was not its own doing.
    #[serde(default)]
    pub cause: Option<EndCause>,
}

/// Why a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The sandbox took more memory than it may.
    Memory,
    /// The sandbox had more processes than it may.
    Processes,
    /// The workspace took more of the disk than it may, or the disk was nearly full.
    Disk,
    /// Whoever started it may no longer use the workspace, or is logged out everywhere.
    AccessEnded,
    /// What ran the terminals ended unexpectedly.
    HostLost,
}

/// A program that terminals can be started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct TerminalProfile {
    /// Name, for people.
    pub name: String,
    /// Program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// It is taken where none is named.
    pub is_default: bool,
}
