//! Everything that the supervisor holds, and what can be asked of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coditect_protocol::terminal::{EndCause, TerminalExit, TerminalInfo};
use coditect_protocol::{TerminalId, UserId};
use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::presence::{Presence, Servers};
use super::sandboxes::{LOOK_EVERY, Lease, Sandboxes};
use super::starts::Starts;
use super::table::Table;
use crate::agent::client::{Agent, Running, Stdio};
use crate::client::SandboxEvent;
use crate::net;
use crate::terminal::{self, Driver, Process, Terminal, TerminalStart, UNKNOWN_EXIT};
use crate::walls::Walls;
use crate::warden::machine::memory_share;
use crate::warden::{Warden, WardenEvent};
use crate::wire::{Configured, ListedSandbox, ListedTerminal, Scope};
use crate::{Place, Program, SandboxError, SandboxId, SandboxSettings, TerminalSettings};

/// Events kept for a server that is slow to take them.
const KEPT_EVENTS: usize = 1024;
/// Events of the warden on their way.
const WARDEN_EVENTS: usize = 256;
/// Events of a sandbox's network on their way.
const NETWORK_EVENTS: usize = 64;
/// How much longer than the grace of its programs a terminal may take to close before its sandbox is ended all the
/// same.
const CLOSE_SLACK: Duration = Duration::from_secs(1);
/// How much longer than that the end of everything may take; what there is left then ends with the supervisor itself.
const END_SLACK: Duration = Duration::from_secs(20);
/// The news that a limit was reached may come so long after the end that it caused.
const LIMIT_NEWS: Duration = Duration::from_millis(100);

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Host {
    inner: Arc<Inner>,
    /// Everything is ended.
    pub(super) ended: CancellationToken,
}

struct Inner {
    config: Mutex<Option<Arc<Config>>>,
    /// One server's settings are tried at a time.
    configuring: tokio::sync::Mutex<()>,
    sandboxes: Sandboxes,
    table: Table,
    starts: Starts,
    events: broadcast::Sender<SandboxEvent>,
    servers: Arc<Servers>,
    told_to_end: CancellationToken,
}

/// The operator's settings and what they led to. Sandboxes keep the one they were started with.
pub(super) struct Config {
    pub(super) settings: SandboxSettings,
    pub(super) walls: Walls,
    pub(super) warden: Warden,
    events: broadcast::Sender<SandboxEvent>,
    api: watch::Receiver<Option<SocketAddr>>,
}

