//! The log of endings.

use std::sync::LazyLock;

use coditect_protocol::{SessionId, TokenId, UserId};
use coditect_store::tuple::Versionstamp;
use coditect_store::{Range, StoreError, Subspace, Transaction, Watch};
use uuid::Uuid;

use super::ROOT;
use crate::revocation::Ending;

static LOG: LazyLock<Subspace> = LazyLock::new(|| ROOT.sub(&("ending",)));

/// A versionstamp, followed by its place in the value (little-endian), which is its begin.
const STAMP: [u8; 14] = [0; 14];

/// Kinds of endings in the log. Numbers are never given out again.
const SESSION: i64 = 0;
const PERSON: i64 = 1;
const TOKEN: i64 = 2;
const LOGGED_OUT: i64 = 3;

/// The one key that each server watches.
fn changed_key() -> Vec<u8> {
    ROOT.pack(&("endings",))
}

/// Writes down what this transaction ends. It conflicts with nobody.
pub(crate) fn note_ended(tx: &Transaction, ending: Ending) -> Result<(), StoreError> {
    let (kind, id) = match ending {
        Ending::Session(id) => (SESSION, id.0),
        Ending::Person(id) => (PERSON, id.0),
        Ending::Token(id) => (TOKEN, id.0),
        Ending::LoggedOutEverywhere(id) => (LOGGED_OUT, id.0),
        // A server finds that out by itself.
        Ending::All => return Ok(()),
    };
    tx.set_versionstamped_key(LOG.pack_with_versionstamp(&(Versionstamp::incomplete(0), kind, id))?, [])?;
    tx.set_versionstamped_value(changed_key(), STAMP)
}

/// Where the log ends now.
pub(crate) async fn last_ending(tx: &Transaction) -> Result<Vec<u8>, StoreError> {
    let all = LOG.range();
    let begin = all.begin.to_vec();
    let last = tx.range(all.reverse().limit(1).snapshot()).await?;
    Ok(last.first().map_or(begin, |row| row.key.to_vec()))
}

/// Up to `limit` entries behind a place in the log, and the place of the last.
pub(crate) async fn endings_after(
    tx: &Transaction,
    position: &[u8],
    limit: usize,
) -> Result<(Vec<Ending>, Vec<u8>), StoreError> {
    let rows = tx.range(LOG.range().after(position).limit(limit).snapshot()).await?;
    let end = rows.last().map_or(position, |row| &row.key).to_vec();
    Ok((rows.iter().map(|row| ending_of(&row.key)).collect(), end))
}

/// An entry that this program does not know may be anything.
fn ending_of(key: &[u8]) -> Ending {
    match LOG.unpack::<(Versionstamp, i64, Uuid)>(key) {
        Ok((_, SESSION, id)) => Ending::Session(SessionId(id)),
        Ok((_, PERSON, id)) => Ending::Person(UserId(id)),
        Ok((_, TOKEN, id)) => Ending::Token(TokenId(id)),
        Ok((_, LOGGED_OUT, id)) => Ending::LoggedOutEverywhere(UserId(id)),
        _ => Ending::All,
    }
}

/// Stands until the next ending.
pub(crate) async fn watch_endings(tx: &Transaction) -> Result<Watch, StoreError> {
    tx.watch(changed_key()).await
}

/// Takes away all entries up to a place in the log, with it.
pub(crate) fn sweep_endings(tx: &Transaction, upto: &[u8]) -> Result<(), StoreError> {
    let begin = LOG.range().begin;
    let end = [upto, &[0]].concat();
    if end <= begin.to_vec() {
        return Ok(());
    }
    tx.clear_range(&Range::new(begin, end))
}
