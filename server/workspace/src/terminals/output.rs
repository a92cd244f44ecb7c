//! A terminal's output: kept once, read by any number, each at their own pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::terminal::TerminalExit;
use tokio::sync::{Notify, watch};

use super::ring::Ring;
use crate::WorkspaceError;

/// Most attachments of one terminal at a time.
pub const MAX_ATTACHMENTS: usize = 32;
/// Most bytes of one [`Chunk`].
pub const MAX_CHUNK_BYTES: usize = 32 * 1024;

/// Shared by the terminal's task, which fills it, and the attachments.
pub(super) struct Output {
    state: Mutex<State>,
    /// Counts up with each change that attachments wait for.
    changed: watch::Sender<u64>,
    /// Told when an attachment went on or away, which may have made room.
    progress: Notify,
}

struct State {
    ring: Ring,
    readers: HashMap<u64, Reader>,
    last_reader: u64,
    exit: Option<TerminalExit>,
}

struct Reader {
    position: u64,
    /// Lagged too long: the program no longer waits for it, until it reads again.
    skipped: bool,
}

impl Output {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { ring: Ring::new(capacity), readers: HashMap::new(), last_reader: 0, exit: None };
        Self { state: Mutex::new(state), changed: watch::Sender::new(0), progress: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is whole when it panics, which nothing in it does.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that may be read from the program now without anybody losing some.
    pub(super) fn room(&self) -> usize {
        let state = self.state();
        let slowest = state.readers.values().filter(|reader| !reader.skipped).map(|reader| reader.position).min();
        let lag = slowest.map_or(0, |position| state.ring.end().saturating_sub(position));
        state.ring.capacity().saturating_sub(usize::try_from(lag).unwrap_or(usize::MAX))
    }

    /// Waits until [`Self::room`] may have grown.
    pub(super) async fn progress(&self) {
        self.progress.notified().await;
    }

    /// The program waited long enough: no longer wait for those that hold it up.
    pub(super) fn skip_laggards(&self) {
        let mut state = self.state();
        let start = state.ring.start();
        for reader in state.readers.values_mut().filter(|reader| reader.position <= start) {
            reader.skipped = true;
        }
    }

    pub(super) fn push(&self, data: &[u8]) {
        self.state().ring.push(data);
        self.changed.send_modify(|version| *version += 1);
    }

    /// No more output will come.
    pub(super) fn finish(&self, exit: TerminalExit) {
        self.state().exit = Some(exit);
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn exit(&self) -> Option<TerminalExit> {
        self.state().exit
    }

    /// Waits for [`Self::finish`].
    pub(super) async fn ended(&self) {
        let mut changed = self.changed.subscribe();
        while self.exit().is_none() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn attach(self: &Arc<Self>, from: u64) -> Result<Attachment, WorkspaceError> {
        let changed = self.changed.subscribe();
        let mut state = self.state();
        if state.readers.len() >= MAX_ATTACHMENTS {
            return Err(WorkspaceError::TooManyAttachments { limit: MAX_ATTACHMENTS });
        }
        state.last_reader += 1;
        let id = state.last_reader;
        let position = state.ring.entry(from);
        state.readers.insert(id, Reader { position, skipped: false });
        drop(state);
        Ok(Attachment { id, output: Arc::clone(self), changed })
    }

    /// The next bytes for a reader; `Err(true)` at the end, `Err(false)` where it must wait.
    fn take(&self, id: u64) -> Result<Chunk, bool> {
        let mut state = self.state();
        let State { ring, readers, exit, .. } = &mut *state;
        let Some(reader) = readers.get_mut(&id) else { return Err(true) };
        if reader.position < ring.start() {
            reader.position = ring.entry(reader.position);
        }
        reader.skipped = false;
        if reader.position == ring.end() {
            return Err(exit.is_some());
        }
        let chunk = Chunk { offset: reader.position, data: ring.read(reader.position, MAX_CHUNK_BYTES) };
        reader.position += chunk.data.len() as u64;
        drop(state);
        self.progress.notify_one();
        Ok(chunk)
    }
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of its first byte in the terminal's whole output. More than the end of the last chunk where bytes are
    /// missing.
    pub offset: u64,
    /// The bytes, at most [`MAX_CHUNK_BYTES`].
    pub data: Vec<u8>,
}

/// Reads a terminal's output. As long as it lives, the program waits for it within limits: drop it when nobody looks
/// any more.
pub struct Attachment {
    id: u64,
    output: Arc<Output>,
    changed: watch::Receiver<u64>,
}

impl Attachment {
    /// The next bytes; `None` after the last byte of a program that ended. Nothing is lost when the call is dropped
    /// while it waits.
    pub async fn next(&mut self) -> Option<Chunk> {
        loop {
            self.changed.mark_unchanged();
            match self.output.take(self.id) {
                Ok(chunk) => return Some(chunk),
                Err(true) => return None,
                // The sender lives in what this holds.
                Err(false) => drop(self.changed.changed().await),
            }
        }
    }

    /// How the program ended; nothing known (`None` twice) before [`Self::next`] gave `None`.
    #[must_use]
    pub fn exit(&self) -> TerminalExit {
        self.output.exit().unwrap_or(TerminalExit { code: None, signal: None })
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.output.state().readers.remove(&self.id);
        self.output.progress.notify_one();
    }
}
