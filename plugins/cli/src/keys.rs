//! `key` and `sign`: files of keys, and what they sign.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use coditect_plugin_package::{Package, SigningKey};
use zeroize::Zeroizing;

use crate::build::write_package;
use crate::error::CliError;

/// Only its owner reads and writes a key's file.
const KEY_MODE: u32 = 0o600;
/// Only its owner looks into its folder.
const FOLDER_MODE: u32 = 0o700;
/// Others may do nothing with it.
const OTHERS: u32 = 0o077;

pub(crate) fn new(path: Option<&Path>, force: bool) -> Result<(), CliError> {
    let path = place(path)?;
    if path.exists() && !force {
        return Err(CliError::Exists(path));
    }
    let key = SigningKey::generate()?;
    write(&path, &key.to_text())?;
    println!("{}\nIdentifier: {}\nPublic key: {}", path.display(), key.public().id(), key.public());
    println!("Keep the file: without it, nobody can publish newer versions under your name.");
    Ok(())
}

pub(crate) fn show(path: Option<&Path>) -> Result<(), CliError> {
    let key = read(path)?.public();
    println!("Identifier: {}\nPublic key: {key}", key.id());
    Ok(())
}

pub(crate) fn sign(file: &Path, key: Option<&Path>) -> Result<(), CliError> {
    let key = read(key)?;
    let mut package = Package::read(&std::fs::read(file).map_err(CliError::io(file))?)?;
    package.sign(&key);
    write_package(file, &package)?;
    println!("{} signed {} {}.", key.public().id(), package.manifest().id, package.manifest().version);
    Ok(())
}

/// Reads the key, which nobody else may be able to.
pub(crate) fn read(path: Option<&Path>) -> Result<SigningKey, CliError> {
    let path = place(path)?;
    let facts = match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(CliError::NoKey(path)),
        facts => facts.map_err(CliError::io(&path))?,
    };
    if facts.permissions().mode() & OTHERS != 0 {
        return Err(CliError::OpenKey(path));
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(CliError::io(&path))?);
    Ok(SigningKey::parse(&text)?)
}

/// The file that was named, else the one in the person's own folder of settings.
fn place(path: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = path {
        return Ok(path.to_owned());
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let settings = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    settings.map(|folder| folder.join("coditect/plugin-key")).ok_or(CliError::NoKeyFolder)
}

/// Writes a key into a new file, and only then in place of an older one: at no time can others read it, and no time is without one.
fn write(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE).create(folder).map_err(CliError::io(folder))?;
    }
    let beside = path.with_extension("new");
    // What an earlier try left must not lend its rights.
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(KEY_MODE).open(&beside).map_err(CliError::io(&beside))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(CliError::io(&beside))?;
    std::fs::rename(&beside, path).map_err(CliError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/key");
        assert!(matches!(read(Some(&path)), Err(CliError::NoKey(_))));
        new(Some(&path), false).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let first = read(Some(&path)).unwrap().public();
        assert!(matches!(new(Some(&path), false), Err(CliError::Exists(_))));
        assert_eq!(read(Some(&path)).unwrap().public(), first);
        new(Some(&path), true).unwrap();
        assert_ne!(read(Some(&path)).unwrap().public(), first);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(Some(&path)), Err(CliError::OpenKey(_))));
    }
}
