//! What plugins find around them on this server: files, search, models and git of the person whom one works for, with that person's
//! rights, looked up for each of its requests; and the process that translates plugins for this machine.

mod changes;
mod compile;
mod files;
mod filters;
mod git;
mod models;
mod open;
mod packages;
mod providers;
mod refused;
mod search;

use std::sync::Arc;

use async_trait::async_trait;
use coditect_auth::Auth;
use coditect_llm::Gateway;
use coditect_plugin_host::ports::Ports;
use coditect_plugins::{PluginsError, Surroundings};
use coditect_protocol::plugin::PluginId;
use coditect_protocol::{UserId, WorkspaceId};
use coditect_workspace::git::Git;
use coditect_workspace::index::Indexes;
use coditect_workspace::registry::Workspaces;

use crate::doors::Questions;

pub(crate) use filters::{put_back, texts};
pub(crate) use open::{Plugged, open};
pub(crate) use packages::Packages;
pub(crate) use providers::{PluginModel, add_models};

/// The features that plugins reach.
pub(crate) struct Around {
    pub(crate) auth: Auth,
    pub(crate) workspaces: Workspaces,
    pub(crate) indexes: Indexes,
    pub(crate) git: Git,
    pub(crate) gateway: Gateway,
    pub(crate) questions: Arc<Questions>,
}

/// A plugin of somebody in a workspace.
#[derive(Clone)]
struct Place {
    user: UserId,
    workspace: WorkspaceId,
    plugin: PluginId,
    features: Arc<Around>,
}

impl Place {
    /// The name that others see of the person.
    async fn person_name(&self) -> String {
        self.features.auth.names(&[self.user]).await.remove(&self.user).unwrap_or_default()
    }
}

/// See the module.
pub(crate) struct PeoplesSurroundings(pub(crate) Arc<Around>);

#[async_trait]
impl Surroundings for PeoplesSurroundings {
    async fn ports(&self, user: UserId, workspace: WorkspaceId, plugin: &PluginId) -> Result<Ports, PluginsError> {
        // Nothing is looked up here: each request to a port looks up what the person may then.
        let place = Place { user, workspace, plugin: plugin.clone(), features: Arc::clone(&self.0) };
        Ok(Ports {
            files: Some(Arc::new(files::WorkspaceFiles(place.clone()))),
            search: Some(Arc::new(search::WorkspaceSearch(place.clone()))),
            models: Some(Arc::new(models::PersonsModels(place.clone()))),
            git: Some(Arc::new(git::WorkspaceGit(place))),
            ..Ports::default()
        })
    }
}
