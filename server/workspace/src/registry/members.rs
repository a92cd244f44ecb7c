//! The members of a workspace.
//!
//! Who may say who they are: admins and the owner, and everybody may leave. Nobody gives anybody more than they have themselves, and the
//! owner is no member: their role can be neither given nor taken. A person who is added need not agree; they can leave.

use std::collections::HashMap;

use coditect_protocol::workspace::{WorkspaceMember, WorkspaceRole};
use coditect_protocol::{UserId, WorkspaceId};
use futures_util::future::BoxFuture;

use super::record::{Found, MemberRow, SharedRow};
use super::{FILES, Shared, TreeKey, Workspaces, now_millis};
use crate::error::WorkspaceError;

/// Default of [`super::RegistrySettings::max_members`].
pub const DEFAULT_MAX_MEMBERS: usize = 50;
/// Most that [`super::RegistrySettings::max_members`] may be: all stand in one value of the store, some 80 bytes each.
pub const MAX_MEMBERS_LIMIT: usize = 500;
/// Workspaces of others that one person may be a member of: everybody can add anybody, and lists must stay short.
pub const MAX_SHARED_WITH_PERSON: usize = 1000;

/// Knows the names that people see of each other. Belongs to who knows the accounts.
pub trait People: Send + Sync {
    /// The names of those who are known.
    fn names<'a>(&'a self, people: &'a [UserId]) -> BoxFuture<'a, HashMap<UserId, String>>;
}

/// Knows nobody's name.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl People for NoNames {
    fn names<'a>(&'a self, _people: &'a [UserId]) -> BoxFuture<'a, HashMap<UserId, String>> {
        Box::pin(std::future::ready(HashMap::new()))
    }
}

/// Somebody who was added or whose role was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As others see them.
    pub member: WorkspaceMember,
    /// Whether this changed anything.
    pub changed: bool,
}

impl Workspaces {
    /// Says who knows people's names. Before that, and where it is said twice, nothing changes.
    pub fn set_people(&self, people: std::sync::Arc<dyn People>) {
        // The first one stays.
        let _ = self.0.people.set(people);
    }

    /// Everybody who may use a workspace, the owner first. For all of them.
    pub async fn members(&self, user: UserId, id: WorkspaceId) -> Result<Vec<WorkspaceMember>, WorkspaceError> {
        let Found { record, .. } = self.0.found(user, id, WorkspaceRole::Read).await?;
        let owner = MemberRow { user: record.owner, role: WorkspaceRole::Owner, since: record.created_at };
        let rows: Vec<_> = std::iter::once(owner).chain(record.members).collect();
        let people: Vec<_> = rows.iter().map(|row| row.user).collect();
        let mut names = self.0.names(&people).await;
        Ok(rows.into_iter().map(|row| row.view(names.remove(&row.user).unwrap_or_default())).collect())
    }

    /// Refuses who may not say who the members are.
    pub async fn require_admin(&self, user: UserId, id: WorkspaceId) -> Result<(), WorkspaceError> {
        self.0.found(user, id, WorkspaceRole::Admin).await.map(drop)
    }

    /// Adds somebody. Who is a member already with that very role stays it.
    pub async fn add_member(
        &self,
        actor: UserId,
        id: WorkspaceId,
        person: UserId,
        role: WorkspaceRole,
    ) -> Result<Member, WorkspaceError> {
        let limit = self.0.settings.max_members.min(MAX_MEMBERS_LIMIT);
        let (records, since) = (&self.0.records, now_millis());
        let added = records.store.transact(|tx| async move {
            let mut found = records.require(&tx, actor, id, WorkspaceRole::Admin).await?;
            check_given(&found, role)?;
            let record = &mut found.record;
            match record.members.iter().find(|member| member.user == person) {
                // Perhaps by this very call, whose result was not known.
                Some(there) if there.role == role => return Ok((*there, false)),
                Some(_) => return Err(WorkspaceError::IsMember),
                None if person == record.owner => return Err(WorkspaceError::IsMember),
                None => {}
            }
            if record.members.len() >= limit {
                return Err(WorkspaceError::TooManyMembers { limit });
            }
            if records.count_shared(&tx, person, id, MAX_SHARED_WITH_PERSON).await? >= MAX_SHARED_WITH_PERSON {
                return Err(WorkspaceError::TooManyShared { limit: MAX_SHARED_WITH_PERSON });
            }
            let row = MemberRow { user: person, role, since };
            record.members.push(row);
            records.put(&tx, record)?;
            tx.set_record(records.shared_key(person, id), &SharedRow { owner: record.owner, opened_at: 0 })?;
            records.note_changed(&tx)?;
            Ok((row, true))
        });
        self.0.member(actor, id, added.await).await
    }

