//! Invitations.

use coditect_protocol::auth::{InviteEntry, Role};
use coditect_protocol::{InviteId, UserId};
use coditect_store::tuple::Bytes;
use coditect_store::{Record, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ROOT;
use super::passing::{self, Passing};
use crate::secret::SecretHash;

/// An invitation that nobody has used.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InviteRow {
    /// Digest of the code.
    pub(crate) code: SecretHash,
    /// Whom it is for, as it was typed; nothing: whoever has the code.
    pub(crate) login: Option<String>,
    pub(crate) role: Role,
    pub(crate) created_by: UserId,
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
}

impl Record for InviteRow {
    const VERSION: u8 = 1;
}

impl Passing for InviteRow {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }

    fn indexes(&self) -> Vec<Vec<u8>> {
        vec![code_key(&self.code)]
    }
}

impl InviteRow {
    pub(crate) fn entry(self, id: InviteId) -> InviteEntry {
        InviteEntry {
            id,
            login: self.login,
            role: self.role,
            created_by: self.created_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

fn invites_space() -> Subspace {
    ROOT.sub(&("invite",))
}

fn invite_key(id: InviteId) -> Vec<u8> {
    invites_space().pack(&(id.0,))
}

fn code_key(code: &SecretHash) -> Vec<u8> {
    ROOT.pack(&("invite_code", Bytes::from(code.as_slice())))
}

pub(crate) async fn invite(tx: &Transaction, id: InviteId, now: u64) -> Result<Option<InviteRow>, StoreError> {
    passing::live(tx, &invite_key(id), now).await
}

/// The invitation with this code.
pub(crate) async fn invite_of(
    tx: &Transaction,
    code: &SecretHash,
    now: u64,
) -> Result<Option<(InviteId, InviteRow)>, StoreError> {
    let Some(id) = tx.get(code_key(code)).await? else { return Ok(None) };
    let id = Uuid::from_slice(&id).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })?;
    let row = invite(tx, InviteId(id), now).await?;
    Ok(row.map(|row| (InviteId(id), row)))
}

pub(crate) async fn set_invite(tx: &Transaction, id: InviteId, row: &InviteRow) -> Result<(), StoreError> {
    passing::set(tx, &invite_key(id), row).await?;
    tx.set(code_key(&row.code), id.0.as_bytes())
}

pub(crate) fn clear_invite(tx: &Transaction, id: InviteId, row: &InviteRow) -> Result<(), StoreError> {
    passing::clear(tx, &invite_key(id), row)
}

/// Up to `limit` invitations, oldest first, also those that have ended and were not swept yet.
pub(crate) async fn invites(tx: &Transaction, limit: usize) -> Result<Vec<(InviteId, InviteRow)>, StoreError> {
    let invites = invites_space();
    let mut found = Vec::new();
    for row in tx.range(invites.range().limit(limit)).await? {
        let (id,): (Uuid,) = invites.unpack(&row.key)?;
        found.push((InviteId(id), InviteRow::decode(&row.value)?));
    }
    Ok(found)
}
