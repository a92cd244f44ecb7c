//! What an operator says, and the limits that nobody changes.

use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What an operator says about plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSettings {
    /// A directory whose packages are offered as if they were published; none where absent.
    pub mirror: Option<PathBuf>,
    /// How often that directory is looked at.
    pub mirror_interval: Duration,
    /// Most bytes of one package's file.
    pub package_bytes: u64,
    /// Most publishers that one person has.
    pub publishers_per_person: usize,
    /// Names of publishers that only admins take.
    pub reserved_publishers: Vec<String>,
    /// Most plugins of one publisher.
    pub plugins_per_publisher: usize,
    /// Most versions of one plugin.
    pub versions_per_plugin: usize,
    /// Most bytes that are kept of all packages of one publisher.
    pub publisher_bytes: u64,
    /// Most plugins of the registry. What is said of them is held in memory.
    pub registry_plugins: usize,
    /// Most versions of all plugins together. What is said of them is held in memory.
    pub registry_versions: usize,
    /// Most plugins that a person has in one workspace.
    pub installs_per_workspace: usize,
    /// Most packages of a person that are in no registry: installed from files, in development, or sent to be looked at.
    pub files_per_person: usize,
    /// Most bytes that are kept of those packages.
    pub file_bytes_per_person: u64,
    /// How long a package that was sent waits to be installed.
    pub upload_keep: Duration,
    /// Bytes of loaded plugins that are held in memory: those called last.
    pub loaded_bytes: u64,
    /// Plugins that are translated at once.
    pub compiles_at_once: usize,
    /// Packages that are read or written at once, each of which takes memory for all of it.
    pub packages_at_once: usize,
    /// Workspaces of people whose plugins are held in memory: those used last.
    pub places: usize,
    /// Most who follow lists at once.
    pub followers: usize,
    /// Bytes of all plugins' logs: those written last.
    pub log_bytes: usize,
    /// How long a person's own plugins are left alone at a workspace before they are let go from memory.
    pub place_idle: Duration,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            mirror: None,
            mirror_interval: Duration::from_secs(30),
            package_bytes: 64 * MIB,
            publishers_per_person: 10,
            reserved_publishers: vec!["coditect".to_owned()],
            plugins_per_publisher: 100,
            versions_per_plugin: 500,
            publisher_bytes: 2 * GIB,
            registry_plugins: 20_000,
            registry_versions: 200_000,
            installs_per_workspace: 100,
            files_per_person: 64,
            file_bytes_per_person: GIB,
            upload_keep: Duration::from_secs(60 * 60),
            loaded_bytes: 512 * MIB,
            compiles_at_once: 1,
            packages_at_once: 4,
            places: 4_096,
            followers: 10_000,
            log_bytes: 32 << 20,
            place_idle: Duration::from_secs(10 * 60),
        }
    }
}

/// Keys of one publisher, also those that were revoked.
pub const MAX_KEYS_PER_PUBLISHER: usize = 20;
/// Times that a version which was taken back is offered again.
pub const MAX_RESTORES: u32 = 10;
/// Entries of the operator's lists, each.
pub const MAX_POLICY_ENTRIES: usize = 1_000;
/// Plugins that one page of a search has at the most.
pub const MAX_PAGE: usize = 100;
/// Longest text that is searched for, in bytes.
pub const MAX_QUERY_BYTES: usize = 256;
/// Entries of the registry's log that one page has at the most.
pub const MAX_LOG_PAGE: usize = 500;
/// What a person set in one plugin takes at the most, in bytes.
pub const MAX_SETTINGS_BYTES: usize = 48 * 1024;
/// Longest text of one setting, in bytes.
pub const MAX_SETTING_BYTES: usize = 4 * 1024;
/// Lines that are kept of a plugin's log.
pub const MAX_LOG_LINES: usize = 1_000;
/// Longest line of a log, in bytes; more is cut off.
pub const MAX_LOG_LINE_BYTES: usize = 4 * 1024;
/// Things that a plugin was denied, which are kept apart.
pub const MAX_DENIALS: usize = 100;
/// Longest key of a plugin's value, in bytes.
pub const MAX_VALUE_KEY_BYTES: usize = 256;
/// Largest value that a plugin keeps, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Longest text that a plugin tells its person, in bytes; more is cut off.
pub const MAX_NOTICE_BYTES: usize = 1_000;
