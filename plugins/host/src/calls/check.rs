//! What a plugin answered, looked at before it leaves the host.

use coditect_protocol::plugin::{Edit, Finding, Offers, PluginCall, PluginOutcome, ViewShown};

use super::ending::{is_active, one_line};
use super::{edits, tree};
use crate::CallError;
use crate::call::{Call, Outcome, Verdict};
use crate::ports::Model;
use crate::settings::HostSettings;

/// Longest line: a title, a summary, what stands in the status bar, the name of a rule or model.
const MAX_LINE_BYTES: usize = 1 << 10;
/// Longest text of several lines that is shown as it is: a message, an objection, a tooltip.
const MAX_MESSAGE_BYTES: usize = 8 << 10;
/// Most findings.
const MAX_FINDINGS: usize = 5_000;
/// Most models of a provider.
const MAX_MODELS: usize = 1_000;
/// Largest state of a view, in bytes.
const MAX_STATE_BYTES: usize = 64 << 10;
/// What an item of a list takes beside its texts, in bytes.
const ITEM_BYTES: usize = 32;

pub(super) fn malformed(what: &str) -> CallError {
    CallError::Malformed { what: one_line(what, MAX_LINE_BYTES) }
}

/// The answer, where it makes sense as one to the call.
pub(super) fn outcome(
    outcome: Outcome,
    call: &Call,
    offers: &Offers,
    settings: &HostSettings,
) -> Result<Outcome, CallError> {
    if weight(&outcome) > settings.output_bytes {
        return Err(CallError::Output { bytes: settings.output_bytes });
    }
    match outcome {
        Outcome::Page(outcome) => page(outcome, text_of(call), offers).map(Outcome::Page),
        Outcome::Verdict(verdict) => self::verdict(verdict, call).map(Outcome::Verdict),
        Outcome::Models(models) => self::models(models).map(Outcome::Models),
        Outcome::Done => Ok(Outcome::Done),
    }
}

/// The text that edits of the answer are for.
fn text_of(call: &Call) -> Option<&str> {
    let Call::Page(call) = call else { return None };
    match &**call {
        PluginCall::Format { document, .. } | PluginCall::WillSave { document } => Some(&document.text),
        PluginCall::Command { context, .. } => context.document.as_ref().map(|document| document.text.as_str()),
        _ => None,
    }
}

fn page(mut outcome: PluginOutcome, text: Option<&str>, offers: &Offers) -> Result<PluginOutcome, CallError> {
    match &mut outcome {
        PluginOutcome::Command { message, edits, open_view } => {
            message.as_deref().map_or(Ok(()), lines)?;
            keep_edits(edits, text)?;
            if open_view.as_ref().is_some_and(|view| !offers.views.iter().any(|offer| offer.id == *view)) {
                return Err(malformed("it opens a view that it does not offer"));
            }
        }
        PluginOutcome::Edits { edits } => keep_edits(edits, text)?,
        PluginOutcome::Findings { findings } => keep_findings(findings)?,
        PluginOutcome::WillSave { edits, findings, objection } => {
            keep_edits(edits, text)?;
            keep_findings(findings)?;
            objection.as_deref().map_or(Ok(()), lines)?;
        }
        PluginOutcome::Report { summary, findings, .. } => {
            line(summary)?;
            keep_findings(findings)?;
        }
        PluginOutcome::View(ViewShown { title, state, .. }) => {
            title.as_deref().map_or(Ok(()), line)?;
            if state.len() > MAX_STATE_BYTES {
                return Err(malformed(&format!("the state of its view is larger than {MAX_STATE_BYTES} bytes")));
            }
        }
        PluginOutcome::Status { text, tooltip, command, .. } => {
            text.as_deref().map_or(Ok(()), line)?;
            tooltip.as_deref().map_or(Ok(()), lines)?;
            if command.as_ref().is_some_and(|command| !offers.commands.iter().any(|offer| offer.id == *command)) {
                return Err(malformed("its status item runs a command that it does not offer"));
            }
        }
        PluginOutcome::Text { .. } | PluginOutcome::Done => {}
    }
    Ok(outcome)
}

fn keep_edits(edits: &mut Vec<Edit>, text: Option<&str>) -> Result<(), CallError> {
    *edits = edits::checked(std::mem::take(edits), text)?;
    Ok(())
}

