//! What a plugin says of itself. Authors write it as `plugin.toml`; this is what it comes to.

use serde::{Deserialize, Serialize};

use super::capability::{Asked, Capability};
use super::id::{ContractVersion, PluginId};

/// The whole of it, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// `publisher.name`.
    pub id: PluginId,
    /// Its version, as Semantic Versioning has it.
    pub version: String,
    /// The contract it was written against.
    pub contract: ContractVersion,
    /// What people call it.
    pub title: String,
    /// One sentence: what it is good for.
    pub description: String,
    /// SPDX expression.
    pub license: String,
    /// Where its source is.
    #[serde(default)]
    pub repository: Option<String>,
    /// Words it is found by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Path of its picture among the assets: SVG or PNG, at most 64 KiB.
    #[serde(default)]
    pub icon: Option<String>,
    /// Memory that a call may take, in MiB; the server's default where it does not say.
    #[serde(default)]
    pub memory_mib: Option<u32>,
    /// What it offers.
    #[serde(default)]
    pub offers: Offers,
    /// What it asks for, in the order of [`super::CapabilityName::ALL`].
    #[serde(default)]
    pub capabilities: Vec<Asked>,
    /// What people may set.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

impl Manifest {
    /// About what it takes on the wire, in bytes: all of its texts, and what stands around them.
    #[must_use]
    pub fn weight(&self) -> usize {
        let head = [&self.version, &self.title, &self.description, &self.license];
        let optional = [&self.repository, &self.icon].into_iter().flatten();
        let asked = self.capabilities.iter().map(|asked| all([&asked.reason]) + bounds(&asked.capability));
        let settings = self.settings.iter().map(|setting| {
            all([&setting.id, &setting.title, &setting.description, &setting.default]) + all(&setting.choices)
        });
        MANIFEST_BYTES
            + all(head)
            + all(optional)
            + all(&self.keywords)
            + asked.chain(settings).map(|texts| texts + OFFER_BYTES).sum::<usize>()
            + self.offers.weight()
    }
}

/// What a manifest takes with nothing in it, each of what it offers, and each text.
const MANIFEST_BYTES: usize = 1024;
const OFFER_BYTES: usize = 128;
const TEXT_BYTES: usize = 4;

/// What texts take.
fn all<'t>(texts: impl IntoIterator<Item = &'t String>) -> usize {
    texts.into_iter().map(|text| text.len() + TEXT_BYTES).sum()
}

/// What a capability's bounds take.
fn bounds(capability: &Capability) -> usize {
    match capability {
        Capability::Documents { globs }
        | Capability::FilesRead { globs }
        | Capability::FilesWrite { globs }
        | Capability::Search { globs } => all(globs),
        Capability::Http { hosts, .. } => all(hosts),
        Capability::Models { models, .. } => all(models),
        Capability::Storage { .. }
        | Capability::Conversations
        | Capability::GitRead
        | Capability::Notify
        | Capability::Clock
        | Capability::Random => 0,
    }
}

/// What a plugin offers. Identifiers are lower-case words with hyphens, unique within their list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Offers {
    /// Commands of the palette.
    pub commands: Vec<Command>,
    /// Puts texts in order.
    pub formatters: Vec<LanguageOffer>,
    /// Says what is wrong with texts.
    pub diagnostics: Vec<LanguageOffer>,
    /// Tools for language models.
    pub tools: Vec<Tool>,
    /// Somebody to talk to in the chat.
    pub participants: Vec<Participant>,
    /// Looks at what goes to language models and comes back.
    pub conversations: Conversations,
    /// Models of a server of its own.
    pub providers: Vec<Provider>,
    /// Looks at files that are saved or change.
    pub hooks: FileHooks,
    /// Steps of a build.
    pub build_steps: Vec<BuildStep>,
    /// Views.
    pub views: Vec<View>,
    /// Places in the status bar.
    pub status_items: Vec<StatusItem>,
    /// Colour themes.
    pub themes: Vec<Theme>,
}

impl Offers {
    /// Whether there is nothing to call: themes at the most.
    #[must_use]
    pub fn are_themes(&self) -> bool {
        Self { themes: Vec::new(), ..self.clone() } == Self::default()
    }

    fn weight(&self) -> usize {
        let commands = self
            .commands
            .iter()
            .map(|offer| all([&offer.id, &offer.title]) + all(&offer.keybinding) + all(&offer.editor_menu));
        let languages = self.formatters.iter().chain(&self.diagnostics).map(|offer| all(&offer.languages));
        let tools = self.tools.iter().map(|offer| all([&offer.id, &offer.description, &offer.parameters]));
        let participants = self.participants.iter().map(|offer| all([&offer.id, &offer.title, &offer.description]));
        let providers = self.providers.iter().map(|offer| all([&offer.id, &offer.title]));
        let steps = self.build_steps.iter().map(|offer| all([&offer.id, &offer.title]));
        let views = self.views.iter().map(|offer| all([&offer.id, &offer.title]) + all(&offer.globs));
        let items = self.status_items.iter().map(|offer| all([&offer.id, &offer.title]));
        let themes = self.themes.iter().map(|offer| all([&offer.id, &offer.title, &offer.path]));
        let named = commands.chain(languages).chain(tools).chain(participants).chain(providers);
        let named = named.chain(steps).chain(views).chain(items).chain(themes);
        named.map(|texts| texts + OFFER_BYTES).sum::<usize>() + all(&self.hooks.will_save) + all(&self.hooks.changed)
    }
}

