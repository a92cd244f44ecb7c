//! What keeps a sandbox's programs in.
//!
//! * [`bubblewrap`]: namespaces, and a root built from nothing.
//! * [`landlock`]: for machines without user namespaces.
//! * none, where the operator chose that in so many words.
//!
//! Behind both kinds a filter of system calls ([`seccomp`]) is in force.

mod bubblewrap;
mod files;
pub(crate) mod landlock;
mod launcher;
mod processors;
pub(crate) mod seccomp;
mod shown;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::id::{UserId, WorkspaceId};
use coditect_protocol::workspace::HOME_MOUNT;
use tokio::process::{Child, Command};
use uuid::Uuid;

use self::bubblewrap::Bubblewrap;
use self::files::Helper;
use self::launcher::Launcher;
use crate::agent::wire::{LimitsSetup, Setup, WallsSetup};
use crate::agent::{self, Agent, Exit, packet};
use crate::net::NetworkMode;
use crate::wire::ApiReach;
use crate::{Inside, Place, Program, SandboxError, SandboxId, SandboxMode, SandboxSettings, environment};

/// Longest trial run of one kind of walls.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// Name of the program that becomes the agent, beside the server's own.
const HELPER: &str = "coditect-sandbox";

/// Walls that were tried and work here, or the reason why none do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Walls {
    kind: Kind,
    /// What the trial run told.
    notes: Arc<[String]>,
    /// Whether the trial run had a network of its own.
    own_network: bool,
    base: Arc<Base>,
}

/// What all kinds need.
#[derive(Debug)]
struct Base {
    settings: SandboxSettings,
    launcher: Launcher,
    helper: Helper,
}

#[derive(Debug, Clone)]
enum Kind {
    Bubblewrap(Bubblewrap),
    Landlock,
    None,
    Unavailable { reason: String },
}

/// What is to be done when a sandbox has ended; blocks.
pub(crate) type After = Box<dyn FnOnce() + Send>;

/// An agent that waits for its setup.
pub(crate) struct AgentProcess {
    pub(crate) child: Child,
    /// The supervisor's end; does not block.
    pub(crate) socket: OwnedFd,
    pub(crate) setup: Setup,
    /// Variables that all programs have.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) after: Option<After>,
}

/// What a kind of walls adds to a start.
struct Prepared {
    walls: WallsSetup,
    env: Vec<(String, String)>,
    after: Option<After>,
}

impl Walls {
    /// Finds out by a trial run what works here.
    ///
    /// With [`SandboxMode::Auto`] a machine without working walls still gives a value, so that the server can serve
    /// files: every start is refused with `sandbox.unavailable`.
    pub async fn detect(settings: &SandboxSettings) -> Result<Self, SandboxError> {
        let settings = settings.clone();
        let base = tokio::task::spawn_blocking(|| Base::new(settings)).await;
        let base = Arc::new(base.map_err(|error| SandboxError::Failed(error.to_string()))??);
        let unavailable = |reason| SandboxError::Unavailable { reason };
        match base.settings.mode {
            SandboxMode::None => Self::trial(&base, Kind::None).await.map_err(unavailable),
            SandboxMode::Bubblewrap => Self::bubblewrap(&base).await.map_err(unavailable),
            SandboxMode::Landlock => {
                landlock::check(&base.settings)?;
                Self::trial(&base, Kind::Landlock).await.map_err(unavailable)
            }
            SandboxMode::Auto => Ok(Self::best(&base).await),
        }
    }

    /// The best walls that work, or why none do.
    async fn best(base: &Arc<Base>) -> Self {
        let first = match Self::bubblewrap(base).await {
            Ok(walls) => return walls,
            Err(reason) => reason,
        };
        let second = match landlock::check(&base.settings) {
            Ok(()) => match Self::trial(base, Kind::Landlock).await {
                Ok(walls) => return Self { notes: walls.notes.iter().cloned().chain([first]).collect(), ..walls },
                Err(reason) => reason,
            },
            Err(error) => error.to_string(),
        };
        Self::untried(base, Kind::Unavailable { reason: format!("{first}; {second}") })
    }

    async fn bubblewrap(base: &Arc<Base>) -> Result<Self, String> {
        let mut reason = String::new();
        for candidate in Bubblewrap::candidates()? {
            match Self::trial(base, Kind::Bubblewrap(candidate)).await {
                Ok(walls) => return Ok(walls),
                Err(error) => reason = format!("bubblewrap's trial run failed ({error})"),
            }
        }
        Err(reason)
    }

