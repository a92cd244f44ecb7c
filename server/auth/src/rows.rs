//! What the store keeps, and under which keys.
//!
//! | key below `auth` | value |
//! |---|---|
//! | `user`, id | [`UserRow`] |
//! | `password`, id of a person | [`PasswordRow`]: apart, so that no other read carries it and other ways to log in stand beside it |
//! | `email`, address in lower case | id of the person |
//! | `first` | id of who registered first; stays when they are gone, so that nobody becomes admin by being next |
//! | `session`, id | [`SessionRow`] |
//! | `sessions`, id of a person, id of a session | nothing |
//! | `expiry`, milliseconds, id of a session | nothing |
//! | `key`, name of the key | [`KeyRow`] |

use std::net::IpAddr;
use std::sync::LazyLock;

use coditect_protocol::auth::{Role, UserInfo};
use coditect_protocol::{SessionId, UserId};
use coditect_store::{Range, Record, Store, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::AuthError;
use crate::email::Email;
use crate::secret::SecretHash;

static ROOT: LazyLock<Subspace> = LazyLock::new(|| Subspace::root("auth"));

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) email: String,
    pub(crate) role: Role,
    pub(crate) created_at: u64,
}

impl Record for UserRow {
    const VERSION: u8 = 1;
}

impl UserRow {
    pub(crate) fn info(self, id: UserId) -> UserInfo {
        UserInfo { id, email: self.email, role: self.role, created_at: self.created_at }
    }
}

/// A person's password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordRow {
    /// PHC string.
    pub(crate) hash: String,
    pub(crate) changed_at: u64,
}

impl Record for PasswordRow {
    const VERSION: u8 = 1;
}

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

/// A signing key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// The private key (RFC 8032).
    pub(crate) seed: [u8; 32],
    pub(crate) created_at: u64,
}

impl Record for KeyRow {
    const VERSION: u8 = 1;
}

fn user_key(id: UserId) -> Vec<u8> {
    ROOT.pack(&("user", id.0))
}

fn password_key(id: UserId) -> Vec<u8> {
    ROOT.pack(&("password", id.0))
}

fn email_key(email: &Email) -> Vec<u8> {
    ROOT.pack(&("email", email.key.as_str()))
}

fn first_key() -> Vec<u8> {
    ROOT.pack(&("first",))
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

/// Tuples hold signed numbers.
fn number(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn id_of(value: &[u8]) -> Result<UserId, StoreError> {
    Uuid::from_slice(value).map(UserId).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })
}

/// Who registered with an address.
pub(crate) async fn user_of(tx: &Transaction, email: &Email) -> Result<Option<UserId>, StoreError> {
    tx.get(email_key(email)).await?.map(|value| id_of(&value)).transpose()
}

pub(crate) async fn user(tx: &Transaction, id: UserId) -> Result<Option<UserRow>, StoreError> {
    tx.get_record(user_key(id)).await
}

pub(crate) async fn password(tx: &Transaction, id: UserId) -> Result<Option<PasswordRow>, StoreError> {
    tx.get_record(password_key(id)).await
}

pub(crate) fn set_password(tx: &Transaction, id: UserId, row: &PasswordRow) -> Result<(), StoreError> {
    tx.set_record(password_key(id), row)
}

/// Who registered first.
pub(crate) async fn first_user(tx: &Transaction) -> Result<Option<UserId>, StoreError> {
    tx.get(first_key()).await?.map(|value| id_of(&value)).transpose()
}

