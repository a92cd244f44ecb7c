//! What people asked models and were answered, kept only for those who want it.
//!
//! * `rows` keeps it in the store; `seal` cuts it into parts, each sealed for its one place.
//! * `writer` writes it beside the calls, which never wait for it.
//!
//! Who wants it is in the memory of each server, for calls to ask; but what decides is the row in the store, in the transaction that
//! writes: after somebody has withdrawn their consent, nothing more of theirs is written anywhere.

mod error;
mod rows;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use bytes::Bytes;
use coditect_protocol::llm::{Door, HistoryItem, HistoryPage, HistoryTerms};
use coditect_protocol::{CallId, UserId};
use coditect_store::{KeyValue, MasterKey, Store, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use error::HistoryError;
pub use seal::MAX_CONVERSATION_BYTES;
pub use writer::QUEUE_MAX_BYTES;

use crate::keys::follow::{self, Seen};
use rows::{Consent, Table};
use writer::Queue;

/// How long conversations are kept unless set, in days.
pub const DEFAULT_HISTORY_DAYS: u32 = 30;
/// Most that is kept of one person's conversations, in bytes. What is beyond is deleted with the next sweep, the oldest first.
pub const MAX_BYTES_OF_A_PERSON: u64 = 256 << 20;
/// Conversations on a page, at most.
pub const PAGE_MAX: usize = 200;
/// People who may have their conversations kept, as far as a server knows them.
pub const MAX_CONSENTS: usize = 1_000_000;
/// What is to be deleted by now is looked for this long after the start,
const FIRST_SWEEP_AFTER: Duration = Duration::from_secs(60);
/// and again after each of these.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// Heads that a sweep reads at once.
const SWEEP_BATCH: usize = 1_000;
/// Consents that are sealed again at once.
const RESEAL_BATCH: usize = 200;
/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Conversations that are kept. Cheap to clone; it shows nothing of them.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    table: Table,
    master: MasterKey,
    keep_days: u32,
    /// The consent of each person who gave one, by its identifier.
    consents: ArcSwap<HashMap<UserId, Uuid>>,
    seen: Seen,
    queue: Queue,
}

/// A conversation to keep.
#[derive(Clone)]
pub struct Kept {
    /// Who asked.
    pub user: UserId,
    /// The call: a UUID of version 7, for conversations are in the order of these.
    pub id: CallId,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// In which dialect.
    pub door: Door,
    /// What answered, as `upstream/model`.
    pub model: String,
    /// The request's body.
    pub question: Bytes,
    /// The answer's body.
    pub answer: Bytes,
}

impl History {
    /// The one of this store, sealed with this key, which keeps conversations for so many days. Nothing is kept before
    /// [`History::run`] has read who wants it.
    #[must_use]
    pub fn open(store: Store, master: MasterKey, keep_days: u32) -> Self {
        let (table, consents) = (Table::new(store), ArcSwap::default());
        Self(Arc::new(Inner { table, master, keep_days, consents, seen: Seen::new(), queue: Queue::new() }))
    }

    /// Keeps up with who wants their conversations kept, writes those and deletes what is old, until it is told to stop. Then it writes
    /// what still waits.
    pub async fn run(self, stop: CancellationToken) {
        let (history, table) = (&self, &self.0.table);
        let what = "who wants conversations kept";
        tokio::join!(
            follow::follow(table.store(), table.changed(), what, &stop, || history.read_consents()),
            stop.run_until_cancelled(history.sweep_regularly()),
            self.0.queue.write(table, &self.0.master, &stop),
        );
    }

    /// Whether a person wants their conversations kept, as far as this server knows.
    #[must_use]
    pub fn consent(&self, user: UserId) -> bool {
        self.0.consents.load().contains_key(&user)
    }

    /// Keeps a conversation, where its person wants it. Never waits: where too many wait to be written, it is dropped and counted.
    pub fn keep(&self, kept: Kept) {
        let consent = self.0.consents.load().get(&kept.user).copied();
        if let Some(consent) = consent {
            self.0.queue.push(kept, consent);
        }
    }

