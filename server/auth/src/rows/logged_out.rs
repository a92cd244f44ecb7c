//! That somebody was logged out everywhere, for those who run something for them and were away then.

use coditect_protocol::{TokenId, UserId};
use coditect_store::{StoreError, Transaction};

use super::{ROOT, end_terminal_tokens_of, note_ended};
use crate::revocation::Ending;

fn key(user: UserId) -> Vec<u8> {
    ROOT.pack(&("logged_out", user.0))
}

/// Writes down that what the person runs is to end, on every server, and takes away what it was given; says which tokens.
pub(crate) async fn log_out_everywhere(tx: &Transaction, user: UserId, now: u64) -> Result<Vec<TokenId>, StoreError> {
    tx.max(key(user), now)?;
    note_ended(tx, Ending::LoggedOutEverywhere(user))?;
    end_terminal_tokens_of(tx, user).await
}

/// When that was last; 0 where it never was.
pub(crate) async fn logged_out_at(tx: &Transaction, user: UserId) -> Result<u64, StoreError> {
    let value = tx.get(key(user)).await?;
    Ok(value.and_then(|value| value[..].try_into().ok()).map_or(0, u64::from_le_bytes))
}
