//! What plugins add to the page: one entry for each place where the page lets something in. Pure.
//!
//! The page registers and unregisters by the keys of the entries: a key is another one as soon as anything of its entry is.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use coditect_protocol::plugin::{Capability, CapabilityName, Installed, Manifest, PluginState, ViewPlace};
use fast_glob::glob_match;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

/// Longest name that language models take for a tool, in bytes.
const MAX_TOOL_NAME_BYTES: usize = 64;
/// Names in the chat that nobody may take for those of a plugin.
const OWN_NAMES: [&str; 4] = ["assistant", "coditect", "system", "user"];
/// In a list of languages: each of them.
const EVERY_LANGUAGE: &str = "*";
/// Largest text that is handed to plugins unasked, in UTF-16 code units.
pub(crate) const MAX_UNASKED_TEXT: usize = 1024 * 1024;

/// What a plugin adds to the page at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
pub struct Offer {
    /// Stands for all of it.
    pub key: String,
    /// The plugin's name.
    pub plugin: String,
    /// What people call the plugin.
    pub plugin_title: String,
    /// Globs of the files whose texts it may be handed, below the workspace.
    pub documents: Vec<String>,
    /// What and where.
    pub surface: Surface,
}

/// Where a plugin adds something, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Surface {
    /// A command of the palette.
    Command {
        /// Its identifier within the plugin.
        id: String,
        /// What people read.
        title: String,
        /// Also in the editor's context menu for these languages; for all where one is `*`.
        languages: Vec<String>,
        /// Keys, as the editor writes them.
        #[tsify(optional)]
        keybinding: Option<String>,
    },
    /// Puts texts in order.
    Formatter {
        /// Of these languages.
        languages: Vec<String>,
    },
    /// Says what is wrong with texts.
    Check {
        /// Of these languages.
        languages: Vec<String>,
    },
    /// Looks at files before they are saved.
    SaveHook {
        /// Which, below the workspace.
        globs: Vec<String>,
    },
    /// A tool for language models.
    Tool {
        /// Its identifier within the plugin.
        id: String,
        /// What models call it: unlike that of any other tool.
        name: String,
        /// What it does.
        description: String,
        /// JSON Schema of its arguments.
        parameters: String,
        /// The person is asked before it runs.
        changes: bool,
    },
    /// Somebody to talk to.
    Participant {
        /// Its identifier within the plugin.
        id: String,
        /// What stands behind the `@`.
        name: String,
        /// What people read.
        title: String,
        /// What it is good for.
        description: String,
    },
    /// A step of a build.
    BuildStep {
        /// Its identifier within the plugin.
        id: String,
        /// What people read.
        title: String,
    },
    /// A view.
    View {
        /// Its identifier within the plugin.
        id: String,
        /// What people read.
        title: String,
        /// Where it is shown.
        place: ViewPlace,
        /// Which files it can show, below the workspace.
        globs: Vec<String>,
    },
    /// A place in the status bar.
    StatusItem {
        /// Its identifier within the plugin.
        id: String,
        /// What people read.
        title: String,
    },
    /// A colour theme.
    Theme {
        /// Its identifier within the plugin.
        id: String,
        /// What people read.
        title: String,
        /// For dark surroundings.
        dark: bool,
        /// The version whose asset it is.
        version: String,
        /// Path of its document among the assets.
        path: String,
    },
}

/// What is no longer there, and what is there now.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Tsify)]
pub struct OfferChanges {
    /// Keys.
    pub removed: Vec<String>,
    /// Entries.
    pub added: Vec<Offer>,
}

/// All that these plugins add, in their order.
pub(crate) fn of(plugins: &[Installed]) -> Vec<Offer> {
    let mut offers: Vec<Offer> = plugins.iter().flat_map(of_plugin).collect();
    name_participants(&mut offers);
    name_tools(&mut offers);
    for offer in &mut offers {
        offer.key = key_of(offer);
    }
    offers
}

