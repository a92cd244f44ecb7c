//! Packages of Node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::exec;
use crate::repo::Repo;
use crate::stamp::Stamp;
use crate::ui::{self, Done};

/// The oldest Node that everything was tried with.
const MIN_NODE: u32 = 20;

/// Says what is missing when Node is not there or too old.
pub(crate) fn require_node() -> Result<()> {
    let found = exec::output(Command::new("node").arg("--version")).with_context(|| {
        format!("Node.js {MIN_NODE} or newer is needed: install it (https://nodejs.org) and try again")
    })?;
    let major: u32 =
        found.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < MIN_NODE {
        bail!(
            "Node.js {MIN_NODE} or newer is needed, found {}: install a newer one (https://nodejs.org) and try again",
            found.trim()
        );
    }
    if !exec::on_path("npm") {
        bail!("npm is needed and comes with Node.js, but is not on the PATH: install it and try again");
    }
    Ok(())
}

/// `npm` in a folder of the checkout.
pub(crate) fn npm(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(dir).args(args).env("npm_config_update_notifier", "false").env("npm_config_fund", "false");
    if !ui::colours() {
        command.env("NO_COLOR", "1").env("npm_config_color", "false");
    }
    command
}

/// Installs what the folder's lock file names, unless that is there already. No package's own scripts run.
pub(crate) fn install(repo: &Repo, dir: &Path) -> Result<Done> {
    let lock = dir.join("package-lock.json");
    if !lock.is_file() {
        bail!("{} is missing: it must be kept under version control", repo.show(&lock));
    }
    let name = format!("npm-{}", repo.show(dir).to_string().replace('/', "-"));
    let stamp = Stamp::new(repo, &name).file(&lock).file(&dir.join("package.json"));
    if stamp.is_fresh(&[&dir.join("node_modules/.package-lock.json")]) {
        return Ok(Done::UpToDate);
    }
    exec::run(&mut npm(dir, &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    stamp.keep()?;
    Ok(Done::did(""))
}

/// Whether the folder's package has a script of that name.
pub(crate) fn has_script(dir: &Path, script: &str) -> bool {
    let text = std::fs::read_to_string(dir.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    package["scripts"][script].is_string()
}
