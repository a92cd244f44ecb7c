//! A plugin in surroundings of a test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use coditect_plugin_host::ports::{Model, Ports, Question};
use coditect_plugin_host::{Call, CallError, CallFigures, Caller, FileChange, Outcome, Plugin, Rights, Verdict};
use coditect_protocol::RelPath;
use coditect_protocol::plugin::{
    CallContext, Capability, CapabilityName, Document, Edit, Finding, FormatOptions, Manifest, PluginCall, PluginItem,
    PluginOutcome, Said, ViewAction, ViewShown,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::edits::apply;
use crate::error::HarnessError;
use crate::surroundings::{
    GitState, Heard, LogLine, Notice, Recorder, Script, ScriptedAnswer, TestServer, Values, Workspace, locked,
};

/// Items that may wait to be written down.
const ITEMS_QUEUE: usize = 64;
/// What an editor says where nothing else was said.
const FORMAT: FormatOptions = FormatOptions { tab_size: 4, insert_spaces: true };

/// Something that the plugin asked for without having the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Which capability it takes.
    pub capability: CapabilityName,
    /// The path, host or model.
    pub subject: String,
}

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    /// Told to the person.
    pub message: Option<String>,
    /// For the text in the active editor.
    pub edits: Vec<Edit>,
    /// A view to show.
    pub open_view: Option<String>,
}

/// What a participant or a provider answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// All pieces of text.
    pub text: String,
    /// All pieces of thought.
    pub thought: String,
    /// Places that were meant: path, and line from 0.
    pub references: Vec<(String, Option<u32>)>,
}

/// Surroundings that are being made up.
#[derive(Debug)]
pub struct SessionBuilder {
    plugin: Plugin,
    manifest: Arc<Manifest>,
    workspace: Workspace,
    settings: BTreeMap<String, String>,
    granted: Vec<Capability>,
    storage: BTreeMap<String, Vec<u8>>,
    answers: Vec<ScriptedAnswer>,
    git: Option<GitState>,
}

impl SessionBuilder {
    pub(crate) fn new(plugin: Plugin, manifest: Arc<Manifest>) -> Self {
        let granted = manifest.capabilities.iter().map(|asked| asked.capability.clone()).collect();
        Self {
            plugin,
            manifest,
            workspace: Workspace::new(),
            settings: BTreeMap::new(),
            granted,
            storage: BTreeMap::new(),
            answers: Vec::new(),
            git: None,
        }
    }

    /// A copy of a folder as the workspace.
    pub fn workspace(mut self, folder: &Path) -> Result<Self, HarnessError> {
        self.workspace = Workspace::of_folder(folder)?;
        Ok(self)
    }

    /// A file of the workspace. A path that leads out of it is none, and the file is not there.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        if let Ok(path) = RelPath::parse(path) {
            self.workspace.put(&path, content);
        }
        self
    }

    /// What the person chose in a setting.
    #[must_use]
    pub fn setting(mut self, id: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(id.to_owned(), value.into().to_string());
        self
    }

    /// Only these of the rights that the manifest asks for.
    #[must_use]
    pub fn granted(mut self, names: &[CapabilityName]) -> Self {
        let asked = self.manifest.capabilities.iter().map(|asked| asked.capability.clone());
        self.granted = asked.filter(|capability| names.contains(&capability.name())).collect();
        self
    }

    /// What the plugin kept before.
    #[must_use]
    pub fn stored(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.storage.insert(key.to_owned(), value.into());
        self
    }

    /// What language models answer; of several that fit, the first.
    #[must_use]
    pub fn model(mut self, answer: ScriptedAnswer) -> Self {
        self.answers.push(answer);
        self
    }

    /// A repository.
    #[must_use]
    pub fn git(mut self, state: GitState) -> Self {
        self.git = Some(state);
        self
    }

    /// Where the plugin may make requests, it may make them to this server too.
    #[must_use]
    pub fn server(mut self, server: &TestServer) -> Self {
        for capability in &mut self.granted {
            if let Capability::Http { hosts, private } = capability {
                hosts.push(server.host());
                *private = true;
            }
        }
        self
    }

    /// Begins.
    #[must_use]
    pub fn start(self) -> Session {
        let (heard, models, values) = (Recorder::default(), Script::new(self.answers), Values::new(self.storage));
        let ports = Ports {
            files: Some(Arc::new(self.workspace.clone())),
            search: Some(Arc::new(self.workspace.clone())),
            models: Some(Arc::new(models.clone())),
            git: self.git.map(|git| Arc::new(git) as _),
            storage: Some(Arc::new(values.clone())),
            ears: Some(Arc::new(heard.clone())),
        };
        let caller = Caller {
            who: 1,
            rights: Arc::new(Rights::new(self.granted)),
            ports,
            settings: Arc::new(self.settings),
            private_hosts: true,
            items: None,
        };
        Session {
            plugin: self.plugin,
            workspace: self.workspace,
            caller,
            heard,
            models,
            values,
            items: Mutex::default(),
            figures: Mutex::default(),
        }
    }
}

