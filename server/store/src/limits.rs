//! Limits of the store. Those of a transaction are FoundationDB's and hold on every backend.

use std::time::Duration;

/// Largest key that FoundationDB takes, in bytes.
pub const FDB_KEY_MAX_BYTES: usize = 10_000;

/// What FoundationDB's keys may begin with before ours does, in bytes: the directory of the URL.
pub const FDB_PREFIX_MAX_BYTES: usize = 100;

/// Longest name of a directory in FoundationDB, in bytes.
pub const FDB_DIRECTORY_MAX_BYTES: usize = 64;

/// Largest key, in bytes, on every backend.
pub const KEY_MAX_BYTES: usize = FDB_KEY_MAX_BYTES - FDB_PREFIX_MAX_BYTES;

/// Largest value, in bytes.
pub const VALUE_MAX_BYTES: usize = 100_000;

/// Largest transaction, in bytes, as FoundationDB counts them: keys, values, and the bounds of what conflicts with others.
pub const TRANSACTION_MAX_BYTES: usize = 10_000_000;

/// What each read and each write of a transaction counts beside its bytes: the records that FoundationDB keeps of them, and
/// what its keys begin with, up to three times (the key, and the bounds of its conflict).
pub const OPERATION_BYTES: usize = 96 + 3 * FDB_PREFIX_MAX_BYTES;

/// Longest life of a transaction, from its first read to its commit.
pub const TRANSACTION_LIFETIME: Duration = Duration::from_secs(5);

/// First byte of the keys that are not for use.
pub const RESERVED_PREFIX: u8 = 0xff;

/// How long [`crate::Store::transact`] goes on trying, in all.
pub const RETRY_DEADLINE: Duration = Duration::from_secs(10);

/// Longest pause before the second attempt of a transaction; the real one is a random part of it and doubles.
pub const RETRY_FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Longest pause between two attempts of a transaction.
pub const RETRY_LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How long [`crate::Store::transact_once`] remembers what it did. Whoever asks again later does it again.
pub const ONCE_KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Most records of [`crate::Store::transact_once`] that one call of [`crate::Store::sweep_once`] takes away.
pub const ONCE_SWEEP_MAX: usize = 100_000;

/// Records that a sweep takes away in one transaction.
pub const ONCE_SWEEP_BATCH: usize = 1_000;

/// Longest content of a block of a backup, in bytes.
pub const BACKUP_BLOCK_MAX_BYTES: usize = 4 << 20;

/// How often a part of a backup is read anew where a state does not last, before the backup is given up.
pub const BACKUP_READ_ATTEMPTS: u32 = 20;

/// Most backups at once that a process makes for others of the store it has open.
pub const BACKUPS_AT_ONCE: usize = 2;

/// How long a process that is sent a backup may take nothing in.
pub const BACKUP_STALL: Duration = Duration::from_secs(60);

/// How long after a backup that could not be made by itself it is tried again.
pub const BACKUP_RETRY: Duration = Duration::from_secs(10 * 60);

/// How many backups a schedule may keep.
pub const BACKUP_KEEP: std::ops::RangeInclusive<usize> = 1..=10_000;

/// Most directories that a check counts apart.
pub const CHECK_DIRECTORIES_MAX: usize = 1_000;

/// Bytes of rows after which a copy commits.
pub const COPY_BATCH_BYTES: usize = 1 << 20;

/// Rows after which a copy commits.
pub const COPY_BATCH_ROWS: usize = 5_000;

/// How long opening a store looks whether it is an unfinished copy; one that does not answer by then is opened all the same.
pub const OPEN_CHECK_LIMIT: Duration = Duration::from_secs(2);

/// Most rows that one range read answers; more are fetched by the next.
pub const RANGE_MAX_ROWS: usize = 10_000;

/// Bytes of keys and values after which one range read ends.
pub const RANGE_MAX_BYTES: usize = 1_000_000;

/// Most watches that stand at once in one process.
pub const WATCHES_MAX: usize = 100_000;

/// Bytes of transactions that may wait for the committer; further ones wait before they are queued.
pub const COMMIT_QUEUE_MAX_BYTES: usize = 64 << 20;

/// Most transactions that share one write to the disk.
pub const BATCH_MAX_TRANSACTIONS: usize = 1_024;

/// Bytes of transactions after which a shared write is closed.
pub const BATCH_MAX_BYTES: usize = 16 << 20;

