//! Another backend with something else in a few places, for tests.

use crate::backend::{Backend, BackendTransaction};
use crate::error::StoreError;
use crate::mutation::Mutation;
use crate::range::{KeyRange, Range, Rows};
use crate::store::{Committed, Store};
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

/// The transaction of the other backend.
pub(crate) type Inner = Arc<dyn BackendTransaction>;

/// What is done instead. A clone of it lives as long as each transaction.
#[async_trait]
pub(crate) trait Change: Clone + Send + Sync + 'static {
    async fn watch(&self, inner: &Inner, key: Bytes) -> Result<Watch, StoreError> {
        inner.watch(key).await
    }
    async fn commit(&self, inner: &Inner) -> Result<Committed, StoreError> {
        inner.commit().await
    }
    fn cancel(&self, inner: &Inner) {
        inner.cancel();
    }
}

/// The store with this change.
pub(crate) fn around(store: Store, change: impl Change) -> Store {
    Store::from_backend(Arc::new(Around { inner: store.into_backend(), change }))
}

struct Around<C> {
    inner: Arc<dyn Backend>,
    change: C,
}

struct AroundTransaction<C> {
    inner: Inner,
    change: C,
}

#[async_trait]
impl<C: Change> Backend for Around<C> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn begin(&self) -> Arc<dyn BackendTransaction> {
        Arc::new(AroundTransaction { inner: self.inner.begin(), change: self.change.clone() })
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl<C: Change> BackendTransaction for AroundTransaction<C> {
    async fn get(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(key, snapshot).await
    }
    async fn range(&self, range: Range) -> Result<Rows, StoreError> {
        self.inner.range(range).await
    }
    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError> {
        self.inner.mutate(mutation)
    }
    fn add_read_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        self.inner.add_read_conflict(range)
    }
    fn add_write_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        self.inner.add_write_conflict(range)
    }
    async fn read_version(&self) -> Result<u64, StoreError> {
        self.inner.read_version().await
    }
    async fn watch(&self, key: Bytes) -> Result<Watch, StoreError> {
        self.change.watch(&self.inner, key).await
    }
    async fn commit(&self) -> Result<Committed, StoreError> {
        self.change.commit(&self.inner).await
    }
    fn cancel(&self) {
        self.change.cancel(&self.inner);
    }
}
