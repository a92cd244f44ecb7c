//! `new`: the folder of a new plugin.

use std::path::Path;

use coditect_plugin_package::{MANIFEST_PATH, manifest};
use coditect_protocol::plugin::PluginId;

use crate::arguments::{Language, New};
use crate::embedded::TEMPLATES;
use crate::error::CliError;
use crate::project::write_if_changed;
use crate::{build, world};

pub(crate) fn run(parent: &Path, new: &New) -> Result<(), CliError> {
    let id = PluginId::of(&new.publisher, &new.name).map_err(|error| CliError::BadName(error.to_string()))?;
    let folder = parent.join(id.name());
    if folder.exists() {
        return Err(CliError::Exists(folder));
    }
    write(&folder, &id, new.language)?;
    println!("Made {} in {}.", id, folder.display());
    println!("Next: cd {} && coditect-plugin test    (its README.md says more)", folder.display());
    Ok(())
}

fn write(folder: &Path, id: &PluginId, language: Language) -> Result<(), CliError> {
    let prefix = format!("{}/", template(language));
    for (path, text) in TEMPLATES.iter().filter_map(|(path, text)| Some((path.strip_prefix(&prefix)?, text))) {
        // A file by its own name would count in this program's repository too.
        let path = if path == "gitignore" { ".gitignore" } else { path };
        write_if_changed(&folder.join(path), &filled(text, id))?;
    }
    let path = folder.join(MANIFEST_PATH);
    let written = std::fs::read_to_string(&path).map_err(CliError::io(&path))?;
    match language {
        Language::Rust => build::write_sdk(folder),
        _ => world::write(folder, language, &manifest::parse(&written)?.offers),
    }
}

const fn template(language: Language) -> &'static str {
    match language {
        Language::Rust => "rust",
        Language::Javascript => "javascript",
        Language::Typescript => "typescript",
        Language::Python => "python",
        Language::C => "c",
    }
}

/// A file of a template with the plugin's names in it.
fn filled(text: &str, id: &PluginId) -> String {
    text.replace("{{id}}", id.as_str()).replace("{{name}}", id.name()).replace("{{title}}", &title(id.name()))
}

/// `todo-tree` → `Todo tree`.
fn title(name: &str) -> String {
    let spaced = name.replace('-', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::project::Project;

    #[test]
    fn each_template_is_a_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let id = PluginId::parse("acme.todo-tree").unwrap();
        for language in Language::value_variants().iter().copied() {
            let folder = folder.path().join(template(language));
            write(&folder, &id, language).unwrap();
            let project = Project::open(&folder).unwrap();
            assert_eq!(project.language().unwrap(), language);
            assert_eq!(
                (project.manifest.id.as_str(), project.manifest.title.as_str()),
                ("acme.todo-tree", "Todo tree")
            );
            assert_eq!((project.manifest.offers.commands.len(), project.manifest.offers.formatters.len()), (1, 1));
            let tests = coditect_plugin_harness::declared::read_folder(&folder).unwrap();
            assert!(tests.iter().any(|file| file.tests.len() >= 2), "{language:?}");
            let texts = ["README.md", ".gitignore", "plugin.toml"]
                .map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
            assert!(texts.iter().all(|text| !text.contains("{{")), "{language:?}");
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let new = |name: &str| New { name: name.into(), language: Language::C, publisher: "acme".into() };
        run(folder.path(), &new("one")).unwrap();
        assert!(matches!(run(folder.path(), &new("one")), Err(CliError::Exists(_))));
        assert!(matches!(run(folder.path(), &new("../two")), Err(CliError::BadName(_))));
    }
}
