//! One transaction, as its user sees it.

use crate::backend::BackendTransaction;
use crate::error::StoreError;
use crate::limits::{
    KEY_MAX_BYTES, OPERATION_BYTES, RANGE_MAX_ROWS, RESERVED_PREFIX, TRANSACTION_LIFETIME, TRANSACTION_MAX_BYTES,
    VALUE_MAX_BYTES,
};
use crate::mutation::{AtomicOp, Mutation, one_key_bytes, split_place};
use crate::range::{KeyRange, KeyValue, Range, Rows};
use crate::record::Record;
use crate::store::Committed;
use crate::watch::Watch;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::time::Instant;

/// A transaction: reads one snapshot, keeps its writes to itself until it commits, and sees them itself.
///
/// A clone is the same transaction. Reads and writes need no exclusive access, so that several can run at once.
#[derive(Clone)]
pub struct Transaction(Arc<Inner>);

struct Inner {
    backend: Arc<dyn BackendTransaction>,
    /// First read, from which the lifetime counts.
    started: OnceLock<Instant>,
    /// Bytes of keys, values and bounds so far.
    size: AtomicUsize,
    /// The last failure after which the whole transaction may be run again, whatever its user made of it.
    failure: Mutex<Option<StoreError>>,
}

impl Transaction {
    pub(crate) fn new(backend: Arc<dyn BackendTransaction>) -> Self {
        Self(Arc::new(Inner {
            backend,
            started: OnceLock::new(),
            size: AtomicUsize::new(0),
            failure: Mutex::new(None),
        }))
    }

