//! Why a command was not done.

use std::path::PathBuf;

use coditect_plugin_harness::HarnessError;
use coditect_plugin_host::HostError;
use coditect_plugin_package::PackageError;
use coditect_protocol::{Coded as _, Problem};

use crate::terminal::printable;

/// Something is wrong with what was asked for.
const FAILED: u8 = 1;
/// Tests failed.
const TESTS: u8 = 3;
/// A tool is missing.
const TOOL: u8 = 4;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Harness(#[from] HarnessError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} has no plugin.toml; go to a plugin's folder, name it with -C, or make one with `coditect-plugin new NAME`", .0.display())]
    NoProject(PathBuf),
    #[error("{}", .0)]
    BadName(String),
    #[error("{} is there already; choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    #[error("it cannot be told what the plugin is written in: there is no Cargo.toml, package.json, app.py or *.c in {}", .0.display())]
    UnknownLanguage(PathBuf),
    #[error("{tool} is missing; {install}")]
    Tool { tool: &'static str, install: String },
    #[error("{tool} failed; what it wrote stands above")]
    ToolFailed { tool: &'static str },
    #[error("{0}")]
    Build(String),
    #[error(
        "plugin.toml offers {offered}, but the component does not export `{interface}`; export it, or take that out of plugin.toml"
    )]
    NotExported { offered: &'static str, interface: &'static str },
    #[error("{failed} of {all} tests failed")]
    Tests { failed: usize, all: usize },
    #[error("no test of tests/*.toml has {0:?} in its name")]
    NoSuchTest(String),
    #[error("there is no key at {}; `coditect-plugin key new` makes one", .0.display())]
    NoKey(PathBuf),
    #[error("{} can be read by others; make another key, or run chmod 600 if nobody did", .0.display())]
    OpenKey(PathBuf),
    #[error("there is no folder for keys: neither HOME nor XDG_CONFIG_HOME is set; name a file with --key")]
    NoKeyFolder,
    #[error("{}", printable(&.0.message))]
    Told(Problem),
    #[error("the server does not answer: {0}; look at the address and whether it runs")]
    Unreachable(String),
    #[error("{0} is not a Coditect server, or one of another version")]
    NotAServer(String),
    #[error("{0} is not encrypted, and everybody on the way could read the token; use https://, or say --allow-http")]
    Unencrypted(String),
    #[error("there is no workspace `{0}` of yours that it can be sent to; those are: {1}")]
    NoWorkspace(String, String),
    #[error("nobody agreed to what the plugin asks for, so it was not sent; say --yes where there is no terminal")]
    NoConsent,
}

impl CliError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Stable, for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Package(error) => error.code(),
            Self::Harness(error) => error.code(),
            Self::Host(error) => error.code(),
            Self::Io { .. } => "cli.io",
            Self::NoProject(_) => "cli.no_project",
            Self::BadName(_) => "cli.bad_name",
            Self::Exists(_) => "cli.exists",
            Self::UnknownLanguage(_) => "cli.unknown_language",
            Self::Tool { .. } => "cli.tool_missing",
            Self::ToolFailed { .. } => "cli.tool_failed",
            Self::Build(_) => "cli.build_failed",
            Self::NotExported { .. } => "plugins.not_exported",
            Self::Tests { .. } => "cli.tests_failed",
            Self::NoSuchTest(_) => "cli.no_such_test",
            Self::NoKey(_) => "cli.no_key",
            Self::OpenKey(_) => "cli.open_key",
            Self::NoKeyFolder => "cli.no_key_folder",
            Self::Told(problem) => &problem.code,
            Self::Unreachable(_) => "cli.unreachable",
            Self::NotAServer(_) => "cli.not_a_server",
            Self::Unencrypted(_) => "cli.unencrypted",
            Self::NoWorkspace(..) => "cli.no_workspace",
            Self::NoConsent => "cli.no_consent",
        }
    }

    /// What the program ends with; `--help` tells them.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Tests { .. } => TESTS,
            Self::Tool { .. } => TOOL,
            _ => FAILED,
        }
    }
}
