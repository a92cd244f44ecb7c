//! Where results go while a search finds them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::WorkspaceError;

/// The way from the threads of a search to whoever reads its results.
pub(super) struct Outlet<T> {
    sink: mpsc::Sender<T>,
    cancel: CancellationToken,
    runtime: tokio::runtime::Handle,
    stall_limit: Duration,
    /// Messages that the reader made room for, whichever thread sent them.
    taken: AtomicU64,
    /// Nothing was taken for `stall_limit`.
    stalled: AtomicBool,
}

impl<T> Outlet<T> {
    /// Belongs to the runtime in which it is made.
    pub(super) fn new(sink: mpsc::Sender<T>, cancel: CancellationToken, stall_limit: Duration) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self { sink, cancel, runtime, stall_limit, taken: AtomicU64::new(0), stalled: AtomicBool::new(false) }
    }

    /// The runtime, for threads that have to wait for something in it.
    pub(super) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Waits for room; `false` where nobody wants more.
    pub(super) fn send(&self, message: T) -> bool {
        match self.sink.try_send(message) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(message)) => self.runtime.block_on(self.send_when_taken(message)),
        }
    }

    async fn send_when_taken(&self, message: T) -> bool {
        let mut room = std::pin::pin!(self.sink.reserve());
        loop {
            let before = self.taken.load(Ordering::Relaxed);
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return false,
                room = &mut room => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    return room.map(|room| room.send(message)).is_ok();
                }
                () = tokio::time::sleep(self.stall_limit) => {
                    // Another thread's message may have been taken meanwhile: a slow reader is none that went away.
                    if self.taken.load(Ordering::Relaxed) == before {
                        self.stalled.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
            }
        }
    }

    /// Fails where the search ended because nobody took what it found.
    pub(super) fn check_taken(&self) -> Result<(), WorkspaceError> {
        if self.stalled.load(Ordering::Relaxed) {
            return Err(WorkspaceError::SearchStalled { seconds: self.stall_limit.as_secs() });
        }
        Ok(())
    }
}