/// From what there was to what there is.
pub(crate) fn changes(before: &[Offer], now: &[Offer]) -> OfferChanges {
    let missing = |from: &[Offer], key: &str| !from.iter().any(|offer| offer.key == key);
    OfferChanges {
        removed: before.iter().map(|offer| offer.key.clone()).filter(|key| missing(now, key)).collect(),
        added: now.iter().filter(|offer| missing(before, &offer.key)).cloned().collect(),
    }
}

/// Whether an entry is about a text: by its language, by its path below the workspace, and by what was granted.
pub(crate) fn fits(offer: &Offer, path: &str, language: &str) -> bool {
    let speaks = |languages: &[String]| languages.iter().any(|each| each == language || each == EVERY_LANGUAGE);
    match &offer.surface {
        Surface::Command { languages, .. } => speaks(languages),
        Surface::Formatter { languages } | Surface::Check { languages } => {
            speaks(languages) && matches_any(&offer.documents, path)
        }
        Surface::SaveHook { globs } => matches_any(globs, path) && matches_any(&offer.documents, path),
        Surface::View { globs, place: ViewPlace::File, .. } => {
            matches_any(globs, path) && matches_any(&offer.documents, path)
        }
        Surface::View { .. }
        | Surface::Tool { .. }
        | Surface::Participant { .. }
        | Surface::BuildStep { .. }
        | Surface::StatusItem { .. }
        | Surface::Theme { .. } => false,
    }
}

/// Whether a path lies within one of the globs.
pub(crate) fn matches_any(globs: &[String], path: &str) -> bool {
    globs.iter().any(|glob| glob_match(glob, path))
}

fn of_plugin(plugin: &Installed) -> Vec<Offer> {
    let Installed { manifest, state, granted, .. } = plugin;
    let documents = documents(manifest, granted);
    let mut surfaces = Vec::new();
    let part = part(state);
    if part >= Part::Requested {
        requested(manifest, granted, !documents.is_empty(), &mut surfaces);
    }
    if part >= Part::Saved {
        saved(manifest, !documents.is_empty(), &mut surfaces);
    }
    if part >= Part::Unasked {
        unasked(manifest, !documents.is_empty(), &mut surfaces);
    }
    let entry = |surface| Offer {
        key: String::new(),
        plugin: manifest.id.as_str().to_owned(),
        plugin_title: manifest.title.clone(),
        documents: documents.clone(),
        surface,
    };
    surfaces.into_iter().map(entry).collect()
}

/// How much of what a plugin offers there is, each with what is above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing.
    None,
    /// What a person asks for.
    Requested,
    /// What a person waits for when they save.
    Saved,
    /// What runs by itself.
    Unasked,
}

fn part(state: &PluginState) -> Part {
    match state {
        PluginState::Ready => Part::Unasked,
        // Who saves waits for the plugin a while rather than that nobody looked. What runs by itself would end at its deadline,
        // with nobody to ask again: it begins when the plugin is ready.
        PluginState::Preparing => Part::Saved,
        // What a person starts is answered with when it can be had again; nothing is started for them meanwhile.
        PluginState::Resting { .. } => Part::Requested,
        PluginState::Disabled | PluginState::Failed { .. } | PluginState::Blocked => Part::None,
    }
}

/// What runs because a person wants it to.
fn requested(manifest: &Manifest, granted: &[CapabilityName], sees_texts: bool, into: &mut Vec<Surface>) {
    let offers = &manifest.offers;
    // A model calls tools, and may do so because of what a file told it: that a tool changes nothing is not only its author's word.
    let reaches_out = granted.iter().any(|name| [CapabilityName::FilesWrite, CapabilityName::Http].contains(name));
    into.extend(offers.commands.iter().cloned().map(|command| Surface::Command {
        id: command.id,
        title: command.title,
        languages: command.editor_menu,
        keybinding: command.keybinding,
    }));
    if sees_texts {
        into.extend(offers.formatters.iter().cloned().map(|offer| Surface::Formatter { languages: offer.languages }));
    }
    into.extend(offers.tools.iter().cloned().map(|tool| Surface::Tool {
        name: String::new(),
        id: tool.id,
        description: tool.description,
        parameters: tool.parameters,
        changes: tool.changes || reaches_out,
    }));
    into.extend(offers.participants.iter().cloned().map(|participant| Surface::Participant {
        name: String::new(),
        id: participant.id,
        title: participant.title,
        description: participant.description,
    }));
    let steps = offers.build_steps.iter().cloned();
    into.extend(steps.map(|step| Surface::BuildStep { id: step.id, title: step.title }));
    let views = offers.views.iter().filter(|view| view.place == ViewPlace::Side || sees_texts);
    into.extend(views.cloned().map(|view| Surface::View {
        id: view.id,
        title: view.title,
        place: view.place,
        globs: view.globs,
    }));
    into.extend(offers.themes.iter().cloned().map(|theme| Surface::Theme {
        id: theme.id,
        title: theme.title,
        dark: theme.dark,
        version: manifest.version.clone(),
        path: theme.path,
    }));
}

