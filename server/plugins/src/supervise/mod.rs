//! Looking after plugins that fail, and counting what they took: for each person, workspace and plugin by itself.
//!
//! After [`FAULTS_IN_A_ROW`] a plugin rests, for a second at first and twice as long each time; a call that goes well ends that. After
//! [`FAULTS_AT_MOST`] within [`FAULTS_WITHIN`] it is not called any more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_plugin_host::CallFigures;
use coditect_protocol::plugin::PluginFigures;
use tokio::time::Instant;

use crate::keys::Whose;
use crate::lru::Lru;

/// Faults in a row after which a plugin rests.
pub const FAULTS_IN_A_ROW: u32 = 3;
/// The first rest; each further one is twice as long.
pub const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest rest.
pub const LONGEST_REST: Duration = Duration::from_secs(60);
/// Faults within [`FAULTS_WITHIN`] after which a plugin is not called any more.
pub const FAULTS_AT_MOST: usize = 10;
/// See [`FAULTS_AT_MOST`].
pub const FAULTS_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Plugins of people that are looked after at once: those called last.
const TRACKED_MAX: u64 = 50_000;

/// What is known of a plugin of a person.
#[derive(Debug, Default)]
struct Tracked {
    figures: PluginFigures,
    in_a_row: u32,
    /// It rests until then, and why.
    rest: Option<(Instant, String)>,
    /// When it failed.
    faults: VecDeque<Instant>,
}

/// What follows from the end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Nothing.
    None,
    /// It was to rest, and does not have to any more.
    Recovered,
    /// It rests for so long.
    Rests(Duration),
    /// It failed too often.
    Fails,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    /// Well.
    Well,
    /// In a way that says nothing about the plugin.
    Neither,
    /// By a fault of the plugin.
    Fault(&'a str),
}

/// Looks after all of them.
#[derive(Debug)]
pub(crate) struct Supervisor(Mutex<Lru<Whose, Tracked>>);

impl Supervisor {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Lru::new(TRACKED_MAX)))
    }

    fn all(&self) -> MutexGuard<'_, Lru<Whose, Tracked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, whose: &Whose, change: impl FnOnce(&mut Tracked) -> T) -> T {
        let mut all = self.all();
        if let Some(tracked) = all.get(whose) {
            return change(tracked);
        }
        let mut tracked = Tracked::default();
        let result = change(&mut tracked);
        all.insert(whose.clone(), tracked, 1);
        result
    }

    /// For how long it rests still, and why.
    pub(crate) fn rest(&self, whose: &Whose) -> Option<(Duration, String)> {
        let all = self.all();
        let (until, reason) = all.peek(whose)?.rest.as_ref()?;
        let rest = until.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then(|| (rest, reason.clone()))
    }

    /// A call ended.
    pub(crate) fn ended(&self, whose: &Whose, took: &CallFigures, end: End<'_>) -> Consequence {
        self.with(whose, |tracked| {
            let figures = &mut tracked.figures;
            figures.calls += 1;
            figures.busy_micros = figures.busy_micros.saturating_add(took.micros);
            figures.peak_memory_bytes = figures.peak_memory_bytes.max(took.peak_memory_bytes);
            match end {
                End::Neither => Consequence::None,
                End::Well => tracked.well(),
                End::Fault(reason) => tracked.fault(reason),
            }
        })
    }

    /// It asked for what it was not granted.
    pub(crate) fn denied(&self, whose: &Whose) {
        self.with(whose, |tracked| tracked.figures.denials += 1);
    }

    pub(crate) fn figures(&self, whose: &Whose) -> PluginFigures {
        self.all().peek(whose).map(|tracked| tracked.figures).unwrap_or_default()
    }

    /// It begins anew: its person switched it on, or there is another version.
    pub(crate) fn forgive(&self, whose: &Whose) {
        if let Some(tracked) = self.all().get(whose) {
            *tracked = Tracked { figures: tracked.figures, ..Tracked::default() };
        }
    }

    pub(crate) fn forget(&self, whose: &Whose) {
        self.all().remove(whose);
    }
}

impl Tracked {
    fn well(&mut self) -> Consequence {
        self.in_a_row = 0;
        if self.rest.take().is_some() { Consequence::Recovered } else { Consequence::None }
    }

    fn fault(&mut self, reason: &str) -> Consequence {
        let now = Instant::now();
        self.figures.failures += 1;
        self.in_a_row += 1;
        self.faults.retain(|at| now.duration_since(*at) < FAULTS_WITHIN);
        self.faults.push_back(now);
        if self.faults.len() >= FAULTS_AT_MOST {
            self.faults.clear();
            self.in_a_row = 0;
            self.rest = None;
            return Consequence::Fails;
        }
        let Some(doublings) = self.in_a_row.checked_sub(FAULTS_IN_A_ROW) else { return Consequence::None };
        let rest = FIRST_REST.saturating_mul(1 << doublings.min(16)).min(LONGEST_REST);
        self.rest = Some((now + rest, reason.to_owned()));
        Consequence::Rests(rest)
    }
}

#[cfg(test)]
mod tests;
