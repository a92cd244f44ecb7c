//! Whether a call may be made: the plugin must offer it, and what it hands over must have been granted.

use coditect_protocol::RelPath;
use coditect_protocol::plugin::{CallContext, CapabilityName, Document, LanguageOffer, Offers, PluginCall};

use crate::CallError;
use crate::call::{Call, Caller};

/// An offer for every language.
const EVERY_LANGUAGE: &str = "*";
/// Longest subject of a denial, in bytes.
const MAX_SUBJECT_BYTES: usize = 256;

/// Whether the manifest offers what is asked for.
pub(super) fn check(offers: &Offers, call: &Call) -> Result<(), CallError> {
    let (what, is_offered) = match call {
        Call::Page(call) => return check_page(offers, call),
        Call::FilterQuestion { .. } => ("filtering of questions".to_owned(), offers.conversations.questions),
        Call::FilterAnswer { .. } => ("filtering of answers".to_owned(), offers.conversations.answers),
        Call::ProviderModels { provider } | Call::ProviderRespond { provider, .. } => {
            (format!("the provider {provider}"), offers.providers.iter().any(|offer| offer.id == *provider))
        }
        Call::Changed { .. } => ("looking at changed files".to_owned(), !offers.hooks.changed.is_empty()),
    };
    if is_offered { Ok(()) } else { Err(not_offered(&what)) }
}

fn check_page(offers: &Offers, call: &PluginCall) -> Result<(), CallError> {
    let speaks = |offers: &[LanguageOffer], language: &str| {
        let mut languages = offers.iter().flat_map(|offer| &offer.languages);
        languages.any(|offered| offered == language || offered == EVERY_LANGUAGE)
    };
    let (what, is_offered) = match call {
        PluginCall::Command { command, .. } => {
            (format!("the command {command}"), offers.commands.iter().any(|offer| offer.id == *command))
        }
        PluginCall::Format { document, .. } => {
            (format!("formatting of {}", document.language), speaks(&offers.formatters, &document.language))
        }
        PluginCall::Check { document } => {
            (format!("checking of {}", document.language), speaks(&offers.diagnostics, &document.language))
        }
        PluginCall::Tool { tool, .. } => {
            (format!("the tool {tool}"), offers.tools.iter().any(|offer| offer.id == *tool))
        }
        PluginCall::Respond { participant, .. } => {
            (format!("the participant {participant}"), offers.participants.iter().any(|offer| offer.id == *participant))
        }
        PluginCall::WillSave { .. } => ("looking at saved files".to_owned(), !offers.hooks.will_save.is_empty()),
        PluginCall::BuildStep { step, .. } => {
            (format!("the build step {step}"), offers.build_steps.iter().any(|offer| offer.id == *step))
        }
        PluginCall::OpenView { view, .. } | PluginCall::ViewAction { view, .. } => {
            (format!("the view {view}"), offers.views.iter().any(|offer| offer.id == *view))
        }
        PluginCall::Status { item, .. } => {
            (format!("the status item {item}"), offers.status_items.iter().any(|offer| offer.id == *item))
        }
    };
    if is_offered { Ok(()) } else { Err(not_offered(&what)) }
}

fn not_offered(what: &str) -> CallError {
    CallError::NotOffered { what: crate::contract::shortened(what) }
}

/// Takes out what was not granted, or refuses the call where it is about just that.
pub(super) fn permit(mut call: Call, caller: &Caller) -> Result<Call, CallError> {
    match &mut call {
        Call::Page(call) => permit_page(call, caller)?,
        Call::FilterQuestion { model, .. } | Call::FilterAnswer { model, .. } => {
            if !caller.rights.has(CapabilityName::Conversations) {
                return Err(denied(CapabilityName::Conversations, model, caller));
            }
        }
        Call::Changed { events } => events.retain(|(path, _)| may_know_of(path, caller)),
        Call::ProviderModels { .. } | Call::ProviderRespond { .. } => {}
    }
    Ok(call)
}

/// A path alone tells something too: it is told to who may see the file in some way.
fn may_know_of(path: &RelPath, caller: &Caller) -> bool {
    let rights = &caller.rights;
    rights.documents(path) || rights.files_read(path) || rights.search(path)
}

/// Whether there is nothing to say after all.
pub(super) fn is_void(call: &Call) -> bool {
    matches!(call, Call::Changed { events } if events.is_empty())
}

fn permit_page(call: &mut PluginCall, caller: &Caller) -> Result<(), CallError> {
    match call {
        PluginCall::Format { document, .. } | PluginCall::Check { document } | PluginCall::WillSave { document } => {
            if !is_granted(document, caller) {
                return Err(denied(CapabilityName::Documents, &document.path, caller));
            }
        }
        PluginCall::Command { context, .. }
        | PluginCall::Respond { context, .. }
        | PluginCall::OpenView { context, .. }
        | PluginCall::ViewAction { context, .. }
        | PluginCall::Status { context, .. } => keep_granted(context, caller),
        PluginCall::Tool { .. } | PluginCall::BuildStep { .. } => {}
    }
    Ok(())
}

/// Without the right to it, a plugin learns neither the text nor what is selected, nor that there is one.
fn keep_granted(context: &mut CallContext, caller: &Caller) {
    if !context.document.as_ref().is_some_and(|document| is_granted(document, caller)) {
        context.document = None;
        context.selection = None;
    }
}

fn is_granted(document: &Document, caller: &Caller) -> bool {
    RelPath::parse(&document.path).is_ok_and(|path| caller.rights.documents(&path))
}

fn denied(capability: CapabilityName, subject: &str, caller: &Caller) -> CallError {
    if let Some(ears) = &caller.ports.ears {
        ears.denied(capability, &subject[..subject.floor_char_boundary(MAX_SUBJECT_BYTES)]);
    }
    CallError::Denied { capability }
}

/// Whether pieces of an answer are waited for.
pub(super) fn is_answering(call: &Call) -> bool {
    match call {
        Call::ProviderRespond { .. } => true,
        Call::Page(call) => matches!(**call, PluginCall::Respond { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use coditect_protocol::plugin::Capability;

    use super::*;
    use crate::call::FileChange;
    use crate::{Rights, ports::Ports};

    #[test]
    fn paths_are_told_to_who_may_see_the_files() {
        let globs = |glob: &str| vec![glob.to_owned()];
        let told = |capabilities: Vec<Capability>| {
            let events = ["a.md", "b.rs", "c.txt"].map(|path| (RelPath::parse(path).unwrap(), FileChange::Changed));
            let caller = Caller {
                who: 0,
                rights: Arc::new(Rights::new(capabilities)),
                ports: Ports::default(),
                settings: Arc::default(),
                private_hosts: false,
                items: None,
            };
            let call = permit(Call::Changed { events: events.to_vec() }, &caller).unwrap();
            let Call::Changed { events } = &call else { panic!("{call:?}") };
            let paths: Vec<_> = events.iter().map(|(path, _)| path.as_str().to_owned()).collect();
            assert_eq!(is_void(&call), paths.is_empty());
            paths
        };
        let (reads, is_handed) =
            (Capability::FilesRead { globs: globs("*.md") }, Capability::Documents { globs: globs("*.rs") });
        assert_eq!(told(vec![reads, is_handed]), ["a.md", "b.rs"]);
        assert_eq!(told(vec![Capability::Search { globs: globs("*.txt") }]), ["c.txt"]);
        assert_eq!(told(vec![Capability::GitRead, Capability::Clock]), Vec::<String>::new());
    }
}
