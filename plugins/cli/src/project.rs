//! A plugin's folder.

use std::path::{Path, PathBuf};

use coditect_plugin_package::{MANIFEST_PATH, manifest};
use coditect_protocol::plugin::Manifest;

use crate::arguments::Language;
use crate::error::CliError;

/// What building leaves behind, below the plugin's folder.
pub(crate) const WORK_FOLDER: &str = ".coditect";
/// Where packages are put.
const DIST_FOLDER: &str = "dist";

/// A plugin's folder, with its manifest read.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Project {
    pub(crate) fn open(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join(MANIFEST_PATH);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CliError::NoProject(folder.to_owned()));
            }
            text => text.map_err(CliError::io(&path))?,
        };
        // Tools run in the folder, so that its path must not count from here.
        let folder = folder.canonicalize().map_err(CliError::io(folder))?;
        Ok(Self { folder, manifest: manifest::parse(&text)? })
    }

    /// What it is written in, by the files at its top.
    pub(crate) fn language(&self) -> Result<Language, CliError> {
        let has = |name: &str| self.folder.join(name).is_file();
        if has("Cargo.toml") {
            Ok(Language::Rust)
        } else if has("package.json") {
            Ok(if has("tsconfig.json") { Language::Typescript } else { Language::Javascript })
        } else if has("app.py") {
            Ok(Language::Python)
        } else if !c_sources(&self.folder).is_empty() {
            Ok(Language::C)
        } else {
            Err(CliError::UnknownLanguage(self.folder.clone()))
        }
    }

    /// A folder for what is made on the way, which is there afterwards.
    pub(crate) fn work_folder(&self) -> Result<PathBuf, CliError> {
        let folder = self.folder.join(WORK_FOLDER);
        std::fs::create_dir_all(&folder).map_err(CliError::io(&folder))?;
        Ok(folder)
    }

    /// Where its package is put.
    pub(crate) fn package_path(&self) -> PathBuf {
        let (id, version) = (&self.manifest.id, &self.manifest.version);
        self.folder.join(DIST_FOLDER).join(format!("{}-{version}.coditect-plugin", id.name()))
    }
}

/// Sources in C: `*.c` at the top and in `src/`, by path.
pub(crate) fn c_sources(folder: &Path) -> Vec<PathBuf> {
    let entries =
        [folder.to_owned(), folder.join("src")].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut sources: Vec<PathBuf> = entries.flatten().flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|ending| ending == "c"));
    sources.sort();
    sources
}

/// Writes a file with its folders, unless it has this content already: what is written looks changed to build tools.
pub(crate) fn write_if_changed(path: &Path, content: &str) -> Result<(), CliError> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    }
    std::fs::write(path, content).map_err(CliError::io(path))
}
