//! Everything that can go wrong in the store.

use crate::limits;
use coditect_protocol::{Coded, Kind};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something that the transaction read was changed before it committed.
    #[error("Others changed the same data at the same time; try again.")]
    Conflict,
    /// The transaction took longer than a transaction may.
    #[error("The change took longer than {} s and was given up; try again.", limits::TRANSACTION_LIFETIME.as_secs())]
    TransactionTooOld,
    /// The commit may have happened or not.
    #[error("It is not known whether the change was saved; look before you try again.")]
    CommitUnknown,
    /// The store cannot be used at the moment.
    #[error("The store cannot be used at the moment ({reason}); try again.")]
    Unavailable {
        /// Why, in some words.
        reason: String,
    },
    /// The connection to the store ended before the commit was sent: nothing of the transaction was saved.
    #[error("The connection to the store was lost before anything of the change was saved; try again.")]
    ConnectionLost,
    /// A socket cannot be listened on.
    #[error("The socket {place} cannot be served: {detail}. Choose a path in a directory of your own.")]
    Socket {
        /// Path of the socket.
        place: String,
        /// What is in the way.
        detail: String,
    },
    /// The store was closed by this process.
    #[error("The store is closed because the server is stopping; try again.")]
    Closed,
    /// The transaction was committed or cancelled before.
    #[error("The transaction has ended; a transaction is used only until its commit.")]
    TransactionFinished,
    /// A key is too long.
    #[error("A key of {bytes} bytes is longer than the {} allowed; use a shorter name.", limits::KEY_MAX_BYTES)]
    KeyTooLarge {
        /// Length of the key.
        bytes: usize,
    },
    /// A value is too long.
    #[error("A value of {bytes} bytes is longer than the {} allowed; split it.", limits::VALUE_MAX_BYTES)]
    ValueTooLarge {
        /// Length of the value.
        bytes: usize,
    },
    /// The transaction is too large.
    #[error("The change is larger than the {} bytes allowed at once; split it.", limits::TRANSACTION_MAX_BYTES)]
    TransactionTooLarge,
    /// The key is reserved.
    #[error("Keys that start with the byte 0xFF are reserved; choose another.")]
    KeyReserved,
    /// The end of a range lies before its begin.
    #[error("The end of the range lies before its begin; exchange them.")]
    RangeInverted,
    /// A range that was asked for whole is too large.
    #[error("There is more in the range than fits into memory at once; read it in parts.")]
    RangeTooLarge,
    /// What was asked for gets its value only at commit.
    #[error("A key or value with a versionstamp can be read only after its commit; read it in the next transaction.")]
    Unreadable,
    /// The place of a versionstamp is wrong.
    #[error("The place of the versionstamp lies outside; the last four bytes must name where ten bytes are replaced.")]
    VersionstampPlace,
    /// Too many watches.
    #[error("More than {} watches would stand at once; drop some and try again.", limits::WATCHES_MAX)]
    TooManyWatches,
    /// The transaction of a watch did not commit.
    #[error("The watch ended because its transaction did not commit or the store was closed; watch again.")]
    WatchCancelled,
    /// The disk is full.
    #[error("The disk of the store is full; nothing of this change was saved. Free space and try again.")]
    OutOfSpace,
    /// The disk or the file system failed.
    #[error("The disk of the store failed: {detail}. Look at the disk, then start again.")]
    Io {
        /// What the system said.
        detail: String,
    },
    /// The stored data are damaged.
    #[error("The data in {place} are damaged: {detail}. Restore them from a backup.")]
    Corrupt {
        /// Where.
        place: String,
        /// What was found.
        detail: String,
    },
    /// The directory was written by a newer program.
    #[error(
        "The data in {place} have format {found}, which is newer than {known}, the one this program knows; start the newer program."
    )]
    NewerFormat {
        /// Where.
        place: String,
        /// Format found.
        found: u32,
        /// Newest format known.
        known: u32,
    },
    /// Another process has the directory open.
    #[error("Another process uses the data in {place}; stop it or choose another directory.")]
    Locked {
        /// Where.
        place: String,
    },
    /// The directory holds something else.
    #[error("{place} holds files that are not a store's; choose an empty or a new directory.")]
    NotAStore {
        /// Where.
        place: String,
    },
    /// The URL of the store cannot be understood.
    #[error(
        "The store's URL is not understood: {detail}. Write memory:, embedded:///absolute/path, fdb:///absolute/path/fdb.cluster or socket:///absolute/path.sock."
    )]
    BadUrl {
        /// What is wrong with it.
        detail: String,
    },
    /// The store has too much to do, or is just changing.
    #[error("The store is busy ({detail}); try again.")]
    Busy {
        /// What it said.
        detail: String,
    },
    /// FoundationDB's client library was not found, or is none.
    #[error(
        "FoundationDB's client library {library} cannot be used: {detail}. Install the package foundationdb-clients, version 7.3 or newer, or say by the variable {} where the library is.",
        crate::foundationdb::LIBRARY_VARIABLE
    )]
    FdbLibraryMissing {
        /// What was looked for.
        library: String,
        /// What is wrong with it.
        detail: String,
    },
    /// FoundationDB's client library is too old.
    #[error(
        "FoundationDB's client library {library} is too old: it knows the interface up to version {version}, and {} is needed. Install the package foundationdb-clients, version 7.3 or newer.",
        crate::foundationdb::API_VERSION
    )]
    FdbLibraryTooOld {
        /// The library.
        library: String,
        /// The newest version of the interface that it knows.
        version: i32,
    },
    /// FoundationDB's cluster file cannot be used.
    #[error(
        "FoundationDB's cluster file {place} cannot be used: {detail}. It must hold description:id@host:port,... with the coordinators of the cluster; copy it from one of its machines."
    )]
    FdbClusterFile {
        /// The file.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The FoundationDB cluster does not answer.
    #[error(
        "The FoundationDB cluster of {place} does not answer; check that it runs, in a version that fits the client library, and that this machine reaches it, then try again."
    )]
    FdbUnreachable {
        /// The cluster file.
        place: String,
    },
    /// A copy or a restore into the store has not ended.
    #[error(
        "The store is a copy that is not complete; run the command that made it again with --resume, or with --replace."
    )]
    Unfinished,
    /// The target of a copy holds something.
    #[error("The target is not empty; choose an empty one, or --replace what it holds.")]
    NotEmpty,
    /// What was copied is not what is there.
    #[error("The copy is not like what was copied ({detail}); stop all who write to either, then copy with --replace.")]
    CopyMismatch {
        /// What was found.
        detail: String,
    },
    /// New versionstamps of the target would sort before those that were copied.
    #[error(
        "The target counts commits from {found} on and the copied data from {needed}; raise its version first (fdbcli: advanceversion {needed})."
    )]
    VersionBehind {
        /// Version of the target.
        found: u64,
        /// Version of the data.
        needed: u64,
    },
    /// A backup is damaged.
    #[error("The backup is damaged ({place}): {detail}. Nothing was taken from it; use another.")]
    BackupCorrupt {
        /// File and byte.
        place: String,
        /// What was found.
        detail: String,
    },
    /// A backup cannot be written there.
    #[error("No backup can be written to {place}: {detail}. Choose another file.")]
    BackupDestination {
        /// Where.
        place: String,
        /// Why.
        detail: String,
    },
    /// A stored key does not have the expected shape.
    #[error("A stored key is not of the expected form: {detail}.")]
    KeyCorrupt {
        /// What was found.
        detail: String,
    },
    /// A stored value does not have the expected shape.
    #[error("A stored value is not of the expected form: {detail}.")]
    RecordCorrupt {
        /// What was found.
        detail: String,
    },
    /// A stored value was written by a program with another version of its form.
    #[error("A stored value has form {found}, and this program reads up to {known}; start the newer program.")]
    RecordVersion {
        /// Version found.
        found: u8,
        /// Newest version known.
        known: u8,
    },
    /// A master key cannot be read.
    #[error("The master key cannot be read: {detail}. Give 32 bytes, or lines of 32 bytes in Base64.")]
    MasterKeyForm {
        /// What is wrong with it.
        detail: String,
    },
    /// A sealed value was sealed with a master key that is not here.
    #[error("This was sealed with another master key; start the server with the key that the data were written with.")]
    SealedElsewhere,
    /// A sealed value was changed, or belongs somewhere else.
    #[error("A sealed value is damaged or was moved; restore it from a backup.")]
    SealBroken,
}

