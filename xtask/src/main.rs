//! `cargo xtask run | test | build | bench | wasm | model`: everything that is done with this repository.
//!
//! It does its own set-up on a machine with Rust (rustup) and Node, says each thing it does and how long that took, and skips what is up
//! to date. It knows where the parts are and which command builds each of them; it knows nothing about what they do.

mod bench;
mod checks;
mod children;
mod compress;
mod dist;
mod exec;
mod history;
mod model;
mod nginx;
mod npm;
mod pages;
mod repo;
mod run;
mod server;
mod setup;
mod stamp;
mod ui;
mod wasm;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures Coditect.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds everything, starts it, prints the address and the first login.
    Run(run::RunArgs),
    /// Runs every check there is, or those of some parts.
    Test(checks::TestArgs),
    /// Builds what is shipped into target/dist-artefacts.
    Build,
    /// Measures start, memory, the IDE in a browser, reconnection, the store.
    Bench(bench::BenchArgs),
    /// Builds the shell that runs in the page into wasm/pkg.
    Wasm {
        /// Quick to build, with names for stack traces.
        #[arg(long)]
        dev: bool,
    },
    /// Fetches and starts the small language model alone, and prints its base URL.
    Model,
}

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    match perform(&cli, started) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well; what went wrong in checks is said by them.
fn perform(cli: &Cli, started: Instant) -> Result<bool> {
    children::end_all_on_interrupt()?;
    let repo = repo::Repo::find();
    match &cli.command {
        Task::Run(args) => run::run(&repo, args, started),
        Task::Test(args) => return checks::run(&repo, args, started),
        Task::Build => dist::build(&repo, started),
        Task::Bench(args) => bench::run(&repo, args, started),
        Task::Wasm { dev } => {
            let mode = if *dev { wasm::Mode::Dev } else { wasm::Mode::Small };
            setup::prepare(&repo, &wasm::needs(mode))?;
            ui::step("wasm", "compiles and binds the shell that runs in the page", || wasm::build(&repo, mode))
                .map(drop)
        }
        Task::Model => model::serve(&repo),
    }
    .map(|()| true)
}
