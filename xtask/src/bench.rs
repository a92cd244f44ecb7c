//! `cargo xtask bench`: our figures, their goals, and the same of others on the same machine in the same run.
//!
//! What is measured and how is in `tests/e2e/bench.mjs`, for the store in `tests/bench-store`, for the gateway to language models in
//! `tests/bench-gateway`, for plugins in `tests/bench-plugins`; here everything is built as it is shipped before.

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
use crate::{checks, exec, npm, pages, stamp, wasm};

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What to measure; everything unless something is named.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Also installs and measures what others offer, where npm, pip or cargo brings it (into the cache directory).
    #[arg(long)]
    peers: bool,
    /// Ends well even where a goal is missed.
    #[arg(long)]
    no_gate: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Passed on to what measures the gateway.
#[derive(Args)]
#[command(next_help_heading = "Of the gateway")]
struct GatewayArgs {
    /// Keeps it busy for ten minutes instead: its memory must stay what it is.
    #[arg(long)]
    soak: bool,
    /// Seconds of each run: 8, of the soak 600.
    #[arg(long)]
    seconds: Option<f64>,
    /// How often each figure is taken, the median of which counts: 1.
    #[arg(long)]
    turns: Option<u32>,
    /// Only these of `direct`, `nginx`, `ours`, `crabllm`, `tensorzero`, `litellm`, separated by commas.
    #[arg(long)]
    only: Option<String>,
    /// Only these of `json-1`, `json-20`, `json-100`, `stream-1`, `stream-20`, `stream-100`, `paced-100`, separated by commas.
    #[arg(long)]
    cells: Option<String>,
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
    /// The gateway to language models with everything on, beside nginx and other gateways, over one upstream.
    Gateway,
    /// Plugins: instances, calls, runaways, many of them, beside wasmtime alone and Extism.
    Plugins,
}

impl What {
    /// Measured by a program of its own, without pages and browser.
    const APART: [Self; 4] = [Self::Store, Self::Auth, Self::Gateway, Self::Plugins];
}

pub(crate) fn run(repo: &Repo, args: &BenchArgs, started: Instant) -> Result<()> {
    let (apart, of_product): (Vec<What>, Vec<What>) = args.what.iter().partition(|what| What::APART.contains(what));
    setup::require(&setup::prepare(repo, &Needs::tools(&[setup::LIBCLANG]))?, &[setup::LIBCLANG])?;
    let all = args.what.is_empty();
    let mut missed = None;
    let measures: [fn(&Repo, &BenchArgs) -> Result<()>; 4] = [store, auth, gateway, plugins];
    for (what, measure) in What::APART.into_iter().zip(measures) {
        if all || apart.contains(&what) {
            missed = measure(repo, args).err().or(missed);
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

/// The store and its peers.
fn store(repo: &Repo, _: &BenchArgs) -> Result<()> {
    ui::step("store", "compiles the store and its peers (release)", || {
        exec::run(&mut of_its_own(repo, "bench-store", "build"))?;
        Ok(Done::did(""))
    })?;
    measure(repo, "store", of_its_own(repo, "bench-store", "run").arg("--quiet"))
}

/// The gateway to language models and its peers.
fn gateway(repo: &Repo, args: &BenchArgs) -> Result<()> {
    let tools = [setup::NGINX, setup::PIP];
    // Who cannot be had is left out, and the measurement says so.
    setup::prepare(repo, &Needs::tools(if args.peers { &tools } else { &tools[..1] }))?;
    let GatewayArgs { soak, seconds, turns, only, cells } = &args.gateway;
    let mut command = of_its_own(repo, "bench-gateway", "run");
    command.args(["--quiet", "--"]);
    ui::step("gateway", "compiles the server (dist) and what measures it (release)", || {
        exec::run(&mut of_its_own(repo, "bench-gateway", "build"))?;
        if only.as_ref().is_none_or(|only| only.split(',').any(|who| who == "ours")) {
            command.arg("--server").arg(exec::server(repo, Profile::Dist)?);
        }
        Ok(Done::did(""))
    })?;
    for (flag, given) in [("--peers", args.peers), ("--no-gate", args.no_gate), ("--soak", *soak)] {
        command.args(given.then_some(flag));
    }
    let (seconds, turns) = (seconds.map(|seconds| seconds.to_string()), turns.map(|turns| turns.to_string()));
    for (flag, given) in [("--seconds", &seconds), ("--turns", &turns), ("--only", only), ("--cells", cells)] {
        command.args(given.iter().flat_map(|given| [flag, given]));
    }
    measure(repo, "gateway", &mut command)
}

/// Plugins, beside what they are run with elsewhere.
fn plugins(repo: &Repo, args: &BenchArgs) -> Result<()> {
    let guests = repo.target.join("bench-plugins/guests");
    ui::step("plugins", "compiles what is measured, and what measures it (release)", || {
        setup::rust_targets(repo, &[wasm::TARGET, wasm::PLUGIN_TARGET])?;
        for (guest, target) in [("component", wasm::PLUGIN_TARGET), ("module", wasm::TARGET)] {
            let manifest = repo.root.join("tests/bench-plugins/guests").join(guest).join("Cargo.toml");
            let mut cargo = exec::cargo(repo, &["build", "--release", "--target", target, "--manifest-path"]);
            exec::run(cargo.arg(manifest).arg("--target-dir").arg(&guests))?;
        }
        exec::run(&mut of_its_own(repo, "bench-plugins", "build"))?;
        Ok(Done::did(""))
    })?;
    let mut command = of_its_own(repo, "bench-plugins", "run");
    command.args(["--quiet", "--", "--guests"]).arg(&guests).args(args.no_gate.then_some("--no-gate"));
    measure(repo, "plugins", &mut command)
}

/// What `cargo` does with one of the measurements that are workspaces of their own, so that no other build waits for them.
fn of_its_own(repo: &Repo, name: &str, does: &str) -> Command {
    let mut cargo = exec::cargo(repo, &[does, "--release", "--manifest-path"]);
    let dir = repo.root.join("tests").join(name);
    cargo.arg(dir.join("Cargo.toml")).arg("--target-dir").arg(repo.target.join(name));
    cargo
}

/// People and their logins.
fn auth(repo: &Repo, _: &BenchArgs) -> Result<()> {
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
