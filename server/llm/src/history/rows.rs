//! What is kept, in the store.
//!
//! For each person there is their consent, with a key of their own that is sealed with the master key. For each conversation there are a
//! head and parts, sealed with the person's key. So a new master key seals one row for each person again, not all they ever said.
//!
//! Calls are in the order of their identifiers, which are UUIDs of version 7.

use coditect_protocol::llm::{Door, HistoryEntry};
use coditect_protocol::{CallId, UserId};
use coditect_store::{
    Bytes, Committed, KeyValue, MasterKey, Range, Record, Rows, Store, StoreError, Subspace, Transaction,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::seal::{Place, Text};
use super::{Kept, now};
use crate::keys::follow::note_changed;

/// That a person wants their conversations kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Consent {
    /// Another one each time that all is deleted: what was to be kept before is not written after it.
    pub(super) id: Uuid,
    /// Since when, in milliseconds since 1970.
    pub(super) since: u64,
    /// The person's key, sealed.
    pub(super) key: Vec<u8>,
}

impl Record for Consent {
    const VERSION: u8 = 1;
}

impl Consent {
    fn new(user: UserId, master: &MasterKey) -> Result<Self, StoreError> {
        let key = MasterKey::generate()?.reveal();
        let id = Uuid::now_v7();
        Ok(Self { id, since: now(), key: master.seal(&context(user, id), key.as_bytes())? })
    }

    /// The person's key.
    pub(super) fn open(&self, user: UserId, master: &MasterKey) -> Result<MasterKey, StoreError> {
        MasterKey::parse(&master.open(&context(user, self.id), &self.key)?)
    }

    /// The same, sealed with the newest master key.
    pub(super) fn resealed(self, user: UserId, master: &MasterKey) -> Result<Self, StoreError> {
        let context = context(user, self.id);
        let key = master.seal(&context, &master.open(&context, &self.key)?)?;
        Ok(Self { key, ..self })
    }
}

/// What a person's key is sealed for.
fn context(user: UserId, consent: Uuid) -> Vec<u8> {
    format!("model conversations\0{user}\0{consent}").into_bytes()
}

/// A conversation without its content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) at: u64,
    pub(super) door: Door,
    pub(super) model: String,
    pub(super) question_bytes: u64,
    pub(super) answer_bytes: u64,
}

impl Record for Head {
    const VERSION: u8 = 1;
}

impl Head {
    pub(super) fn bytes(&self) -> u64 {
        self.question_bytes.saturating_add(self.answer_bytes)
    }

    pub(super) fn entry(self, id: CallId) -> HistoryEntry {
        HistoryEntry { id, at: self.at, bytes: self.bytes(), model: self.model, door: self.door }
    }

    pub(super) fn place(&self, user: UserId, id: CallId) -> Place {
        Place { user, id, question_bytes: self.question_bytes, answer_bytes: self.answer_bytes }
    }
}

/// A conversation as it is stored.
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) consent: Consent,
    pub(super) parts: Vec<Bytes>,
}

/// Where the rows stand.
pub(super) struct Table {
    store: Store,
    consents: Subspace,
    heads: Subspace,
    parts: Subspace,
    changed: Vec<u8>,
}

