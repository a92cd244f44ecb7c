//! Rust: cargo makes a component by itself, for the target wasm32-wasip2.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tool::{Tool, made};
use crate::embedded::{SDK_MANIFEST, SDK_SOURCES, WIT};
use crate::error::CliError;
use crate::project::{Project, WORK_FOLDER, write_if_changed};

const TARGET: &str = "wasm32-wasip2";
/// Where the SDK is put, below the plugin's folder.
const SDK_FOLDER: &str = ".coditect/sdk";

pub(super) async fn build(project: &Project, release: bool) -> Result<Vec<u8>, CliError> {
    let folder = &project.folder;
    let manifest = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).map_err(CliError::io(&manifest))?;
    if text.contains(SDK_FOLDER) {
        write_sdk(folder)?;
    }
    let cargo = Tool::of_path("cargo", "install Rust with rustup");
    has_target(folder).await?;
    let mut command = cargo.command(folder);
    command.args(["build", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if release {
        command.arg("--release");
    }
    let output = cargo.output(command).await?;
    if !output.status.success() {
        return Err(cargo.failed());
    }
    let manifest = manifest.canonicalize().map_err(CliError::io(&manifest))?;
    let found = artifact(&String::from_utf8_lossy(&output.stdout), &manifest);
    let none = "cargo made no component; Cargo.toml needs [lib] with crate-type = [\"cdylib\"]";
    made(&found.ok_or_else(|| CliError::Build(none.to_owned()))?)
}

async fn has_target(folder: &Path) -> Result<(), CliError> {
    let rustc = Tool::of_path("rustc", "install Rust with rustup");
    let mut command = rustc.command(folder);
    command.args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output(command).await?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libraries.is_dir() {
        return Ok(());
    }
    Err(CliError::Tool { tool: "Rust's target wasm32-wasip2", install: format!("run: rustup target add {TARGET}") })
}

/// A message of cargo, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The component that the plugin's own package came to.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let own = messages
        .filter(|message| message.reason == "compiler-artifact" && message.manifest_path.as_deref() == Some(manifest));
    own.flat_map(|message| message.filenames).find(|file| file.extension().is_some_and(|ending| ending == "wasm"))
}

/// Writes the SDK into the plugin's folder. It is written anew by each build, in the version of this program.
pub(crate) fn write_sdk(folder: &Path) -> Result<(), CliError> {
    let sdk = folder.join(SDK_FOLDER);
    write_if_changed(&folder.join(WORK_FOLDER).join(".gitignore"), "*\n")?;
    write_if_changed(&sdk.join("Cargo.toml"), &vendored(SDK_MANIFEST))?;
    SDK_SOURCES.iter().try_for_each(|(path, text)| write_if_changed(&sdk.join("src").join(path), text))?;
    WIT.iter().try_for_each(|(path, text)| write_if_changed(&sdk.join("wit").join(path), text))
}

/// The SDK's manifest without what counts only where it is developed.
fn vendored(manifest: &str) -> String {
    let mut out = String::new();
    let mut keeps = true;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            keeps = !["workspace]", "dev-dependencies", "lints"].iter().any(|left| table.starts_with(left));
        }
        if keeps {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_needs_nothing_beside_it() {
        let manifest = vendored(SDK_MANIFEST);
        assert!(manifest.contains("name = \"coditect-plugin-sdk\"") && manifest.contains("[dependencies]"));
        assert!(!manifest.contains("path =") && !manifest.contains("[workspace]") && !manifest.contains("[lints"));
        assert!(SDK_SOURCES.iter().any(|(path, _)| *path == "lib.rs"));
        assert!(WIT.iter().any(|(path, _)| *path == "types.wit"));
    }

    #[test]
    fn the_component_is_the_plugins_own() {
        let messages = "noise\n\
            {\"reason\":\"compiler-artifact\",\"manifest_path\":\"/dep/Cargo.toml\",\"filenames\":[\"/t/dep.wasm\"]}\n\
            {\"reason\":\"compiler-artifact\",\"manifest_path\":\"/me/Cargo.toml\",\"filenames\":[\"/t/me.d\",\"/t/me.wasm\"]}\n\
            {\"reason\":\"build-finished\",\"success\":true}";
        assert_eq!(artifact(messages, Path::new("/me/Cargo.toml")), Some(PathBuf::from("/t/me.wasm")));
        assert_eq!(artifact(messages, Path::new("/other/Cargo.toml")), None);
    }
}
