//! Transactions that happen at most once, however often they are asked for.
//!
//! | key below `store`, `once` | value |
//! |---|---|
//! | `id`, id | [`OnceRow`] |
//! | `at`, milliseconds, id | nothing: finds what is old |

use crate::error::StoreError;
use crate::keys::{Subspace, own};
use crate::limits::{ONCE_KEEP, ONCE_SWEEP_BATCH, ONCE_SWEEP_MAX};
use crate::record::Record;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::tuple;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Bytes of an id.
const ID_BYTES: usize = 16;

/// Which transaction it is, for [`Store::transact_once`].
///
/// Whoever knows an id learns the result of its transaction: an id that a client sends is bound to who sends it by
/// [`OnceId::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OnceId([u8; ID_BYTES]);

impl OnceId {
    /// The id of an owner's own; another owner's is never the same.
    #[must_use]
    pub fn of(owner: &str, id: Uuid) -> Self {
        let hash = Sha256::new().chain_update(id.as_bytes()).chain_update(owner.as_bytes()).finalize();
        let mut bytes = [0; ID_BYTES];
        bytes.copy_from_slice(&hash[..ID_BYTES]);
        Self(bytes)
    }

    fn key(self) -> Vec<u8> {
        ids().pack(&tuple::Bytes::from(&self.0[..]))
    }

    fn age_key(self, at: u64) -> Vec<u8> {
        ages().pack(&(at, tuple::Bytes::from(&self.0[..])))
    }
}

impl From<Uuid> for OnceId {
    fn from(id: Uuid) -> Self {
        Self(id.into_bytes())
    }
}

/// What a transaction answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OnceRow {
    /// Milliseconds since 1970.
    at: u64,
    /// MessagePack with the names of fields.
    result: ByteBuf,
}

impl Record for OnceRow {
    const VERSION: u8 = 1;
}

/// A record as it is stored, for the test that pins its form.
#[cfg(test)]
pub(crate) fn sample() -> impl Record {
    OnceRow { at: 1_700_000_000_000, result: ByteBuf::from(vec![0xa1, b'x']) }
}

fn ids() -> Subspace {
    own().sub(&"once").sub(&"id")
}

fn ages() -> Subspace {
    own().sub(&"once").sub(&"at")
}

impl Store {
    /// As [`Store::transact`], but at most once for an id: asked again, also by itself after a commit whose result is not
    /// known, it writes nothing and answers what it answered. It remembers that for [`ONCE_KEEP`].
    ///
    /// The answer is stored, and so bounded like a value. An error of the closure is not remembered.
    pub async fn transact_once<T, E, F, Fut>(&self, id: impl Into<OnceId>, run: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send,
        E: From<StoreError> + Send,
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        let (id, run) = (id.into(), &run);
        self.transact(move |tx| async move {
            // Read with a conflict: of two attempts that run at once, or of which one is still under way after its result
            // was given up, only one commits.
            if let Some(done) = tx.get_record::<OnceRow>(id.key()).await? {
                return Ok(decode(&done.result)?);
            }
            let value = run(tx.clone()).await?;
            let at = now();
            tx.set_record(id.key(), &OnceRow { at, result: encode(&value)? })?;
            tx.set(id.age_key(at), "")?;
            Ok(value)
        })
        .await
    }

    /// Takes away what [`Store::transact_once`] need not remember any longer, up to [`ONCE_SWEEP_MAX`]; answers how many
    /// that were. A server calls it now and then.
    pub async fn sweep_once(&self) -> Result<usize, StoreError> {
        self.sweep_once_before(now().saturating_sub(millis(ONCE_KEEP))).await
    }

    async fn sweep_once_before(&self, end: u64) -> Result<usize, StoreError> {
        let mut range = ages().range().limit(ONCE_SWEEP_BATCH).snapshot();
        range.end = ages().pack(&(end,)).into();
        let range = &range;
        let mut swept = 0;
        while swept < ONCE_SWEEP_MAX {
            let batch = self
                .transact(|tx| async move {
                    let rows = tx.range(range.clone()).await?;
                    for row in &rows {
                        let (_, id): (u64, tuple::Bytes<'_>) = ages().unpack(&row.key)?;
                        tx.clear(ids().pack(&id))?;
                        tx.clear(&row.key)?;
                    }
                    Ok::<_, StoreError>(rows.len())
                })
                .await?;
            swept += batch;
            if batch < ONCE_SWEEP_BATCH {
                break;
            }
        }
        Ok(swept)
    }
}

fn encode<T: Serialize>(value: &T) -> Result<ByteBuf, StoreError> {
    let bytes =
        rmp_serde::to_vec_named(value).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })?;
    Ok(ByteBuf::from(bytes))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes).map_err(|error| StoreError::RecordCorrupt { detail: error.to_string() })
}

fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RETRY_DEADLINE;
    use crate::unsure::{CommitFault, unsure};
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn number(store: &Store, key: &str) -> u64 {
        let value = store.begin().get(key).await.unwrap();
        value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()))
    }

    /// Counts, and answers the count.
    async fn count_once(store: &Store, id: Uuid) -> Result<u64, StoreError> {
        store
            .transact_once(id, |tx| async move {
                let count = tx.get("count").await?.map_or(0, |value| value[0]);
                tx.set("count", [count + 1])?;
                tx.add("sum", 1)?;
                Ok(u64::from(count) + 1)
            })
            .await
    }

    #[tokio::test]
    async fn the_same_id_is_done_once_and_answers_the_same() {
        let store = Store::open("memory:").await.unwrap();
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
        for round in 0..3 {
            for (expected, id) in (1..).zip(&ids) {
                assert_eq!(count_once(&store, *id).await, Ok(expected), "round {round}");
            }
        }
        assert_eq!(number(&store, "sum").await, 3);
        // An error is not remembered, and what it wrote is not there.
        let refused = store
            .transact_once(Uuid::nil(), |tx| async move {
                tx.set("sum", "x")?;
                Err::<(), _>(StoreError::RangeInverted)
            })
            .await;
        assert_eq!(refused, Err(StoreError::RangeInverted));
        assert_eq!(count_once(&store, Uuid::nil()).await, Ok(4));
        let large = store.transact_once(Uuid::max(), |_| async { Ok::<_, StoreError>("x".repeat(100_000)) }).await;
        assert!(matches!(large, Err(StoreError::ValueTooLarge { .. })));
        let other: Result<String, _> = store.transact_once(ids[0], |_| async { Ok(String::new()) }).await;
        assert!(matches!(other, Err(StoreError::RecordCorrupt { .. })));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_with_one_id_are_one() {
        let store = Store::open("memory:").await.unwrap();
        let id = Uuid::new_v4();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { count_once(&store, id).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(1));
        }
        assert_eq!(number(&store, "sum").await, 1);
    }

    #[test]
    fn an_id_belongs_to_its_owner() {
        let id = Uuid::new_v4();
        assert_eq!(OnceId::of("a", id), OnceId::of("a", id));
        assert_ne!(OnceId::of("a", id), OnceId::of("b", id));
        assert_ne!(OnceId::of("a", id), OnceId::from(id));
    }

    #[tokio::test]
    async fn what_is_old_is_swept_and_nothing_else() {
        let store = Store::open("memory:").await.unwrap();
        for _ in 0..2 * ONCE_SWEEP_BATCH / 100 + 1 {
            store
                .transact(|tx| async move {
                    for _ in 0..100 {
                        let (id, at) = (OnceId::from(Uuid::new_v4()), 7);
                        tx.set_record(id.key(), &OnceRow { at, result: encode(&1)? })?;
                        tx.set(id.age_key(at), "")?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await
                .unwrap();
        }
        let recent = Uuid::new_v4();
        count_once(&store, recent).await.unwrap();
        assert_eq!(store.sweep_once_before(7).await, Ok(0));
        assert_eq!(store.sweep_once().await, Ok(2 * ONCE_SWEEP_BATCH + 100));
        assert_eq!(store.sweep_once().await, Ok(0));
        let left = store.begin().range_all(own().range()).await.unwrap();
        assert_eq!(left.len(), 2);
        assert_eq!(count_once(&store, recent).await, Ok(1));
    }

    fn fault() -> impl Strategy<Value = CommitFault> {
        use CommitFault::*;
        prop_oneof![Just(None), Just(Conflict), Just(UnknownDone), Just(UnknownLost), Just(UnknownLate)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// However commits end: what was asked for once is there once; a plain transaction is there once more for each commit
        /// that nobody knew the result of.
        #[test]
        fn unknown_results_change_nothing(faults in proptest::collection::vec(fault(), 0..7)) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let (store, script) = unsure(Store::open("memory:").await.unwrap());
                let id = Uuid::new_v4();
                script.play(&faults);
                assert_eq!(count_once(&store, id).await, Ok(1));
                assert_eq!(count_once(&store, id).await, Ok(1));
                script.play(&[]);
                assert_eq!(count_once(&store, id).await, Ok(1));
                assert_eq!(number(&store, "sum").await, 1);

                script.play(&faults);
                let runs = AtomicUsize::new(0);
                store.transact(|tx| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    async move { tx.add("plain", 1) }
                }).await.unwrap();
                let left = script.left();
                script.play(&[]);
                let played = &faults[..faults.len() - left];
                let done = |fault: &&CommitFault| matches!(fault, CommitFault::UnknownDone | CommitFault::UnknownLate);
                let ended = usize::from(!matches!(played.last(), Some(CommitFault::None)));
                assert_eq!(runs.into_inner(), played.len() + ended);
                assert_eq!(number(&store, "plain").await, 1 + played.iter().filter(done).count() as u64);
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_hangs_ends_at_the_deadline() {
        let (store, script) = unsure(Store::open("memory:").await.unwrap());
        for faults in [&[CommitFault::Hang][..], &[CommitFault::Conflict, CommitFault::UnknownLost, CommitFault::Hang]]
        {
            script.play(faults);
            let started = tokio::time::Instant::now();
            let result = store.transact(|tx| async move { tx.set("k", "v") }).await;
            assert_eq!(result, Err(StoreError::CommitUnknown));
            assert!(started.elapsed() >= RETRY_DEADLINE && started.elapsed() < RETRY_DEADLINE + Duration::from_secs(1));
        }
        // Conflicts without end; once a commit may have happened, no other error says that nothing did.
        for (first, expected) in
            [(CommitFault::Conflict, StoreError::Conflict), (CommitFault::UnknownLost, StoreError::CommitUnknown)]
        {
            script.play(&[first]);
            script.repeat(CommitFault::Conflict);
            let result = store.transact(|tx| async move { tx.set("k", "v") }).await;
            assert_eq!(result, Err(expected));
        }
    }
}
