//! Git for one workspace, in a process of its own.
//!
//! The server starts `coditect-git serve` inside the sandbox of the person who asks, in the workspace's folder, and speaks with it over
//! its standard streams ([`wire`]). Commits, references and contents are read in the process, with `gix`; patches, blame and the
//! state of a work tree are asked of `git`, whose bytes they have to be, and everything that changes something is carried out by
//! `git`.
//!
//! **May know:** `coditect-protocol`; nothing of people, of the server or of how sandboxes are made. Without the feature `helper` it
//! is the messages alone, which is what the server takes of it.
//! **Invariants:**
//! * No shell, no word of a request that `git` could take for an option, no prompt, no pager, no editor.
//! * Reading runs no program but `git`: no filter, hook, monitor or shell that a repository or anybody's configuration names, also
//!   where that changes meanwhile ([`wall`]). It takes no lock, speaks with nobody, and does not enter submodules. After a status that
//!   was slow, an index that does not fit its files any more is refreshed on a copy; git's lock is held while that takes its place.
//! * A login of the person reaches the `git` that fetches or pushes over `https`, for hosts that the server was told before it began.
//!   That `git` does not read the repository's own configuration, which others may change, but what was checked of it
//!   ([`write`]); no hook runs meanwhile.
//! * Whatever runs for a request ends with it. Every answer is bounded in bytes, entries and time.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic"))]

pub mod wire;

#[cfg(feature = "helper")]
mod credential;
#[cfg(feature = "helper")]
mod error;
#[cfg(feature = "helper")]
mod faults;
#[cfg(feature = "helper")]
mod filters;
#[cfg(feature = "helper")]
mod limits;
#[cfg(feature = "helper")]
mod names;
#[cfg(feature = "helper")]
mod patch;
#[cfg(feature = "helper")]
mod progress;
#[cfg(feature = "helper")]
mod read;
#[cfg(feature = "helper")]
mod repository;
#[cfg(feature = "helper")]
mod run;
#[cfg(feature = "helper")]
mod serve;
#[cfg(feature = "helper")]
mod wall;
#[cfg(feature = "helper")]
mod work;
#[cfg(feature = "helper")]
mod write;

#[cfg(feature = "helper")]
pub use credential::answer as credential_helper;
#[cfg(feature = "helper")]
pub use error::GitError;
#[cfg(feature = "helper")]
pub use limits::{BLOCKING_THREADS, THREAD_STACK_BYTES};
#[cfg(feature = "helper")]
pub use serve::{Settings, serve};
