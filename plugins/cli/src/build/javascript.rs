//! JavaScript and TypeScript: componentize-qjs puts a QuickJS engine and the module into a component; esbuild translates TypeScript.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tool::{Tool, made};
use crate::error::CliError;
use crate::project::Project;
use crate::world::{FOLDER, WORLD};

/// Files that are taken where package.json names none.
const ENTRIES: [&str; 4] = ["plugin.js", "plugin.ts", "src/plugin.js", "src/plugin.ts"];

/// What of package.json matters.
#[derive(Deserialize)]
struct NodePackage {
    main: Option<String>,
}

pub(super) async fn build(project: &Project) -> Result<Vec<u8>, CliError> {
    let folder = &project.folder;
    let work = project.work_folder()?;
    let mut entry = entry(folder)?;
    if entry.extension().is_some_and(|ending| ending == "ts") {
        entry = bundle(folder, &entry, &work).await?;
    }
    let out = work.join("component.wasm");
    let tool = tool(folder, "componentize-qjs");
    let mut command = tool.command(folder);
    command.args(["--wit", FOLDER, "--world", WORLD, "--sync", "--js"]).arg(&entry).arg("--output").arg(&out);
    tool.run(command).await?;
    made(&out)
}

/// The module that everything begins with, below the folder.
fn entry(folder: &Path) -> Result<PathBuf, CliError> {
    let path = folder.join("package.json");
    let text = std::fs::read_to_string(&path).map_err(CliError::io(&path))?;
    let package: NodePackage = serde_json::from_str(&text)
        .map_err(|error| CliError::Build(format!("package.json cannot be read: {error}")))?;
    let found = match package.main {
        Some(main) => Some(PathBuf::from(main)),
        None => ENTRIES.iter().map(PathBuf::from).find(|entry| folder.join(entry).is_file()),
    };
    let none = || {
        CliError::Build(format!(
            "there is none of {}; or name the file as \"main\" in package.json",
            ENTRIES.join(", ")
        ))
    };
    found.filter(|entry| folder.join(entry).is_file()).ok_or_else(none)
}

/// TypeScript as one module of JavaScript.
async fn bundle(folder: &Path, entry: &Path, work: &Path) -> Result<PathBuf, CliError> {
    let out = work.join("bundle.js");
    let tool = tool(folder, "esbuild");
    let mut command = tool.command(folder);
    command.arg(entry).args([
        "--bundle",
        "--format=esm",
        "--target=es2023",
        "--external:coditect:*",
        "--log-level=warning",
    ]);
    command.arg(format!("--outfile={}", out.display()));
    tool.run(command).await?;
    // The engine finds modules below the folder that it starts in, by their paths from there.
    Ok(out.strip_prefix(folder).map_or(out.clone(), Path::to_owned))
}

fn tool(folder: &Path, name: &'static str) -> Tool {
    let install = format!(
        "run in {}: npm install --ignore-scripts   (package.json needs it among its devDependencies: npm install --save-dev --ignore-scripts {name}; npm comes with Node.js)",
        folder.display()
    );
    Tool::at(name, folder.join("node_modules/.bin").join(name), install)
}
