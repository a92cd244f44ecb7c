//! Who may do what in a workspace, now and as long as it takes.
//!
//! A right is looked up in the store each time it is needed. What goes on afterwards (a watch, an upload, a terminal) holds its
//! [`Access`] and learns when that is lost: whoever changes a right sets one key in the same transaction, each server watches that key,
//! and looks up again the rights that are held there. That is few rows, the changes are rare, and nothing can be missed: should the
//! watch fail, all of them are looked up again each second.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use coditect_protocol::files::Root;
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{UserId, WorkspaceId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::record::Found;
use super::{FILES, Shared, TreeKey, Workspaces, lock};
use crate::error::WorkspaceError;
use crate::tree::Tree;

/// Held rights are looked up again this often at the least, should a watch ever get lost.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// Pause after a look: changes that follow each other closely are looked up together.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause after a look that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Rights looked up in one transaction.
const LOOKED_UP_AT_ONCE: usize = 200;

/// The real directories of a workspace, for the programs that run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspacePaths {
    /// The workspace's files.
    pub files: PathBuf,
    /// The home of the person who has the access, not of the owner.
    pub home: PathBuf,
    /// Name of the workspace's folder below `/workspace`.
    pub folder: String,
}

/// What somebody may do in a workspace that is ready. Keep it as long as what it allows goes on, and end that when it is
/// [lost](Self::lost).
#[derive(Debug, Clone)]
pub struct Access {
    /// Who.
    pub user: UserId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Whose it is.
    pub owner: UserId,
    /// What they may do, at least what was asked for.
    pub role: WorkspaceRole,
    /// Where it is.
    pub paths: WorkspacePaths,
    at_least: WorkspaceRole,
    held: Held,
}