    /// A whole sandbox, with a program in it that ends well.
    async fn trial(base: &Arc<Base>, kind: Kind) -> Result<Self, String> {
        let mut walls = Self::untried(base, kind);
        let folder = base.settings.run_dir.join(format!("trial-{}", Uuid::new_v4()));
        tokio::fs::create_dir_all(&folder).await.map_err(|error| format!("{} ({error})", folder.display()))?;
        let place = Place {
            id: SandboxId { person: UserId(Uuid::nil()), workspace: WorkspaceId(Uuid::nil()) },
            files: folder.clone(),
            folder: "trial".to_owned(),
            home: folder.clone(),
            read_only: false,
            quota_bytes: None,
            single_use: None,
        };
        let tried = tokio::time::timeout(TRIAL_TIMEOUT, walls.try_on(&place)).await;
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await {
            tracing::warn!(%error, folder = %folder.display(), "the folder of a trial run cannot be removed");
        }
        let (notes, own_network) = tried.map_err(|_| "it took too long")?.map_err(|error| error.to_string())?;
        (walls.notes, walls.own_network) = (notes.into(), own_network);
        Ok(walls)
    }

    /// What it is weaker in than it could be, and whether it had a network of its own.
    async fn try_on(&self, place: &Place) -> Result<(Vec<String>, bool), SandboxError> {
        let agent = Agent::start(self, place).await?;
        let null = || {
            let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
            file.map(OwnedFd::from).map_err(|error| SandboxError::Failed(error.to_string()))
        };
        let program = Program { program: "true".to_owned(), ..Program::default() };
        let mut running = agent.spawn(&program, agent::Stdio::Fds([null()?, null()?, null()?])).await?;
        let exit = running.exit().await;
        let told = (agent.notes().to_vec(), agent.take_tun().is_some());
        agent.close().await;
        match exit {
            Some(Exit { code: Some(0), .. }) => Ok(told),
            other => Err(SandboxError::Failed(format!("a program ended as it should not: {other:?}"))),
        }
    }

    fn untried(base: &Arc<Base>, kind: Kind) -> Self {
        Self { kind, notes: Arc::default(), own_network: false, base: Arc::clone(base) }
    }

