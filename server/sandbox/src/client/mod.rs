//! How the server uses sandboxes: [`Sandboxes`].
//!
//! The sandboxes and terminals themselves live in the supervisor ([`crate::supervisor`]), which is found or started
//! here and goes on when the server ends. When it is lost, everything that ran in it is lost too; the next use starts
//! another.

mod attachment;
mod child;
mod connection;
mod launch;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use coditect_protocol::terminal::{EndCause, TerminalExit, TerminalInfo};
use coditect_protocol::workspace::{HOME_MOUNT, WORKSPACE_MOUNT};
use coditect_protocol::{TerminalId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::attachment::Attachment;
pub use self::child::{Child, Pipes, Streams};
use self::connection::{Connection, Unreachable};
use crate::net::{API_NAME, HOST, NetworkEvent};
use crate::supervisor::run_file::RunFile;
use crate::terminal::{MAX_TITLE_CHARS, TerminalStart};
use crate::wire::ApiReach;
use crate::wire::{Configured, Reply, Request};
pub use crate::wire::{ListedSandbox, ListedTerminal, Scope};
use crate::{Inside, Place, Program, SandboxError, SandboxId, SandboxMode, SandboxSettings};

/// Events kept for a listener that is slow to take them.
const KEPT_EVENTS: usize = 1024;
/// Pauses between attempts to have a supervisor again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much longer than its terminals the supervisor may take to end.
const END_SLACK: Duration = Duration::from_secs(5);

/// What happens in sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SandboxEvent {
    /// A terminal's program has ended.
    Ended {
        /// Whose it was.
        sandbox: SandboxId,
        /// Which terminal.
        terminal: TerminalId,
        /// How it ended.
        exit: TerminalExit,
    },
    /// Something was ended because its sandbox took more than it may.
    LimitReached {
        /// Which sandbox.
        sandbox: SandboxId,
        /// Which limit.
        cause: EndCause,
    },
    /// The sandbox wrote much: its writers stand still until [`Sandboxes::disk_usage`] is called.
    DiskAsked {
        /// Which sandbox.
        sandbox: SandboxId,
    },
    /// A person starts something, and has programs in as many workspaces as they may: those that have nothing to do at the
    /// moment are to end.
    RoomWanted {
        /// Who.
        person: UserId,
    },
    /// Something was refused by a sandbox's network.
    Network {
        /// Which sandbox.
        sandbox: SandboxId,
        /// What happened.
        event: NetworkEvent,
    },
    /// The supervisor was lost with everything that ran in it.
    HostLost,
}

/// Whether terminals go on when the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepTerminals {
    /// They wait for the next server, as long as the settings say.
    Yes,
    /// They are ended, unless another server uses the same supervisor.
    No,
}

/// Runs people's programs. Cheap to clone.
#[derive(Clone)]
pub struct Sandboxes {
    inner: Arc<Inner>,
}

struct Inner {
    settings: SandboxSettings,
    api: Option<SocketAddr>,
    configured: RwLock<Configured>,
    /// The supervisor that has our settings.
    found: Mutex<Option<RunFile>>,
    /// One search at a time.
    searching: tokio::sync::Mutex<()>,
    events: broadcast::Sender<SandboxEvent>,
    leaving: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Sandboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandboxes").field("walls", &self.name()).finish_non_exhaustive()
    }
}

