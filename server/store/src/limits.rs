//! Limits of the store. Those of a transaction are FoundationDB's and hold on every backend.

use std::time::Duration;

/// Largest key, in bytes.
pub const KEY_MAX_BYTES: usize = 10_000;

/// Largest value, in bytes.
pub const VALUE_MAX_BYTES: usize = 100_000;

/// Largest transaction, in bytes: its keys, its values and the bounds of what it read.
pub const TRANSACTION_MAX_BYTES: usize = 10_000_000;

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
pub const EMBEDDED_CACHE_DEFAULT_MIB: usize = 64;

/// Least and most that `?cache_mib=` may say.
pub const EMBEDDED_CACHE_MIB: std::ops::RangeInclusive<usize> = 1..=1_048_576;
