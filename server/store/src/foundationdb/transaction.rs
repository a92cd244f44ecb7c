//! One transaction of FoundationDB.

use super::errors::Failure;
use super::{Cluster, set_timeout};
use crate::backend::BackendTransaction;
use crate::error::StoreError;
use crate::limits::{
    FDB_ANSWER_TIMEOUT, FDB_COMMIT_TIMEOUT, FDB_RANGE_ATTEMPTS, RANGE_MAX_BYTES, TRANSACTION_LIFETIME,
};
use crate::mutation::{AtomicOp, Mutation, STAMP_BYTES};
use crate::range::{KeyRange, KeyValue, Range, Rows, key_after};
use crate::store::Committed;
use crate::watch::Watch;
use ::foundationdb::options::{ConflictRangeType, MutationType, StreamingMode};
use ::foundationdb::{FdbError, FdbResult, RangeOption, Transaction};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// A range read that FoundationDB cut short is continued until it has so many bytes: it also stops where the transaction's
/// own writes begin.
const RANGE_CONTINUED_BYTES: usize = RANGE_MAX_BYTES / 2;

/// One transaction.
pub(super) struct FdbTransaction {
    cluster: Arc<Cluster>,
    work: Mutex<Work>,
    /// The version that it reads, once the cluster has said it.
    version: OnceCell<u64>,
}

struct Work {
    transaction: Slot,
    kept: Kept,
}

enum Slot {
    Open(Transaction),
    /// It could not be made.
    Failed(StoreError),
    /// Committed or cancelled.
    Ended,
}

/// What is remembered beside FoundationDB's transaction.
struct Kept {
    created: Instant,
    /// Age of the transaction when it first asked the cluster something; its timeouts count from then.
    first_asked: Option<Duration>,
    /// How many writes there are to commit.
    writes: usize,
    watches: bool,
    /// Keys whose values the commit completes.
    incomplete: BTreeSet<Bytes>,
    /// Takes the read version without anybody waiting for it.
    pinned: Option<Pin<Box<dyn Future<Output = FdbResult<i64>> + Send + Sync>>>,
}

impl Kept {
    fn new() -> Self {
        Self {
            created: Instant::now(),
            first_asked: None,
            writes: 0,
            watches: false,
            incomplete: BTreeSet::new(),
            pinned: None,
        }
    }

    /// Called before the cluster is asked anything: it must answer in time.
    fn ask(&mut self, transaction: &Transaction) -> FdbResult<()> {
        if self.first_asked.is_some() {
            return Ok(());
        }
        let age = self.created.elapsed();
        self.first_asked = Some(age);
        set_timeout(transaction, age + FDB_ANSWER_TIMEOUT)
    }

    /// Called when the cluster has answered: the transaction may live its whole life.
    fn answered(&mut self, transaction: &Transaction) -> FdbResult<()> {
        set_timeout(transaction, self.first_asked.unwrap_or_default() + TRANSACTION_LIFETIME)
    }
}

