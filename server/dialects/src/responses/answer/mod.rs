//! What comes back.

mod items;
mod read;
mod write;

pub(crate) use read::{Reader, tokens};
pub(crate) use write::{Writer, whole};
