//! Confined files, watch, search, terminals and the sandbox of each workspace.
pub mod error;
pub mod import;
pub mod registry;
pub mod sandbox;
pub mod search;
pub mod terminals;
pub mod tree;
pub mod watch;

pub use error::WorkspaceError;
