//! A pseudo-terminal, the program on it, and what it printed.
//!
//! One [`Driver`] drives each terminal: it reads the output into a bounded store with absolute offsets, writes the
//! input and sees the program end. Any number may read the output, each at their own pace, as often as they like, and
//! get the same bytes.
//!
//! Invariants:
//! * Memory is bounded: `scrollback_bytes` of output, and `input_bytes` of input for each of [`QUEUED_INPUTS`], of
//!   [`WAITING_WRITES`] and the one that is being written.
//! * With somebody attached no output is lost until they lag by [`LAG_SHARE`] of the scrollback for `stall_limit`; the
//!   program waits. The rest of the scrollback is for who comes back and lacks what was on its way to them. With nobody
//!   attached the program never waits.
//! * A terminal that was closed has no process of its session left, but for zombies; and closing one always ends.

mod driver;
mod output;
mod pty;
mod ring;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use coditect_protocol::terminal::{EndCause, MAX_TERMINAL_CELLS, TerminalExit, TerminalInfo};
use coditect_protocol::{RelPath, TerminalId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::driver::{Driver, KILL_GRACE, Process};
pub use self::output::{Chunk, LAG_SHARE, MAX_ATTACHMENTS, MAX_CHUNK_BYTES};
pub(crate) use self::output::{Output, Reading};
pub(crate) use self::pty::open;
use crate::SandboxError;

/// Smallest scrollback that a setting gives, in bytes.
pub const MIN_SCROLLBACK_BYTES: usize = 4096;
/// Inputs of a terminal that wait for its program; who writes more waits too.
pub const QUEUED_INPUTS: usize = 4;
/// Most that write to a terminal at a time: of one's pages each waits for its last write before the next.
pub const WAITING_WRITES: usize = 4;
/// Longest title, in characters; longer ones are cut.
pub const MAX_TITLE_CHARS: usize = 200;

const DEFAULT_COLS: u16 = 80;
const DEFAULT_ROWS: u16 = 24;

/// What to start on a new terminal.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct TerminalStart {
    /// What it is to be called by; chosen for it where `None`.
    pub id: Option<TerminalId>,
    /// Program: a name found on `PATH`, or a path as seen inside.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside the basic ones; they win over those.
    pub env: Vec<(String, String)>,
    /// Folder of the workspace to start in.
    pub start_in: RelPath,
    /// Title for lists; the program's name where empty.
    pub title: String,
    /// Name of the profile, for lists.
    pub profile: String,
    /// Columns; 80 where 0.
    pub cols: u16,
    /// Rows; 24 where 0.
    pub rows: u16,
}

impl std::fmt::Debug for TerminalStart {
    // The environment and the arguments may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalStart").field("program", &self.program).finish_non_exhaustive()
    }
}

impl TerminalStart {
    /// Columns and rows within what a terminal may have.
    pub(crate) fn size(&self) -> (u16, u16) {
        (cells(self.cols, DEFAULT_COLS), cells(self.rows, DEFAULT_ROWS))
    }

    /// The title for lists.
    pub(crate) fn shown_title(&self) -> String {
        let asked = self.title.trim();
        let name = if asked.is_empty() { self.program.rsplit('/').next().unwrap_or(&self.program) } else { asked };
        shown(name)
    }
}

/// A title as lists can show it.
fn shown(title: &str) -> String {
    let plain: String = title.chars().filter(|c| !c.is_control()).collect();
    plain.trim().chars().take(MAX_TITLE_CHARS).collect()
}

/// A number of columns or rows brought within 1 to [`MAX_TERMINAL_CELLS`].
pub(crate) fn cells(asked: u16, default: u16) -> u16 {
    if asked == 0 { default } else { asked.min(MAX_TERMINAL_CELLS) }
}

/// How a terminal is told to end, and why.
#[derive(Clone, Default)]
pub(crate) struct Closing {
    token: CancellationToken,
    cause: Arc<OnceLock<Option<EndCause>>>,
}

impl Closing {
    /// Ends it; the first cause counts.
    pub(crate) fn close(&self, cause: Option<EndCause>) {
        self.cause.get_or_init(|| cause);
        self.token.cancel();
    }

    pub(crate) async fn asked(&self) {
        self.token.cancelled().await;
    }

    fn cause(&self) -> Option<EndCause> {
        self.cause.get().copied().flatten()
    }
}

/// What is held of a terminal beside its driver.
pub(crate) struct Terminal {
    /// Without what changes: size, title and exit are filled in when it is asked for.
    info: TerminalInfo,
    /// The title that the person gave it; empty where they gave none.
    name: Mutex<String>,
    input: mpsc::Sender<Vec<u8>>,
    writes: Semaphore,
    size: watch::Sender<(u16, u16)>,
    output: Arc<Output>,
    closing: Closing,
}

/// The driver's ends of what a [`Terminal`] holds.
pub(crate) struct Ends {
    pub(crate) inputs: mpsc::Receiver<Vec<u8>>,
    pub(crate) sizes: watch::Receiver<(u16, u16)>,
    pub(crate) output: Arc<Output>,
    pub(crate) closing: Closing,
}

impl Terminal {
    pub(crate) fn new(info: TerminalInfo, scrollback_bytes: usize) -> (Self, Ends) {
        let (input, inputs) = mpsc::channel(QUEUED_INPUTS);
        let (size, sizes) = watch::channel((info.cols, info.rows));
        let output = Arc::new(Output::new(scrollback_bytes.max(MIN_SCROLLBACK_BYTES)));
        let closing = Closing::default();
        let ends = Ends { inputs, sizes, output: Arc::clone(&output), closing: closing.clone() };
        let (name, writes) = (Mutex::default(), Semaphore::new(WAITING_WRITES));
        (Self { info, name, input, writes, size, output, closing }, ends)
    }

    pub(crate) fn id(&self) -> TerminalId {
        self.info.id
    }

    pub(crate) fn info(&self) -> TerminalInfo {
        let (cols, rows) = *self.size.borrow();
        let info = TerminalInfo { cols, rows, exit: self.output.exit(), ..self.info.clone() };
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        if name.is_empty() { info } else { TerminalInfo { title: name.clone(), renamed: true, ..info } }
    }

    /// Gives it another title; that of the beginning again where nothing of this one can be shown.
    pub(crate) fn rename(&self, title: &str) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = shown(title);
    }

    pub(crate) fn read_from(&self, offset: u64) -> Result<Reading, SandboxError> {
        self.output.attach(offset)
    }

    /// Waits while the program does not read what was sent before; refused where as many wait as may.
    pub(crate) async fn write(&self, data: Vec<u8>) -> Result<(), SandboxError> {
        let _place = self.writes.try_acquire().map_err(|_| SandboxError::TerminalBusy)?;
        self.input.send(data).await.map_err(|_| SandboxError::TerminalEnded)
    }

    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        self.size.send_replace((cells(cols, 1), cells(rows, 1)));
    }

    /// Hangs up, and ends what does not end by itself. Returns when that is done.
    pub(crate) async fn close(&self, cause: Option<EndCause>) {
        self.closing.close(cause);
        self.output.ended().await;
    }
}

/// Nothing is known of how it ended.
pub(crate) const UNKNOWN_EXIT: TerminalExit = TerminalExit { code: None, signal: None, cause: None };
