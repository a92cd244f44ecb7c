//! Personal access tokens and their indexes.

use coditect_protocol::auth::Scope;
use coditect_protocol::{TerminalId, TokenId, UserId, WorkspaceId};
use coditect_store::{Range, Record, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ROOT, note_ended, number};
use crate::revocation::Ending;
use crate::secret::SecretHash;
use crate::terminal_tokens::TerminalHost;

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
    /// The only workspace that it is good for; the first form knew none.
    #[serde(default)]
    pub(crate) workspace: Option<WorkspaceId>,
}

impl Record for TokenRow {
    const VERSION: u8 = 2;

    fn upgrade(_version: u8, body: &[u8]) -> Result<Self, StoreError> {
        Self::decode_body(body)
    }
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

fn terminals_of(host: TerminalHost) -> Subspace {
    ROOT.sub(&("terminal_token", host.0))
}

/// What tells a token of a terminal from one that its person made: the terminal, and what runs it.
fn belongs_to(host: TerminalHost, terminal: TerminalId) -> Vec<u8> {
    [host.0.into_bytes(), terminal.0.into_bytes()].concat()
}

/// The key of the index of a token of a terminal.
fn terminal_key(belongs_to: &[u8]) -> Option<Vec<u8>> {
    let (host, terminal) = belongs_to.split_at_checked(size_of::<Uuid>())?;
    let host = TerminalHost(Uuid::from_slice(host).ok()?);
    Some(terminals_of(host).pack(&(Uuid::from_slice(terminal).ok()?,)))
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

/// Adds the token of a terminal with its indexes.
pub(crate) fn set_terminal_token(
    tx: &Transaction,
    id: TokenId,
    row: &TokenRow,
    (host, terminal): (TerminalHost, TerminalId),
) -> Result<(), StoreError> {
    set_token(tx, id, row)?;
    tx.set(tokens_of(row.user).pack(&(id.0,)), belongs_to(host, terminal))?;
    tx.set(terminals_of(host).pack(&(terminal.0,)), id.0.as_bytes())
}

/// The token of a terminal.
pub(crate) async fn terminal_token(
    tx: &Transaction,
    host: TerminalHost,
    terminal: TerminalId,
) -> Result<Option<TokenId>, StoreError> {
    let value = tx.get(terminals_of(host).pack(&(terminal.0,))).await?;
    Ok(value.and_then(|value| Uuid::from_slice(&value).ok()).map(TokenId))
}

/// The terminals there that have a token, with it.
pub(crate) async fn terminal_tokens(
    tx: &Transaction,
    host: TerminalHost,
) -> Result<Vec<(TerminalId, TokenId)>, StoreError> {
    let terminals = terminals_of(host);
    let rows = tx.range_all(terminals.range()).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (terminal,) = terminals.unpack(&row.key)?;
        found.extend(Uuid::from_slice(&row.value).ok().map(|token| (TerminalId(terminal), TokenId(token))));
    }
    Ok(found)
}

/// Takes a token away with its indexes, and lets every server know.
pub(crate) async fn clear_token(tx: &Transaction, id: TokenId, row: &TokenRow) -> Result<(), StoreError> {
    let listed = tokens_of(row.user).pack(&(id.0,));
    if let Some(key) = tx.get(&listed).await?.and_then(|value| terminal_key(&value)) {
        tx.clear(key)?;
    }
    tx.clear(listed)?;
    tx.clear(expiry_key(row.expires_at, id))?;
    tx.clear(used_key(id))?;
    tx.clear(token_key(id))?;
    note_ended(tx, Ending::Token(id))
}

/// How many tokens a person has made beside one; those of terminals are bounded by the number of these.
pub(crate) async fn tokens_count(tx: &Transaction, user: UserId, beside: TokenId) -> Result<usize, StoreError> {
    Ok(token_ids(tx, user, Kind::Made).await?.into_iter().filter(|id| *id != beside).count())
}

/// Whether a person has made a token that is good now, for this.
pub(crate) async fn has_token_for(tx: &Transaction, user: UserId, scope: Scope, now: u64) -> Result<bool, StoreError> {
    for id in token_ids(tx, user, Kind::Made).await? {
        if token(tx, id).await?.is_some_and(|row| row.expires_at > now && row.scopes.contains(&scope)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All tokens of a person, oldest first, with their last use.
pub(crate) async fn tokens(
    tx: &Transaction,
    user: UserId,
) -> Result<Vec<(TokenId, TokenRow, Option<u64>)>, StoreError> {
    let mut tokens = Vec::new();
    for id in token_ids(tx, user, Kind::All).await? {
        if let Some(row) = token(tx, id).await? {
            tokens.push((id, row, token_used_at(tx, id).await?));
        }
    }
    tokens.sort_by_key(|(id, row, _)| (row.created_at, *id));
    Ok(tokens)
}

/// Takes away all tokens of a person; says which.
pub(crate) async fn end_tokens_of(tx: &Transaction, user: UserId) -> Result<Vec<TokenId>, StoreError> {
    end_tokens(tx, user, Kind::All).await
}

/// Takes away the tokens of a person's terminals; says which.
pub(crate) async fn end_terminal_tokens_of(tx: &Transaction, user: UserId) -> Result<Vec<TokenId>, StoreError> {
    end_tokens(tx, user, Kind::OfTerminals).await
}

async fn end_tokens(tx: &Transaction, user: UserId, kind: Kind) -> Result<Vec<TokenId>, StoreError> {
    let ids = token_ids(tx, user, kind).await?;
    for id in &ids {
        match token(tx, *id).await? {
            Some(row) => clear_token(tx, *id, &row).await?,
            None => tx.clear(tokens_of(user).pack(&(id.0,)))?,
        }
    }
    Ok(ids)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    All,
    /// By the person.
    Made,
    OfTerminals,
}

async fn token_ids(tx: &Transaction, user: UserId, kind: Kind) -> Result<Vec<TokenId>, StoreError> {
    let tokens = tokens_of(user);
    let rows = tx.range_all(tokens.range()).await?;
    let is_meant = |value: &[u8]| kind == Kind::All || value.is_empty() == (kind == Kind::Made);
    let meant = rows.iter().filter(|row| is_meant(&row.value));
    meant.map(|row| tokens.unpack(&row.key).map(|(id,)| TokenId(id))).collect()
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
            clear_token(tx, id, &row).await?;
        }
        tx.clear(&entry.key)?;
    }
    Ok(rows.len())
}
