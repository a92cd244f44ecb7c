//! Language models, as the person: their role, budgets and limits hold, and beside them what they granted the plugin for a day.

use async_trait::async_trait;
use coditect_metering::{Allowance, Asker};
use coditect_plugin_host::ports::{Answer, Model, Models, Question, Refused};
use coditect_protocol::auth::Role;
use coditect_protocol::chat::{ChatDelta, ChatMessage, ChatRequest};
use coditect_protocol::llm::Usd;
use coditect_protocol::plugin::{Said, SaidBy};
use coditect_protocol::workspace::WorkspaceRole;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Place;
use super::refused::refused;

/// Pieces of an answer that wait for the plugin.
const QUEUED_DELTAS: usize = 64;
/// How the names begin that plugins have among the agents.
const AGENT: &str = "plugin:";

/// See the module.
pub(super) struct PersonsModels(pub(super) Place);

impl PersonsModels {
    /// What the person is now. Whoever is kept out, or out of the workspace, asks nothing.
    async fn role(&self) -> Answer<Role> {
        let Place { user, workspace, features, .. } = &self.0;
        let access = features.workspaces.access(*user, *workspace, WorkspaceRole::Read).await;
        access.map_err(|error| refused(&error))?;
        let role = features.auth.role_of(*user).await.map_err(|error| refused(&error))?;
        role.ok_or_else(|| Refused::Denied("The person whom this plugin works for is not let in.".to_owned()))
    }
}

fn said(said: Said) -> ChatMessage {
    match said.by {
        SaidBy::System => ChatMessage::System { text: said.text },
        SaidBy::User => ChatMessage::User { text: said.text, images: Vec::new() },
        SaidBy::Assistant => ChatMessage::Assistant { text: said.text, tool_calls: Vec::new() },
    }
}

/// Hands the texts of an answer on, until there are no more or nobody takes them.
async fn hand_on(mut deltas: mpsc::Receiver<ChatDelta>, pieces: mpsc::Sender<String>) {
    loop {
        let delta = tokio::select! {
            delta = deltas.recv() => delta,
            () = pieces.closed() => None,
        };
        match delta {
            Some(ChatDelta::Text { text }) => {
                if pieces.send(text).await.is_err() {
                    return;
                }
            }
            Some(ChatDelta::Reasoning { .. } | ChatDelta::ToolCall(_)) => {}
            None => return,
        }
    }
}

#[async_trait]
impl Models for PersonsModels {
    async fn list(&self) -> Answer<Vec<Model>> {
        let role = self.role().await?;
        let list = self.0.features.gateway.list(false, self.0.user, role).await;
        let model =
            |model: coditect_protocol::chat::ModelInfo| Model { id: model.id, context_tokens: model.context_tokens };
        Ok(list.models.into_iter().map(model).collect())
    }

    async fn ask(&self, question: Question, usd_per_day: Usd, pieces: mpsc::Sender<String>) -> Answer<()> {
        let Place { user, workspace, plugin, features } = &self.0;
        let role = self.role().await?;
        let _place = features.questions.place(*user).map_err(|error| Refused::Limit(error.into_problem().message))?;
        let asker = Asker {
            user: *user,
            role,
            token: None,
            workspace: Some(*workspace),
            agent: format!("{AGENT}{plugin}").into(),
            allowance: Some(Allowance::of_program(&format!("{AGENT}{plugin}"), *user, *workspace, usd_per_day)),
        };
        let request = ChatRequest {
            model: question.model,
            messages: question.messages.into_iter().map(said).collect(),
            tools: Vec::new(),
            max_tokens: question.max_tokens,
            temperature: question.temperature,
            workspace: Some(*workspace),
        };
        let (sink, deltas) = mpsc::channel(QUEUED_DELTAS);
        let asking = features.gateway.chat(asker, request, sink, CancellationToken::new());
        let (answered, ()) = tokio::join!(asking, hand_on(deltas, pieces));
        answered.map(drop).map_err(|error| refused(&error))
    }
}
