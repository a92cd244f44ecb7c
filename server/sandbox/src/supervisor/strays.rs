//! Processes that outlived what was to end them.
//!
//! Where a sandbox has no namespace of processes, a guard ends everything in it ([`crate::agent`]). When somebody
//! outside kills the guard, nobody is left to do so, and what loses its parents becomes a child of the supervisor: it
//! is then that they are ended here.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

use tokio::process::Child;

use crate::processes::{self, Process, Tree};

/// Pause between two rounds of ending them.
const ROUND: Duration = Duration::from_millis(10);
/// Rounds until those that do not end are left to the next time.
const ROUNDS: usize = 200;

/// Children that the supervisor started itself and sees the end of; nothing where strays are not ended.
static STARTED: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

fn started() -> MutexGuard<'static, Option<HashSet<u32>>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on, what loses its parents becomes this process's child, and every child that was not started by [`start`]
/// is a stray.
pub(super) fn adopt() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    *started() = Some(HashSet::new());
    Ok(())
}

/// Starts a child that is none. Nobody looks for strays meanwhile: they would find one that is not yet known.
pub(crate) fn start<T, E>(start: impl FnOnce() -> Result<T, E>, pid: impl FnOnce(&T) -> Option<u32>) -> Result<T, E> {
    let mut started = started();
    let child = start()?;
    if let (Some(known), Some(pid)) = (started.as_mut(), pid(&child)) {
        known.insert(pid);
    }
    Ok(child)
}

/// Ends a child that nobody wants.
pub(crate) async fn give_up(mut child: Child) {
    let pid = child.id();
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "the end of a sandbox cannot be waited for");
    }
    if let Some(pid) = pid {
        ended(pid).await;
    }
}

/// A child that was started has ended, and its end was seen. Ends what it may have left behind.
pub(crate) async fn ended(pid: u32) {
    match started().as_mut() {
        Some(known) => known.remove(&pid),
        None => return,
    };
    if tokio::task::spawn_blocking(end_strays).await.is_err() {
        tracing::warn!("what a sandbox left behind could not be looked for");
    }
}

fn end_strays() {
    for _ in 0..ROUNDS {
        if end_all() == 0 {
            return;
        }
        std::thread::sleep(ROUND);
    }
    tracing::warn!("processes that belong to no sandbox do not end");
}

/// One round; how many there were.
fn end_all() -> usize {
    let started = started();
    let Some(known) = started.as_ref() else { return 0 };
    // What cannot be listed now is found when the next sandbox ends.
    let all = processes::all().unwrap_or_default();
    let tree = Tree::new(&all);
    let own = tree.children(getpid().as_raw_nonzero().get().cast_unsigned());
    let roots: Vec<&Process> = own.iter().copied().filter(|child| !known.contains(&child.pid)).collect();
    let below = roots.iter().flat_map(|root| tree.below(root.pid));
    let strays: Vec<&Process> = roots.iter().copied().chain(below).filter(|stray| !stray.is_zombie).collect();
    if !strays.is_empty() {
        tracing::warn!(count = strays.len(), "processes that belong to no sandbox any more are ended");
    }
    processes::end(&strays);
    for root in &roots {
        let pid = root.pid.try_into().ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = waitpid(Some(pid), WaitOptions::NOHANG)
            && error != Errno::CHILD
        {
            tracing::debug!(%error, "the end of a stray was not seen");
        }
    }
    roots.len()
}