impl Host {
    pub(super) fn new() -> Self {
        let inner = Arc::new(Inner {
            config: Mutex::default(),
            configuring: tokio::sync::Mutex::default(),
            sandboxes: Sandboxes::default(),
            table: Table::default(),
            starts: Starts::default(),
            events: broadcast::Sender::new(KEPT_EVENTS),
            servers: Arc::default(),
            told_to_end: CancellationToken::new(),
        });
        let sandboxes = inner.sandboxes.clone();
        let ended = CancellationToken::new();
        let until = ended.clone();
        tokio::spawn(until.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                sandboxes.look();
            }
        }));
        Self { inner, ended }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Config>>> {
        self.inner.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> Result<Arc<Config>, SandboxError> {
        self.slot().clone().ok_or_else(|| SandboxError::Supervisor("it has no settings yet".to_owned()))
    }

    pub(super) fn terminal_settings(&self) -> TerminalSettings {
        self.slot().as_ref().map(|config| config.settings.terminals.clone()).unwrap_or_default()
    }

    /// How long terminals go on without a server; `None` before the first one came.
    pub(super) fn keep(&self) -> Option<Duration> {
        self.slot().as_ref().map(|config| config.settings.keep)
    }

    /// Nothing is held that somebody would miss.
    pub(super) fn is_idle(&self) -> bool {
        self.inner.table.is_empty() && self.inner.sandboxes.are_idle()
    }

    pub(super) fn servers(&self) -> watch::Receiver<usize> {
        self.inner.servers.count()
    }

    /// A server whose API listens there is present until the answer is dropped.
    pub(super) fn arrive(&self, api: Option<SocketAddr>) -> (Presence, broadcast::Receiver<SandboxEvent>) {
        let events = self.inner.events.subscribe();
        (self.inner.servers.arrive(api), events)
    }

    pub(super) fn end(&self) {
        self.inner.told_to_end.cancel();
    }

    pub(super) async fn told_to_end(&self) {
        self.inner.told_to_end.cancelled().await;
    }

    /// The server stops that asks. Whether the supervisor ends with it.
    pub(super) fn leave(&self, keep: bool) -> bool {
        let is_last = *self.servers().borrow() <= 1;
        let ends = is_last && (!keep || self.is_idle());
        if ends {
            self.end();
        }
        ends
    }

    /// Ends all there is; nothing starts any more.
    pub(super) async fn end_everything(&self) {
        let most = self.terminal_settings().close_grace + CLOSE_SLACK + END_SLACK;
        if timeout(most, self.end_scope(Scope::Everything, Some(EndCause::HostLost))).await.is_err() {
            tracing::error!("not everything has ended in time; the rest is left to the kernel");
        }
    }

    pub(super) async fn configure(&self, settings: SandboxSettings) -> Result<Configured, SandboxError> {
        let _one_at_a_time = self.inner.configuring.lock().await;
        let current = self.slot().clone();
        if let Some(config) = current.as_ref().filter(|config| config.settings == settings) {
            return Ok(config.configured());
        }
        let walls = Walls::detect(&settings).await?;
        let warden = match current {
            Some(config) => config.warden.clone(),
            None => self.start_warden()?,
        };
        warden.limit_together(memory_share(settings.memory_percent));
        let config = Arc::new(Config {
            settings,
            walls,
            warden,
            events: self.inner.events.clone(),
            api: self.inner.servers.api(),
        });
        tracing::info!(walls = config.walls.name(), warnings = ?config.walls.warnings(), "settings taken over");
        let configured = config.configured();
        *self.slot() = Some(Arc::clone(&config));
        self.end_other_networks(&config.settings).await;
        Ok(configured)
    }

    /// One for all settings: what runs under old ones counts among what all take together.
    fn start_warden(&self) -> Result<Warden, SandboxError> {
        let (events, news) = mpsc::channel(WARDEN_EVENTS);
        let warden = Warden::start(events)
            .map_err(|error| SandboxError::Failed(format!("nobody keeps the limits ({error})")))?;
        tokio::spawn(self.clone().pass_on(news));
        Ok(warden)
    }

    /// Other limits wait for what runs under the old ones; what the operator forbids to reach does not.
    async fn end_other_networks(&self, settings: &SandboxSettings) {
        let outdated = self.inner.sandboxes.with_other_network(settings).await;
        join_all(outdated.into_iter().map(|id| {
            tracing::warn!(sandbox = %id, "a sandbox is ended: what it may reach has changed");
            self.end_scope(Scope::Sandbox(id), Some(EndCause::AccessEnded))
        }))
        .await;
    }

    /// Tells what a warden has to say, until there is no such warden any more.
    async fn pass_on(self, mut news: mpsc::Receiver<WardenEvent>) {
        while let Some(event) = news.recv().await {
            let event = match event {
                WardenEvent::LimitReached { sandbox, cause } => {
                    tracing::warn!(%sandbox, ?cause, "a sandbox took more than it may; something in it was ended");
                    self.inner.sandboxes.note(sandbox, cause);
                    SandboxEvent::LimitReached { sandbox, cause }
                }
                WardenEvent::EndAsked { sandbox, cause } => {
                    tracing::warn!(%sandbox, ?cause, "a sandbox took more than it may, and is ended");
                    let sandboxes = self.inner.sandboxes.clone();
                    tokio::spawn(async move { sandboxes.end(Scope::Sandbox(sandbox), Some(cause)).await });
                    continue;
                }
                WardenEvent::DiskAsked { sandbox } => SandboxEvent::DiskAsked { sandbox },
            };
            self.tell(event);
        }
    }

    fn tell(&self, event: SandboxEvent) {
        // There may be no server at the moment.
        let _ = self.inner.events.send(event);
    }

    pub(super) async fn create(&self, place: Place, start: TerminalStart) -> Result<TerminalInfo, SandboxError> {
        let config = self.config()?;
        config.walls.check_available()?;
        let program = Program {
            program: start.program.clone(),
            args: start.args.clone(),
            env: start.env.clone(),
            start_in: start.start_in.clone(),
        };
        place.check()?;
        program.check()?;
        let _starting = self.inner.starts.begin(place.id.person)?;
        let reservation = self.inner.table.reserve(place.id, &config.settings.terminals)?;
        let lease = self.inner.sandboxes.lease(&config, &place).await?;
        let (cols, rows) = start.size();
        let (pty, program_end) =
            terminal::open(cols, rows).map_err(|error| SandboxError::TerminalUnavailable(error.to_string()))?;
        let running = lease.agent.spawn(&program, Stdio::Terminal(program_end)).await?;
        let inside = config.walls.inside(&place);
        let info = TerminalInfo {
            id: start.id.unwrap_or_else(|| TerminalId(uuid::Uuid::new_v4())),
            number: reservation.number,
            title: start.shown_title(),
            renamed: false,
            program: start.program,
            args: start.args,
            profile: start.profile,
            pid: running.pid,
            started_at: now_millis(),
            workspace_folder: inside.workspace_folder,
            home_folder: inside.home_folder,
            cols,
            rows,
            exit: None,
        };
        let settings = &config.settings.terminals;
        let (terminal, ends) = Terminal::new(info, settings.scrollback_bytes);
        let terminal = Arc::new(terminal);
        let (stall_limit, close_grace) = (settings.stall_limit, settings.close_grace);
        let process = Inhabitant { running, lease };
        self.drive(place.id, terminal.id(), Driver { pty, process, ends, stall_limit, close_grace });
        if !self.inner.table.admit(&reservation, place.read_only, &terminal) {
            terminal.close(None).await;
            return Err(SandboxError::PlaceClosed);
        }
        Ok(terminal.info())
    }

    /// Drives a terminal to its end, and tells of that.
    fn drive(&self, sandbox: SandboxId, terminal: TerminalId, driver: Driver<Inhabitant>) {
        let host = self.clone();
        tokio::spawn(async move {
            let exit = driver.run().await;
            host.tell(SandboxEvent::Ended { sandbox, terminal, exit });
        });
    }

    pub(super) fn find(&self, person: UserId, terminal: TerminalId) -> Result<Arc<Terminal>, SandboxError> {
        self.inner.table.find(person, terminal)
    }

    pub(super) fn list(&self, scope: Scope) -> Vec<ListedTerminal> {
        self.inner.table.list(scope)
    }

    pub(super) async fn running(&self, scope: Scope) -> Vec<ListedSandbox> {
        self.inner.sandboxes.running(scope).await
    }

    /// Ends a terminal and forgets it.
    pub(super) async fn close(&self, person: UserId, terminal: TerminalId) -> Result<(), SandboxError> {
        self.inner.table.take(person, terminal)?.close(None).await;
        Ok(())
    }

    /// Ends sandboxes: first their terminals, whose programs may save their work, then all the rest, whatever becomes
    /// of the terminals.
    pub(super) async fn end_scope(&self, scope: Scope, cause: Option<EndCause>) {
        let closed = self.inner.table.take_all(scope);
        let closing = join_all(closed.iter().map(|terminal| terminal.close(cause)));
        let grace = self.terminal_settings().close_grace;
        if timeout(grace + CLOSE_SLACK, closing).await.is_err() {
            tracing::warn!(?scope, "terminals do not close in time; their sandboxes are ended all the same");
        }
        self.inner.sandboxes.end(scope, cause).await;
    }

    pub(super) async fn spawn(
        &self,
        place: &Place,
        program: &Program,
        streams: [std::os::fd::OwnedFd; 3],
    ) -> Result<Inhabitant, SandboxError> {
        let config = self.config()?;
        config.walls.check_available()?;
        place.check()?;
        program.check()?;
        let _starting = self.inner.starts.begin(place.id.person)?;
        let lease = self.inner.sandboxes.lease(&config, place).await?;
        let running = lease.agent.spawn(program, Stdio::Fds(streams)).await?;
        Ok(Inhabitant { running, lease })
    }

    /// The program has ended, or was not started, for which alone the sandbox was there.
    pub(super) async fn end_single_use(&self, place: &Place) {
        if place.single_use.is_some() {
            self.inner.sandboxes.end(Scope::Sandbox(place.id), None).await;
        }
    }

    pub(super) async fn disk_usage(&self, sandbox: SandboxId, bytes: u64) {
        self.inner.sandboxes.disk_usage(sandbox, bytes).await;
    }
}