    /// Gives a member another role.
    pub async fn change_member(
        &self,
        actor: UserId,
        id: WorkspaceId,
        person: UserId,
        role: WorkspaceRole,
    ) -> Result<Member, WorkspaceError> {
        let records = &self.0.records;
        let changed = records.store.transact(|tx| async move {
            let mut found = records.require(&tx, actor, id, WorkspaceRole::Admin).await?;
            check_given(&found, role)?;
            check_not_owner(&found, person)?;
            let member = found.record.members.iter_mut().find(|member| member.user == person);
            let member = member.ok_or(WorkspaceError::NoSuchMember)?;
            let changed = member.role != role;
            member.role = role;
            let row = *member;
            if changed {
                records.put(&tx, &found.record)?;
                records.note_changed(&tx)?;
            }
            Ok((row, changed))
        });
        self.0.member(actor, id, changed.await).await
    }

    /// Ends a membership: an admin somebody's, everybody their own.
    pub async fn remove_member(&self, actor: UserId, id: WorkspaceId, person: UserId) -> Result<(), WorkspaceError> {
        let at_least = if actor == person { WorkspaceRole::Read } else { WorkspaceRole::Admin };
        let found = self.0.found(actor, id, at_least).await?;
        check_not_owner(&found, person)?;
        found.record.role_of(person).ok_or(WorkspaceError::NoSuchMember)?;
        let records = &self.0.records;
        let removed = records.store.transact(|tx| async move {
            // To a commit that runs again, what it did before is done; also where the actor went with it.
            let Some(mut found) = records.find(&tx, actor, id).await? else { return Ok(()) };
            found.require(at_least)?;
            found.record.members.retain(|member| member.user != person);
            records.put(&tx, &found.record)?;
            tx.clear(records.shared_key(person, id))?;
            records.note_changed(&tx)
        });
        removed.await?;
        self.forget_uploads(person, &found).await;
        Ok(())
    }

    /// What somebody was uploading takes no room any more. Should that fail, it ends with its age.
    async fn forget_uploads(&self, person: UserId, found: &Found) {
        let id = found.record.id;
        let files = self.0.folder(id).join(FILES);
        let forgotten = async { self.0.open_tree(TreeKey::Workspace(id), files).await?.forget_uploads(person).await };
        if let Err(error) = forgotten.await {
            tracing::debug!(%id, %error, "uploads of a former member are left over for a while");
        }
    }
}

/// Nobody gives more than they have, and nobody is made owner.
fn check_given(found: &Found, role: WorkspaceRole) -> Result<(), WorkspaceError> {
    if role == WorkspaceRole::Owner {
        return Err(WorkspaceError::OneOwner);
    }
    found.require(role)
}

fn check_not_owner(found: &Found, person: UserId) -> Result<(), WorkspaceError> {
    if person == found.record.owner { Err(WorkspaceError::OneOwner) } else { Ok(()) }
}

impl MemberRow {
    fn view(self, name: String) -> WorkspaceMember {
        WorkspaceMember { user: self.user, name, role: self.role, since: self.since }
    }
}

impl Shared {
    /// The names of people, as far as they are known.
    pub(super) async fn names(&self, people: &[UserId]) -> HashMap<UserId, String> {
        match self.people.get() {
            Some(known) => known.names(people).await,
            None => HashMap::new(),
        }
    }

    async fn member(
        &self,
        actor: UserId,
        id: WorkspaceId,
        outcome: Result<(MemberRow, bool), WorkspaceError>,
    ) -> Result<Member, WorkspaceError> {
        let (row, changed) = self.noted(actor, id, outcome).await?;
        let name = self.names(&[row.user]).await.remove(&row.user);
        Ok(Member { member: row.view(name.unwrap_or_default()), changed })
    }
}
