//! Terminals.

mod input;
mod sizes;

use coditect_protocol::TerminalId;
use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::terminal::{TerminalExit, TerminalInfo, TerminalProfile, TerminalSpec};

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;

pub(crate) use input::TerminalWriters;
pub(crate) use sizes::TerminalSizes;

impl Core {
    /// Programs that terminals can be started with.
    pub(crate) async fn list_terminal_profiles(&self) -> Result<Vec<TerminalProfile>, ShellError> {
        let workspace = self.workspace_id()?;
        let reply = self.link.call(Request::ListTerminalProfiles { workspace }).await?;
        expect_reply!(reply, Reply::Profiles(profiles) => profiles)
    }

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

    /// Follows a terminal's output until its program ends. The next part comes when `on_output` is through with the one before.
    pub(crate) async fn attach_terminal(
        &self,
        id: &str,
        from: u64,
        abort: &Abort,
        mut on_output: impl AsyncFnMut(Vec<u8>, u64),
    ) -> Result<TerminalExit, ShellError> {
        let call = self.link.start(Request::AttachTerminal { terminal: terminal_id(id)?, from })?;
        let reply = call
            .finish_slowly(abort, async |step| {
                match step {
                    Step::Item(Item::Output { offset, data }) => on_output(data, offset).await,
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    // The registry asked for what comes next.
                    Step::Restarted => {}
                }
                Ok(())
            })
            .await?;
        expect_reply!(reply, Reply::TerminalEnded(exit) => exit)
    }

    /// Hands what the person typed to the program, in the order of the calls. Fails when not all of it got there.
    pub(crate) async fn write_terminal(&self, id: &str, data: &[u8]) -> Result<(), ShellError> {
        self.writers.write(terminal_id(id)?, data).await
    }

    /// Tells the terminal its size.
    pub(crate) async fn resize_terminal(&self, id: &str, cols: u16, rows: u16) -> Result<(), ShellError> {
        self.sizes.resize(terminal_id(id)?, (cols, rows)).await
    }

    /// Gives a terminal another title.
    pub(crate) async fn rename_terminal(&self, id: &str, title: String) -> Result<(), ShellError> {
        let terminal = terminal_id(id)?;
        let reply = self.link.call(Request::RenameTerminal { terminal, title }).await?;
        expect_reply!(reply, Reply::Done => ())
    }

    /// Ends a terminal's processes and forgets it.
    pub(crate) async fn close_terminal(&self, id: &str) -> Result<(), ShellError> {
        let terminal = terminal_id(id)?;
        let reply = self.link.call(Request::CloseTerminal { terminal }).await?;
        expect_reply!(reply, Reply::Done => ())
    }
}

/// What belongs to the terminals that something is under way for: few, so that a list serves.
struct PerTerminal<T>(Vec<(TerminalId, T)>);

impl<T> Default for PerTerminal<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerTerminal<T> {
    fn get(&mut self, terminal: TerminalId) -> Option<&mut T> {
        self.0.iter_mut().find(|(id, _)| *id == terminal).map(|(_, value)| value)
    }

    /// Changes a terminal's value; `true` where there was none before.
    fn change<R>(&mut self, terminal: TerminalId, change: impl FnOnce(&mut T) -> R) -> (bool, R) {
        if let Some(value) = self.get(terminal) {
            return (false, change(value));
        }
        let mut value = T::default();
        let changed = change(&mut value);
        self.0.push((terminal, value));
        (true, changed)
    }

    fn forget(&mut self, terminal: TerminalId) {
        self.0.retain(|(id, _)| *id != terminal);
    }
}

fn terminal_id(text: &str) -> Result<TerminalId, ShellError> {
    text.parse().map_err(|_| ShellError::Arguments(format!("{text:?} is not the id of a terminal")))
}
