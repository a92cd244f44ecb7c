//! What FoundationDB's error codes mean to the contract.
//!
//! | code | name | while reading | while committing writes |
//! |---|---|---|---|
//! | 1007 | `transaction_too_old` | too old | too old |
//! | 1020 | `not_committed` | conflict | conflict |
//! | 1021 | `commit_unknown_result` | busy | commit unknown |
//! | 1009, 1037, 1042, 1051, 1078, 1213, 1223 | the cluster is behind, out of memory or throttles | busy | busy |
//! | 1039 | `cluster_version_changed` | busy | commit unknown |
//! | 1031 | `transaction_timed_out` | unreachable before the transaction has its version, then too old | commit unknown |
//! | 1025, 1101 | cancelled | transaction finished | commit unknown |
//! | 1032 | `too_many_watches` | too many watches | |
//! | 1036 | `accessed_unreadable` | unreadable | unreadable |
//! | 1038 | `database_locked` | unavailable | unavailable |
//! | 1511, 1513, 1515, 2104 | the cluster file | cluster file | cluster file |
//! | 2101 | `transaction_too_large` | too large | too large |
//! | other 2xxx | wrong use | unavailable, with the code | the same |
//! | others | | unavailable, with the code | commit unknown |
//!
//! Whoever commits nothing but reads and watches has nothing that could be unknown: for them the third column counts.

use super::cluster_file;
use crate::error::StoreError;
use std::path::Path;

/// How an operation failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    code: i32,
    message: &'static str,
}

impl From<::foundationdb::FdbError> for Failure {
    fn from(error: ::foundationdb::FdbError) -> Self {
        Self { code: error.code(), message: error.message() }
    }
}

impl Failure {
    /// What it means to who reads. `has_version` tells whether the cluster has answered this transaction before.
    pub(super) fn while_reading(&self, place: &Path, has_version: bool) -> StoreError {
        match self.code {
            1007 => StoreError::TransactionTooOld,
            1020 => StoreError::Conflict,
            1009 | 1021 | 1037 | 1039 | 1042 | 1051 | 1078 | 1213 | 1223 => {
                StoreError::Busy { detail: self.message.to_owned() }
            }
            1025 | 1101 => StoreError::TransactionFinished,
            1031 if has_version => StoreError::TransactionTooOld,
            1031 => StoreError::FdbUnreachable { place: place.display().to_string() },
            1032 => StoreError::TooManyWatches,
            1036 => StoreError::Unreadable,
            1511 | 1513 | 1515 | 2104 => cluster_file::fault(place, self.message),
            2101 => StoreError::TransactionTooLarge,
            code => StoreError::unavailable(format!("FoundationDB error {code}: {}", self.message)),
        }
    }

    /// What it means to who commits writes.
    pub(super) fn while_committing(&self, place: &Path) -> StoreError {
        match self.code {
            // Refused before anything was done. 2017 tells that the transaction was used meanwhile, not what became of it.
            1007 | 1009 | 1020 | 1036 | 1037 | 1038 | 1042 | 1051 | 1078 | 1213 | 1223 | 1511 | 1513 | 1515 => {
                self.while_reading(place, true)
            }
            2000..=2016 | 2018..=2999 => self.while_reading(place, true),
            code => {
                tracing::debug!(code, "FoundationDB does not know whether a commit happened: {}", self.message);
                StoreError::CommitUnknown
            }
        }
    }

    /// What it means to who waits for a change: except for what can be said of the watch itself, that it ended. The
    /// transaction did not commit, or nobody knows, or the connection was replaced; who then reads the key sees which.
    pub(super) fn while_watching(&self) -> StoreError {
        match self.code {
            1032 => StoreError::TooManyWatches,
            1036 => StoreError::Unreadable,
            code => {
                tracing::debug!(code, "a watch of FoundationDB ended: {}", self.message);
                StoreError::WatchCancelled
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded;

    fn codes(code: i32) -> [&'static str; 4] {
        let failure = Failure { code, message: "text" };
        let place = Path::new("/fdb.cluster");
        [
            failure.while_reading(place, false),
            failure.while_reading(place, true),
            failure.while_committing(place),
            failure.while_watching(),
        ]
        .map(|error| error.code())
    }

    #[test]
    fn codes_mean_what_the_table_says() {
        let [busy, unknown, old] = ["store.busy", "store.commit_unknown", "store.transaction_too_old"];
        let [ended, watch, away] = ["store.transaction_finished", "store.watch_cancelled", "store.unavailable"];
        assert_eq!(codes(1007), [old, old, old, watch]);
        assert_eq!(codes(1020), ["store.conflict", "store.conflict", "store.conflict", watch]);
        assert_eq!(codes(1021), [busy, busy, unknown, watch]);
        for code in [1009, 1037, 1042, 1051, 1078, 1213, 1223] {
            assert_eq!(codes(code), [busy, busy, busy, watch]);
        }
        assert_eq!(codes(1039), [busy, busy, unknown, watch]);
        assert_eq!(codes(1031), ["store.fdb_unreachable", old, unknown, watch]);
        assert_eq!(codes(1025), [ended, ended, unknown, watch]);
        assert_eq!(codes(1101), [ended, ended, unknown, watch]);
        assert_eq!(codes(1032)[3], "store.too_many_watches");
        assert_eq!(codes(1036), ["store.unreadable"; 4]);
        assert_eq!(codes(1038), [away, away, away, watch]);
        assert_eq!(codes(2104)[..3], ["store.fdb_cluster_file"; 3]);
        assert_eq!(codes(2101)[..3], ["store.transaction_too_large"; 3]);
        assert_eq!(codes(2017), [away, away, unknown, watch]);
        assert_eq!(codes(2000), [away, away, away, watch]);
        assert_eq!(codes(4100), [away, away, unknown, watch]);
    }
}