    /// Value of a key.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, StoreError> {
        self.read(key.as_ref(), false).await
    }

    /// Value of a key, without a conflict when somebody changes it before the commit.
    pub async fn get_snapshot(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, StoreError> {
        self.read(key.as_ref(), true).await
    }

    /// Value of a key, decoded.
    pub async fn get_record<R: Record>(&self, key: impl AsRef<[u8]>) -> Result<Option<R>, StoreError> {
        self.read(key.as_ref(), false).await?.map(|bytes| R::decode(&bytes)).transpose()
    }

    /// Rows of a range, up to its limit and those of the store; [`Rows::more`] tells whether it goes on.
    pub async fn range(&self, mut range: Range) -> Result<Rows, StoreError> {
        check_range(&range.begin, &range.end)?;
        range.limit = range.limit.min(RANGE_MAX_ROWS);
        if range.limit == 0 || range.begin == range.end {
            return Ok(Rows { rows: Vec::new(), more: range.begin != range.end });
        }
        self.check_age()?;
        if !range.snapshot {
            self.charge(range.begin.len() + range.end.len())?;
        }
        self.noted(self.0.backend.range(range).await)
    }

    /// All rows of a range, whatever its limit, up to the size of a transaction; more is an error.
    pub async fn range_all(&self, mut range: Range) -> Result<Vec<KeyValue>, StoreError> {
        let mut all = Vec::new();
        let mut bytes = 0;
        loop {
            range.limit = RANGE_MAX_ROWS;
            let Rows { rows, more } = self.range(range.clone()).await?;
            bytes += rows.iter().map(|row| row.key.len() + row.value.len()).sum::<usize>();
            if bytes > TRANSACTION_MAX_BYTES {
                return Err(StoreError::RangeTooLarge);
            }
            all.extend(rows);
            match all.last() {
                Some(last) if more && range.reverse => range = range.before(&last.key),
                Some(last) if more => range = range.after(&last.key),
                _ => return Ok(all),
            }
        }
    }

    /// Sets a key.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.mutate(Mutation::Set { key: checked_key(key.as_ref())?, value: checked_value(value.as_ref())? })
    }

    /// Sets a key to a record.
    pub fn set_record<R: Record>(&self, key: impl AsRef<[u8]>, record: &R) -> Result<(), StoreError> {
        self.set(key, record.encode()?)
    }

    /// Takes a key away.
    pub fn clear(&self, key: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.mutate(Mutation::Clear { key: checked_key(key.as_ref())? })
    }

    /// Takes away all keys from the range's begin to its end; nothing else of the range counts.
    pub fn clear_range(&self, range: &Range) -> Result<(), StoreError> {
        check_range(&range.begin, &range.end)?;
        if range.begin == range.end {
            return Ok(());
        }
        self.mutate(Mutation::ClearRange { begin: range.begin.clone(), end: range.end.clone() })
    }

    /// Changes a key at commit, without a conflict with others who do the same.
    pub fn atomic(&self, op: AtomicOp, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> Result<(), StoreError> {
        let operand = checked_value(operand.as_ref())?;
        self.mutate(Mutation::Atomic { op, key: checked_key(key.as_ref())?, operand })
    }

    /// Adds to a number of eight little-endian bytes; see [`AtomicOp::Add`].
    pub fn add(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<(), StoreError> {
        self.atomic(AtomicOp::Add, key, delta.to_le_bytes())
    }

    /// Lowers a number of eight little-endian bytes to this one; see [`AtomicOp::Min`].
    pub fn min(&self, key: impl AsRef<[u8]>, number: u64) -> Result<(), StoreError> {
        self.atomic(AtomicOp::Min, key, number.to_le_bytes())
    }

    /// Raises a number of eight little-endian bytes to this one; see [`AtomicOp::Max`].
    pub fn max(&self, key: impl AsRef<[u8]>, number: u64) -> Result<(), StoreError> {
        self.atomic(AtomicOp::Max, key, number.to_le_bytes())
    }

    /// See [`AtomicOp::ByteMin`].
    pub fn byte_min(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::ByteMin, key, value)
    }

    /// See [`AtomicOp::ByteMax`].
    pub fn byte_max(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::ByteMax, key, value)
    }

    /// See [`AtomicOp::And`].
    pub fn and(&self, key: impl AsRef<[u8]>, bits: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::And, key, bits)
    }

    /// See [`AtomicOp::Or`].
    pub fn or(&self, key: impl AsRef<[u8]>, bits: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::Or, key, bits)
    }

    /// See [`AtomicOp::Xor`].
    pub fn xor(&self, key: impl AsRef<[u8]>, bits: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::Xor, key, bits)
    }

    /// See [`AtomicOp::CompareAndClear`].
    pub fn compare_and_clear(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::CompareAndClear, key, value)
    }

    /// See [`AtomicOp::AppendIfFits`].
    pub fn append_if_fits(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.atomic(AtomicOp::AppendIfFits, key, value)
    }

    /// Sets a key into which the commit puts its versionstamp, at the place that the last four bytes name (little-endian;
    /// [`crate::Subspace::pack_with_versionstamp`] makes such keys). Stamped keys sort in the order of their commits.
    pub fn set_versionstamped_key(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        // The place counts too, as it does for FoundationDB. A stamp at the very front could otherwise reach the reserved
        // keys only by its place-holder, which is replaced.
        check_key(key.as_ref())?;
        let (key, place) = split_place(key.as_ref())?;
        self.mutate(Mutation::StampedKey { key, place, value: checked_value(value.as_ref())? })
    }

    /// Sets a key to a value into which the commit puts its versionstamp, at the place that the last four bytes name.
    pub fn set_versionstamped_value(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        check_value(value.as_ref())?;
        let (value, place) = split_place(value.as_ref())?;
        self.mutate(Mutation::StampedValue { key: checked_key(key.as_ref())?, value, place })
    }

    /// Conflicts as if the range had been read.
    pub fn add_read_conflict(&self, range: &Range) -> Result<(), StoreError> {
        check_range(&range.begin, &range.end)?;
        self.charge(range.begin.len() + range.end.len())?;
        let result = self.0.backend.add_read_conflict(KeyRange::Between(range.begin.clone(), range.end.clone()));
        self.noted(result)
    }

    /// Lets others conflict as if the range had been written.
    pub fn add_write_conflict(&self, range: &Range) -> Result<(), StoreError> {
        check_range(&range.begin, &range.end)?;
        self.charge(range.begin.len() + range.end.len())?;
        let result = self.0.backend.add_write_conflict(KeyRange::Between(range.begin.clone(), range.end.clone()));
        self.noted(result)
    }

    /// The version that its reads see; commits have greater ones.
    pub async fn read_version(&self) -> Result<u64, StoreError> {
        self.check_age()?;
        self.noted(self.0.backend.read_version().await)
    }

    /// Watches a key from the commit on, against the value that this transaction sees.
    pub async fn watch(&self, key: impl AsRef<[u8]>) -> Result<Watch, StoreError> {
        let key = checked_key(key.as_ref())?;
        self.check_age()?;
        self.noted(self.0.backend.watch(key).await)
    }

    /// Commits. [`crate::Store::transact`] does it for its closure; only who began a transaction by
    /// [`crate::Store::begin`] calls it.
    pub async fn commit(&self) -> Result<Committed, StoreError> {
        if self.0.started.get().is_some() {
            self.check_age()?;
        }
        self.0.backend.commit().await
    }

    /// Gives the transaction up: every clone of it answers an error from now on.
    pub fn cancel(&self) {
        self.0.backend.cancel();
    }

    /// The failure for which the whole transaction should be run again, if there was one.
    pub(crate) fn retryable_failure(&self) -> Option<StoreError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn read(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError> {
        check_key(key)?;
        self.check_age()?;
        if !snapshot {
            self.charge(one_key_bytes(key.len()))?;
        }
        self.noted(self.0.backend.get(key, snapshot).await)
    }

    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError> {
        self.charge(mutation.bytes() + mutation.conflict_bytes())?;
        self.noted(self.0.backend.mutate(mutation))
    }

    /// Refuses a transaction that lives too long; the first call starts its life.
    fn check_age(&self) -> Result<(), StoreError> {
        let started = *self.0.started.get_or_init(Instant::now);
        if started.elapsed() > TRANSACTION_LIFETIME {
            return self.noted(Err(StoreError::TransactionTooOld));
        }
        Ok(())
    }

    /// Counts an operation of so many bytes, as FoundationDB does, so that no backend takes what another refuses.
    fn charge(&self, bytes: usize) -> Result<(), StoreError> {
        let bytes = bytes + OPERATION_BYTES;
        let before = self.0.size.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > TRANSACTION_MAX_BYTES {
            self.0.size.fetch_sub(bytes, Ordering::Relaxed);
            return Err(StoreError::TransactionTooLarge);
        }
        Ok(())
    }

    /// Remembers a failure that asks for another attempt.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && error.is_retryable()
        {
            *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        result
    }
}

