//! Running other programs.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::children::Running;
use crate::repo::{Profile, Repo};
use crate::ui;

/// The program's place on the `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|dir| dir.join(program)).find(|file| file.is_file())
}

pub(crate) fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Runs to the end, its output shown; an exit other than 0 is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    // Tables and results go to standard output; what tools say does not.
    command.stdout(std::io::stderr());
    let status = Running::start(command)?.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end and gives its standard output; standard error is shown.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let mut text = String::new();
    if let Some(mut out) = running.child().stdout.take() {
        out.read_to_string(&mut text)?;
    }
    let status = running.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(text)
}

/// Runs to the end and hands over each line of standard output as it comes; standard error is shown.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let mut running = Running::start(command.stdout(Stdio::piped()))?;
    let out = running.child().stdout.take().context("the output cannot be read")?;
    for line in BufReader::new(out).split(b'\n') {
        each(&String::from_utf8_lossy(&line?));
    }
    let status = running.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Whether it could be run and ended well; nothing is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(command).and_then(Running::wait).is_ok_and(|status| status.success())
}

pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Commands that would write a lock file that does not fit, and can be told not to.
const LOCKABLE: [&str; 3] = ["build", "clippy", "test"];

/// `cargo` in the checkout, without the variables that the cargo around xtask set for xtask. In CI the lock file must fit.
pub(crate) fn cargo(repo: &Repo, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command.current_dir(&repo.root).args(with_lock(args, ui::is_ci()));
    command.env("CARGO_TERM_COLOR", if ui::colours() { "always" } else { "never" });
    command
}

fn with_lock<'a>(args: &[&'a str], locked: bool) -> Vec<&'a str> {
    let mut words = args.to_vec();
    if locked && words.first().is_some_and(|command| LOCKABLE.contains(command)) {
        words.insert(1, "--locked");
    }
    words
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds and gives the files that cargo says it made: name of the target, file.
pub(crate) fn cargo_artefacts(repo: &Repo, args: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let text = output(cargo(repo, args).arg("--message-format=json-render-diagnostics"))?;
    let mut found = Vec::new();
    for line in text.lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        let (true, Some(target)) = (message.reason == "compiler-artifact", message.target) else { continue };
        let files = message.executable.map_or(message.filenames, |executable| vec![executable]);
        found.extend(files.into_iter().map(|file| (target.name.clone(), file)));
    }
    Ok(found)
}

/// Name of the server's program.
pub(crate) const SERVER: &str = "coditect-v5-api";
/// Everything that is shipped as a program; the server starts the others, which it finds beside itself.
pub(crate) const PROGRAMS: [&str; 3] = [SERVER, "coditect-sandbox", "coditect-git"];

/// Compiles all [`PROGRAMS`], and gives the server.
pub(crate) fn server(repo: &Repo, profile: Profile) -> Result<PathBuf> {
    let packages = PROGRAMS.iter().flat_map(|name| ["--package", name]);
    let words = ["build", "--bins", "--profile", profile.name()].into_iter().chain(packages);
    let made = cargo_artefacts(repo, &words.collect::<Vec<_>>())?;
    let found = made.into_iter().rev().find(|(name, file)| name == SERVER && is_program(file));
    found.map(|(_, file)| file).ok_or_else(|| anyhow::anyhow!("cargo made no program `{SERVER}`"))
}

/// Whether cargo's file is the program itself and not a library of the same name.
pub(crate) fn is_program(file: &Path) -> bool {
    file.extension().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_given_and_a_failure_shows_the_command() {
        assert_eq!(output(Command::new("echo").arg("hello")).unwrap(), "hello\n");
        let error = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
        assert!(error.to_string().contains("sh -c exit 7") && error.to_string().contains('7'), "{error}");
        assert!(!succeeds(&mut Command::new("surely-no-such-program")));
    }

    #[test]
    fn the_lock_file_is_kept_by_the_commands_that_could_write_it() {
        let clippy = ["clippy", "--workspace", "--", "-D", "warnings"];
        assert_eq!(with_lock(&clippy, true), ["clippy", "--locked", "--workspace", "--", "-D", "warnings"]);
        assert_eq!(with_lock(&clippy, false), clippy);
        assert_eq!(with_lock(&["fmt", "--all"], true), ["fmt", "--all"]);
    }
}
