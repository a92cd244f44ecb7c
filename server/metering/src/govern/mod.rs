//! What governs calls: the admins' policy, as it is asked for at every call.

mod pattern;
mod policies;
mod rules;
mod validate;

pub use pattern::fits;
pub(crate) use policies::Policies;
#[cfg(test)]
pub(crate) use policies::PolicyRow;
pub use rules::Rules;
pub(crate) use validate::check;
