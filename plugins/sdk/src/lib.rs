//! Makes plugins of Coditect in Rust.
//!
//! A plugin is a type with a trait for each interface that it offers, a line that exports them, and a manifest, `plugin.toml`:
//!
//! ```
//! use coditect_plugin_sdk::prelude::*;
//!
//! struct Hello;
//!
//! impl Commands for Hello {
//!     fn run(command: &str, _context: Context) -> Result<Outcome> {
//!         match command {
//!             "greet" => {
//!                 let name: String = settings::get("name")?;
//!                 log::info!("greeted {name}");
//!                 Ok(Outcome::message(format!("Hello, {name}!")))
//!             }
//!             _ => Err(Error::unknown("command", command)),
//!         }
//!     }
//! }
//!
//! plugin!(Hello: Commands);
//!
//! // In a test, outside of any host:
//! let _host = testing::Host::new().setting("name", "Ada").enter();
//! assert_eq!(Hello::run("greet", Context::default()), Ok(Outcome::message("Hello, Ada!")));
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes the component, and `cargo test` runs unit tests on the machine itself, with
//! [`testing`] in place of the host. `coditect-plugin new --language rust` writes a folder with everything in it.
//!
//! Every call is made to a new instance: what must outlive a call goes into [`storage`], and the state of a view travels with it. What the
//! plugin asks for stands in its manifest and has to be granted by its person; what was not is answered with [`Error::Denied`], so that a
//! plugin can go on without it.
//!
//! Most bytes of a small plugin are what panics print. A profile as the template has it keeps them away: `opt-level = "s"`, `lto = true`,
//! `strip = true`, `panic = "abort"`.

#[doc(hidden)]
pub mod bindings;
pub mod clock;
pub mod edits;
mod error;
#[doc(hidden)]
pub mod export;
pub mod files;
pub mod git;
mod host;
pub mod http;
mod json;
pub mod log;
pub mod models;
mod offers;
mod pages;
pub mod random;
mod reply;
pub mod search;
pub mod settings;
pub mod storage;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;
pub mod ui;
pub mod view;

pub use bindings::coditect::plugin::types::{
    Context, Diagnostic, Document, Message, Model, Position, Question, Range, Role, Severity, TextEdit,
};
pub use error::{Error, Result};
pub use json::Arguments;
pub use offers::{
    BeforeSave, BuildSteps, Change, Commands, Diagnostics, FileEvent, Filters, Finding, FormatOptions, Formatters,
    Hooks, Outcome, Participants, Providers, Report, Request, StatusItem, StatusItems, Tools, Verdict, Views,
};
pub use reply::Reply;
pub use text::LineIndex;

/// Everything that plugins commonly use.
pub mod prelude {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing;
    pub use crate::view::{
        Action, ActionKind, Node, Nodes, View, button, checkbox, code, column, heading, input, link, list, markdown,
        progress, row, select, separator, table, text, tree,
    };
    pub use crate::{
        Arguments, BeforeSave, BuildSteps, Change, Commands, Context, Diagnostic, Diagnostics, Document, Error,
        FileEvent, Filters, Finding, FormatOptions, Formatters, Hooks, LineIndex, Message, Model, Outcome,
        Participants, Position, Providers, Question, Range, Reply, Report, Request, Result, Role, Severity, StatusItem,
        StatusItems, TextEdit, Tools, Verdict, Views, clock, edits, files, git, http, log, models, plugin, random,
        search, settings, storage, ui,
    };
}
