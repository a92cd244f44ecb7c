//! The registry: what is published, by whom.

use serde::{Deserialize, Serialize};

use super::id::{ContractVersion, PluginId};
use super::installed::PluginFigures;
use super::manifest::Manifest;
use super::transparency::MirrorFault;
use crate::id::UserId;

/// A plugin among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryEntry {
    /// Its name.
    pub id: PluginId,
    /// What people call it.
    pub title: String,
    /// What it is good for.
    pub description: String,
    /// Words it is found by.
    pub keywords: Vec<String>,
    /// The newest version that was not yanked.
    pub version: String,
    /// Contract of that version.
    pub contract: ContractVersion,
    /// How often it was fetched or installed.
    pub downloads: u64,
    /// When that version was published, in milliseconds since 1970.
    pub published_at: u64,
    /// The operator's list allows it.
    pub allowed: bool,
}

/// Body of `GET /plugins/registry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryPage {
    /// The plugins, what matches best first; those most fetched first where nothing was searched for.
    pub plugins: Vec<RegistryEntry>,
    /// For the next page, as `after`.
    pub next: Option<String>,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryVersion {
    /// As Semantic Versioning has it.
    pub version: String,
    /// Contract it was written against.
    pub contract: ContractVersion,
    /// SHA-256 of the package's file, in hexadecimal digits.
    pub sha256: String,
    /// Size of the package, in bytes.
    pub bytes: u64,
    /// When it was published, in milliseconds since 1970.
    pub published_at: u64,
    /// Identifier of the publisher's key that signed it.
    pub key: String,
    /// How often it was fetched or installed.
    pub downloads: u64,
    /// Taken back: nobody installs it anew.
    pub yanked: bool,
}

/// Whether a version is taken back. Body of `POST /plugins/registry/{id}/{version}/yank`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Yank {
    /// Nobody installs it anew; where it is false, it is offered again.
    pub yanked: bool,
}

/// Everything about a plugin. Body of `GET /plugins/registry/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryPlugin {
    /// What its newest version says of itself.
    pub manifest: Manifest,
    /// Its `README.md`, where it has one: Markdown.
    pub readme: Option<String>,
    /// All versions, the newest first.
    pub versions: Vec<RegistryVersion>,
    /// Fetched or installed, all versions together.
    pub downloads: u64,
    /// The operator's list allows it.
    pub allowed: bool,
}

/// A publisher's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublisherKey {
    /// Identifier: the first 16 hexadecimal digits of the SHA-256 of the public key.
    pub id: String,
    /// The public key: Ed25519, base64.
    pub public_key: String,
    /// When it was added, in milliseconds since 1970.
    pub added_at: u64,
    /// Nothing that it signed is accepted any more since then.
    #[serde(default)]
    pub revoked_at: Option<u64>,
}

/// Somebody who publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Publisher {
    /// The first part of the names of their plugins.
    pub name: String,
    /// Who it belongs to, where it belongs to somebody of this server.
    pub owner: Option<UserId>,
    /// Their keys, the newest first.
    pub keys: Vec<PublisherKey>,
    /// When the name was taken, in milliseconds since 1970.
    pub created_at: u64,
}

/// All who publish. Body of `GET /admin/plugins/publishers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishersPage {
    /// The publishers by name.
    pub publishers: Vec<Publisher>,
    /// For the next page, as `after`.
    pub next: Option<String>,
}

/// Body of `POST /plugins/publishers`: takes a name, or adds a key to one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPublisher {
    /// The name.
    pub name: String,
    /// Public key: Ed25519, base64.
    pub public_key: String,
}

/// Who may publish in the server's registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhoMayPublish {
    /// Everybody who can log in.
    Everybody,
    /// Admins.
    #[default]
    Admins,
    /// Nobody: only what the mirror directory holds.
    Nobody,
}

/// What an admin allows. Body of `GET` and `PUT /admin/plugins/policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PluginPolicy {
    /// Only these may be installed, as `publisher.name` or `publisher.*`; all where it is absent. What is installed already stays.
    pub allow: Option<Vec<String>>,
    /// These run nowhere, also where they are installed already.
    pub block: Vec<String>,
    /// Who may publish.
    pub publish: WhoMayPublish,
    /// Packages that are in no registry may be installed from a file, and worked on. So it is unless somebody says otherwise: who may use a
    /// workspace may run any program in its terminals, with fewer walls.
    pub files: bool,
    /// People may grant requests into private networks, where the server's setting `plugin_private_hosts` allows them as well.
    pub private_hosts: bool,
}

/// What a plugin took on a server, whoever called it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginUsage {
    /// The plugin; `other` for those that are called least, together.
    pub plugin: String,
    /// What it took.
    pub figures: PluginFigures,
}

/// How plugins do on a server. Body of `GET /admin/plugins`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginsOverview {
    /// Plugins in the registry.
    pub plugins: u64,
    /// Their versions.
    pub versions: u64,
    /// Plugins in this server's memory.
    pub loaded: u64,
    /// The server's setting `plugin_private_hosts`: without it, the policy's `private_hosts` does nothing.
    pub private_hosts: bool,
    /// Files of the mirror directory that are not offered.
    pub mirror_faults: Vec<MirrorFault>,
    /// What plugins took since the server started, by name.
    pub usage: Vec<PluginUsage>,
}

impl Default for PluginPolicy {
    fn default() -> Self {
        Self { allow: None, block: Vec::new(), publish: WhoMayPublish::default(), files: true, private_hosts: false }
    }
}
