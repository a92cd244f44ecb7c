//! `cargo xtask bench`: our figures, the goals, and the same of others on the same machine in the same run.

mod figures;
mod peers;
mod start;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::compress::Quality;
use crate::repo::{Profile, Repo};
use crate::ui::{self, Done};
use crate::{checks, exec, npm, pages, setup};

use figures::{Figure, Figures};

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
    /// Time from exec to the first answer, memory at rest, size of the program.
    Start,
    /// Time until the IDE can be used and what was sent for it, in a browser with an empty cache.
    Ide,
    /// Time until a cut off page goes on.
    Reconnect,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Ide => "ide",
            Self::Reconnect => "reconnect",
        }
    }
}

const EVERYTHING: [What; 3] = [What::Start, What::Ide, What::Reconnect];

pub(crate) fn run(repo: &Repo, args: &BenchArgs, started: Instant) -> Result<()> {
    let what = if args.what.is_empty() { EVERYTHING.to_vec() } else { args.what.clone() };
    let in_browser = what.iter().any(|&what| what != What::Start);
    let tools: &[setup::Tool] = if in_browser { &[setup::CHROMIUM] } else { &[] };
    let missing = setup::prepare(repo, tools)?;
    pages::build(repo, Quality::Best)?;
    let mut program = PathBuf::new();
    ui::step("server", "compiles the server (dist)", || {
        program = exec::server(repo, Profile::Dist)?;
        Ok(Done::did(""))
    })?;
    let mut figures = Figures::default();
    for what in what {
        if what == What::Start {
            figures.add(start::measure(repo, &program)?);
            continue;
        }
        setup::require(&missing, setup::CHROMIUM)?;
        figures.add(browser(repo, what, &program, None)?);
    }
    if args.peers {
        peers::measure(repo, &program, &mut figures);
    }
    println!("\n{}", figures.table());
    println!("cargo xtask bench took {}", ui::seconds(ui::since_typed(started)));
    let kept = repo.target.join("xtask-bench.json");
    crate::stamp::write(&kept, figures.json()?.as_bytes())?;
    println!("The figures are kept in {}.", repo.show(&kept));
    Ok(())
}

/// Runs one measurement of `tests/e2e/bench.mjs`, of our product or of the page at `url`.
///
/// The script prints its results as lines of JSON: `{"name": "ide_usable_cold", "unit": "ms", "p50": 2400, "p95": 2600}`, with `value`
/// in place of both where there is one number. Other lines are for people.
fn browser(repo: &Repo, what: What, program: &Path, url: Option<&str>) -> Result<Vec<Figure>> {
    let dir = repo.root.join("tests/e2e");
    ui::step("packages", "npm ci --ignore-scripts in tests/e2e", || npm::install(repo, &dir))?;
    let mut figures = Vec::new();
    ui::step("bench", &format!("measures {} in a browser", what.name()), || {
        let mut command = std::process::Command::new("node");
        command.current_dir(&dir).arg("bench.mjs").arg(what.name());
        checks::environment(repo, &mut command, program)?;
        if let Some(url) = url {
            command.env("CODITECT_BENCH_URL", url);
        }
        let text = exec::output(&mut command)?;
        figures = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Done::did(format!("{} figures", figures.len())))
    })?;
    Ok(figures)
}

/// An empty directory below the target directory, for the data of a measured server.
fn fresh_dir(repo: &Repo, name: &str) -> Result<PathBuf> {
    let dir = repo.target.join("xtask-bench").join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be emptied", dir.display()))?;
    }
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