    /// Conversations that were not kept although their people want it, since this server started.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.queue.dropped()
    }

    /// What a person wants, and how long it lasts.
    pub async fn terms(&self, user: UserId) -> Result<HistoryTerms, HistoryError> {
        Ok(HistoryTerms { keeps_content: self.0.table.has_consent(user).await?, keep_days: self.0.keep_days })
    }

    /// Says what a person wants. Without consent all that is kept of theirs is deleted.
    pub async fn set_consent(&self, user: UserId, keeps_content: bool) -> Result<(), HistoryError> {
        let Inner { table, master, seen, .. } = &*self.0;
        let change = if keeps_content { table.consent(user, master).await? } else { table.withdraw(user).await? };
        seen.wait(change).await;
        Ok(())
    }

    /// Some of a person's conversations behind a place, the latest first; [`PAGE_MAX`] at the most.
    pub async fn list(&self, user: UserId, cursor: Option<CallId>, limit: usize) -> Result<HistoryPage, HistoryError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let (mut heads, is_cut) = self.0.table.heads(user, cursor, limit + 1).await?;
        let has_more = is_cut || heads.len() > limit;
        heads.truncate(limit);
        let next = heads.last().filter(|_| has_more).map(|(id, _)| *id);
        Ok(HistoryPage { entries: heads.into_iter().map(|(id, head)| head.entry(id)).collect(), next })
    }

    /// One of a person's conversations with its content.
    pub async fn show(&self, user: UserId, id: CallId) -> Result<Option<HistoryItem>, HistoryError> {
        let Some(stored) = self.0.table.get(user, id).await? else { return Ok(None) };
        let key = stored.consent.open(user, &self.0.master)?;
        let parts = stored.parts.iter().map(|part| &part[..]);
        let (question, answer) = stored.head.place(user, id).open(&key, parts).await?;
        Ok(Some(HistoryItem { entry: stored.head.entry(id), question, answer }))
    }

    /// Deletes one of a person's conversations, if it is there.
    pub async fn delete(&self, user: UserId, id: CallId) -> Result<(), HistoryError> {
        Ok(self.0.table.delete(user, id).await?)
    }

    /// Deletes all of a person's conversations up to now, those included that wait to be written. Their consent stays.
    pub async fn delete_all(&self, user: UserId) -> Result<(), HistoryError> {
        let change = self.0.table.delete_all(user, &self.0.master).await?;
        self.0.seen.wait(change).await;
        Ok(())
    }

    /// Reads who wants conversations kept, and seals again what a former master key sealed.
    async fn read_consents(&self) -> Result<(), StoreError> {
        let Inner { table, master, .. } = &*self.0;
        let mut consents = HashMap::new();
        let (mut last, mut version) = (None, None);
        loop {
            let (rows, of) = table.consents(last.as_deref()).await?;
            version.get_or_insert(of);
            let mut outdated = Vec::new();
            for row in &rows {
                match table.decode_consent(row) {
                    Ok((user, consent)) => {
                        consents.insert(user, consent.id);
                        outdated.extend(master.is_outdated(&consent.key).then_some((row, user, consent)));
                    }
                    Err(error) => tracing::warn!(%error, "a consent cannot be read and counts nothing"),
                }
            }
            self.reseal(outdated).await;
            match rows.last() {
                Some(row) if rows.more && consents.len() < MAX_CONSENTS => last = Some(row.key.to_vec()),
                _ => break,
            }
        }
        self.0.consents.store(Arc::new(consents));
        self.0.seen.reached(version.unwrap_or_default());
        Ok(())
    }

    /// What cannot be sealed again now is after the next reading.
    async fn reseal(&self, outdated: Vec<(&KeyValue, UserId, Consent)>) {
        let Inner { table, master, .. } = &*self.0;
        let not_yet =
            |error| tracing::warn!(%error, "a key of conversations could not be sealed with the new master key yet");
        let resealed = outdated.into_iter().filter_map(|(stored, user, consent)| {
            Some((stored, consent.resealed(user, master).map_err(not_yet).ok()?))
        });
        for some in resealed.collect::<Vec<_>>().chunks(RESEAL_BATCH) {
            table.reseal(some).await.unwrap_or_else(not_yet);
        }
    }

    async fn sweep_regularly(&self) {
        let mut pause = FIRST_SWEEP_AFTER;
        loop {
            sleep(pause).await;
            if let Err(error) = self.sweep(now()).await {
                tracing::warn!(%error, "old conversations could not be deleted; the next sweep takes them");
            }
            pause = SWEEP_EVERY;
        }
    }

    /// Deletes what is older than is kept, and of each person what is more than is kept. Only people with a consent have anything.
    async fn sweep(&self, now_ms: u64) -> Result<(), StoreError> {
        let not_before = now_ms.saturating_sub(u64::from(self.0.keep_days) * DAY_MS);
        let people: Vec<_> = self.0.consents.load().keys().copied().collect();
        for user in people {
            self.sweep_one(user, not_before).await?;
        }
        Ok(())
    }

    async fn sweep_one(&self, user: UserId, not_before: u64) -> Result<(), StoreError> {
        let (mut bytes, mut last) = (0_u64, None);
        loop {
            let (heads, has_more) = self.0.table.heads(user, last, SWEEP_BATCH).await?;
            for (id, head) in &heads {
                bytes = bytes.saturating_add(head.bytes());
                if head.at < not_before || bytes > MAX_BYTES_OF_A_PERSON {
                    return self.0.table.delete_up_to(user, *id).await;
                }
            }
            match heads.last() {
                Some((id, _)) if has_more => last = Some(*id),
                _ => return Ok(()),
            }
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Kept {
    /// Shows nothing of what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("id", &self.id).finish_non_exhaustive()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