/// A plugin in its surroundings. Calls may run at the same time; each is a new instance, as on a server.
#[derive(Debug)]
pub struct Session {
    plugin: Plugin,
    workspace: Workspace,
    caller: Caller,
    heard: Recorder,
    models: Script,
    values: Values,
    items: Mutex<Vec<PluginItem>>,
    figures: Mutex<CallFigures>,
}

impl Session {
    /// Calls the plugin with anything.
    pub async fn call(&self, call: Call) -> Result<Outcome, CallError> {
        let (sender, mut receiver) = mpsc::channel(ITEMS_QUEUE);
        let caller = Caller { items: Some(sender), ..self.caller.clone() };
        let called = self.plugin.call(call, caller, CancellationToken::new());
        let listen = async {
            let mut items = Vec::new();
            while let Some(item) = receiver.recv().await {
                items.push(item);
            }
            items
        };
        let (called, items) = tokio::join!(Box::pin(called), listen);
        locked(&self.items).extend(items);
        *locked(&self.figures) = called.figures;
        called.outcome
    }

    /// Calls it as a page does.
    pub async fn page(&self, call: PluginCall) -> Result<PluginOutcome, CallError> {
        match self.call(Call::Page(Box::new(call))).await? {
            Outcome::Page(outcome) => Ok(outcome),
            other => Err(odd(&other)),
        }
    }

    /// Runs a command.
    pub async fn run_command(&self, command: &str, context: CallContext) -> Result<Commanded, CallError> {
        match self.page(PluginCall::Command { command: command.to_owned(), context }).await? {
            PluginOutcome::Command { message, edits, open_view } => Ok(Commanded { message, edits, open_view }),
            other => Err(odd(&other)),
        }
    }

    /// A file of the workspace after the formatter, with four spaces for a tab.
    pub async fn format(&self, path: &str) -> Result<String, CallError> {
        let document = self.document(path)?;
        let text = document.text.clone();
        match self.page(PluginCall::Format { document, range: None, options: FORMAT }).await? {
            PluginOutcome::Edits { edits } => apply(&text, &edits).ok_or_else(outside),
            other => Err(odd(&other)),
        }
    }

    /// What is wrong with a file of the workspace.
    pub async fn check(&self, path: &str) -> Result<Vec<Finding>, CallError> {
        match self.page(PluginCall::Check { document: self.document(path)? }).await? {
            PluginOutcome::Findings { findings } => Ok(findings),
            other => Err(odd(&other)),
        }
    }

    /// Calls a tool as a language model does.
    pub async fn tool(&self, tool: &str, arguments: &Value) -> Result<String, CallError> {
        match self.page(PluginCall::Tool { tool: tool.to_owned(), arguments: arguments.to_string() }).await? {
            PluginOutcome::Text { text } => Ok(text),
            other => Err(odd(&other)),
        }
    }

    /// Talks to a participant.
    pub async fn respond(&self, participant: &str, text: &str, history: Vec<Said>) -> Result<Reply, CallError> {
        let (participant, text) = (participant.to_owned(), text.to_owned());
        let call = PluginCall::Respond { participant, text, history, context: CallContext::default() };
        let before = locked(&self.items).len();
        self.page(call).await?;
        Ok(self.reply_since(before))
    }

    /// Opens a view.
    pub async fn open_view(&self, view: &str, context: CallContext) -> Result<ViewShown, CallError> {
        match self.page(PluginCall::OpenView { view: view.to_owned(), context }).await? {
            PluginOutcome::View(shown) => Ok(shown),
            other => Err(odd(&other)),
        }
    }

    /// Does something in a view that was shown; `value` is sent as JSON.
    pub async fn act(
        &self,
        view: &str,
        shown: &ViewShown,
        id: &str,
        kind: &str,
        value: &Value,
    ) -> Result<ViewShown, CallError> {
        let action = ViewAction { id: id.to_owned(), kind: kind.to_owned(), value: value.to_string() };
        let (view, state) = (view.to_owned(), shown.state.clone());
        let call = PluginCall::ViewAction { view, state, action, context: CallContext::default() };
        match self.page(call).await? {
            PluginOutcome::View(shown) => Ok(shown),
            other => Err(odd(&other)),
        }
    }

