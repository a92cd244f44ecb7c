//! Everything that can go wrong here, with its stable code.

use coditect_plugin_host::{CallError, HostError};
use coditect_plugin_package::PackageError;
use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

use crate::settings::{MAX_KEYS_PER_PUBLISHER, MAX_POLICY_ENTRIES, MAX_QUERY_BYTES, MAX_SETTINGS_BYTES};

/// Why something about plugins was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PluginsError {
    /// There is no such plugin in the registry.
    #[error("There is no plugin {0} in the registry; look how it is written.")]
    NoPlugin(String),
    /// There is no such version, or it may not be had.
    #[error("There is no version {version} of {id}; its page lists those that there are.")]
    NoVersion {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
    },
    /// It was taken back, or its key was revoked.
    #[error("Version {version} of {id} was taken back by its publisher; take another one.")]
    Yanked {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
    },
    /// The person has no such plugin in the workspace.
    #[error("The plugin {0} is not installed in this workspace.")]
    NotInstalled(String),
    /// The package that was looked at is not there any more.
    #[error("This package is not here any more; send it again.")]
    NoUpload,
    /// There is no such file in the package.
    #[error("The plugin has no file {0} that is shown.")]
    NoAsset(String),
    /// There is no such publisher, or no such key.
    #[error("There is no publisher {0}, or it has no such key.")]
    NoPublisher(String),
    /// The name belongs to somebody else.
    #[error("The publisher {0} belongs to somebody else; choose another name.")]
    NotYours(String),
    /// The name is kept for admins.
    #[error("The publisher {0} is for admins only; choose another name.")]
    Reserved(String),
    /// A publisher's name is not well formed.
    #[error("A publisher is named with lower-case letters, digits and single hyphens between them, at most 40 bytes.")]
    BadPublisher,
    /// A key that was revoked, or that is somebody else's.
    #[error("This key cannot be used: it was revoked, or it is another publisher's; make a new one.")]
    KeyTaken,
    /// The operator lets others publish.
    #[error("You may not publish here; an admin decides who may.")]
    MayNotPublish,
    /// The package is not signed.
    #[error("The package is not signed; sign it with `coditect-plugin sign`.")]
    Unsigned,
    /// It was signed by a key that is not its publisher's, or was revoked.
    #[error(
        "The package is signed by key {key}, which is none that {publisher} uses now; add the key, or sign with another."
    )]
    KeyUnknown {
        /// The key.
        key: String,
        /// The publisher.
        publisher: String,
    },
    /// The same version with another content.
    #[error("Version {version} of {id} was published before with another content; raise the version.")]
    VersionExists {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
    },
    /// A newer version of the same line is there.
    #[error("Version {newest} of {id} is there already, and {version} is not newer; raise the version.")]
    VersionOld {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
        /// The one that is there.
        newest: String,
    },
    /// It was written against a contract that this server does not have.
    #[error("The plugin was written against contract {found}, and this server has {served}; build it against that.")]
    Contract {
        /// What it wants.
        found: String,
        /// What there is.
        served: String,
    },
    /// The package is larger than packages may be here.
    #[error("The package has {bytes} bytes, and {most} are the most here; leave out what it does not need.")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// What it may have.
        most: u64,
    },
    /// There are too many of something.
    #[error("There may be at most {most} {what}; {remedy}.")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        most: u64,
        /// What helps.
        remedy: &'static str,
    },
    /// What was agreed to is not what it asks for.
    #[error("The plugin asks for something else than what you saw; look at it again.")]
    ConsentChanged,
    /// Something was granted that is not asked for.
    #[error("The plugin does not ask for {0}, so that it cannot be granted.")]
    NotAsked(String),
    /// An older version would replace a newer one.
    #[error("Version {installed} is installed, which is newer than {version}; name the version to go back to it.")]
    Downgrade {
        /// The one that is there.
        installed: String,
        /// The one that would replace it.
        version: String,
    },
    /// What is installed came from somebody else.
    #[error("What is installed as {0} came from somebody else; uninstall it first, which forgets its values.")]
    OtherSigner(String),
    /// The operator does not allow it.
    #[error("An admin does not allow {0} here.")]
    NotAllowed(String),
    /// Packages from files are not allowed.
    #[error("Plugins are installed from the registry only here; an admin can allow files.")]
    NoFiles,
    /// The person switched it off.
    #[error("The plugin {0} is switched off; switch it on to use it.")]
    Disabled(String),
    /// It failed, and rests.
    #[error("The plugin {id} failed and rests for {} s; {reason}", .rest_ms.div_ceil(1000))]
    Resting {
        /// The plugin.
        id: String,
        /// Until when, in milliseconds since 1970.
        until: u64,
        /// How long that is.
        rest_ms: u64,
        /// What happened.
        reason: String,
    },
    /// It failed too often.
    #[error("The plugin {id} failed too often and is not called any more; switch it on to try again. {reason}")]
    Failed {
        /// The plugin.
        id: String,
        /// What happened last.
        reason: String,
    },
    /// A filter of conversations cannot be asked, so that nothing passes.
    #[error("The plugin {id} looks at conversations and could not ({reason}); switch it off to go on without it.")]
    Filter {
        /// The plugin.
        id: String,
        /// Why not.
        reason: String,
    },
    /// The setting is not there.
    #[error("The plugin has no setting {0}.")]
    NoSetting(String),
    /// The value cannot be put there.
    #[error("The setting {id} cannot be that: {what}.")]
    BadSetting {
        /// The setting.
        id: String,
        /// What it takes.
        what: &'static str,
    },
    /// All values together are too large.
    #[error("The settings of a plugin take at most {MAX_SETTINGS_BYTES} bytes; shorten some.")]
    SettingsTooLarge,
    /// An entry of the policy is no plugin.
    #[error("{0} is no plugin; write publisher.name or publisher.*, and at most {MAX_POLICY_ENTRIES} of them.")]
    BadPolicy(String),
    /// What is searched for is too long.
    #[error("What is searched for has at most {MAX_QUERY_BYTES} bytes; shorten it.")]
    BadQuery,
    /// It was made by somebody else than this server.
    #[error("This does not name a page of the registry; begin at the first.")]
    BadCursor,
    /// A publisher has too many keys.
    #[error("A publisher has at most {MAX_KEYS_PER_PUBLISHER} keys, revoked ones included.")]
    TooManyKeys,
    /// The registry's log does not fit together.
    #[error("The registry's log was changed at entry {0}; restore the store from a backup.")]
    LogBroken(u64),
    /// What is stored of a package is not the package.
    #[error("The stored package {0} is damaged; restore the store from a backup.")]
    Damaged(String),
    /// The server does not know yet what is allowed.
    #[error("The server does not know yet which plugins there are, as its store is away; try again in a few seconds.")]
    NotReady,
    /// Too much is done at once.
    #[error("Too much is done with plugins at the moment; try again.")]
    Busy,
    /// The surroundings could not be had: what they said.
    #[error("{message}")]
    Surroundings {
        /// Class of the problem.
        kind: Kind,
        /// A sentence.
        message: String,
    },
    /// The package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PluginsError {
    /// When it may be tried again, in milliseconds since 1970, where that is known.
    #[must_use]
    pub const fn retry_at(&self) -> Option<u64> {
        match self {
            Self::Resting { until, .. } => Some(*until),
            _ => None,
        }
    }
}