impl Sandboxes {
    /// Finds the running supervisor or starts one, and finds out by a trial run what works here.
    ///
    /// With [`SandboxMode::Auto`] a machine without working walls still gives a value, so that the server can serve
    /// files: [`Self::warnings`] tells it and every start is refused with `sandbox.unavailable`. Programs reach the
    /// server's own API, which listens at `api`, at `coditect.internal`.
    pub async fn start(mut settings: SandboxSettings, api: Option<SocketAddr>) -> Result<Self, SandboxError> {
        if settings.helper.is_none() {
            settings.helper = launch::helper_beside();
        }
        let may_fail = settings.mode == SandboxMode::Auto;
        let inner = Arc::new(Inner {
            settings,
            api,
            configured: RwLock::new(unavailable(&SandboxError::Ended)),
            found: Mutex::default(),
            searching: tokio::sync::Mutex::default(),
            events: broadcast::Sender::new(KEPT_EVENTS),
            leaving: Arc::default(),
            stop: CancellationToken::new(),
        });
        let watching = match inner.watch().await {
            Ok(watching) => Some(watching),
            Err(error) if may_fail => {
                *inner.configured.write().unwrap_or_else(PoisonError::into_inner) = unavailable(&error);
                None
            }
            Err(error) => return Err(error),
        };
        let stop = inner.stop.clone();
        let events = inner.events.clone();
        let weak = Arc::downgrade(&inner);
        tokio::spawn(stop.run_until_cancelled_owned(pass_on(weak, events, watching)));
        Ok(Self { inner })
    }

