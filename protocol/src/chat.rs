//! Language models and conversations with them.

use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;

/// A model that can be talked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelInfo {
    /// `upstream/model`, unique on the server.
    pub id: String,
    /// Name of the model at its upstream.
    pub name: String,
    /// Name of the upstream.
    pub upstream: String,
    /// Longest context in tokens, where the upstream tells.
    pub context_tokens: Option<u64>,
    /// Whether the upstream holds it ready, where it tells: one that is not must be loaded first, which takes a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<bool>,
}

/// Models, and what is wrong with upstreams that gave none. Body of `GET /api/v5/llm/models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelList {
    /// Models in the order of the upstreams, then by name.
    pub models: Vec<ModelInfo>,
    /// Upstreams asked.
    pub upstreams: Vec<UpstreamStatus>,
    /// One sentence that says how to connect a model; only where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// State of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// Configured by the operator, else found on its default port.
    pub configured: bool,
    /// Models it lists.
    pub models: u32,
    /// Why it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ChatRequest {
    /// [`ModelInfo::id`].
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<ChatMessage>,
    /// Tools the model may call.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
    /// Most tokens of the answer; the upstream's own bound where absent.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Sampling temperature; the upstream's own where absent.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// The workspace that is worked in, for its budget and the record of the call.
    #[serde(default)]
    pub workspace: Option<WorkspaceId>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum ChatMessage {
    /// Instructions.
    System {
        /// The text.
        text: String,
    },
    /// What the person said.
    User {
        /// The text.
        text: String,
        /// Pictures, as `data:` URLs.
        #[serde(default)]
        images: Vec<String>,
    },
    /// What the model said.
    Assistant {
        /// The text.
        text: String,
        /// Tools it called.
        #[serde(default)]
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    Tool {
        /// [`ToolCall::id`].
        call_id: String,
        /// The answer.
        text: String,
    },
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ToolSpec {
    /// Name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its parameters, as JSON text.
    pub parameters: String,
}

/// A call of a tool by the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ToolCall {
    /// Identifier that the answer repeats.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments as JSON text, whole.
    pub arguments: String,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatDelta {
    /// More text.
    Text {
        /// The text.
        text: String,
    },
    /// More of what the model thinks, where it shows that.
    Reasoning {
        /// The text.
        text: String,
    },
    /// A tool call, once its arguments are complete.
    ToolCall(ToolCall),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct ChatEnd {
    /// Why it ended.
    pub reason: StopReason,
    /// Tokens used, where the upstream tells.
    pub usage: Option<Usage>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It was complete.
    Stop,
    /// The bound on tokens was reached.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// The upstream withheld the rest.
    ContentFilter,
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of those read, how many came from the upstream's cache.
    pub cached_tokens: u64,
}
