//! The checks of each part.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::count::Count;
use super::machine::{self, Machine};
use super::report::{Report, Went};
use super::{api as fuzzer, licences, pip, plugins, tidy as rules};
use crate::compress::Quality;
use crate::pages;
use crate::repo::Repo;
use crate::setup::{self, Tool};
use crate::{exec, npm, wasm as shell};

/// What the tests in Rust start.
pub(super) const RUST_TOOLS: [Tool; 5] = [setup::LIBCLANG, setup::BUBBLEWRAP, setup::GIT, setup::RIPGREP, setup::NGINX];
/// What the whole product and its tests start.
pub(super) const E2E_TOOLS: [Tool; 5] = [setup::LIBCLANG, setup::CHROMIUM, setup::NGINX, setup::BUBBLEWRAP, setup::GIT];
/// What the fuzzer of the API takes.
pub(super) const API_TOOLS: [Tool; 2] = fuzzer::TOOLS;
/// What the clients at the gateway take.
pub(super) const CLIENTS_TOOLS: [Tool; 3] = [setup::LIBCLANG, setup::NGINX, setup::PIP];
const SHELL: &str = "coditect-shell";
/// Built for the page, with features that the server's build must not have.
const NOT_SHELL: [&str; 2] = ["--exclude", SHELL];
/// Tests of the server side; xtask's own come apart, because its heavy tree is already built on its own.
const SERVER_SIDE: [&str; 5] = ["--workspace", "--exclude", SHELL, "--exclude", "xtask"];
const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// Names of the checks that others need.
mod name {
    pub(super) const RUST_BUILD: &str = "rust: build";
    pub(super) const WASM_BUILD: &str = "wasm: build";
    pub(super) const THEIA_BUILD: &str = "theia-app: build";
    pub(super) const WEB_BUILD: &str = "web: build";
}

fn well(result: Result<()>) -> Result<Went> {
    result.map(|()| Went::Well(Count::default()))
}

/// Runs a command whose output is shown and read for numbers of tests.
fn counted(command: &mut Command, count: &mut Count) -> Result<Went> {
    exec::lines(command, |line| {
        count.read(line);
        eprintln!("{line}");
    })?;
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(Went::Well(Count::default()))
}

fn cargo(repo: &Repo, words: &[&[&str]]) -> Command {
    exec::cargo(repo, &words.concat())
}

pub(super) fn tidy(repo: &Repo, report: &mut Report) {
    for (name, rule) in rules::RULES {
        report.check(&format!("tidy: {name}"), &[], |_| well(rule(repo)));
    }
    report.check("tidy: licences", &[], |_| well(licences::check(repo)));
    report.check("tidy: layers", &[], |_| well(licences::layers(repo)));
    if exec::on_path("cargo-deny") {
        report.check("tidy: cargo deny", &[], |_| {
            well(exec::run(&mut exec::cargo(repo, &["deny", "check", "bans", "licenses", "sources"])))
        });
    }
}

pub(super) fn rust(repo: &Repo, report: &mut Report, machine: &mut Machine) {
    report.check("rust: format", &[], |_| well(exec::run(&mut exec::cargo(repo, &["fmt", "--all", "--check"]))));
    report.check("rust: lints", &[], |_| {
        well(exec::run(&mut cargo(repo, &[&["clippy", "--workspace", "--all-targets"], &NOT_SHELL, &DENY_WARNINGS])))
    });
    report.check(name::RUST_BUILD, &[], |_| well(server(repo).map(drop)));
    machine.start_model(repo, report);
    let machine = &*machine;
    let test = |words: &[&str], count: &mut Count| {
        let mut command = cargo(repo, &[&["test", "--no-fail-fast"], words]);
        machine.tell(repo, &mut command);
        counted(&mut command, count)
    };
    report.check("rust: tests", &[name::RUST_BUILD], |count| test(&SERVER_SIDE, count));
    report.check("rust: tests of the shell on this machine", &[], |count| test(&["--package", SHELL], count));
    report.check("rust: tests of xtask", &[], |count| test(&["--package", "xtask"], count));
}

/// Builds programs and tests together, so that both see the same features and nothing is compiled twice. Gives the server.
fn server(repo: &Repo) -> Result<PathBuf> {
    let made = exec::cargo_artefacts(repo, &[&["build", "--bins", "--tests"][..], &SERVER_SIDE].concat())?;
    // The unit tests of the program carry its name too, with a hash.
    let found = made
        .into_iter()
        .find(|(name, file)| name == exec::SERVER && file.file_name().is_some_and(|file| file == exec::SERVER));
    found.map(|(_, file)| file).context("cargo made no server")
}

pub(super) fn wasm(repo: &Repo, report: &mut Report) {
    report.check("wasm: lints", &[], |_| {
        let words: [&[&str]; 3] =
            [&["clippy", "--package", SHELL, "--lib", "--target"], &[shell::TARGET], &DENY_WARNINGS];
        well(exec::run(&mut cargo(repo, &words)))
    });
    report.check("wasm: lints of its tests", &[], |_| {
        well(exec::run(&mut cargo(repo, &[&["clippy", "--package", SHELL, "--all-targets"], &DENY_WARNINGS])))
    });
    report.check(name::WASM_BUILD, &[], |_| well(shell::build(repo, shell::Mode::Small).map(drop)));
}

