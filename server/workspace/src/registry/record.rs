//! What the store knows of a workspace: its record, under its owner's key, and for each member a row that leads there.

use super::access::refuse_less;
use super::{folder_name, now_millis};
use crate::error::WorkspaceError;
use crate::import::Progress;
use coditect_protocol::workspace::{Workspace, WorkspaceRole, WorkspaceSource, WorkspaceState};
use coditect_protocol::{Coded, UserId, WorkspaceId};
use coditect_store::{Record, Store, StoreError, Subspace, Transaction, Watch};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
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
    /// When its owner opened it last.
    pub(super) opened_at: u64,
    /// Who else may use it, in the order in which they were added. Each has a [`SharedRow`].
    pub(super) members: Vec<MemberRow>,
}

/// Somebody who is not the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberRow {
    pub(super) user: UserId,
    pub(super) role: WorkspaceRole,
    pub(super) since: u64,
}

/// The first form: nobody but the owner.
#[derive(Serialize, Deserialize)]
struct WorkspaceRecord1 {
    id: WorkspaceId,
    owner: UserId,
    name: String,
    folder: String,
    source: WorkspaceSource,
    state: StoredState,
    created_at: u64,
    opened_at: u64,
}

/// Where a member finds the record of a workspace. It gives no right: the record says what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SharedRow {
    pub(super) owner: UserId,
    /// When this member opened it last; 0: never.
    pub(super) opened_at: u64,
}

/// A record as one person has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) record: WorkspaceRecord,
    pub(super) role: WorkspaceRole,
    /// When this person opened it last.
    pub(super) opened_at: u64,
}

/// State without its progress, which changes too often to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredState {
    Creating,
    Ready,
    Failed { code: String, message: String },
}

impl Record for WorkspaceRecord1 {
    const VERSION: u8 = 1;
}

impl Record for WorkspaceRecord {
    const VERSION: u8 = 2;

    fn upgrade(_version: u8, body: &[u8]) -> Result<Self, StoreError> {
        let WorkspaceRecord1 { id, owner, name, folder, source, state, created_at, opened_at } =
            WorkspaceRecord1::decode_body(body)?;
        Ok(Self { id, owner, name, folder, source, state, created_at, opened_at, members: Vec::new() })
    }
}

impl Record for SharedRow {
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
            members: Vec::new(),
        }
    }

    /// What somebody may do, if anything.
    pub(super) fn role_of(&self, user: UserId) -> Option<WorkspaceRole> {
        if user == self.owner {
            return Some(WorkspaceRole::Owner);
        }
        self.members.iter().find(|member| member.user == user).map(|member| member.role)
    }

    pub(super) fn check_ready(&self) -> Result<(), WorkspaceError> {
        if self.state == StoredState::Ready { Ok(()) } else { Err(WorkspaceError::WorkspaceNotReady) }
    }

    /// As its owner has it.
    pub(super) fn owned(self) -> Found {
        Found { role: WorkspaceRole::Owner, opened_at: self.opened_at, record: self }
    }
}

impl Found {
    /// Refuses who may do less. A stranger never gets as far as this.
    pub(super) fn require(&self, at_least: WorkspaceRole) -> Result<(), WorkspaceError> {
        refuse_less(self.role, at_least)
    }

