//! Between the types of the contract and those of the protocol.

use coditect_protocol::RelPath;
use coditect_protocol::plugin::{
    CallContext, Document, Edit, EditRange, Finding, FindingSeverity, PluginOutcome, Point, Said, SaidBy, ViewShown,
};

use super::bindings::coditect::plugin::types;
use super::bindings::exports::coditect::plugin::{build_steps, commands, filters, hooks, status_items, views};
use crate::CallError;
use crate::call::{FileChange, Verdict};
use crate::calls::{one_line, tree};
use crate::ports::{Model, Question};

/// Longest sentence of a plugin about what went wrong, in bytes.
const MAX_ERROR_BYTES: usize = 2 << 10;

pub(super) fn error(error: types::Error) -> CallError {
    use types::Error as E;
    let (code, text) = match error {
        E::Denied(text) => ("denied", text),
        E::Limit(text) => ("limit", text),
        E::NotFound(text) => ("not_found", text),
        E::Invalid(text) => ("invalid", text),
        E::Conflict(text) => ("conflict", text),
        E::Unavailable(text) => ("unavailable", text),
        E::Failed(text) => ("failed", text),
    };
    CallError::Plugin { code, message: one_line(&text, MAX_ERROR_BYTES) }
}

const fn position(point: Point) -> types::Position {
    types::Position { line: point.line, column: point.column }
}

pub(super) const fn range(range: EditRange) -> types::Range {
    types::Range { start: position(range.start), end: position(range.end) }
}

pub(super) fn document(document: &Document) -> types::Document {
    types::Document { path: document.path.clone(), language: document.language.clone(), text: document.text.clone() }
}

pub(super) fn context(context: &CallContext) -> types::Context {
    types::Context {
        document: context.document.as_ref().map(document),
        selection: context.selection.map(range),
        arguments: context.arguments.clone(),
    }
}

pub(super) fn messages(said: &[Said]) -> Vec<types::Message> {
    let role = |by| match by {
        SaidBy::System => types::Role::System,
        SaidBy::User => types::Role::User,
        SaidBy::Assistant => types::Role::Assistant,
    };
    said.iter().map(|said| types::Message { role: role(said.by), text: said.text.clone() }).collect()
}

pub(super) fn question(question: &Question) -> types::Question {
    types::Question {
        model: Some(question.model.clone()),
        messages: messages(&question.messages),
        max_tokens: question.max_tokens,
        temperature: question.temperature,
    }
}

pub(super) fn events(events: &[(RelPath, FileChange)]) -> Vec<hooks::FileEvent> {
    let change = |change| match change {
        FileChange::Created => hooks::Change::Created,
        FileChange::Changed => hooks::Change::Changed,
        FileChange::Deleted => hooks::Change::Deleted,
    };
    events.iter().map(|(path, how)| hooks::FileEvent { path: path.as_str().to_owned(), change: change(*how) }).collect()
}

const fn point(position: types::Position) -> Point {
    Point { line: position.line, column: position.column }
}

const fn span(range: types::Range) -> EditRange {
    EditRange { start: point(range.start), end: point(range.end) }
}

pub(super) fn edits(edits: Vec<types::TextEdit>) -> Vec<Edit> {
    edits.into_iter().map(|edit| Edit { range: span(edit.range), text: edit.text }).collect()
}

const fn severity(severity: types::Severity) -> FindingSeverity {
    match severity {
        types::Severity::Error => FindingSeverity::Error,
        types::Severity::Warning => FindingSeverity::Warning,
        types::Severity::Information => FindingSeverity::Information,
        types::Severity::Hint => FindingSeverity::Hint,
    }
}

fn finding(path: Option<String>, found: types::Diagnostic) -> Finding {
    Finding {
        path,
        range: span(found.range),
        severity: severity(found.severity),
        message: found.message,
        code: found.code,
    }
}

pub(super) fn findings(found: Vec<types::Diagnostic>) -> Vec<Finding> {
    found.into_iter().map(|found| finding(None, found)).collect()
}

pub(super) fn command(outcome: commands::Outcome) -> PluginOutcome {
    PluginOutcome::Command { message: outcome.message, edits: edits(outcome.edits), open_view: outcome.open_view }
}

pub(super) fn before_save(answer: hooks::BeforeSave) -> PluginOutcome {
    PluginOutcome::WillSave {
        edits: edits(answer.edits),
        findings: findings(answer.diagnostics),
        objection: answer.objection,
    }
}

pub(super) fn report(report: build_steps::Report) -> PluginOutcome {
    let findings = report.findings.into_iter().map(|found| finding(Some(found.path), found.diagnostic));
    PluginOutcome::Report {
        passed: report.passed,
        summary: report.summary,
        details: report.details,
        findings: findings.collect(),
    }
}

pub(super) fn view(view: views::View) -> wasmtime::Result<PluginOutcome> {
    Ok(PluginOutcome::View(ViewShown { title: view.title, state: view.state, tree: tree::read(&view.tree)? }))
}

pub(super) fn status(item: Option<status_items::Item>) -> PluginOutcome {
    let Some(item) = item else {
        return PluginOutcome::Status { text: None, tooltip: None, command: None, severity: None };
    };
    PluginOutcome::Status {
        text: Some(item.text),
        tooltip: item.tooltip,
        command: item.command,
        severity: item.severity.map(severity),
    }
}

pub(super) fn verdict(verdict: filters::Verdict) -> Verdict {
    match verdict {
        filters::Verdict::Pass => Verdict::Pass,
        filters::Verdict::Replace(texts) => Verdict::Replace(texts),
        filters::Verdict::Refuse(why) => Verdict::Refuse(why),
    }
}

pub(super) fn models(models: Vec<types::Model>) -> Vec<Model> {
    models.into_iter().map(|model| Model { id: model.id, context_tokens: model.context_tokens }).collect()
}
