//! The host, as this crate asks it: in a plugin the contract's imports, elsewhere their double of [`crate::testing`].

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::coditect::plugin::{
    answer, clock, files, git, http, log, models, random, search, settings, storage, ui,
};
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::imports::{
    answer, clock, files, git, http, log, models, random, search, settings, storage, ui,
};
