//! Terminals.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use coditect_protocol::TerminalId;
use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::terminal::{TerminalExit, TerminalInfo, TerminalSpec};
use futures_channel::oneshot;
use wasm_bindgen_futures::spawn_local;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::{Link, Step};

/// Most input that waits for one terminal, in bytes.
const MAX_WAITING_INPUT_BYTES: usize = 4 * 1024 * 1024;

impl Core {
    /// Terminals of the workspace.
    pub(crate) async fn list_terminals(&self) -> Result<Vec<TerminalInfo>, ShellError> {
        let workspace = self.workspace_id()?;
        let reply = self.link.call(Request::ListTerminals { workspace }).await?;
        expect_reply!(reply, Reply::Terminals(terminals) => terminals)
    }

    /// Starts a terminal.
    pub(crate) async fn create_terminal(&self, spec: TerminalSpec) -> Result<TerminalInfo, ShellError> {
        let workspace = self.workspace_id()?;
        let reply = self.link.call(Request::CreateTerminal { workspace, spec }).await?;
        expect_reply!(reply, Reply::Terminal(terminal) => terminal)
    }

    /// Follows a terminal's output until its program ends.
    pub(crate) async fn attach_terminal(
        &self,
        id: &str,
        from: u64,
        abort: &Abort,
        mut on_output: impl FnMut(&[u8], u64),
    ) -> Result<TerminalExit, ShellError> {
        let call = self.link.start(Request::AttachTerminal { terminal: terminal_id(id)?, from })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Output { offset, data }) => on_output(&data, offset),
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    // The registry asked for what comes next.
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::TerminalEnded(exit) => exit)
    }

    /// Hands what the person typed to the program, in the order of the calls.
    pub(crate) async fn write_terminal(&self, id: &str, data: &[u8]) -> Result<(), ShellError> {
        self.writers.write(terminal_id(id)?, data).await
    }

    /// Tells the terminal its size.
    pub(crate) async fn resize_terminal(&self, id: &str, cols: u16, rows: u16) -> Result<(), ShellError> {
        let terminal = terminal_id(id)?;
        let reply = self.link.call(Request::ResizeTerminal { terminal, cols, rows }).await?;
        expect_reply!(reply, Reply::Done => ())
    }

    /// Ends a terminal's processes and forgets it.
    pub(crate) async fn close_terminal(&self, id: &str) -> Result<(), ShellError> {
        let terminal = terminal_id(id)?;
        let reply = self.link.call(Request::CloseTerminal { terminal }).await?;
        expect_reply!(reply, Reply::Done => ())
    }
}

fn terminal_id(text: &str) -> Result<TerminalId, ShellError> {
    text.parse().map_err(|_| ShellError::Arguments(format!("{text:?} is not the id of a terminal")))
}

/// Input that waits until the one before it has arrived.
#[derive(Default)]
struct Waiting {
    data: Vec<u8>,
    callers: Vec<oneshot::Sender<Result<(), ShellError>>>,
}

/// Keeps the order of input: one write for each terminal is under way, what comes meanwhile goes together in the next.
pub(crate) struct TerminalWriters {
    link: Rc<Link>,
    /// Terminals with a write under way.
    waiting: RefCell<BTreeMap<TerminalId, Waiting>>,
}

impl TerminalWriters {
    /// Over this link.
    pub(crate) fn new(link: Rc<Link>) -> Self {
        Self { link, waiting: RefCell::default() }
    }

    async fn write(self: &Rc<Self>, terminal: TerminalId, data: &[u8]) -> Result<(), ShellError> {
        let ahead = self.waiting.borrow().get(&terminal).map(|waiting| waiting.data.len());
        if ahead.is_some_and(|ahead| ahead + data.len() > MAX_WAITING_INPUT_BYTES) {
            return Err(ShellError::TerminalFull);
        }
        let (sender, written) = oneshot::channel();
        self.push(terminal, data, sender);
        if ahead.is_none() {
            spawn_local(Rc::clone(self).drain(terminal));
        }
        written.await.unwrap_or(Err(ShellError::Interrupted))
    }

    fn push(&self, terminal: TerminalId, data: &[u8], caller: oneshot::Sender<Result<(), ShellError>>) {
        let mut waiting = self.waiting.borrow_mut();
        let waiting = waiting.entry(terminal).or_default();
        waiting.data.extend_from_slice(data);
        waiting.callers.push(caller);
    }

    async fn drain(self: Rc<Self>, terminal: TerminalId) {
        while let Some(Waiting { data, callers }) = self.take(terminal) {
            let outcome = self.link.call(Request::WriteTerminal { terminal, data }).await;
            let outcome = outcome.and_then(|reply| expect_reply!(reply, Reply::Done => ()));
            for caller in callers {
                let _ = caller.send(outcome.clone());
            }
        }
    }

    /// What waits; forgets the terminal when nothing does.
    fn take(&self, terminal: TerminalId) -> Option<Waiting> {
        let mut all = self.waiting.borrow_mut();
        let waiting = all.get_mut(&terminal)?;
        if waiting.callers.is_empty() {
            all.remove(&terminal);
            return None;
        }
        Some(std::mem::take(waiting))
    }
}
