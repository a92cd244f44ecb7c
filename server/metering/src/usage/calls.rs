//! Looking calls up.

use coditect_protocol::UserId;
use coditect_protocol::llm::{CallPage, CallRecord};
use coditect_store::{Bytes, Range, StoreError, Transaction};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::Usage;
use super::rows::{Chunk, Place};
use crate::MeteringError;
use crate::time::HOUR_MS;

/// Most calls of a page.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Chunks that are read at once.
const CHUNKS_AT_ONCE: usize = 64;
/// How often a page reads on for calls that fit.
const READS_PER_PAGE: usize = 16;

/// Which calls. Times are those at which calls began, in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct CallFilter {
    /// Of this person only.
    pub user: Option<UserId>,
    /// Not before this.
    pub from: u64,
    /// Before this.
    pub to: u64,
}

impl CallFilter {
    fn check(&self) -> Result<(), MeteringError> {
        if self.from < self.to { Ok(()) } else { Err(MeteringError::BadRange("The time ends before it begins")) }
    }

    fn fits(&self, call: &CallRecord) -> bool {
        (self.from..self.to).contains(&call.at) && self.user.is_none_or(|user| call.user == user)
    }

    /// The hours that it touches: the first, and the first no longer.
    fn hours(&self) -> (u64, u64) {
        (self.from / HOUR_MS, self.to.div_ceil(HOUR_MS))
    }
}

/// How far somebody has read: all from this place on, and of its chunk all from this index on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    place: Place,
    index: usize,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { hour, batch, user, number } = self.place;
        write!(f, "{hour}.{}.{}.{number}.{}", batch.simple(), user.simple(), self.index)
    }
}

impl std::str::FromStr for Cursor {
    type Err = MeteringError;

    fn from_str(text: &str) -> Result<Self, MeteringError> {
        let parse = || {
            let mut parts = text.split('.');
            let hour = parts.next()?.parse().ok()?;
            let (batch, user) = (parts.next()?.parse::<Uuid>().ok()?, parts.next()?.parse::<Uuid>().ok()?);
            let number = parts.next()?.parse().ok()?;
            let index = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { place: Place { hour, batch, user, number }, index })
        };
        parse().ok_or(MeteringError::BadCursor)
    }
}

/// Chunks, the latest first, and whether there are more.
type Chunks = (Vec<(Place, Chunk)>, bool);

impl Usage {
    /// A page of calls, the latest first.
    pub(crate) async fn page(
        &self,
        filter: &CallFilter,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CallPage, MeteringError> {
        filter.check()?;
        let limit = limit.clamp(1, PAGE_MAX);
        let mut cursor = from.map(str::parse::<Cursor>).transpose()?;
        let mut calls = Vec::new();
        for _ in 0..READS_PER_PAGE {
            let (chunks, more) = self.chunks(filter, cursor).await?;
            for (place, chunk) in chunks {
                let upto = cursor.filter(|cursor| cursor.place == place).map_or(usize::MAX, |cursor| cursor.index);
                for (index, call) in chunk.calls.into_iter().enumerate().take(upto).rev_all() {
                    calls.extend(Some(call).filter(|call| filter.fits(call)));
                    if calls.len() == limit {
                        return Ok(CallPage { calls, next: Some(Cursor { place, index }.to_string()) });
                    }
                }
                cursor = Some(Cursor { place, index: 0 });
            }
            if !more {
                return Ok(CallPage { calls, next: None });
            }
        }
        Ok(CallPage { calls, next: cursor.map(|cursor| cursor.to_string()) })
    }

    async fn chunks(&self, filter: &CallFilter, cursor: Option<Cursor>) -> Result<Chunks, StoreError> {
        self.store
            .transact(|tx| async move {
                match filter.user {
                    Some(user) => self.chunks_of_person(&tx, filter, user.0, cursor).await,
                    None => self.chunks_of_all(&tx, filter, cursor).await,
                }
            })
            .await
    }

    async fn chunks_of_all(
        &self,
        tx: &Transaction,
        filter: &CallFilter,
        cursor: Option<Cursor>,
    ) -> Result<Chunks, StoreError> {
        let (first, end) = filter.hours();
        let hours = Range::new(self.places.calls.pack(&(first,)), self.places.calls.pack(&(end,)));
        let range = read_on(hours, cursor, |place| self.places.call_key(place));
        let rows = tx.range(range).await?;
        let chunk =
            |row: &coditect_store::KeyValue| Ok((self.places.call_place(&row.key)?, Chunk::unpack(&row.value)?));
        let chunks = rows.iter().map(chunk).collect::<Result<_, StoreError>>()?;
        Ok((chunks, rows.more))
    }

    async fn chunks_of_person(
        &self,
        tx: &Transaction,
        filter: &CallFilter,
        user: Uuid,
        cursor: Option<Cursor>,
    ) -> Result<Chunks, StoreError> {
        let of_person = self.places.of_person(user);
        let (first, end) = filter.hours();
        // Another person's cursor leads to nothing of theirs.
        let cursor = cursor.map(|Cursor { place, index }| Cursor { place: Place { user, ..place }, index });
        let hours = Range::new(of_person.pack(&(first,)), of_person.pack(&(end,)));
        let range = read_on(hours, cursor, |place| self.places.person_key(place));
        let rows = tx.range(range).await?;
        let places = rows.iter().map(|row| self.places.person_place(user, &row.key));
        let places = places.collect::<Result<Vec<_>, StoreError>>()?;
        let found = try_join_all(places.iter().map(|place| tx.get_snapshot(self.places.call_key(place)))).await?;
        let mut chunks = Vec::with_capacity(places.len());
        for (place, value) in places.into_iter().zip(found) {
            // One that is being swept has no value any more.
            chunks.push((place, value.map(|value: Bytes| Chunk::unpack(&value)).transpose()?.unwrap_or_default()));
        }
        Ok((chunks, rows.more))
    }
}

/// The part of a range that comes before what was read.
fn read_on(range: Range, cursor: Option<Cursor>, key: impl Fn(&Place) -> Vec<u8>) -> Range {
    let mut range = range.reverse().snapshot().limit(CHUNKS_AT_ONCE);
    if let Some(Cursor { place, index }) = cursor {
        let mut end = key(&place);
        if index > 0 {
            // A part of its chunk is still to be read.
            end.push(0);
        }
        range.end = range.end.min(Bytes::from(end)).max(range.begin.clone());
    }
    range
}

/// The last first, of what only goes forward.
trait RevAll: Iterator + Sized {
    fn rev_all(self) -> std::iter::Rev<std::vec::IntoIter<Self::Item>> {
        self.collect::<Vec<_>>().into_iter().rev()
    }
}

impl<I: Iterator> RevAll for I {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_and_no_text_breaks_anything(
            hour in any::<u64>(), batch in any::<u128>(), user in any::<u128>(), number in any::<u64>(),
            index in any::<usize>(), text in "\\PC{0,80}",
        ) {
            let place = Place { hour, batch: Uuid::from_u128(batch), user: Uuid::from_u128(user), number };
            let cursor = Cursor { place, index };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
            let _ = text.parse::<Cursor>();
        }
    }
}
