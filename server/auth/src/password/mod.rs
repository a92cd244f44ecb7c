//! Passwords: which are good enough, and how they are kept.

mod argon;
mod breached;
mod hasher;
mod rules;

pub(crate) use hasher::{Checked, Hasher};
pub use rules::Weakness;
pub(crate) use rules::check;
