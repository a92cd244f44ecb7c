//! What is wrong with a manifest, and where.

use coditect_protocol::plugin::{CapabilityName, ContractVersion};
use coditect_protocol::{Coded, Kind};

/// A fault of `plugin.toml`: the line, the key, what is wrong and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin.toml, line {line}: {}{fault}", named(.key))]
pub struct ManifestError {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key with the tables that it is in, such as `capability[2].globs`, numbered from 1; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub fault: ManifestFault,
}

fn named(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("`{key}` ") }
}

/// What is wrong with a manifest. The texts go on from the key's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestFault {
    /// It is no TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// The file is too large.
    #[error("a manifest has at most {} KiB", super::MAX_MANIFEST_BYTES >> 10)]
    TooLarge,
    /// No such key.
    #[error("is unknown here{}", suggestion(*nearest, known))]
    UnknownKey {
        /// The one that was meant, as far as can be told.
        nearest: Option<&'static str>,
        /// All that there are.
        known: &'static [&'static str],
    },
    /// All globs together are too large.
    #[error("the globs of a plugin have at most {} KiB together; join some, as in \"**/*.{{js,ts}}\"", super::MAX_GLOBS_BYTES >> 10)]
    GlobsTooLarge,
    /// A key must be there.
    #[error("is missing; write {0}")]
    Missing(&'static str),
    /// A value is of another type.
    #[error("is not {wanted}; write {write}")]
    Type {
        /// What it must be.
        wanted: &'static str,
        /// An example.
        write: &'static str,
    },
    /// A value breaks a rule.
    #[error("{0}")]
    Value(String),
    /// Something is there twice.
    #[error("is there twice: `{0}`; each may be there once")]
    Double(String),
    /// Too many of something.
    #[error("has more than {0} entries")]
    TooMany(usize),
    /// What is offered takes a right that is not asked for.
    #[error("needs the capability `{0}`; add [[capability]] with name = \"{0}\" and the reason")]
    NeedsCapability(CapabilityName),
    /// Nothing is offered.
    #[error(
        "the plugin offers nothing; add one of [[commands]], [[formatters]], [[diagnostics]], [[tools]], [[participants]], [conversations], [[providers]], [hooks], [[build-steps]], [[views]], [[status-items]] or [[themes]]"
    )]
    OffersNothing,
    /// The contract is another one.
    #[error("is {0}, and {latest} is the newest that is known here; write \"{latest}\", or use a newer Coditect", latest = ContractVersion::LATEST)]
    Contract(ContractVersion),
}

fn suggestion(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; there are {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
    }
}

impl Coded for ManifestError {
    fn code(&self) -> &'static str {
        match self.fault {
            ManifestFault::Syntax(_) => "plugins.manifest_syntax",
            ManifestFault::TooLarge | ManifestFault::GlobsTooLarge => "plugins.manifest_too_large",
            ManifestFault::UnknownKey { .. } => "plugins.manifest_unknown_key",
            ManifestFault::Missing(_) => "plugins.manifest_missing",
            ManifestFault::Type { .. } => "plugins.manifest_type",
            ManifestFault::Value(_) => "plugins.manifest_value",
            ManifestFault::Double(_) => "plugins.manifest_double",
            ManifestFault::TooMany(_) => "plugins.manifest_too_many",
            ManifestFault::NeedsCapability(_) => "plugins.manifest_capability",
            ManifestFault::OffersNothing => "plugins.manifest_empty",
            ManifestFault::Contract(_) => "plugins.contract_unknown",
        }
    }

    fn kind(&self) -> Kind {
        match self.fault {
            ManifestFault::TooLarge | ManifestFault::GlobsTooLarge => Kind::TooLarge,
            _ => Kind::Invalid,
        }
    }
}
