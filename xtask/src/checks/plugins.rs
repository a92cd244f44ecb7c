//! Plugins as their authors make them: the SDK, and the examples in every language. The guide is followed in the browser's tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::count::Count;
use super::pip;
use super::report::{Report, Went};
use crate::repo::Repo;
use crate::setup::{self, Tool};
use crate::{exec, npm};

/// What plugins in the languages beside Rust and JavaScript are made with.
pub(super) const TOOLS: [Tool; 6] =
    [setup::PIP, setup::LIBCLANG, setup::CLANG, setup::LLD, setup::WASI_LIBC, setup::WASI_RUNTIME];

/// Names of the checks that others need.
mod name {
    pub(super) const COMMAND: &str = "plugins: the author's command";
    pub(super) const PYTHON: &str = "plugins: packages of Python";
    pub(super) const SDK: &str = "plugins: SDK";
}

/// What every step is done with.
pub(super) struct Bench {
    /// Where the author's command is.
    command: PathBuf,
    /// Packages of Python.
    python: PathBuf,
    /// Where Rust is compiled to, for all plugins together.
    target: PathBuf,
}

impl Bench {
    /// Gives a command what plugins are made with, and first of all the author's command.
    pub(super) fn tell(&self, command: &mut Command) -> Result<()> {
        let own = self.command.parent().map(Path::to_owned).into_iter().chain([self.python.join("bin")]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.chain(std::env::split_paths(&path)))?;
        command.env("PATH", path).env("PYTHONPATH", &self.python).env("CARGO_TARGET_DIR", &self.target);
        Ok(())
    }
}

/// Sees to it that plugins can be made in every language. The checks that depend on it need [`needs`].
pub(super) fn prepare(repo: &Repo, report: &mut Report) -> Bench {
    let target = repo.target.join("plugins");
    let mut bench = Bench { command: PathBuf::new(), python: repo.target.join("xtask-plugins-python"), target };
    // In a whole run it is built twice, and found ready the second time.
    let command = exec::cargo_artefacts(repo, &["build", "--package", "coditect-plugin", "--bins"])
        .map(|made| made.into_iter().find(|(name, _)| name == "coditect-plugin").map(|(_, file)| file));
    if let Ok(Some(file)) = &command {
        bench.command.clone_from(file);
    }
    if !report.has(name::COMMAND) {
        report.check(name::COMMAND, &[], |_| {
            command?.context("cargo made no coditect-plugin")?;
            Ok(Went::Well(Count::default()))
        });
        report.check(name::PYTHON, &[&super::machine::row(setup::PIP)], |_| {
            pip::install(&repo.root.join("plugins/requirements.txt"), &bench.python)?;
            Ok(Went::Well(Count::default()))
        });
    }
    bench
}

/// The checks that making plugins depends on.
pub(super) fn needs() -> Vec<String> {
    let tools = TOOLS.map(super::machine::row).into_iter();
    tools.chain([name::COMMAND, name::PYTHON].map(str::to_owned)).collect()
}

pub(super) fn check(repo: &Repo, report: &mut Report) {
    let bench = prepare(repo, report);
    let needs = needs();
    let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
    report.check(name::SDK, &[], |count| crate_of_rust(repo, &repo.root.join("plugins/sdk"), &bench, count));
    for example in folders(&repo.root.join("plugins/examples")) {
        let title = example.file_name().unwrap_or_default().to_string_lossy();
        report.check(&format!("plugins: {title}"), &needs, |count| one(repo, &example, &bench, count));
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("plugin.toml").is_file()).collect();
    folders.sort();
    folders
}

/// Format, lints and tests of a crate that is a workspace of its own.
fn crate_of_rust(repo: &Repo, folder: &Path, bench: &Bench, count: &mut Count) -> Result<Went> {
    let steps: [&[&str]; 3] =
        [&["fmt", "--check"], &["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"], &["test"]];
    for words in steps {
        let mut cargo = exec::cargo(repo, words);
        bench.tell(cargo.current_dir(folder))?;
        lines(&mut cargo, count, Count::read)?;
    }
    Ok(Went::Well(Count::default()))
}

/// One example: what it tests by itself, and its tests in the real host.
fn one(repo: &Repo, folder: &Path, bench: &Bench, count: &mut Count) -> Result<Went> {
    if folder.join("Cargo.toml").is_file() {
        crate_of_rust(repo, folder, bench, count)?;
    }
    if folder.join("package.json").is_file() {
        npm::install(repo, folder)?;
        lines(&mut npm::npm(folder, &["test"]), count, Count::read)?;
    }
    if folder.join("Makefile").is_file() {
        exec::run(Command::new("make").current_dir(folder).args(["--silent", "check"]))?;
        count.add(Count::ONE_PASSED);
    }
    if folder.join("app.py").is_file() {
        exec::run(
            Command::new("python3").current_dir(folder).args(["-m", "unittest", "discover", "--start", "tests"]),
        )?;
        count.add(Count::ONE_PASSED);
    }
    let mut test = Command::new(&bench.command);
    bench.tell(test.current_dir(folder).arg("test"))?;
    lines(&mut test, count, read_declared)?;
    Ok(Went::Well(Count::default()))
}

/// A line of `coditect-plugin test`.
fn read_declared(count: &mut Count, line: &str) {
    match line.split_whitespace().next() {
        Some("ok") => count.add(Count::ONE_PASSED),
        Some("FAILED") => count.add(Count::ONE_FAILED),
        _ => {}
    }
}

/// Runs a command whose output is shown, and read for numbers of tests.
fn lines(command: &mut Command, count: &mut Count, read: impl Fn(&mut Count, &str)) -> Result<()> {
    exec::lines(command, |line| {
        read(count, line);
        eprintln!("{line}");
    })?;
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_plugins_are_counted() {
        let mut count = Count::default();
        for line in
            ["ok      hello: it greets  (1 ms, 1024 KiB)", "FAILED  hello: it does not", "2 tests, 1 failed", ""]
        {
            read_declared(&mut count, line);
        }
        assert_eq!(count, Count { passed: 1, failed: 1, skipped: 0 });
    }
}
