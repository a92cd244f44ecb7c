//! The shell that runs in the page: compiled, bound, optimised.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use crate::repo::Repo;
use crate::setup::Needs;
use crate::stamp::{self, Stamp};
use crate::ui::{self, Done};
use crate::{exec, npm};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// What plugins in Rust are compiled for.
pub(crate) const PLUGIN_TARGET: &str = "wasm32-wasip2";
const PACKAGE: &str = "coditect-shell";
const OUT_NAME: &str = "coditect_shell";

/// How much work goes into the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Quick to build, with names for stack traces.
    Dev,
    /// What people get.
    Small,
}

/// What building needs: only the small module goes through a tool of Node's.
pub(crate) fn needs(mode: Mode) -> Needs {
    Needs { node: mode == Mode::Small, wasm: true, ..Needs::default() }
}

/// Makes `wasm/pkg`.
pub(crate) fn build(repo: &Repo, mode: Mode) -> Result<Done> {
    let profile = if mode == Mode::Dev { "dev" } else { "wasm" };
    let args = ["build", "--package", PACKAGE, "--lib", "--target", TARGET, "--profile", profile];
    let made = exec::cargo_artefacts(repo, &args)?;
    let module = made.into_iter().find(|(_, file)| file.extension().is_some_and(|extension| extension == "wasm"));
    let (_, module) = module.ok_or_else(|| anyhow!("cargo made no WebAssembly module for {PACKAGE}"))?;

    let pkg = repo.wasm_pkg();
    let bound = pkg.join(format!("{OUT_NAME}_bg.wasm"));
    let tools = repo.root.join("xtask/npm");
    let stamp = Stamp::new(repo, "wasm-pkg")
        .file(&module)
        .text(if mode == Mode::Dev { "dev" } else { "small" })
        .text(env!("CARGO_PKG_VERSION"))
        .file(&repo.root.join("Cargo.lock"))
        .file(&tools.join("package-lock.json"))
        .file(&repo.root.join("xtask/src/wasm.rs"));
    let script = pkg.join(format!("{OUT_NAME}.js"));
    if stamp.is_fresh(&[&bound, &script, &pkg.join("package.json")]) {
        return Ok(Done::UpToDate);
    }
    let staging = repo.target.join("xtask-wasm-pkg");
    bind(&module, &staging, mode)?;
    let staged = staging.join(format!("{OUT_NAME}_bg.wasm"));
    let plain = size(&staged)?;
    if mode == Mode::Small {
        npm::install(repo, &tools)?;
        optimise(&tools, &staged)?;
    }
    publish(&staging, &pkg)?;
    stamp.keep()?;
    let note = match mode {
        Mode::Dev => ui::bytes(plain),
        Mode::Small => format!("{} bound, {} after wasm-opt", ui::bytes(plain), ui::bytes(size(&bound)?)),
    };
    Ok(Done::did(note))
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| format!("{} is missing", file.display()))?.len())
}

fn bind(module: &Path, out: &Path, mode: Mode) -> Result<()> {
    if out.exists() {
        fs::remove_dir_all(out).context("the folder for the bound module cannot be emptied")?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(OUT_NAME).typescript(true);
    bindgen.web(true).and_then(|bindgen| {
        let dev = mode == Mode::Dev;
        bindgen.debug(dev).keep_debug(dev).remove_name_section(!dev).remove_producers_section(!dev).generate(out)
    })?;
    let package = serde_json::json!({
        "name": PACKAGE,
        "version": env!("CARGO_PKG_VERSION"),
        "private": true,
        "license": "Apache-2.0",
        "type": "module",
        "main": format!("{OUT_NAME}.js"),
        "types": format!("{OUT_NAME}.d.ts"),
        "sideEffects": [format!("./{OUT_NAME}.js"), "./snippets/*"],
    });
    stamp::write(&out.join("package.json"), format!("{package:#}\n").as_bytes())
}

/// Makes the module smaller in its place.
fn optimise(tools: &Path, module: &Path) -> Result<()> {
    let program = tools.join("node_modules/binaryen/bin/wasm-opt");
    let smaller = module.with_extension("opt");
    // The features that rustc switches on for this target; wasm-opt reads them from the module only where they were not stripped.
    let features =
        ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "sign-ext", "reference-types", "multivalue"];
    let mut command = Command::new("node");
    command.arg(program).args(["-Oz", "--strip-debug", "--strip-producers"]);
    command.args(features.map(|feature| format!("--enable-{feature}"))).arg(module).arg("-o").arg(&smaller);
    exec::run(&mut command)?;
    whole(&fs::read(&smaller).context("wasm-opt left nothing")?)?;
    fs::rename(&smaller, module).context("the optimised module cannot be put in its place")
}

/// Refuses a module whose sections are not all there: on a full disk, wasm-opt ends well with half of one.
fn whole(module: &[u8]) -> Result<()> {
    for section in wasmparser::Parser::new(0).parse_all(module) {
        section.context("wasm-opt left half a module; is the disk full?")?;
    }
    Ok(())
}

/// Puts the files where the front ends look, and takes away what is no longer made. Unchanged files keep their times.
fn publish(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !from.join(entry.file_name()).exists() {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            publish(&entry.path(), &target)?;
        } else {
            let content = fs::read(entry.path())?;
            if fs::read(&target).ok().as_deref() != Some(&content) {
                stamp::write(&target, &content)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_made_goes_and_the_rest_arrives() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        stamp::write(&from.join("snippets/x/a.js"), b"new").unwrap();
        stamp::write(&to.join("old.js"), b"").unwrap();
        stamp::write(&to.join("old/b.js"), b"").unwrap();
        publish(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("snippets/x/a.js")).unwrap(), b"new");
        assert!(!to.join("old.js").exists() && !to.join("old").exists());
    }

    #[test]
    fn half_a_module_is_refused() {
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0";
        whole(module).unwrap();
        for end in [0, 4, 9, module.len() - 1] {
            whole(&module[..end]).unwrap_err();
        }
    }
}
