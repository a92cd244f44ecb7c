//! The one thread that starts sandboxes. The kernel ties "die with the parent" to the *thread* that started a process,
//! and threads of the runtime come and go.

use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use crate::SandboxError;
use crate::supervisor::strays;

/// Starts that wait; more callers wait for a place.
const QUEUED_STARTS: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Hands starts to the thread, which lives until the last handle is gone.
#[derive(Debug, Clone)]
pub(super) struct Launcher {
    jobs: mpsc::Sender<Job>,
}

impl Launcher {
    pub(super) fn start() -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUED_STARTS);
        std::thread::Builder::new().name("sandbox-launcher".to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job();
            }
        })?;
        Ok(Self { jobs })
    }

    /// Starts what `command` makes, which runs on the thread and may block.
    pub(super) async fn spawn(
        &self,
        command: impl FnOnce() -> Result<Command, SandboxError> + Send + 'static,
    ) -> Result<Child, SandboxError> {
        let gone = || SandboxError::Failed("the thread that starts sandboxes has ended".to_owned());
        let runtime = tokio::runtime::Handle::current();
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            let _context = runtime.enter();
            let child = command().and_then(|mut command| {
                let started = strays::start(|| command.spawn(), Child::id);
                started.map_err(|error| SandboxError::Failed(error.to_string()))
            });
            // Nobody may be waiting any more.
            if let Err(Ok(child)) = answer.send(child) {
                tokio::spawn(strays::give_up(child));
            }
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}
