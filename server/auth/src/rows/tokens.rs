//! Personal access tokens and their indexes.

use coditect_protocol::auth::Scope;
use coditect_protocol::{TokenId, UserId};
use coditect_store::{Range, Record, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ROOT, note_ended, number};
use crate::revocation::Ending;
use crate::secret::SecretHash;

/// A personal access token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    /// Of the whole token.
    pub(crate) hash: SecretHash,
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// Its last characters, to recognise it by.
    pub(crate) ends_with: String,
    pub(crate) created_at: u64,
    pub(crate) expires_at: u64,
}

impl Record for TokenRow {
    const VERSION: u8 = 1;
}

fn token_key(id: TokenId) -> Vec<u8> {
    ROOT.pack(&("token", id.0))
}

fn tokens_of(user: UserId) -> Subspace {
    ROOT.sub(&("tokens", user.0))
}

fn expiry_key(at: u64, id: TokenId) -> Vec<u8> {
    ROOT.pack(&("token_expiry", number(at), id.0))
}

fn used_key(id: TokenId) -> Vec<u8> {
    ROOT.pack(&("token_used", id.0))
}

pub(crate) async fn token(tx: &Transaction, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
    tx.get_record(token_key(id)).await
}

/// When a token was last used, to the hour. Its readers conflict with nobody who uses it.
pub(crate) async fn token_used_at(tx: &Transaction, id: TokenId) -> Result<Option<u64>, StoreError> {
    let value = tx.get_snapshot(used_key(id)).await?;
    Ok(value.and_then(|value| value[..].try_into().ok()).map(u64::from_le_bytes))
}

/// Notes that a token was used, without a conflict. Safe for one that was taken away meanwhile: then nothing is left behind.
pub(crate) async fn note_token_use(tx: &Transaction, id: TokenId, at: u64) -> Result<(), StoreError> {
    // Read with a conflict on the row, which changes only when the token ends.
    match token(tx, id).await? {
        Some(_) => tx.max(used_key(id), at),
        None => Ok(()),
    }
}

/// Adds a token with its indexes.
pub(crate) fn set_token(tx: &Transaction, id: TokenId, row: &TokenRow) -> Result<(), StoreError> {
    tx.set(tokens_of(row.user).pack(&(id.0,)), [])?;
    tx.set(expiry_key(row.expires_at, id), [])?;
    tx.set_record(token_key(id), row)
}

/// Takes a token away with its indexes, and lets every server know.
pub(crate) fn clear_token(tx: &Transaction, id: TokenId, row: &TokenRow) -> Result<(), StoreError> {
    tx.clear(tokens_of(row.user).pack(&(id.0,)))?;
    tx.clear(expiry_key(row.expires_at, id))?;
    tx.clear(used_key(id))?;
    tx.clear(token_key(id))?;
    note_ended(tx, Ending::Token(id))
}

/// How many tokens a person has beside one.
pub(crate) async fn tokens_count(tx: &Transaction, user: UserId, beside: TokenId) -> Result<usize, StoreError> {
    Ok(token_ids(tx, user).await?.into_iter().filter(|id| *id != beside).count())
}

/// All tokens of a person, oldest first, with their last use.
pub(crate) async fn tokens(
    tx: &Transaction,
    user: UserId,
) -> Result<Vec<(TokenId, TokenRow, Option<u64>)>, StoreError> {
    let mut tokens = Vec::new();
    for id in token_ids(tx, user).await? {
        if let Some(row) = token(tx, id).await? {
            tokens.push((id, row, token_used_at(tx, id).await?));
        }
    }
    tokens.sort_by_key(|(id, row, _)| (row.created_at, *id));
    Ok(tokens)
}

/// Takes away all tokens of a person; says which.
pub(crate) async fn end_tokens_of(tx: &Transaction, user: UserId) -> Result<Vec<TokenId>, StoreError> {
    let ids = token_ids(tx, user).await?;
    for id in &ids {
        match token(tx, *id).await? {
            Some(row) => clear_token(tx, *id, &row)?,
            None => tx.clear(tokens_of(user).pack(&(id.0,)))?,
        }
    }
    Ok(ids)
}

async fn token_ids(tx: &Transaction, user: UserId) -> Result<Vec<TokenId>, StoreError> {
    let tokens = tokens_of(user);
    let rows = tx.range_all(tokens.range()).await?;
    rows.iter().map(|row| tokens.unpack(&row.key).map(|(id,)| TokenId(id))).collect()
}

/// Takes away up to `limit` tokens that ended before `now`; says how many.
pub(crate) async fn purge_tokens(tx: &Transaction, now: u64, limit: usize) -> Result<usize, StoreError> {
    let expiry = ROOT.sub(&("token_expiry",));
    let all = expiry.range();
    let rows = tx.range(Range::new(&all.begin, expiry.pack(&(number(now.saturating_add(1)),))).limit(limit)).await?;
    for entry in &rows {
        let (_, id): (i64, Uuid) = expiry.unpack(&entry.key)?;
        let id = TokenId(id);
        if let Some(row) = token(tx, id).await? {
            clear_token(tx, id, &row)?;
        }
        tx.clear(&entry.key)?;
    }
    Ok(rows.len())
}
