//! What can go wrong with what is kept.

use coditect_protocol::{Coded, Kind};
use coditect_store::StoreError;

/// Why conversations cannot be kept, shown or deleted. It holds nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for HistoryError {
    fn code(&self) -> &'static str {
        let Self::Store(error) = self;
        error.code()
    }

    fn kind(&self) -> Kind {
        let Self::Store(error) = self;
        error.kind()
    }

    fn is_inside(&self) -> bool {
        let Self::Store(error) = self;
        error.is_inside()
    }
}
