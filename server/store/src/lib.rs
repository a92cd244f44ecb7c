//! The store: serializable transactions over ordered keys, the same on every backend.
//!
//! The contract is FoundationDB's: optimistic transactions that read one snapshot, keep their writes to themselves until
//! commit and are refused when something they read was changed meanwhile; [`Store::transact`] runs them again. The limits
//! of [`limits`] hold on every backend.
//!
//! ```
//! # async fn example() -> Result<(), coditect_store::StoreError> {
//! use coditect_store::{Store, StoreError, Subspace};
//!
//! let store = Store::open("memory:").await?;
//! let visits = Subspace::root("example").pack(&"visits");
//! store
//!     .transact(|tx| {
//!         let visits = visits.clone();
//!         async move {
//!             tx.add(&visits, 1)?;
//!             Ok::<_, StoreError>(())
//!         }
//!     })
//!     .await
//! # }
//! ```
//!
//! **May know:** `coditect-protocol`, for codes of errors; nothing of what is stored. **Invariants:**
//! * Nothing above this crate names a backend: it is chosen by a URL and seen only as [`Store::backend_name`].
//! * Above `backend.rs` nothing knows how a backend works; the seam is a whole transaction, so that a backend whose client
//!   library brings its own conflict detection (FoundationDB) fits beside those that share `engine/`.
//! * A commit that was acknowledged is durable, and every transaction that begins afterwards sees it.
//! * A commit whose result is unknown ([`StoreError::CommitUnknown`]) is run again by [`Store::transact`]: what a closure
//!   writes must be safe to write twice. Make identifiers outside the closure, and set values instead of counting where
//!   one more count would matter, or use [`Store::transact_once`].

#[cfg(test)]
mod around;
mod backend;
mod backup;
mod copy;
mod embedded;
mod engine;
mod error;
mod foundationdb;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod keys;
pub mod limits;
mod memory;
mod mutation;
mod once;
mod range;
mod record;
mod seal;
mod socket;
mod store;
mod transaction;
#[cfg(test)]
mod unsure;
mod url;
mod watch;

pub use backup::{BackupSchedule, Checked, Origin, Phase, Progress, Summary};
pub use bytes::Bytes;
pub use copy::OnTarget;
pub use error::StoreError;
pub use foundationdb_tuple as tuple;
pub use keys::Subspace;
pub use mutation::AtomicOp;
pub use once::OnceId;
pub use range::{KeyValue, Range, Rows};
pub use record::{Record, check_form};
pub use seal::{MASTER_KEY_BYTES, MASTER_KEYS_MAX, MasterKey};
pub use socket::StoreServer;
pub use store::{Committed, Store};
pub use transaction::Transaction;
pub use watch::Watch;
