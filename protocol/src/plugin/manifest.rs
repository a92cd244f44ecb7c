//! What a plugin says of itself. Authors write it as `plugin.toml`; this is what it comes to.

use serde::{Deserialize, Serialize};

use super::capability::Asked;
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
    /// About what it takes on the wire, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let offers = &self.offers;
        let tools = offers.tools.iter().map(|tool| tool.description.len() + tool.parameters.len());
        let named = offers.commands.len() + offers.views.len() + offers.participants.len() + self.settings.len();
        let settings = self.settings.iter().map(|setting| setting.description.len() + setting.default.len());
        let asked = self.capabilities.iter().map(|asked| asked.reason.len() + OFFER_BYTES);
        self.description.len()
            + tools.chain(settings).chain(asked).sum::<usize>()
            + named * OFFER_BYTES
            + MANIFEST_BYTES
    }
}

/// What a manifest takes with nothing in it, and each of what it offers.
const MANIFEST_BYTES: usize = 1024;
const OFFER_BYTES: usize = 128;

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
