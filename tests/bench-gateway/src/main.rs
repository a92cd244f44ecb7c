//! The gateway to language models beside others: the same requests over the same upstream, each gateway in turn, in one run on one machine.
//!
//! Three kinds of processes take part, all of them on the loopback: the upstream answers at once what it has ready; a gateway passes it on;
//! the load asks, and looks at every answer. Upstream and load are this program again and cost little beside any gateway, as the row without
//! one shows. Ours has logins, budgets, limits and accounting switched on; the others are set up as their makers advise, without a log of
//! requests.

mod chat;
mod figures;
mod gateways;
mod http;
mod install;
mod load;
mod measure;
mod memory;
mod process;
mod soak;
mod upstream;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use figures::Cell;
use gateways::Who;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// What this program is beside the measurement itself.
#[derive(Subcommand)]
enum Role {
    /// Answers as a language model's server.
    #[command(hide = true)]
    Upstream,
    /// Asks, as standard input says.
    #[command(hide = true)]
    Load,
}

#[derive(clap::Args)]
struct Options {
    /// Our server.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Also installs and measures what others offer (into the cache directory).
    #[arg(long)]
    peers: bool,
    /// Ends well even where a goal is missed.
    #[arg(long)]
    no_gate: bool,
    /// Keeps a gateway busy for ten minutes instead: its memory must stay what it is.
    #[arg(long)]
    soak: bool,
    /// Seconds of each run: 8, of the soak 600.
    #[arg(long, value_parser = seconds)]
    seconds: Option<f64>,
    /// How often each figure is taken; the median counts.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    turns: u32,
    /// Only these, separated by commas; others are installed where they are named.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    only: Vec<Who>,
    /// Only these figures, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CELL", value_parser = Cell::parse)]
    cells: Vec<Cell>,
}

impl Options {
    /// Who is measured.
    fn who(&self) -> Vec<Who> {
        let chosen = |who: &Who| match &self.only[..] {
            [] if self.soak => *who == Who::Ours,
            [] => self.peers || !who.is_peer(),
            only => only.contains(who),
        };
        Who::ALL.into_iter().filter(chosen).collect()
    }

    fn cells(&self) -> Vec<Cell> {
        Cell::ALL.into_iter().filter(|cell| self.cells.is_empty() || self.cells.contains(cell)).collect()
    }
}

fn seconds(given: &str) -> Result<f64, String> {
    match given.parse() {
        Ok(seconds) if (1.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 1 to 86400".to_owned()),
    }
}

/// One thread is what upstream and load have of the machine, each.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let Arguments { role, options } = Arguments::parse();
    match role {
        Some(Role::Upstream) => upstream::serve().await?,
        Some(Role::Load) => load::run().await?,
        None => {
            let missed = if options.soak { soak::run(&options).await? } else { measure::run(&options).await? };
            for goal in &missed {
                eprintln!("missed: {goal}");
            }
            if !missed.is_empty() && !options.no_gate {
                eprintln!("a goal is missed (--no-gate measures without judging)");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