/// A command of the palette.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Command {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
    /// Also in the editor's context menu, for these languages; for all where one is `*`.
    #[serde(default)]
    pub editor_menu: Vec<String>,
    /// Keys, as the editor writes them: `ctrlcmd+alt+f`.
    #[serde(default)]
    pub keybinding: Option<String>,
}

/// Something done to texts of languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LanguageOffer {
    /// Identifiers of languages: `markdown`, `toml` …
    pub languages: Vec<String>,
}

/// A tool for language models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tool {
    /// Identifier: lower-case letters, digits and `_`.
    pub id: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments, as JSON text: an object.
    pub parameters: String,
    /// It changes something: the person is asked before it runs. So they are where the plugin may write files or reach a host.
    #[serde(default)]
    pub changes: bool,
}

/// Somebody to talk to in the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Participant {
    /// Identifier; `@id` in the chat.
    pub id: String,
    /// What people read.
    pub title: String,
    /// What it is good for.
    pub description: String,
}

/// What a plugin wants to see of conversations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Conversations {
    /// What is asked, before it goes to a model.
    pub questions: bool,
    /// What is answered. Answers come whole then, and not piece by piece.
    pub answers: bool,
}

/// Models of a server of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provider {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
}

/// Which files a plugin wants to see when they are saved or change: globs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct FileHooks {
    /// Before they are saved in the editor.
    pub will_save: Vec<String>,
    /// After something changed them.
    pub changed: Vec<String>,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BuildStep {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct View {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
    /// Where it is shown.
    pub place: ViewPlace,
    /// For `file`: files that it can show, as globs.
    #[serde(default)]
    pub globs: Vec<String>,
}

/// Where a view is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ViewPlace {
    /// In the side bar of the IDE, and on the front's page of the plugin.
    Side,
    /// In the main area, for a file.
    File,
}

/// A place in the status bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusItem {
    /// Identifier.
    pub id: String,
    /// What people read where they choose what is shown.
    pub title: String,
}

/// A colour theme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Theme {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
    /// For dark surroundings.
    #[serde(default)]
    pub dark: bool,
    /// Path of its document among the assets: JSON, as VS Code's colour themes are written.
    pub path: String,
}

/// Something that people may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setting {
    /// Identifier.
    pub id: String,
    /// What people read.
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// What can be put there.
    pub kind: SettingKind,
    /// What it is unless somebody says otherwise: JSON.
    pub default: String,
    /// For `choice`: what can be chosen.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// What can be put into a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// Yes or no.
    Boolean,
    /// A number.
    Number,
    /// A text, at most 4 KiB.
    Text,
    /// A text that is shown to nobody again, kept sealed.
    Secret,
    /// One of several texts.
    Choice,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(more: Value) -> Manifest {
        let mut manifest = json!({
            "id": "a.b", "version": "1.0.0", "contract": "1.0", "title": "T", "description": "D.", "license": "MIT",
        });
        let (Value::Object(all), Value::Object(more)) = (&mut manifest, more) else { unreachable!() };
        all.extend(more);
        serde_json::from_value(manifest).unwrap()
    }

    #[test]
    fn whatever_is_long_weighs() {
        let long = || "x".repeat(200);
        let many = || vec![long(); 100];
        let asks = |name: &str, key: &str| json!({"capabilities": [{"name": name, key: many(), "reason": "R."}]});
        let offers = |key: &str, offer: Value| json!({"offers": {key: vec![offer; 100]}});
        let titled = || json!({"id": "i", "title": long()});
        let mut asks_models = asks("models", "models");
        asks_models["capabilities"][0]["usd_per_day"] = json!(1.0);
        for more in [
            json!({"keywords": many()}),
            asks("documents", "globs"),
            asks("files.read", "globs"),
            asks("files.write", "globs"),
            asks("search", "globs"),
            asks("http", "hosts"),
            asks_models,
            offers("commands", json!({"id": "i", "title": "T", "editor_menu": many(), "keybinding": long()})),
            offers("formatters", json!({"languages": many()})),
            offers("diagnostics", json!({"languages": many()})),
            offers("tools", json!({"id": "i", "description": long(), "parameters": long()})),
            offers("participants", json!({"id": "i", "title": long(), "description": long()})),
            offers("providers", titled()),
            offers("build_steps", titled()),
            offers("views", json!({"id": "i", "title": "T", "place": "file", "globs": many()})),
            offers("status_items", titled()),
            offers("themes", json!({"id": "i", "title": long(), "path": long()})),
            json!({"offers": {"hooks": {"will_save": many()}}}),
            json!({"offers": {"hooks": {"changed": many()}}}),
            json!({"settings": [{"id": "i", "title": "T", "kind": "choice", "default": long(), "choices": many()}]}),
        ] {
            let manifest = manifest(more.clone());
            let on_the_wire = serde_json::to_vec(&manifest).unwrap().len();
            assert!(manifest.weight() >= on_the_wire, "{} of {on_the_wire}: {more}", manifest.weight());
        }
    }
}
