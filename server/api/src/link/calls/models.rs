//! Conversations with models: those of upstreams and those of plugins, past the plugins that look at what is asked and answered.

use coditect_auth::{Credential, Identity};
use coditect_metering::Asker;
use coditect_plugin_host::ports::Question;
use coditect_plugins::{Filtered, Plugins};
use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest, StopReason};
use coditect_protocol::plugin::{Conversations, PluginItem};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Context, each};
use crate::error::{ApiError, ApiFault};
use crate::plugins::{PluginModel, add_models, put_back, texts};

/// Pieces of an answer that wait for the page.
const QUEUED_DELTAS: usize = 256;
/// What the IDE is called among the agents.
const AGENT: &str = "ide";
/// Longest answer that is held back for plugins to look at, in bytes.
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;
/// Largest piece of text that is told at once, in bytes, so that no piece outweighs the page's credit.
const MAX_DELTA_BYTES: usize = 64 * 1024;

pub(super) async fn list(
    context: &Context,
    identity: &Identity,
    refresh: bool,
    workspace: Option<WorkspaceId>,
) -> Result<Reply, ApiError> {
    let (user, role) = (identity.user.id, identity.user.role);
    let mut list = context.state.gateway.list(refresh, user, role).await;
    if let (Some(workspace), Ok(plugins)) = (workspace, context.state.plugins()) {
        let rules = context.state.gateway.metering().rules();
        let found = plugins.models(user, workspace, context.call.cancel.child_token()).await?;
        add_models(&mut list, found, |model| rules.may_ask(role, model));
    }
    Ok(Reply::Models(list))
}

/// With a token of a workspace, it is asked there; so that it is looked at like any other call whether its person may.
pub(super) fn settle(request: &mut Request, identity: &Identity) {
    if let (Request::Chat(ChatRequest { workspace, .. }), Credential::Token { workspace: bound, .. }) =
        (request, &identity.credential)
    {
        *workspace = workspace.or(*bound);
    }
}

pub(super) async fn chat(context: &Context, identity: &Identity, request: ChatRequest) -> Result<Reply, ApiError> {
    let token = match &identity.credential {
        Credential::Session(_) => None,
        Credential::Token { id, .. } => Some(*id),
    };
    let workspace = request.workspace;
    let (user, role) = (identity.user.id, identity.user.role);
    let asker = Asker { user, role, token, workspace, agent: AGENT.into(), allowance: None };
    let conversation = Conversation::begin(context, asker, request).await?;
    Ok(Reply::ChatEnded(conversation.answer().await?))
}

/// A question with who asks it, and the plugins around it.
struct Conversation<'a> {
    context: &'a Context,
    asker: Asker,
    request: ChatRequest,
    /// The person's plugins, and where; nothing where there is no workspace, or no plugin is anywhere.
    plugins: Option<(&'a Plugins, WorkspaceId)>,
    looked_at: Conversations,
}

impl<'a> Conversation<'a> {
    /// Takes the question past the plugins that look at questions. Where one of them cannot, it goes nowhere.
    async fn begin(context: &'a Context, asker: Asker, mut request: ChatRequest) -> Result<Self, ApiError> {
        let plugins = context.state.plugins().ok().zip(asker.workspace);
        let mut looked_at = Conversations::default();
        if let Some((plugins, workspace)) = plugins {
            looked_at = plugins.offers(asker.user, workspace).await?.conversations();
            if looked_at.questions {
                let (said, cancel) = (texts(&request.messages), context.call.cancel.child_token());
                let filtered = plugins.filter_question(asker.user, workspace, &request.model, said, cancel).await?;
                if !put_back(&mut request.messages, passed(filtered)?) {
                    return Err(ApiError::internal());
                }
            }
        }
        Ok(Self { context, asker, request, plugins, looked_at })
    }

