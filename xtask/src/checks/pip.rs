//! Packages of Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::exec;

/// Installs into `dir` what the file lists, with checksums and nothing built here, unless that is there already. Gives the folder, which
/// `PYTHONPATH` shall name.
pub(super) fn install(requirements: &Path, dir: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements).with_context(|| format!("{} is missing", requirements.display()))?;
    let stamp = dir.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(dir.to_owned());
    }
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("{} cannot be replaced", dir.display()))?;
    }
    let words =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
    exec::run(
        Command::new("python3")
            .args(words)
            .args(["--require-hashes", "--target"])
            .arg(dir)
            .arg("--requirement")
            .arg(requirements),
    )?;
    fs::write(&stamp, wanted)?;
    Ok(dir.to_owned())
}
