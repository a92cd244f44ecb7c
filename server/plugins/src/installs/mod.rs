//! What people have installed: what they agreed to, what they set, what of it runs.
//!
//! A row is what was agreed to: a package by its SHA-256, and which of the capabilities that its manifest asks for were granted. `place`
//! holds the rows of one person in one workspace in memory, `change` writes them, `list` shows them and takes updates that ask for nothing
//! more, `review` is what somebody looks at before they agree.

mod change;
mod files;
mod follow;
mod forget;
mod install;
mod list;
mod place;
mod places;
mod reseal;
mod review;
pub(crate) mod rows;
mod values;

pub use follow::Following;
pub(crate) use place::{Entry, Place};
pub(crate) use places::Places;
