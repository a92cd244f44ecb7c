//! The registry's log: what was published, taken back and signed with, in a chain that cannot be changed unnoticed.

use serde::{Deserialize, Serialize};

/// What happened in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RegistryAction {
    /// A version was published.
    Publish,
    /// A version was taken back.
    Yank,
    /// A version that was taken back is offered again.
    Restore,
    /// A publisher got a key; with the first one, the name was taken.
    AddKey,
    /// A key of a publisher counts no more.
    RevokeKey,
}

/// An entry of the registry's log.
///
/// `hash` is the SHA-256 of `coditect-plugin-registry-log-v1`, a zero byte, and the entry without `hash` as JSON: without spaces, its
/// fields in the order in which they stand here, those that are absent left out. `previous` is the hash of the entry before it; of the
/// first it is 64 zeros.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryLogEntry {
    /// Its number, from 0.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What happened.
    pub action: RegistryAction,
    /// Whose plugins or keys it is about.
    pub publisher: String,
    /// The plugin, without its publisher's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of the package's file, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The public key: of who signed it, or that was added or revoked. Ed25519, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Hash of the entry before it, in hexadecimal digits.
    pub previous: String,
    /// Its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// Body of `GET /plugins/registry/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryLogPage {
    /// Entries in their order.
    pub entries: Vec<RegistryLogEntry>,
    /// How many there are in all.
    pub length: u64,
    /// Where to read on, as `from`, where there are more.
    #[serde(default)]
    pub next: Option<u64>,
}

/// A file of the mirror directory that is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MirrorFault {
    /// Its name in the directory.
    pub file: String,
    /// Why not, as a sentence.
    pub reason: String,
}