/// Types, tests and bundle of one package of Node.
pub(super) fn page(repo: &Repo, report: &mut Report, part: pages::Part) {
    let dir = repo.root.join(part.name());
    let packages = format!("{}: packages", part.name());
    // An older shell would hide what no longer fits; it is built only where something changed.
    if !report.has(name::WASM_BUILD) {
        report.check(name::WASM_BUILD, &[], |_| well(shell::build(repo, shell::Mode::Small).map(drop)));
    }
    report.check(&packages, &[], |_| well(part.install(repo)));
    let needs = [packages.as_str(), name::WASM_BUILD];
    let build = if part == pages::Part::Theia { name::THEIA_BUILD } else { name::WEB_BUILD };
    report.check(build, &needs, |_| well(part.build(repo)));
    for script in ["check", "test"] {
        report.check(&format!("{}: npm run {script}", part.name()), &needs, |count| {
            if !npm::has_script(&dir, script) {
                return Ok(Went::Skipped(format!("{} has no script `{script}`", part.name())));
            }
            counted(&mut npm::npm(&dir, &["run", script]), count)
        });
    }
}

/// The server is built where the tests in Rust have not done so.
pub(super) fn api(repo: &Repo, report: &mut Report) {
    const FUZZER: &str = "api: fuzzer";
    let tools = API_TOOLS.map(machine::row);
    let tools = tools.each_ref().map(String::as_str);
    let mut dir = PathBuf::new();
    report.check(FUZZER, &tools, |_| well(fuzzer::install(repo).map(|at| dir = at)));
    report
        .check("api: answers as described", &[FUZZER, name::RUST_BUILD], |_| fuzzer::fuzz(repo, &server(repo)?, &dir));
}

/// Libraries and agents as their owners publish them, against the server.
pub(super) fn clients(repo: &Repo, report: &mut Report, machine: &mut Machine) {
    const PACKAGES: &str = "clients: packages of Node";
    const LIBRARIES: &str = "clients: packages of Python";
    let dir = repo.root.join("tests/clients");
    let libraries = repo.target.join("xtask-clients");
    let tools = CLIENTS_TOOLS.map(machine::row);
    let tools = tools.each_ref().map(String::as_str);
    report.check(PACKAGES, &tools, |_| well(npm::install(repo, &dir).map(drop)));
    report.check(LIBRARIES, &tools, |_| well(pip::install(&dir.join("requirements.txt"), &libraries).map(drop)));
    machine.start_model(repo, report);
    report.check("clients: at the gateway", &[PACKAGES, LIBRARIES, name::RUST_BUILD], |count| {
        let mut command = npm::npm(&dir, &["test"]);
        environment(repo, &mut command, &server(repo)?);
        machine.tell(repo, &mut command);
        command.env("CODITECT_CLIENTS_PYTHON", &libraries);
        counted(&mut command, count)
    });
}

pub(super) fn store(repo: &Repo, report: &mut Report) {
    report.check("store: tests", &[], |count| {
        counted(&mut exec::cargo(repo, &["test", "--package", "coditect-store"]), count)
    });
    // A cluster elsewhere is proved by this check alone: the same suite as above, over the real client library.
    report.check("store: FoundationDB", &[], |count| {
        const CLUSTER: &str = "CODITECT_TEST_FDB_CLUSTER";
        if std::env::var_os(CLUSTER).is_none_or(|file| file.is_empty()) {
            return Ok(Went::Skipped(format!("{CLUSTER} names no cluster file")));
        }
        let words = ["test", "--package", "coditect-store", "--test", "conformance", "--", "foundationdb::"];
        counted(&mut exec::cargo(repo, &words), count)
    });
}

/// The whole product in a browser.
pub(super) fn e2e(repo: &Repo, report: &mut Report, machine: &mut Machine) {
    const PACKAGES: &str = "e2e: packages";
    const PARTS: &str = "e2e: parts";
    let dir = repo.root.join("tests/e2e");
    let tools = E2E_TOOLS.map(machine::row);
    let tools = tools.each_ref().map(String::as_str);
    let builds = [name::RUST_BUILD, name::WASM_BUILD, name::THEIA_BUILD, name::WEB_BUILD];
    let mut program = PathBuf::new();
    report.check(PACKAGES, &tools, |_| well(npm::install(repo, &dir).map(drop)));
    report.check(PARTS, &[&tools[..], &builds].concat(), |_| {
        pages::build(repo, Quality::Quick)?;
        program = server(repo)?;
        Ok(Went::Well(Count::default()))
    });
    machine.start_model(repo, report);
    // Those of plugins say by themselves what they lack.
    let authors = plugins::prepare(repo, report);
    report.check("e2e: in the browser", &[PACKAGES, PARTS], |count| {
        let mut command = npm::npm(&dir, &["test"]);
        environment(repo, &mut command, &program);
        machine.tell(repo, &mut command);
        authors.tell(&mut command)?;
        counted(&mut command, count)
    });
}

/// Tells the tests in `tests/e2e` where the parts are.
pub(crate) fn environment(repo: &Repo, command: &mut Command, program: &std::path::Path) {
    command
        .env("CODITECT_E2E_BIN", program)
        .env("CODITECT_E2E_WEB", repo.web_dir())
        .env("CODITECT_E2E_THEIA", repo.theia_dir())
        .env("CODITECT_E2E_NGINX_TEMPLATE", repo.nginx_template())
        .env_remove("CODITECT_E2E_MODEL");
    for (name, tool) in [("CODITECT_E2E_CHROMIUM", setup::CHROMIUM), ("CODITECT_E2E_NGINX", setup::NGINX)] {
        if let Some(program) = exec::find(tool.program) {
            command.env(name, program);
        }
    }
}
