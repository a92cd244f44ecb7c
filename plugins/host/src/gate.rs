//! How many calls run at the same time, and how many wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coditect_protocol::plugin::PluginId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::CallError;
use crate::settings::HostSettings;

/// Lets calls in: in order, so many at once, so many of each person, so many of each plugin of a person, and so many waiting.
pub(crate) struct Gate {
    all: Arc<Semaphore>,
    people: Arc<Lines<u64>>,
    plugins: Arc<Lines<(u64, PluginId)>>,
    waiting: AtomicUsize,
    queue: usize,
}

/// The lines of all who have calls that run or wait.
struct Lines<K: Hash + Eq> {
    lines: Mutex<HashMap<K, Line>>,
    /// Calls of one line that run at the same time.
    at_once: usize,
    /// Calls of one line that wait.
    queue: usize,
}

struct Line {
    turns: Arc<Semaphore>,
    /// That run or wait.
    there: usize,
}

/// A place in a line.
struct Place<K: Hash + Eq> {
    lines: Arc<Lines<K>>,
    key: K,
    turns: Arc<Semaphore>,
}

/// The right to run, until it is dropped.
pub(crate) struct Turn {
    _permits: [OwnedSemaphorePermit; 3],
    _places: (Place<u64>, Place<(u64, PluginId)>),
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
        let plugins = Lines::new(settings.calls_per_caller, settings.queue_per_caller);
        let people = Lines::new(settings.calls_per_person(), settings.queue_per_person());
        Arc::new(Self {
            all: Arc::new(Semaphore::new(settings.calls_at_once)),
            people: Arc::new(people),
            plugins: Arc::new(plugins),
            waiting: AtomicUsize::new(0),
            queue: settings.queue,
        })
    }

    /// Waits for a turn; [`CallError::Busy`] where too many wait already.
    pub(crate) async fn turn(&self, who: u64, plugin: &PluginId) -> Result<Turn, CallError> {
        let places = (self.people.line_up(who)?, self.plugins.line_up((who, plugin.clone()))?);
        // The narrowest first: whoever waits there takes no turn of another call.
        let permits =
            [self.pass(&places.1.turns).await?, self.pass(&places.0.turns).await?, self.pass(&self.all).await?];
        Ok(Turn { _permits: permits, _places: places })
    }

    async fn pass(&self, turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, CallError> {
        match Arc::clone(turns).try_acquire_owned() {
            Ok(turn) => Ok(turn),
            Err(_) => self.wait(turns).await,
        }
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

impl<K: Hash + Eq + Clone> Lines<K> {
    fn new(at_once: usize, queue: usize) -> Self {
        Self { lines: Mutex::default(), at_once, queue }
    }

    fn line_up(self: &Arc<Self>, key: K) -> Result<Place<K>, CallError> {
        let mut lines = self.all();
        let fresh = || Line { turns: Arc::new(Semaphore::new(self.at_once)), there: 0 };
        let line = lines.entry(key.clone()).or_insert_with(fresh);
        if line.there >= self.at_once.saturating_add(self.queue) {
            return Err(CallError::Busy);
        }
        line.there += 1;
        Ok(Place { lines: Arc::clone(self), key, turns: Arc::clone(&line.turns) })
    }
}

impl<K: Hash + Eq> Lines<K> {
    fn all(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut lines = self.lines.all();
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

    /// Of how many people, and of how many of their plugins, calls are there.
    pub(crate) fn lines(&self) -> (usize, usize) {
        (self.people.all().len(), self.plugins.all().len())
    }
}
