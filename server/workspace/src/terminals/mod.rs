//! Terminals: who may have which, and what they are started with.
//!
//! The terminals themselves live in the [sandboxes](coditect_sandbox), which outlive the server. What is decided here is who
//! gets one, with which program and which environment, and that it ends with the right to it.
//!
//! Invariants:
//! * A terminal is started with an [`Access`] that was just looked up. Where that is lost, on whatever server and also while
//!   none runs, all that the person runs in the workspace is ended.
//! * Somebody else's terminal and one that does not exist look the same.

mod events;
mod profiles;
mod rights;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use coditect_protocol::terminal::{EndCause, TerminalInfo, TerminalProfile, TerminalSpec};
use coditect_protocol::{TerminalId, UserId, WorkspaceId};
use coditect_sandbox::client::Sandboxes;
pub use coditect_sandbox::client::{Attachment, KeepTerminals, Scope};
use coditect_sandbox::client::{Child, Streams};
use coditect_sandbox::terminal::TerminalStart;
use coditect_sandbox::{Place, Program, SandboxId};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::WorkspaceError;
use crate::registry::{Access, Workspaces};

/// Which terminals have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedTerminals {
    /// This one.
    One(TerminalId),
    /// All that there were.
    All,
}

/// Gives terminals what belongs to their person, such as a token for the server's own API.
pub trait TerminalEnvironment: Send + Sync {
    /// Variables for a terminal that is about to be started. It may yet fail, which is told as its end.
    fn variables<'a>(
        &'a self,
        access: &'a Access,
        terminal: TerminalId,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, WorkspaceError>>;

    /// Terminals have ended; what was given to them is no longer needed. May be told more than once.
    fn ended(&self, terminals: EndedTerminals);
}

/// Ends those of a person's programs that have nothing to do at the moment, so that others can be started.
pub type RoomMaker = Box<dyn Fn(UserId) + Send + Sync>;

/// All terminals. Cheap to clone.
#[derive(Clone)]
pub struct Terminals {
    inner: Arc<Inner>,
}

