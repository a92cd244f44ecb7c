//! Why a test could not be run at all.

use std::path::PathBuf;

use coditect_plugin_host::HostError;
use coditect_plugin_package::PackageError;
use coditect_protocol::{Coded, Kind};

/// Why a plugin, its surroundings or its tests could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The package is wrong.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component is wrong, or the host cannot run here.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing to run.
    #[error("The plugin has no component, so there is nothing to run; `coditect-plugin build` makes it.")]
    NoComponent,
    /// A fixture is too large.
    #[error("{} holds more than {} MiB of files; take a smaller folder as a workspace.", .path.display(), .most >> 20)]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// The most, in bytes.
        most: usize,
    },
    /// A file of tests is wrong.
    #[error("{}: {what}", .path.display())]
    Test {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        what: String,
    },
}

impl HarnessError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl Coded for HarnessError {
    fn code(&self) -> &'static str {
        match self {
            Self::Package(error) => error.code(),
            Self::Host(error) => error.code(),
            Self::Io { .. } => "plugins.test_io",
            Self::NoComponent => "plugins.no_component",
            Self::TooLarge { .. } => "plugins.test_too_large",
            Self::Test { .. } => "plugins.test_invalid",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Package(error) => error.kind(),
            Self::Host(error) => error.kind(),
            Self::TooLarge { .. } => Kind::TooLarge,
            _ => Kind::Invalid,
        }
    }
}
