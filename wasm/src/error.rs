//! What can go wrong in the page, and how JavaScript sees it.

use coditect_protocol::link::LinkError;
use coditect_protocol::path::PathError;
use coditect_protocol::{Coded, Kind, Problem};

/// Codes of a wrong answer to a question about who somebody is.
const WRONG_PROOFS: [&str; 3] = ["auth.bad_credentials", "auth.second_factor_wrong", "auth.second_factor_ticket"];

/// Why something that the page asked for failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ShellError {
    /// The server said no.
    #[error("{}", .0.message)]
    Problem(Problem),
    /// No answer came at all.
    #[error("The server cannot be reached; check the network, then try again.")]
    Unreachable,
    /// The answer took longer than a limit.
    #[error("The server did not answer within {seconds} seconds; try again.")]
    TimedOut {
        /// The limit.
        seconds: u32,
    },
    /// A call was made before `connect`, or after `disconnect`.
    #[error("The page is not connected to a workspace; open one from the dashboard.")]
    NotConnected,
    /// The link was lost with the call under way, and nobody knows whether it was carried out.
    #[error("The connection was lost while this was under way; look whether it happened before you try again.")]
    Interrupted,
    /// Too much waits to be sent.
    #[error("Too many requests wait for the connection; try again once it is back.")]
    Busy,
    /// A frame could not be written or read.
    #[error("The page and the server did not understand each other ({0}); reload the page.")]
    Protocol(&'static str),
    /// A workspace is needed, and none is open.
    #[error("No workspace is open; open one from the dashboard.")]
    NoWorkspace,
    /// Nothing is there.
    #[error("There is no file or folder {path:?}.")]
    NotFound {
        /// The path as it was given.
        path: String,
    },
    /// The path is not below the workspace or the home.
    #[error("{path:?} is outside; files live below the workspace's folder and the home.")]
    Outside {
        /// The path as it was given.
        path: String,
    },
    /// A path that no file system would take.
    #[error("The path is not usable: {0}.")]
    Path(PathError),
    /// Larger than one call carries.
    #[error(
        "The file is larger than {limit_bytes} bytes, the most that the editor opens or saves at once; download it instead."
    )]
    FileTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// A request that is larger than the server takes.
    #[error("This is larger than {limit_bytes} bytes, the most that one request may carry; make it smaller.")]
    CallTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// What JavaScript handed over has the wrong shape.
    #[error("The arguments are not usable: {0}.")]
    Arguments(String),
    /// An answer of a kind that the request does not have.
    #[error("The server answered something else than what was asked; reload the page.")]
    UnexpectedReply,
    /// The caller's `AbortSignal` fired.
    #[error("Cancelled.")]
    Cancelled,
    /// What nobody asked a plugin for took longer than the page waits.
    #[error("The plugin {plugin} did not answer within {seconds} seconds, so that it was not waited for.")]
    PluginSlow {
        /// Its name.
        plugin: String,
        /// How long it was waited for.
        seconds: u32,
    },
    /// An answer of a plugin that cannot be used.
    #[error("The plugin {plugin} answered with {what}; tell its author.")]
    PluginMalformed {
        /// Its name.
        plugin: String,
        /// What it answered with.
        what: &'static str,
    },
    /// The terminal's program does not read what is typed.
    #[error("The terminal does not take more input at the moment; wait until its program reads.")]
    TerminalFull,
}

