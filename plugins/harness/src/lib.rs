//! A plugin in the real host, with surroundings that a test makes up: for authors' tests, in Rust and in every other language.
//!
//! * [`Harness`] is a plugin that was loaded; [`Harness::session`] puts it into surroundings: files, settings, rights, language models
//!   that answer by a script, a git repository, a server on this machine. Nothing outside of them is touched.
//! * [`declared`] reads tests from `tests/*.toml` and runs them: that is what `coditect-plugin test` does.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use coditect_plugin_harness::Harness;
//!
//! let harness = Harness::of_folder("my-plugin".as_ref()).await?;
//! let session = harness.session().file("notes.md", "#A\n").setting("name", "Ada").start();
//! assert_eq!(session.format("notes.md").await?, "# A\n");
//! assert!(session.denials().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! **May know:** the host, the package crate and the protocol. **Invariants:** what a plugin is granted here is checked by the same code
//! as on a server; each session starts from nothing.

pub mod declared;
mod edits;
mod error;
mod folder;
mod harness;
mod session;
mod surroundings;

pub use edits::apply;
pub use error::HarnessError;
pub use folder::{COMPONENT_LEFT_BY_BUILD, package_of_folder};
pub use harness::Harness;
pub use session::{Commanded, Denied, Reply, Session, SessionBuilder};
pub use surroundings::{
    GitState, HttpAnswer, HttpSeen, LogLine, Notice, ScriptedAnswer, TEST_MODEL, TestServer, Workspace,
};
