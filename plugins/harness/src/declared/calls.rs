//! What a test asks of a plugin.

use std::collections::BTreeMap;

use coditect_plugin_host::ports::Question;
use coditect_plugin_host::{Call, FileChange};
use coditect_protocol::RelPath;
use coditect_protocol::plugin::{CallContext, Document, EditRange, FormatOptions, PluginCall, Point, Said, ViewAction};
use serde::Deserialize;
use serde_json::Value;

use crate::session::language_of;
use crate::surroundings::Workspace;

/// Line and column of the start, line and column of the end; from 0, columns in UTF-16 code units.
type RangeNumbers = [u32; 4];

/// A call, by exactly one of its first fourteen keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallOf {
    /// A command; with `document`, `selection`, `arguments`.
    pub command: Option<String>,
    /// A document to format; with `range`, `tab-size`, `insert-spaces`.
    pub format: Option<String>,
    /// A document to check.
    pub check: Option<String>,
    /// A document that is about to be saved.
    pub will_save: Option<String>,
    /// A tool; with `arguments`.
    pub tool: Option<String>,
    /// A place in the status bar; with `document`.
    pub status: Option<String>,
    /// A participant; with `text`, `history`, `document`.
    pub participant: Option<String>,
    /// A view; with `document`, and `actions` that are done one after the other.
    pub view: Option<String>,
    /// A step of a build; with `arguments`.
    pub build_step: Option<String>,
    /// Files that changed: `created`, `changed` or `deleted` by path.
    pub changed: Option<BTreeMap<String, ChangeKind>>,
    /// The model of a question to filter; with `messages`.
    pub filter_question: Option<String>,
    /// The model of an answer to filter; with `text`.
    pub filter_answer: Option<String>,
    /// A provider whose models are asked for.
    pub models: Option<String>,
    /// A provider that is asked; with `model`, `messages`.
    pub provider: Option<String>,
    /// The active document: a path of the workspace.
    pub document: Option<String>,
    /// Its language; by its ending where absent.
    pub language: Option<String>,
    /// Its text where it is not the file's, or what is said.
    pub text: Option<String>,
    /// What is selected.
    pub selection: Option<RangeNumbers>,
    /// Only this part.
    pub range: Option<RangeNumbers>,
    /// Columns of a tab.
    pub tab_size: Option<u32>,
    /// Spaces in place of tabs.
    pub insert_spaces: Option<bool>,
    /// Handed over as JSON.
    pub arguments: Option<Value>,
    /// What was said before.
    pub history: Vec<Said>,
    /// What is asked.
    pub messages: Vec<Said>,
    /// Which model.
    pub model: Option<String>,
    /// What is done in a view.
    pub actions: Vec<Action>,
}

/// How a file changed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Its content is another.
    Changed,
    /// It is gone.
    Deleted,
}

/// Something done in a view.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Of the node; empty for `refresh`.
    #[serde(default)]
    pub id: String,
    /// `click`, `change`, `submit`, `select`, `expand`, `collapse` or `refresh`.
    pub kind: String,
    /// Handed over as JSON.
    #[serde(default)]
    pub value: Value,
}

impl CallOf {
    /// The call; for views, the one that opens it.
    pub(super) fn first(&self, workspace: &Workspace) -> Result<Call, String> {
        let page = |call| Ok(Call::Page(Box::new(call)));
        let context = || self.context(workspace);
        match self.kind()? {
            Kind::Command(command) => page(PluginCall::Command { command, context: context()? }),
            Kind::Format(path) => page(PluginCall::Format {
                document: self.about(&path, workspace)?,
                range: self.range.map(range),
                options: FormatOptions {
                    tab_size: self.tab_size.unwrap_or(4),
                    insert_spaces: self.insert_spaces.unwrap_or(true),
                },
            }),
            Kind::Check(path) => page(PluginCall::Check { document: self.about(&path, workspace)? }),
            Kind::WillSave(path) => page(PluginCall::WillSave { document: self.about(&path, workspace)? }),
            Kind::Tool(tool) => page(PluginCall::Tool { tool, arguments: self.json_or("{}") }),
            Kind::Status(item) => page(PluginCall::Status { item, context: context()? }),
            Kind::Participant(participant) => page(PluginCall::Respond {
                participant,
                text: self.text.clone().unwrap_or_default(),
                history: self.history.clone(),
                context: Self { text: None, ..self.clone() }.context(workspace)?,
            }),
            Kind::View(view) => page(PluginCall::OpenView { view, context: context()? }),
            Kind::BuildStep(step) => page(PluginCall::BuildStep { step, arguments: self.json_or("{}") }),
            Kind::Changed(events) => Ok(Call::Changed { events: changed(&events)? }),
            Kind::FilterQuestion(model) => Ok(Call::FilterQuestion { model, messages: self.messages.clone() }),
            Kind::FilterAnswer(model) => Ok(Call::FilterAnswer { model, text: self.text.clone().unwrap_or_default() }),
            Kind::Models(provider) => Ok(Call::ProviderModels { provider }),
            Kind::Provider(provider) => Ok(Call::ProviderRespond { provider, question: self.question() }),
        }
    }

