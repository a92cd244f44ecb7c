//! Everything that can be wrong with a package, with its stable code.

use coditect_protocol::{Coded, Kind};

use crate::container::{MAX_FILE_BYTES, MAX_FILES, MAX_PATH_BYTES, MAX_RATIO, MAX_UNPACKED_BYTES};
use crate::contents::MAX_THEMES_BYTES;
use crate::manifest::ManifestError;

/// Why a package, a manifest or a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// `plugin.toml` breaks a rule.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It does not begin as packages do.
    #[error("This is not a plugin's package; `coditect-plugin build` makes one.")]
    NotAPackage,
    /// The file is too large.
    #[error("A package has at most {} MiB; leave out what the plugin does not need.", MAX_FILE_BYTES >> 20)]
    FileTooLarge,
    /// What is in it is too large.
    #[error(
        "A package holds at most {} MiB, and at most {MAX_RATIO} times its own size; leave out what the plugin does not need.",
        MAX_UNPACKED_BYTES >> 20
    )]
    UnpackedTooLarge,
    /// All themes together are too large.
    #[error("The themes of a plugin have at most {} MiB together; leave some out, or make them smaller.", MAX_THEMES_BYTES >> 20)]
    ThemesTooLarge,
    /// Too many files.
    #[error("A package has at most {MAX_FILES} files; leave out what the plugin does not need.")]
    TooManyFiles,
    /// It is not as packages are written.
    #[error("The package is damaged: {0}. Get it again, or build it again.")]
    Damaged(&'static str),
    /// A name that files of a package do not have.
    #[error(
        "`{0}` cannot be in a package: it holds plugin.toml, plugin.wasm, README.md, LICENSE and what is below assets/, with names of letters, digits, `.`, `_` and `-` that begin with no point, at most {MAX_PATH_BYTES} bytes together."
    )]
    Path(String),
    /// A file that must be there is not.
    #[error("The package has no `{path}`, {needed_by}; add the file, or take that out of plugin.toml.")]
    Missing {
        /// The file.
        path: String,
        /// Who needs it.
        needed_by: &'static str,
    },
    /// A file is too large.
    #[error("`{path}` may have at most {most} bytes; make it smaller.")]
    EntryTooLarge {
        /// The file.
        path: String,
        /// The most, in bytes.
        most: usize,
    },
    /// A file is not what it should be.
    #[error("`{path}` cannot be used: {what}.")]
    Entry {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The signature is not of its key, or not of this content.
    #[error(
        "The package's signature is wrong: somebody changed it after it was signed. Get it again from its publisher."
    )]
    BadSignature,
    /// A key cannot be used.
    #[error("{0}")]
    Key(KeyFault),
}

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A text is no signing key.
    #[error("This is not a signing key of plugins; `coditect-plugin key new` makes one.")]
    NotASigningKey,
    /// A text is no public key.
    #[error("A public key is 32 bytes in base64, of Ed25519; `coditect-plugin key show` tells it.")]
    NotAPublicKey,
    /// The system has no random numbers.
    #[error("The system gave no random numbers for a key; try again.")]
    NoRandom,
}

impl Coded for PackageError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manifest(error) => error.code(),
            Self::NotAPackage => "plugins.package_unknown",
            Self::FileTooLarge | Self::UnpackedTooLarge | Self::ThemesTooLarge | Self::TooManyFiles => {
                "plugins.package_too_large"
            }
            Self::Damaged(_) => "plugins.package_damaged",
            Self::Path(_) => "plugins.package_path",
            Self::Missing { .. } => "plugins.package_incomplete",
            Self::EntryTooLarge { .. } => "plugins.package_file_too_large",
            Self::Entry { .. } => "plugins.package_file_invalid",
            Self::BadSignature => "plugins.signature_invalid",
            Self::Key(_) => "plugins.key_invalid",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::FileTooLarge
            | Self::UnpackedTooLarge
            | Self::ThemesTooLarge
            | Self::TooManyFiles
            | Self::EntryTooLarge { .. } => Kind::TooLarge,
            Self::Key(KeyFault::NoRandom) => Kind::Unavailable,
            _ => Kind::Invalid,
        }
    }
}
