//! A backend whose commits end as a test says; the rest is another backend's.

use crate::backend::{Backend, BackendTransaction};
use crate::error::StoreError;
use crate::mutation::Mutation;
use crate::range::{KeyRange, Range, Rows};
use crate::store::{Committed, Store};
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// As it does.
    None,
    /// Refused.
    Conflict,
    /// Done, and nobody is told.
    UnknownDone,
    /// Not done, and nobody is told.
    UnknownLost,
    /// Nobody is told, and it is done while the next attempt is under way.
    UnknownLate,
    /// Never.
    Hang,
}

/// The commits to come; shared with the test.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: VecDeque<CommitFault>,
    then: Option<CommitFault>,
    late: Vec<Arc<dyn BackendTransaction>>,
}

impl Script {
    /// The next commits end so, all further ones as they do.
    pub(crate) fn play(&self, faults: &[CommitFault]) {
        let mut state = self.lock();
        state.next = faults.iter().copied().collect();
        state.then = None;
    }

    /// All commits behind those that were said end so.
    pub(crate) fn repeat(&self, fault: CommitFault) {
        self.lock().then = Some(fault);
    }

    /// How many of those that were said did not come up.
    pub(crate) fn left(&self) -> usize {
        self.lock().next.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> (CommitFault, Vec<Arc<dyn BackendTransaction>>) {
        let mut state = self.lock();
        let fault = state.next.pop_front().or(state.then).unwrap_or(CommitFault::None);
        (fault, std::mem::take(&mut state.late))
    }
}

struct Unsure {
    inner: Arc<dyn Backend>,
    script: Script,
}

struct UnsureTransaction {
    inner: Arc<dyn BackendTransaction>,
    script: Script,
}

/// The store with commits after a script.
pub(crate) fn unsure(store: Store) -> (Store, Script) {
    let script = Script::default();
    (Store::from_backend(Arc::new(Unsure { inner: store.into_backend(), script: script.clone() })), script)
}

#[async_trait]
impl Backend for Unsure {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn begin(&self) -> Arc<dyn BackendTransaction> {
        Arc::new(UnsureTransaction { inner: self.inner.begin(), script: self.script.clone() })
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl BackendTransaction for UnsureTransaction {
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
        self.inner.watch(key).await
    }
    async fn commit(&self) -> Result<Committed, StoreError> {
        let (fault, late) = self.script.next();
        for transaction in late {
            let _ = transaction.commit().await;
        }
        match fault {
            CommitFault::None => self.inner.commit().await,
            CommitFault::Conflict => Err(StoreError::Conflict),
            CommitFault::UnknownDone => {
                self.inner.commit().await?;
                Err(StoreError::CommitUnknown)
            }
            CommitFault::UnknownLost => Err(StoreError::CommitUnknown),
            CommitFault::UnknownLate => {
                self.script.lock().late.push(self.inner.clone());
                Err(StoreError::CommitUnknown)
            }
            CommitFault::Hang => std::future::pending().await,
        }
    }
    fn cancel(&self) {
        // What may still be committed late is not given up.
        if self.script.lock().late.iter().all(|late| !Arc::ptr_eq(late, &self.inner)) {
            self.inner.cancel();
        }
    }
}