struct Inner {
    sandboxes: Sandboxes,
    /// Where else than in the system's folders programs are.
    tools: Vec<PathBuf>,
    environment: OnceLock<Arc<dyn TerminalEnvironment>>,
    workspaces: OnceLock<Workspaces>,
    room: OnceLock<RoomMaker>,
    /// Sandboxes whose rights are watched, and whether those are to read only.
    guarded: Mutex<HashSet<(SandboxId, bool)>>,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Terminals {
    /// Terminals in these sandboxes. `tools` are the directories that every sandbox sees beside the system's.
    #[must_use]
    pub fn new(sandboxes: Sandboxes, tools: Vec<PathBuf>) -> Self {
        let inner = Arc::new(Inner {
            sandboxes,
            tools,
            environment: OnceLock::new(),
            workspaces: OnceLock::new(),
            room: OnceLock::new(),
            guarded: Mutex::default(),
            stop: CancellationToken::new(),
        });
        events::follow(&inner);
        Self { inner }
    }

    /// What the terminals run in.
    #[must_use]
    pub fn sandboxes(&self) -> &Sandboxes {
        &self.inner.sandboxes
    }

    /// Asks `environment` for the variables of each new terminal. The first one stays.
    pub fn set_environment(&self, environment: Arc<dyn TerminalEnvironment>) {
        let _ = self.inner.environment.set(environment);
    }

    /// Asks `room` where a person has programs in as many workspaces as they may, and starts more. The first one stays.
    pub fn set_room_maker(&self, room: RoomMaker) {
        let _ = self.inner.room.set(room);
    }

    /// From here on terminals end with the right to them, those included that an earlier server started. The first registry
    /// stays.
    pub async fn follow_rights(&self, workspaces: &Workspaces) {
        if self.inner.workspaces.set(workspaces.clone()).is_ok() {
            rights::guard_all(&self.inner).await;
        }
    }

    /// Where the programs of a person run who has this access.
    #[must_use]
    pub fn place(&self, access: &Access) -> Place {
        Place {
            id: SandboxId { person: access.user, workspace: access.workspace },
            files: access.paths.files.clone(),
            folder: access.paths.folder.clone(),
            home: access.paths.home.clone(),
            read_only: access.is_read_only(),
            quota_bytes: self.inner.workspaces.get().and_then(Workspaces::program_quota_bytes),
            single_use: None,
        }
    }

    /// The programs that terminals can be started with, the one that is taken where none is named first.
    pub async fn profiles(&self) -> Result<Vec<TerminalProfile>, WorkspaceError> {
        let tools = self.inner.tools.clone();
        let found = tokio::task::spawn_blocking(move || profiles::find(&tools)).await;
        found.map_err(|error| WorkspaceError::Internal(error.to_string()))
    }

    /// Starts a program on a new terminal.
    pub async fn create(&self, access: &Access, spec: TerminalSpec) -> Result<TerminalInfo, WorkspaceError> {
        self.inner.sandboxes.check_available()?;
        let place = self.place(access);
        let id = TerminalId(uuid::Uuid::new_v4());
        let (program, args, profile) = self.program(&spec).await?;
        // What was given is taken back where it is not needed after all, also when the caller goes away.
        let given = Given { inner: Arc::clone(&self.inner), id, started: false };
        let mut env = match self.inner.environment.get() {
            Some(environment) => environment.variables(access, id).await?,
            None => Vec::new(),
        };
        env.extend(spec.env);
        let start = TerminalStart {
            id: Some(id),
            program,
            args,
            env,
            start_in: spec.folder,
            title: spec.title,
            profile,
            cols: spec.cols,
            rows: spec.rows,
        };
        // A task of its own: nothing may run unguarded, also where the caller goes away in the middle.
        let inner = Arc::clone(&self.inner);
        let starting = tokio::spawn(async move {
            let started = inner.sandboxes.create_terminal(&place, start).await;
            if started.is_ok() {
                // From here on a right that is lost ends it; one that was lost meanwhile is found to be so.
                rights::guard(&inner, place.id, place.read_only);
                given.keep();
            }
            started
        });
        Ok(starting.await.map_err(|error| WorkspaceError::Internal(error.to_string()))??)
    }

    /// Starts a program with streams where the person's terminals run, too. It ends with the [`Child`].
    pub async fn spawn(&self, access: &Access, program: Program, streams: Streams) -> Result<Child, WorkspaceError> {
        self.inner.sandboxes.check_available()?;
        let (inner, place) = (Arc::clone(&self.inner), self.place(access));
        // A task of its own here, too: what it starts and leaves behind goes on after it.
        let starting = tokio::spawn(async move {
            let started = inner.sandboxes.spawn(&place, program, streams).await;
            // Also where it failed: its sandbox may run.
            rights::guard(&inner, place.id, place.read_only);
            started
        });
        Ok(starting.await.map_err(|error| WorkspaceError::Internal(error.to_string()))??)
    }

    /// Program, arguments and the profile's name.
    async fn program(&self, spec: &TerminalSpec) -> Result<(String, Vec<String>, String), WorkspaceError> {
        if !spec.program.is_empty() {
            return Ok((spec.program.clone(), spec.args.clone(), String::new()));
        }
        let profiles = self.profiles().await?;
        let mut chosen = profiles.into_iter();
        let chosen = if spec.profile.is_empty() {
            chosen.find(|profile| profile.is_default)
        } else {
            chosen.find(|profile| profile.name == spec.profile)
        };
        let profile = chosen.ok_or_else(|| WorkspaceError::NoSuchProfile(spec.profile.clone()))?;
        let args = if spec.args.is_empty() { profile.args } else { spec.args.clone() };
        Ok((profile.program, args, profile.name))
    }

    /// The person's terminals of a workspace, by number.
    pub async fn list(&self, user: UserId, workspace: WorkspaceId) -> Result<Vec<TerminalInfo>, WorkspaceError> {
        let scope = Scope::Sandbox(SandboxId { person: user, workspace });
        let listed = self.inner.sandboxes.terminals(scope).await?;
        Ok(listed.into_iter().map(|listed| listed.info).collect())
    }

    /// One terminal.
    pub async fn get(&self, user: UserId, id: TerminalId) -> Result<TerminalInfo, WorkspaceError> {
        Ok(self.inner.sandboxes.terminal(user, id).await?)
    }

    /// Reads a terminal's output from an offset on, or from the oldest byte kept where that is later.
    pub async fn attach(&self, user: UserId, id: TerminalId, from: u64) -> Result<Attachment, WorkspaceError> {
        Ok(self.inner.sandboxes.attach(user, id, from).await?)
    }

    /// Sends input. Waits while the program does not read what was sent before.
    pub async fn write(&self, user: UserId, id: TerminalId, data: &[u8]) -> Result<(), WorkspaceError> {
        Ok(self.inner.sandboxes.write(user, id, data).await?)
    }

    /// Changes a terminal's size; what does not fit is brought within what a terminal can have.
    pub async fn resize(&self, user: UserId, id: TerminalId, cols: u16, rows: u16) -> Result<(), WorkspaceError> {
        Ok(self.inner.sandboxes.resize(user, id, cols, rows).await?)
    }

    /// Gives it another title; that of the beginning again where it is empty.
    pub async fn rename(&self, user: UserId, id: TerminalId, title: &str) -> Result<(), WorkspaceError> {
        Ok(self.inner.sandboxes.rename(user, id, title).await?)
    }

    /// Hangs up, ends what does not end by itself, and forgets the terminal. Returns when that is done.
    pub async fn close(&self, user: UserId, id: TerminalId) -> Result<(), WorkspaceError> {
        Ok(self.inner.sandboxes.close(user, id).await?)
    }

    /// Ends everything that runs in a workspace which is no more.
    pub async fn close_workspace(&self, workspace: WorkspaceId) {
        self.end(Scope::Workspace(workspace), None).await;
    }

    /// Ends everything of somebody who may no longer use it.
    pub async fn end_access(&self, scope: Scope) {
        self.end(scope, Some(EndCause::AccessEnded)).await;
    }

    /// Ends everything of somebody in a workspace where they may do less than before.
    pub async fn end_membership(&self, person: UserId, workspace: WorkspaceId) {
        self.end_access(Scope::Sandbox(SandboxId { person, workspace })).await;
    }

    async fn end(&self, scope: Scope, cause: Option<EndCause>) {
        if let Err(error) = self.inner.sandboxes.end(scope, cause).await {
            // Where nobody answers nothing runs any more: it ends with who runs it.
            tracing::warn!(%error, "programs could not be ended");
        }
    }

    /// The server is about to stop: who looks at a terminal will come back to the next one.
    pub fn prepare_to_leave(&self) {
        self.inner.sandboxes.prepare_to_leave();
    }

    /// The server stops. The terminals wait for the next one, if there is to be one.
    pub async fn shut_down(&self, terminals: KeepTerminals) {
        self.inner.stop.cancel();
        if self.inner.sandboxes.shut_down(terminals).await {
            self.inner.tell_end(EndedTerminals::All);
        }
    }
}

/// What the environment gave to a terminal that is being started.
struct Given {
    inner: Arc<Inner>,
    id: TerminalId,
    started: bool,
}

impl Given {
    fn keep(mut self) {
        self.started = true;
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Some(environment) = self.inner.environment.get().filter(|_| !self.started) {
            environment.ended(EndedTerminals::One(self.id));
        }
    }
}
