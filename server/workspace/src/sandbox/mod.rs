//! The sandbox that everything a person runs goes through.
//!
//! A [`SandboxSpec`] says what is to run and which two directories belong to the person; [`Sandbox::spawn`] and
//! [`Sandbox::spawn_on_terminal`] start it. Inside, the workspace is `/workspace/<folder>`, the home is
//! `/home/coditect`, the system's programs can be read, and nothing else of the machine is there: no other workspace,
//! no data of the server, no process but the sandbox's own.
//!
//! Invariants:
//! * Nothing starts when no sandbox works, unless the operator chose [`SandboxMode::None`] in so many words.
//! * The environment starts empty: nothing of the server's own reaches a program.
//! * What a person may choose (environment, arguments, folder) never becomes an option of the sandbox, and never takes
//!   effect outside it: the variables are set by the sandbox after its walls are up.
//! * All programs are started by one thread that lives as long as the sandbox. The kernel ties "die with the parent" to
//!   the *thread* that started a process, and threads of the runtime come and go.

mod bubblewrap;
mod environment;
mod program;
mod spawner;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use coditect_protocol::RelPath;
use coditect_protocol::workspace::{HOME_MOUNT, WORKSPACE_MOUNT};
use tokio::process::{Child, Command};

use self::bubblewrap::Bubblewrap;
pub(crate) use self::environment::default_shell;
use self::spawner::Spawner;
use crate::WorkspaceError;

/// Default of the setting for the most bytes of `/tmp` and `/dev/shm` of a sandbox, each.
pub const DEFAULT_TEMPORARY_BYTES: u64 = 1024 * 1024 * 1024;
/// Most bytes of a program's name, arguments and environment together.
pub const MAX_COMMAND_BYTES: usize = 128 * 1024;

/// Which sandbox is used (setting `sandbox`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxMode {
    /// Bubblewrap where it works; else nothing can be run.
    #[default]
    Auto,
    /// Bubblewrap; the server does not start where it does not work.
    Bubblewrap,
    /// No walls: programs run as the server's own user.
    None,
}

impl std::str::FromStr for SandboxMode {
    type Err = WorkspaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "bubblewrap" => Ok(Self::Bubblewrap),
            "none" => Ok(Self::None),
            _ => Err(WorkspaceError::SandboxInvalid(format!("{text:?} is none of auto, bubblewrap and none"))),
        }
    }
}

/// What the operator decides about sandboxes.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Which sandbox.
    pub mode: SandboxMode,
    /// Directories that every sandbox sees read-only at their own place, beside the system's: tool chains under other
    /// prefixes. Where one has a folder `bin`, that is on `PATH`.
    pub read_only_paths: Vec<PathBuf>,
    /// Directories and files that no sandbox may see, whatever holds them: the server's own data and configuration.
    pub hidden_paths: Vec<PathBuf>,
    /// Environment variables of every program.
    pub env: Vec<(String, String)>,
    /// Most bytes of `/tmp` and `/dev/shm`, each.
    pub temporary_bytes: u64,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            mode: SandboxMode::Auto,
            read_only_paths: Vec::new(),
            hidden_paths: Vec::new(),
            env: Vec::new(),
            temporary_bytes: DEFAULT_TEMPORARY_BYTES,
        }
    }
}

/// What a program may reach over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkPolicy {
    /// Whatever the server's machine can reach.
    #[default]
    Open,
    /// Nothing. Without walls ([`SandboxMode::None`]) this cannot be kept, and the start is refused.
    Closed,
}

/// What to run, and whose directories it sees.
#[derive(Clone, Default)]
pub struct SandboxSpec {
    /// Directory with the workspace's files.
    pub files: PathBuf,
    /// Name of the workspace's folder below `/workspace`.
    pub folder: String,
    /// Directory that is the person's home.
    pub home: PathBuf,
    /// Folder of the workspace to start in.
    pub start_in: RelPath,
    /// Program: a name found on `PATH`, or a path as seen inside.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside the basic ones; they win over those.
    pub env: Vec<(String, String)>,
    /// Further directories that this program sees read-only at their own place.
    pub read_only_paths: Vec<PathBuf>,
    /// What it may reach over the network.
    pub network: NetworkPolicy,
}

