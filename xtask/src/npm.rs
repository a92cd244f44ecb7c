//! Packages of Node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::exec;
use crate::repo::Repo;
use crate::ui::{self, Done};

/// What the build's tools run on, as packages write it.
pub(crate) const ENGINES: &str = "^20.19.0 || >=22.12.0";
/// The same for people.
pub(crate) const NODE: &str = "20.19 or newer, or 22.12 or newer";
/// The same for versions.
fn suits(major: u32, minor: u32) -> bool {
    matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _))
}

/// Says what is missing when Node is not there or too old.
pub(crate) fn require_node() -> Result<()> {
    let found = exec::output(Command::new("node").arg("--version"))
        .with_context(|| format!("Node.js is needed, {NODE}: install it (https://nodejs.org) and try again"))?;
    let found = found.trim();
    if !version(found).is_some_and(|(major, minor)| suits(major, minor)) {
        bail!("Node.js is needed, {NODE}, but this is {found}: install a newer one (https://nodejs.org) and try again");
    }
    if !exec::on_path("npm") {
        bail!("npm is needed and comes with Node.js, but is not on the PATH: install it and try again");
    }
    Ok(())
}

/// Major and minor number of `v20.19.5`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
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
    if is_installed(&lock, &dir.join("node_modules/.package-lock.json")) {
        return Ok(Done::UpToDate);
    }
    exec::run(&mut npm(dir, &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    Ok(Done::did(""))
}

/// Whether what npm says it installed is what the lock file names. npm writes its list last, so a half installation has none.
fn is_installed(lock: &Path, installed: &Path) -> bool {
    let read = |path: &Path| -> Option<serde_json::Map<String, serde_json::Value>> {
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        value["packages"].as_object().cloned()
    };
    let (Some(lock), Some(installed)) = (read(lock), read(installed)) else { return false };
    let same = |a: &serde_json::Value, b: &serde_json::Value| {
        ["version", "integrity", "link"].iter().all(|key| a[key] == b[key])
    };
    let wanted =
        lock.iter().filter(|(name, entry)| name.contains("node_modules/") && entry["optional"].as_bool() != Some(true));
    let all_there = wanted.into_iter().all(|(name, entry)| installed.get(name).is_some_and(|there| same(entry, there)));
    all_there && installed.iter().all(|(name, there)| lock.get(name).is_some_and(|entry| same(entry, there)))
}

/// Whether the folder's package has a script of that name.
pub(crate) fn has_script(dir: &Path, script: &str) -> bool {
    let text = std::fs::read_to_string(dir.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    package["scripts"][script].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    #[test]
    fn the_version_of_node_is_judged_with_its_second_number() {
        let good = |text: &str| version(text).is_some_and(|(major, minor)| suits(major, minor));
        for text in ["v20.19.0", "v20.20.2", "v22.12.0", "v23.0.0", "v26.1.0-nightly"] {
            assert!(good(text), "{text}");
        }
        for text in ["v18.20.0", "v20.18.9", "v21.7.0", "v22.11.0", "20.19.0", "v22", ""] {
            assert!(!good(text), "{text}");
        }
    }

    #[test]
    fn an_installation_is_known_by_what_npm_lists() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, installed) = (dir.path().join("lock"), dir.path().join("installed"));
        let check = |there: &str| {
            stamp::write(&installed, there.as_bytes()).unwrap();
            is_installed(&lock, &installed)
        };
        let text = r#"{"packages": {"": {"name": "x"}, "app": {"version": "1.0.0"},
            "node_modules/app": {"link": true, "resolved": "app"},
            "node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"},
            "node_modules/other-system": {"version": "1.0.0", "optional": true}}}"#;
        stamp::write(&lock, text.as_bytes()).unwrap();
        assert!(!is_installed(&lock, &installed), "nothing is installed");
        let a = r#""node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"}"#;
        let app = r#""node_modules/app": {"link": true, "resolved": "app"}"#;
        assert!(check(&format!(r#"{{"packages": {{{a}, {app}}}}}"#)));
        assert!(!check(&format!(r#"{{"packages": {{{app}}}}}"#)), "one is missing");
        assert!(
            !check(&format!(r#"{{"packages": {{{a}, {app}, "node_modules/b": {{"version": "1.0.0"}}}}}}"#)),
            "one is too many"
        );
        assert!(
            !check(&format!(r#"{{"packages": {{{}, {app}}}}}"#, a.replace("1.0.0", "1.0.1"))),
            "one is of another version"
        );
    }
}