impl Coded for ShellError {
    fn code(&self) -> &'static str {
        match self {
            // Only a placeholder for the trait: `problem` hands the server's own code on.
            Self::Problem(_) => "server.problem",
            Self::Unreachable => "network.unreachable",
            Self::TimedOut { .. } => "network.timeout",
            Self::NotConnected => "link.not_connected",
            Self::Interrupted => "link.interrupted",
            Self::Busy => "link.busy",
            Self::Protocol(_) => "link.protocol",
            Self::NoWorkspace => "workspaces.none_open",
            Self::NotFound { .. } => "files.not_found",
            Self::Outside { .. } => "path.outside",
            Self::Path(error) => error.code(),
            Self::FileTooLarge { .. } => "files.too_large",
            Self::CallTooLarge { .. } => "call.too_large",
            Self::Arguments(_) => "input.invalid",
            Self::UnexpectedReply => "link.unexpected_reply",
            Self::Cancelled => "call.cancelled",
            Self::PluginSlow { .. } => "plugins.slow",
            Self::PluginMalformed { .. } => "plugins.malformed",
            Self::TerminalFull => "terminal.input_full",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Problem(problem) => problem.kind,
            Self::Unreachable | Self::NotConnected | Self::Interrupted | Self::Busy | Self::TerminalFull => {
                Kind::Unavailable
            }
            Self::TimedOut { .. } | Self::PluginSlow { .. } => Kind::Timeout,
            Self::Protocol(_) | Self::UnexpectedReply | Self::PluginMalformed { .. } => Kind::Internal,
            Self::NoWorkspace | Self::Path(_) | Self::Outside { .. } | Self::Arguments(_) => Kind::Invalid,
            Self::NotFound { .. } => Kind::NotFound,
            Self::FileTooLarge { .. } | Self::CallTooLarge { .. } => Kind::TooLarge,
            Self::Cancelled => Kind::Cancelled,
        }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Problem(problem) => problem.clone(),
            other => Problem::new(other.kind(), other.code(), other.to_string()),
        }
    }
}

impl ShellError {
    /// Whether the same thing may succeed when the server can be reached again.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut { .. } => true,
            Self::Problem(problem) => matches!(problem.kind, Kind::Unavailable | Kind::Upstream | Kind::Timeout),
            _ => false,
        }
    }

    /// Whether nobody is logged in (any more). A wrong code is something else, which no renewed token would change.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Problem(problem) => {
                problem.kind == Kind::Unauthenticated && !WRONG_PROOFS.contains(&problem.code.as_str())
            }
            _ => false,
        }
    }
}

impl From<Problem> for ShellError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<PathError> for ShellError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl From<LinkError> for ShellError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::TooLarge { limit } => Self::CallTooLarge { limit_bytes: limit },
            other => Self::Protocol(other.code()),
        }
    }
}

impl From<serde_wasm_bindgen::Error> for ShellError {
    fn from(error: serde_wasm_bindgen::Error) -> Self {
        Self::Arguments(error.to_string())
    }
}

impl From<tsify::Error> for ShellError {
    fn from(error: tsify::Error) -> Self {
        Self::Arguments(error.to_string())
    }
}

/// An `Error` named `CoditectError` with `code`, `kind`, `message` and, where there is one, `subject` and `requestId`.
impl From<ShellError> for wasm_bindgen::JsValue {
    fn from(error: ShellError) -> Self {
        let problem = error.problem();
        let thrown = js_sys::Error::new(&problem.message);
        thrown.set_name("CoditectError");
        let set = |name: &str, value: &Self| {
            // Setting a property of an object just made cannot fail.
            let _ = js_sys::Reflect::set(&thrown, &name.into(), value);
        };
        set("code", &problem.code.into());
        if let Ok(kind) = serde_wasm_bindgen::to_value(&problem.kind) {
            set("kind", &kind);
        }
        if let Some(subject) = problem.subject {
            set("subject", &subject.into());
        }
        if let Some(id) = problem.request_id {
            set("requestId", &id.into());
        }
        thrown.into()
    }
}

/// Takes the one reply a request has; any other is the server's fault.
macro_rules! expect_reply {
    ($reply:expr, $pattern:pat => $value:expr) => {
        match $reply {
            $pattern => Ok($value),
            _ => Err($crate::error::ShellError::UnexpectedReply),
        }
    };
}
pub(crate) use expect_reply;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_code_is_no_login_that_ended() {
        let refused = |code| ShellError::Problem(Problem::new(Kind::Unauthenticated, code, "no"));
        assert!(refused("auth.session_ended").is_unauthenticated());
        assert!(!refused("auth.second_factor_wrong").is_unauthenticated());
        assert!(!ShellError::Unreachable.is_unauthenticated());
    }
}
