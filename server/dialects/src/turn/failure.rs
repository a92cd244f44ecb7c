//! What goes wrong, in no dialect.

use std::time::Duration;

/// Why there is no answer, or no whole one, as every dialect can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// A sentence for a person. It holds no secret.
    pub message: String,
    /// A stable code of ours (`llm.…`, `auth.…`), or the upstream's own.
    pub code: Option<String>,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
}

/// Kinds of failure that the dialects tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The request is at fault.
    BadRequest,
    /// The conversation is longer than the model can read.
    ContextTooLong,
    /// Nobody knows who asks.
    Unauthenticated,
    /// There is no money left for it.
    OutOfMoney,
    /// Who asks may not.
    Forbidden,
    /// There is no such model, or no such thing.
    NotFound,
    /// The request is too large.
    TooLarge,
    /// Too many requests, or too many tokens.
    RateLimited,
    /// The upstream failed, or its answer cannot be read.
    Upstream,
    /// The upstream, or this server, is busy or away for a moment.
    Overloaded,
    /// The upstream took too long.
    Timeout,
}

impl Failure {
    /// With a code, and nothing else that is special.
    pub fn new(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: Some(code.into()), param: None, retry_after: None }
    }

    /// The request is at fault, in this field.
    pub fn refused(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(FailureKind::BadRequest, "llm.bad_request", message) }
    }
}
