//! Runs tests that were written down.

use std::path::Path;

use coditect_plugin_host::ports::Model;
use coditect_plugin_host::{CallError, CallFigures, Outcome, Verdict};
use coditect_protocol::Coded as _;
use coditect_protocol::plugin::{Edit, PluginOutcome};
use serde_json::{Value, json};

use super::format::{Declared, Expect};
use super::matching::{Mismatch, compare, fits, shown};
use crate::edits::apply;
use crate::harness::Harness;
use crate::session::Session;
use crate::surroundings::{LogLine, TestServer};

/// Stands for the server's address in texts of a test.
const HTTP: &str = "{{http}}";

/// What came of a test.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// What is not as expected; nothing where the test passed.
    pub mismatches: Vec<Mismatch>,
    /// What the plugin wrote to its log.
    pub log: Vec<LogLine>,
    /// What the last call took.
    pub figures: CallFigures,
}

impl TestReport {
    /// Whether all was as expected.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }

    fn broken(what: String) -> Self {
        let mismatch = Mismatch::new("test", "a test that can be run", what);
        Self { mismatches: vec![mismatch], log: Vec::new(), figures: CallFigures::default() }
    }
}

/// Runs a test of the plugin in this folder.
pub async fn run(harness: &Harness, folder: &Path, test: &Declared) -> TestReport {
    match attempt(harness, folder, test).await {
        Ok(report) => report,
        Err(what) => TestReport::broken(what),
    }
}

/// The end of a test's calls.
struct Ended {
    outcome: Result<Outcome, CallError>,
    /// What was edited, before it was.
    edited: Option<String>,
}

async fn attempt(harness: &Harness, folder: &Path, test: &Declared) -> Result<TestReport, String> {
    let mut test = test.clone();
    let server = if test.http.is_empty() { None } else { Some(serve(&mut test).await?) };
    let session = session(harness, folder, &test, server.as_ref())?;
    let edited = test.call.edited(session.workspace());
    let outcome = calls(&session, &test).await?;
    let mut out = Vec::new();
    let ended = Ended { outcome, edited };
    check_end(&test.expect, &session, &ended, &mut out);
    check_surroundings(&test.expect, &session, server.as_ref(), &mut out);
    Ok(TestReport { mismatches: out, log: session.log(), figures: session.figures() })
}

/// Starts the server, and puts its address where the test has a place for it.
async fn serve(test: &mut Declared) -> Result<TestServer, String> {
    let answers = test.http.iter().map(super::format::Http::answer).collect();
    let server = TestServer::start(answers).await.map_err(|error| error.to_string())?;
    let address = format!("http://{}", server.host());
    test.settings.values_mut().chain(&mut test.call.arguments).for_each(|value| put_address(value, &address));
    let texts = test.call.messages.iter_mut().map(|message| &mut message.text).chain(&mut test.call.text);
    texts.for_each(|text| *text = text.replace(HTTP, &address));
    Ok(server)
}

fn put_address(value: &mut Value, address: &str) {
    match value {
        Value::String(text) => *text = text.replace(HTTP, address),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| put_address(entry, address)),
        Value::Object(table) => table.values_mut().for_each(|entry| put_address(entry, address)),
        _ => {}
    }
}

fn session(harness: &Harness, folder: &Path, test: &Declared, server: Option<&TestServer>) -> Result<Session, String> {
    let mut builder = harness.session();
    if let Some(workspace) = &test.workspace {
        builder = builder.workspace(&folder.join(workspace)).map_err(|error| error.to_string())?;
    }
    for (path, content) in &test.files {
        coditect_protocol::RelPath::parse(path).map_err(|error| format!("files: {path}: {error}"))?;
        builder = builder.file(path, content.bytes()?);
    }
    for (id, value) in &test.settings {
        if !harness.manifest().settings.iter().any(|setting| setting.id == *id) {
            return Err(format!("settings: the manifest has no setting `{id}`"));
        }
        builder = builder.setting(id, value.clone());
    }
    if let Some(granted) = &test.granted {
        builder = builder.granted(granted);
    }
    for (key, value) in &test.storage {
        builder = builder.stored(key, value.as_bytes());
    }
    for scripted in &test.models {
        builder = builder.model(scripted.answer());
    }
    if let Some(git) = &test.git {
        builder = builder.git(git.state());
    }
    if let Some(server) = server {
        builder = builder.server(server);
    }
    Ok(builder.start())
}

/// The call; of a view, one after the other. The last outcome counts, and the first error.
async fn calls(session: &Session, test: &Declared) -> Result<Result<Outcome, CallError>, String> {
    let call = &test.call;
    let mut last = Box::pin(session.call(call.first(session.workspace())?)).await;
    for action in &call.actions {
        let state = match &last {
            Ok(Outcome::Page(PluginOutcome::View(shown))) => shown.state.clone(),
            Ok(_) => return Err("`actions` belong to calls of a `view`".to_owned()),
            Err(_) => break,
        };
        last = Box::pin(session.call(call.act(action, state, session.workspace())?)).await;
    }
    Ok(last)
}

fn check_end(expect: &Expect, session: &Session, ended: &Ended, out: &mut Vec<Mismatch>) {
    match (&ended.outcome, &expect.error) {
        (Ok(outcome), Some(error)) => {
            out.push(Mismatch::new("error", shown(Some(error)), format!("an answer: {}", json_of(outcome))));
        }
        (Err(error), None) => {
            out.push(Mismatch::new("outcome", "an answer", format!("{error} ({})", error.code())));
        }
        (Err(error), Some(wanted)) => check_error(wanted, error, out),
        (Ok(outcome), None) => check_outcome(expect, session, outcome, ended.edited.as_deref(), out),
    }
}

