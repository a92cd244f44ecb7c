//! What others offer, installed into a cache directory; each is there once, under its name and version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The directory of `name`, filled by `install` where that was not done before.
fn installed(name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let cache = cache.context("there is no home directory to install into: set XDG_CACHE_HOME")?;
    let dir = cache.join("coditect-peers").join(name);
    let done = dir.join("installed");
    if done.exists() {
        return Ok(dir);
    }
    eprintln!("installs {name} in {}", dir.display());
    // What an attempt that failed left behind would break the next.
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    install(&dir).context("it does not install")?;
    fs::write(done, "")?;
    Ok(dir)
}

/// A program of crates.io, compiled with the versions that its makers chose.
pub(crate) fn of_cargo(name: &str, version: &str) -> Result<PathBuf> {
    let dir = installed(&format!("{name}-{version}"), |dir| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        run(cargo.args(["install", "--locked", "--quiet", "--version", version, "--root"]).arg(dir).arg(name))
    })?;
    Ok(dir.join("bin").join(name))
}

/// A package of PyPI with all it needs; the answer is for `PYTHONPATH`.
pub(crate) fn of_pip(package: &str, extra: &str, version: &str) -> Result<PathBuf> {
    installed(&format!("{package}-{version}"), |dir| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(dir);
        run(pip.arg(format!("{package}{extra}=={version}")))
    })
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Figures go to standard output; what tools say does not.
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("`{program}` cannot be started"))?;
    if !status.success() {
        bail!("`{program}` failed ({status})");
    }
    Ok(())
}
