//! Version 1 of the contract: `coditect:plugin@1`.

use async_trait::async_trait;
use coditect_protocol::plugin::{ContractVersion, Offers, PluginCall, PluginOutcome};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Instance, InstancePre, Linker};

use self::bindings::coditect::plugin::types;
use self::bindings::exports::coditect::plugin::{
    build_steps, commands, diagnostics, filters, formatters, hooks, participants, providers, status_items, tools, views,
};
use super::{Adapter, Version};
use crate::call::{Call, Outcome};
use crate::state::State;
use crate::{CallError, HostError};

mod convert;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "coditect:plugin/everything",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "coditect:plugin/http.exchange": crate::imports::http::Exchange,
            "coditect:plugin/models.answer": crate::imports::models::Answer,
        },
    });
}

pub(super) const VERSION: Version = Version {
    number: ContractVersion::new(1, 0),
    imports: &[
        "answer", "clock", "files", "git", "http", "log", "models", "random", "search", "settings", "storage", "types",
        "ui",
    ],
    link,
    adapt: |instance, offers| Ok(Box::new(V1::of(instance, offers)?)),
};

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bindings::Everything::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// There is nothing to call in it.
impl types::Host for State {}

/// Where the functions are that a component exports, for what its manifest offers.
struct V1 {
    build_steps: Option<build_steps::GuestIndices>,
    commands: Option<commands::GuestIndices>,
    diagnostics: Option<diagnostics::GuestIndices>,
    filters: Option<filters::GuestIndices>,
    formatters: Option<formatters::GuestIndices>,
    hooks: Option<hooks::GuestIndices>,
    participants: Option<participants::GuestIndices>,
    providers: Option<providers::GuestIndices>,
    status_items: Option<status_items::GuestIndices>,
    tools: Option<tools::GuestIndices>,
    views: Option<views::GuestIndices>,
}

impl V1 {
    fn of(instance: &InstancePre<State>, offers: &Offers) -> Result<Self, HostError> {
        let (hooks, conversations) = (&offers.hooks, offers.conversations);
        let has_hooks = !hooks.will_save.is_empty() || !hooks.changed.is_empty();
        let pre = instance;
        Ok(Self {
            build_steps: find(!offers.build_steps.is_empty(), "build-steps", || build_steps::GuestIndices::new(pre))?,
            commands: find(!offers.commands.is_empty(), "commands", || commands::GuestIndices::new(pre))?,
            diagnostics: find(!offers.diagnostics.is_empty(), "diagnostics", || diagnostics::GuestIndices::new(pre))?,
            filters: find(conversations.questions || conversations.answers, "filters", || {
                filters::GuestIndices::new(pre)
            })?,
            formatters: find(!offers.formatters.is_empty(), "formatters", || formatters::GuestIndices::new(pre))?,
            hooks: find(has_hooks, "hooks", || hooks::GuestIndices::new(pre))?,
            participants: find(!offers.participants.is_empty(), "participants", || {
                participants::GuestIndices::new(pre)
            })?,
            providers: find(!offers.providers.is_empty(), "providers", || providers::GuestIndices::new(pre))?,
            status_items: find(!offers.status_items.is_empty(), "status-items", || {
                status_items::GuestIndices::new(pre)
            })?,
            tools: find(!offers.tools.is_empty(), "tools", || tools::GuestIndices::new(pre))?,
            views: find(!offers.views.is_empty(), "views", || views::GuestIndices::new(pre))?,
        })
    }
}

/// What a component must export where its manifest offers it.
fn find<T>(
    is_offered: bool,
    interface: &'static str,
    find: impl FnOnce() -> wasmtime::Result<T>,
) -> Result<Option<T>, HostError> {
    let found = is_offered.then(find).transpose();
    found.map_err(|_| HostError::NotExported { interface })
}

/// An interface that was found when the plugin was loaded.
fn offered<T>(found: Option<&T>) -> wasmtime::Result<&T> {
    found.ok_or_else(not_this)
}

fn not_this() -> wasmtime::Error {
    CallError::NotOffered { what: "this".into() }.into()
}

/// An answer of the plugin; its error ends the call with the plugin's words.
fn answered<T>(answer: Result<T, types::Error>) -> wasmtime::Result<T> {
    answer.map_err(|error| convert::error(error).into())
}

