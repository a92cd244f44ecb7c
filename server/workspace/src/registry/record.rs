//! What the store knows of a workspace.

use super::{folder_name, now_millis};
use crate::error::WorkspaceError;
use crate::import::Progress;
use coditect_protocol::workspace::{Workspace, WorkspaceSource, WorkspaceState};
use coditect_protocol::{Coded, UserId, WorkspaceId};
use coditect_store::{Record, Store, Subspace};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Records looked at in one transaction when the server starts.
const PAGE_ROWS: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorkspaceRecord {
    pub(super) id: WorkspaceId,
    pub(super) owner: UserId,
    pub(super) name: String,
    pub(super) folder: String,
    pub(super) source: WorkspaceSource,
    pub(super) state: StoredState,
    pub(super) created_at: u64,
    pub(super) opened_at: u64,
}

/// State without its progress, which changes too often to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredState {
    Creating,
    Ready,
    Failed { code: String, message: String },
}

impl Record for WorkspaceRecord {
    const VERSION: u8 = 1;
}

impl StoredState {
    pub(super) fn failed(error: &WorkspaceError) -> Self {
        let problem = error.problem();
        Self::Failed { code: problem.code, message: problem.message }
    }
}

impl WorkspaceRecord {
    pub(super) fn new(owner: UserId, name: &str, source: WorkspaceSource) -> Self {
        let now = now_millis();
        Self {
            id: WorkspaceId(Uuid::now_v7()),
            owner,
            name: name.to_owned(),
            folder: folder_name(name),
            source,
            state: StoredState::Creating,
            created_at: now,
            opened_at: now,
        }
    }

    pub(super) fn check_ready(&self) -> Result<(), WorkspaceError> {
        if self.state == StoredState::Ready { Ok(()) } else { Err(WorkspaceError::WorkspaceNotReady) }
    }

    pub(super) fn view(self, progress: Option<Progress>) -> Workspace {
        let state = match self.state {
            StoredState::Ready => WorkspaceState::Ready,
            StoredState::Failed { code, message } => WorkspaceState::Failed { code, message },
            StoredState::Creating => {
                let Progress { step, percent } = progress.unwrap_or_else(|| Progress::step("Starting"));
                WorkspaceState::Creating { step, percent }
            }
        };
        Workspace {
            id: self.id,
            name: self.name,
            folder: self.folder,
            source: self.source,
            state,
            created_at: self.created_at,
            opened_at: self.opened_at,
        }
    }
}

/// The records of all workspaces, each under its owner and id.
pub(super) struct Records {
    store: Store,
    all: Subspace,
}

impl Records {
    pub(super) fn new(store: Store) -> Self {
        Self { store, all: Subspace::root("workspace").sub(&"record") }
    }

    fn of(&self, owner: UserId) -> Subspace {
        self.all.sub(&owner.to_string())
    }

    fn key(&self, owner: UserId, id: WorkspaceId) -> Vec<u8> {
        self.of(owner).pack(&id.to_string())
    }

    /// Adds a record, within the limits. `max_filling` of 0: it is not going to be filled.
    pub(super) async fn create(
        &self,
        record: &WorkspaceRecord,
        max: usize,
        max_filling: usize,
    ) -> Result<(), WorkspaceError> {
        let key = self.key(record.owner, record.id);
        let range = self.of(record.owner).range();
        let (key, range) = (&key, &range);
        self.store
            .transact(|tx| async move {
                let mut others = Vec::new();
                for row in tx.range_all(range.clone()).await? {
                    // A commit of unknown result runs again and finds its own.
                    if row.key[..] != key[..] {
                        others.push(WorkspaceRecord::decode(&row.value)?);
                    }
                }
                if others.len() >= max {
                    return Err(WorkspaceError::TooManyWorkspaces { limit: max });
                }
                let filling = others
                    .iter()
                    .filter(|other| other.state == StoredState::Creating && other.source != WorkspaceSource::Empty)
                    .count();
                if max_filling > 0 && filling >= max_filling {
                    return Err(WorkspaceError::TooManyImports { limit: max_filling });
                }
                Ok(tx.set_record(key, record)?)
            })
            .await
    }

    pub(super) async fn list(&self, owner: UserId) -> Result<Vec<WorkspaceRecord>, WorkspaceError> {
        let range = self.of(owner).range();
        let range = &range;
        let rows =
            self.store.transact::<_, WorkspaceError, _, _>(|tx| async move { Ok(tx.range_all(range.clone()).await?) });
        rows.await?.iter().map(|row| Ok(WorkspaceRecord::decode(&row.value)?)).collect()
    }

    pub(super) async fn get(&self, owner: UserId, id: WorkspaceId) -> Result<WorkspaceRecord, WorkspaceError> {
        let key = self.key(owner, id);
        let key = &key;
        let found = self
            .store
            .transact::<_, WorkspaceError, _, _>(|tx| async move { Ok(tx.get_record::<WorkspaceRecord>(key).await?) });
        found.await?.ok_or(WorkspaceError::WorkspaceNotFound)
    }

    pub(super) async fn change(
        &self,
        owner: UserId,
        id: WorkspaceId,
        change: impl Fn(WorkspaceRecord) -> Result<WorkspaceRecord, WorkspaceError> + Send + Sync,
    ) -> Result<WorkspaceRecord, WorkspaceError> {
        let key = self.key(owner, id);
        let (key, change) = (&key, &change);
        self.store
            .transact(|tx| async move {
                let record = tx.get_record::<WorkspaceRecord>(key).await?.ok_or(WorkspaceError::WorkspaceNotFound)?;
                let record = change(record)?;
                tx.set_record(key, &record)?;
                Ok(record)
            })
            .await
    }

    pub(super) async fn set_state(
        &self,
        owner: UserId,
        id: WorkspaceId,
        state: StoredState,
    ) -> Result<(), WorkspaceError> {
        let change = |record| Ok(WorkspaceRecord { state: state.clone(), ..record });
        self.change(owner, id, change).await.map(drop)
    }

    /// Takes a record away. One that is not there is an error, except to a commit that runs again.
    pub(super) async fn remove(&self, owner: UserId, id: WorkspaceId) -> Result<(), WorkspaceError> {
        self.get(owner, id).await?;
        let key = self.key(owner, id);
        let key = &key;
        self.store.transact(|tx| async move { Ok(tx.clear(key)?) }).await
    }

    /// Marks what nobody fills any more, because the server that did has stopped.
    pub(super) async fn mark_interrupted(&self) -> Result<(), WorkspaceError> {
        let mut range = self.all.range().limit(PAGE_ROWS);
        loop {
            let page = &range;
            let (last, more) = self
                .store
                .transact::<_, WorkspaceError, _, _>(|tx| async move {
                    let rows = tx.range(page.clone()).await?;
                    for row in &rows.rows {
                        let record = WorkspaceRecord::decode(&row.value)?;
                        if record.state == StoredState::Creating {
                            let state = StoredState::failed(&WorkspaceError::ImportInterrupted);
                            tx.set_record(&row.key, &WorkspaceRecord { state, ..record })?;
                        }
                    }
                    Ok((rows.rows.last().map(|row| row.key.clone()), rows.more))
                })
                .await?;
            match last {
                Some(last) if more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }
}
