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
    /// Program to start; the person's shell where empty.
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
    /// Program it runs.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Process id on the server, as the sandbox's parent sees it.
    pub pid: u32,
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
}
