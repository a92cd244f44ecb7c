//! Other programs that make components.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::error::CliError;

/// A program, found before it is needed.
#[derive(Debug)]
pub(super) struct Tool {
    name: &'static str,
    program: PathBuf,
    install: String,
}

impl Tool {
    /// One of the `PATH`.
    pub(super) fn of_path(name: &'static str, install: &str) -> Self {
        Self { name, program: PathBuf::from(name), install: install.to_owned() }
    }

    /// One at a place of its own.
    pub(super) const fn at(name: &'static str, program: PathBuf, install: String) -> Self {
        Self { name, program, install }
    }

    /// That it is not there, and how to get it.
    pub(super) fn missing(&self) -> CliError {
        CliError::Tool { tool: self.name, install: self.install.clone() }
    }

    /// A command in a folder, whose words for people go to this program's.
    pub(super) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command of it to its end.
    pub(super) async fn run(&self, mut command: Command) -> Result<(), CliError> {
        // What it prints must not be taken for this program's answer.
        command.stdout(std::io::stderr());
        let status = command.status().await.map_err(|error| self.not_started(error))?;
        if status.success() { Ok(()) } else { Err(CliError::ToolFailed { tool: self.name }) }
    }

    /// What a command prints; its words for people are shown.
    pub(super) async fn output(&self, mut command: Command) -> Result<Output, CliError> {
        command.stderr(Stdio::inherit());
        command.output().await.map_err(|error| self.not_started(error))
    }

    /// Whether a command of it ends well, in silence.
    pub(super) async fn succeeds(&self, mut command: Command) -> Result<bool, CliError> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.map(|status| status.success()).map_err(|error| self.not_started(error))
    }

    pub(super) const fn failed(&self) -> CliError {
        CliError::ToolFailed { tool: self.name }
    }

    fn not_started(&self, error: std::io::Error) -> CliError {
        if error.kind() == std::io::ErrorKind::NotFound { self.missing() } else { CliError::io(&self.program)(error) }
    }
}

/// What a tool made.
pub(super) fn made(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(CliError::io(path))
}
