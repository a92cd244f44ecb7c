//! The books of the gateway: kept beside its calls, and closed after the last one and before the store.

use std::time::Duration;

use coditect_llm::Gateway;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long closing the books may take; what is not written then counts as spent.
const CLOSING: Duration = Duration::from_secs(15);

/// See the module.
pub(crate) struct Accounts {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Accounts {
    /// Keeps the books of this gateway from now on.
    pub(crate) fn keep(gateway: &Gateway) -> Self {
        let accounts = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        accounts.tasks.spawn(gateway.clone().keep_books(accounts.stop.clone()));
        accounts
    }

    /// Closes them. Nobody may ask the gateway any more.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(CLOSING, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "the calls of language models could not all be written down in {CLOSING:?}; what was set aside counts as spent"
            );
        }
    }
}