    async fn answer(mut self) -> Result<ChatEnd, ApiError> {
        let (sink, deltas) = mpsc::channel(QUEUED_DELTAS);
        let (context, model) = (self.context, self.request.model.clone());
        let answers = self.plugins.filter(|_| self.looked_at.answers);
        let user = self.asker.user;
        let answering = self.ask(sink);
        let Some((plugins, workspace)) = answers else {
            return context.forward(answering, each(deltas, Item::Delta)).await;
        };
        let (answered, held) = tokio::join!(answering, hold(deltas));
        let (held, end) = (held?, answered?);
        let cancel = context.call.cancel.child_token();
        let text = passed(plugins.filter_answer(user, workspace, &model, held.text, cancel).await?)?;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(MAX_DELTA_BYTES));
            context.call.item(Item::Delta(ChatDelta::Text { text: now.to_owned() })).await?;
            rest = later;
        }
        for call in held.calls {
            context.call.item(Item::Delta(call)).await?;
        }
        Ok(end)
    }

    /// Puts the question to its model.
    async fn ask(&mut self, sink: mpsc::Sender<ChatDelta>) -> Result<ChatEnd, ApiError> {
        let gateway = &self.context.state.gateway;
        let request = std::mem::replace(&mut self.request, nothing());
        let model = match PluginModel::parse(&request.model) {
            // A call that is cancelled is dropped, and the chat with it.
            None => return Ok(gateway.chat(self.asker.clone(), request, sink, CancellationToken::new()).await?),
            Some(Err(())) => return Err(ApiFault::NoPluginModel(request.model).into()),
            Some(Ok(model)) => model,
        };
        let Some((plugins, workspace)) = self.plugins else {
            return Err(ApiFault::NoPluginModel(request.model).into());
        };
        if !gateway.metering().rules().may_ask(self.asker.role, &request.model) {
            return Err(ApiFault::ModelNotAllowed(request.model).into());
        }
        if request.messages.iter().any(has_pictures) {
            return Err(ApiFault::NoPictures.into());
        }
        let question = Question {
            model: model.model,
            messages: texts(&request.messages),
            max_tokens: request.max_tokens,
            temperature: request.temperature,
        };
        let (items, said) = mpsc::channel(QUEUED_DELTAS);
        let cancel = self.context.call.cancel.child_token();
        let answering =
            plugins.respond(self.asker.user, workspace, &model.plugin, &model.provider, question, items, cancel);
        let (answered, ()) = tokio::join!(answering, hand_on(said, sink));
        answered?;
        Ok(ChatEnd { reason: StopReason::Stop, usage: None })
    }
}

/// What filters let pass.
fn passed<T>(filtered: Filtered<T>) -> Result<T, ApiFault> {
    match filtered {
        Filtered::Passed(passed) => Ok(passed),
        Filtered::Refused { plugin, why } => Err(ApiFault::HeldBack { plugin: plugin.to_string(), why }),
    }
}

/// In place of a question that was put.
fn nothing() -> ChatRequest {
    ChatRequest {
        model: String::new(),
        messages: Vec::new(),
        tools: Vec::new(),
        max_tokens: None,
        temperature: None,
        workspace: None,
    }
}

fn has_pictures(message: &ChatMessage) -> bool {
    matches!(message, ChatMessage::User { images, .. } if !images.is_empty())
}

/// Hands what a plugin answers on, until nobody takes it.
async fn hand_on(mut said: mpsc::Receiver<PluginItem>, sink: mpsc::Sender<ChatDelta>) {
    while let Some(item) = said.recv().await {
        let delta = match item {
            PluginItem::Text { text } => ChatDelta::Text { text },
            PluginItem::Thought { text } => ChatDelta::Reasoning { text },
            _ => continue,
        };
        if sink.send(delta).await.is_err() {
            return;
        }
    }
}

/// What of an answer is told once plugins have looked at it. What the model thought is not: it may say the same.
#[derive(Default)]
struct Held {
    text: String,
    calls: Vec<ChatDelta>,
}

async fn hold(mut deltas: mpsc::Receiver<ChatDelta>) -> Result<Held, ApiFault> {
    let mut held = Held::default();
    while let Some(delta) = deltas.recv().await {
        match delta {
            ChatDelta::Text { text } => held.text.push_str(&text),
            call @ ChatDelta::ToolCall(_) => held.calls.push(call),
            ChatDelta::Reasoning { .. } => {}
        }
        if held.text.len() > MAX_HELD_BYTES {
            return Err(ApiFault::AnswerTooLong { limit: MAX_HELD_BYTES });
        }
    }
    Ok(held)
}
