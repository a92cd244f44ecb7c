//! What the machine must have: asked for aloud, installed where that is possible, never silently.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::ui::{self, Done};
use crate::{exec, npm, wasm};

/// A program, and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    /// What does not work without it.
    pub(crate) purpose: &'static str,
}

pub(crate) const BUBBLEWRAP: Tool =
    Tool { program: "bwrap", package: "bubblewrap", purpose: "terminals run in a sandbox" };
pub(crate) const GIT: Tool = Tool { program: "git", package: "git", purpose: "workspaces are made from repositories" };
pub(crate) const NGINX: Tool =
    Tool { program: "nginx", package: "nginx-light", purpose: "nginx stands in front of the server" };
pub(crate) const CHROMIUM: Tool =
    Tool { program: "chromium", package: "chromium", purpose: "the tests drive a real browser" };
pub(crate) const RIPGREP: Tool =
    Tool { program: "rg", package: "ripgrep", purpose: "the tests compare the text search with it" };

/// Targets of the Rust compiler: the page's shell, and plugins.
const TARGETS: [&str; 2] = [wasm::TARGET, "wasm32-wasip2"];

/// Rust's targets, Node, and the given programs. Gives the programs that are still missing.
pub(crate) fn prepare(repo: &Repo, tools: &[Tool]) -> Result<Vec<Tool>> {
    npm::require_node()?;
    rust_targets(repo)?;
    programs(tools)
}

fn rust_targets(repo: &Repo) -> Result<()> {
    let sysroot = exec::output(Command::new("rustc").current_dir(&repo.root).args(["--print", "sysroot"]))
        .context("the Rust compiler is needed: install it with rustup (https://rustup.rs) and try again")?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> =
        TARGETS.into_iter().filter(|target| !libraries.join(target).join("lib").is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !exec::on_path("rustup") {
        bail!(
            "the compiler cannot build for {names} and there is no rustup to add that: install Rust with rustup (https://rustup.rs)"
        );
    }
    let work = || {
        exec::run(Command::new("rustup").current_dir(&repo.root).args(["target", "add"]).args(&missing))?;
        Ok(Done::did(""))
    };
    ui::step("setup", &format!("rustup target add {names}"), work).map(drop)
}

/// Installs what is missing where this is root on Debian; gives what could not be installed.
fn programs(tools: &[Tool]) -> Result<Vec<Tool>> {
    let missing =
        |tools: &[Tool]| tools.iter().copied().filter(|tool| !exec::on_path(tool.program)).collect::<Vec<_>>();
    let absent = missing(tools);
    if absent.is_empty() {
        return Ok(absent);
    }
    let packages: Vec<&str> = absent.iter().map(|tool| tool.package).collect();
    if exec::on_path("apt-get") && rustix::process::geteuid().is_root() {
        let what = format!("apt-get install {}", packages.join(" "));
        // What cannot be installed is not the end: whoever needs it decides.
        if let Err(error) = ui::step("setup", &what, || apt_install(&packages)) {
            ui::warn(&format!("{error:#}"));
        }
    }
    let still = missing(&absent);
    for tool in &still {
        ui::warn(&format!(
            "`{}` is not installed ({}); on Debian: sudo apt-get install {}",
            tool.program, tool.purpose, tool.package
        ));
    }
    Ok(still)
}

fn apt_install(packages: &[&str]) -> Result<Done> {
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "Dpkg::Use-Pty=0"]).args(args);
        command
    };
    exec::run(&mut apt(&["update"]))?;
    exec::run(apt(&["install", "--yes", "--no-install-recommends"]).args(packages))?;
    Ok(Done::did(""))
}

/// Stops with one sentence when a program is missing that there is no doing without.
pub(crate) fn require(missing: &[Tool], tool: Tool) -> Result<()> {
    if missing.contains(&tool) {
        bail!("`{}` is needed: install the package `{}` and try again", tool.program, tool.package);
    }
    Ok(())
}