impl std::fmt::Debug for Transaction {
    /// Shows no key and no value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("size", &self.0.size).finish_non_exhaustive()
    }
}

fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if key.len() > KEY_MAX_BYTES {
        return Err(StoreError::KeyTooLarge { bytes: key.len() });
    }
    if key.first() == Some(&RESERVED_PREFIX) {
        return Err(StoreError::KeyReserved);
    }
    Ok(())
}

fn checked_key(key: &[u8]) -> Result<Bytes, StoreError> {
    check_key(key)?;
    Ok(Bytes::copy_from_slice(key))
}

fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_MAX_BYTES {
        return Err(StoreError::ValueTooLarge { bytes: value.len() });
    }
    Ok(())
}

fn checked_value(value: &[u8]) -> Result<Bytes, StoreError> {
    check_value(value)?;
    Ok(Bytes::copy_from_slice(value))
}

/// Bounds may be one byte longer than a key (the key behind the longest) and end where the reserved keys begin.
fn check_range(begin: &[u8], end: &[u8]) -> Result<(), StoreError> {
    for bound in [begin, end] {
        if bound.len() > KEY_MAX_BYTES + 1 {
            return Err(StoreError::KeyTooLarge { bytes: bound.len() });
        }
        if bound > &[RESERVED_PREFIX][..] {
            return Err(StoreError::KeyReserved);
        }
    }
    if begin > end { Err(StoreError::RangeInverted) } else { Ok(()) }
}
