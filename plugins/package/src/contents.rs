//! What the files of a package are, beside its component.

use std::collections::{BTreeMap, BTreeSet};

use coditect_protocol::plugin::{Manifest, Offers, plain_json};

use crate::error::PackageError;
use crate::icon;
use crate::manifest::{self, MAX_MANIFEST_BYTES};

/// Path of the manifest.
pub const MANIFEST_PATH: &str = "plugin.toml";
/// Path of the component.
pub const COMPONENT_PATH: &str = "plugin.wasm";
/// Path of what people read about the plugin: Markdown.
pub const README_PATH: &str = "README.md";
/// Path of the licence's text.
pub const LICENSE_PATH: &str = "LICENSE";
/// The most that `README.md` takes, and `LICENSE`, in bytes.
pub const MAX_README_BYTES: usize = 512 << 10;
/// The most that a theme takes, in bytes.
pub const MAX_THEME_BYTES: usize = 512 << 10;
/// The most that all themes of a plugin take together, in bytes: they are kept as they are, beside the package, to be had without it.
pub const MAX_THEMES_BYTES: usize = 4 << 20;

/// Files of a package, by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Reads the manifest of these files, and checks that all it names is there and is what it should be.
pub(crate) fn check(files: &Files) -> Result<Manifest, PackageError> {
    let manifest = manifest::parse(text(files, MANIFEST_PATH, MAX_MANIFEST_BYTES, "which every plugin has")?)?;
    if !has_only_themes(&manifest.offers) && !files.contains_key(COMPONENT_PATH) {
        return Err(missing(COMPONENT_PATH, "which every plugin has that offers more than themes"));
    }
    for path in [README_PATH, LICENSE_PATH] {
        if files.contains_key(path) {
            text(files, path, MAX_README_BYTES, "")?;
        }
    }
    if let Some(path) = &manifest.icon {
        let bytes = bounded(files, path, icon::MAX_ICON_BYTES, "the plugin's `icon`")?;
        if let Some(what) = icon::fault(path, bytes) {
            return Err(PackageError::Entry { path: path.clone(), what: what.to_owned() });
        }
    }
    check_themes(files, &manifest.offers)?;
    Ok(manifest)
}

/// Each file is looked at once, however many themes name it.
fn check_themes(files: &Files, offers: &Offers) -> Result<(), PackageError> {
    let paths: BTreeSet<_> = offers.themes.iter().map(|theme| theme.path.as_str()).collect();
    if paths.iter().filter_map(|path| files.get(*path)).map(Vec::len).sum::<usize>() > MAX_THEMES_BYTES {
        return Err(PackageError::ThemesTooLarge);
    }
    paths.into_iter().try_for_each(|path| check_theme(files, path))
}

fn check_theme(files: &Files, path: &str) -> Result<(), PackageError> {
    let document = text(files, path, MAX_THEME_BYTES, "which a theme names")?;
    let fault = |what: String| PackageError::Entry { path: path.to_owned(), what };
    let read: serde_json::Value = serde_json::from_str(&plain_json(document))
        .map_err(|error| fault(format!("a theme is JSON, with comments at most: {error}")))?;
    let is_object = |key: &str| read.get(key).is_none_or(serde_json::Value::is_object);
    if read.is_object() && is_object("colors") {
        Ok(())
    } else {
        Err(fault("a theme is a JSON object, and so are its `colors`".to_owned()))
    }
}

fn missing(path: &str, needed_by: &'static str) -> PackageError {
    PackageError::Missing { path: path.to_owned(), needed_by }
}

fn bounded<'a>(files: &'a Files, path: &str, most: usize, needed_by: &'static str) -> Result<&'a [u8], PackageError> {
    let bytes = files.get(path).ok_or_else(|| missing(path, needed_by))?;
    if bytes.len() > most { Err(PackageError::EntryTooLarge { path: path.to_owned(), most }) } else { Ok(bytes) }
}

fn text<'a>(files: &'a Files, path: &str, most: usize, needed_by: &'static str) -> Result<&'a str, PackageError> {
    let bytes = bounded(files, path, most, needed_by)?;
    let fault = |_| PackageError::Entry { path: path.to_owned(), what: "it is not written in UTF-8".to_owned() };
    std::str::from_utf8(bytes).map_err(fault)
}

/// Whether nothing is offered that a component would have to do.
fn has_only_themes(offers: &Offers) -> bool {
    !offers.themes.is_empty() && *offers == Offers { themes: offers.themes.clone(), ..Offers::default() }
}
