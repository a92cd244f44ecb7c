//! What can go wrong with a language model.

use coditect_protocol::{Coded, Kind};

/// Why a model gave no answer, or no whole one.
///
/// Every text that comes from an upstream is scrubbed before it gets in here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No upstream has this model.
    #[error("There is no model “{model}”: choose another from the list of models, or connect its upstream.")]
    UnknownModel {
        /// The model asked for.
        model: String,
    },
    /// The request cannot be put to any model.
    #[error("The request cannot be sent to a model: {reason}.")]
    BadRequest {
        /// What is wrong with it.
        reason: String,
    },
    /// The upstream does not answer.
    #[error(
        "Upstream “{upstream}” at {address} cannot be reached ({reason}): check that it runs and that its base_url is right."
    )]
    Unreachable {
        /// Name of the upstream.
        upstream: String,
        /// Its address, without credentials.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The upstream does not accept the key.
    #[error("Upstream “{upstream}” refused the key (HTTP {status}): check its api_key and what that key may use.")]
    RefusedKey {
        /// Name of the upstream.
        upstream: String,
        /// HTTP status.
        status: u16,
    },
    /// The conversation is longer than the model can read.
    #[error(
        "The conversation is too long for the model at “{upstream}”: shorten it, start a new one, or choose a model with \
         a longer context. It says: {message}"
    )]
    ContextOverflow {
        /// Name of the upstream.
        upstream: String,
        /// What it says.
        message: String,
    },
    /// The upstream wants to be asked later.
    #[error("Upstream “{upstream}” has reached its limit: {}", wait(*retry_after_seconds))]
    RateLimited {
        /// Name of the upstream.
        upstream: String,
        /// How long to wait, where it tells.
        retry_after_seconds: Option<u64>,
    },
    /// The upstream reports a failure.
    #[error("Upstream “{upstream}” reports a failure{}: {message}", with_status(*status))]
    UpstreamError {
        /// Name of the upstream.
        upstream: String,
        /// HTTP status, unless it failed in the middle of an answer.
        status: Option<u16>,
        /// What it says.
        message: String,
    },
    /// The answer cannot be understood, or broke off.
    #[error("The answer of upstream “{upstream}” could not be read: {reason}.")]
    BadStream {
        /// Name of the upstream.
        upstream: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model called a tool in a way that cannot be run.
    #[error(
        "The model at “{upstream}” called the tool “{tool}” wrongly ({reason}): ask again, or choose another model."
    )]
    BadToolCall {
        /// Name of the upstream.
        upstream: String,
        /// The tool.
        tool: String,
        /// What is wrong with the call.
        reason: String,
    },
    /// Nothing came in time.
    #[error(
        "Upstream “{upstream}” began no answer within {seconds} s: it may still be loading the model; try again, or \
         lengthen its first_token_timeout."
    )]
    TimeoutFirstToken {
        /// Name of the upstream.
        upstream: String,
        /// The bound.
        seconds: u64,
    },
    /// The answer stopped coming.
    #[error(
        "Upstream “{upstream}” fell silent for {seconds} s in its answer: try again, or lengthen its idle_timeout."
    )]
    TimeoutIdle {
        /// Name of the upstream.
        upstream: String,
        /// The bound.
        seconds: u64,
    },
    /// Whoever asked does not want the answer any more.
    #[error("Cancelled.")]
    Cancelled,
    /// The settings make no sense.
    #[error("The settings of the language models are wrong: {reason}.")]
    BadConfiguration {
        /// What is wrong with them.
        reason: String,
    },
}

fn wait(seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("try again in {seconds} s, or choose another model."),
        None => "try again later, or choose another model.".to_owned(),
    }
}

fn with_status(status: Option<u16>) -> String {
    status.map(|status| format!(" (HTTP {status})")).unwrap_or_default()
}

impl LlmError {
    pub(crate) fn configuration(reason: impl Into<String>) -> Self {
        Self::BadConfiguration { reason: reason.into() }
    }

    pub(crate) fn request(reason: impl Into<String>) -> Self {
        Self::BadRequest { reason: reason.into() }
    }
}

impl Coded for LlmError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "llm.unknown_model",
            Self::BadRequest { .. } => "llm.bad_request",
            Self::Unreachable { .. } => "llm.unreachable",
            Self::RefusedKey { .. } => "llm.refused_key",
            Self::ContextOverflow { .. } => "llm.context_overflow",
            Self::RateLimited { .. } => "llm.rate_limited",
            Self::UpstreamError { .. } => "llm.upstream_error",
            Self::BadStream { .. } => "llm.bad_stream",
            Self::BadToolCall { .. } => "llm.bad_tool_call",
            Self::TimeoutFirstToken { .. } => "llm.timeout_first_token",
            Self::TimeoutIdle { .. } => "llm.timeout_idle",
            Self::Cancelled => "llm.cancelled",
            Self::BadConfiguration { .. } => "llm.bad_configuration",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::UnknownModel { .. } => Kind::NotFound,
            Self::BadRequest { .. } | Self::BadConfiguration { .. } => Kind::Invalid,
            // A key the upstream refuses is the operator's matter: 401 would make the page log the person out.
            Self::Unreachable { .. }
            | Self::RefusedKey { .. }
            | Self::UpstreamError { .. }
            | Self::BadStream { .. }
            | Self::BadToolCall { .. } => Kind::Upstream,
            Self::ContextOverflow { .. } => Kind::TooLarge,
            Self::RateLimited { .. } => Kind::TooManyRequests,
            Self::TimeoutFirstToken { .. } | Self::TimeoutIdle { .. } => Kind::Timeout,
            Self::Cancelled => Kind::Cancelled,
        }
    }
}
