//! `coditect-plugin`: makes, builds, tests, runs, signs and publishes plugins.
//!
//! `project` is a plugin's folder, `build/` makes its component by language, `remote/` talks to a server; each other file is a command.
//!
//! **May know:** the harness, the package crate and the protocol; of a server its REST interface alone. **Invariants:** nothing secret is
//! printed; keys are files that only their owner can read; a server's words never command the terminal.

mod arguments;
mod build;
mod cache;
mod diff;
mod embedded;
mod error;
mod inspect;
mod keys;
mod new;
mod project;
mod remote;
mod terminal;
mod test;
mod typings;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command, KeyCommand};
use error::CliError;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}\n[{}]", error.code());
            ExitCode::from(error.exit_code())
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::io("threads"))?.block_on(work)
}

async fn run(arguments: Arguments) -> Result<(), CliError> {
    let folder = arguments.folder;
    match arguments.command {
        Command::New(new) => new::run(&folder, &new),
        Command::Build { release } => Box::pin(build::run(&folder, release)).await,
        Command::Test { filter } => Box::pin(test::run(&folder, filter.as_deref())).await,
        Command::Run(run) => Box::pin(remote::run::run(&folder, run)).await,
        Command::Key(KeyCommand::New { key, force }) => keys::new(key.as_deref(), force),
        Command::Key(KeyCommand::Show { key }) => keys::show(key.as_deref()),
        Command::Sign { file, key } => keys::sign(&file, key.as_deref()),
        Command::Publish(publish) => Box::pin(remote::publish::run(&folder, publish)).await,
        Command::Inspect { file, json } => inspect::run(&file, json),
    }
}