impl Access {
    /// Whether they may only look.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.role < WorkspaceRole::Write
    }

    /// Refuses who may do less.
    pub fn require(&self, at_least: WorkspaceRole) -> Result<(), WorkspaceError> {
        refuse_less(self.role, at_least)
    }

    /// Ends when they may no longer do what was asked for.
    pub async fn lost(&self) {
        self.until(|role| role < Some(self.at_least)).await;
    }

    /// Ends when they may do less than what they may now: for what made use of all of it, such as a terminal that can write.
    pub async fn lowered(&self) {
        self.until(|role| role < Some(self.role)).await;
    }

    /// Ends when they may do less than now, or more.
    pub async fn changed(&self) {
        self.until(|role| role != Some(self.role)).await;
    }

    async fn until(&self, is_it: impl Fn(Option<WorkspaceRole>) -> bool) {
        let mut roles = self.held.roles.clone();
        let Some(shared) = self.held.shared.upgrade() else { return std::future::pending().await };
        // What was told before this access was given out is older than it.
        while roles.changed().await.is_ok() {
            let told = *roles.borrow_and_update();
            // A look that began before this access was given out may be told after it.
            if is_it(told) && is_it(shared.role(self.user, self.workspace).await.ok().flatten()) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

pub(super) fn refuse_less(role: WorkspaceRole, at_least: WorkspaceRole) -> Result<(), WorkspaceError> {
    if role >= at_least {
        return Ok(());
    }
    Err(if at_least <= WorkspaceRole::Write { WorkspaceError::ReadOnly } else { WorkspaceError::RoleTooLow })
}

/// Rights that are held on this server: for each person and workspace what the last look found.
pub(super) type Holds = Mutex<HashMap<(UserId, WorkspaceId), watch::Sender<Option<WorkspaceRole>>>>;

/// A place among them; given back when the last one is dropped.
#[derive(Clone)]
struct Held {
    key: (UserId, WorkspaceId),
    roles: watch::Receiver<Option<WorkspaceRole>>,
    shared: Weak<Shared>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut holds = lock(&shared.holds);
        // This one is still counted. A clone made meanwhile by another holder keeps its place.
        if holds.get(&self.key).is_some_and(|roles| roles.receiver_count() <= 1) {
            holds.remove(&self.key);
        }
    }
}

impl Workspaces {
    /// What somebody may do in a workspace that is ready, refused where it is less than `at_least`. To a stranger there is no such
    /// workspace.
    pub async fn access(
        &self,
        user: UserId,
        id: WorkspaceId,
        at_least: WorkspaceRole,
    ) -> Result<Access, WorkspaceError> {
        // Held before it is looked up: whatever ends it afterwards is told.
        let held = Shared::hold(&self.0, user, id);
        let Found { record, role, .. } = self.0.found(user, id, at_least).await?;
        record.check_ready()?;
        let home = self.home(user).await?.path().to_owned();
        let paths = WorkspacePaths { files: self.0.folder(id).join(FILES), home, folder: record.folder };
        Ok(Access { user, workspace: id, owner: record.owner, role, paths, at_least, held })
    }

    /// The tree that `root` means for this person, refused where they may do less in it than `at_least`. The home is theirs alone.
    pub async fn tree(&self, user: UserId, root: Root, at_least: WorkspaceRole) -> Result<Arc<Tree>, WorkspaceError> {
        match root {
            Root::Workspace(id) => self.tree_of(&self.access(user, id, at_least).await?).await,
            Root::Home => self.home(user).await,
        }
    }

    /// The tree of a workspace that somebody has access to. What they may do with it is the caller's to heed.
    pub async fn tree_of(&self, access: &Access) -> Result<Arc<Tree>, WorkspaceError> {
        let key = TreeKey::Workspace(access.workspace);
        self.0.tree_for(access.user, key, access.paths.files.clone()).await
    }

    /// What somebody may do in a workspace now, ready or not; nothing where they are no member.
    pub async fn role(&self, user: UserId, id: WorkspaceId) -> Result<Option<WorkspaceRole>, WorkspaceError> {
        self.0.role(user, id).await
    }
}

impl Shared {
    fn hold(shared: &Arc<Self>, user: UserId, id: WorkspaceId) -> Held {
        let key = (user, id);
        let mut holds = lock(&shared.holds);
        let mut roles = holds.entry(key).or_insert_with(|| watch::Sender::new(None)).subscribe();
        roles.mark_unchanged();
        Held { key, roles, shared: Arc::downgrade(shared) }
    }

    async fn role(&self, user: UserId, id: WorkspaceId) -> Result<Option<WorkspaceRole>, WorkspaceError> {
        let found = self.records.store.transact(|tx| async move { self.records.find(&tx, user, id).await }).await?;
        Ok(found.map(|found| found.role))
    }

    /// Looks up again the rights that are held here, and tells those who hold them.
    async fn look_again(&self) -> Result<(), WorkspaceError> {
        let held: Vec<_> = lock(&self.holds).keys().copied().collect();
        for held in held.chunks(LOOKED_UP_AT_ONCE) {
            let found = self
                .records
                .store
                .transact::<_, WorkspaceError, _, _>(|tx| async move {
                    let found = held.iter().map(|(user, id)| self.records.find(&tx, *user, *id));
                    futures_util::future::try_join_all(found).await
                })
                .await?;
            let holds = lock(&self.holds);
            for (key, found) in held.iter().zip(found) {
                if let Some(roles) = holds.get(key) {
                    roles.send_replace(found.map(|found| found.role));
                }
            }
        }
        Ok(())
    }
}

/// Follows what ends rights, until the registry is gone.
pub(super) async fn follow(shared: Weak<Shared>) {
    loop {
        // Not held while waiting: whoever drops the registry ends this.
        let Some(registry) = shared.upgrade() else { return };
        let looked = async {
            // Before the look: what changes after it is told.
            let watch = registry.records.watch_changed().await?;
            registry.look_again().await?;
            Ok::<_, WorkspaceError>(watch)
        };
        let looked = looked.await;
        drop(registry);
        let waited = match looked {
            Ok(watch) => timeout(LOOK_AT_LEAST_EVERY, watch).await.unwrap_or(Ok(())).map_err(WorkspaceError::from),
            Err(error) => Err(error),
        };
        match waited {
            Ok(()) => sleep(PAUSE).await,
            Err(error) => {
                tracing::debug!(%error, "changes of rights cannot be followed at the moment; they are looked up again");
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}
