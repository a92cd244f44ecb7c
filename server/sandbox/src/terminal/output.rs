//! A terminal's output: kept once, read by any number, each at their own pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::terminal::TerminalExit;
use tokio::sync::{Notify, watch};

use super::UNKNOWN_EXIT;
use super::ring::Ring;
use crate::SandboxError;

/// Most attachments of one terminal at a time.
pub const MAX_ATTACHMENTS: usize = 32;
/// Most bytes of one [`Chunk`].
pub const MAX_CHUNK_BYTES: usize = 32 * 1024;
/// The program waits for a reader that lags by one part in so many of the scrollback. What remains behind the reader is
/// more than can be on its way from here to a page, so that who was cut off finds all of it again.
pub const LAG_SHARE: usize = 4;

/// Shared by the terminal's task, which fills it, and the readers.
pub(crate) struct Output {
    state: Mutex<State>,
    /// Counts up with each change that readers wait for.
    changed: watch::Sender<u64>,
    /// Told when a reader went on or away, which may have made room.
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
    /// Was cut off, and may be about to come back.
    away: bool,
}

impl State {
    /// How far a reader may lag before the program waits for it, in bytes.
    fn lag_limit(&self) -> u64 {
        (self.ring.capacity() / LAG_SHARE) as u64
    }
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
        // Where somebody is here, the program waits for them and not for who was cut off.
        let somebody = state.readers.values().any(|reader| !reader.away);
        let counts = |reader: &&Reader| !reader.skipped && reader.away != somebody;
        let slowest = state.readers.values().filter(counts).map(|reader| reader.position).min();
        let Some(position) = slowest else { return state.ring.capacity() };
        let lag = state.ring.end().saturating_sub(position);
        usize::try_from(state.lag_limit().saturating_sub(lag)).unwrap_or(usize::MAX)
    }

    /// Waits until [`Self::room`] may have grown.
    pub(super) async fn progress(&self) {
        self.progress.notified().await;
    }

    /// The program waited long enough: no longer wait for those that hold it up.
    pub(super) fn skip_laggards(&self) {
        let mut state = self.state();
        let (end, limit) = (state.ring.end(), state.lag_limit());
        for reader in state.readers.values_mut().filter(|reader| end.saturating_sub(reader.position) >= limit) {
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

    pub(super) fn attach(self: &Arc<Self>, from: u64) -> Result<Reading, SandboxError> {
        let changed = self.changed.subscribe();
        let mut state = self.state();
        if state.readers.values().filter(|reader| !reader.away).count() >= MAX_ATTACHMENTS {
            return Err(SandboxError::TooManyAttachments { limit: MAX_ATTACHMENTS });
        }
        state.last_reader += 1;
        let id = state.last_reader;
        let position = state.ring.entry(from);
        state.readers.insert(id, Reader { position, skipped: false, away: false });
        drop(state);
        self.progress.notify_one();
        Ok(Reading { id, output: Arc::clone(self), changed })
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
pub(crate) struct Reading {
    id: u64,
    output: Arc<Output>,
    changed: watch::Receiver<u64>,
}

impl Reading {
    /// The next bytes; `None` after the last byte of a program that ended. Nothing is lost when the call is dropped
    /// while it waits.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
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

    /// How the program ended; nothing known before [`Self::next`] gave `None`.
    pub(crate) fn exit(&self) -> TerminalExit {
        self.output.exit().unwrap_or(UNKNOWN_EXIT)
    }

    /// Its reader was cut off: until this is dropped the program waits for it, as long as nobody else is here.
    pub(crate) fn cut_off(&self) {
        if let Some(reader) = self.output.state().readers.get_mut(&self.id) {
            reader.away = true;
        }
        self.output.progress.notify_one();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.output.state().readers.remove(&self.id);
        self.output.progress.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 4096;
    const LAG: usize = CAPACITY / LAG_SHARE;

    fn output() -> Arc<Output> {
        Arc::new(Output::new(CAPACITY))
    }

    #[test]
    fn the_program_waits_for_a_share_of_the_scrollback() {
        let output = output();
        assert_eq!(output.room(), CAPACITY, "with nobody here it never waits");
        let reader = output.attach(0).unwrap();
        assert_eq!(output.room(), LAG);
        output.push(&[b'x'; LAG]);
        assert_eq!(output.room(), 0);
        output.take(reader.id).unwrap();
        assert_eq!(output.room(), LAG);
        output.push(&[b'x'; LAG]);
        output.skip_laggards();
        assert_eq!(output.room(), CAPACITY);
        output.push(&[b'y'; CAPACITY]);
        let chunk = output.take(reader.id).unwrap();
        assert_eq!(chunk.offset, 2 * LAG as u64, "what was missed shows");
        drop(reader);
        assert_eq!(output.room(), CAPACITY);
    }

    #[test]
    fn who_was_cut_off_is_waited_for_until_somebody_is_here() {
        let output = output();
        let first = output.attach(0).unwrap();
        output.push(&[b'x'; LAG]);
        first.cut_off();
        assert_eq!(output.room(), 0);
        let second = output.attach(LAG as u64).unwrap();
        assert_eq!(output.room(), LAG);
        // Another that is cut off while somebody is here holds up nobody.
        let third = output.attach(0).unwrap();
        assert_eq!(output.room(), 0);
        third.cut_off();
        assert_eq!(output.room(), LAG);
        drop(second);
        assert_eq!(output.room(), 0);
        drop((first, third));
        assert_eq!(output.room(), CAPACITY);
    }

    #[test]
    fn those_who_were_cut_off_take_nobodys_place() {
        let output = output();
        let readers: Vec<_> = (0..MAX_ATTACHMENTS).map(|_| output.attach(0).unwrap()).collect();
        assert!(matches!(output.attach(0), Err(SandboxError::TooManyAttachments { .. })));
        readers[0].cut_off();
        output.attach(0).unwrap();
    }
}