    /// What a filter has to say about a question.
    pub async fn filter_question(&self, model: &str, messages: Vec<Said>) -> Result<Verdict, CallError> {
        match self.call(Call::FilterQuestion { model: model.to_owned(), messages }).await? {
            Outcome::Verdict(verdict) => Ok(verdict),
            other => Err(odd(&other)),
        }
    }

    /// What a filter has to say about an answer.
    pub async fn filter_answer(&self, model: &str, text: &str) -> Result<Verdict, CallError> {
        match self.call(Call::FilterAnswer { model: model.to_owned(), text: text.to_owned() }).await? {
            Outcome::Verdict(verdict) => Ok(verdict),
            other => Err(odd(&other)),
        }
    }

    /// Models of a provider of the plugin.
    pub async fn provider_models(&self, provider: &str) -> Result<Vec<Model>, CallError> {
        match self.call(Call::ProviderModels { provider: provider.to_owned() }).await? {
            Outcome::Models(models) => Ok(models),
            other => Err(odd(&other)),
        }
    }

    /// Asks a model of a provider of the plugin.
    pub async fn provider_respond(&self, provider: &str, question: Question) -> Result<Reply, CallError> {
        let before = locked(&self.items).len();
        self.call(Call::ProviderRespond { provider: provider.to_owned(), question }).await?;
        Ok(self.reply_since(before))
    }

    /// Tells it that files changed.
    pub async fn changed(&self, events: Vec<(RelPath, FileChange)>) -> Result<(), CallError> {
        self.call(Call::Changed { events }).await.map(drop)
    }

    /// A file of the workspace as an editor hands it over.
    pub fn document(&self, path: &str) -> Result<Document, CallError> {
        let missing = || CallError::Internal { detail: format!("the test's workspace has no {path}") };
        let text = self.workspace.get_text(path).ok_or_else(missing)?;
        Ok(Document { path: path.to_owned(), language: language_of(path).to_owned(), text })
    }

    /// The workspace as it is now.
    #[must_use]
    pub const fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Takes rights away, and gives them back: of what was granted at the beginning, only these are left. Calls under way notice too.
    pub fn grant(&self, capabilities: Vec<Capability>) {
        self.caller.rights.set(capabilities);
    }

    /// What the plugin wrote to its log.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.heard().log
    }

    /// What it asked for without having the right.
    #[must_use]
    pub fn denials(&self) -> Vec<Denied> {
        self.heard().denials
    }

    /// What it told the person.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.heard().notices
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.heard()
    }

    /// What language models were asked.
    #[must_use]
    pub fn asked(&self) -> Vec<Question> {
        self.models.asked()
    }

    /// What the plugin keeps now.
    #[must_use]
    pub fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        self.values.all()
    }

    /// What came before the ends of all calls so far.
    #[must_use]
    pub fn items(&self) -> Vec<PluginItem> {
        locked(&self.items).clone()
    }

    /// What the last call took.
    #[must_use]
    pub fn figures(&self) -> CallFigures {
        *locked(&self.figures)
    }

    pub(crate) fn reply_since(&self, before: usize) -> Reply {
        let mut reply = Reply::default();
        for item in locked(&self.items).iter().skip(before) {
            match item {
                PluginItem::Text { text } => reply.text.push_str(text),
                PluginItem::Thought { text } => reply.thought.push_str(text),
                PluginItem::Reference { path, line } => reply.references.push((path.clone(), *line)),
                _ => {}
            }
        }
        reply
    }
}

/// The host answers each kind of call with its kind of outcome; whatever else came is a fault of it.
fn odd(outcome: &impl std::fmt::Debug) -> CallError {
    CallError::Internal { detail: format!("another kind of outcome came: {outcome:?}") }
}

fn outside() -> CallError {
    CallError::Malformed { what: "an edit lies outside the text, or two overlap".to_owned() }
}

/// A language by the ending of a file's name, as editors call it; `plaintext` where it is not known here.
pub(crate) fn language_of(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "c" | "h" => "c",
        "cc" | "cpp" | "hpp" => "cpp",
        "css" => "css",
        "go" => "go",
        "html" => "html",
        "java" => "java",
        "js" | "mjs" | "cjs" => "javascript",
        "json" => "json",
        "jsx" => "javascriptreact",
        "md" => "markdown",
        "py" => "python",
        "rb" => "ruby",
        "rs" => "rust",
        "sh" => "shellscript",
        "sql" => "sql",
        "toml" => "toml",
        "ts" => "typescript",
        "tsx" => "typescriptreact",
        "xml" => "xml",
        "yaml" | "yml" => "yaml",
        _ => "plaintext",
    }
}
