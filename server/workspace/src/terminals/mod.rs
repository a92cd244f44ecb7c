//! Terminals: programs on pseudo-terminals whose output is kept, whoever looks.
//!
//! A terminal belongs to a person and a workspace and runs inside the [`Sandbox`]. One task drives each terminal: it
//! reads the output into a bounded store with absolute offsets, writes the input, and sees the program end. A page
//! attaches from any offset, as often as it likes, and gets the same bytes.
//!
//! Invariants:
//! * Memory is bounded: `scrollback_bytes` of output and [`QUEUED_INPUTS`] × `input_bytes` of input for each terminal.
//! * With somebody attached no output is lost until they lag by the whole scrollback for `stall_limit`; the program
//!   waits. With nobody attached the program never waits.
//! * Somebody else's terminal and one that does not exist look the same.
//! * A terminal that was closed has no process left.

mod driver;
mod output;
mod pty;
mod ring;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::terminal::{MAX_TERMINAL_CELLS, TerminalExit, TerminalInfo, TerminalSpec};
use coditect_protocol::{TerminalId, UserId, WorkspaceId};
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::driver::Driver;
use self::output::Output;
pub use self::output::{Attachment, Chunk, MAX_ATTACHMENTS, MAX_CHUNK_BYTES};
use crate::WorkspaceError;
use crate::sandbox::{NetworkPolicy, Sandbox, SandboxSpec, default_shell};

/// Default of [`TerminalSettings::per_workspace`].
pub const DEFAULT_TERMINALS_PER_WORKSPACE: usize = 32;
/// Default of [`TerminalSettings::per_person`].
pub const DEFAULT_TERMINALS_PER_PERSON: usize = 64;
/// Default of [`TerminalSettings::scrollback_bytes`].
pub const DEFAULT_SCROLLBACK_BYTES: usize = 1024 * 1024;
/// Smallest scrollback that a setting gives, in bytes.
pub const MIN_SCROLLBACK_BYTES: usize = 4096;
/// Default of [`TerminalSettings::input_bytes`].
pub const DEFAULT_INPUT_BYTES: usize = 256 * 1024;
/// Default of [`TerminalSettings::stall_limit`].
pub const DEFAULT_STALL_LIMIT: Duration = Duration::from_secs(10);
/// Default of [`TerminalSettings::close_grace`].
pub const DEFAULT_CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Inputs of a terminal that wait for its program; who writes more waits too.
pub const QUEUED_INPUTS: usize = 4;
/// Longest title, in characters; longer ones are cut.
pub const MAX_TITLE_CHARS: usize = 200;

const DEFAULT_COLS: u16 = 80;
const DEFAULT_ROWS: u16 = 24;

/// What the operator decides about terminals.
#[derive(Debug, Clone, Copy)]
pub struct TerminalSettings {
    /// Most terminals of one workspace, ended ones that are still listed included.
    pub per_workspace: usize,
    /// Most terminals of one person in all workspaces together, ended ones that are still listed included.
    pub per_person: usize,
    /// Output kept for each terminal, in bytes.
    pub scrollback_bytes: usize,
    /// Most bytes of one write.
    pub input_bytes: usize,
    /// How long a program waits for the slowest that is attached before that one is skipped ahead.
    pub stall_limit: Duration,
    /// How long a program that is closed has to end by itself.
    pub close_grace: Duration,
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self {
            per_workspace: DEFAULT_TERMINALS_PER_WORKSPACE,
            per_person: DEFAULT_TERMINALS_PER_PERSON,
            scrollback_bytes: DEFAULT_SCROLLBACK_BYTES,
            input_bytes: DEFAULT_INPUT_BYTES,
            stall_limit: DEFAULT_STALL_LIMIT,
            close_grace: DEFAULT_CLOSE_GRACE,
        }
    }
}

/// The directories that a terminal sees, as the registry gives them.
#[derive(Debug, Clone)]
pub struct TerminalPaths {
    /// Directory with the workspace's files.
    pub files: PathBuf,
    /// Directory that is the person's home.
    pub home: PathBuf,
    /// Name of the workspace's folder below `/workspace`.
    pub folder: String,
}

/// All terminals of the server. Cheap to clone.
#[derive(Clone)]
pub struct Terminals {
    inner: Arc<Inner>,
}

struct Inner {
    settings: TerminalSettings,
    sandbox: Sandbox,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<TerminalId, Arc<Terminal>>,
    workspaces: HashMap<WorkspaceId, Slots>,
    /// How many terminals each person is just starting; nobody with none.
    starting: HashMap<UserId, usize>,
    /// Gives every [`Slots`] an age, so that a start that began before its workspace was closed is known as such.
    last_age: u64,
    shut_down: bool,
}

/// What is counted for a workspace with terminals.
struct Slots {
    age: u64,
    last_number: u32,
    starting: usize,
}

struct Terminal {
    owner: UserId,
    workspace: WorkspaceId,
    /// Without what changes: size and exit are filled in when it is asked for.
    info: TerminalInfo,
    input: mpsc::Sender<Vec<u8>>,
    size: watch::Sender<(u16, u16)>,
    output: Arc<Output>,
    closing: CancellationToken,
}

