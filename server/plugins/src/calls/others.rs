//! Calls that no page makes: filters of conversations, providers of models, changes of files, tools and steps of builds.

use async_trait::async_trait;
use coditect_plugin_host::ports::{Model, Question};
use coditect_plugin_host::{Call, FileChange, Outcome, Verdict};
use coditect_protocol::plugin::{Conversations, PluginCall, PluginId, PluginItem, PluginOutcome, Provider, Said};
use coditect_protocol::{Coded as _, RelPath, UserId, WorkspaceId};
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::unexpected;
use crate::PluginsError;
use crate::installs::Place;
use crate::offers::{OfferIndex, Offered};
use crate::plugins::Plugins;
use crate::traits::{BuildSteps, OfferedStep, OfferedTool, PluginTools};

/// Plugins that are asked at the same time for one thing.
const AT_ONCE: usize = 4;

/// What filters made of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered<T> {
    /// It may go on, like this.
    Passed(T),
    /// It may not.
    Refused {
        /// Who says so.
        plugin: PluginId,
        /// Why.
        why: String,
    },
}

/// Models of a plugin's provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidedModels {
    /// The plugin.
    pub plugin: PluginId,
    /// Its provider.
    pub provider: String,
    /// The models.
    pub models: Vec<Model>,
}

impl Plugins {
    /// What a person's plugins in a workspace offer.
    pub async fn offers(&self, user: UserId, workspace: WorkspaceId) -> Result<Arc<OfferIndex>, PluginsError> {
        Ok(self.place(user, workspace).await?.entries().offers.clone())
    }

    /// Lets all filters look at a question, one after the other by name. One that cannot be asked keeps it from going anywhere, as what
    /// it was to hold back would go too: its person can switch it off.
    pub async fn filter_question(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        model: &str,
        messages: Vec<Said>,
        cancel: CancellationToken,
    ) -> Result<Filtered<Vec<Said>>, PluginsError> {
        let place = self.place(user, workspace).await?;
        let mut messages = messages;
        for plugin in filters(&place, |looks| looks.questions) {
            let call = Call::FilterQuestion { model: model.to_owned(), messages: messages.clone() };
            match self.verdict(&place, &plugin, call, &cancel).await? {
                Verdict::Pass => {}
                Verdict::Refuse(why) => return Ok(Filtered::Refused { plugin, why }),
                Verdict::Replace(texts) if texts.len() == messages.len() => {
                    messages.iter_mut().zip(texts).for_each(|(message, text)| message.text = text);
                }
                Verdict::Replace(_) => return Err(broken(&plugin)),
            }
        }
        Ok(Filtered::Passed(messages))
    }

    /// The same of an answer.
    pub async fn filter_answer(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        model: &str,
        text: String,
        cancel: CancellationToken,
    ) -> Result<Filtered<String>, PluginsError> {
        let place = self.place(user, workspace).await?;
        let mut text = text;
        for plugin in filters(&place, |looks| looks.answers) {
            let call = Call::FilterAnswer { model: model.to_owned(), text: text.clone() };
            match self.verdict(&place, &plugin, call, &cancel).await? {
                Verdict::Pass => {}
                Verdict::Refuse(why) => return Ok(Filtered::Refused { plugin, why }),
                Verdict::Replace(texts) => match <[String; 1]>::try_from(texts) {
                    Ok([new]) => text = new,
                    Err(_) => return Err(broken(&plugin)),
                },
            }
        }
        Ok(Filtered::Passed(text))
    }

    async fn verdict(
        &self,
        place: &Arc<Place>,
        plugin: &PluginId,
        call: Call,
        cancel: &CancellationToken,
    ) -> Result<Verdict, PluginsError> {
        match self.ask(place, plugin, call, None, cancel.clone()).await {
            Ok((Outcome::Verdict(verdict), _)) => Ok(verdict),
            Ok((other, _)) => Err(unexpected(&other)),
            Err(error) if cancel.is_cancelled() => Err(error),
            Err(error) => Err(PluginsError::Filter { id: plugin.to_string(), reason: error.to_string() }),
        }
    }