    /// An action in the view, which the plugin gave this state with.
    pub(super) fn act(&self, action: &Action, state: String, workspace: &Workspace) -> Result<Call, String> {
        let value = if action.value.is_null() { String::new() } else { action.value.to_string() };
        let done = ViewAction { id: action.id.clone(), kind: action.kind.clone(), value };
        let (view, context) = (self.view.clone().unwrap_or_default(), self.context(workspace)?);
        Ok(Call::Page(Box::new(PluginCall::ViewAction { view, state, action: done, context })))
    }

    /// The document that is edited, where there is one.
    pub(super) fn edited(&self, workspace: &Workspace) -> Option<String> {
        let path = [&self.format, &self.will_save, &self.document].into_iter().flatten().next()?;
        self.about(path, workspace).ok().map(|document| document.text)
    }

    fn kind(&self) -> Result<Kind, String> {
        let named = [
            self.command.clone().map(Kind::Command),
            self.format.clone().map(Kind::Format),
            self.check.clone().map(Kind::Check),
            self.will_save.clone().map(Kind::WillSave),
            self.tool.clone().map(Kind::Tool),
            self.status.clone().map(Kind::Status),
            self.participant.clone().map(Kind::Participant),
            self.view.clone().map(Kind::View),
            self.build_step.clone().map(Kind::BuildStep),
            self.changed.clone().map(Kind::Changed),
            self.filter_question.clone().map(Kind::FilterQuestion),
            self.filter_answer.clone().map(Kind::FilterAnswer),
            self.models.clone().map(Kind::Models),
            self.provider.clone().map(Kind::Provider),
        ];
        let mut kinds = named.into_iter().flatten();
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => Ok(kind),
            _ => Err(format!("a call has exactly one of the keys {KINDS}")),
        }
    }

    fn context(&self, workspace: &Workspace) -> Result<CallContext, String> {
        let document = self.document.as_deref().map(|path| self.about(path, workspace)).transpose()?;
        Ok(CallContext { document, selection: self.selection.map(range), arguments: self.json_or("") })
    }

    fn about(&self, path: &str, workspace: &Workspace) -> Result<Document, String> {
        let text = self.text.clone().or_else(|| workspace.get_text(path));
        let text = text.ok_or_else(|| format!("the workspace has no {path}; add it to `files`, or write `text`"))?;
        let language = self.language.clone().unwrap_or_else(|| language_of(path).to_owned());
        Ok(Document { path: path.to_owned(), language, text })
    }

    fn json_or(&self, none: &str) -> String {
        self.arguments.as_ref().map_or_else(|| none.to_owned(), Value::to_string)
    }

    fn question(&self) -> Question {
        let model = self.model.clone().unwrap_or_default();
        Question { model, messages: self.messages.clone(), max_tokens: None, temperature: None }
    }
}

const KINDS: &str = "`command`, `format`, `check`, `will-save`, `tool`, `status`, `participant`, `view`, `build-step`, `changed`, `filter-question`, `filter-answer`, `models` or `provider`";

/// Which kind of call it is.
enum Kind {
    Command(String),
    Format(String),
    Check(String),
    WillSave(String),
    Tool(String),
    Status(String),
    Participant(String),
    View(String),
    BuildStep(String),
    Changed(BTreeMap<String, ChangeKind>),
    FilterQuestion(String),
    FilterAnswer(String),
    Models(String),
    Provider(String),
}

const fn range([line, column, end_line, end_column]: RangeNumbers) -> EditRange {
    EditRange { start: Point { line, column }, end: Point { line: end_line, column: end_column } }
}

fn changed(events: &BTreeMap<String, ChangeKind>) -> Result<Vec<(RelPath, FileChange)>, String> {
    let event = |(path, kind): (&String, &ChangeKind)| {
        let change = match kind {
            ChangeKind::Created => FileChange::Created,
            ChangeKind::Changed => FileChange::Changed,
            ChangeKind::Deleted => FileChange::Deleted,
        };
        Ok((RelPath::parse(path).map_err(|error| format!("{path}: {error}"))?, change))
    };
    events.iter().map(event).collect()
}
