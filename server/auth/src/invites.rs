//! Invitations: who may register where registration is not open, and as what.
//!
//! The code has 150 bits and is kept as a digest. It is used up in the transaction that makes the account, so that of two who use
//! it at once one gets in. An invitation is worth what its maker is: it ends with their being an admin.

use coditect_protocol::InviteId;
use coditect_protocol::auth::{InviteEntry, InviteMade, NewInvite};
use coditect_store::Transaction;
use uuid::Uuid;

use crate::admin::require_admin_now;
use crate::audit::{AuditAction, AuditEvent};
use crate::codes;
use crate::login_name::LoginName;
use crate::rows::{self, InviteRow};
use crate::{Auth, AuthError, Device, Identity};

/// Invitations that can be open at once.
pub const MAX_OPEN_INVITES: usize = 1000;
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// The invitation with this code, if this login may use it now.
pub(crate) async fn usable_invite(
    tx: &Transaction,
    code: &str,
    login: &LoginName,
    now: u64,
) -> Result<(InviteId, InviteRow), AuthError> {
    let digest = codes::digest(code).ok_or(AuthError::InviteInvalid)?;
    let (id, row) = rows::invite_of(tx, &digest, now).await?.ok_or(AuthError::InviteInvalid)?;
    let for_them =
        row.login.as_deref().is_none_or(|bound| LoginName::parse(bound).is_ok_and(|bound| bound.key == login.key));
    let maker = rows::user(tx, row.created_by).await?;
    if for_them && maker.is_some_and(|maker| maker.is_admin()) { Ok((id, row)) } else { Err(AuthError::InviteInvalid) }
}

impl Auth {
    /// Invitations that are open, oldest first. For admins.
    pub async fn invites(&self, identity: &Identity) -> Result<Vec<InviteEntry>, AuthError> {
        identity.require_admin()?;
        let now = self.now();
        let invites = self
            .store
            .transact(|tx| async move { Ok::<_, AuthError>(rows::invites(&tx, MAX_OPEN_INVITES).await?) })
            .await?;
        let open = invites.into_iter().filter(|(_, row)| row.expires_at > now);
        Ok(open.map(|(id, row)| row.entry(id)).collect())
    }

    /// Makes an invitation. For admins.
    pub async fn make_invite(
        &self,
        identity: &Identity,
        new: &NewInvite,
        device: &Device,
    ) -> Result<InviteMade, AuthError> {
        identity.require_admin()?;
        let max_days = self.inner.settings.invite_max_days;
        if !(1..=max_days).contains(&new.expires_in_days) {
            return Err(AuthError::BadInviteRequest(format!("An invitation is good for 1 to {max_days} days")));
        }
        let bound = new.login.as_deref().map(LoginName::parse).transpose().map_err(AuthError::InvalidLogin)?;
        let code = codes::readable(codes::INVITE_GROUPS)?;
        let digest = codes::digest(&code).ok_or_else(|| AuthError::Internal("a code was not one".to_owned()))?;
        let (id, now) = (InviteId(Uuid::now_v7()), self.now());
        let row = InviteRow {
            code: digest,
            login: bound.as_ref().map(|login| login.typed.clone()),
            role: new.role,
            created_by: identity.user.id,
            created_at: now,
            expires_at: now.saturating_add(u64::from(new.expires_in_days) * DAY_MILLIS),
        };
        let (invite, bound) = (&row, bound.as_ref());
        self.store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                if let Some(login) = bound
                    && rows::user_of(&tx, login).await?.is_some()
                {
                    return Err(AuthError::LoginTaken);
                }
                let others = rows::invites(&tx, MAX_OPEN_INVITES).await?;
                if others.iter().filter(|(other, _)| *other != id).count() >= MAX_OPEN_INVITES {
                    let text =
                        format!("There are {MAX_OPEN_INVITES} invitations, which is the most; revoke some first");
                    return Err(AuthError::BadInviteRequest(text));
                }
                Ok::<_, AuthError>(rows::set_invite(&tx, id, invite).await?)
            })
            .await?;
        self.tell_of_invite(AuditAction::InviteMade, identity, id, device);
        Ok(InviteMade { code, entry: row.entry(id) })
    }

    /// Takes an invitation back. For admins.
    pub async fn revoke_invite(&self, identity: &Identity, id: InviteId, device: &Device) -> Result<(), AuthError> {
        identity.require_admin()?;
        let now = self.now();
        self.store
            .transact(|tx| async move {
                require_admin_now(&tx, identity).await?;
                let row = rows::invite(&tx, id, now).await?.ok_or(AuthError::NoSuchInvite)?;
                Ok::<_, AuthError>(rows::clear_invite(&tx, id, &row)?)
            })
            .await?;
        self.tell_of_invite(AuditAction::InviteRevoked, identity, id, device);
        Ok(())
    }

    fn tell_of_invite(&self, action: AuditAction, identity: &Identity, invite: InviteId, device: &Device) {
        let (actor, address) = (Some(identity.user.id), device.address);
        self.record(&AuditEvent { actor, invite: Some(invite), address, ..self.event(action) });
    }
}
