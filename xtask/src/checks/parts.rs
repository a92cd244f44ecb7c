//! The checks of each part.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::count::Count;
use super::report::{Report, Went};
use super::{licences, tidy as rules};
use crate::compress::Quality;
use crate::pages;
use crate::repo::Repo;
use crate::setup::{self, Tool};
use crate::{exec, model, nginx, npm, stamp, wasm as shell};

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

pub(super) fn rust(repo: &Repo, report: &mut Report) {
    report.check("rust: format", &[], |_| well(exec::run(&mut exec::cargo(repo, &["fmt", "--all", "--check"]))));
    report.check("rust: lints", &[], |_| {
        well(exec::run(&mut cargo(repo, &[&["clippy", "--workspace", "--all-targets"], &NOT_SHELL, &DENY_WARNINGS])))
    });
    report.check(name::RUST_BUILD, &[], |_| well(server(repo).map(drop)));
    report.check("rust: tests", &[name::RUST_BUILD], |count| {
        counted(&mut cargo(repo, &[&["test", "--no-fail-fast"], &SERVER_SIDE]), count)
    });
    report.check("rust: tests of the shell on this machine", &[], |count| {
        counted(&mut cargo(repo, &[&["test", "--no-fail-fast", "--package", SHELL]]), count)
    });
    report.check("rust: tests of xtask", &[], |count| {
        counted(&mut cargo(repo, &[&["test", "--no-fail-fast", "--package", "xtask"]]), count)
    });
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
    if !repo.wasm_pkg().join("package.json").exists() {
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

pub(super) fn store(repo: &Repo, report: &mut Report) {
    report.check("store: tests", &[], |count| {
        counted(&mut exec::cargo(repo, &["test", "--package", "coditect-store"]), count)
    });
    if std::env::var_os("CODITECT_TEST_FDB_CLUSTER").is_none() {
        report.check("store: FoundationDB", &[], |_| {
            Ok(Went::Skipped("CODITECT_TEST_FDB_CLUSTER names no cluster file".to_owned()))
        });
    }
}

/// The whole product in a browser.
pub(super) fn e2e(repo: &Repo, report: &mut Report, missing: &[Tool]) {
    let dir = repo.root.join("tests/e2e");
    let needs = [name::RUST_BUILD, name::WASM_BUILD, name::THEIA_BUILD, name::WEB_BUILD, "e2e: packages", "e2e: parts"];
    let absent = [setup::CHROMIUM, setup::NGINX].into_iter().find(|tool| missing.contains(tool));
    if let Some(tool) = absent {
        let why =
            format!("`{}` is not installed and could not be: install the package `{}`", tool.program, tool.package);
        report.check("e2e", &[], |_| Ok(Went::Skipped(why)));
        return;
    }
    let mut program = PathBuf::new();
    report.check("e2e: packages", &[], |_| well(npm::install(repo, &dir).map(drop)));
    report.check("e2e: parts", &needs[..4], |_| {
        pages::build(repo, Quality::Quick)?;
        program = server(repo)?;
        Ok(Went::Well(Count::default()))
    });
    report.check("e2e: in the browser", &needs, |count| {
        let model = match model::start(repo, &repo.target.join("xtask-model.log")) {
            Ok(model) => Some(model),
            Err(error) => {
                crate::ui::warn(&format!("{error:#}"));
                None
            }
        };
        let mut command = npm::npm(&dir, &["test"]);
        environment(repo, &mut command, &program)?;
        if let Some(model) = &model {
            command.env("CODITECT_E2E_MODEL", model.url());
        }
        let went = counted(&mut command, count);
        if let Some(model) = model {
            model.stop();
        }
        went
    });
}

/// Tells the tests in `tests/e2e` where the parts are.
pub(crate) fn environment(repo: &Repo, command: &mut Command, program: &std::path::Path) -> Result<()> {
    // What the tests do not vary is filled in already.
    let template = std::fs::read_to_string(repo.nginx_template()).context("the nginx template cannot be read")?;
    let prepared = repo.target.join("xtask-nginx.conf.template");
    stamp::write(&prepared, template.replace("${CODITECT_NGINX_MAX_BODY}", nginx::MAX_BODY).as_bytes())?;
    command
        .env("CODITECT_E2E_BIN", program)
        .env("CODITECT_E2E_WEB", repo.web_dir())
        .env("CODITECT_E2E_THEIA", repo.theia_dir())
        .env("CODITECT_E2E_NGINX_TEMPLATE", prepared)
        .env_remove("CODITECT_E2E_MODEL");
    if let Some(chromium) = exec::find(setup::CHROMIUM.program) {
        command.env("CODITECT_E2E_CHROMIUM", chromium);
    }
    if let Some(nginx) = exec::find(setup::NGINX.program) {
        command.env("CODITECT_E2E_NGINX", nginx);
    }
    Ok(())
}
