//! Commands that are no server: how they run, and how they fail.

use std::process::ExitCode;

use coditect_protocol::{Coded as _, Problem};

use super::{SHUTDOWN_LIMIT, fail, run_to_the_end};
use crate::error::ServerError;
use crate::settings::LoadError;

/// The end of a command that is no server: what it says, or why it failed.
pub(super) fn told(outcome: Result<String, CommandError>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(error.code(), &error, 1),
    }
}

/// Runs a command that waits for others.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    run_to_the_end(runtime, SHUTDOWN_LIMIT, work)
}

/// Why a command failed that is no server.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// The server or the feature said so.
    #[error("{}", .0.message)]
    Told(Problem),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] LoadError),
    /// What the server needs as well.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server cannot be reached.
    #[error("the server does not answer: {0}; look at the address and whether it runs")]
    Unreachable(String),
    /// What answers there is something else.
    #[error("{0} is not a Coditect server, or one of another version")]
    NotAServer(String),
    /// Tokens would cross the network for everybody to read.
    #[error("{0} is not encrypted, and everybody on the way could read the tokens; use https://, or say --allow-http")]
    Unencrypted(String),
    /// Nobody is logged in.
    #[error("nobody is logged in; run `coditect-v5-api login --server URL`")]
    NotLoggedIn,
    /// No such account.
    #[error("there is no account `{0}`; `coditect-v5-api person list` shows all")]
    NoSuchAccount(String),
    /// The system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl CommandError {
    fn code(&self) -> &str {
        match self {
            Self::Told(problem) => &problem.code,
            Self::Settings(error) => error.code(),
            Self::Server(error) => error.code(),
            Self::Unreachable(_) => "cli.unreachable",
            Self::NotAServer(_) => "cli.not_a_server",
            Self::Unencrypted(_) => "cli.unencrypted",
            Self::NotLoggedIn => "cli.not_logged_in",
            Self::NoSuchAccount(_) => "cli.no_such_account",
            Self::Io(_) => "cli.io",
        }
    }
}