/// Adds a person with the index of their address, as admin if nobody was there before.
///
/// Safe to run again with the same id: what this very call wrote before is not in its own way.
pub(crate) async fn add_user(
    tx: &Transaction,
    id: UserId,
    email: &Email,
    password: &PasswordRow,
) -> Result<UserRow, AuthError> {
    if user_of(tx, email).await?.is_some_and(|other| other != id) {
        return Err(AuthError::EmailTaken);
    }
    let first = first_user(tx).await?;
    let role = if first.is_none_or(|first| first == id) { Role::Admin } else { Role::Member };
    let row = UserRow { email: email.typed.clone(), role, created_at: password.changed_at };
    if first.is_none() {
        tx.set(first_key(), id.0.as_bytes())?;
    }
    tx.set(email_key(email), id.0.as_bytes())?;
    tx.set_record(user_key(id), &row)?;
    set_password(tx, id, password)?;
    Ok(row)
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

/// Takes a session away with its indexes.
pub(crate) fn clear_session(tx: &Transaction, id: SessionId, row: &SessionRow) -> Result<(), StoreError> {
    tx.clear(expiry_key(row.expires_at, id))?;
    tx.clear(sessions_of(row.user).pack(&(id.0,)))?;
    tx.clear(session_key(id))
}

/// Ends the oldest sessions of a person until fewer than `max` are left; says which.
pub(crate) async fn make_room(
    tx: &Transaction,
    user: UserId,
    keep: SessionId,
    max: usize,
) -> Result<Vec<SessionId>, StoreError> {
    let sessions = sessions_of(user);
    let rows = tx.range_all(sessions.range()).await?;
    let mut others = Vec::with_capacity(rows.len());
    for row in rows {
        let (id,): (Uuid,) = sessions.unpack(&row.key)?;
        others.push(SessionId(id));
    }
    // Ids begin with the time of the login, so that the order of the keys is that of the logins.
    others.retain(|id| *id != keep);
    let excess = (others.len() + 1).saturating_sub(max);
    others.truncate(excess);
    for id in &others {
        match session(tx, *id).await? {
            Some(row) => clear_session(tx, *id, &row)?,
            None => tx.clear(sessions.pack(&(id.0,)))?,
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
            Some(row) if row.expires_at <= now => clear_session(tx, id, &row)?,
            _ => {}
        }
        tx.clear(&entry.key)?;
    }
    Ok(rows.len())
}

/// All signing keys. Where there is none, `first` becomes it.
pub(crate) async fn load_keys(store: &Store, first: Option<(String, KeyRow)>) -> Result<Vec<KeyRow>, AuthError> {
    let first = first.as_ref();
    store
        .transact(|tx| async move {
            let mut keys = keys(&tx).await?;
            if let (true, Some((name, row))) = (keys.is_empty(), first) {
                tx.set_record(ROOT.pack(&("key", name.as_str())), row)?;
                keys.push((name.clone(), row.clone()));
            }
            Ok(keys.into_iter().map(|(_, row)| row).collect())
        })
        .await
}

/// Adds a signing key. Forgets those whose successor was made before `forget_before`, and keeps no more than `max`.
pub(crate) async fn add_key(
    store: &Store,
    new: (String, KeyRow),
    forget_before: u64,
    max: usize,
) -> Result<Vec<KeyRow>, AuthError> {
    let new = &new;
    store
        .transact(|tx| async move {
            let mut keys = keys(&tx).await?;
            keys.retain(|(name, _)| *name != new.0);
            // Later than every other, also when two are made in one millisecond or the clock was set back.
            let newest = keys.iter().map(|(_, row)| row.created_at).max().unwrap_or(0);
            let row = KeyRow { created_at: new.1.created_at.max(newest.saturating_add(1)), ..new.1.clone() };
            keys.push((new.0.clone(), row.clone()));
            keys.sort_by_key(|(_, row)| row.created_at);
            let successors = keys.iter().skip(1).filter(|(_, row)| row.created_at < forget_before).count();
            if keys.len() - successors > max {
                return Err(AuthError::Internal(
                    "the signing keys were rotated too often; wait some minutes".to_owned(),
                ));
            }
            for (name, _) in keys.drain(..successors) {
                tx.clear(ROOT.pack(&("key", name.as_str())))?;
            }
            tx.set_record(ROOT.pack(&("key", new.0.as_str())), &row)?;
            Ok(keys.into_iter().map(|(_, row)| row).collect())
        })
        .await
}

async fn keys(tx: &Transaction) -> Result<Vec<(String, KeyRow)>, StoreError> {
    let all = ROOT.sub(&("key",));
    let mut keys = Vec::new();
    for row in tx.range_all(all.range()).await? {
        let (name,): (String,) = all.unpack(&row.key)?;
        keys.push((name, KeyRow::decode(&row.value)?));
    }
    Ok(keys)
}
