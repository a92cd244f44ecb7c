//! The one thread that starts programs.

use std::os::fd::BorrowedFd;

use rustix::io::{FdFlags, fcntl_setfd};
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

    /// Keeps what the server itself inherited, such as a log or a socket of its supervisor, from the programs it
    /// starts. Everything it opened by itself is closed in them anyway.
    #[expect(unsafe_code, reason = "a descriptor that nobody in the program owns can be named only by its number")]
    pub(super) fn seal_inherited() -> std::io::Result<()> {
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(number) = number.filter(|number| *number > 2) {
                // SAFETY: only a flag is set. If the number is closed meanwhile that fails, and if it is another file
                // by now, that one has the flag already.
                let fd = unsafe { BorrowedFd::borrow_raw(number) };
                if let Err(error) = fcntl_setfd(fd, FdFlags::CLOEXEC) {
                    tracing::trace!(number, %error, "closed meanwhile");
                }
            }
        }
        Ok(())
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
