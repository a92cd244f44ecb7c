//! Errors of this crate, and the one type that carries any crate's error out of a route or a call.

use std::net::SocketAddr;
use std::path::PathBuf;

use coditect_protocol::{Coded, Kind, Problem};

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Somebody else listens there.
    #[error("{address} is in use by another program; stop it, or choose another address with --listen")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// It cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be made or written.
    #[error("the data directory {path} cannot be used: {source}")]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A setting has a value that cannot be used.
    #[error("the setting `{name}` cannot be used: {reason}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A feature refused to start.
    #[error("{0}")]
    Feature(Problem),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(std::io::Error),
}

impl ServerError {
    /// The stable code; a feature's own where it was one that refused.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::AddressInUse { .. } => "server.address_in_use",
            Self::Listen { .. } => "server.listen",
            Self::Data { .. } => "server.data",
            Self::Setting { .. } => "config.bad_value",
            Self::Feature(problem) => &problem.code,
            Self::Serve(_) => "server.serve",
        }
    }
}

/// At the start, an operator wants the detail that [`Coded::problem`] keeps from users.
pub(crate) fn at_start<E: Coded>(error: &E) -> ServerError {
    ServerError::Feature(Problem::new(error.kind(), error.code(), error.to_string()))
}

/// What any route or call fails with: the error of whichever crate refused.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

impl ApiError {
    /// A refusal of this crate's own.
    pub fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(kind, code, message)))
    }

    /// A fault of the server; what it was is in the log.
    #[must_use]
    pub fn internal() -> Self {
        let message = "The server could not do this; its log tells why under the request's id.";
        Self::new(Kind::Internal, "api.internal", message)
    }

    /// The problem.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        *self.0
    }
}

impl<E: Coded> From<E> for ApiError {
    fn from(error: E) -> Self {
        if error.kind() == Kind::Internal {
            tracing::error!(code = error.code(), %error, "internal error");
        }
        Self(Box::new(error.problem()))
    }
}
