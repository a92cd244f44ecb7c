//! The keys in the store: a row for each, below whom it is for, and where the row of an id stands.

use std::sync::atomic::{AtomicBool, Ordering};

use coditect_protocol::llm::{KeyOwner, KeyState, ModelKey};
use coditect_protocol::{ModelKeyId, TeamId, UserId};
use coditect_store::{Committed, KeyValue, MasterKey, Record, Rows, Store, StoreError, Subspace, Transaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::KeyError;
use super::follow::note_changed;

/// Kinds of owners in keys. Numbers are never given out again; the rows are read in their order.
const EVERYBODY: i64 = 0;
const TEAM: i64 = 1;
const PERSON: i64 = 2;

/// A key as it is stored. Whose it is and its identifier are in the row's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) upstream: String,
    pub(super) name: String,
    pub(super) hint: String,
    pub(super) weight: u32,
    pub(super) created_at: u64,
    /// Sealed.
    pub(super) secret: Vec<u8>,
}

impl Record for Row {
    const VERSION: u8 = 1;
}

/// Which row it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) owner: KeyOwner,
    pub(super) id: ModelKeyId,
}

impl Name {
    /// What a key is sealed for: nothing opens it in another row, for another owner or another model server.
    fn context(self, upstream: &str) -> Vec<u8> {
        let (kind, of) = parts(self.owner);
        format!("model key\0{kind}\0{of}\0{}\0{upstream}", self.id).into_bytes()
    }

    pub(super) fn seal(self, master: &MasterKey, upstream: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        master.seal(&self.context(upstream), secret)
    }

    pub(super) fn open(self, master: &MasterKey, row: &Row) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        master.open(&self.context(&row.upstream), &row.secret)
    }

    /// The key as it is shown.
    pub(super) fn show(self, row: Row, state: KeyState) -> ModelKey {
        let Row { upstream, name, hint, weight, created_at, secret: _ } = row;
        ModelKey { id: self.id, upstream, name, hint, weight, owner: self.owner, created_at, state }
    }
}

fn parts(owner: KeyOwner) -> (i64, Uuid) {
    match owner {
        KeyOwner::Everybody => (EVERYBODY, Uuid::nil()),
        KeyOwner::Team(team) => (TEAM, team.0),
        KeyOwner::Person(person) => (PERSON, person.0),
    }
}

/// Where the rows stand.
pub(super) struct Table {
    store: Store,
    rows: Subspace,
    places: Subspace,
    changed: Vec<u8>,
}

impl Table {
    pub(super) fn new(store: Store) -> Self {
        let root = Subspace::root("llm-keys");
        Self { store, rows: root.sub(&"row"), places: root.sub(&"place"), changed: root.pack(&"changed") }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The one key that each server watches.
    pub(super) fn changed(&self) -> &[u8] {
        &self.changed
    }

    fn of(&self, owner: KeyOwner) -> Subspace {
        self.rows.sub(&parts(owner))
    }

    fn row_key(&self, name: Name) -> Vec<u8> {
        self.of(name.owner).pack(&name.id.0)
    }

    fn place_key(&self, id: ModelKeyId) -> Vec<u8> {
        self.places.pack(&id.0)
    }

    /// Which row a key of the store is.
    fn name(&self, key: &[u8]) -> Result<Name, StoreError> {
        let (kind, of, id): (i64, Uuid, Uuid) = self.rows.unpack(key)?;
        let owner = match kind {
            EVERYBODY => KeyOwner::Everybody,
            TEAM => KeyOwner::Team(TeamId(of)),
            PERSON => KeyOwner::Person(UserId(of)),
            _ => return Err(StoreError::KeyCorrupt { detail: format!("{kind} is no kind of owner") }),
        };
        Ok(Name { owner, id: ModelKeyId(id) })
    }

    pub(super) fn decode(&self, stored: &KeyValue) -> Result<(Name, Row), StoreError> {
        Ok((self.name(&stored.key)?, Row::decode(&stored.value)?))
    }

    /// Some of all rows behind this one, as many as one read of the store answers, with the version that they are of.
    pub(super) async fn batch(&self, after: Option<&[u8]>) -> Result<(Rows, u64), StoreError> {
        let range = &after.map_or_else(|| self.rows.range(), |key| self.rows.range().after(key));
        self.store
            .transact(|tx| async move { Ok((tx.range(range.clone().snapshot()).await?, tx.read_version().await?)) })
            .await
    }

    /// All keys of one owner.
    pub(super) async fn list(&self, owner: KeyOwner) -> Result<Vec<(Name, Row)>, StoreError> {
        let range = &self.of(owner).range();
        let rows = self.store.transact(|tx| async move { tx.range_all(range.clone().snapshot()).await }).await?;
        rows.iter().map(|row| self.decode(row)).collect()
    }

    /// Up to so many keys of all: everybody's first, then those of teams, then people's.
    pub(super) async fn list_all(&self, limit: usize) -> Result<Vec<(Name, Row)>, StoreError> {
        let mut all = Vec::new();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let (rows, _) = self.batch(last.as_deref()).await?;
            for row in &rows {
                if all.len() == limit {
                    return Ok(all);
                }
                all.push(self.decode(row)?);
            }
            match rows.last() {
                Some(row) if rows.more => last = Some(row.key.to_vec()),
                _ => return Ok(all),
            }
        }
    }

