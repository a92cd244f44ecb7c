//! The network thread: one queue, worked off in order.

use crate::data::Cluster;
use crate::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How often those are asked again who wait for the cluster to answer.
const TICK: Duration = Duration::from_millis(2);

static QUEUE: Mutex<Queue> = Mutex::new(Queue { jobs: VecDeque::new(), is_stopped: false });
static WAKE: Condvar = Condvar::new();

/// Something to do; whether it is done.
pub(crate) type Job = Box<dyn FnMut(&mut Dirty) -> bool + Send>;

/// Clusters that have something to commit.
pub(crate) type Dirty = Vec<Arc<Cluster>>;

struct Queue {
    jobs: VecDeque<Job>,
    is_stopped: bool,
}

/// Queues something that is tried until it is done.
pub(crate) fn queue(job: Job) {
    lock(&QUEUE).jobs.push_back(job);
    WAKE.notify_one();
}

/// Queues something that is done at once.
pub(crate) fn post(work: impl FnOnce() + Send + 'static) {
    let mut work = Some(work);
    queue(Box::new(move |_| {
        if let Some(work) = work.take() {
            work();
        }
        true
    }));
}

pub(crate) fn stop() {
    lock(&QUEUE).is_stopped = true;
    WAKE.notify_one();
}

/// Works until it is stopped.
pub(crate) fn run() {
    let mut waiting: Vec<Job> = Vec::new();
    loop {
        let mut queue = lock(&QUEUE);
        while queue.jobs.is_empty() && !queue.is_stopped {
            if waiting.is_empty() {
                queue = WAKE.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
            } else {
                queue = WAKE.wait_timeout(queue, TICK).unwrap_or_else(std::sync::PoisonError::into_inner).0;
                break;
            }
        }
        if queue.is_stopped {
            return;
        }
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        let mut dirty = Dirty::new();
        waiting.extend(jobs);
        waiting.retain_mut(|job| !job(&mut dirty));
        for cluster in dirty {
            lock(&cluster.data).commit_batch();
        }
    }
}