impl std::fmt::Debug for SandboxSpec {
    // The environment may hold tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxSpec")
            .field("folder", &self.folder)
            .field("start_in", &self.start_in)
            .field("program", &self.program)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

impl SandboxSpec {
    /// Where the workspace's folder is inside.
    fn mount(&self) -> String {
        format!("{WORKSPACE_MOUNT}/{}", self.folder)
    }

    /// Refuses what no honest caller sends, before any of it reaches a command line.
    fn check(&self) -> Result<(), WorkspaceError> {
        let invalid = |what: &str| Err(WorkspaceError::SandboxInvalid(what.to_owned()));
        if matches!(self.folder.as_str(), "" | "." | "..") || self.folder.contains(['/', '\0']) {
            return invalid("the workspace's folder is not a plain name");
        }
        if self.program.is_empty() {
            return invalid("no program is named");
        }
        let mut bytes = self.program.len();
        let pairs = self.env.iter().flat_map(|(name, value)| [name, value]);
        for text in self.args.iter().chain(pairs).chain([&self.program]) {
            bytes += text.len();
            if text.contains('\0') {
                return invalid("a NUL byte can be in no argument and no variable");
            }
        }
        if bytes > MAX_COMMAND_BYTES {
            return invalid("the arguments and variables are larger than 128 KiB; pass them in a file");
        }
        if self.env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
            return invalid("a variable's name is empty or holds an equals sign");
        }
        Ok(())
    }
}

/// Where a program's input and output lead.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Streams {
    /// Nothing to read; output and errors are piped to the server.
    #[must_use]
    pub fn captured() -> Self {
        Self { stdin: Stdio::null(), stdout: Stdio::piped(), stderr: Stdio::piped() }
    }
}

/// Runs people's programs. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("walls", &self.inner.walls.name()).finish_non_exhaustive()
    }
}

struct Inner {
    walls: Walls,
    settings: SandboxSettings,
    spawner: Spawner,
}

enum Walls {
    Bubblewrap(Bubblewrap),
    None,
    Unavailable { reason: String },
}

