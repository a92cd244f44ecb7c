//! The one thread that starts programs.

use tokio::sync::{mpsc, oneshot};

/// Starts that wait; more callers wait for a place.
const QUEUED_STARTS: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Hands jobs to the thread, which lives until the last handle is gone.
pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    pub(super) fn start() -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUED_STARTS);
        std::thread::Builder::new().name("sandbox-spawner".to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job();
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the thread; `None` if the thread is gone.
    pub(super) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody may be waiting any more; then the value is dropped here, and a child with it killed.
            drop(answer.send(job()));
        });
        self.jobs.send(job).await.ok()?;
        result.await.ok()
    }
}
