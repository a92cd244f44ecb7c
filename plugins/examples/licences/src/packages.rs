//! Which packages a workspace depends on, and what they say of their licences.

use coditect_plugin_sdk::prelude::*;
use serde::Deserialize;

/// Most lock files that are read.
const MAX_FILES: u32 = 200;

/// A package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What it says; none where nothing here tells.
    pub(crate) licence: Option<String>,
    /// The lock file, and the bytes of its text where the package stands.
    pub(crate) path: String,
    pub(crate) at: std::ops::Range<usize>,
}

/// Lock files of a kind, with their texts.
pub(crate) fn lock_files(name: &str) -> Result<Vec<(String, String)>> {
    let paths = search::paths(&[&format!("**/{name}")], &["**/node_modules/**", "**/vendor/**"], MAX_FILES)?;
    paths.into_iter().map(|path| files::text(&path).map(|text| (path, text))).collect()
}

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
    version: String,
    source: Option<String>,
}

/// Packages of a `Cargo.lock`. Where they were vendored, their manifests tell the licence; a lock file itself does not.
pub(crate) fn of_cargo(path: &str, text: &str) -> Result<Vec<Package>> {
    let lock: CargoLock =
        toml::from_str(text).map_err(|error| Error::Invalid(format!("{path} cannot be read: {}", error.message())))?;
    let vendor = format!("{}vendor", folder(path));
    let dependencies = lock.package.into_iter().filter(|package| package.source.is_some());
    dependencies
        .map(|CargoPackage { name, version, .. }| {
            let line = format!("name = \"{name}\"\nversion = \"{version}\"");
            let at = text.find(&line).unwrap_or(0);
            let licence = match manifest_licence(&format!("{vendor}/{name}-{version}/Cargo.toml"))? {
                None => manifest_licence(&format!("{vendor}/{name}/Cargo.toml"))?,
                told => told,
            };
            Ok(Package { at: at..at + line.find('\n').unwrap_or(0), name, version, licence, path: path.to_owned() })
        })
        .collect()
}

#[derive(Deserialize)]
struct NpmLock {
    #[serde(default)]
    packages: std::collections::BTreeMap<String, NpmPackage>,
}

#[derive(Deserialize)]
struct NpmPackage {
    version: Option<String>,
    license: Option<serde_json::Value>,
    #[serde(default)]
    link: bool,
}

/// Packages of a `package-lock.json` of version 2 or 3, which tells most licences; what is installed tells the others.
pub(crate) fn of_npm(path: &str, text: &str) -> Result<Vec<Package>> {
    let lock: NpmLock =
        serde_json::from_str(text).map_err(|error| Error::Invalid(format!("{path} cannot be read: {error}")))?;
    let dependencies =
        lock.packages.into_iter().filter(|(place, package)| place.contains("node_modules/") && !package.link);
    dependencies
        .map(|(place, package)| {
            let quoted = serde_json::to_string(&place)?;
            let at = text.find(&quoted).unwrap_or(0);
            let told = match package.license.as_ref().and_then(npm_licence) {
                None => npm_manifest_licence(&format!("{}{place}/package.json", folder(path)))?,
                told => told,
            };
            let name = place.rsplit("node_modules/").next().unwrap_or_default().to_owned();
            let version = package.version.unwrap_or_default();
            Ok(Package { name, version, licence: told, path: path.to_owned(), at: at..at + quoted.len() })
        })
        .collect()
}

/// A licence as npm has had it: a text, an object with a `type`, or a list of these.
fn npm_licence(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(object) => object.get("type").and_then(npm_licence),
        serde_json::Value::Array(list) => {
            let all: Option<Vec<String>> = list.iter().map(npm_licence).collect();
            all.filter(|all| !all.is_empty()).map(|all| all.join(" OR "))
        }
        _ => None,
    }
}

fn npm_manifest_licence(path: &str) -> Result<Option<String>> {
    let Some(text) = optional(path)? else { return Ok(None) };
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(manifest.get("license").or_else(|| manifest.get("licenses")).and_then(npm_licence))
}

/// What a `Cargo.toml` says itself.
pub(crate) fn manifest_licence(path: &str) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Option<About>,
    }
    #[derive(Deserialize)]
    struct About {
        license: Option<toml::Value>,
    }
    let Some(text) = optional(path)? else { return Ok(None) };
    let about = toml::from_str::<Manifest>(&text).ok().and_then(|manifest| manifest.package?.license);
    Ok(about.and_then(|licence| licence.as_str().map(str::to_owned)))
}

/// A text that may be absent.
pub(crate) fn optional(path: &str) -> Result<Option<String>> {
    match files::text(path) {
        Ok(text) => Ok(Some(text)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The folder of a path, with a `/` behind it unless it is the workspace.
pub(crate) fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}
