//! `cargo xtask run | test | build | bench | wasm`: everything that is done with this repository.
//!
//! It does its own set-up on a machine with Rust (rustup) and Node, says each thing it does and how long that took, and skips what is up
//! to date. It knows where the parts are and which command builds each of them; it knows nothing about what they do.

mod children;
mod exec;
mod npm;
mod repo;
mod stamp;
mod ui;
mod wasm;

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
    /// Builds the shell that runs in the page into wasm/pkg.
    Wasm {
        /// Quick to build, with names for stack traces.
        #[arg(long)]
        dev: bool,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let repo = repo::Repo::find();
    children::end_all_on_interrupt()?;
    match cli.command {
        Task::Wasm { dev } => {
            let mode = if dev { wasm::Mode::Dev } else { wasm::Mode::Small };
            ui::step("wasm", "compiles and binds the shell", || wasm::build(&repo, mode)).map(drop)
        }
    }
}