fn check_error(wanted: &Value, error: &CallError, out: &mut Vec<Mismatch>) {
    let actual = json!({"code": error.code(), "message": error.to_string()});
    let wanted = match wanted {
        Value::String(code) => json!({"code": code}),
        table => table.clone(),
    };
    if !fits(&wanted, &actual) {
        out.push(Mismatch::new("error", shown(Some(&wanted)), format!("{error} ({})", error.code())));
    }
}

fn check_outcome(expect: &Expect, session: &Session, outcome: &Outcome, edited: Option<&str>, out: &mut Vec<Mismatch>) {
    if let Some(wanted) = &expect.outcome {
        compare("outcome", wanted, Some(&json_of(outcome)), out);
    }
    if let Some(wanted) = &expect.text {
        let actual = text_of(session, outcome, edited).map(Value::from);
        compare("text", wanted, actual.as_ref(), out);
    }
}

/// An outcome as JSON.
fn json_of(outcome: &Outcome) -> Value {
    let model = |model: &Model| json!({"id": model.id, "context_tokens": model.context_tokens});
    match outcome {
        // Texts, numbers and lists of them always have a JSON.
        Outcome::Page(outcome) => serde_json::to_value(outcome).unwrap_or_default(),
        Outcome::Verdict(Verdict::Pass) => json!({"verdict": "pass"}),
        Outcome::Verdict(Verdict::Replace(texts)) => json!({"verdict": "replace", "texts": texts}),
        Outcome::Verdict(Verdict::Refuse(why)) => json!({"verdict": "refuse", "why": why}),
        Outcome::Models(models) => json!({"models": models.iter().map(model).collect::<Vec<_>>()}),
        Outcome::Done => json!({}),
    }
}

/// The text that a call is about, where it is about one.
fn text_of(session: &Session, outcome: &Outcome, edited: Option<&str>) -> Option<String> {
    let after = |edits: &[Edit]| apply(edited?, edits);
    match outcome {
        Outcome::Page(
            PluginOutcome::Command { edits, .. }
            | PluginOutcome::Edits { edits }
            | PluginOutcome::WillSave { edits, .. },
        ) => after(edits),
        Outcome::Page(PluginOutcome::Text { text }) => Some(text.clone()),
        Outcome::Page(PluginOutcome::Done) | Outcome::Done => Some(session.reply_since(0).text),
        _ => None,
    }
}

fn check_surroundings(expect: &Expect, session: &Session, server: Option<&TestServer>, out: &mut Vec<Mismatch>) {
    for (path, wanted) in &expect.files {
        check_kept(&format!("files.{path}"), wanted, session.workspace().get_text(path), out);
    }
    let stored = session.stored();
    for (key, wanted) in &expect.storage {
        let value = stored.get(key).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        check_kept(&format!("storage.{key}"), wanted, value, out);
    }
    let heard = session.heard();
    let denials = heard.denials.iter().map(|one| json!({"capability": one.capability, "subject": one.subject}));
    compare("denials", &Value::from(expect.denials.clone()), Some(&denials.collect()), out);
    if let Some(wanted) = &expect.notices {
        let notices = heard.notices.iter().map(|notice| Value::from(notice.text.as_str()));
        compare("notices", &Value::from(wanted.clone()), Some(&notices.collect()), out);
    }
    for wanted in &expect.log {
        check_log(wanted, &heard.log, out);
    }
    if let Some(wanted) = &expect.asked {
        let last = |question: &coditect_plugin_host::ports::Question| {
            Value::from(question.messages.last().map_or("", |message| message.text.as_str()))
        };
        compare("asked", &Value::from(wanted.clone()), Some(&session.asked().iter().map(last).collect()), out);
    }
    if let (Some(wanted), Some(server)) = (&expect.requests, server) {
        let request = |seen: crate::HttpSeen| {
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            json!({"method": seen.method, "path": seen.path, "headers": seen.headers, "body": body})
        };
        let seen: Value = server.seen().into_iter().map(request).collect();
        compare("requests", &Value::from(wanted.clone()), Some(&seen), out);
    }
}

/// What is there afterwards; `false` stands for nothing.
fn check_kept(place: &str, wanted: &Value, actual: Option<String>, out: &mut Vec<Mismatch>) {
    match (wanted, actual) {
        (Value::Bool(false), None) => {}
        (Value::Bool(false), Some(text)) => out.push(Mismatch::new(place, "nothing", text)),
        (wanted, actual) => compare(place, wanted, actual.map(Value::from).as_ref(), out),
    }
}

fn check_log(wanted: &Value, lines: &[LogLine], out: &mut Vec<Mismatch>) {
    let is_meant = |line: &LogLine| match wanted {
        Value::String(part) => line.text.contains(part),
        wanted if wanted.get("text").is_some() || wanted.get("level").is_some() => {
            fits(wanted, &json!({"level": line.level, "text": line.text}))
        }
        pattern => fits(pattern, &Value::from(line.text.as_str())),
    };
    if !lines.iter().any(is_meant) {
        let all: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        out.push(Mismatch::new("log", format!("a line such as {}", shown(Some(wanted))), all.join("\n")));
    }
}
