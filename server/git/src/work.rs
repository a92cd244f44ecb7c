//! One request while it is worked on.

use coditect_protocol::RelPath;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::credential::Asks;
use crate::error::GitError;
use crate::progress::Progress;
use crate::read::Refreshes;
use crate::repository;
use crate::run::Call;
use crate::serve::Settings;

/// What the parts of one request share.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) id: u32,
    pub(crate) settings: Arc<Settings>,
    /// The repository, below the workspace.
    pub(crate) repository: RelPath,
    /// The folder of its work tree.
    pub(crate) folder: PathBuf,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Progress,
    pub(crate) asks: Arc<Asks>,
    /// Room for what works at once.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) refreshes: Arc<Refreshes>,
}

impl Work {
    /// Runs `git` to change something.
    pub(crate) fn git(&self, command: &str) -> Call<'_> {
        Call::writing(self, command)
    }

    /// Runs `git` to look at something: without locks, hooks and monitors.
    pub(crate) fn look(&self, command: &str) -> Call<'_> {
        Call::reading(self, command)
    }

    /// Reads the repository in this process, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        reader: impl FnOnce(&gix::Repository) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let (folder, name) = (self.folder.clone(), self.repository.clone());
        let room = self.room.clone().acquire_owned().await.map_err(|_| GitError::Cancelled)?;
        let reading = tokio::task::spawn_blocking(move || {
            let _room = room;
            reader(&repository::open(&folder, &name)?)
        });
        tokio::select! {
            result = reading => result.map_err(|error| GitError::Internal(error.to_string()))?,
            () = self.cancel.cancelled() => Err(GitError::Cancelled),
        }
    }

    /// For long readings: whether to go on.
    pub(crate) fn check(cancel: &CancellationToken) -> Result<(), GitError> {
        if cancel.is_cancelled() { Err(GitError::Cancelled) } else { Ok(()) }
    }
}
