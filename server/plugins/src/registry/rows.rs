//! What the registry stores.

use std::collections::BTreeMap;

use coditect_plugin_package::PublicKey;
use coditect_protocol::UserId;
use coditect_protocol::plugin::{
    ContractVersion, PluginPolicy, Publisher, PublisherKey, RegistryLogEntry, RegistryVersion,
};
use coditect_store::{Record, StoreError};
use serde::{Deserialize, Serialize};

use crate::PluginsError;
use crate::settings::MAX_RESTORES;

/// A publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublisherRow {
    pub(crate) owner: Option<UserId>,
    pub(crate) created_at: u64,
    /// By their public keys.
    pub(crate) keys: BTreeMap<String, KeyRow>,
    /// What the store keeps of the packages of all versions.
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

    /// Whether a key counted once, and does no longer.
    pub(crate) fn revoked(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|key| key.revoked_at.is_some())
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
    /// How often it was offered again.
    #[serde(default)]
    pub(crate) restored: u32,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
}

impl Record for VersionRow {
    const VERSION: u8 = 2;

    /// What was written before has all fields but those with a default.
    fn upgrade(_version: u8, body: &[u8]) -> Result<Self, StoreError> {
        Self::decode_body(body)
    }
}

impl VersionRow {
    /// Takes it back, which can always be done, or offers it again: that so often that the log of it has an end.
    pub(crate) fn turn(&mut self, yanked: bool) -> Result<(), PluginsError> {
        if !yanked && self.restored >= MAX_RESTORES {
            let remedy = "publish a new one";
            return Err(PluginsError::TooMany {
                what: "times that one version is offered again",
                most: MAX_RESTORES.into(),
                remedy,
            });
        }
        self.restored += u32::from(!yanked);
        self.yanked = yanked;
        Ok(())
    }

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