fn keep_findings(findings: &mut [Finding]) -> Result<(), CallError> {
    if findings.len() > MAX_FINDINGS {
        return Err(malformed(&format!("there are more than {MAX_FINDINGS} findings")));
    }
    findings.iter_mut().try_for_each(|finding| {
        edits::range(finding.range)?;
        lines(&finding.message)?;
        finding.code.as_deref().map_or(Ok(()), line)?;
        finding.path.as_mut().map_or(Ok(()), tree::keep_path)
    })
}

fn verdict(verdict: Verdict, call: &Call) -> Result<Verdict, CallError> {
    let given = match call {
        Call::FilterQuestion { messages, .. } => messages.len(),
        _ => 1,
    };
    match &verdict {
        Verdict::Replace(texts) if texts.len() != given => {
            return Err(malformed(&format!("it gave {} texts for {given}", texts.len())));
        }
        Verdict::Refuse(why) => lines(why)?,
        Verdict::Pass | Verdict::Replace(_) => {}
    }
    Ok(verdict)
}

fn models(models: Vec<Model>) -> Result<Vec<Model>, CallError> {
    if models.len() > MAX_MODELS {
        return Err(malformed(&format!("there are more than {MAX_MODELS} models")));
    }
    for model in &models {
        line(&model.id)?;
        if model.id.is_empty() {
            return Err(malformed("a model has no name"));
        }
    }
    Ok(models)
}

/// A text of one line.
fn line(text: &str) -> Result<(), CallError> {
    if text.len() > MAX_LINE_BYTES {
        return Err(malformed(&format!("a line is longer than {MAX_LINE_BYTES} bytes")));
    }
    if text.chars().any(is_active) { Err(malformed("a line holds control characters")) } else { Ok(()) }
}

/// A text of several lines.
fn lines(text: &str) -> Result<(), CallError> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(malformed(&format!("a message is longer than {MAX_MESSAGE_BYTES} bytes")));
    }
    let is_active = |char: char| is_active(char) && !matches!(char, '\n' | '\r' | '\t');
    if text.chars().any(is_active) { Err(malformed("a message holds control characters")) } else { Ok(()) }
}

/// About what an answer takes, in bytes. Trees were bounded when they were read.
fn weight(outcome: &Outcome) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match outcome {
        Outcome::Done => 0,
        Outcome::Verdict(Verdict::Pass) => 0,
        Outcome::Verdict(Verdict::Refuse(why)) => why.len(),
        Outcome::Verdict(Verdict::Replace(texts)) => texts.iter().map(|text| text.len() + ITEM_BYTES).sum(),
        Outcome::Models(models) => models.iter().map(|model| model.id.len() + ITEM_BYTES).sum(),
        Outcome::Page(outcome) => match outcome {
            PluginOutcome::Done => 0,
            PluginOutcome::Command { message, edits, open_view } => text(message) + edit_bytes(edits) + text(open_view),
            PluginOutcome::Edits { edits } => edit_bytes(edits),
            PluginOutcome::Findings { findings } => finding_bytes(findings),
            PluginOutcome::Text { text } => text.len(),
            PluginOutcome::WillSave { edits, findings, objection } => {
                edit_bytes(edits) + finding_bytes(findings) + text(objection)
            }
            PluginOutcome::Report { summary, details, findings, .. } => {
                summary.len() + details.len() + finding_bytes(findings)
            }
            PluginOutcome::View(view) => text(&view.title) + view.state.len(),
            PluginOutcome::Status { text: shown, tooltip, command, .. } => text(shown) + text(tooltip) + text(command),
        },
    }
}

fn edit_bytes(edits: &[Edit]) -> usize {
    edits.iter().map(|edit| edit.text.len() + ITEM_BYTES).sum()
}

