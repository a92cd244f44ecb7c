//! A heartbeat on the server's runtime: how late it comes tells how much of the machine plugins take from everybody else.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

const BEAT: Duration = Duration::from_millis(5);

pub(crate) struct Pulse {
    late: Arc<Mutex<Vec<Duration>>>,
    _task: AbortOnDropHandle<()>,
}

impl Pulse {
    pub(crate) fn start() -> Self {
        let late = Arc::new(Mutex::new(Vec::new()));
        let beats = late.clone();
        let task = tokio::spawn(async move {
            loop {
                let due = Instant::now() + BEAT;
                tokio::time::sleep_until(due.into()).await;
                beats.lock().unwrap().push(due.elapsed());
            }
        });
        Self { late, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits for so many beats, and tells how late all but the latest hundredth were at most.
    pub(crate) async fn after(self, beats: usize) -> Duration {
        while self.late.lock().unwrap().len() < beats {
            tokio::time::sleep(BEAT).await;
        }
        let mut late = self.late.lock().unwrap().clone();
        late.sort_unstable();
        late[late.len() * 99 / 100]
    }
}