/// What runs before a file is saved.
fn saved(manifest: &Manifest, sees_texts: bool, into: &mut Vec<Surface>) {
    let globs = &manifest.offers.hooks.will_save;
    if sees_texts && !globs.is_empty() {
        into.push(Surface::SaveHook { globs: globs.clone() });
    }
}

/// What runs by itself, while people work.
fn unasked(manifest: &Manifest, sees_texts: bool, into: &mut Vec<Surface>) {
    let offers = &manifest.offers;
    if sees_texts {
        into.extend(offers.diagnostics.iter().cloned().map(|offer| Surface::Check { languages: offer.languages }));
    }
    let items = offers.status_items.iter().cloned();
    into.extend(items.map(|item| Surface::StatusItem { id: item.id, title: item.title }));
}

/// Of which files a plugin may be handed the texts.
fn documents(manifest: &Manifest, granted: &[CapabilityName]) -> Vec<String> {
    if !granted.contains(&CapabilityName::Documents) {
        return Vec::new();
    }
    let globs = manifest.capabilities.iter().filter_map(|asked| match &asked.capability {
        Capability::Documents { globs } => Some(globs.iter().cloned()),
        _ => None,
    });
    globs.flatten().collect()
}

/// Who alone wants a name gets it. Where several do, each is called by its plugin too: none can pass for another.
fn name_participants(offers: &mut [Offer]) {
    let mut wanted = HashMap::<String, usize>::new();
    for offer in offers.iter() {
        if let Surface::Participant { id, .. } = &offer.surface {
            *wanted.entry(id.clone()).or_default() += 1;
        }
    }
    for Offer { plugin, surface, .. } in offers {
        if let Surface::Participant { id, name, .. } = surface {
            let is_free = wanted.get(id) == Some(&1) && !OWN_NAMES.contains(&id.as_str());
            *name = if is_free { id.clone() } else { [plugin, ".", id].concat() };
        }
    }
}

/// `publisher_name_tool`, made shorter and unlike any other by a hash where it must be.
fn name_tools(offers: &mut [Offer]) {
    let plain = |plugin: &str, id: &str| [plugin, "_", id].concat().replace(['.', '-'], "_");
    let mut wanted = BTreeMap::<String, usize>::new();
    for offer in offers.iter() {
        if let Surface::Tool { id, .. } = &offer.surface {
            *wanted.entry(plain(&offer.plugin, id)).or_default() += 1;
        }
    }
    for Offer { plugin, surface, .. } in offers {
        if let Surface::Tool { id, name, .. } = surface {
            *name = plain(plugin, id);
            if name.len() > MAX_TOOL_NAME_BYTES || wanted.get(name.as_str()).is_some_and(|count| *count > 1) {
                let mark = format!("_{:08x}", hash(&(&*plugin, &*id)) >> 32);
                name.truncate(MAX_TOOL_NAME_BYTES - mark.len());
                name.push_str(&mark);
            }
        }
    }
}

fn key_of(offer: &Offer) -> String {
    // As it is written, so that whatever it consists of counts.
    format!("{}#{:016x}", offer.plugin, hash(&serde_json::to_string(offer).unwrap_or_default()))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
