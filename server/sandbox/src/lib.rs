//! The sandbox that everything a person runs goes through.
//!
//! One *sandbox* for each person in each workspace: all their terminals and tools there share its processes, its
//! network and its temporary files.
//!
//! * [`walls`] start a sandbox's first process, the [`agent`], which starts programs when told.
//! * [`net`] is the sandbox's way out: a user-space network stack that asks a policy before it connects.
//! * [`warden`] keeps all sandboxes within their limits.
//! * [`terminal`] keeps a pseudo-terminal and what it printed.
//! * [`supervisor`] is the process that holds all of them and outlives a restart of the server; [`client`] is how the
//!   server talks to it, by [`wire`].
//!
//! **May know:** `coditect-protocol`; nothing of HTTP, of the store or of people's rights. Runs on Linux.
//! **Invariants:**
//! * Nothing starts when no walls work, unless the operator chose [`SandboxMode::None`] in so many words.
//! * The environment of a program starts empty: nothing of the server's own reaches it.
//! * What a person may choose (environment, arguments, folder) never becomes an option of what builds the walls, and
//!   never takes effect outside them.

#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic"))]

pub mod agent;
pub mod client;
pub mod environment;
pub mod error;
pub mod net;
pub mod place;
mod processes;
pub mod program;
pub mod settings;
pub mod supervisor;
pub mod terminal;
pub mod walls;
pub mod warden;
pub mod wire;

pub use error::SandboxError;
pub use place::{Inside, Place, SandboxId, SingleUse};
pub use program::Program;
pub use settings::{Limits, SandboxMode, SandboxSettings, TerminalSettings};
