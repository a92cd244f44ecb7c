//! `cargo xtask test`: every check there is.
//!
//! The parts are independent: a failure in one does not keep the others from running, and what depends on a failed step is skipped with
//! that reason. All of it uses one development build, so that the server under test in the browser is the one the tests were run on.

mod count;
mod licences;
mod parts;
mod report;
mod tidy;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::history::History;
use crate::repo::Repo;
use crate::setup;
use crate::ui;

pub(crate) use parts::environment;
use report::Report;

#[derive(Args)]
pub(crate) struct TestArgs {
    /// The parts to check; all of them unless some are named.
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// What can be checked by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Rules of this repository: licences, layers, documents.
    Tidy,
    /// Format, lints and tests of everything in Rust.
    Rust,
    /// The shell for the page: lints for its target, its build.
    Wasm,
    /// The IDE: types, tests, bundle.
    Theia,
    /// The front: types, tests, bundle.
    Web,
    /// The whole product in a real browser, through nginx.
    E2e,
    /// The store alone, on FoundationDB too where CODITECT_TEST_FDB_CLUSTER names a cluster file.
    Store,
}

/// Every part once: the store's tests are among Rust's.
const ALL: [Part; 6] = [Part::Tidy, Part::Rust, Part::Wasm, Part::Theia, Part::Web, Part::E2e];

/// Whether everything holds. The last line is the sum; nothing is said after it.
pub(crate) fn run(repo: &Repo, args: &TestArgs, started: Instant) -> Result<bool> {
    let all = args.parts.is_empty();
    let parts: Vec<Part> = if all { ALL.to_vec() } else { args.parts.clone() };
    let mut tools = vec![setup::BUBBLEWRAP, setup::GIT];
    if parts.contains(&Part::E2e) || parts.contains(&Part::Rust) {
        tools.extend([setup::CHROMIUM, setup::NGINX, setup::RIPGREP]);
    }
    let missing = setup::prepare(repo, &tools)?;
    let history = History::open(repo);
    let mut report = Report::default();
    for part in &parts {
        match part {
            Part::Tidy => parts::tidy(repo, &mut report),
            Part::Rust => parts::rust(repo, &mut report),
            Part::Wasm => parts::wasm(repo, &mut report),
            Part::Theia => parts::page(repo, &mut report, crate::pages::Part::Theia),
            Part::Web => parts::page(repo, &mut report, crate::pages::Part::Web),
            Part::E2e => parts::e2e(repo, &mut report, &missing),
            Part::Store => parts::store(repo, &mut report),
        }
    }
    let time = ui::since_typed(started);
    println!("\n{}", report.table());
    // Only the whole run is compared with earlier ones.
    println!("{}", if all { history.took("cargo xtask test", time) } else { format!("took {}", ui::seconds(time)) });
    println!("{}", report.last_line());
    Ok(!report.failed())
}
