//! How much work on files goes on at once. It blocks, and so takes threads that passwords and the store need as well.

use crate::error::WorkspaceError;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Work on files that goes on in the process at once; further work waits. The runtime needs more threads for blocking work than this.
pub const FILE_WORK_AT_ONCE: usize = 256;
/// Work on files that goes on for one person at once, in whatever trees. Fewer than a tree lets in, so that nobody fills one alone.
const FILE_WORK_PER_PERSON: usize = 12;
/// Trees that one person waits for to be counted at once.
const COUNTS_PER_PERSON: usize = 2;

static FILE_WORK: Semaphore = Semaphore::const_new(FILE_WORK_AT_ONCE);

/// The places of one person.
#[derive(Debug)]
pub(crate) struct Places {
    work: Arc<Semaphore>,
    counts: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self { work: Arc::new(Semaphore::new(FILE_WORK_PER_PERSON)), counts: Semaphore::new(COUNTS_PER_PERSON) }
    }
}

impl Places {
    /// For work on files.
    pub(super) async fn work(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.work).acquire_owned().await.ok()
    }

    /// For waiting until something is counted.
    pub(crate) async fn count(&self) -> Option<SemaphorePermit<'_>> {
        self.counts.acquire().await.ok()
    }
}

/// Runs work that may block on a thread for such work, when there is a place for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    let internal = |error: &dyn std::fmt::Display| WorkspaceError::Internal(error.to_string());
    let place = FILE_WORK.acquire().await.map_err(|error| internal(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(|error| internal(&error))?
}