    fn configured<T>(&self, of: impl FnOnce(&Configured) -> T) -> T {
        of(&self.inner.configured.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is in use: `bubblewrap`, `landlock`, `none` or `unavailable`.
    #[must_use]
    pub fn name(&self) -> String {
        self.configured(|configured| configured.walls.clone())
    }

    /// Sentences for the operator about what is weaker than it should be.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.configured(|configured| {
            let reason = configured.unavailable.as_ref().map(ToString::to_string);
            let mut warnings = configured.warnings.clone();
            warnings.extend(reason.filter(|reason| !configured.warnings.contains(reason)));
            warnings
        })
    }

    /// Refused where nothing can be run.
    pub fn check_available(&self) -> Result<(), SandboxError> {
        self.configured(|configured| configured.unavailable.clone()).map_or(Ok(()), Err)
    }

    /// Where the programs of `place` see it.
    #[must_use]
    pub fn inside(&self, place: &Place) -> Inside {
        if self.configured(|configured| configured.mounted) {
            let workspace_folder = format!("{WORKSPACE_MOUNT}/{}", place.folder);
            return Inside { workspace_folder, home_folder: HOME_MOUNT.to_owned() };
        }
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        Inside { workspace_folder: text(&place.files), home_folder: text(&place.home) }
    }

    /// Where the program of a sandbox with [`crate::net::NetworkMode::OneHost`] reaches the host that has these
    /// addresses.
    #[must_use]
    pub fn host_addresses(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        if self.configured(|configured| configured.mounted) { vec![HOST.into()] } else { addresses.to_vec() }
    }

    /// The address under which programs reach the server's own API; `None` where they cannot.
    #[must_use]
    pub fn api_url(&self) -> Option<String> {
        let address = self.inner.api?;
        self.configured(|configured| match &configured.api {
            ApiReach::ByName => Some(format!("http://{API_NAME}")),
            ApiReach::Directly { ports } => {
                let is_open = ports.as_ref().is_none_or(|ports| ports.contains(&address.port()));
                is_open.then(|| format!("http://{address}"))
            }
            ApiReach::Nowhere => None,
        })
    }

    /// Starts a program in the sandbox of `place`. It ends with the [`Child`].
    pub async fn spawn(&self, place: &Place, program: Program, streams: Streams) -> Result<Child, SandboxError> {
        place.check()?;
        program.check()?;
        let request = Request::Spawn { place: place.clone(), program };
        let connection = self.inner.open(&request).await?;
        Child::start(connection, streams).await
    }

    /// Starts a program on a new terminal.
    pub async fn create_terminal(&self, place: &Place, start: TerminalStart) -> Result<TerminalInfo, SandboxError> {
        self.check_available()?;
        place.check()?;
        match self.ask(&Request::Create { place: place.clone(), start }).await? {
            Reply::Terminal(info) => Ok(*info),
            _ => Err(connection::unexpected()),
        }
    }

    /// All terminals of a scope, by number.
    pub async fn terminals(&self, scope: Scope) -> Result<Vec<ListedTerminal>, SandboxError> {
        let mut connection = self.inner.open(&Request::List(scope)).await?;
        let mut list = Vec::new();
        loop {
            match connection.reply().await? {
                Reply::Listed(listed) => list.push(*listed),
                Reply::Done => break,
                _ => return Err(connection::unexpected()),
            }
        }
        list.sort_unstable_by_key(|listed| (listed.sandbox, listed.info.number));
        Ok(list)
    }

    /// The sandboxes of a scope that run, also those in which no terminal is open: a program may have been left in
    /// them.
    pub async fn running(&self, scope: Scope) -> Result<Vec<ListedSandbox>, SandboxError> {
        match self.ask(&Request::ListSandboxes(scope)).await? {
            Reply::Sandboxes(mut list) => {
                list.sort_unstable();
                Ok(list)
            }
            _ => Err(connection::unexpected()),
        }
    }

    /// One terminal. Somebody else's and one that does not exist look the same, here and below.
    pub async fn terminal(&self, person: UserId, terminal: TerminalId) -> Result<TerminalInfo, SandboxError> {
        match self.ask(&Request::Look { person, terminal }).await? {
            Reply::Terminal(info) => Ok(*info),
            _ => Err(connection::unexpected()),
        }
    }

    /// Reads a terminal's output from an offset on, or from the oldest byte kept where that is later.
    pub async fn attach(&self, person: UserId, terminal: TerminalId, from: u64) -> Result<Attachment, SandboxError> {
        let mut connection = self.inner.open(&Request::Attach { person, terminal, from }).await?;
        match connection.reply().await? {
            Reply::Done => Ok(Attachment::new(connection, Arc::clone(&self.inner.leaving))),
            _ => Err(connection::unexpected()),
        }
    }

    /// Sends input. Waits while the program does not read what was sent before. What this returned for reaches the
    /// program also if the server ends now.
    pub async fn write(&self, person: UserId, terminal: TerminalId, data: &[u8]) -> Result<(), SandboxError> {
        let limit = self.inner.settings.terminals.input_bytes;
        if data.len() > limit {
            return Err(SandboxError::TerminalInputTooLarge { limit });
        }
        self.done(&Request::Write { person, terminal, data: data.to_vec() }).await
    }

    /// Changes a terminal's size; what does not fit is brought within what a terminal can have.
    pub async fn resize(&self, person: UserId, terminal: TerminalId, cols: u16, rows: u16) -> Result<(), SandboxError> {
        self.done(&Request::Resize { person, terminal, cols, rows }).await
    }

    /// Gives a terminal another title; that of the beginning again where it is empty.
    pub async fn rename(&self, person: UserId, terminal: TerminalId, title: &str) -> Result<(), SandboxError> {
        // The supervisor cuts it; a frame is not larger than it has to be.
        let title = title.chars().take(MAX_TITLE_CHARS).collect();
        self.done(&Request::Rename { person, terminal, title }).await
    }

    /// Hangs up, ends what does not end by itself, and forgets the terminal. Returns when that is done.
    pub async fn close(&self, person: UserId, terminal: TerminalId) -> Result<(), SandboxError> {
        self.done(&Request::Close { person, terminal }).await
    }

    /// Ends sandboxes with everything in them, those terminals included that are just being started. Who looks at one
    /// of the terminals is told the cause.
    pub async fn end(&self, scope: Scope, cause: Option<EndCause>) -> Result<(), SandboxError> {
        self.done(&Request::End { scope, cause }).await
    }

    /// The answer to [`SandboxEvent::DiskAsked`]: how many bytes the sandbox's directories take by now.
    pub async fn disk_usage(&self, sandbox: SandboxId, bytes: u64) -> Result<(), SandboxError> {
        self.done(&Request::DiskUsage { sandbox, bytes }).await
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<SandboxEvent> {
        self.inner.events.subscribe()
    }

    /// The server is about to stop: who looks at a terminal is not going away, but will come back to the next server.
    pub fn prepare_to_leave(&self) {
        self.inner.leaving.store(true, Ordering::Relaxed);
    }

    /// The server stops. Whether everything has ended with it.
    pub async fn shut_down(&self, terminals: KeepTerminals) -> bool {
        self.prepare_to_leave();
        let found = self.inner.found().clone();
        let mut is_over = false;
        if let Some(file) = found {
            let most = self.inner.settings.terminals.close_grace + END_SLACK;
            let told = async {
                let leave = Request::Leave { keep: terminals == KeepTerminals::Yes };
                let mut connection = Connection::open(&file, &leave).await.ok()?;
                // It may end before it answers.
                Some(!matches!(connection.reply().await, Ok(Reply::Done)))
            };
            match timeout(most, told).await {
                Ok(told) => is_over = told.unwrap_or(true),
                Err(_) => tracing::warn!("the sandboxes' supervisor takes long to end"),
            }
        }
        self.inner.stop.cancel();
        is_over
    }

    async fn ask(&self, request: &Request) -> Result<Reply, SandboxError> {
        self.inner.open(request).await?.reply().await
    }

    async fn done(&self, request: &Request) -> Result<(), SandboxError> {
        match self.ask(request).await? {
            Reply::Done => Ok(()),
            _ => Err(connection::unexpected()),
        }
    }
}

