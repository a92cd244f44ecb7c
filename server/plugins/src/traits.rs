//! What is given from outside, and what later parts take.

use async_trait::async_trait;
use coditect_plugin_host::ports::Ports;
use coditect_protocol::plugin::{BuildStep, PluginId, PluginItem, PluginOutcome, Tool};
use coditect_protocol::{UserId, WorkspaceId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::PluginsError;

/// What a server has around plugins.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// What a plugin of a person is carried out with in a workspace: files, search, models and git, with the person's rights there.
    /// Values and ears are added here. What is absent is answered with `unavailable`.
    async fn ports(&self, user: UserId, workspace: WorkspaceId, plugin: &PluginId) -> Result<Ports, PluginsError>;
}

/// A tool of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedTool {
    /// Whose it is.
    pub plugin: PluginId,
    /// What the manifest says of it.
    pub tool: Tool,
}

/// Tools of a person's plugins in a workspace, for agents.
#[async_trait]
pub trait PluginTools: Send + Sync {
    /// All of them, by the names of their plugins. Of those that rest too: they may be well again when they are called.
    async fn tools(&self, user: UserId, workspace: WorkspaceId) -> Result<Vec<OfferedTool>, PluginsError>;

    /// Calls one. Arguments are a JSON object; the answer is text for the model.
    async fn call_tool(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        plugin: &PluginId,
        tool: &str,
        arguments: String,
        cancel: CancellationToken,
    ) -> Result<String, PluginsError>;
}

/// A step of a build that a plugin offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedStep {
    /// Whose it is.
    pub plugin: PluginId,
    /// What the manifest says of it.
    pub step: BuildStep,
}

/// Steps of builds of a person's plugins in a workspace.
#[async_trait]
pub trait BuildSteps: Send + Sync {
    /// All of them, by the names of their plugins.
    async fn steps(&self, user: UserId, workspace: WorkspaceId) -> Result<Vec<OfferedStep>, PluginsError>;

    /// Runs one; [`PluginOutcome::Report`]. Arguments are JSON. How far it is goes to `items`.
    #[expect(clippy::too_many_arguments, reason = "who, where, which, with what, and whom it tells")]
    async fn run_step(
        &self,
        user: UserId,
        workspace: WorkspaceId,
        plugin: &PluginId,
        step: &str,
        arguments: String,
        items: Option<mpsc::Sender<PluginItem>>,
        cancel: CancellationToken,
    ) -> Result<PluginOutcome, PluginsError>;
}