impl StoreError {
    /// Whether the same transaction may succeed when it is run again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::TransactionTooOld | Self::CommitUnknown | Self::ConnectionLost | Self::Busy { .. }
        )
    }

    /// The store cannot be used at the moment, for this reason.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

impl Coded for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Conflict => "store.conflict",
            Self::TransactionTooOld => "store.transaction_too_old",
            Self::CommitUnknown => "store.commit_unknown",
            Self::Unavailable { .. } => "store.unavailable",
            Self::ConnectionLost => "store.connection_lost",
            Self::Socket { .. } => "store.socket",
            Self::Closed => "store.closed",
            Self::TransactionFinished => "store.transaction_finished",
            Self::KeyTooLarge { .. } => "store.key_too_large",
            Self::ValueTooLarge { .. } => "store.value_too_large",
            Self::TransactionTooLarge => "store.transaction_too_large",
            Self::KeyReserved => "store.key_reserved",
            Self::RangeInverted => "store.range_inverted",
            Self::RangeTooLarge => "store.range_too_large",
            Self::Unreadable => "store.unreadable",
            Self::VersionstampPlace => "store.versionstamp_place",
            Self::TooManyWatches => "store.too_many_watches",
            Self::WatchCancelled => "store.watch_cancelled",
            Self::OutOfSpace => "store.out_of_space",
            Self::Io { .. } => "store.io",
            Self::Corrupt { .. } => "store.corrupt",
            Self::NewerFormat { .. } => "store.newer_format",
            Self::Locked { .. } => "store.locked",
            Self::NotAStore { .. } => "store.not_a_store",
            Self::BadUrl { .. } => "store.bad_url",
            Self::Busy { .. } => "store.busy",
            Self::FdbLibraryMissing { .. } => "store.fdb_library_missing",
            Self::FdbLibraryTooOld { .. } => "store.fdb_library_too_old",
            Self::FdbClusterFile { .. } => "store.fdb_cluster_file",
            Self::FdbUnreachable { .. } => "store.fdb_unreachable",
            Self::Unfinished => "store.unfinished",
            Self::NotEmpty => "store.not_empty",
            Self::CopyMismatch { .. } => "store.copy_mismatch",
            Self::VersionBehind { .. } => "store.version_behind",
            Self::BackupCorrupt { .. } => "store.backup_corrupt",
            Self::BackupDestination { .. } => "store.backup_destination",
            Self::KeyCorrupt { .. } => "store.key_corrupt",
            Self::RecordCorrupt { .. } => "store.record_corrupt",
            Self::RecordVersion { .. } => "store.record_version",
            Self::MasterKeyForm { .. } => "store.master_key_form",
            Self::SealedElsewhere => "store.sealed_elsewhere",
            Self::SealBroken => "store.seal_broken",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Conflict | Self::Locked { .. } | Self::NotEmpty | Self::CopyMismatch { .. } => Kind::Conflict,
            Self::TransactionTooOld => Kind::Timeout,
            Self::CommitUnknown
            | Self::Unavailable { .. }
            | Self::ConnectionLost
            | Self::Busy { .. }
            | Self::FdbUnreachable { .. }
            | Self::Closed
            | Self::WatchCancelled => Kind::Unavailable,
            Self::KeyTooLarge { .. } | Self::ValueTooLarge { .. } | Self::TransactionTooLarge | Self::RangeTooLarge => {
                Kind::TooLarge
            }
            Self::KeyReserved
            | Self::BadUrl { .. }
            | Self::FdbLibraryMissing { .. }
            | Self::FdbLibraryTooOld { .. }
            | Self::NotAStore { .. }
            | Self::Socket { .. }
            | Self::MasterKeyForm { .. } => Kind::Invalid,
            Self::TooManyWatches => Kind::TooManyRequests,
            Self::OutOfSpace => Kind::OutOfSpace,
            Self::TransactionFinished
            | Self::RangeInverted
            | Self::Unreadable
            | Self::VersionstampPlace
            | Self::Io { .. }
            // Also found while a server runs: then it is no fault of who asks.
            | Self::FdbClusterFile { .. }
            | Self::Corrupt { .. }
            | Self::NewerFormat { .. }
            | Self::Unfinished
            | Self::VersionBehind { .. }
            | Self::BackupCorrupt { .. }
            | Self::BackupDestination { .. }
            | Self::KeyCorrupt { .. }
            | Self::RecordCorrupt { .. }
            | Self::RecordVersion { .. }
            | Self::SealedElsewhere
            | Self::SealBroken => Kind::Internal,
        }
    }

    fn is_inside(&self) -> bool {
        // Where the store is, and what it said.
        let is_away = matches!(self, Self::Unavailable { .. } | Self::FdbUnreachable { .. } | Self::Busy { .. });
        is_away || self.kind() == Kind::Internal
    }
}
