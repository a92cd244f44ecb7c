//! What a plugin may offer: a trait for each interface. Functions have no `self`, since every call is made to a new instance.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::build_steps::{Finding, Report};
use crate::bindings::coditect::plugin::types::{
    Context, Diagnostic, Document, Message, Model, Question, Range, Severity, TextEdit,
};
pub use crate::bindings::commands::Outcome;
pub use crate::bindings::filters::Verdict;
pub use crate::bindings::formatters::Options as FormatOptions;
pub use crate::bindings::hooks::{BeforeSave, Change, FileEvent};
pub use crate::bindings::participants::Request;
pub use crate::bindings::status_items::Item as StatusItem;
use crate::error::Result;
use crate::json::Arguments;
use crate::reply::Reply;
use crate::view::{Action, View};

/// Commands of the palette and of menus. `[[commands]]` of the manifest names them.
pub trait Commands {
    /// Runs one.
    fn run(command: &str, context: Context) -> Result<Outcome>;
}

/// Putting texts in order. `[[formatters]]` names the languages.
pub trait Formatters {
    /// Edits that put a text in order, or only a part of it. [`crate::edits::between`] makes them of the old and the new text.
    fn format(document: Document, range: Option<Range>, options: FormatOptions) -> Result<Vec<TextEdit>>;
}

/// What is wrong with a text, looked at while it is edited. `[[diagnostics]]` names the languages.
pub trait Diagnostics {
    /// Looks at one.
    fn check(document: Document) -> Result<Vec<Diagnostic>>;
}

/// Tools for language models. `[[tools]]` names each, with its description and the JSON Schema of its arguments.
pub trait Tools {
    /// Calls one; the answer is text for the model.
    fn call(tool: &str, arguments: Arguments) -> Result<String>;
}

/// Somebody to talk to in the chat, by `@name`. `[[participants]]` names them.
pub trait Participants {
    /// Answers through `reply`.
    fn respond(request: Request, reply: &mut Reply) -> Result<()>;
}

/// Looking at what goes to language models, and at what comes back. `[conversations]` says which; capability `conversations`.
pub trait Filters {
    /// What goes to a model.
    fn question(_model: &str, _messages: Vec<Message>) -> Result<Verdict> {
        Ok(Verdict::Pass)
    }

    /// What comes back.
    fn answer(_model: &str, _text: String) -> Result<Verdict> {
        Ok(Verdict::Pass)
    }
}

/// Models of a server that Coditect knows nothing of. `[[providers]]` names them.
pub trait Providers {
    /// Which models there are.
    fn models(provider: &str) -> Result<Vec<Model>>;

    /// Answers through `reply`. `question.model` is one that `models` told.
    fn respond(provider: &str, question: Question, reply: &mut Reply) -> Result<()>;
}

/// Looking at files that are saved or change. `[hooks]` gives the globs of each.
pub trait Hooks {
    /// Before a text is saved.
    fn will_save(_document: Document) -> Result<BeforeSave> {
        Ok(BeforeSave::default())
    }

    /// After files changed: what happened within a moment, together.
    fn changed(_events: Vec<FileEvent>) -> Result<()> {
        Ok(())
    }
}

/// Steps of a build. `[[build-steps]]` names them.
pub trait BuildSteps {
    /// Runs one.
    fn run(step: &str, arguments: Arguments) -> Result<Report>;
}

/// Views. `[[views]]` names them: in the side bar, or for files of given globs in place of the editor.
///
/// A view is a function of its state: every action comes with the state that was given with the tree before, and is answered with the
/// next state and tree. See [`crate::view`] for what a tree is made of.
pub trait Views {
    /// What a view has to remember from one action to the next; at most 64 KiB as JSON. Several views can share an enum.
    type State: Serialize + DeserializeOwned;

    /// Shows one for the first time. Also done where its state cannot be read any more, as after an update of the plugin.
    fn open(view: &str, context: Context) -> Result<View<Self::State>>;

    /// Does what the person wants.
    fn handle(view: &str, state: Self::State, action: Action, context: Context) -> Result<View<Self::State>>;
}

/// What stands in the status bar. `[[status-items]]` names the places.
pub trait StatusItems {
    /// What stands there; none where there is nothing to show now. Asked again when the active editor changes and after each save.
    fn show(item: &str, context: Context) -> Result<Option<StatusItem>>;
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Outcome {
    fn default() -> Self {
        Self { message: None, edits: Vec::new(), open_view: None }
    }
}

impl Outcome {
    /// Something to tell the person.
    #[must_use]
    pub fn message(text: impl Into<String>) -> Self {
        Self { message: Some(text.into()), ..Self::default() }
    }

    /// Edits of the text in the active editor.
    #[must_use]
    pub fn edits(edits: Vec<TextEdit>) -> Self {
        Self { edits, ..Self::default() }
    }

    /// A view of the plugin to show.
    #[must_use]
    pub fn view(name: impl Into<String>) -> Self {
        Self { open_view: Some(name.into()), ..Self::default() }
    }
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self { tab_size: 4, insert_spaces: true }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for BeforeSave {
    fn default() -> Self {
        Self { edits: Vec::new(), diagnostics: Vec::new(), objection: None }
    }
}

impl Report {
    /// All is well.
    #[must_use]
    pub fn passed(summary: impl Into<String>) -> Self {
        Self { passed: true, summary: summary.into(), details: String::new(), findings: Vec::new() }
    }

    /// Not all is well.
    #[must_use]
    pub fn failed(summary: impl Into<String>) -> Self {
        Self { passed: false, ..Self::passed(summary) }
    }

    /// With Markdown below the summary.
    #[must_use]
    pub fn with_details(mut self, markdown: impl Into<String>) -> Self {
        self.details = markdown.into();
        self
    }

    /// With something to say about a file.
    #[must_use]
    pub fn with_finding(mut self, path: impl Into<String>, diagnostic: Diagnostic) -> Self {
        self.findings.push(Finding { path: path.into(), diagnostic });
        self
    }
}

impl StatusItem {
    /// A plain text: `$(name)` is no icon in it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tooltip: None, command: None, severity: None }
    }

    /// With a text that is shown above it.
    #[must_use]
    pub fn with_tooltip(mut self, text: impl Into<String>) -> Self {
        self.tooltip = Some(text.into());
        self
    }

    /// A click runs this command of the plugin.
    #[must_use]
    pub fn on_click(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// In the colour of warnings or errors.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }
}
