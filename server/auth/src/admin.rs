//! What an admin does about people.

use coditect_protocol::UserId;
use coditect_protocol::auth::{People, PersonChange, PersonEntry};
use coditect_store::Transaction;

use crate::audit::{AuditAction, AuditEvent};
use crate::mail::Notice;
use crate::revocation::Ending;
use crate::rows::{self, UserRow};
use crate::{Auth, AuthError, Device, Identity};

/// People on one page of the list at the most.
pub const PEOPLE_PAGE_MAX: usize = 200;

/// Refuses who is no admin any more at this very moment: what a check told them may be a second old.
pub(crate) async fn require_admin_now(tx: &Transaction, identity: &Identity) -> Result<(), AuthError> {
    let row = rows::user(tx, identity.user.id).await?;
    if row.is_some_and(|row| row.is_admin()) { Ok(()) } else { Err(AuthError::NotAdmin) }
}

/// Refuses what an admin does for others without a password, where it is their own account: whoever got hold of their session
/// would have the account with it. The operator is nobody's session.
pub(crate) fn require_other(identity: &Identity, id: UserId) -> Result<(), AuthError> {
    if identity.user.id == id && !identity.is_operator() { Err(AuthError::OwnAccount) } else { Ok(()) }
}

async fn entry(tx: &Transaction, id: UserId, row: UserRow) -> Result<PersonEntry, AuthError> {
    let sessions = rows::sessions_count(tx, id).await?;
    Ok(PersonEntry {
        disabled: row.disabled,
        second_factor: rows::second_factor(tx, id).await?.is_some(),
        sessions: u32::try_from(sessions).unwrap_or(u32::MAX),
        user: row.info(id),
    })
}

impl Auth {
    /// People in the order in which they registered, at most [`PEOPLE_PAGE_MAX`] at once, after one of them. For admins.
    pub async fn people(&self, identity: &Identity, after: Option<UserId>, limit: usize) -> Result<People, AuthError> {
        identity.require_admin()?;
        let limit = limit.clamp(1, PEOPLE_PAGE_MAX);
        self.store
            .transact(|tx| async move {
                let (rows, more) = rows::people(&tx, after, limit).await?;
                let mut people = Vec::with_capacity(rows.len());
                for (id, row) in rows {
                    people.push(entry(&tx, id, row).await?);
                }
                let next = people.last().filter(|_| more).map(|person| person.user.id);
                Ok(People { people, next })
            })
            .await
    }

    /// Changes a person's role or whether they are kept out, which ends their sessions. One admin who can log in stays in any
    /// case. For admins.
    pub async fn change_person(
        &self,
        identity: &Identity,
        id: UserId,
        change: &PersonChange,
        device: &Device,
    ) -> Result<PersonEntry, AuthError> {
        identity.require_admin()?;
        let now = self.now();
        let (before, after, ended, tokens, entry) = self
            .store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                let before = rows::user(&tx, id).await?.ok_or(AuthError::NoSuchPerson)?;
                let after = UserRow {
                    role: change.role.unwrap_or(before.role),
                    disabled: change.disabled.unwrap_or(before.disabled),
                    ..before.clone()
                };
                if before.is_admin() && !after.is_admin() && !rows::has_other_admin(&tx, id).await? {
                    return Err(AuthError::LastAdmin);
                }
                rows::set_user(&tx, id, &after)?;
                rows::note_ended(&tx, Ending::Person(id))?;
                let (mut ended, mut tokens) = (Vec::new(), None);
                if after.disabled {
                    tokens = Some(rows::log_out_everywhere(&tx, id, now).await?);
                    ended = rows::end_sessions_of(&tx, id, None).await?;
                }
                let entry = entry(&tx, id, after.clone()).await?;
                Ok::<_, AuthError>((before, after, ended, tokens, entry))
            })
            .await?;
        self.forget_person(id, &ended);
        if let Some(tokens) = tokens {
            self.forget_terminals(id, &tokens);
        }
        let changes = [
            (before.role != after.role, AuditAction::RoleChanged),
            (!before.disabled && after.disabled, AuditAction::PersonDisabled),
            (before.disabled && !after.disabled, AuditAction::PersonEnabled),
        ];
        for (_, action) in changes.into_iter().filter(|(changed, _)| *changed) {
            self.tell_of_person(action, identity, id, device);
        }
        Ok(entry)
    }

    /// Takes away the second factor of somebody else who has lost it. For admins.
    pub async fn remove_second_factor(
        &self,
        identity: &Identity,
        id: UserId,
        device: &Device,
    ) -> Result<(), AuthError> {
        identity.require_admin()?;
        identity.require_session()?;
        require_other(identity, id)?;
        self.store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                rows::user(&tx, id).await?.ok_or(AuthError::NoSuchPerson)?;
                rows::second_factor(&tx, id).await?.ok_or(AuthError::SecondFactorMissing)?;
                Ok::<_, AuthError>(rows::clear_second_factor(&tx, id)?)
            })
            .await?;
        self.tell_of_person(AuditAction::SecondFactorRemoved, identity, id, device);
        self.notify_person(id, Notice::SecondFactorRemoved).await;
        Ok(())
    }

    /// Tells what an admin did to a person.
    pub(crate) fn tell_of_person(&self, action: AuditAction, identity: &Identity, user: UserId, device: &Device) {
        let (actor, address) = (Some(identity.user.id), device.address);
        self.record(&AuditEvent { user: Some(user), actor, address, ..self.event(action) });
    }
}
