//! Sessions and their indexes.

use std::net::IpAddr;

use coditect_protocol::{SessionId, UserId};
use coditect_store::{Range, Record, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ROOT, note_ended, number};
use crate::revocation::Ending;
use crate::secret::SecretHash;

/// A login on one device.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) user: UserId,
    pub(crate) created_at: u64,
    pub(crate) refreshed_at: u64,
    /// Ends then unless it is refreshed; the key of its entry below `expiry`.
    pub(crate) expires_at: u64,
    /// Of the part of the refresh tokens that stays.
    pub(crate) family: SecretHash,
    /// Refresh tokens that are good now: one, or some for tabs that refreshed at the same moment.
    pub(crate) current: Vec<SecretHash>,
    /// Those used a moment ago.
    pub(crate) superseded: Vec<Superseded>,
    /// Readable by the session's own page, and worth nothing without its cookies.
    pub(crate) csrf: [u8; 32],
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
}

impl Record for SessionRow {
    const VERSION: u8 = 1;
}

/// A refresh token that was used.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Superseded {
    pub(crate) hash: SecretHash,
    pub(crate) at: u64,
}

fn session_key(id: SessionId) -> Vec<u8> {
    ROOT.pack(&("session", id.0))
}

fn sessions_of(user: UserId) -> Subspace {
    ROOT.sub(&("sessions", user.0))
}

fn expiry_key(at: u64, id: SessionId) -> Vec<u8> {
    ROOT.pack(&("expiry", number(at), id.0))
}

pub(crate) async fn session(tx: &Transaction, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    tx.get_record(session_key(id)).await
}

/// Sets a session with its indexes. `before` is what it was.
pub(crate) fn set_session(
    tx: &Transaction,
    id: SessionId,
    row: &SessionRow,
    before: Option<&SessionRow>,
) -> Result<(), StoreError> {
    if let Some(before) = before {
        tx.clear(expiry_key(before.expires_at, id))?;
    }
    tx.set(expiry_key(row.expires_at, id), [])?;
    tx.set(sessions_of(row.user).pack(&(id.0,)), [])?;
    tx.set_record(session_key(id), row)
}

/// Takes a session away with its indexes, and lets every server know.
pub(crate) fn clear_session(tx: &Transaction, id: SessionId, row: &SessionRow) -> Result<(), StoreError> {
    erase(tx, id, row)?;
    note_ended(tx, Ending::Session(id))
}

fn erase(tx: &Transaction, id: SessionId, row: &SessionRow) -> Result<(), StoreError> {
    tx.clear(expiry_key(row.expires_at, id))?;
    tx.clear(sessions_of(row.user).pack(&(id.0,)))?;
    tx.clear(session_key(id))
}

/// All sessions of a person, oldest first. Some may be past their time.
pub(crate) async fn sessions(tx: &Transaction, user: UserId) -> Result<Vec<(SessionId, SessionRow)>, StoreError> {
    let mut sessions = Vec::new();
    for id in session_ids(tx, user).await? {
        if let Some(row) = session(tx, id).await? {
            sessions.push((id, row));
        }
    }
    Ok(sessions)
}

/// Ends all sessions of a person but one; says which.
pub(crate) async fn end_sessions_of(
    tx: &Transaction,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<Vec<SessionId>, StoreError> {
    let mut ended = Vec::new();
    for (id, row) in sessions(tx, user).await? {
        if keep != Some(id) {
            clear_session(tx, id, &row)?;
            ended.push(id);
        }
    }
    Ok(ended)
}

/// How many sessions a person has, of which some may have ended and not been swept yet.
pub(crate) async fn sessions_count(tx: &Transaction, user: UserId) -> Result<usize, StoreError> {
    Ok(tx.range(sessions_of(user).range().snapshot()).await?.len())
}

/// Ids begin with the time of the login, so that the order of the keys is that of the logins.
async fn session_ids(tx: &Transaction, user: UserId) -> Result<Vec<SessionId>, StoreError> {
    let sessions = sessions_of(user);
    let rows = tx.range_all(sessions.range()).await?;
    rows.iter().map(|row| sessions.unpack(&row.key).map(|(id,)| SessionId(id))).collect()
}

/// Ends the oldest sessions of a person until fewer than `max` are left; says which.
pub(crate) async fn make_room(
    tx: &Transaction,
    user: UserId,
    keep: SessionId,
    max: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let mut others = session_ids(tx, user).await?;
    others.retain(|id| *id != keep);
    let excess = (others.len() + 1).saturating_sub(max);
    others.truncate(excess);
    for id in &others {
        match session(tx, *id).await? {
            Some(row) => clear_session(tx, *id, &row)?,
            None => tx.clear(sessions_of(user).pack(&(id.0,)))?,
        }
    }
    Ok(others)
}

/// Takes away up to `limit` sessions that ended before `now`; says how many.
pub(crate) async fn purge(tx: &Transaction, now: u64, limit: usize) -> Result<usize, StoreError> {
    let expiry = ROOT.sub(&("expiry",));
    let all = expiry.range();
    let ended = Range::new(&all.begin, expiry.pack(&(number(now.saturating_add(1)),))).limit(limit);
    let rows = tx.range(ended).await?;
    for entry in &rows {
        let (_, id): (i64, Uuid) = expiry.unpack(&entry.key)?;
        let id = SessionId(id);
        match session(tx, id).await? {
            // Past its time everywhere: no server needs to hear of it.
            Some(row) if row.expires_at <= now => erase(tx, id, &row)?,
            _ => {}
        }
        tx.clear(&entry.key)?;
    }
    Ok(rows.len())
}