impl Config {
    fn configured(&self) -> Configured {
        Configured {
            walls: self.walls.name().to_owned(),
            warnings: self.walls.warnings(),
            unavailable: self.walls.check_available().err(),
            api: self.walls.api_reach(),
            mounted: self.walls.are_namespaces(),
        }
    }

    /// The person's programs that have nothing to do are to end: another one is to start.
    pub(super) fn want_room(&self, person: UserId) {
        // There may be no server at the moment.
        let _ = self.events.send(SandboxEvent::RoomWanted { person });
    }

    /// Gives a sandbox its way out, where it has one. Refused where it is of no use without.
    pub(super) fn connect(&self, agent: &Agent, place: &Place, cancel: &CancellationToken) -> Result<(), SandboxError> {
        let sandbox = place.id;
        let Some(tun) = agent.take_tun() else {
            let is_cut_off = self.walls.are_namespaces() && place.needs_network();
            return if is_cut_off { Err(SandboxError::NoNetwork) } else { Ok(()) };
        };
        let (sender, mut news) = mpsc::channel(NETWORK_EVENTS);
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = news.recv().await {
                tracing::info!(%sandbox, ?event, "network");
                let _ = events.send(SandboxEvent::Network { sandbox, event });
            }
        });
        let policy = place.network(&self.settings).clone();
        let serving = net::outside::serve(tun, policy, self.api.clone(), sender, cancel.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(%sandbox, %error, "the network of a sandbox failed");
            }
        });
        Ok(())
    }
}

/// A program that runs in a sandbox, and keeps it.
pub(super) struct Inhabitant {
    running: Running,
    lease: Lease,
}

impl Inhabitant {
    pub(super) fn pid(&self) -> u32 {
        self.running.pid
    }
}

impl Process for Inhabitant {
    async fn wait(&mut self) -> TerminalExit {
        let Some(exit) = self.running.exit().await else {
            let cause = self.lease.end_cause().or(Some(EndCause::HostLost));
            return TerminalExit { cause, ..UNKNOWN_EXIT };
        };
        let mut cause = None;
        if exit.signal == Some(Signal::KILL.as_raw()) {
            tokio::time::sleep(LIMIT_NEWS).await;
            cause = self.lease.end_cause();
        }
        TerminalExit { code: exit.code, signal: exit.signal, cause }
    }

    async fn signal(&self, signal: Signal) {
        let sent = self.lease.agent.signal(&self.running, signal).await;
        if let Err(error) = sent {
            tracing::debug!(%error, ?signal, "a signal was not sent");
        }
    }
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