impl Terminal {
    fn info(&self) -> TerminalInfo {
        let (cols, rows) = *self.size.borrow();
        TerminalInfo { cols, rows, exit: self.output.exit(), ..self.info.clone() }
    }

    async fn close(&self) {
        self.closing.cancel();
        self.output.ended().await;
    }
}

/// A place for a terminal that is being started; given back when dropped.
struct Reservation<'a> {
    inner: &'a Inner,
    owner: UserId,
    workspace: WorkspaceId,
    age: u64,
    number: u32,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut table = self.inner.table();
        if let Some(slots) = table.workspaces.get_mut(&self.workspace).filter(|slots| slots.age == self.age) {
            slots.starting -= 1;
        }
        if let Some(starting) = table.starting.get_mut(&self.owner) {
            *starting -= 1;
            if *starting == 0 {
                table.starting.remove(&self.owner);
            }
        }
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is one insertion or removal, so that it is whole even after a panic elsewhere.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, owner: UserId, id: TerminalId) -> Result<Arc<Terminal>, WorkspaceError> {
        let found = self.table().open.get(&id).filter(|terminal| terminal.owner == owner).map(Arc::clone);
        found.ok_or(WorkspaceError::TerminalNotFound)
    }

    fn reserve(&self, owner: UserId, workspace: WorkspaceId) -> Result<Reservation<'_>, WorkspaceError> {
        let TerminalSettings { per_workspace, per_person, .. } = self.settings;
        let mut table = self.table();
        if table.shut_down {
            return Err(WorkspaceError::TerminalNotFound);
        }
        let open = table.open.values().filter(|terminal| terminal.workspace == workspace).count();
        let starting = table.workspaces.get(&workspace).map_or(0, |slots| slots.starting);
        if open + starting >= per_workspace {
            return Err(WorkspaceError::TooManyTerminals { limit: per_workspace });
        }
        let open = table.open.values().filter(|terminal| terminal.owner == owner).count();
        let starting = table.starting.get(&owner).copied().unwrap_or(0);
        if open + starting >= per_person {
            return Err(WorkspaceError::TooManyTerminalsOfPerson { limit: per_person });
        }
        if !table.workspaces.contains_key(&workspace) {
            table.last_age += 1;
            let age = table.last_age;
            table.workspaces.insert(workspace, Slots { age, last_number: 0, starting: 0 });
        }
        let Some(slots) = table.workspaces.get_mut(&workspace) else { return Err(WorkspaceError::TerminalNotFound) };
        slots.last_number += 1;
        slots.starting += 1;
        let (age, number) = (slots.age, slots.last_number);
        *table.starting.entry(owner).or_default() += 1;
        Ok(Reservation { inner: self, owner, workspace, age, number })
    }

    /// Lists a terminal that was started, unless its workspace was closed meanwhile.
    fn admit(&self, reservation: &Reservation<'_>, terminal: &Arc<Terminal>) -> bool {
        let mut table = self.table();
        let current = table.workspaces.get(&reservation.workspace).is_some_and(|slots| slots.age == reservation.age);
        if current && !table.shut_down {
            table.open.insert(terminal.info.id, Arc::clone(terminal));
            return true;
        }
        false
    }
}

impl Terminals {
    /// No terminal yet.
    #[must_use]
    pub fn new(settings: TerminalSettings, sandbox: Sandbox) -> Self {
        let settings =
            TerminalSettings { scrollback_bytes: settings.scrollback_bytes.max(MIN_SCROLLBACK_BYTES), ..settings };
        Self { inner: Arc::new(Inner { settings, sandbox, table: Mutex::default() }) }
    }

