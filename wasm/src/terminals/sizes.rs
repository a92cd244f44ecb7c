//! Sizes of terminals: the latest one wins, whatever happens to the link meanwhile.

use std::cell::RefCell;
use std::rc::Rc;

use coditect_protocol::TerminalId;
use coditect_protocol::call::{Reply, Request};
use futures_channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use super::PerTerminal;
use crate::error::{ShellError, expect_reply};
use crate::link::Link;

type Told = oneshot::Sender<Result<(), ShellError>>;

/// Columns and rows.
type Size = (u16, u16);

/// The size of one terminal that waits until the one before it has arrived. Pure.
#[derive(Debug, Default)]
struct Waiting {
    latest: Option<Size>,
    callers: Vec<Told>,
}

impl Waiting {
    fn push(&mut self, size: Size, caller: Told) {
        self.latest = Some(size);
        self.callers.push(caller);
    }

    /// The size to tell next, and who waits for it.
    fn take(&mut self) -> Option<(Size, Vec<Told>)> {
        Some((self.latest.take()?, std::mem::take(&mut self.callers)))
    }
}

/// Tells each terminal one size at a time: two that are under way together may overtake each other on the server.
pub(crate) struct TerminalSizes {
    link: Rc<Link>,
    /// Terminals that are being told a size.
    waiting: RefCell<PerTerminal<Waiting>>,
}

impl TerminalSizes {
    /// Over this link.
    pub(crate) fn new(link: Rc<Link>) -> Self {
        Self { link, waiting: RefCell::default() }
    }

    /// Answers when the terminal has this size or a later one.
    pub(super) async fn resize(self: &Rc<Self>, terminal: TerminalId, size: Size) -> Result<(), ShellError> {
        let (sender, told) = oneshot::channel();
        let (is_idle, ()) = self.waiting.borrow_mut().change(terminal, |waiting| waiting.push(size, sender));
        if is_idle {
            spawn_local(Rc::clone(self).drain(terminal));
        }
        told.await.unwrap_or(Err(ShellError::Interrupted))
    }

    async fn drain(self: Rc<Self>, terminal: TerminalId) {
        while let Some(((cols, rows), callers)) = self.take(terminal) {
            let outcome = self.link.call(Request::ResizeTerminal { terminal, cols, rows }).await;
            let outcome = outcome.and_then(|reply| expect_reply!(reply, Reply::Done => ()));
            for caller in callers {
                // Whoever does not wait any more does not mind.
                let _ = caller.send(outcome.clone());
            }
        }
    }

    /// What is next; forgets the terminal when nothing is.
    fn take(&self, terminal: TerminalId) -> Option<(Size, Vec<Told>)> {
        let mut all = self.waiting.borrow_mut();
        let next = all.get(terminal)?.take();
        if next.is_none() {
            all.forget(terminal);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_size_follows_and_all_hear_of_it() {
        let mut waiting = Waiting::default();
        waiting.push((80, 24), oneshot::channel().0);
        let (first, callers) = waiting.take().unwrap();
        assert_eq!((first, callers.len()), ((80, 24), 1));
        for size in [(81, 24), (90, 30), (100, 40)] {
            waiting.push(size, oneshot::channel().0);
        }
        let (latest, callers) = waiting.take().unwrap();
        assert_eq!((latest, callers.len()), ((100, 40), 3));
        assert!(waiting.take().is_none());
    }
}
