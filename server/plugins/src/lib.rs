//! Plugins of people: what is published, what they installed and agreed to, what runs of it, and what came of that.
//!
//! * `registry/` is who publishes, what is published, and what of it the operator allows; `packages/` keeps the files.
//! * `installs/` is what people have in their workspaces; `storage/` what the plugins keep there.
//! * `running/` loads what is called; `calls/` calls it; `supervise/` rests and ends what fails; `log/`, `metrics/` and `offers` tell of
//!   it.
//!
//! **May know:** the host and package crates, the store, the protocol. Nothing of HTTP, and nothing of workspaces but their identifiers:
//! [`Surroundings`] brings files, search, models and git. Who may use a workspace was checked before anything here is asked.
//! **Invariants:**
//! * Person and workspace are part of every key: nothing of one is reached by another.
//! * A plugin runs with what its person agreed to for this very package, or for one that asked for no less; whoever takes something away
//!   takes it from calls under way too.
//! * A version that was published never changes, and what was done in the registry stands in a chain that cannot be changed unnoticed.
//! * A package is there whole, or not at all, whenever the server dies.
//! * What is in memory is bounded, whatever plugins do and however many there are.

mod calls;
mod error;
mod follow;
mod installs;
mod keys;
mod log;
mod lru;
mod metrics;
mod news;
mod offers;
mod packages;
mod plugins;
mod registry;
mod running;
mod settings;
mod storage;
mod supervise;
#[cfg(test)]
mod tests;
mod time;
mod traits;

pub use calls::{Filtered, ProvidedModels};
pub use error::PluginsError;
pub use installs::Following;
pub use offers::{OfferIndex, Offered};
pub use plugins::Plugins;
pub use registry::{Author, Download, Registry};
pub use running::{Compiler, Engine};
pub use settings::{
    MAX_DENIALS, MAX_KEYS_PER_PUBLISHER, MAX_LOG_LINE_BYTES, MAX_LOG_LINES, MAX_LOG_PAGE, MAX_NOTICE_BYTES, MAX_PAGE,
    MAX_POLICY_ENTRIES, MAX_QUERY_BYTES, MAX_RESTORES, MAX_SETTING_BYTES, MAX_SETTINGS_BYTES, MAX_VALUE_BYTES,
    MAX_VALUE_KEY_BYTES, PluginSettings,
};
pub use supervise::{FAULTS_AT_MOST, FAULTS_IN_A_ROW, FAULTS_WITHIN, FIRST_REST, LONGEST_REST};
pub use traits::{BuildSteps, OfferedStep, OfferedTool, PluginTools, Surroundings};
