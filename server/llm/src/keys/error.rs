//! What can go wrong with keys of model servers.

use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

/// Why a key is not kept, or not found. None of these holds anything of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no key that could be kept.
    #[error("This key cannot be kept: {0}.")]
    Invalid(&'static str),
    /// There is no such model server.
    #[error("There is no model server of this name that a key can be added for: choose one from the list.")]
    UnknownUpstream,
    /// There are as many as there may be.
    #[error("No more than {limit} keys are kept here: remove one first.")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// There is no such key, or it is somebody else's.
    #[error("There is no such key: it may have been removed meanwhile.")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "llm.key_invalid",
            Self::UnknownUpstream => "llm.unknown_upstream",
            Self::TooMany { .. } => "llm.too_many_keys",
            Self::NotFound => "llm.key_not_found",
            Self::Store(error) => error.code(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) | Self::UnknownUpstream => Kind::Invalid,
            Self::TooMany { .. } => Kind::Conflict,
            Self::NotFound => Kind::NotFound,
            Self::Store(error) => error.kind(),
        }
    }

    fn is_inside(&self) -> bool {
        match self {
            Self::Store(error) => error.is_inside(),
            _ => false,
        }
    }
}
