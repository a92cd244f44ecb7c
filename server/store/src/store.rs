//! Opening a store and running transactions on it.

use crate::backend::Backend;
use crate::error::StoreError;
use crate::limits::{OPEN_CHECK_LIMIT, RETRY_DEADLINE, RETRY_FIRST_PAUSE, RETRY_LONGEST_PAUSE, TRANSACTION_LIFETIME};
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::watch::Watch;
use crate::{embedded, foundationdb, memory, socket};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A store. A clone is the same store.
#[derive(Clone)]
pub struct Store(Arc<dyn Backend>);

/// What a commit answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Version of the commit; none if the transaction wrote nothing.
    pub version: Option<u64>,
    /// What the commit put into versionstamped keys and values.
    pub versionstamp: Option<[u8; 10]>,
}

impl Store {
    /// Opens what a URL names: `memory:`, `embedded:///absolute/path`, with `?cache_mib=N` if need be,
    /// `fdb:///absolute/path/fdb.cluster`, with `?directory=NAME` if several share the cluster, or
    /// `socket:///absolute/path.sock`, where another process serves a store. A cluster or a process that does not answer yet
    /// is opened all the same, and used once it does.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::open_target(url).await?;
        let check = tokio::time::timeout(OPEN_CHECK_LIMIT, store.refuse_unfinished());
        if let Ok(Err(StoreError::Unfinished)) = check.await {
            store.close().await;
            return Err(StoreError::Unfinished);
        }
        Ok(store)
    }

    /// As [`Store::open`], and opens what a copy or a restore left half full: for whoever goes on with that.
    pub async fn open_target(url: &str) -> Result<Self, StoreError> {
        match StoreUrl::parse(url)? {
            StoreUrl::Memory => Ok(Self(memory::open()?)),
            StoreUrl::Embedded { directory, cache_bytes } => Ok(Self(embedded::open(directory, cache_bytes).await?)),
            StoreUrl::Fdb { cluster_file, directory } => Ok(Self(foundationdb::open(cluster_file, &directory).await?)),
            StoreUrl::Socket { path } => Ok(Self(socket::open(path).await)),
        }
    }

    /// A store over a backend.
    pub(crate) fn from_backend(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

    /// The backend.
    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0
    }

    /// The backend, for a test to wrap.
    #[cfg(test)]
    pub(crate) fn into_backend(self) -> Arc<dyn Backend> {
        self.0
    }

    /// Name of the backend that a URL names, as [`Store::backend_name`] tells it of an open one.
    pub fn backend_of(url: &str) -> Result<&'static str, StoreError> {
        Ok(match StoreUrl::parse(url)? {
            StoreUrl::Memory => memory::NAME,
            StoreUrl::Embedded { .. } => embedded::NAME,
            StoreUrl::Fdb { .. } => foundationdb::NAME,
            StoreUrl::Socket { .. } => socket::NAME,
        })
    }

    /// Name of the backend, for people.
    #[must_use]
    pub fn backend_name(&self) -> &'static str {
        self.0.name()
    }

    /// Whether the store can be used now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    /// Lets queued commits end, then gives up the files. Every later call, on any clone, answers [`StoreError::Closed`].
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// Begins a transaction for a caller that drives its own attempts; others use [`Store::transact`].
    #[must_use]
    pub fn begin(&self) -> Transaction {
        Transaction::new(self.0.begin())
    }

    /// Runs a closure in a transaction and commits it, again and again while others get in its way, up to
    /// [`RETRY_DEADLINE`]. An error of the closure ends it without a commit, unless the store itself asked for another
    /// attempt.
    ///
    /// The closure may run several times, and once more after a commit that nobody knows the result of: beyond its
    /// transaction it should change nothing, and its writes must be safe to write twice. A caller that drops this future
    /// does not know whether the commit happened.
    pub async fn transact<T, E, F, Fut>(&self, run: F) -> Result<T, E>
    where
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        self.transact_committed(run).await.map(|(value, _)| value)
    }

    /// As [`Store::transact`], and tells the commit's version as well.
    pub async fn transact_committed<T, E, F, Fut>(&self, run: F) -> Result<(T, Committed), E>
    where
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<StoreError>,
    {
        let deadline = Instant::now() + RETRY_DEADLINE;
        let mut longest_pause = RETRY_FIRST_PAUSE;
        // Once one attempt may have been committed, no later failure can say that nothing was.
        let mut maybe_committed = false;
        loop {
            let failure = match self.attempt(&run, deadline).await {
                Attempt::Done(value, committed) => return Ok((value, committed)),
                Attempt::Refused(error) => return Err(error),
                Attempt::Failed(failure) => failure,
            };
            maybe_committed |= failure == StoreError::CommitUnknown;
            let pause = Duration::from_micros(rand::random_range(0..=micros(longest_pause)));
            if !failure.is_retryable() || Instant::now() + pause >= deadline {
                return Err(if maybe_committed { StoreError::CommitUnknown } else { failure }.into());
            }
            sleep(pause).await;
            longest_pause = (longest_pause * 2).min(RETRY_LONGEST_PAUSE);
        }
    }

    /// Watches one key. When this returns, the watch stands: what changes from now on is noticed.
    pub async fn watch(&self, key: impl AsRef<[u8]>) -> Result<Watch, StoreError> {
        let key = bytes::Bytes::copy_from_slice(key.as_ref());
        self.transact(|tx| {
            let key = key.clone();
            async move { tx.watch(&key).await }
        })
        .await
    }

    /// One attempt of a transaction.
    async fn attempt<T, E, F, Fut>(&self, run: &F, deadline: Instant) -> Attempt<T, E>
    where
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        let transaction = self.begin();
        // Whatever way this ends, clones that outlive it hold no snapshot.
        let _cancel = CancelOnDrop(transaction.clone());
        let end = deadline.min(Instant::now() + TRANSACTION_LIFETIME);
        let value = match timeout_at(end, run(transaction.clone())).await {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => return transaction.retryable_failure().map_or(Attempt::Refused(error), Attempt::Failed),
            Err(_) => return Attempt::Failed(StoreError::TransactionTooOld),
        };
        if let Some(failure) = transaction.retryable_failure() {
            return Attempt::Failed(failure);
        }
        match timeout_at(deadline, transaction.commit()).await {
            Ok(Ok(committed)) => Attempt::Done(value, committed),
            Ok(Err(failure)) => Attempt::Failed(failure),
            Err(_) => Attempt::Failed(StoreError::CommitUnknown),
        }
    }
}

/// How one attempt ended.
enum Attempt<T, E> {
    Done(T, Committed),
    /// The closure did not want it.
    Refused(E),
    /// The store could not.
    Failed(StoreError),
}

struct CancelOnDrop(Transaction);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn micros(pause: Duration) -> u64 {
    u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend_name()).finish()
    }
}
