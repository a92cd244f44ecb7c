//! `cargo xtask bench`: our figures, their goals, and the same of others on the same machine in the same run.
//!
//! What is measured and how is in `tests/e2e/bench.mjs`, and for the store in `tests/bench-store`; here everything is built as it is
//! shipped before.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::compress::Quality;
use crate::history::History;
use crate::repo::{Profile, Repo};
use crate::setup::{self, Needs};
use crate::ui::{self, Done};
use crate::{checks, exec, npm, pages, stamp};

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What to measure; everything unless something is named.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Also installs and measures what others offer, where npm brings it (into the cache directory).
    #[arg(long)]
    peers: bool,
    /// Ends well even where a goal is missed.
    #[arg(long)]
    no_gate: bool,
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
    /// Search, file picker, watch, git and many people in a large workspace, beside `rg`, `fd`, `inotifywait` and `git`.
    Workspace,
    /// How long the server takes to answer one person while another one's terminal attacks the machine.
    Attack,
    /// Durable commits and reads of the store, beside redb, fjall and SQLite.
    Store,
    /// Checks of sessions, logins against what the password hash allows, many sessions.
    Auth,
}

impl What {
    /// Measured by a program of its own, without pages and browser.
    const APART: [Self; 2] = [Self::Store, Self::Auth];
}

pub(crate) fn run(repo: &Repo, args: &BenchArgs, started: Instant) -> Result<()> {
    let (apart, of_product): (Vec<What>, Vec<What>) = args.what.iter().partition(|what| What::APART.contains(what));
    setup::require(&setup::prepare(repo, &Needs::tools(&[setup::LIBCLANG]))?, &[setup::LIBCLANG])?;
    let all = args.what.is_empty();
    let mut missed = None;
    for (what, measure) in What::APART.into_iter().zip([store, auth]) {
        if all || apart.contains(&what) {
            missed = measure(repo).err().or(missed);
        }
    }
    if all || !of_product.is_empty() {
        product(repo, args, &of_product, started)?;
    }
    match missed {
        Some(error) if !args.no_gate => Err(error),
        _ => Ok(()),
    }
}

/// The store and its peers: a workspace of its own, so that no other build waits for them.
fn store(repo: &Repo) -> Result<()> {
    let manifest = repo.root.join("tests/bench-store/Cargo.toml");
    let target = repo.target.join("bench-store");
    let words = |command: &'static str| [command, "--release", "--manifest-path"];
    let cargo = |command: &'static str| {
        let mut cargo = exec::cargo(repo, &words(command));
        cargo.arg(&manifest).arg("--target-dir").arg(&target);
        cargo
    };
    ui::step("store", "compiles the store and its peers (release)", || {
        exec::run(&mut cargo("build"))?;
        Ok(Done::did(""))
    })?;
    measure(repo, "store", cargo("run").arg("--quiet"))
}

/// People and their logins.
fn auth(repo: &Repo) -> Result<()> {
    let words = ["bench", "--package", "coditect-auth", "--bench", "auth"];
    ui::step("auth", "compiles the benchmark of logins (release)", || {
        exec::run(exec::cargo(repo, &words).arg("--no-run"))?;
        Ok(Done::did(""))
    })?;
    measure(repo, "auth", exec::cargo(repo, &words).arg("--quiet"))
}

/// Shows the figures as they come, and keeps them.
fn measure(repo: &Repo, name: &str, command: &mut Command) -> Result<()> {
    ui::headline("bench", &format!("{name}; a machine that does nothing else gives the truest figures"));
    let mut kept = String::new();
    let went = exec::lines(command, |line| {
        println!("{line}");
        kept.push_str(line);
        kept.push('\n');
    });
    let file = repo.target.join(format!("xtask-bench-{name}.txt"));
    stamp::write(&file, kept.as_bytes())?;
    println!("the figures are kept in {}", repo.show(&file));
    went
}

/// Start, memory, the IDE and the link, in a browser.
fn product(repo: &Repo, args: &BenchArgs, what: &[What], started: Instant) -> Result<()> {
    let mut tools = vec![setup::LIBCLANG, setup::BUBBLEWRAP, setup::GIT, setup::CHROMIUM, setup::NGINX];
    if what.is_empty() || what.contains(&What::Workspace) {
        tools.extend([setup::RIPGREP, setup::FD, setup::INOTIFYWAIT]);
    }
    setup::require(&setup::prepare(repo, &Needs::pages(&tools))?, &tools)?;
    if args.peers {
        // Who cannot be installed is left out, and says so.
        setup::prepare(repo, &Needs::tools(&setup::PEERS))?;
    }
    let history = History::open(repo, "bench");
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
    command.args(what.iter().filter_map(ValueEnum::to_possible_value).map(|value| value.get_name().to_owned()));
    for (flag, given) in [("--peers", args.peers), ("--no-gate", args.no_gate)] {
        if given {
            command.arg(flag);
        }
    }
    checks::environment(repo, &mut command, &program);
    let mut kept = String::new();
    let went = exec::lines(&mut command, |line| {
        println!("{line}");
        kept.push_str(line);
        kept.push('\n');
    });
    // What misses a goal is worth keeping most of all.
    let file = repo.target.join("xtask-bench.txt");
    stamp::write(&file, kept.as_bytes())?;
    let time = ui::since_typed(started);
    let took = if went.is_ok() { history.succeeded(time) } else { history.failed(time) };
    println!("{took}; the figures are kept in {}", repo.show(&file));
    went
}
