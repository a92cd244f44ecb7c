//! `wit/`: the contract, and the plugin's own world, made from what its manifest offers.

use std::path::Path;

use coditect_protocol::plugin::Offers;

use crate::arguments::Language;
use crate::embedded::WIT;
use crate::error::CliError;
use crate::project::write_if_changed;
use crate::typings::typings;

/// The world's name, which tools are told.
pub(crate) const WORLD: &str = "plugin";
/// Where it is, below the plugin's folder.
pub(crate) const FOLDER: &str = "wit";

/// Interfaces that a component has to export: each with what of the manifest asks for it.
pub(crate) fn exports(offers: &Offers) -> Vec<(&'static str, &'static str)> {
    let hooks = !offers.hooks.will_save.is_empty() || !offers.hooks.changed.is_empty();
    let conversations = offers.conversations.questions || offers.conversations.answers;
    let all = [
        (!offers.commands.is_empty(), "commands", "[[commands]]"),
        (!offers.formatters.is_empty(), "formatters", "[[formatters]]"),
        (!offers.diagnostics.is_empty(), "diagnostics", "[[diagnostics]]"),
        (!offers.tools.is_empty(), "tools", "[[tools]]"),
        (!offers.participants.is_empty(), "participants", "[[participants]]"),
        (conversations, "filters", "[conversations]"),
        (!offers.providers.is_empty(), "providers", "[[providers]]"),
        (hooks, "hooks", "[hooks]"),
        (!offers.build_steps.is_empty(), "build-steps", "[[build-steps]]"),
        (!offers.views.is_empty(), "views", "[[views]]"),
        (!offers.status_items.is_empty(), "status-items", "[[status-items]]"),
    ];
    all.into_iter().filter(|(offered, ..)| *offered).map(|(_, interface, table)| (interface, table)).collect()
}

/// The world of these offers.
fn world(offers: &Offers) -> String {
    let exports: String = exports(offers)
        .iter()
        .map(|(interface, _)| format!("    export coditect:plugin/{interface}@1.0.0;\n"))
        .collect();
    format!(
        "// Made by `coditect-plugin build` from what plugin.toml offers; it is written anew when that changes.\n\
         package local:plugin;\n\nworld {WORLD} {{\n    include coditect:plugin/imports@1.0.0;\n{exports}}}\n"
    )
}

/// Writes both, and what editors of JavaScript and TypeScript take for them, where they are not there or others.
pub(crate) fn write(folder: &Path, language: Language, offers: &Offers) -> Result<(), CliError> {
    let wit = folder.join(FOLDER);
    write_if_changed(&wit.join("world.wit"), &world(offers))?;
    if matches!(language, Language::Javascript | Language::Typescript) {
        write_if_changed(&wit.join("plugin.d.ts"), &typings(WIT)?)?;
    }
    WIT.iter().try_for_each(|(path, text)| write_if_changed(&wit.join("deps/coditect-plugin").join(path), text))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use coditect_protocol::plugin::{Command, FileHooks};

    use super::*;

    #[test]
    fn a_world_exports_what_is_offered() {
        let commands = vec![Command { id: "a".into(), title: "A".into(), editor_menu: vec![], keybinding: None }];
        let hooks = FileHooks { will_save: vec![], changed: vec!["**".into()] };
        let world = world(&Offers { commands, hooks, ..Offers::default() });
        let exports: Vec<_> = world.lines().filter(|line| line.contains("export ")).map(str::trim).collect();
        assert_eq!(exports, ["export coditect:plugin/commands@1.0.0;", "export coditect:plugin/hooks@1.0.0;"]);
    }

    #[test]
    fn javascript_and_typescript_are_told_the_types() {
        for language in Language::value_variants() {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), *language, &Offers::default()).unwrap();
            let told = matches!(language, Language::Javascript | Language::Typescript);
            assert_eq!(folder.path().join("wit/plugin.d.ts").is_file(), told, "{language:?}");
            assert!(folder.path().join("wit/world.wit").is_file());
        }
    }
}
