//! What every route may reach.

use std::sync::Arc;
use std::time::Instant;

use coditect_auth::Auth;
use coditect_llm::Gateway;
use coditect_plugins::Plugins;
use coditect_protocol::{UserId, WorkspaceId};
use coditect_store::Store;
use coditect_workspace::git::Git;
use coditect_workspace::index::Indexes;
use coditect_workspace::presence::Presence;
use coditect_workspace::registry::Workspaces;
use coditect_workspace::terminals::Terminals;
use coditect_workspace::watch::Watchers;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::denials::Denials;
use crate::doors::Questions;
use crate::error::ApiFault;
use crate::link::Links;
use crate::plugins::{Packages, Plugged};
use crate::programs::TerminalTokens;
use crate::serving;
use crate::settings::Settings;

/// Handles of the features; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Features>);

/// See [`AppState`].
pub struct Features {
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// The store, for `health`.
    pub store: Store,
    /// People and their logins.
    pub auth: Auth,
    /// Workspaces and their files.
    pub workspaces: Workspaces,
    /// Who is in which workspace.
    pub presence: Presence,
    /// Watchers shared by everybody who looks at a tree.
    pub watchers: Watchers,
    /// The paths of the trees in which somebody looks for files.
    pub indexes: Indexes,
    /// Running terminals; refused where there is no sandbox.
    pub terminals: Terminals,
    /// What terminals are given.
    pub(crate) terminal_tokens: Arc<TerminalTokens>,
    /// Git in the workspaces, and the logins for it.
    pub git: Git,
    /// Language models.
    pub gateway: Gateway,
    /// What goes on beside its calls.
    pub(crate) accounts: Accounts,
    /// The room for questions to models.
    pub(crate) questions: Arc<Questions>,
    /// What people have of plugins; nothing where there are none on this server.
    pub(crate) plugins: Option<Plugged>,
    /// Packages on their way.
    pub(crate) packages: Packages,
    /// Links of the pages.
    pub links: Links,
    /// Tells the log of what was refused.
    pub(crate) denials: Denials,
    /// Cancelled when the server begins to stop: `health` says so.
    pub draining: CancellationToken,
    /// Cancelled when it takes no more connections and lets go of the pages, `drain_grace_seconds` later.
    pub closing: CancellationToken,
    /// The connections, and what clients may take.
    pub(crate) limits: serving::Limits,
    /// When it started.
    pub started: Instant,
    /// What works only in part, a sentence each.
    pub warnings: Vec<String>,
}

impl AppState {
    /// Shares the features.
    #[must_use]
    pub fn new(features: Features) -> Self {
        Self(Arc::new(features))
    }
}

impl std::ops::Deref for AppState {
    type Target = Features;
    fn deref(&self) -> &Features {
        &self.0
    }
}

impl AppState {
    /// The plugins, where there are any.
    pub(crate) fn plugins(&self) -> Result<&Plugins, ApiFault> {
        self.plugged().map(|plugged| &plugged.plugins)
    }

    /// Forgets the plugins of somebody in a workspace that is no longer theirs, or of everybody in one that is gone. What is left where
    /// the store does not answer is reached by nobody.
    pub(crate) async fn forget_plugins_of(&self, workspace: WorkspaceId, user: Option<UserId>) {
        let Ok(plugins) = self.plugins() else { return };
        let forgotten = match user {
            Some(user) => plugins.forget_member(user, workspace).await,
            None => plugins.forget_workspace(workspace).await,
        };
        if let Err(error) = forgotten {
            tracing::warn!(%error, %workspace, "plugins of a workspace could not be forgotten");
        }
    }

    /// The same with what tells them of files.
    pub(crate) fn plugged(&self) -> Result<&Plugged, ApiFault> {
        self.plugins.as_ref().ok_or(ApiFault::PluginsOff)
    }

    /// Connections there are now, for tests and figures.
    #[must_use]
    pub fn connections_count(&self) -> usize {
        self.limits.connections()
    }

    /// Links that are kept, for tests and figures.
    #[must_use]
    pub fn links_count(&self) -> usize {
        self.links.count()
    }
}
