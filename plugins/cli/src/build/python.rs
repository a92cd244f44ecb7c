//! Python: componentize-py puts CPython and the modules into a component.

use std::path::Path;

use serde::Deserialize;

use super::tool::{Tool, made};
use crate::error::CliError;
use crate::project::Project;
use crate::world::{FOLDER, WORLD};

/// The module that everything begins with.
const MODULE: &str = "app";

pub(super) async fn build(project: &Project) -> Result<Vec<u8>, CliError> {
    let folder = &project.folder;
    let out = project.work_folder()?.join("component.wasm");
    let tool = tool(folder);
    let mut command = tool.command(folder);
    command.args(["-d", FOLDER, "-w", WORLD, "componentize", MODULE, "-o"]).arg(&out);
    if wants_no_wasi(folder)? {
        command.arg("--stub-wasi");
    }
    tool.run(command).await?;
    made(&out)
}

/// What of pyproject.toml matters: `[tool.coditect] stub-wasi = true` takes the time, random numbers and standard streams away, and with them
/// all that the component would import beside the contract.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct PythonProject {
    tool: PythonTools,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PythonTools {
    coditect: Choices,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Choices {
    stub_wasi: bool,
}

fn wants_no_wasi(folder: &Path) -> Result<bool, CliError> {
    let path = folder.join("pyproject.toml");
    if !path.is_file() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(&path).map_err(CliError::io(&path))?;
    let project: PythonProject = toml::from_str(&text)
        .map_err(|error| CliError::Build(format!("pyproject.toml cannot be read: {}", error.message())))?;
    Ok(project.tool.coditect.stub_wasi)
}

/// That of the folder's own environment, else that of the `PATH`.
fn tool(folder: &Path) -> Tool {
    const NAME: &str = "componentize-py";
    let install = format!(
        "run in {}: python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt   (it needs the line componentize-py)",
        folder.display()
    );
    let own = folder.join(".venv/bin").join(NAME);
    if own.is_file() { Tool::at(NAME, own, install) } else { Tool::at(NAME, NAME.into(), install) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_in_pyproject() {
        let folder = tempfile::tempdir().unwrap();
        let wants = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(folder.path().join("pyproject.toml"), text).unwrap();
            }
            wants_no_wasi(folder.path())
        };
        assert!(!wants(None).unwrap());
        assert!(!wants(Some("[project]\nname = \"x\"\n[tool.other]\na = 1\n")).unwrap());
        assert!(wants(Some("[tool.coditect]\nstub-wasi = true\n")).unwrap());
        assert!(matches!(wants(Some("[tool.coditect]\nstub-wasy = true\n")), Err(CliError::Build(_))));
    }
}
