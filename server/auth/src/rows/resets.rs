//! Codes to reset a password.

use coditect_protocol::UserId;
use coditect_store::{Record, StoreError, Transaction};
use serde::{Deserialize, Serialize};

use super::ROOT;
use super::passing::{self, Passing};
use crate::secret::SecretHash;

/// Who gave a code out. Each person can have one of each kind, so that asking for a mail does not void what an admin gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResetKind {
    Mail,
    Admin,
}

impl ResetKind {
    pub(crate) const ALL: [Self; 2] = [Self::Mail, Self::Admin];

    const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Admin => "admin",
        }
    }
}

/// A code that was given out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ResetRow {
    /// Digest of the first group, which tells which code is meant: only a code that begins like this one is a try at it.
    pub(crate) selector: SecretHash,
    /// Digest of the whole code.
    pub(crate) code: SecretHash,
    /// The password that it replaces: when that was set.
    pub(crate) password_changed_at: u64,
    pub(crate) expires_at: u64,
    pub(crate) tries_left: u8,
}

impl Record for ResetRow {
    const VERSION: u8 = 1;
}

impl Passing for ResetRow {
    fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

fn reset_key(user: UserId, kind: ResetKind) -> Vec<u8> {
    ROOT.pack(&("reset", user.0, kind.name()))
}

pub(crate) async fn reset(
    tx: &Transaction,
    user: UserId,
    kind: ResetKind,
    now: u64,
) -> Result<Option<ResetRow>, StoreError> {
    passing::live(tx, &reset_key(user, kind), now).await
}

pub(crate) async fn set_reset(
    tx: &Transaction,
    user: UserId,
    kind: ResetKind,
    row: &ResetRow,
) -> Result<(), StoreError> {
    passing::set(tx, &reset_key(user, kind), row).await
}

/// Takes away the codes of a person, whichever there are.
pub(crate) async fn clear_resets(tx: &Transaction, user: UserId) -> Result<(), StoreError> {
    for kind in ResetKind::ALL {
        clear_reset(tx, user, kind).await?;
    }
    Ok(())
}

pub(crate) async fn clear_reset(tx: &Transaction, user: UserId, kind: ResetKind) -> Result<(), StoreError> {
    let key = reset_key(user, kind);
    if let Some(row) = tx.get_record::<ResetRow>(&key).await? {
        passing::clear(tx, &key, &row)?;
    }
    Ok(())
}
