//! A stand-in for FoundationDB's client library, for tests: the C interface that the store's backend uses, over a map in
//! memory.
//!
//! It is written from FoundationDB's documentation and shares nothing with the backends of the store, so that it is also an
//! oracle: transactions are kept as lists of what they did and replayed, versions of every key are kept for ever, and
//! conflicts are looked for in the list of all commits. As in the real library, work is queued for one network thread,
//! which runs inside `fdb_run_network`, calls back from there, and commits what it finds together at one version.
//!
//! A database is whatever cluster file names it. What stands in the file `<cluster file>.faults` goes wrong, for as long as
//! it stands there; see `faults.rs`. Variables:
//! * `FDB_DOUBLE_MAX_API_VERSION`: the newest version of the interface that it claims to know.
//! * `FDB_DOUBLE_EXIT_FILE`: a file that it writes when its network was stopped.
//!
//! **May know:** nothing of ours.

#![expect(unsafe_code, reason = "it stands on the other side of a C interface")]

mod atomic;
mod data;
mod faults;
mod future;
mod interface;
mod network;
mod transaction;

/// FoundationDB's error codes.
mod code {
    pub(crate) const TOO_OLD: i32 = 1007;
    pub(crate) const NOT_COMMITTED: i32 = 1020;
    pub(crate) const TRANSACTION_CANCELLED: i32 = 1025;
    pub(crate) const TIMED_OUT: i32 = 1031;
    pub(crate) const TOO_MANY_WATCHES: i32 = 1032;
    pub(crate) const UNREADABLE: i32 = 1036;
    pub(crate) const OPERATION_CANCELLED: i32 = 1101;
    pub(crate) const NO_CLUSTER_FILE: i32 = 1515;
    pub(crate) const INVALID_OPERATION: i32 = 2000;
    pub(crate) const OUTSIDE_LEGAL_RANGE: i32 = 2004;
    pub(crate) const INVERTED_RANGE: i32 = 2005;
    pub(crate) const INVALID_OPTION_VALUE: i32 = 2006;
    pub(crate) const INVALID_OPTION: i32 = 2007;
    pub(crate) const NETWORK_NOT_SET_UP: i32 = 2008;
    pub(crate) const NETWORK_ALREADY_SET_UP: i32 = 2009;
    pub(crate) const FUTURE_NOT_SET: i32 = 2015;
    pub(crate) const USED_DURING_COMMIT: i32 = 2017;
    pub(crate) const INVALID_MUTATION: i32 = 2018;
    pub(crate) const NO_COMMIT_VERSION: i32 = 2021;
    pub(crate) const TOO_LARGE: i32 = 2101;
    pub(crate) const KEY_TOO_LARGE: i32 = 2102;
    pub(crate) const VALUE_TOO_LARGE: i32 = 2103;
    pub(crate) const API_VERSION_ALREADY_SET: i32 = 2201;
    pub(crate) const API_VERSION_NOT_SUPPORTED: i32 = 2203;
}

/// Locks, whatever happened to others who held the lock.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
