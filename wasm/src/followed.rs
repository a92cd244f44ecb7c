//! What a page hears of the workspace by one call that lasts while anyone listens.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use crate::core::Core;
use crate::listeners::Listeners;

/// Who listens, and the call under way.
#[derive(Default)]
pub(crate) struct Followed {
    listeners: Rc<Listeners>,
    /// Dropping the sender ends the call under way.
    running: RefCell<Option<oneshot::Sender<()>>>,
}

impl Followed {
    /// Who listens; call [`Self::adjust`] after a change.
    pub(crate) fn listeners(&self) -> &Rc<Listeners> {
        &self.listeners
    }

    /// Whether a call was started and not stopped since.
    pub(crate) fn is_running(&self) -> bool {
        self.running.borrow().is_some()
    }

    /// Ends the call.
    pub(crate) fn stop(&self) {
        let stopped = self.running.borrow_mut().take();
        drop(stopped);
    }

    /// Starts or ends the call so that it fits the listeners, the link and the workspace. What is started goes on until the receiver that
    /// it is given hears that it is to stop.
    pub(crate) fn adjust<F>(&self, core: &Rc<Core>, follow: impl FnOnce(Rc<Core>, oneshot::Receiver<()>) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        if self.listeners.is_empty() || !core.link.is_open() || core.workspace_id().is_err() {
            return self.stop();
        }
        let mut running = self.running.borrow_mut();
        if running.as_ref().is_none_or(oneshot::Sender::is_canceled) {
            let (sender, stop) = oneshot::channel();
            *running = Some(sender);
            spawn_local(follow(Rc::clone(core), stop));
        }
    }
}
