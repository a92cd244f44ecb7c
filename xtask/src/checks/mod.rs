//! `cargo xtask test`: every check there is.
//!
//! The parts are independent: a failure in one does not keep the others from running, and what depends on a failed step is skipped with
//! that reason. All of it uses one development build, so that the server under test in the browser is the one the tests were run on.

mod api;
mod count;
mod licences;
mod machine;
mod parts;
mod pip;
mod plugins;
mod report;
mod tidy;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::history::History;
use crate::repo::Repo;
use crate::setup::{self, Needs};
use crate::{model, ui};

use machine::Machine;
#[cfg(test)]
pub(crate) use machine::is_required;
pub(crate) use parts::environment;
use report::Report;

#[derive(Args)]
pub(crate) struct TestArgs {
    /// The parts to check; all of them unless some are named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Skips what needs a program or a model that cannot be had. Without this it fails in a whole run, and wherever `CI` is set.
    #[arg(long)]
    allow_skips: bool,
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
    /// The API, fuzzed by its own description.
    Api,
    /// Clients of language models that nobody here wrote, at the gateway.
    Clients,
    /// Plugins as their authors make them: the SDK and the examples, in every language.
    Plugins,
    /// The store alone.
    Store,
}

impl Part {
    fn needs(self) -> Needs {
        match self {
            Self::Tidy => Needs::default(),
            Self::Store => Needs::tools(&[setup::LIBCLANG]),
            Self::Rust => {
                let tools = Needs::tools(&parts::RUST_TOOLS).and(&Needs::tools(&model::tools()));
                // Its tests compile a plugin.
                Needs { plugins: true, ..tools }
            }
            Self::Wasm | Self::Theia | Self::Web => Needs::pages(&[]),
            Self::Api => Needs::tools(&parts::API_TOOLS),
            Self::Clients => Needs { node: true, ..Needs::tools(&parts::CLIENTS_TOOLS) },
            Self::Plugins => Needs { node: true, plugins: true, ..Needs::tools(&plugins::TOOLS) },
            Self::E2e => {
                let whole = Needs::pages(&parts::E2E_TOOLS).and(&Needs::tools(&model::tools()));
                whole.and(&Self::Plugins.needs())
            }
        }
    }
}

/// Every part once: the store's tests are among Rust's.
const ALL: [Part; 9] =
    [Part::Tidy, Part::Rust, Part::Api, Part::Clients, Part::Plugins, Part::Wasm, Part::Theia, Part::Web, Part::E2e];

/// Whether everything holds. The last line is the sum; nothing is said after it.
pub(crate) fn run(repo: &Repo, args: &TestArgs, started: Instant) -> Result<bool> {
    let all = args.parts.is_empty();
    let parts: Vec<Part> = if all { ALL.to_vec() } else { args.parts.clone() };
    let needs = parts.iter().fold(Needs::default(), |needs, part| needs.and(&part.needs()));
    let missing = setup::prepare(repo, &needs)?;
    let history = History::open(repo, "test");
    let mut report = Report::default();
    let strict = (all || ui::is_ci()) && !args.allow_skips;
    let mut machine = Machine::new(strict, &missing, &mut report);
    for part in &parts {
        match part {
            Part::Tidy => parts::tidy(repo, &mut report),
            Part::Rust => parts::rust(repo, &mut report, &mut machine),
            Part::Wasm => parts::wasm(repo, &mut report),
            Part::Theia => parts::page(repo, &mut report, crate::pages::Part::Theia),
            Part::Web => parts::page(repo, &mut report, crate::pages::Part::Web),
            Part::E2e => parts::e2e(repo, &mut report, &mut machine),
            Part::Api => parts::api(repo, &mut report),
            Part::Clients => parts::clients(repo, &mut report, &mut machine),
            Part::Plugins => plugins::check(repo, &mut report),
            Part::Store => parts::store(repo, &mut report),
        }
    }
    machine.stop();
    let time = ui::since_typed(started);
    println!("\n{}", report.table());
    // Only whole runs are compared with each other.
    let took = match (all, report.failed()) {
        (true, false) => history.succeeded(time),
        (true, true) => history.failed(time),
        (false, _) => format!("took {}", ui::seconds(time)),
    };
    println!("{took}");
    println!("{}", report.last_line());
    Ok(!report.failed())
}
