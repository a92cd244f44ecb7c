//! Rows of the store on their way into memory.

use std::sync::Arc;

use coditect_store::{KeyValue, MasterKey, StoreError};

use super::ring::{Key, Limits, Rest, Ring};
use super::rows::{Name, Row};

/// The keys of the store, as they are read one after the other. Those that were in memory before stay as they are, with their rests.
pub(super) struct Reading<'a> {
    former: &'a Ring,
    master: &'a MasterKey,
    pub(super) keys: Vec<Arc<Key>>,
    /// Rows that could not be opened.
    pub(super) unreadable: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(former: &'a Ring, master: &'a MasterKey) -> Self {
        Self { former, master, keys: Vec::new(), unreadable: 0 }
    }

    /// Takes a row in; answers it, sealed anew, where a former master key sealed it.
    pub(super) fn take<'r>(
        &mut self,
        read: &'r KeyValue,
        row: Result<(Name, Row), StoreError>,
    ) -> Option<(&'r KeyValue, Row)> {
        match row.and_then(|(name, row)| self.take_row(name, row)) {
            Ok(outdated) => outdated.map(|row| (read, row)),
            Err(_) => {
                self.unreadable += 1;
                None
            }
        }
    }

    fn take_row(&mut self, name: Name, row: Row) -> Result<Option<Row>, StoreError> {
        let is_outdated = self.master.is_outdated(&row.secret);
        let known = self.former.get(name.id).filter(|key| key.is(name, &row)).cloned();
        // What is never chosen is not held.
        if !is_outdated && (known.is_some() || row.weight == 0) {
            self.keys.extend(known);
            return Ok(None);
        }
        let secret = match name.open(self.master, &row) {
            Ok(secret) => secret,
            Err(error) => {
                // Another server may have a newer master key already: what was open here stays so.
                self.keys.extend(known);
                return Err(error);
            }
        };
        if row.weight > 0 {
            self.keys.push(match known {
                Some(key) => key,
                None => Arc::new(Key::new(name, &row, &secret)?),
            });
        }
        if !is_outdated {
            return Ok(None);
        }
        let secret = name.seal(self.master, &row.upstream, &secret)?;
        Ok(Some(Row { secret, ..row }))
    }
}

impl Key {
    fn new(name: Name, row: &Row, secret: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |_| StoreError::RecordCorrupt { detail: "a key of a model server is no text".to_owned() };
        let secret = std::str::from_utf8(secret).map_err(corrupt)?.into();
        let (Name { owner, id }, upstream) = (name, row.upstream.as_str().into());
        let (rest, limits) = (Rest::default(), Limits::default());
        Ok(Self { id, owner, upstream, weight: row.weight, secret, rest, limits })
    }

    /// Whether it is the key of this row. The secret of a row is never replaced.
    fn is(&self, name: Name, row: &Row) -> bool {
        (self.id, self.owner, &*self.upstream, self.weight) == (name.id, name.owner, row.upstream.as_str(), row.weight)
    }
}