impl Coded for PluginsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoPlugin(_) => "plugins.not_found",
            Self::NoVersion { .. } => "plugins.version_not_found",
            Self::Yanked { .. } => "plugins.yanked",
            Self::NotInstalled(_) => "plugins.not_installed",
            Self::NoUpload => "plugins.upload_not_found",
            Self::NoAsset(_) => "plugins.asset_not_found",
            Self::NoPublisher(_) => "plugins.publisher_not_found",
            Self::NotYours(_) => "plugins.publisher_taken",
            Self::Reserved(_) => "plugins.publisher_reserved",
            Self::BadPublisher => "plugins.publisher_invalid",
            Self::KeyTaken => "plugins.key_taken",
            Self::MayNotPublish => "plugins.may_not_publish",
            Self::Unsigned => "plugins.unsigned",
            Self::KeyUnknown { .. } => "plugins.key_unknown",
            Self::VersionExists { .. } => "plugins.version_exists",
            Self::VersionOld { .. } => "plugins.version_old",
            Self::Contract { .. } => "plugins.contract",
            Self::TooLarge { .. } => "plugins.too_large",
            Self::TooMany { .. } => "plugins.too_many",
            Self::ConsentChanged => "plugins.consent_changed",
            Self::NotAsked(_) => "plugins.not_asked",
            Self::Downgrade { .. } => "plugins.downgrade",
            Self::OtherSigner(_) => "plugins.other_signer",
            Self::NotAllowed(_) => "plugins.not_allowed",
            Self::NoFiles => "plugins.no_files",
            Self::Disabled(_) => "plugins.disabled",
            Self::Resting { .. } => "plugins.resting",
            Self::Failed { .. } => "plugins.failed",
            Self::Filter { .. } => "plugins.filter",
            Self::NoSetting(_) => "plugins.no_setting",
            Self::BadSetting { .. } => "plugins.setting_invalid",
            Self::SettingsTooLarge => "plugins.settings_too_large",
            Self::BadPolicy(_) => "plugins.policy_invalid",
            Self::BadQuery => "plugins.query_too_long",
            Self::BadCursor => "plugins.bad_cursor",
            Self::TooManyKeys => "plugins.too_many_keys",
            Self::LogBroken(_) => "plugins.log_broken",
            Self::Damaged(_) => "plugins.damaged",
            Self::NotReady => "plugins.not_ready",
            Self::Busy => "plugins.busy",
            Self::Surroundings { .. } => "plugins.surroundings",
            Self::Package(error) => error.code(),
            Self::Host(error) => error.code(),
            Self::Call(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoPlugin(_)
            | Self::NoVersion { .. }
            | Self::NotInstalled(_)
            | Self::NoUpload
            | Self::NoAsset(_)
            | Self::NoPublisher(_) => Kind::NotFound,
            Self::NotYours(_)
            | Self::Reserved(_)
            | Self::MayNotPublish
            | Self::NotAllowed(_)
            | Self::NoFiles
            | Self::Disabled(_) => Kind::Forbidden,
            Self::Yanked { .. }
            | Self::KeyTaken
            | Self::VersionExists { .. }
            | Self::VersionOld { .. }
            | Self::ConsentChanged
            | Self::Downgrade { .. }
            | Self::OtherSigner(_) => Kind::Conflict,
            Self::TooLarge { .. } | Self::TooMany { .. } | Self::TooManyKeys | Self::SettingsTooLarge => Kind::TooLarge,
            Self::BadPublisher
            | Self::Unsigned
            | Self::KeyUnknown { .. }
            | Self::Contract { .. }
            | Self::NotAsked(_)
            | Self::NoSetting(_)
            | Self::BadSetting { .. }
            | Self::BadPolicy(_)
            | Self::BadQuery
            | Self::BadCursor => Kind::Invalid,
            Self::Resting { .. } | Self::Failed { .. } | Self::Filter { .. } | Self::NotReady => Kind::Unavailable,
            Self::Busy => Kind::TooManyRequests,
            Self::LogBroken(_) | Self::Damaged(_) => Kind::Internal,
            Self::Surroundings { kind, .. } => *kind,
            Self::Package(error) => error.kind(),
            Self::Host(error) => error.kind(),
            Self::Call(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn is_inside(&self) -> bool {
        match self {
            Self::Store(error) => error.is_inside(),
            other => other.kind() == Kind::Internal,
        }
    }
}
