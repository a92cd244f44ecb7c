//! The seam between the contract and what fulfils it.
//!
//! Limits of keys, values, size and age are checked above it, by [`crate::Transaction`], and so are the same everywhere.
//! A backend keeps a transaction's writes, lets its reads see them, detects conflicts and commits.

use crate::engine::Snapshot;
use crate::error::StoreError;
use crate::mutation::Mutation;
use crate::range::{KeyRange, Range, Rows};
use crate::store::Committed;
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// One opened store.
#[async_trait]
pub(crate) trait Backend: Send + Sync + 'static {
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// Whether it can be read from now.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Begins a transaction; its read version is taken by its first read.
    fn begin(&self) -> Arc<dyn BackendTransaction>;
    /// One state that can be read for as long as it is held; none where a state lasts only as long as a transaction.
    fn snapshot(&self) -> Result<Option<Arc<dyn Snapshot>>, StoreError> {
        Ok(None)
    }
    /// Lets all further commits have greater versions than this.
    async fn raise_version(&self, needed: u64) -> Result<(), StoreError> {
        match self.begin().read_version().await? {
            found if found < needed => Err(StoreError::VersionBehind { found, needed }),
            _ => Ok(()),
        }
    }
    /// Lets queued commits end, then gives up whatever it holds. Later calls answer [`StoreError::Closed`].
    async fn close(&self);
}

/// One transaction. Its arguments lie within the limits.
#[async_trait]
pub(crate) trait BackendTransaction: Send + Sync {
    /// Value of a key, with the transaction's own writes.
    async fn get(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError>;
    /// Rows of a range, with the transaction's own writes. `range.limit` is at least 1.
    async fn range(&self, range: Range) -> Result<Rows, StoreError>;
    /// Keeps a write until the commit.
    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError>;
    /// Conflicts as if this had been read.
    fn add_read_conflict(&self, range: KeyRange) -> Result<(), StoreError>;
    /// Lets others conflict as if this had been written.
    fn add_write_conflict(&self, range: KeyRange) -> Result<(), StoreError>;
    /// The version that its reads see.
    async fn read_version(&self) -> Result<u64, StoreError>;
    /// Watches a key from the commit on, against the value that the transaction sees.
    async fn watch(&self, key: Bytes) -> Result<Watch, StoreError>;
    /// Commits; may be called once.
    async fn commit(&self) -> Result<Committed, StoreError>;
    /// Gives up what it holds; every later call is refused.
    fn cancel(&self);
}
