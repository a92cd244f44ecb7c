//! What people have, as it is stored.

use std::collections::BTreeMap;

use coditect_protocol::plugin::CapabilityName;
use coditect_store::Record;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Where a plugin came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// From the registry: newer versions are taken by themselves, where they ask for nothing more.
    Registry,
    /// From a file that the person sent.
    File,
    /// From its author's machine, while it is worked on.
    Development,
}

/// A plugin of a person in a workspace, all three of which are in its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstallRow {
    pub(crate) version: String,
    /// The package: what it asks for is what was looked at.
    pub(crate) sha256: String,
    pub(crate) origin: Origin,
    /// Public key that signed it.
    pub(crate) signer: Option<String>,
    /// Each as the manifest of the package asks for it.
    pub(crate) granted: Vec<CapabilityName>,
    /// JSON.
    pub(crate) settings: BTreeMap<String, String>,
    /// Sealed JSON.
    pub(crate) secrets: BTreeMap<String, ByteBuf>,
    pub(crate) enabled: bool,
    /// Why it is not called any more.
    pub(crate) failed: Option<String>,
    pub(crate) installed_at: u64,
}

impl Record for InstallRow {
    const VERSION: u8 = 1;
}
