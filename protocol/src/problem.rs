//! The one shape in which anything that went wrong reaches a person or a program.

use serde::{Deserialize, Serialize};

/// What went wrong, with a stable code.
///
/// `code` never changes its meaning (`files.not_found`, `auth.bad_credentials` …); `message` is one sentence for a person,
/// which says what to do where something can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Class of the problem, from which the HTTP status follows.
    pub kind: Kind,
    /// Stable dotted code.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
    /// What it is about, where a program goes on with that: the site that wants a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Identifier of the request in the server's log, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Class of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "js", derive(tsify::Tsify))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The input is malformed or not allowed (400).
    Invalid,
    /// Nobody is logged in, or the credentials are wrong (401).
    Unauthenticated,
    /// Logged in, but not allowed (403).
    Forbidden,
    /// There is no such thing, or it is not this person's (404).
    NotFound,
    /// It clashes with what is there (409).
    Conflict,
    /// It changed since it was read (412).
    PreconditionFailed,
    /// Larger than a limit (413).
    TooLarge,
    /// The range asked for lies outside (416).
    RangeNotSatisfiable,
    /// Too often (429).
    TooManyRequests,
    /// Cancelled by who asked (499).
    Cancelled,
    /// A fault of the server (500).
    Internal,
    /// Something that the server depends on failed (502).
    Upstream,
    /// Not possible at the moment; try again (503).
    Unavailable,
    /// Took too long (504).
    Timeout,
    /// The disk or a quota is full (507).
    OutOfSpace,
}

impl Kind {
    /// The HTTP status that stands for the class.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::RangeNotSatisfiable => 416,
            Self::TooManyRequests => 429,
            Self::Cancelled => 499,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::OutOfSpace => 507,
        }
    }
}

/// An error that knows its code and class. Each crate's error enum implements it.
pub trait Coded: std::error::Error {
    /// Stable dotted code, `area.what`.
    fn code(&self) -> &'static str;
    /// Class of the problem.
    fn kind(&self) -> Kind;

    /// What it is about, where a program goes on with that.
    fn subject(&self) -> Option<&str> {
        None
    }

    /// Whether its words are for the operator only: they tell of the inside. A fault of the server always does.
    fn is_inside(&self) -> bool {
        self.kind() == Kind::Internal
    }

    /// The problem as it crosses the wire. Of what is inside it shows no detail; that is in the server's log.
    fn problem(&self) -> Problem {
        let message = match (self.is_inside(), self.kind()) {
            (false, _) => self.to_string(),
            (true, Kind::Unavailable) => {
                "The server cannot do this at the moment; try again. Its log tells why under the request's id."
                    .to_owned()
            }
            (true, _) => "The server could not do this; its log tells why under the request's id.".to_owned(),
        };
        let subject = self.subject().filter(|_| !self.is_inside()).map(str::to_owned);
        Problem { subject, ..Problem::new(self.kind(), self.code(), message) }
    }
}

impl Problem {
    /// A problem from its parts.
    pub fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), subject: None, request_id: None }
    }

    /// The caller cancelled the call.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "call.cancelled", "Cancelled.")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Problem {}
