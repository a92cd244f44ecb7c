//! Being told when a key changes.

use crate::error::StoreError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Resolves when the value of its key is no longer what it was when the watch was made.
///
/// A value that changes and changes back may go unseen. After an error the caller reads the key and watches again. Dropping
/// it takes the watch away.
#[must_use = "a watch that is dropped watches nothing"]
pub struct Watch(Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>);

impl Watch {
    /// A watch over what a backend answers.
    pub(crate) fn new(changed: impl Future<Output = Result<(), StoreError>> + Send + 'static) -> Self {
        Self(Box::pin(changed))
    }
}

impl Future for Watch {
    type Output = Result<(), StoreError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}
