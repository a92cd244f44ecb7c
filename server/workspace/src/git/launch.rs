//! Starting `coditect-git`.

use std::path::PathBuf;

use coditect_sandbox::Program;
use coditect_sandbox::client::{Pipes, Streams};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::error::WorkspaceError;
use crate::registry::Access;
use crate::terminals::Terminals;

/// Name of the program.
const PROGRAM: &str = "coditect-git";
/// What is kept of a message of the helper's for the log, in bytes.
const LOGGED_BYTES: usize = 1024;

/// A helper that was started.
pub struct Launched {
    /// Leads to its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Comes from its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Returns when it has ended, and ends it when dropped.
    pub ended: BoxFuture<'static, ()>,
}

/// Starts helpers.
pub trait Launcher: Send + Sync {
    /// Starts one in the workspace's folder, where programs run of the person who has this access.
    fn launch<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<Launched, WorkspaceError>>;
}

/// The program beside the server's own.
#[must_use]
pub fn helper_beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?;
    [folder.join(PROGRAM), folder.parent()?.join(PROGRAM)].into_iter().find(|path| path.is_file())
}

/// Starts helpers in the sandboxes in which terminals run, too.
pub struct SandboxLauncher {
    terminals: Terminals,
    program: Option<PathBuf>,
}

impl SandboxLauncher {
    /// With the program at this path, which every sandbox has to see.
    #[must_use]
    pub const fn new(terminals: Terminals, program: Option<PathBuf>) -> Self {
        Self { terminals, program }
    }
}

impl Launcher for SandboxLauncher {
    fn launch<'a>(&'a self, access: &'a Access) -> BoxFuture<'a, Result<Launched, WorkspaceError>> {
        Box::pin(async move {
            let program = self.program.as_ref().ok_or(WorkspaceError::GitHelperMissing)?;
            let (streams, pipes) = Streams::piped().map_err(|error| WorkspaceError::Internal(error.to_string()))?;
            let program = Program {
                program: program.display().to_string(),
                args: vec!["serve".to_owned()],
                ..Program::default()
            };
            let mut child = self.terminals.spawn(access, program, streams).await?;
            let Pipes { stdin, stdout, stderr } = pipes;
            let ended = async move {
                tokio::join!(child.wait(), log(stderr));
            };
            Ok(Launched { stdin: Box::new(stdin), stdout: Box::new(stdout), ended: ended.boxed() })
        })
    }
}

/// Passes on what the helper complains of. It is the person's program, so not much of it.
async fn log(mut stderr: impl AsyncRead + Unpin) {
    let mut buffer = [0; LOGGED_BYTES];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        tracing::debug!(text = %String::from_utf8_lossy(&buffer[..count]).escape_debug(), "git helper");
    }
}
