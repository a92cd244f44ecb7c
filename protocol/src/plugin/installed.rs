//! Plugins of a person in a workspace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::capability::{Asked, CapabilityName};
use super::id::PluginId;
use super::manifest::Manifest;
use crate::id::WorkspaceId;

/// Whether a plugin runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PluginState {
    /// It can be called.
    Ready,
    /// It is being translated for this machine.
    Preparing,
    /// Its person switched it off.
    Disabled,
    /// It failed, and is not called before then.
    Resting {
        /// Milliseconds since 1970.
        until: u64,
        /// What happened.
        reason: String,
    },
    /// It failed too often, and is not called until its person switches it on again.
    Failed {
        /// What happened last.
        reason: String,
    },
    /// An admin does not allow it.
    Blocked,
}

/// A plugin that a person installed in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Installed {
    /// What it says of itself, in the version that runs.
    pub manifest: Manifest,
    /// Whether it runs.
    #[serde(flatten)]
    #[cfg_attr(feature = "js", tsify(type = "PluginState"))]
    pub state: PluginState,
    /// What it was granted, by name: each as the manifest asks for it.
    pub granted: Vec<CapabilityName>,
    /// What was set, by identifier, as JSON. A secret that is set is `true`.
    #[cfg_attr(feature = "js", tsify(type = "Record<string, string>"))]
    pub settings: BTreeMap<String, String>,
    /// A newer version that would be taken if its person agreed to what it asks for more.
    #[serde(default)]
    pub update: Option<Review>,
    /// It comes from its author's machine and changes while it is worked on.
    #[serde(default)]
    pub development: bool,
    /// The registry offers this version no longer: it was taken back, or the key that signed it was revoked. It runs on.
    #[serde(default)]
    pub taken_back: bool,
    /// When it was installed, in milliseconds since 1970.
    pub installed_at: u64,
    /// Its calls so far, on this server.
    #[serde(default)]
    pub figures: PluginFigures,
}

/// What a plugin took so far, since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginFigures {
    /// Calls.
    pub calls: u64,
    /// Of those, how many failed by trap or limit.
    pub failures: u64,
    /// Time in calls, in microseconds.
    pub busy_micros: u64,
    /// The most memory a call took, in bytes.
    pub peak_memory_bytes: u64,
    /// Times it asked for what it was not granted.
    pub denials: u64,
}

/// Body of `GET /plugins/installed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstalledList {
    /// The plugins by name.
    pub plugins: Vec<Installed>,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum PackageSource {
    /// From the registry.
    Registry {
        /// The plugin.
        id: PluginId,
        /// The version; the newest where absent.
        #[serde(default)]
        version: Option<String>,
    },
    /// One that was sent before, to be looked at.
    File {
        /// SHA-256 of the file, in hexadecimal digits.
        sha256: String,
    },
}

/// Whether a package is what its publisher made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignatureState {
    /// Signed by a key that this server knows as the publisher's.
    Publisher {
        /// Its identifier.
        key: String,
    },
    /// Signed by a key that this server does not know.
    Unknown {
        /// Its identifier.
        key: String,
    },
    /// Not signed. Only for development.
    None,
}

/// What a person looks at before they consent. Body of `POST /plugins/review`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Review {
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of the package's file, in hexadecimal digits.
    pub sha256: String,
    /// Size of the package, in bytes.
    pub bytes: u64,
    /// Who signed it.
    pub signature: SignatureState,
    /// What it asks for beyond what it was granted in the workspace before; everything where it was not there.
    pub asks_more: Vec<Asked>,
    /// Stands for all that is asked for: whoever consents repeats it.
    pub consent: String,
    /// The version that is installed there now.
    pub installed: Option<String>,
}

/// Body of `POST /plugins/installed`: installs, or takes another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewInstall {
    /// Where.
    pub workspace: WorkspaceId,
    /// What.
    #[serde(flatten)]
    #[cfg_attr(feature = "js", tsify(type = "PackageSource"))]
    pub source: PackageSource,
    /// [`Review::consent`] of what the person saw.
    pub consent: String,
    /// What is granted of what is asked for; all of it where absent.
    #[serde(default)]
    pub grant: Option<Vec<CapabilityName>>,
}

/// Body of `PATCH /plugins/installed/{workspace}/{id}`. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// Switches it on (also after it failed too often) or off.
    pub enabled: Option<bool>,
    /// What it is granted from now on, of what its manifest asks for. Calls under way that use what it no longer has are refused it.
    pub granted: Option<Vec<CapabilityName>>,
    /// What to set, as JSON; `null` goes back to the default.
    #[cfg_attr(feature = "js", tsify(type = "Record<string, string | null>"))]
    pub settings: BTreeMap<String, Option<String>>,
}

/// A line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// `error`, `warn`, `info` or `debug`; `host` for what the host says about it.
    pub level: String,
    /// What.
    pub text: String,
}

/// Something that a plugin was not granted, and asked for all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Denial {
    /// When it did so last, in milliseconds since 1970.
    pub at: u64,
    /// Which capability it takes.
    pub capability: CapabilityName,
    /// What it asked for: a path, a host, a model.
    pub subject: String,
    /// How often.
    pub count: u64,
}

/// What a plugin said and was denied. Body of `GET /plugins/installed/{workspace}/{id}/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginLog {
    /// The newest last; at most 1000, of the calls on this server.
    pub lines: Vec<LogLine>,
    /// The newest first; at most 100.
    pub denials: Vec<Denial>,
}
