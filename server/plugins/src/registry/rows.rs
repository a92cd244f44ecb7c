//! What the registry stores.

use std::collections::BTreeMap;

use coditect_plugin_package::PublicKey;
use coditect_protocol::UserId;
use coditect_protocol::plugin::{
    ContractVersion, PluginPolicy, Publisher, PublisherKey, RegistryLogEntry, RegistryVersion,
};
use coditect_store::Record;
use serde::{Deserialize, Serialize};

/// A publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublisherRow {
    pub(crate) owner: Option<UserId>,
    pub(crate) created_at: u64,
    /// By their public keys.
    pub(crate) keys: BTreeMap<String, KeyRow>,
    /// Packages of all versions.
    pub(crate) bytes: u64,
    pub(crate) plugins: u64,
}

/// A key of a publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) added_at: u64,
    pub(crate) revoked_at: Option<u64>,
}

impl Record for PublisherRow {
    const VERSION: u8 = 1;
}

impl PublisherRow {
    pub(crate) fn new(owner: Option<UserId>, created_at: u64) -> Self {
        Self { owner, created_at, keys: BTreeMap::new(), bytes: 0, plugins: 0 }
    }

    /// Whether what a key signs counts.
    pub(crate) fn trusts(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|key| key.revoked_at.is_none())
    }

    pub(crate) fn show(&self, name: &str) -> Publisher {
        let mut keys: Vec<_> = self.keys.iter().map(|(key, row)| shown_key(key, row)).collect();
        keys.sort_by(|a, b| b.added_at.cmp(&a.added_at).then_with(|| a.id.cmp(&b.id)));
        Publisher { name: name.to_owned(), owner: self.owner, keys, created_at: self.created_at }
    }
}

fn shown_key(key: &str, row: &KeyRow) -> PublisherKey {
    PublisherKey { id: key_id(key), public_key: key.to_owned(), added_at: row.added_at, revoked_at: row.revoked_at }
}

/// The identifier of a stored key.
pub(crate) fn key_id(key: &str) -> String {
    PublicKey::parse(key).map(|key| key.id().to_string()).unwrap_or_default()
}

/// A version that was published. Which plugin and version it is stands in its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) published_at: u64,
    /// The public key that signed it.
    pub(crate) key: String,
    pub(crate) contract: ContractVersion,
    pub(crate) yanked: bool,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
}

impl Record for VersionRow {
    const VERSION: u8 = 1;
}

impl VersionRow {
    pub(crate) fn show(&self, version: &str, trusted: bool, downloads: u64) -> RegistryVersion {
        RegistryVersion {
            version: version.to_owned(),
            contract: self.contract,
            sha256: self.sha256.clone(),
            bytes: self.bytes,
            published_at: self.published_at,
            key: key_id(&self.key),
            downloads,
            yanked: self.yanked || !trusted,
        }
    }
}

/// What the operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PolicyRow(pub(crate) PluginPolicy);

impl Record for PolicyRow {
    const VERSION: u8 = 1;
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LogRow(pub(crate) RegistryLogEntry);

impl Record for LogRow {
    const VERSION: u8 = 1;
}

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRow {
    pub(crate) length: u64,
    /// Hash of the last entry.
    pub(crate) hash: String,
}

impl Record for HeadRow {
    const VERSION: u8 = 1;
}