fn finding_bytes(findings: &[Finding]) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = |finding: &Finding| finding.message.len() + text(&finding.code) + text(&finding.path) + ITEM_BYTES;
    findings.iter().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use coditect_protocol::plugin::{EditRange, FindingSeverity, Point, Said, SaidBy};

    use super::*;

    fn offers() -> Offers {
        serde_json::from_value(serde_json::json!({"commands": [{"id": "c", "title": "C"}]})).unwrap()
    }

    fn checked(given: Outcome, call: &Call) -> Result<Outcome, CallError> {
        outcome(given, call, &offers(), &HostSettings::default())
    }

    fn page(outcome: PluginOutcome) -> Result<Outcome, CallError> {
        let call = Call::Page(Box::new(PluginCall::Tool { tool: "t".into(), arguments: String::new() }));
        checked(Outcome::Page(outcome), &call)
    }

    fn is_malformed(outcome: &Result<Outcome, CallError>) -> bool {
        matches!(outcome, Err(CallError::Malformed { .. }))
    }

    #[test]
    fn a_filter_gives_as_many_texts_as_it_was_given() {
        let said = || Said { by: SaidBy::User, text: "a".into() };
        let question = Call::FilterQuestion { model: "m".into(), messages: vec![said(), said()] };
        let answer = Call::FilterAnswer { model: "m".into(), text: "a".into() };
        let texts = |count| Outcome::Verdict(Verdict::Replace(vec!["b".into(); count]));
        assert!(checked(texts(2), &question).is_ok() && checked(texts(1), &answer).is_ok());
        assert!(is_malformed(&checked(texts(1), &question)) && is_malformed(&checked(texts(2), &answer)));
        assert!(is_malformed(&checked(Outcome::Verdict(Verdict::Refuse("a\u{1b}[2J".into())), &answer)));
        assert!(checked(Outcome::Verdict(Verdict::Refuse("No:\n\tsecret".into())), &answer).is_ok());
    }

    #[test]
    fn what_stands_in_the_status_bar_is_one_line() {
        let status = |text: &str, command: Option<&str>| {
            let (text, command) = (Some(text.to_owned()), command.map(str::to_owned));
            page(PluginOutcome::Status { text, tooltip: None, command, severity: None })
        };
        assert!(status("3 tasks", Some("c")).is_ok());
        assert!(is_malformed(&status("3 tasks", Some("d"))), "a command that it does not offer");
        for text in ["a\nb", "a\u{202e}b", "a\0", &"x".repeat(MAX_LINE_BYTES + 1)] {
            assert!(is_malformed(&status(text, None)), "{text:?}");
        }
    }

    #[test]
    fn findings_lie_in_files_of_the_workspace() {
        let finding = |path: &str, start: u32| {
            let point = |line| Point { line, column: 0 };
            let range = EditRange { start: point(start), end: point(1) };
            let (path, code) = (Some(path.to_owned()), Some("rule".to_owned()));
            Finding { path, range, severity: FindingSeverity::Error, message: "It is wrong.".into(), code }
        };
        let report = |findings| {
            let (summary, details) = ("Done.".to_owned(), String::new());
            page(PluginOutcome::Report { passed: true, summary, details, findings })
        };
        let Ok(Outcome::Page(PluginOutcome::Report { findings, .. })) = report(vec![finding("./src//a.rs", 0)]) else {
            panic!("it is good");
        };
        assert_eq!(findings[0].path.as_deref(), Some("src/a.rs"));
        for bad in [finding("../a", 0), finding("/a", 0), finding("", 0), finding("a", 2)] {
            assert!(is_malformed(&report(vec![bad])));
        }
        assert!(is_malformed(&report(vec![finding("a", 0); MAX_FINDINGS + 1])));
    }

    #[test]
    fn answers_are_bounded_whatever_they_consist_of() {
        let most = HostSettings::default().output_bytes;
        let output = Err(CallError::Output { bytes: most });
        let provider = Call::ProviderModels { provider: "p".into() };
        let models = |count, id: &str| Outcome::Models(vec![Model { id: id.into(), context_tokens: None }; count]);
        assert!(checked(models(MAX_MODELS, "m"), &provider).is_ok());
        assert!(is_malformed(&checked(models(MAX_MODELS + 1, "m"), &provider)));
        assert!(is_malformed(&checked(models(1, ""), &provider)));
        assert_eq!(checked(models(most / ITEM_BYTES, "m"), &provider), output);
        assert_eq!(page(PluginOutcome::Text { text: "x".repeat(most + 1) }), output);
        let edit = Edit {
            range: EditRange { start: Point { line: 0, column: 0 }, end: Point { line: 0, column: 0 } },
            text: String::new(),
        };
        assert_eq!(page(PluginOutcome::Edits { edits: vec![edit; most / ITEM_BYTES + 1] }), output);
        let state = |bytes: usize| {
            let tree = coditect_protocol::plugin::Node::Separator {};
            page(PluginOutcome::View(ViewShown { title: None, state: "x".repeat(bytes), tree }))
        };
        assert!(state(MAX_STATE_BYTES).is_ok() && is_malformed(&state(MAX_STATE_BYTES + 1)));
    }
}