impl Table {
    pub(super) fn new(store: Store) -> Self {
        let root = Subspace::root("llm-history");
        let (consents, heads, parts) = (root.sub(&"consent"), root.sub(&"head"), root.sub(&"part"));
        Self { store, consents, heads, parts, changed: root.pack(&"changed") }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The one key that each server watches for consents.
    pub(super) fn changed(&self) -> &[u8] {
        &self.changed
    }

    fn consent_key(&self, user: UserId) -> Vec<u8> {
        self.consents.pack(&user.0)
    }

    fn heads_of(&self, user: UserId) -> Subspace {
        self.heads.sub(&user.0)
    }

    fn head_key(&self, user: UserId, id: CallId) -> Vec<u8> {
        self.heads_of(user).pack(&id.0)
    }

    fn parts_of(&self, user: UserId) -> Subspace {
        self.parts.sub(&user.0)
    }

    fn parts_of_call(&self, user: UserId, id: CallId) -> Subspace {
        self.parts_of(user).sub(&id.0)
    }

    pub(super) fn decode_consent(&self, stored: &KeyValue) -> Result<(UserId, Consent), StoreError> {
        Ok((UserId(self.consents.unpack(&stored.key)?), Consent::decode(&stored.value)?))
    }

    fn decode_head(&self, user: UserId, stored: &KeyValue) -> Result<(CallId, Head), StoreError> {
        Ok((CallId(self.heads_of(user).unpack(&stored.key)?), Head::decode(&stored.value)?))
    }

    /// Some of all consents behind this one, with the version that they are of.
    pub(super) async fn consents(&self, after: Option<&[u8]>) -> Result<(Rows, u64), StoreError> {
        let range = &after.map_or_else(|| self.consents.range(), |key| self.consents.range().after(key));
        self.store
            .transact(|tx| async move { Ok((tx.range(range.clone().snapshot()).await?, tx.read_version().await?)) })
            .await
    }

    pub(super) async fn has_consent(&self, user: UserId) -> Result<bool, StoreError> {
        let key = &self.consent_key(user);
        self.store.transact(|tx| async move { Ok(tx.get(key).await?.is_some()) }).await
    }

    /// Puts consents, sealed anew, in place of those that were read, unless somebody changed them meanwhile. What they say is the same.
    pub(super) async fn reseal(&self, consents: &[(&KeyValue, Consent)]) -> Result<(), StoreError> {
        self.store
            .transact(|tx| async move {
                for (read, consent) in consents {
                    if tx.get(&read.key).await?.as_ref() == Some(&read.value) {
                        tx.set_record(&read.key, consent)?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Writes down that a person wants their conversations kept, where it is not yet.
    pub(super) async fn consent(&self, user: UserId, master: &MasterKey) -> Result<Committed, StoreError> {
        let (key, consent) = (&self.consent_key(user), &Consent::new(user, master)?);
        let done = self.store.transact_committed(|tx| async move {
            if tx.get(key).await?.is_none() {
                tx.set_record(key, consent)?;
                note_changed(&tx, &self.changed)?;
            }
            Ok::<_, StoreError>(())
        });
        Ok(done.await?.1)
    }

    /// Takes the consent away with everything that is kept.
    pub(super) async fn withdraw(&self, user: UserId) -> Result<Committed, StoreError> {
        let key = &self.consent_key(user);
        let done = self.store.transact_committed(|tx| async move {
            if tx.get(key).await?.is_some() {
                tx.clear(key)?;
                note_changed(&tx, &self.changed)?;
            }
            self.clear_all(&tx, user)
        });
        Ok(done.await?.1)
    }

    /// Deletes everything that is kept, and what was to be written and is not yet.
    pub(super) async fn delete_all(&self, user: UserId, master: &MasterKey) -> Result<Committed, StoreError> {
        let (key, renewed) = (&self.consent_key(user), &Consent::new(user, master)?);
        let done = self.store.transact_committed(|tx| async move {
            if let Some(Consent { since, .. }) = tx.get_record(key).await? {
                tx.set_record(key, &Consent { since, ..renewed.clone() })?;
                note_changed(&tx, &self.changed)?;
            }
            self.clear_all(&tx, user)
        });
        Ok(done.await?.1)
    }

    fn clear_all(&self, tx: &Transaction, user: UserId) -> Result<(), StoreError> {
        tx.clear_range(&self.heads_of(user).range())?;
        tx.clear_range(&self.parts_of(user).range())
    }

    /// Deletes one conversation, if it is there.
    pub(super) async fn delete(&self, user: UserId, id: CallId) -> Result<(), StoreError> {
        let (head, parts) = (&self.head_key(user, id), &self.parts_of_call(user, id).range());
        self.store
            .transact(|tx| async move {
                tx.clear(head)?;
                tx.clear_range(parts)
            })
            .await
    }

    /// Deletes a conversation and all before it.
    pub(super) async fn delete_up_to(&self, user: UserId, id: CallId) -> Result<(), StoreError> {
        let heads = &Range::new(self.heads_of(user).range().begin, [&self.head_key(user, id)[..], &[0]].concat());
        let parts = &Range::new(self.parts_of(user).range().begin, self.parts_of_call(user, id).range().end);
        self.store
            .transact(|tx| async move {
                tx.clear_range(heads)?;
                tx.clear_range(parts)
            })
            .await
    }

    /// Up to so many heads before this one, the latest first, and whether there may be more.
    pub(super) async fn heads(
        &self,
        user: UserId,
        before: Option<CallId>,
        limit: usize,
    ) -> Result<(Vec<(CallId, Head)>, bool), StoreError> {
        let all = self.heads_of(user).range().reverse().limit(limit).snapshot();
        let range = &before.map_or_else(|| all.clone(), |id| all.clone().before(self.head_key(user, id)));
        let rows = self.store.transact(|tx| async move { tx.range(range.clone()).await }).await?;
        let heads = rows.iter().map(|row| self.decode_head(user, row)).collect::<Result<_, _>>()?;
        Ok((heads, rows.more))
    }

    /// A conversation with its parts, still sealed.
    pub(super) async fn get(&self, user: UserId, id: CallId) -> Result<Option<Stored>, StoreError> {
        let (consent, head, parts) =
            (&self.consent_key(user), &self.head_key(user, id), &self.parts_of_call(user, id).range());
        self.store
            .transact(|tx| async move {
                let (Some(consent), Some(head)) = (tx.get_record(consent).await?, tx.get_record(head).await?) else {
                    return Ok(None);
                };
                let parts = tx.range_all(parts.clone()).await?.into_iter().map(|part| part.value).collect();
                Ok(Some(Stored { head, consent, parts }))
            })
            .await
    }

    /// Writes a conversation, unless the consent that it is kept by is gone.
    pub(super) async fn put(&self, kept: &Kept, consent: Uuid, master: &MasterKey) -> Result<(), StoreError> {
        let text = Text::new(&kept.question, &kept.answer);
        let head = &Head {
            at: kept.at_ms,
            door: kept.door,
            model: kept.model.clone(),
            question_bytes: text.question_bytes(),
            answer_bytes: text.answer_bytes(),
        };
        let (consent_key, head_key) = (&self.consent_key(kept.user), &self.head_key(kept.user, kept.id));
        let found = self.store.transact(|tx| async move { tx.get_record::<Consent>(consent_key).await }).await?;
        let Some(found) = found.filter(|found| found.id == consent) else { return Ok(()) };
        // Before the transaction, which must not take long.
        let key = found.open(kept.user, master)?;
        let sealed = &head.place(kept.user, kept.id).seal(&key, text.parts()).await?;
        let parts = &self.parts_of_call(kept.user, kept.id);
        self.store
            .transact(|tx| async move {
                // Read for the commit as well: whoever withdraws it meanwhile finds nothing written afterwards.
                let found = tx.get_record::<Consent>(consent_key).await?;
                if found.is_none_or(|found| found.id != consent) {
                    return Ok(());
                }
                tx.set_record(head_key, head)?;
                sealed.iter().zip(0_u64..).try_for_each(|(sealed, part)| tx.set(parts.pack(&part), sealed))
            })
            .await
    }
}
