//! Confined files, watch, search, terminals and the sandbox of each workspace.
//!
//! * [`tree`] reads and writes below one directory handle and nowhere else.
//! * [`usage`] counts what a workspace takes on the disk, and holds writes to its quota.
//! * [`watch`] tells what changed below a tree, with one watcher however many listen.
//! * [`registry`] knows who may do what in which workspace, and gives out trees only to them.
//! * [`presence`] tells people who share a workspace of each other.
//! * [`import`] fills a new workspace from a git repository or an archive.
//! * [`git`] forwards what is asked of repositories to a helper in the person's sandbox, and keeps their logins.
//! * [`search`] finds files and text below a tree, and replaces text; [`index`] knows the paths of trees that are searched often.
//! * [`terminals`] runs programs on pseudo-terminals, inside sandboxes.
//!
//! **May know:** `coditect-protocol` and `coditect-store`; nothing of HTTP, of sessions or of models. Runs on Linux.
//! **Invariants:**
//! * A path from outside is a [`coditect_protocol::RelPath`] and is resolved by the kernel beneath a directory handle. No
//!   symbolic link, `..` or race of renames leads out of it.
//! * A file is replaced whole or not at all, and never when it is not the version that the writer knew.
//! * Nothing of one person can be reached through the handle of another; a missing right looks like a missing thing.
//! * The file system is touched on threads that may block, never on those that drive tasks.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic"))]

pub mod error;
pub mod git;
pub mod import;
pub mod index;
#[cfg(test)]
mod needs;
pub mod presence;
pub mod registry;
pub mod search;
pub mod terminals;
pub mod tree;
pub mod usage;
pub mod watch;

pub use coditect_sandbox as sandbox;
pub use error::WorkspaceError;
