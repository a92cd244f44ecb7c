//! The FoundationDB backend: several servers over one cluster.
//!
//! FoundationDB brings what the other backends share `engine/` for: snapshots, conflict detection, own writes, watches.
//! This is a translation, whole transaction by whole transaction, over the crate `foundationdb` at interface version 730
//! (FoundationDB 7.3).
//!
//! **The client library** is not linked. The program starts without it, and `loader.rs` looks for it when a store is
//! opened: under its own name where the system looks for libraries, or where `CODITECT_FDB_LIBRARY` says. The crate's
//! bindings expect about a hundred C functions from the linker; `loader_symbols.rs` defines them, and each passes its call
//! on to the library. The network thread runs from the first open to the end of the process; an exit handler, which runs
//! before the library's own, stops it.
//!
//! **Errors of opening:** no cluster file or a wrong one ([`StoreError::FdbClusterFile`]), no library
//! ([`StoreError::FdbLibraryMissing`]), an old one ([`StoreError::FdbLibraryTooOld`]). A cluster that does not answer is
//! none: the store is open, everything answers [`StoreError::FdbUnreachable`] after [`FDB_ANSWER_TIMEOUT`], and works again
//! once the cluster is back. `errors.rs` has what the codes of FoundationDB mean.
//!
//! **Keys** are prefixed with the packed name of a directory, so that several instances share a cluster.
//!
//! **Invariants:**
//! * Every future of the library ends: a transaction has a timeout from its first operation on. First a short one, for the
//!   cluster to answer with a read version, then the life of a transaction, then one for the commit. The library counts
//!   these times, not the async runtime.
//! * A commit is sent only after the cluster has answered with a read version. What fails before was not committed, and
//!   says so. What fails afterwards is [`StoreError::CommitUnknown`] unless FoundationDB said no.
//! * A commit whose future is dropped may have happened or not; who drops it knows that it does not know.
//!
//! What differs from the other backends, within the contract: a watch counts as a read of its key when its transaction
//! also writes; a key of which the transaction's versionstamp is part is unreadable from the version that the transaction
//! reads, not from zero.

mod cluster_file;
mod errors;
mod loader;
mod transaction;

pub(crate) use loader::LIBRARY_VARIABLE;

use crate::backend::{Backend, BackendTransaction};
use crate::error::StoreError;
use crate::limits::{FDB_ANSWER_TIMEOUT, FDB_LIBRARY_WATCHES_MAX, FDB_PING_ATTEMPTS, WATCHES_MAX};
use ::foundationdb::options::{DatabaseOption, TransactionOption};
use ::foundationdb::{Database, FdbResult, Transaction};
use async_trait::async_trait;
use errors::Failure;
use foundationdb_tuple as tuple;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Its name, for people.
pub(crate) const NAME: &str = "foundationdb";
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transaction::FdbTransaction;

/// The version of the client's interface that this program speaks: FoundationDB 7.3.
pub(crate) const API_VERSION: i32 = 730;

/// A cluster, whether it answers or not.
pub(super) struct Cluster {
    /// The cluster file.
    place: PathBuf,
    /// What all keys begin with.
    prefix: Vec<u8>,
    /// Gone when the store was closed.
    database: Mutex<Option<Database>>,
    closed: CancellationToken,
    /// Commits under way.
    commits: TaskTracker,
    watches: AtomicUsize,
}

/// Opens a directory of a cluster. Whether the cluster answers is not waited for.
pub(crate) async fn open(cluster_file: PathBuf, directory: &str) -> Result<Arc<dyn Backend>, StoreError> {
    let prefix = tuple::pack(&directory);
    let connect = move || connect(cluster_file, prefix);
    let opened = tokio::task::spawn_blocking(connect).await;
    let cluster = opened.map_err(|_| StoreError::unavailable("opening FoundationDB was aborted"))??;
    Ok(Arc::new(FdbBackend(Arc::new(cluster))))
}

/// Looks at the cluster file, makes the client ready and connects. Blocks.
fn connect(place: PathBuf, prefix: Vec<u8>) -> Result<Cluster, StoreError> {
    cluster_file::check(&place)?;
    let path = place.to_str().ok_or_else(|| cluster_file::fault(&place, "its path is not Unicode"))?;
    loader::start()?;
    let failed = |error| Failure::from(error).while_reading(&place, false);
    let database = Database::from_path(path).map_err(failed)?;
    let watches = i32::try_from(FDB_LIBRARY_WATCHES_MAX).unwrap_or(i32::MAX);
    database.set_option(DatabaseOption::MaxWatches(watches)).map_err(failed)?;
    Ok(Cluster {
        prefix,
        database: Mutex::new(Some(database)),
        closed: CancellationToken::new(),
        commits: TaskTracker::new(),
        watches: AtomicUsize::new(0),
        place,
    })
}

impl Cluster {
    /// A key as the cluster has it.
    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    fn create_transaction(&self) -> Result<Transaction, StoreError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        database.create_trx().map_err(|error| Failure::from(error).while_reading(&self.place, false))
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.is_cancelled() { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Takes one of the places for watches.
    fn watch_place(self: &Arc<Self>) -> Result<WatchPlace, StoreError> {
        let place = WatchPlace(self.clone());
        if self.watches.fetch_add(1, Ordering::Relaxed) >= WATCHES_MAX {
            return Err(StoreError::TooManyWatches);
        }
        Ok(place)
    }

    /// Reads one key, which need not be there.
    async fn read_anything(&self, timeout: Duration) -> Result<(), StoreError> {
        let transaction = self.create_transaction()?;
        let read = async {
            set_timeout(&transaction, timeout)?;
            transaction.get(&self.prefix, true).await
        };
        read.await.map(drop).map_err(|error| Failure::from(error).while_reading(&self.place, false))
    }
}

/// One of the watches that may stand, until it is dropped.
struct WatchPlace(Arc<Cluster>);

impl Drop for WatchPlace {
    fn drop(&mut self) {
        self.0.watches.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets everything that a transaction does fail so long after its creation.
fn set_timeout(transaction: &Transaction, timeout: Duration) -> FdbResult<()> {
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // Zero would mean never.
    transaction.set_option(TransactionOption::Timeout(millis.max(1)))
}

/// The backend, as the store sees it.
struct FdbBackend(Arc<Cluster>);

#[async_trait]
impl Backend for FdbBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut result = Ok(());
        for _ in 0..FDB_PING_ATTEMPTS {
            self.0.check_open()?;
            let left = FDB_ANSWER_TIMEOUT.saturating_sub(started.elapsed());
            result = self.0.read_anything(left).await;
            // A client that has just found its cluster asks everybody to begin anew.
            if !matches!(result, Err(StoreError::Busy { .. })) {
                break;
            }
        }
        result
    }

    fn begin(&self) -> Arc<dyn BackendTransaction> {
        Arc::new(FdbTransaction::new(self.0.clone()))
    }

    async fn close(&self) {
        self.0.closed.cancel();
        self.0.commits.close();
        self.0.commits.wait().await;
        drop(self.0.database.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
