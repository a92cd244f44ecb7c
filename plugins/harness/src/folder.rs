//! A plugin's folder as a package.

use std::collections::BTreeMap;
use std::path::Path;

use coditect_plugin_package::{
    COMPONENT_PATH, LICENSE_PATH, MANIFEST_PATH, MAX_FILES, MAX_UNPACKED_BYTES, Package, README_PATH,
};

use crate::error::HarnessError;

/// Where `coditect-plugin build` leaves the component, below the plugin's folder.
pub const COMPONENT_LEFT_BY_BUILD: &str = ".coditect/plugin.wasm";

/// The package of a folder with `plugin.toml`, `README.md`, `LICENSE` and `assets/`. The component is given; else it is the one that was
/// built last.
pub fn package_of_folder(folder: &Path, component: Option<Vec<u8>>) -> Result<Package, HarnessError> {
    let mut files = BTreeMap::new();
    for name in [MANIFEST_PATH, README_PATH, LICENSE_PATH] {
        if let Some(bytes) = read_if_there(&folder.join(name))? {
            files.insert(name.to_owned(), bytes);
        }
    }
    let built = || read_if_there(&folder.join(COMPONENT_LEFT_BY_BUILD));
    if let Some(component) = component.map_or_else(built, |component| Ok(Some(component)))? {
        files.insert(COMPONENT_PATH.to_owned(), component);
    }
    let assets = folder.join("assets");
    if assets.is_dir() {
        let found = files_below(&assets, MAX_UNPACKED_BYTES)?;
        files.extend(found.into_iter().map(|(path, bytes)| (format!("assets/{path}"), bytes)));
    }
    Ok(Package::build(files)?)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, HarnessError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HarnessError::io(path)(error)),
    }
}

/// All files below a folder by their path in it, with `/`. Links are left out.
pub(crate) fn files_below(folder: &Path, most: usize) -> Result<BTreeMap<String, Vec<u8>>, HarnessError> {
    let too_large = || HarnessError::TooLarge { path: folder.to_owned(), most };
    let (mut files, mut left) = (BTreeMap::new(), most);
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((directory, prefix)) = open.pop() {
        for entry in std::fs::read_dir(&directory).map_err(HarnessError::io(&directory))? {
            let entry = entry.map_err(HarnessError::io(&directory))?;
            let kind = entry.file_type().map_err(HarnessError::io(entry.path()))?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                open.push((entry.path(), format!("{path}/")));
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).map_err(HarnessError::io(entry.path()))?;
                left = left.checked_sub(bytes.len()).ok_or_else(too_large)?;
                files.insert(path, bytes);
            }
        }
        if files.len() > MAX_FILES * MAX_FILES {
            return Err(too_large());
        }
    }
    Ok(files)
}