impl Inner {
    fn found(&self) -> MutexGuard<'_, Option<RunFile>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection on which the request was sent, to a supervisor that is started where there is none.
    async fn open(&self, request: &Request) -> Result<Connection, SandboxError> {
        let known = self.found().clone();
        if let Some(file) = &known
            && let Ok(connection) = Connection::open(file, request).await
        {
            return Ok(connection);
        }
        let file = self.search(known).await?;
        Connection::open(&file, request).await.map_err(Unreachable::into_error)
    }

    /// A supervisor that works and has our settings. `lost` is one that does not.
    async fn search(&self, lost: Option<RunFile>) -> Result<RunFile, SandboxError> {
        let _one_at_a_time = self.searching.lock().await;
        let known = self.found().clone();
        if let Some(file) = known
            && Some(&file) != lost.as_ref()
        {
            return Ok(file);
        }
        if self.stop.is_cancelled() {
            return Err(SandboxError::Supervisor("the server stops".to_owned()));
        }
        *self.found() = None;
        let (file, configured) = launch::find_or_start(&self.settings).await?;
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
        *self.found() = Some(file.clone());
        Ok(file)
    }

    /// The connection by which the supervisor knows that this server is there.
    async fn watch(&self) -> Result<Connection, SandboxError> {
        let mut connection = self.open(&Request::Watch { api: self.api }).await?;
        match connection.reply().await? {
            Reply::Done => Ok(connection),
            _ => Err(connection::unexpected()),
        }
    }
}

/// Tells what happens to whoever listens, and has a supervisor again when it was lost.
async fn pass_on(
    inner: std::sync::Weak<Inner>,
    events: broadcast::Sender<SandboxEvent>,
    mut watching: Option<Connection>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(mut connection) = watching.take() {
            while let Ok(Reply::Event(event)) = connection.reply().await {
                let _ = events.send(event);
            }
            tracing::error!("what runs people's programs was lost with all of them; it is started again");
            let _ = events.send(SandboxEvent::HostLost);
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        let Some(inner) = inner.upgrade() else { return };
        match inner.watch().await {
            Ok(connection) => watching = Some(connection),
            Err(error) => {
                tracing::debug!(%error, "the sandboxes' supervisor cannot be reached; it is tried again");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn unavailable(error: &SandboxError) -> Configured {
    let unavailable = match error {
        SandboxError::Unavailable { .. } => error.clone(),
        other => SandboxError::Unavailable { reason: other.to_string() },
    };
    Configured {
        walls: "unavailable".to_owned(),
        warnings: Vec::new(),
        unavailable: Some(unavailable),
        mounted: true,
        api: ApiReach::Nowhere,
    }
}
