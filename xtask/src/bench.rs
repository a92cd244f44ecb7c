//! `cargo xtask bench`: our figures, their goals, and the same of others on the same machine in the same run.
//!
//! What is measured and how is in `tests/e2e/bench.mjs`; here everything is built as it is shipped before.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::compress::Quality;
use crate::repo::{Profile, Repo};
use crate::ui::{self, Done};
use crate::{checks, exec, npm, pages, setup, stamp};

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What to measure; everything unless something is named.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Also installs and measures what others offer, where npm brings it (into the cache directory).
    #[arg(long)]
    peers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Time from exec to the first answer.
    Start,
    /// Memory at rest, with one page, with many.
    Memory,
    /// Time until the IDE can be used and what was sent for it, in a browser with an empty cache.
    Ide,
    /// Time until a cut off page goes on, and whether anything was lost.
    Reconnect,
    /// Round trips over the link, and from a key to its echo.
    Trips,
}

pub(crate) fn run(repo: &Repo, args: &BenchArgs, started: Instant) -> Result<()> {
    let missing = setup::prepare(repo, &[setup::BUBBLEWRAP, setup::GIT, setup::CHROMIUM, setup::NGINX])?;
    for tool in [setup::CHROMIUM, setup::NGINX] {
        setup::require(&missing, tool)?;
    }
    pages::build(repo, Quality::Best)?;
    let mut program = PathBuf::new();
    ui::step("server", "compiles the server (dist)", || {
        program = exec::server(repo, Profile::Dist)?;
        Ok(Done::did(""))
    })?;
    let dir = repo.root.join("tests/e2e");
    ui::step("packages", "npm ci --ignore-scripts in tests/e2e", || npm::install(repo, &dir))?;
    ui::headline("bench", "measures; a machine that does nothing else gives the truest figures");
    let mut command = Command::new("node");
    command.current_dir(&dir).arg("bench.mjs");
    command.args(args.what.iter().filter_map(ValueEnum::to_possible_value).map(|value| value.get_name().to_owned()));
    if args.peers {
        command.arg("--peers");
    }
    checks::environment(repo, &mut command, &program)?;
    let mut kept = String::new();
    exec::lines(&mut command, |line| {
        println!("{line}");
        kept.push_str(line);
        kept.push('\n');
    })?;
    let file = repo.target.join("xtask-bench.txt");
    stamp::write(&file, kept.as_bytes())?;
    println!(
        "cargo xtask bench took {}; the figures are kept in {}",
        ui::seconds(ui::since_typed(started)),
        repo.show(&file)
    );
    Ok(())
}
