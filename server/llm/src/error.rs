//! What goes wrong with language models.

use coditect_dialects::{Failure, FailureKind};
use coditect_protocol::{Coded, Kind};

use crate::history::HistoryError;
use crate::keys::KeyError;

/// What goes wrong with language models.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The settings make no sense.
    #[error("The settings of the language models are wrong: {reason}.")]
    BadConfiguration {
        /// What is wrong with them.
        reason: String,
    },
    /// There is nobody at the upstream's address.
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
    /// What an upstream says cannot be understood, or broke off.
    #[error("The answer of upstream “{upstream}” could not be read: {reason}.")]
    BadStream {
        /// Name of the upstream.
        upstream: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A question was refused, or its answer failed.
    #[error("{}", _0.message)]
    Failed(Failure),
    /// Whoever asked does not want the answer any more.
    #[error("Cancelled.")]
    Cancelled,
    /// About keys of model servers.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// About what is kept of conversations.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// All codes of failures, so that none is invented while it runs.
const CODES: [&str; 25] = [
    "llm.bad_request",
    "llm.bad_stream",
    "llm.bad_tool_call",
    "llm.budget_exhausted",
    "llm.cancelled",
    "llm.context_overflow",
    "llm.no_key",
    "llm.no_price",
    "llm.not_allowed",
    "llm.policy_unknown",
    "llm.rate_limited",
    "llm.refused_key",
    "llm.resting",
    "llm.timeout_first_token",
    "llm.timeout_idle",
    "llm.timeout_whole",
    "llm.too_large",
    "llm.unknown_model",
    "llm.unreachable",
    "llm.unsupported",
    "llm.upstream_error",
    "llm.upstream_out_of_money",
    "llm.usage_behind",
    "store.unavailable",
    "store.busy",
];

/// The stable code of a failure.
pub(crate) fn code_of(failure: &Failure) -> &'static str {
    let code = failure.code.as_deref();
    CODES.into_iter().find(|known| Some(*known) == code).unwrap_or("llm.upstream_error")
}

impl LlmError {
    pub(crate) fn configuration(reason: impl Into<String>) -> Self {
        Self::BadConfiguration { reason: reason.into() }
    }
}

impl From<Failure> for LlmError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        let kind = match &error {
            LlmError::Failed(failure) => return failure.clone(),
            LlmError::BadConfiguration { .. } => FailureKind::BadRequest,
            _ => FailureKind::Upstream,
        };
        Self::new(kind, error.code(), error.to_string())
    }
}

impl Coded for LlmError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadConfiguration { .. } => "llm.bad_configuration",
            Self::Unreachable { .. } => "llm.unreachable",
            Self::BadStream { .. } => "llm.bad_stream",
            Self::Failed(failure) => code_of(failure),
            Self::Cancelled => "llm.cancelled",
            Self::Key(error) => error.code(),
            Self::History(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::BadConfiguration { .. } => Kind::Invalid,
            Self::Unreachable { .. } | Self::BadStream { .. } => Kind::Upstream,
            Self::Failed(failure) => kind_of(failure),
            Self::Cancelled => Kind::Cancelled,
            Self::Key(error) => error.kind(),
            Self::History(error) => error.kind(),
        }
    }
}

fn kind_of(failure: &Failure) -> Kind {
    match failure.kind {
        FailureKind::BadRequest => Kind::Invalid,
        FailureKind::ContextTooLong | FailureKind::TooLarge => Kind::TooLarge,
        // A key the upstream refuses is the operator's matter: 401 would make the page log the person out.
        FailureKind::Unauthenticated | FailureKind::Upstream => Kind::Upstream,
        FailureKind::OutOfMoney | FailureKind::Forbidden => Kind::Forbidden,
        FailureKind::NotFound => Kind::NotFound,
        FailureKind::RateLimited => Kind::TooManyRequests,
        FailureKind::Overloaded => Kind::Unavailable,
        FailureKind::Timeout => Kind::Timeout,
    }
}