/// Memory that remembers recent writes to detect conflicts, in bytes; when it is full, the oldest transactions are refused.
pub const CONFLICT_WINDOW_MAX_BYTES: usize = 64 << 20;

/// Rows that a range read fetches at once on the async runtime; what follows is fetched on a thread that may block.
pub const SLICE_MAX_ROWS: usize = 256;

/// Bytes that a range read fetches at once.
pub const SLICE_MAX_BYTES: usize = 128 << 10;

/// How long the embedded store waits for work before it looks after itself: prepares a quick start after a crash, and
/// tries to open again after a fault of the disk.
pub const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Memory in which the embedded store keeps pages of its file, in MiB, unless the URL says `?cache_mib=`.
pub const EMBEDDED_CACHE_DEFAULT_MIB: usize = 8;

/// Least and most that `?cache_mib=` may say.
pub const EMBEDDED_CACHE_MIB: std::ops::RangeInclusive<usize> = 1..=1_048_576;

/// Longest path of a store's socket, in bytes: the least that a system allows.
pub const SOCKET_PATH_MAX_BYTES: usize = 103;

/// Most processes that are served over a store's socket at once.
pub const SOCKET_CONNECTIONS_MAX: usize = 64;

/// Most transactions that are open at once on one connection to a store's socket; further ones wait for their begin.
pub const SOCKET_TRANSACTIONS_MAX: usize = 4_096;

/// Most requests on one connection that are not answered; further ones wait before they are sent.
pub const SOCKET_REQUESTS_MAX: usize = 1_024;

/// Longest frame that a client sends, in bytes: a batch of writes and one more of the largest.
pub const SOCKET_REQUEST_MAX_BYTES: usize = 256 << 10;

/// Bytes of a transaction's writes after which a frame is closed.
pub const SOCKET_WRITES_BYTES: usize = 128 << 10;

/// Longest frame that the server sends, in bytes: what a range read answers at most, with its lengths.
pub const SOCKET_REPLY_MAX_BYTES: usize = 2 << 20;

/// Bytes that wait to be written to a connection before nothing is added to them.
pub const SOCKET_BUFFER_BYTES: usize = 1 << 20;

/// Bytes of a connection's requests that wait for earlier ones before no more are read.
pub const SOCKET_BACKLOG_MAX_BYTES: usize = 16 << 20;

/// How often a client of a store's socket says that it is there.
pub const SOCKET_HEARTBEAT: Duration = Duration::from_secs(2);

/// How long either side may say nothing, or take nothing, before the other ends the connection.
pub const SOCKET_SILENCE: Duration = Duration::from_secs(10);

/// How long connecting to a store's socket may take.
pub const SOCKET_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest pause before a lost connection is tried again; the real one is a random part of it and doubles.
pub const SOCKET_RECONNECT_FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Longest pause between two attempts to connect.
pub const SOCKET_RECONNECT_LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long after a connection was lost new transactions wait for the next one; later they are refused at once.
pub const SOCKET_OUTAGE_WAIT: Duration = Duration::from_secs(3);

/// How long closing either side waits for answers that are under way.
pub const SOCKET_CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How much longer than [`TRANSACTION_LIFETIME`] the server keeps what a client's transaction holds.
pub const SOCKET_EXPIRY_GRACE: Duration = Duration::from_secs(1);

/// How long FoundationDB may take for its first answer to a transaction, and for [`crate::Store::ping`]. What takes longer
/// is a cluster that cannot be reached.
pub const FDB_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long FoundationDB may take to commit; afterwards nobody knows whether it did.
pub const FDB_COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often [`crate::Store::ping`] asks FoundationDB, when it is asked to begin anew.
pub const FDB_PING_ATTEMPTS: usize = 3;

/// How often a range of FoundationDB is read while the same transaction writes at the same time; then it is run again.
pub const FDB_RANGE_ATTEMPTS: usize = 8;

/// Watches that FoundationDB's client admits. More than [`WATCHES_MAX`], for it lets go of a dropped one a little later;
/// itself it takes no more than a million.
pub const FDB_LIBRARY_WATCHES_MAX: usize = 2 * WATCHES_MAX;

/// Largest cluster file of FoundationDB, in bytes.
pub const FDB_CLUSTER_FILE_MAX_BYTES: u64 = 64 << 10;

/// How long the end of the process waits for FoundationDB's network thread.
pub const FDB_EXIT_WAIT: Duration = Duration::from_secs(5);