    /// As the person sees it; the owner's name is not known here.
    pub(super) fn view(self, progress: Option<Progress>, owner: String) -> Workspace {
        let Self { record, role, opened_at } = self;
        let state = match record.state {
            StoredState::Ready => WorkspaceState::Ready,
            StoredState::Failed { code, message } => WorkspaceState::Failed { code, message },
            StoredState::Creating => {
                let Progress { step, percent } = progress.unwrap_or_else(|| Progress::step("Starting"));
                WorkspaceState::Creating { step, percent }
            }
        };
        Workspace {
            id: record.id,
            name: record.name,
            folder: record.folder,
            source: record.source,
            state,
            created_at: record.created_at,
            opened_at,
            role,
            owner,
            members: u32::try_from(record.members.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The records of all workspaces, each under its owner and id, and the rows of their members, each under the member and id. A record
/// and its members' rows change together.
pub(super) struct Records {
    pub(super) store: Store,
    all: Subspace,
    shared: Subspace,
    /// Set with every change that may end somebody's rights.
    changed: Vec<u8>,
}

/// A versionstamp, followed by its place in the value (little-endian), which is its begin.
const STAMP: [u8; 14] = [0; 14];

impl Records {
    pub(super) fn new(store: Store) -> Self {
        let root = Subspace::root("workspace");
        Self { store, all: root.sub(&"record"), shared: root.sub(&"shared"), changed: root.pack(&"changed") }
    }

    fn of(&self, owner: UserId) -> Subspace {
        self.all.sub(&owner.to_string())
    }

    fn key(&self, owner: UserId, id: WorkspaceId) -> Vec<u8> {
        self.of(owner).pack(&id.to_string())
    }

    fn shared_with(&self, user: UserId) -> Subspace {
        self.shared.sub(&user.to_string())
    }

    pub(super) fn shared_key(&self, user: UserId, id: WorkspaceId) -> Vec<u8> {
        self.shared_with(user).pack(&id.to_string())
    }

    /// A workspace as somebody has it; nothing where they are no member, as where there is none of that id.
    pub(super) async fn find(
        &self,
        tx: &Transaction,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<Found>, WorkspaceError> {
        let (own, shared) = (self.key(user, id), self.shared_key(user, id));
        let (own, shared) =
            futures_util::try_join!(tx.get_record::<WorkspaceRecord>(own), tx.get_record::<SharedRow>(shared))?;
        if let Some(record) = own {
            return Ok(Some(record.owned()));
        }
        let Some(SharedRow { owner, opened_at }) = shared else { return Ok(None) };
        let record = tx.get_record::<WorkspaceRecord>(self.key(owner, id)).await?;
        Ok(record.and_then(|record| Some(Found { role: record.role_of(user)?, record, opened_at })))
    }

    /// The same, refused to strangers and to those who may do less.
    pub(super) async fn require(
        &self,
        tx: &Transaction,
        user: UserId,
        id: WorkspaceId,
        at_least: WorkspaceRole,
    ) -> Result<Found, WorkspaceError> {
        let found = self.find(tx, user, id).await?.ok_or(WorkspaceError::WorkspaceNotFound)?;
        found.require(at_least)?;
        Ok(found)
    }

    /// Writes a record under its owner's key.
    pub(super) fn put(&self, tx: &Transaction, record: &WorkspaceRecord) -> Result<(), WorkspaceError> {
        Ok(tx.set_record(self.key(record.owner, record.id), record)?)
    }

    /// Says that this transaction may end somebody's rights. It conflicts with nobody.
    pub(super) fn note_changed(&self, tx: &Transaction) -> Result<(), WorkspaceError> {
        Ok(tx.set_versionstamped_value(&self.changed, STAMP)?)
    }

    /// Stands until somebody's rights may have ended.
    pub(super) async fn watch_changed(&self) -> Result<Watch, WorkspaceError> {
        let key = &self.changed;
        self.store.transact(|tx| async move { Ok(tx.watch(key).await?) }).await
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

    /// A person's own workspaces and those shared with them.
    pub(super) async fn list(&self, user: UserId) -> Result<Vec<Found>, WorkspaceError> {
        let (own, shared) = (self.of(user).range(), self.shared_with(user));
        let (own, shared) = (&own, &shared);
        self.store
            .transact(|tx| async move {
                let mut all = Vec::new();
                for row in tx.range_all(own.clone()).await? {
                    all.push(WorkspaceRecord::decode(&row.value)?.owned());
                }
                let mut ids = Vec::new();
                for row in tx.range_all(shared.range()).await? {
                    let id: String = shared.unpack(&row.key)?;
                    ids.extend(id.parse::<WorkspaceId>().ok());
                }
                let found = ids.into_iter().map(|id| self.find(&tx, user, id));
                all.extend(futures_util::future::try_join_all(found).await?.into_iter().flatten());
                Ok(all)
            })
            .await
    }

    pub(super) async fn get(
        &self,
        user: UserId,
        id: WorkspaceId,
        at_least: WorkspaceRole,
    ) -> Result<Found, WorkspaceError> {
        self.store.transact(|tx| async move { self.require(&tx, user, id, at_least).await }).await
    }

    /// Changes a record for somebody who may do that.
    pub(super) async fn change(
        &self,
        user: UserId,
        id: WorkspaceId,
        at_least: WorkspaceRole,
        change: impl Fn(WorkspaceRecord) -> Result<WorkspaceRecord, WorkspaceError> + Send + Sync,
    ) -> Result<Found, WorkspaceError> {
        let change = &change;
        self.store
            .transact(|tx| async move {
                let found = self.require(&tx, user, id, at_least).await?;
                let found = Found { record: change(found.record)?, ..found };
                self.put(&tx, &found.record)?;
                Ok(found)
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
        self.change(owner, id, WorkspaceRole::Owner, change).await.map(drop)
    }

    /// Notes that somebody opens it now: in the record for its owner, in their own row for a member.
    pub(super) async fn touch(&self, user: UserId, id: WorkspaceId, now: u64) -> Result<Found, WorkspaceError> {
        self.store
            .transact(|tx| async move {
                let mut found = self.require(&tx, user, id, WorkspaceRole::Read).await?;
                found.record.check_ready()?;
                found.opened_at = now.max(found.opened_at);
                if found.role == WorkspaceRole::Owner {
                    found.record.opened_at = found.opened_at;
                    self.put(&tx, &found.record)?;
                } else {
                    let row = SharedRow { owner: found.record.owner, opened_at: found.opened_at };
                    tx.set_record(self.shared_key(user, id), &row)?;
                }
                Ok(found)
            })
            .await
    }

    /// Takes a record away with the rows of its members. One that is not there is an error, except to a commit that runs again.
    pub(super) async fn remove(&self, owner: UserId, id: WorkspaceId) -> Result<(), WorkspaceError> {
        self.get(owner, id, WorkspaceRole::Owner).await?;
        let key = self.key(owner, id);
        let key = &key;
        self.store
            .transact(|tx| async move {
                if let Some(record) = tx.get_record::<WorkspaceRecord>(key).await? {
                    for member in &record.members {
                        tx.clear(self.shared_key(member.user, id))?;
                    }
                    tx.clear(key)?;
                }
                self.note_changed(&tx)
            })
            .await
    }

    /// How many workspaces of others somebody may use, this one not counted.
    pub(super) async fn count_shared(
        &self,
        tx: &Transaction,
        user: UserId,
        but: WorkspaceId,
        limit: usize,
    ) -> Result<usize, WorkspaceError> {
        let but = self.shared_key(user, but);
        let rows = tx.range(self.shared_with(user).range().limit(limit.saturating_add(1))).await?;
        Ok(rows.rows.iter().filter(|row| row.key[..] != but[..]).count())
    }

    /// Every workspace there is.
    pub(super) async fn ids(&self) -> Result<HashSet<WorkspaceId>, WorkspaceError> {
        let mut ids = HashSet::new();
        let mut range = self.all.range().limit(PAGE_ROWS);
        loop {
            let page = &range;
            let rows =
                self.store.transact(|tx| async move { Ok::<_, WorkspaceError>(tx.range(page.clone()).await?) }).await?;
            for row in &rows.rows {
                ids.insert(WorkspaceRecord::decode(&row.value)?.id);
            }
            match rows.rows.last() {
                Some(last) if rows.more => range = range.after(last.key.clone()),
                _ => return Ok(ids),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn records_of_before_there_were_members_stay_readable() {
        let forms = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
        let owner = UserId(Uuid::from_u128(2));
        let member =
            MemberRow { user: UserId(Uuid::from_u128(3)), role: WorkspaceRole::Write, since: 1_700_000_000_002 };
        let record = WorkspaceRecord {
            id: WorkspaceId(Uuid::from_u128(1)),
            state: StoredState::Ready,
            created_at: 1_700_000_000_000,
            opened_at: 1_700_000_000_001,
            members: vec![member],
            ..WorkspaceRecord::new(owner, "Mine", WorkspaceSource::Empty)
        };
        coditect_store::check_form(&forms, "workspace", &record).unwrap();
        let shared = SharedRow { owner, opened_at: 1_700_000_000_003 };
        coditect_store::check_form(&forms, "workspace_shared", &shared).unwrap();

        let WorkspaceRecord { id, owner, name, folder, source, state, created_at, opened_at, .. } = record;
        let first =
            WorkspaceRecord1 { id, owner, name, folder, source, state, created_at, opened_at }.encode().unwrap();
        let hex: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(std::fs::read_to_string(forms.join("workspace.v1")).unwrap().trim(), hex);
        let old = WorkspaceRecord::decode(&first).unwrap();
        assert_eq!((old.owner, old.members.len(), old.role_of(member.user)), (owner, 0, None));
    }
}