    /// The models of all providers. Those that do not answer are left out; their logs tell why.
    pub async fn models(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        cancel: CancellationToken,
    ) -> Result<Vec<ProvidedModels>, PluginsError> {
        let place = self.place(user, workspace).await?;
        let offers = place.entries().offers.clone();
        let ask = |offered: &Offered<Provider>| {
            let (plugin, provider) = (offered.plugin.clone(), offered.offer.id.clone());
            let (place, cancel) = (&place, cancel.clone());
            async move {
                let call = Call::ProviderModels { provider: provider.clone() };
                match self.ask(place, &plugin, call, None, cancel).await {
                    Ok((Outcome::Models(models), _)) => Some(ProvidedModels { plugin, provider, models }),
                    Ok((other, _)) => {
                        unexpected(&other);
                        None
                    }
                    Err(error) => {
                        tracing::debug!(code = error.code(), %plugin, provider, "a provider does not tell its models");
                        None
                    }
                }
            }
            .boxed()
        };
        // All at once: what makes them would be held while they are waited for.
        let asked: Vec<_> = offers.providers.iter().map(ask).collect();
        Ok(stream::iter(asked).buffered(AT_ONCE).filter_map(std::future::ready).collect().await)
    }

    /// Lets a provider answer; [`PluginItem::Text`] and [`PluginItem::Thought`] go to `items`.
    #[expect(clippy::too_many_arguments, reason = "who, where, which, with what, and whom it tells")]
    pub async fn respond(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        plugin: &PluginId,
        provider: &str,
        question: Question,
        items: mpsc::Sender<PluginItem>,
        cancel: CancellationToken,
    ) -> Result<(), PluginsError> {
        let place = self.place(user, workspace).await?;
        let call = Call::ProviderRespond { provider: provider.to_owned(), question };
        self.ask(&place, plugin, call, Some(items), cancel).await?;
        Ok(())
    }

    /// Tells the plugins whose hooks want to know that files changed, and returns when all of them were told. Failures stand in their
    /// logs.
    pub async fn changed(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        events: &[(RelPath, FileChange)],
        cancel: CancellationToken,
    ) -> Result<(), PluginsError> {
        let place = self.place(user, workspace).await?;
        let told = place.entries().offers.changed(events).into_iter().map(|(plugin, events)| {
            let (place, cancel) = (&place, cancel.clone());
            async move {
                if let Err(error) = self.ask(place, &plugin, Call::Changed { events }, None, cancel).await {
                    tracing::debug!(code = error.code(), %plugin, "a plugin was not told what changed");
                }
            }
            .boxed()
        });
        let told: Vec<_> = told.collect();
        stream::iter(told).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        Ok(())
    }
}

/// Who looks at something.
fn filters(place: &Place, looks: fn(&Conversations) -> bool) -> Vec<PluginId> {
    let offers = place.entries().offers.clone();
    offers.filters.iter().filter(|filter| looks(&filter.offer)).map(|filter| filter.plugin.clone()).collect()
}

/// A filter that answered with another number of texts than it was given.
fn broken(plugin: &PluginId) -> PluginsError {
    PluginsError::Filter { id: plugin.to_string(), reason: "it answered with other texts than were asked about".into() }
}

#[async_trait]
impl PluginTools for Plugins {
    async fn tools(&self, user: UserId, workspace: WorkspaceId) -> Result<Vec<OfferedTool>, PluginsError> {
        let offers = self.offers(user, workspace).await?;
        let tool = |of: &Offered<_>| OfferedTool { plugin: of.plugin.clone(), tool: Clone::clone(&of.offer) };
        Ok(offers.tools.iter().map(tool).collect())
    }

    async fn call_tool(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        plugin: &PluginId,
        tool: &str,
        arguments: String,
        cancel: CancellationToken,
    ) -> Result<String, PluginsError> {
        let call = PluginCall::Tool { tool: tool.to_owned(), arguments };
        match self.call(user, workspace, plugin, call, None, cancel).await?.outcome {
            PluginOutcome::Text { text } => Ok(text),
            other => Err(unexpected(&Outcome::Page(other))),
        }
    }
}

#[async_trait]
impl BuildSteps for Plugins {
    async fn steps(&self, user: UserId, workspace: WorkspaceId) -> Result<Vec<OfferedStep>, PluginsError> {
        let offers = self.offers(user, workspace).await?;
        let step = |of: &Offered<_>| OfferedStep { plugin: of.plugin.clone(), step: Clone::clone(&of.offer) };
        Ok(offers.build_steps.iter().map(step).collect())
    }

    async fn run_step(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        plugin: &PluginId,
        step: &str,
        arguments: String,
        items: Option<mpsc::Sender<PluginItem>>,
        cancel: CancellationToken,
    ) -> Result<PluginOutcome, PluginsError> {
        let call = PluginCall::BuildStep { step: step.to_owned(), arguments };
        Ok(self.call(user, workspace, plugin, call, items, cancel).await?.outcome)
    }
}
