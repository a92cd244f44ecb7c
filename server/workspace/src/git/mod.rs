//! Git in the workspaces: forwards what is asked to `coditect-git`, which runs in the sandbox of the person who asks.
//!
//! Nothing of git runs in the server's process. One helper serves all that a person asks in a workspace; it is started with the
//! first request, goes when it was idle for a while, and is started anew when it was lost. What it sends is its person's and is
//! believed no more than what they could do themselves.

mod credentials;
mod helper;
mod launch;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::git::{GitProgress, GitReply, GitRequest};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Problem, RelPath, UserId, WorkspaceId};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use credentials::{Credentials, MAX_CREDENTIALS};
use helper::{Call, Helper};
pub use launch::{Launched, Launcher, SandboxLauncher, helper_beside};

use crate::error::WorkspaceError;
use crate::registry::Access;
use crate::terminals::RoomMaker;

/// Helpers of one person that run at once. One that has nothing to do makes room for another.
const MAX_HELPERS_OF_PERSON: usize = 8;
/// Starting one takes no longer: a sandbox is slow that its programs keep busy.
const LAUNCH_TIME: Duration = Duration::from_secs(30);

/// Carries out git requests. Cheap to clone.
#[derive(Clone)]
pub struct Git(Arc<Shared>);

struct Shared {
    launcher: Arc<dyn Launcher>,
    credentials: Credentials,
    cells: Mutex<HashMap<Key, Arc<Cell>>>,
}

/// Whose helper, and where.
type Key = (UserId, WorkspaceId);

/// The place of one helper.
#[derive(Default)]
struct Cell {
    /// Held while one is started, so that two are not.
    starting: tokio::sync::Mutex<()>,
    helper: Mutex<Option<Arc<Helper>>>,
}

impl Cell {
    /// The helper, as long as there is one.
    fn helper(&self) -> Option<Arc<Helper>> {
        lock(&self.helper).clone().filter(|helper| !helper.is_gone())
    }
}

/// A cell that somebody is about to use; forgotten with the last of them where it is empty.
struct Claim<'a> {
    shared: &'a Shared,
    key: Key,
    cell: Arc<Cell>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut cells = lock(&self.shared.cells);
        let is_known = cells.get(&self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The map's own and this one.
        if is_known && Arc::strong_count(&self.cell) == 2 && self.cell.helper().is_none() {
            cells.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is whole before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Git {
    /// Git with the helpers that `launcher` starts, and these logins.
    #[must_use]
    pub fn new(launcher: Arc<dyn Launcher>, credentials: Credentials) -> Self {
        Self(Arc::new(Shared { launcher, credentials, cells: Mutex::default() }))
    }

    /// The logins that people keep.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Carries out a request in a repository of the workspace. What git answers is the inner result; the outer one fails where it
    /// could not be asked. Progress that nobody takes in is dropped. Dropping the future cancels the request.
    pub async fn run(
        &self,
        access: &Access,
        repository: RelPath,
        request: GitRequest,
        progress: mpsc::Sender<GitProgress>,
    ) -> Result<Result<GitReply, Problem>, WorkspaceError> {
        let is_reading = request.is_reading();
        access.require(if is_reading { WorkspaceRole::Read } else { WorkspaceRole::Write })?;
        let again = is_reading.then(|| (repository.clone(), request.clone(), progress.clone()));
        match self.once(access, repository, request, progress).await {
            // It was lost on the way. Asking twice changes nothing.
            Err(WorkspaceError::GitInterrupted) => match again {
                Some((repository, request, progress)) => self.once(access, repository, request, progress).await,
                None => Err(WorkspaceError::GitInterrupted),
            },
            result => result,
        }
    }

    async fn once(
        &self,
        access: &Access,
        repository: RelPath,
        request: GitRequest,
        progress: mpsc::Sender<GitProgress>,
    ) -> Result<Result<GitReply, Problem>, WorkspaceError> {
        let call = match self.running(access, &request, &progress) {
            Some(call) => call,
            None => self.started(access, &request, progress).await?,
        };
        call.run(repository, request).await
    }

    /// Gives the request to a helper that runs.
    fn running(&self, access: &Access, request: &GitRequest, progress: &mpsc::Sender<GitProgress>) -> Option<Call> {
        let cell = lock(&self.0.cells).get(&(access.user, access.workspace)).cloned();
        let helper = cell?.helper().filter(|helper| helper.read_only == access.is_read_only())?;
        helper.begin(request, progress.clone())
    }

    /// Gives it to one that is started for it. Who asks for the same one meanwhile waits; nobody else does.
    async fn started(
        &self,
        access: &Access,
        request: &GitRequest,
        progress: mpsc::Sender<GitProgress>,
    ) -> Result<Call, WorkspaceError> {
        let claim = self.claim((access.user, access.workspace))?;
        let _turn = claim.cell.starting.lock().await;
        if let Some(call) = self.running(access, request, &progress) {
            return Ok(call);
        }
        let launched = timeout(LAUNCH_TIME, self.0.launcher.launch(access)).await;
        let launched = launched.map_err(|_| WorkspaceError::GitStartTimeout { seconds: LAUNCH_TIME.as_secs() })??;
        let helper = Helper::start(launched, access.clone(), self.0.credentials.clone());
        let call = helper.begin(request, progress).ok_or(WorkspaceError::GitInterrupted)?;
        *lock(&claim.cell.helper) = Some(helper);
        Ok(call)
    }

    /// The cell, where the person may have it.
    fn claim(&self, key: Key) -> Result<Claim<'_>, WorkspaceError> {
        let mut cells = lock(&self.0.cells);
        // Those that nobody uses and that are empty.
        cells.retain(|_, cell| Arc::strong_count(cell) > 1 || cell.helper().is_some());
        if !cells.contains_key(&key) {
            let own: Vec<_> = cells.iter().filter(|((person, _), _)| *person == key.0).collect();
            if own.len() >= MAX_HELPERS_OF_PERSON {
                let idle = own.iter().filter_map(|(key, cell)| {
                    let helper = cell.helper().filter(|_| Arc::strong_count(cell) == 1)?;
                    Some((helper.idle_since()?, **key, helper))
                });
                let longest = idle.min_by_key(|(since, ..)| *since).filter(|(_, _, helper)| helper.leave());
                let (_, left, _) = longest.ok_or(WorkspaceError::TooManyGitHelpers { limit: MAX_HELPERS_OF_PERSON })?;
                cells.remove(&left);
            }
        }
        let cell = Arc::clone(cells.entry(key).or_default());
        Ok(Claim { shared: &self.0, key, cell })
    }

    /// Has those of a person's helpers leave that have nothing to do. It keeps nothing alive.
    #[must_use]
    pub fn room_maker(&self) -> RoomMaker {
        let shared = Arc::downgrade(&self.0);
        Box::new(move |person| {
            let Some(shared) = shared.upgrade() else { return };
            for (_, cell) in lock(&shared.cells).iter().filter(|((owner, _), _)| *owner == person) {
                if let Some(helper) = cell.helper() {
                    helper.leave();
                }
            }
        })
    }

    /// How many helpers run, for tests and figures.
    #[must_use]
    pub fn helpers_count(&self) -> usize {
        lock(&self.0.cells).values().filter(|cell| cell.helper().is_some()).count()
    }
}
