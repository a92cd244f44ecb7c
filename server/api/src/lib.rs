//! The Coditect server: configuration, routes, layers, start and stop.
//!
//! [`settings`] turns flags, variables and one file into [`settings::Settings`]; [`server`] opens the store and the features with
//! them and serves until it is told to stop; [`routes`] translates HTTP into calls of the features, [`link`] does the same for the
//! one WebSocket of each page.
//!
//! **May know:** every feature crate; none of them knows this one. **Invariants:** a route holds no logic of a feature; nobody reaches
//! a workspace, terminal or file without an [`identity::Identity`] that was checked against the session row for that very call;
//! every error leaves as a [`coditect_protocol::Problem`] with a stable code.

mod accounts;
pub mod cli;
mod connection;
mod denials;
mod descriptors;
mod doors;
pub mod error;
mod features;
pub mod identity;
mod layers;
pub mod link;
mod master_key;
mod plugins;
pub mod problem;
mod programs;
pub mod routes;
pub mod server;
mod serving;
pub mod settings;
mod standby;
mod state;
mod static_files;

pub use state::AppState;
