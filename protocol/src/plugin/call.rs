//! Calls of plugins, over the link.

use serde::{Deserialize, Serialize};

use super::installed::InstalledList;
use super::view::{ViewAction, ViewShown};

/// Longest that a page waits, in seconds, for what no person asked for; no server gives a plugin longer. Before a file is saved:
pub const SAVE_SECONDS: u32 = 3;
/// For a text in order, as [`SAVE_SECONDS`].
pub const FORMAT_SECONDS: u32 = 5;
/// For problems in a text, as [`SAVE_SECONDS`].
pub const CHECK_SECONDS: u32 = 10;
/// For an entry of the status bar, as [`SAVE_SECONDS`].
pub const STATUS_SECONDS: u32 = 5;

/// A place in a text: line and column from 0, columns in UTF-16 code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Point {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A range of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct EditRange {
    /// Where it begins.
    pub start: Point,
    /// The first place behind it.
    pub end: Point,
}

/// What stands in a range is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Edit {
    /// The range.
    pub range: EditRange,
    /// What stands there then.
    pub text: String,
}

/// A text of an editor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Document {
    /// Path in the workspace.
    pub path: String,
    /// Identifier of its language.
    pub language: String,
    /// The text.
    pub text: String,
}

/// What is looked at while something is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct CallContext {
    /// The text in the active editor. It reaches the plugin only where that was granted.
    #[serde(default)]
    pub document: Option<Document>,
    /// What is selected there.
    #[serde(default)]
    pub selection: Option<EditRange>,
    /// What the surface adds: JSON.
    #[serde(default)]
    pub arguments: String,
}

/// How texts are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct FormatOptions {
    /// Columns of a tab.
    pub tab_size: u32,
    /// Spaces in place of tabs.
    pub insert_spaces: bool,
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// It is wrong.
    Error,
    /// It may be wrong.
    Warning,
    /// Worth knowing.
    Information,
    /// A thought.
    Hint,
}

/// Something to say about a range of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Finding {
    /// The file, where it is not the text that was asked about.
    #[serde(default)]
    pub path: Option<String>,
    /// Where.
    pub range: EditRange,
    /// How much it matters.
    pub severity: FindingSeverity,
    /// What.
    pub message: String,
    /// Short name of the rule.
    #[serde(default)]
    pub code: Option<String>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum SaidBy {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model or the plugin.
    Assistant,
}

/// Something said in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Said {
    /// By whom.
    pub by: SaidBy,
    /// What.
    pub text: String,
}

/// What a plugin is asked. The comment names the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum PluginCall {
    /// → [`PluginOutcome::Command`].
    Command {
        /// Which.
        command: String,
        /// With what.
        context: CallContext,
    },
    /// → [`PluginOutcome::Edits`].
    Format {
        /// The text.
        document: Document,
        /// Only this part.
        #[serde(default)]
        range: Option<EditRange>,
        /// How.
        options: FormatOptions,
    },
    /// → [`PluginOutcome::Findings`].
    Check {
        /// The text.
        document: Document,
    },
    /// → [`PluginOutcome::Text`].
    Tool {
        /// Which.
        tool: String,
        /// JSON.
        arguments: String,
    },
    /// [`PluginItem::Text`] … → [`PluginOutcome::Done`].
    Respond {
        /// Who is asked.
        participant: String,
        /// What.
        text: String,
        /// What was said to and by the participant before, in the same conversation.
        history: Vec<Said>,
        /// What is looked at.
        context: CallContext,
    },
    /// → [`PluginOutcome::WillSave`].
    WillSave {
        /// The text.
        document: Document,
    },
    /// → [`PluginOutcome::Report`].
    BuildStep {
        /// Which.
        step: String,
        /// JSON.
        arguments: String,
    },
    /// → [`PluginOutcome::View`].
    OpenView {
        /// Which.
        view: String,
        /// What is looked at.
        context: CallContext,
    },
    /// → [`PluginOutcome::View`].
    ViewAction {
        /// Which.
        view: String,
        /// What the plugin gave with the tree.
        state: String,
        /// What the person did.
        action: ViewAction,
        /// What is looked at.
        context: CallContext,
    },
    /// → [`PluginOutcome::Status`].
    Status {
        /// Which.
        item: String,
        /// What is looked at.
        context: CallContext,
    },
}

/// What comes while a plugin is at it, and changes of the list where that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum PluginItem {
    /// The person's plugins in the workspace, whole.
    Installed(InstalledList),
    /// A plugin tells the person something.
    Notice {
        /// Which plugin.
        plugin: String,
        /// How much it matters.
        severity: FindingSeverity,
        /// What.
        text: String,
    },
    /// How far it is.
    Progress {
        /// What it does.
        text: String,
        /// 0 to 100, where it is known.
        #[serde(default)]
        percent: Option<u32>,
    },
    /// More of an answer, as Markdown.
    Text {
        /// The text.
        text: String,
    },
    /// What is thought before the answer.
    Thought {
        /// The text.
        text: String,
    },
    /// A place that an answer means.
    Reference {
        /// The file.
        path: String,
        /// The line, from 0.
        #[serde(default)]
        line: Option<u32>,
    },
}

impl PluginItem {
    /// What its texts take, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Installed(list) => list.plugins.iter().map(|plugin| plugin.manifest.weight()).sum(),
            Self::Notice { plugin, text, .. } => plugin.len() + text.len(),
            Self::Progress { text, .. } | Self::Text { text } | Self::Thought { text } => text.len(),
            Self::Reference { path, .. } => path.len(),
        }
    }
}

/// What a plugin answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PluginOutcome {
    /// Nothing more.
    Done,
    /// Of a command.
    Command {
        /// Told to the person.
        #[serde(default)]
        message: Option<String>,
        /// For the text in the active editor.
        edits: Vec<Edit>,
        /// A view of the plugin to show.
        #[serde(default)]
        open_view: Option<String>,
    },
    /// Of a formatter.
    Edits {
        /// The edits.
        edits: Vec<Edit>,
    },
    /// Of a check.
    Findings {
        /// What it has to say.
        findings: Vec<Finding>,
    },
    /// Of a tool.
    Text {
        /// For the model.
        text: String,
    },
    /// Of a hook before a file is saved.
    WillSave {
        /// Made before it is saved.
        edits: Vec<Edit>,
        /// What it has to say.
        findings: Vec<Finding>,
        /// The person is asked whether to save all the same.
        #[serde(default)]
        objection: Option<String>,
    },
    /// Of a step of a build.
    Report {
        /// It is well.
        passed: bool,
        /// One line.
        summary: String,
        /// Markdown.
        details: String,
        /// What it has to say about files.
        findings: Vec<Finding>,
    },
    /// Of a view.
    View(ViewShown),
    /// Of a place in the status bar; nothing to show where it is absent.
    Status {
        /// What stands there.
        #[serde(default)]
        text: Option<String>,
        /// Shown above it.
        #[serde(default)]
        tooltip: Option<String>,
        /// Run by a click.
        #[serde(default)]
        command: Option<String>,
        /// How much it matters.
        #[serde(default)]
        severity: Option<FindingSeverity>,
    },
}

/// The end of a call: what it answered, and what it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Answered {
    /// What the plugin answered.
    pub outcome: PluginOutcome,
    /// How long it took, in microseconds.
    pub micros: u64,
}