    /// Writes a new row, unless its owner has so many.
    pub(super) async fn add(&self, name: Name, row: &Row, limit: usize) -> Result<Committed, KeyError> {
        let (range, key, place) = (&self.of(name.owner).range(), &self.row_key(name), &self.place_key(name.id));
        let added = self.store.transact_committed(|tx| async move {
            // A commit of unknown result runs again and finds its own.
            let others = tx.range_all(range.clone()).await?.iter().filter(|other| other.key != key).count();
            if others >= limit {
                return Err(KeyError::TooMany { limit });
            }
            tx.set_record(key, row)?;
            tx.set(place, key)?;
            Ok(note_changed(&tx, &self.changed)?)
        });
        Ok(added.await?.1)
    }

    /// Takes a row away, if it is there.
    async fn clear(&self, tx: &Transaction, key: &[u8], id: ModelKeyId) -> Result<bool, StoreError> {
        if tx.get(key).await?.is_none() {
            return Ok(false);
        }
        tx.clear(key)?;
        tx.clear(self.place_key(id))?;
        note_changed(tx, &self.changed)?;
        Ok(true)
    }

    /// Takes away a key, of this owner alone where one is named.
    pub(super) async fn remove(&self, owner: Option<KeyOwner>, id: ModelKeyId) -> Result<Committed, KeyError> {
        let named = &owner.map(|owner| self.row_key(Name { owner, id }));
        // Once it was seen, it is gone for us: a commit of unknown result runs again and does not find it.
        let seen = &AtomicBool::new(false);
        let removed = self.store.transact_committed(|tx| async move {
            let key = match named {
                Some(key) => Some(key.clone()),
                None => tx.get(self.place_key(id)).await?.map(|place| place.to_vec()),
            };
            let is_there = match &key {
                Some(key) if self.rows.contains(key) => self.clear(&tx, key, id).await?,
                _ => false,
            };
            if is_there {
                seen.store(true, Ordering::Relaxed);
            }
            if seen.load(Ordering::Relaxed) { Ok(()) } else { Err(KeyError::NotFound) }
        });
        Ok(removed.await?.1)
    }

    /// Takes away all keys of an owner.
    pub(super) async fn forget(&self, owner: KeyOwner) -> Result<Committed, StoreError> {
        let range = &self.of(owner).range();
        let forgotten = self.store.transact_committed(|tx| async move {
            for row in tx.range_all(range.clone()).await? {
                let name = self.name(&row.key)?;
                self.clear(&tx, &row.key, name.id).await?;
            }
            Ok::<_, StoreError>(())
        });
        Ok(forgotten.await?.1)
    }

    /// Puts rows, sealed anew, in place of those that were read, unless somebody changed them meanwhile. What they say is the same.
    pub(super) async fn reseal(&self, rows: &[(&KeyValue, Row)]) -> Result<(), StoreError> {
        self.store
            .transact(|tx| async move {
                for (read, row) in rows {
                    if tx.get(&read.key).await?.as_ref() == Some(&read.value) {
                        tx.set_record(&read.key, row)?;
                    }
                }
                Ok(())
            })
            .await
    }
}
