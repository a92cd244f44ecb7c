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
use std::sync::Arc;

use coditect_protocol::git::{GitProgress, GitReply, GitRequest};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{Problem, RelPath, UserId, WorkspaceId};
use tokio::sync::{Mutex, mpsc};

pub use credentials::{Credentials, MAX_CREDENTIALS};
use helper::Helper;
pub use launch::{Launched, Launcher, SandboxLauncher, helper_beside};

use crate::error::WorkspaceError;
use crate::registry::Access;

/// Carries out git requests. Cheap to clone.
#[derive(Clone)]
pub struct Git(Arc<Shared>);

struct Shared {
    launcher: Arc<dyn Launcher>,
    credentials: Credentials,
    /// One for each person and workspace. Held while one is started, so that two are not.
    helpers: Mutex<HashMap<(UserId, WorkspaceId), Arc<Helper>>>,
}

impl Git {
    /// Git with the helpers that `launcher` starts, and these logins.
    #[must_use]
    pub fn new(launcher: Arc<dyn Launcher>, credentials: Credentials) -> Self {
        Self(Arc::new(Shared { launcher, credentials, helpers: Mutex::default() }))
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
        let call = {
            let mut helpers = self.0.helpers.lock().await;
            helpers.retain(|_, helper| !helper.is_gone());
            let key = (access.user, access.workspace);
            let begun = helpers
                .get(&key)
                .filter(|helper| helper.read_only == access.is_read_only())
                .and_then(|helper| helper.begin(&request, progress.clone()));
            match begun {
                Some(call) => call,
                None => {
                    let launched = self.0.launcher.launch(access).await?;
                    let helper = Helper::start(launched, access.clone(), self.0.credentials.clone());
                    let call = helper.begin(&request, progress).ok_or(WorkspaceError::GitInterrupted)?;
                    helpers.insert(key, helper);
                    call
                }
            }
        };
        call.run(repository, request).await
    }

    /// How many helpers run, for tests and figures.
    pub async fn helpers_count(&self) -> usize {
        self.0.helpers.lock().await.values().filter(|helper| !helper.is_gone()).count()
    }
}
