//! How many calls run at the same time, and how many wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use coditect_protocol::plugin::PluginId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::CallError;
use crate::settings::HostSettings;

/// A plugin of a person.
type Key = (u64, PluginId);

/// Lets calls in: in order, so many at once, so many of each plugin of a person, and so many waiting.
pub(crate) struct Gate {
    all: Arc<Semaphore>,
    lines: Mutex<HashMap<Key, Line>>,
    waiting: AtomicUsize,
    queue: usize,
    per_caller: usize,
    queue_per_caller: usize,
}

/// The calls of one plugin of a person.
struct Line {
    turns: Arc<Semaphore>,
    /// That run or wait.
    there: usize,
}

/// A place in a line.
struct Place {
    gate: Arc<Gate>,
    key: Key,
    turns: Arc<Semaphore>,
}

/// The right to run, until it is dropped.
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: Place,
}

/// Counts a call while it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(settings: &HostSettings) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(settings.calls_at_once)),
            lines: Mutex::default(),
            waiting: AtomicUsize::new(0),
            queue: settings.queue,
            per_caller: settings.calls_per_caller,
            queue_per_caller: settings.queue_per_caller,
        })
    }

    /// Waits for a turn; [`CallError::Busy`] where too many wait already.
    pub(crate) async fn turn(self: &Arc<Self>, who: u64, plugin: &PluginId) -> Result<Turn, CallError> {
        let place = self.line_up((who, plugin.clone()))?;
        let own = match Arc::clone(&place.turns).try_acquire_owned() {
            Ok(own) => own,
            Err(_) => self.wait(&place.turns).await?,
        };
        let all = match Arc::clone(&self.all).try_acquire_owned() {
            Ok(all) => all,
            Err(_) => self.wait(&self.all).await?,
        };
        Ok(Turn { _all: all, _own: own, _place: place })
    }

    fn line_up(self: &Arc<Self>, key: Key) -> Result<Place, CallError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Line { turns: Arc::new(Semaphore::new(self.per_caller)), there: 0 };
        let line = lines.entry(key.clone()).or_insert_with(fresh);
        if line.there >= self.per_caller.saturating_add(self.queue_per_caller) {
            return Err(CallError::Busy);
        }
        line.there += 1;
        Ok(Place { gate: Arc::clone(self), key, turns: Arc::clone(&line.turns) })
    }

    async fn wait(&self, turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, CallError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.queue {
            return Err(CallError::Busy);
        }
        Arc::clone(turns).acquire_owned().await.map_err(|_| CallError::Stopped)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.gate.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&self.key) {
            line.there -= 1;
            if line.there == 0 {
                lines.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
impl Gate {
    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Of how many plugins and people calls are there.
    pub(crate) fn lines(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