    /// The sandbox that the terminals run in.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.inner.sandbox
    }

    /// Starts a program on a new terminal. Who calls has made sure that `workspace` and `paths` are the owner's.
    pub async fn create(
        &self,
        owner: UserId,
        workspace: WorkspaceId,
        paths: TerminalPaths,
        spec: TerminalSpec,
    ) -> Result<TerminalInfo, WorkspaceError> {
        self.inner.sandbox.check_available()?;
        let reservation = self.inner.reserve(owner, workspace)?;
        let (cols, rows) = (cells(spec.cols, DEFAULT_COLS), cells(spec.rows, DEFAULT_ROWS));
        let program = if spec.program.is_empty() { default_shell().to_owned() } else { spec.program };
        let (pty, pts) = pty::open(cols, rows).map_err(WorkspaceError::TerminalUnavailable)?;
        let sandbox_spec = SandboxSpec {
            files: paths.files,
            folder: paths.folder,
            home: paths.home,
            start_in: spec.folder,
            program: program.clone(),
            args: spec.args.clone(),
            env: spec.env,
            read_only_paths: Vec::new(),
            network: NetworkPolicy::Open,
        };
        let child = self.inner.sandbox.spawn_on_terminal(sandbox_spec, pts).await?;
        let info = TerminalInfo {
            id: TerminalId(uuid::Uuid::new_v4()),
            number: reservation.number,
            title: title(&spec.title, &program),
            program,
            args: spec.args,
            pid: child.id().unwrap_or(0),
            cols,
            rows,
            exit: None,
        };
        let terminal = self.launch(owner, workspace, info, pty, child);
        if !self.inner.admit(&reservation, &terminal) {
            terminal.close().await;
            return Err(WorkspaceError::WorkspaceNotFound);
        }
        Ok(terminal.info())
    }

    /// Hands the terminal to its task.
    fn launch(
        &self,
        owner: UserId,
        workspace: WorkspaceId,
        info: TerminalInfo,
        pty: pty::Pty,
        child: tokio::process::Child,
    ) -> Arc<Terminal> {
        let settings = &self.inner.settings;
        let (input, inputs) = mpsc::channel(QUEUED_INPUTS);
        let (size, sizes) = watch::channel((info.cols, info.rows));
        let output = Arc::new(Output::new(settings.scrollback_bytes));
        let closing = CancellationToken::new();
        let driver = Driver {
            session: info.pid,
            pty,
            child,
            inputs,
            sizes,
            output: Arc::clone(&output),
            closing: closing.clone(),
            stall_limit: settings.stall_limit,
            close_grace: settings.close_grace,
            walls: self.inner.sandbox.has_walls(),
        };
        tokio::spawn(driver.run());
        Arc::new(Terminal { owner, workspace, info, input, size, output, closing })
    }

    /// The person's terminals of a workspace, by number.
    #[must_use]
    pub fn list(&self, owner: UserId, workspace: WorkspaceId) -> Vec<TerminalInfo> {
        let table = self.inner.table();
        let own = table.open.values().filter(|terminal| terminal.owner == owner && terminal.workspace == workspace);
        let mut list: Vec<_> = own.map(|terminal| terminal.info()).collect();
        drop(table);
        list.sort_unstable_by_key(|info| info.number);
        list
    }

    /// One terminal.
    pub fn get(&self, owner: UserId, id: TerminalId) -> Result<TerminalInfo, WorkspaceError> {
        Ok(self.inner.find(owner, id)?.info())
    }

    /// Reads a terminal's output from an offset on, or from the oldest byte kept where that is later.
    pub fn attach(&self, owner: UserId, id: TerminalId, from: u64) -> Result<Attachment, WorkspaceError> {
        self.inner.find(owner, id)?.output.attach(from)
    }

    /// Sends input. Waits while the program does not read what was sent before.
    pub async fn write(&self, owner: UserId, id: TerminalId, data: &[u8]) -> Result<(), WorkspaceError> {
        let terminal = self.inner.find(owner, id)?;
        let limit = self.inner.settings.input_bytes;
        if data.len() > limit {
            return Err(WorkspaceError::TerminalInputTooLarge { limit });
        }
        if data.is_empty() {
            return Ok(());
        }
        terminal.input.send(data.to_vec()).await.map_err(|_| WorkspaceError::TerminalEnded)
    }

    /// Changes a terminal's size; what does not fit is brought within 1 to [`MAX_TERMINAL_CELLS`].
    pub fn resize(&self, owner: UserId, id: TerminalId, cols: u16, rows: u16) -> Result<(), WorkspaceError> {
        let terminal = self.inner.find(owner, id)?;
        terminal.size.send_replace((cells(cols, 1), cells(rows, 1)));
        Ok(())
    }

    /// Hangs up, ends what does not end by itself, and forgets the terminal. Returns when its processes are gone.
    pub async fn close(&self, owner: UserId, id: TerminalId) -> Result<(), WorkspaceError> {
        let terminal = self.inner.find(owner, id)?;
        self.inner.table().open.remove(&id);
        terminal.close().await;
        Ok(())
    }

    /// Closes all terminals of a workspace, those included that are just being started.
    pub async fn close_workspace(&self, workspace: WorkspaceId) {
        let closed: Vec<_> = {
            let mut table = self.inner.table();
            table.workspaces.remove(&workspace);
            table.open.extract_if(|_, terminal| terminal.workspace == workspace).map(|(_, terminal)| terminal).collect()
        };
        join_all(closed.iter().map(|terminal| terminal.close())).await;
    }

    /// Closes all terminals for good; none is started any more.
    pub async fn shutdown(&self) {
        let closed: Vec<_> = {
            let mut table = self.inner.table();
            table.shut_down = true;
            table.open.drain().map(|(_, terminal)| terminal).collect()
        };
        join_all(closed.iter().map(|terminal| terminal.close())).await;
    }
}

fn cells(asked: u16, default: u16) -> u16 {
    if asked == 0 { default } else { asked.min(MAX_TERMINAL_CELLS) }
}

fn title(asked: &str, program: &str) -> String {
    let name = if asked.trim().is_empty() { program.rsplit('/').next().unwrap_or(program) } else { asked.trim() };
    name.chars().filter(|c| !c.is_control()).take(MAX_TITLE_CHARS).collect()
}

/// What a program's end looks like on the wire.
fn exit_of(status: std::process::ExitStatus) -> TerminalExit {
    use std::os::unix::process::ExitStatusExt as _;
    TerminalExit { code: status.code(), signal: status.signal() }
}