    /// What is in use: `bubblewrap`, `landlock`, `none` or `unavailable`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Bubblewrap(_) => "bubblewrap",
            Kind::Landlock => "landlock",
            Kind::None => "none",
            Kind::Unavailable { .. } => "unavailable",
        }
    }

    /// Sentences for the operator about what is weaker than it should be.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = match &self.kind {
            Kind::Bubblewrap(bubblewrap) => bubblewrap.warning().into_iter().collect(),
            Kind::Landlock => landlock::warnings(&self.base.settings),
            Kind::None => vec![
                "Programs run without a sandbox (sandbox = \"none\"): everybody who can log in can read and change what the \
                 server can."
                    .to_owned(),
            ],
            Kind::Unavailable { reason } => vec![SandboxError::Unavailable { reason: reason.clone() }.to_string()],
        };
        if matches!(self.kind, Kind::Bubblewrap(_) | Kind::Landlock) && rustix::process::geteuid().is_root() {
            warnings.push(
                "The server runs as root: of what programs see of the machine, /usr above all, they can read every file, also \
                 one that is for root alone. Run it as a user of its own."
                    .to_owned(),
            );
        }
        warnings.extend(self.notes.iter().map(|note| format!("The sandbox is weaker than it could be: {note}.")));
        warnings
    }

    /// Refused with `sandbox.unavailable` where nothing can be run.
    pub fn check_available(&self) -> Result<(), SandboxError> {
        match &self.kind {
            Kind::Unavailable { reason } => Err(SandboxError::Unavailable { reason: reason.clone() }),
            Kind::Bubblewrap(_) | Kind::Landlock | Kind::None => Ok(()),
        }
    }

    /// Where the programs of `place` see it.
    #[must_use]
    pub fn inside(&self, place: &Place) -> Inside {
        match self.kind {
            Kind::Bubblewrap(_) => {
                Inside { workspace_folder: bubblewrap::workspace_folder(place), home_folder: HOME_MOUNT.to_owned() }
            }
            Kind::Landlock | Kind::None | Kind::Unavailable { .. } => Inside {
                workspace_folder: place.files.to_string_lossy().into_owned(),
                home_folder: place.home.to_string_lossy().into_owned(),
            },
        }
    }

    /// Whether programs see a root and a network of their own.
    pub(crate) fn are_namespaces(&self) -> bool {
        matches!(self.kind, Kind::Bubblewrap(_))
    }

    /// How programs reach the server's own API.
    pub(crate) fn api_reach(&self) -> ApiReach {
        let settings = &self.base.settings;
        match self.kind {
            Kind::Bubblewrap(_) if self.own_network => ApiReach::ByName,
            Kind::Landlock if settings.network.mode != NetworkMode::None => {
                ApiReach::Directly { ports: Some(settings.connect_ports.clone()) }
            }
            Kind::None => ApiReach::Directly { ports: None },
            Kind::Bubblewrap(_) | Kind::Landlock | Kind::Unavailable { .. } => ApiReach::Nowhere,
        }
    }

    /// Starts what becomes the agent of `place`, which is bound by the setup that it waits for.
    pub(crate) async fn start_agent(&self, place: &Place) -> Result<AgentProcess, SandboxError> {
        self.check_available()?;
        place.check()?;
        let failed = |error: std::io::Error| SandboxError::Failed(error.to_string());
        let (socket, control) = packet::pair().map_err(failed)?;
        rustix::io::ioctl_fionbio(&socket, true).map_err(|error| failed(error.into()))?;
        let (walls, of) = (self.clone(), place.clone());
        let prepared = tokio::task::spawn_blocking(move || walls.prepare(&of));
        let Prepared { walls, env, after } = prepared.await.map_err(|error| failed(error.into()))??;
        let (this, of) = (self.clone(), place.clone());
        let child = self.base.launcher.spawn(move || this.command(&of, control)).await?;
        let inside = self.inside(place);
        let env = environment::build(&self.base.settings, &inside.home_folder, env);
        let folder = PathBuf::from(inside.workspace_folder);
        let setup = Setup { walls, limits: self.base.limits(place), folder };
        Ok(AgentProcess { child, socket, setup, env: env.into_iter().collect(), after })
    }

    fn command(&self, place: &Place, control: OwnedFd) -> Result<Command, SandboxError> {
        let Base { settings, helper, .. } = &*self.base;
        let mut command = match &self.kind {
            Kind::Bubblewrap(bubblewrap) => bubblewrap.command(settings, place, helper, control)?,
            Kind::Landlock | Kind::None => landlock::command(helper, control)?,
            Kind::Unavailable { reason } => return Err(SandboxError::Unavailable { reason: reason.clone() }),
        };
        // Without namespaces it ends by itself as soon as its line is closed, and has first to end what is below it.
        let ends_all = self.are_namespaces();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(ends_all);
        Ok(command)
    }

    /// Blocks.
    fn prepare(&self, place: &Place) -> Result<Prepared, SandboxError> {
        let settings = &self.base.settings;
        shown::check_hidden(place.shown(), &settings.hidden_paths)?;
        let network = place.network(settings).mode != NetworkMode::None;
        match &self.kind {
            Kind::Bubblewrap(_) => {
                Ok(Prepared { walls: WallsSetup::Namespaces { network }, env: Vec::new(), after: None })
            }
            Kind::Landlock => {
                let temporary = landlock::Temporary::new(&settings.run_dir)?;
                let walls = WallsSetup::Landlock(landlock::rules(settings, place, temporary.path())?);
                let env = landlock::env(temporary.path());
                Ok(Prepared { walls, env, after: Some(Box::new(move || drop(temporary))) })
            }
            Kind::None if settings.network.mode != NetworkMode::Open => Err(SandboxError::Invalid(
                "without walls the network cannot be restricted; use another sandbox or allow all of it".to_owned(),
            )),
            Kind::None => Ok(Prepared { walls: WallsSetup::Plain, env: Vec::new(), after: None }),
            Kind::Unavailable { reason } => Err(SandboxError::Unavailable { reason: reason.clone() }),
        }
    }
}

impl Base {
    fn new(mut settings: SandboxSettings) -> Result<Self, SandboxError> {
        settings.read_only_paths = shown::real_paths(&settings.read_only_paths)?;
        for path in &mut settings.hidden_paths {
            *path = shown::real_path(path);
        }
        shown::check_hidden(&settings.read_only_paths, &settings.hidden_paths)?;
        let launcher = Launcher::start().map_err(|error| SandboxError::Failed(error.to_string()))?;
        let helper = Helper::load(&helper_path(&settings)?)?;
        Ok(Self { settings, launcher, helper })
    }

    fn limits(&self, place: &Place) -> LimitsSetup {
        let limits = &self.settings.limits;
        LimitsSetup {
            memory_bytes: limits.memory_bytes,
            processes: limits.processes,
            open_files: limits.open_files,
            file_bytes: place.quota_bytes,
            shared_memory_bytes: limits.temporary_bytes,
            cpus: processors::choose(&processors::allowed(), limits.cpus, place.id.person.0.as_u128()),
        }
    }
}

fn helper_path(settings: &SandboxSettings) -> Result<PathBuf, SandboxError> {
    if let Some(path) = &settings.helper {
        return Ok(path.clone());
    }
    let own = std::env::current_exe().map_err(|error| SandboxError::Failed(error.to_string()))?;
    Ok(own.with_file_name(HELPER))
}