impl Walls {
    const fn name(&self) -> &'static str {
        match self {
            Self::Bubblewrap(_) => "bubblewrap",
            Self::None => "none",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

impl Sandbox {
    /// Finds out by a trial run what works here.
    ///
    /// With [`SandboxMode::Auto`] a machine without a working sandbox still gives a value, so that the server can serve
    /// files: [`Sandbox::warning`] tells it and every start is refused with `sandbox.unavailable`.
    pub async fn detect(mut settings: SandboxSettings) -> Result<Self, WorkspaceError> {
        settings.read_only_paths = program::real_paths(&settings.read_only_paths)?;
        // What is not there yet hides nothing, but may be made later: it stays in the list as it was written.
        for path in &mut settings.hidden_paths {
            if let Ok(real) = path.canonicalize() {
                *path = real;
            }
        }
        program::check_hidden(&settings.read_only_paths, &settings.hidden_paths)?;
        let spawner = Spawner::seal_inherited()
            .and_then(|()| Spawner::start())
            .map_err(|error| WorkspaceError::SandboxFailed(error.to_string()))?;
        let walls = match settings.mode {
            SandboxMode::None => Walls::None,
            SandboxMode::Bubblewrap => Walls::Bubblewrap(
                Bubblewrap::detect(&spawner).await.map_err(|reason| WorkspaceError::SandboxUnavailable { reason })?,
            ),
            SandboxMode::Auto => match Bubblewrap::detect(&spawner).await {
                Ok(bubblewrap) => Walls::Bubblewrap(bubblewrap),
                Err(reason) => Walls::Unavailable { reason },
            },
        };
        Ok(Self { inner: Arc::new(Inner { walls, settings, spawner }) })
    }

    /// What is in use: `bubblewrap`, `none` or `unavailable`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.walls.name()
    }

    /// One sentence for the operator where people's programs run without walls, or not at all.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match &self.inner.walls {
            Walls::Bubblewrap(_) => None,
            Walls::None => Some(
                "Programs run without a sandbox (sandbox = \"none\"): everybody who can log in can read and change what the \
                 server can."
                    .to_owned(),
            ),
            Walls::Unavailable { reason } => {
                Some(WorkspaceError::SandboxUnavailable { reason: reason.clone() }.to_string())
            }
        }
    }

    /// Whether processes are walled in, so that all of them end with the first.
    pub(crate) fn has_walls(&self) -> bool {
        matches!(self.inner.walls, Walls::Bubblewrap(_))
    }

    /// Refused with `sandbox.unavailable` where nothing can be run.
    pub fn check_available(&self) -> Result<(), WorkspaceError> {
        match &self.inner.walls {
            Walls::Unavailable { reason } => Err(WorkspaceError::SandboxUnavailable { reason: reason.clone() }),
            Walls::Bubblewrap(_) | Walls::None => Ok(()),
        }
    }

    /// Starts a program with its streams connected as asked. It is killed when the child is dropped.
    pub async fn spawn(&self, spec: SandboxSpec, streams: Streams) -> Result<Child, WorkspaceError> {
        self.start(spec, move |mut command| {
            command.stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr);
            command.spawn()
        })
        .await
    }

    /// Starts a program as the leader of a new session whose controlling terminal is `pts`.
    pub async fn spawn_on_terminal(&self, spec: SandboxSpec, pts: pty_process::Pts) -> Result<Child, WorkspaceError> {
        self.start(spec, move |command| {
            pty_process::Command::from(command).spawn(pts).map_err(|error| match error {
                pty_process::Error::Io(error) => error,
                other => std::io::Error::other(other),
            })
        })
        .await
    }

    async fn start<F>(&self, spec: SandboxSpec, launch: F) -> Result<Child, WorkspaceError>
    where
        F: FnOnce(Command) -> std::io::Result<Child> + Send + 'static,
    {
        self.check_available()?;
        spec.check()?;
        let inner = Arc::clone(&self.inner);
        let runtime = tokio::runtime::Handle::current();
        let name = spec.program.clone();
        let started = self
            .inner
            .spawner
            .run(move || {
                let _context = runtime.enter();
                let mut command = inner.command(&spec)?;
                command.kill_on_drop(true);
                launch(command)
                    .map_err(|error| WorkspaceError::ProgramFailed { program: name, reason: error.to_string() })
            })
            .await;
        started.unwrap_or_else(|| {
            Err(WorkspaceError::SandboxFailed("the thread that starts programs has ended".to_owned()))
        })
    }
}

impl Inner {
    /// The command that runs `spec` inside the walls. To be spawned by the spawner's thread and no other.
    fn command(&self, spec: &SandboxSpec) -> Result<Command, WorkspaceError> {
        match &self.walls {
            Walls::Bubblewrap(bubblewrap) => {
                let extra = program::real_paths(&spec.read_only_paths)?;
                program::check_hidden(&extra, &self.settings.hidden_paths)?;
                let env = environment::build(spec, &self.settings, HOME_MOUNT);
                let view = program::View { spec, settings: &self.settings, extra: &extra, env: &env };
                view.check_start()?;
                view.check_program()?;
                bubblewrap.command(&view)
            }
            Walls::None => self.plain_command(spec),
            Walls::Unavailable { reason } => Err(WorkspaceError::SandboxUnavailable { reason: reason.clone() }),
        }
    }

    fn plain_command(&self, spec: &SandboxSpec) -> Result<Command, WorkspaceError> {
        if spec.network == NetworkPolicy::Closed {
            return Err(WorkspaceError::SandboxInvalid("a closed network needs a sandbox".to_owned()));
        }
        let home = spec.home.to_string_lossy().into_owned();
        let env = environment::build(spec, &self.settings, &home);
        program::find_plain(spec, &env)?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(env);
        command.current_dir(spec.files.join(spec.start_in.as_str()));
        Ok(command)
    }
}