#[async_trait]
impl Adapter for V1 {
    async fn call(&self, store: &mut Store<State>, instance: &Instance, call: &Call) -> wasmtime::Result<Outcome> {
        Ok(match call {
            Call::Page(call) => Outcome::Page(self.page(store, instance, call).await?),
            Call::FilterQuestion { model, messages } => {
                let guest = offered(self.filters.as_ref())?.load(&mut *store, instance)?;
                let verdict = guest.call_question(store, model, &convert::messages(messages)).await?;
                Outcome::Verdict(convert::verdict(answered(verdict)?))
            }
            Call::FilterAnswer { model, text } => {
                let guest = offered(self.filters.as_ref())?.load(&mut *store, instance)?;
                Outcome::Verdict(convert::verdict(answered(guest.call_answer(store, model, text).await?)?))
            }
            Call::ProviderModels { provider } => {
                let guest = offered(self.providers.as_ref())?.load(&mut *store, instance)?;
                Outcome::Models(convert::models(answered(guest.call_models(store, provider).await?)?))
            }
            Call::ProviderRespond { provider, question } => {
                let guest = offered(self.providers.as_ref())?.load(&mut *store, instance)?;
                answered(guest.call_respond(store, provider, &convert::question(question)).await?)?;
                Outcome::Done
            }
            Call::Changed { events } => {
                let guest = offered(self.hooks.as_ref())?.load(&mut *store, instance)?;
                answered(guest.call_changed(store, &convert::events(events)).await?)?;
                Outcome::Done
            }
        })
    }
}

impl V1 {
    async fn page(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        call: &PluginCall,
    ) -> wasmtime::Result<PluginOutcome> {
        match call {
            PluginCall::Command { command, context } => {
                let guest = offered(self.commands.as_ref())?.load(&mut *store, instance)?;
                let answer = guest.call_run(store, command, &convert::context(context)).await?;
                Ok(convert::command(answered(answer)?))
            }
            PluginCall::Tool { tool, arguments } => {
                let guest = offered(self.tools.as_ref())?.load(&mut *store, instance)?;
                Ok(PluginOutcome::Text { text: answered(guest.call_call(store, tool, arguments).await?)? })
            }
            PluginCall::Respond { participant, text, history, context } => {
                let guest = offered(self.participants.as_ref())?.load(&mut *store, instance)?;
                let request = participants::Request {
                    participant: participant.clone(),
                    text: text.clone(),
                    history: convert::messages(history),
                    context: convert::context(context),
                };
                answered(guest.call_respond(store, &request).await?)?;
                Ok(PluginOutcome::Done)
            }
            PluginCall::BuildStep { step, arguments } => {
                let guest = offered(self.build_steps.as_ref())?.load(&mut *store, instance)?;
                Ok(convert::report(answered(guest.call_run(store, step, arguments).await?)?))
            }
            PluginCall::Format { .. } | PluginCall::Check { .. } | PluginCall::WillSave { .. } => {
                self.text(store, instance, call).await
            }
            PluginCall::OpenView { .. } | PluginCall::ViewAction { .. } | PluginCall::Status { .. } => {
                self.shown(store, instance, call).await
            }
        }
    }

    /// Calls about a text.
    async fn text(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        call: &PluginCall,
    ) -> wasmtime::Result<PluginOutcome> {
        match call {
            PluginCall::Format { document, range, options } => {
                let guest = offered(self.formatters.as_ref())?.load(&mut *store, instance)?;
                let options = formatters::Options { tab_size: options.tab_size, insert_spaces: options.insert_spaces };
                let (document, range) = (convert::document(document), range.map(convert::range));
                let edits = answered(guest.call_format(store, &document, range, options).await?)?;
                Ok(PluginOutcome::Edits { edits: convert::edits(edits) })
            }
            PluginCall::Check { document } => {
                let guest = offered(self.diagnostics.as_ref())?.load(&mut *store, instance)?;
                let findings = answered(guest.call_check(store, &convert::document(document)).await?)?;
                Ok(PluginOutcome::Findings { findings: convert::findings(findings) })
            }
            PluginCall::WillSave { document } => {
                let guest = offered(self.hooks.as_ref())?.load(&mut *store, instance)?;
                let answer = answered(guest.call_will_save(store, &convert::document(document)).await?)?;
                Ok(convert::before_save(answer))
            }
            _ => Err(not_this()),
        }
    }

    /// Calls for something to show.
    async fn shown(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        call: &PluginCall,
    ) -> wasmtime::Result<PluginOutcome> {
        match call {
            PluginCall::OpenView { view, context } => {
                let guest = offered(self.views.as_ref())?.load(&mut *store, instance)?;
                let answer = guest.call_open(store, view, &convert::context(context)).await?;
                convert::view(answered(answer)?)
            }
            PluginCall::ViewAction { view, state, action, context } => {
                let guest = offered(self.views.as_ref())?.load(&mut *store, instance)?;
                let action =
                    views::Action { id: action.id.clone(), kind: action.kind.clone(), value: action.value.clone() };
                let context = convert::context(context);
                let answer = guest.call_handle(store, view, state, &action, &context).await?;
                convert::view(answered(answer)?)
            }
            PluginCall::Status { item, context } => {
                let guest = offered(self.status_items.as_ref())?.load(&mut *store, instance)?;
                let answer = guest.call_show(store, item, &convert::context(context)).await?;
                Ok(convert::status(answered(answer)?))
            }
            _ => Err(not_this()),
        }
    }
}