impl FdbTransaction {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        let transaction = match cluster.create_transaction() {
            Ok(transaction) => Slot::Open(transaction),
            Err(error) => Slot::Failed(error),
        };
        Self { cluster, work: Mutex::new(Work { transaction, kept: Kept::new() }), version: OnceCell::new() }
    }

    /// Does something with the transaction, if it has not ended. What it starts goes on without the lock.
    fn with<T>(&self, act: impl FnOnce(&Transaction, &mut Kept) -> T) -> Result<T, StoreError> {
        self.cluster.check_open()?;
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Work { transaction, kept } = &mut *work;
        match transaction {
            Slot::Open(transaction) => Ok(act(transaction, kept)),
            Slot::Failed(error) => Err(error.clone()),
            Slot::Ended => Err(StoreError::TransactionFinished),
        }
    }

    /// Ends the transaction and gives out what there is to commit.
    fn take(&self) -> Result<(Transaction, Kept), StoreError> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut work.transaction, Slot::Ended) {
            Slot::Open(transaction) => Ok((transaction, std::mem::replace(&mut work.kept, Kept::new()))),
            Slot::Failed(error) => Err(error),
            Slot::Ended => Err(StoreError::TransactionFinished),
        }
    }

    /// What a failed operation means.
    fn failed(&self, error: FdbError) -> StoreError {
        if self.cluster.closed.is_cancelled() {
            return StoreError::Closed;
        }
        Failure::from(error).while_reading(&self.cluster.place, self.version.initialized())
    }

    /// The version that it reads. Everything that asks the cluster asks for it first, and so finds out within a bounded time
    /// whether the cluster answers at all.
    async fn version(&self) -> Result<u64, StoreError> {
        let ask = || async {
            let asked =
                self.with(|transaction, kept| kept.ask(transaction).map(|()| transaction.get_read_version()))?;
            let version = asked.map_err(|error| self.failed(error))?.await.map_err(|error| self.failed(error))?;
            self.with(|transaction, kept| kept.answered(transaction))?.map_err(|error| self.failed(error))?;
            u64::try_from(version).map_err(|_| StoreError::unavailable("FoundationDB answered a version below zero"))
        };
        self.version.get_or_try_init(ask).await.copied()
    }

    /// Reads a range up to one row more than asked, which tells whether it goes on.
    async fn read_range(&self, range: &Range) -> Result<Rows, StoreError> {
        let wanted = range.limit.saturating_add(1);
        let (mut begin, mut end) = (self.cluster.key(&range.begin), self.cluster.key(&range.end));
        let mut found = Rows::default();
        let mut bytes = 0;
        loop {
            let option = RangeOption {
                limit: Some(wanted - found.rows.len()),
                target_bytes: RANGE_MAX_BYTES,
                mode: StreamingMode::Exact,
                reverse: range.reverse,
                ..RangeOption::from((&begin[..], &end[..]))
            };
            // Read as a snapshot in any case: which part of it conflicts with others is decided by who knows what was seen.
            let part = self.with(|transaction, _| transaction.get_range(&option, 1, true))?;
            let part = part.await.map_err(|error| self.failed(error))?;
            for row in &part {
                let row = self.row(row.key(), row.value())?;
                bytes += row.key.len() + row.value.len();
                found.rows.push(row);
            }
            if found.rows.len() >= wanted {
                found.rows.truncate(range.limit);
                found.more = true;
                return Ok(found);
            }
            found.more = part.more();
            if !found.more || bytes >= RANGE_CONTINUED_BYTES {
                return Ok(found);
            }
            let last = part.last().ok_or_else(|| StoreError::unavailable("FoundationDB answered an endless range"))?;
            if range.reverse {
                end = last.key().to_vec();
            } else {
                begin = key_after(last.key()).to_vec();
            }
        }
    }

    /// A row without the prefix.
    fn row(&self, key: &[u8], value: &[u8]) -> Result<KeyValue, StoreError> {
        let key = key.strip_prefix(&self.cluster.prefix[..]).ok_or_else(|| StoreError::KeyCorrupt {
            detail: "FoundationDB answered a key of another directory".to_owned(),
        })?;
        Ok(KeyValue { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) })
    }

    fn add_conflict(&self, range: &KeyRange, kind: ConflictRangeType) -> Result<(), StoreError> {
        let (begin, end) = match range {
            KeyRange::Key(key) => (self.cluster.key(key), self.cluster.key(&key_after(key))),
            KeyRange::Between(begin, end) => (self.cluster.key(begin), self.cluster.key(end)),
        };
        let added = self.with(|transaction, _| transaction.add_conflict_range(&begin, &end, kind))?;
        added.map_err(|error| self.failed(error))
    }

    /// Hands a write to FoundationDB.
    fn write(&self, transaction: &Transaction, kept: &mut Kept, mutation: Mutation) {
        kept.writes += 1;
        match mutation {
            Mutation::Set { key, value } => {
                let stored = self.cluster.key(&key);
                // To FoundationDB, a key stays unreadable when its incomplete value is overwritten, but not when it is cleared.
                if kept.incomplete.remove(&key) {
                    transaction.clear(&stored);
                }
                transaction.set(&stored, &value);
            }
            Mutation::Clear { key } => {
                kept.incomplete.remove(&key);
                transaction.clear(&self.cluster.key(&key));
            }
            Mutation::ClearRange { begin, end } => {
                kept.incomplete.retain(|key| *key < begin || end <= *key);
                transaction.clear_range(&self.cluster.key(&begin), &self.cluster.key(&end));
            }
            Mutation::Atomic { op, key, operand } => {
                transaction.atomic_op(&self.cluster.key(&key), &operand, mutation_type(op));
            }
            Mutation::StampedKey { key, place, value } => {
                let key = with_place(self.cluster.key(&key), self.cluster.prefix.len() + place);
                transaction.atomic_op(&key, &value, MutationType::SetVersionstampedKey);
            }
            Mutation::StampedValue { key, value, place } => {
                let stored = self.cluster.key(&key);
                transaction.atomic_op(&stored, &with_place(value, place), MutationType::SetVersionstampedValue);
                kept.incomplete.insert(key);
            }
        }
    }
}

/// Appends where the versionstamp goes, as FoundationDB has it.
fn with_place(mut bytes: Vec<u8>, place: usize) -> Vec<u8> {
    bytes.extend_from_slice(&u32::try_from(place).unwrap_or(u32::MAX).to_le_bytes());
    bytes
}

fn mutation_type(op: AtomicOp) -> MutationType {
    match op {
        AtomicOp::Add => MutationType::Add,
        AtomicOp::Min => MutationType::Min,
        AtomicOp::Max => MutationType::Max,
        AtomicOp::ByteMin => MutationType::ByteMin,
        AtomicOp::ByteMax => MutationType::ByteMax,
        AtomicOp::And => MutationType::BitAnd,
        AtomicOp::Or => MutationType::BitOr,
        AtomicOp::Xor => MutationType::BitXor,
        AtomicOp::CompareAndClear => MutationType::CompareAndClear,
        AtomicOp::AppendIfFits => MutationType::AppendIfFits,
    }
}

