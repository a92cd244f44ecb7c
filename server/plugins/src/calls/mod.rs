//! Calls: whether a plugin may be called now, with what, and what follows from how it went.

mod ears;
mod others;

use std::sync::Arc;

use coditect_plugin_host::ports::Ports;
use coditect_plugin_host::{Call, CallError, CallFigures, Called, Caller, Outcome};
use coditect_protocol::plugin::{Answered, PluginCall, PluginId, PluginItem};
use coditect_protocol::{Coded, UserId, WorkspaceId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use others::{Filtered, ProvidedModels};

use crate::PluginsError;
use crate::installs::{Entry, Place};
use crate::keys::Whose;
use crate::log::HOST;
use crate::plugins::Plugins;
use crate::storage::Values;
use crate::supervise::{Consequence, End};
use crate::time::{millis, now_ms};
use ears::PersonsEars;

impl Plugins {
    /// Calls a plugin of a person. What comes before the end goes to `items`; a call that nobody wants any more is ended by `cancel`.
    pub async fn call(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        id: &PluginId,
        call: PluginCall,
        items: Option<mpsc::Sender<PluginItem>>,
        cancel: CancellationToken,
    ) -> Result<Answered, PluginsError> {
        let place = self.place(user, workspace).await?;
        match self.ask(&place, id, Call::Page(Box::new(call)), items, cancel).await? {
            (Outcome::Page(outcome), took) => Ok(Answered { outcome, micros: took.micros }),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// One call, whatever it asks. In a box: what is nested deeper is not seen to be for any thread, and takes room in every future around.
    fn ask<'a>(
        &'a self,
        place: &'a Arc<Place>,
        id: &'a PluginId,
        call: Call,
        items: Option<mpsc::Sender<PluginItem>>,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<(Outcome, CallFigures), PluginsError>> {
        self.ask_now(place, id, call, items, cancel).boxed()
    }

    async fn ask_now(
        &self,
        place: &Arc<Place>,
        id: &PluginId,
        call: Call,
        items: Option<mpsc::Sender<PluginItem>>,
        cancel: CancellationToken,
    ) -> Result<(Outcome, CallFigures), PluginsError> {
        let entries = place.entries();
        let entry = entries.all.get(id).ok_or_else(|| PluginsError::NotInstalled(id.to_string()))?;
        let whose = place.whose(id);
        self.check_state(&whose, entry)?;
        let prepared = async {
            let plugin = self.inner.running.get(place.user, &entry.row.sha256, &entry.wish).await?;
            Ok::<_, PluginsError>((plugin, self.caller(place, &whose, entry, items).await?))
        };
        let gone = || PluginsError::Call(CallError::Cancelled);
        let (plugin, caller) = tokio::select! {
            prepared = prepared => prepared?,
            () = cancel.cancelled() => return Err(gone()),
            () = entry.stopped.cancelled() => return Err(gone()),
        };
        let cancel = cancel.child_token();
        let mut calling = std::pin::pin!(plugin.call(call, caller, cancel.clone()));
        let called = tokio::select! {
            called = &mut calling => called,
            () = entry.stopped.cancelled() => {
                cancel.cancel();
                calling.await
            }
        };
        place.use_now();
        self.ended(place, &whose, entry, &called).await;
        Ok((called.outcome?, called.figures))
    }

    fn check_state(&self, whose: &Whose, entry: &Entry) -> Result<(), PluginsError> {
        let id = || whose.2.to_string();
        if entry.is_blocked {
            return Err(PluginsError::NotAllowed(id()));
        }
        if !entry.row.enabled {
            return Err(PluginsError::Disabled(id()));
        }
        if let Some(reason) = entry.row.failed.clone() {
            return Err(PluginsError::Failed { id: id(), reason });
        }
        if let Some((rest, reason)) = self.inner.supervisor.rest(whose) {
            let (rest_ms, until) = (millis(rest), now_ms().saturating_add(millis(rest)));
            return Err(PluginsError::Resting { id: id(), until, rest_ms, reason });
        }
        Ok(())
    }

    async fn caller(
        &self,
        place: &Place,
        whose: &Whose,
        entry: &Entry,
        items: Option<mpsc::Sender<PluginItem>>,
    ) -> Result<Caller, PluginsError> {
        let inner = &self.inner;
        let (user, workspace, id) = whose;
        let around = match inner.surroundings.get() {
            Some(surroundings) => surroundings.ports(*user, *workspace, id).await?,
            None => Ports::default(),
        };
        let rates = inner.write_rates.clone();
        let values = Values::new(inner.store.clone(), inner.keys.clone(), whose.clone(), rates);
        let ears = PersonsEars { inner: inner.clone(), whose: whose.clone(), notices: place.notices.clone() };
        Ok(Caller {
            who: who(*user),
            rights: entry.rights.clone(),
            ports: Ports { storage: Some(Arc::new(values)), ears: Some(Arc::new(ears)), ..around },
            settings: entry.settings.clone(),
            private_hosts: inner.registry.policies.known().is_some_and(|policy| policy.private_hosts),
            items,
        })
    }

    /// Counts a call, and does what follows from how it went.
    async fn ended(&self, place: &Arc<Place>, whose: &Whose, entry: &Entry, called: &Called) {
        let (inner, error) = (&self.inner, called.outcome.as_ref().err());
        inner.metrics.count(&whose.2, &called.figures, error.map(Coded::code));
        let text = error.map(ToString::to_string).unwrap_or_default();
        let end = match error {
            None => End::Well,
            Some(_) if called.is_fault() => End::Fault(&text),
            Some(_) => End::Neither,
        };
        if error.is_some_and(CallError::is_fault) {
            inner.logs.write(whose, HOST, text.clone());
        }
        match inner.supervisor.ended(whose, &called.figures, end) {
            Consequence::None => {}
            Consequence::Recovered => place.touch(),
            Consequence::Rests(rest) => {
                place.touch();
                // Whoever looks sees it well again, though nothing calls it.
                let place = Arc::downgrade(place);
                tokio::spawn(async move {
                    tokio::time::sleep(rest).await;
                    if let Some(place) = place.upgrade() {
                        place.touch();
                    }
                });
            }
            // The text may be the plugin's own: it is for its person, and the log of the operator has the code.
            Consequence::Fails => self.give_up(place, whose, entry, error.map_or("", Coded::code), &text).await,
        }
    }

    async fn give_up(&self, place: &Arc<Place>, whose: &Whose, entry: &Entry, code: &str, reason: &str) {
        let (user, workspace, id) = whose;
        tracing::info!(
            target: "audit", action = "plugins.failed", %user, %workspace, plugin = %id, version = entry.row.version, code
        );
        self.inner.logs.write(whose, HOST, "It failed too often and is not called any more.".to_owned());
        let marked = async {
            self.inner.mark_failed(whose, &entry.row.sha256, reason).await?;
            self.inner.load(place).await
        };
        if let Err(error) = marked.await {
            tracing::warn!(%error, plugin = %id, "that a plugin failed too often could not be written down");
        }
    }
}

/// A number for a person: the part of their identifier that is random.
fn who(user: UserId) -> u64 {
    user.0.as_u64_pair().1
}

/// An outcome that does not belong to its call, which no host gives.
fn unexpected(outcome: &Outcome) -> PluginsError {
    tracing::error!(?outcome, "the host answered something else than was asked");
    PluginsError::Call(CallError::Internal { detail: "the answer belongs to another question".to_owned() })
}
