//! An `AbortSignal` as something that a future can be raced against.

use std::future::Future;
use std::pin::pin;

use futures_channel::oneshot;
use futures_util::future::{Either, FutureExt, Shared, select};
use gloo_events::EventListener;
use web_sys::AbortSignal;

use crate::error::ShellError;

type Fired = Shared<oneshot::Receiver<()>>;

/// A caller's wish to give up.
pub(crate) struct Abort {
    signal: Option<(AbortSignal, Fired, EventListener)>,
}

impl Abort {
    /// Nobody can give up.
    pub(crate) fn never() -> Self {
        Self { signal: None }
    }

    /// Follows a signal.
    pub(crate) fn of(signal: Option<AbortSignal>) -> Self {
        let Some(signal) = signal else { return Self::never() };
        let (sender, fired) = oneshot::channel();
        let listener = EventListener::once(&signal, "abort", move |_| {
            let _ = sender.send(());
        });
        Self { signal: Some((signal, fired.shared(), listener)) }
    }

    /// Whether the signal has fired.
    pub(crate) fn is_aborted(&self) -> bool {
        self.signal.as_ref().is_some_and(|(signal, ..)| signal.aborted())
    }

    /// The future's output, or [`ShellError::Cancelled`] as soon as the signal fires.
    pub(crate) async fn guard<F: Future>(&self, future: F) -> Result<F::Output, ShellError> {
        if self.is_aborted() {
            return Err(ShellError::Cancelled);
        }
        let Some((_, fired, _)) = &self.signal else { return Ok(future.await) };
        match select(pin!(future), fired.clone()).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(_) => Err(ShellError::Cancelled),
        }
    }
}