#[async_trait]
impl BackendTransaction for FdbTransaction {
    async fn get(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError> {
        self.version().await?;
        let read = self.with(|transaction, _| transaction.get(&self.cluster.key(key), snapshot))?;
        let value = read.await.map_err(|error| self.failed(error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    async fn range(&self, range: Range) -> Result<Rows, StoreError> {
        self.version().await?;
        for _ in 0..FDB_RANGE_ATTEMPTS {
            let writes = self.with(|_, kept| kept.writes)?;
            let rows = self.read_range(&range).await?;
            if range.snapshot {
                return Ok(rows);
            }
            let (mut begin, mut end) = (self.cluster.key(&range.begin), self.cluster.key(&range.end));
            match rows.last() {
                Some(last) if rows.more && range.reverse => begin = self.cluster.key(&last.key),
                Some(last) if rows.more => end = self.cluster.key(&key_after(&last.key)),
                _ => {}
            }
            // FoundationDB leaves out what the transaction itself has overwritten by now. Where that happened during the
            // read, others would go unnoticed who changed what was read: it is read again, with the new writes.
            let added = self.with(|transaction, kept| {
                (kept.writes == writes).then(|| transaction.add_conflict_range(&begin, &end, ConflictRangeType::Read))
            })?;
            if let Some(added) = added {
                return added.map(|()| rows).map_err(|error| self.failed(error));
            }
        }
        Err(StoreError::Conflict)
    }

    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError> {
        self.with(|transaction, kept| self.write(transaction, kept, mutation))
    }

    fn add_read_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        // As a read would: what others commit from now on counts.
        let asked = self.with(|transaction, kept| {
            kept.ask(transaction)?;
            if kept.pinned.is_none() {
                kept.pinned = Some(Box::pin(transaction.get_read_version()));
            }
            Ok(())
        })?;
        asked.map_err(|error| self.failed(error))?;
        self.add_conflict(&range, ConflictRangeType::Read)
    }

    fn add_write_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        self.with(|_, kept| kept.writes += 1)?;
        self.add_conflict(&range, ConflictRangeType::Write)
    }

    async fn read_version(&self) -> Result<u64, StoreError> {
        self.version().await
    }

    async fn watch(&self, key: Bytes) -> Result<Watch, StoreError> {
        let place = self.cluster.watch_place()?;
        // Nothing is waited for: FoundationDB reads the value now, and lets the commit wait for that.
        let watched = self.with(|transaction, kept| {
            if kept.incomplete.contains(&key) {
                return Err(StoreError::Unreadable);
            }
            kept.ask(transaction).map_err(|error| self.failed(error))?;
            kept.watches = true;
            Ok(transaction.watch(&self.cluster.key(&key)))
        })??;
        Ok(Watch::new(async move {
            let cluster = &place.0;
            tokio::select! {
                biased;
                () = cluster.closed.cancelled() => Err(StoreError::Closed),
                changed = watched => changed.map_err(|error| Failure::from(error).while_watching()),
            }
        }))
    }

    async fn commit(&self) -> Result<Committed, StoreError> {
        // Counted before it is seen whether the store is open, so that closing waits for every commit that was let in.
        let _counted = self.cluster.commits.token();
        let asks = self.with(|_, kept| kept.writes > 0 || kept.watches)?;
        let ready = if asks { self.version().await.map(drop) } else { Ok(()) };
        let (transaction, kept) = self.take()?;
        ready?;
        let limited = set_timeout(&transaction, kept.created.elapsed() + FDB_COMMIT_TIMEOUT);
        limited.map_err(|error| self.failed(error))?;
        // Must be asked for before the commit.
        let stamp = transaction.get_versionstamp();
        let committed = match transaction.commit().await {
            Ok(committed) => committed,
            Err(error) if kept.writes > 0 => {
                return Err(Failure::from(FdbError::from(error)).while_committing(&self.cluster.place));
            }
            Err(error) => return Err(self.failed(error.into())),
        };
        // Below zero if there was nothing to write.
        let version = committed.committed_version().ok().and_then(|version| u64::try_from(version).ok());
        let Some(version) = version.filter(|_| kept.writes > 0) else {
            return Ok(Committed { version: None, versionstamp: None });
        };
        // It is there once the commit is; without it, who needs it must commit again.
        let stamp: Option<[u8; STAMP_BYTES]> = stamp.await.ok().and_then(|stamp| stamp[..].try_into().ok());
        let stamp = stamp.ok_or(StoreError::CommitUnknown)?;
        Ok(Committed { version: Some(version), versionstamp: Some(stamp) })
    }

    fn cancel(&self) {
        if let Ok((transaction, _)) = self.take() {
            drop(transaction.cancel());
        }
    }
}
