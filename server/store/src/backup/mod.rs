//! Backups: all rows of a store in one file, made while the store is in use.
//!
//! # The file
//!
//! Numbers are little-endian. It begins with the sixteen bytes `coditect-backup\n` and the number of the format (4 bytes),
//! 1 now. Blocks follow:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind |
//! | 8 | number of the block, from 0 |
//! | 4 | length of the content, at most [`limits::BACKUP_BLOCK_MAX_BYTES`] |
//! | length | content |
//! | 4 | CRC-32 (ISO-HDLC) of all of the block before it |
//!
//! The first block (kind 0) says what was backed up and when, the last (kind 2) how many rows there are, their SHA-256, and
//! the greatest version in them; both are [`crate::Record`]s. Between them are blocks of rows (kind 1), each row the length of
//! its key (2), the length of its value (4), the key and the value, all in the order of their keys. The SHA-256 is that of
//! the contents of these blocks. Nothing comes behind the last block: a file that was cut off has none.
//!
//! # One state or several
//!
//! The memory and the embedded backend hold one state for as long as it takes. Elsewhere a state lasts as long as a
//! transaction, so a backup that takes longer is put together from several, and [`Summary::states`] says so: rows that were
//! written meanwhile may be missing their counterparts. Stop the servers for one state.
//!
//! # A running server
//!
//! The directory of an embedded store belongs to one process. That process answers backups on the socket `backup.sock` in
//! the directory ([`online`]), as a stream of the very same form; [`Origin::open`] finds it by itself.

pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod online;
mod origin;
mod schedule;
pub(crate) mod source;

pub use origin::{Checked, Origin};
pub use schedule::BackupSchedule;

use crate::error::StoreError;
#[cfg(doc)]
use crate::limits;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How far a long work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Rows so far.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are read, and nothing is written.
    Checking,
    /// Rows of the target are taken away.
    Clearing,
    /// Rows are read and written.
    Copying,
    /// What was written is read again.
    Verifying,
}

/// What was read, backed up or copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// SHA-256 of the rows in their order; the same for the same rows, wherever they are.
    pub digest: [u8; 32],
    /// States of the store that they were read from; rows of one state belong together.
    pub states: u64,
    /// A version that no commit among them exceeds.
    pub version: u64,
}

impl Summary {
    /// The digest, for people.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Store {
    /// Writes all rows to a file, while the store is in use. The file has its name when it is whole and on the disk; a former
    /// backup of that name is replaced. Who drops the future leaves nothing behind.
    pub async fn backup(&self, file: &Path, progress: impl Fn(Progress) + Send + Sync) -> Result<Summary, StoreError> {
        Origin::store(self.clone()).backup_to(file, progress).await
    }
}
