//! The sandboxes that run, one for each person in each workspace.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coditect_protocol::terminal::EndCause;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::host::Config;
use crate::agent::client::Agent;
use crate::warden::TooManyProcesses;
use crate::wire::{ListedSandbox, Scope};
use crate::{Place, SandboxError, SandboxId, SandboxSettings};

/// A sandbox in which nothing runs is kept for so long, with its temporary files.
const KEEP_IDLE: Duration = Duration::from_secs(10 * 60);
/// How often idle ones are looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long it is waited until one of a person's sandboxes makes room for another: what runs in it may be about to end.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(3);
/// A program that was killed at most so long after its sandbox had reached a limit was killed for that.
const NOTE_LIFETIME: Duration = Duration::from_secs(2);

/// All of them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sandboxes {
    cells: Arc<Mutex<HashMap<SandboxId, Arc<Cell>>>>,
    /// Something has ended, so that there may be room for something else.
    room: Arc<Notify>,
}

/// One sandbox, running or not.
#[derive(Default)]
struct Cell {
    /// Held while the sandbox is started or ended, so that the two of them never overlap.
    open: tokio::sync::Mutex<Option<Open>>,
    facts: Mutex<Facts>,
    /// Whether it runs or is being started. Changed only while `open` is held.
    runs: Arc<AtomicBool>,
}

/// Counts a sandbox as one that runs, until it has ended.
struct Counted {
    runs: Arc<AtomicBool>,
    room: Arc<Notify>,
}

#[derive(Default)]
struct Facts {
    uses: usize,
    idle_since: Option<Instant>,
    /// Why its programs were ended last.
    note: Option<(Instant, EndCause)>,
}

struct Open {
    place: Place,
    agent: Agent,
    config: Arc<Config>,
    ended: Arc<AtomicBool>,
    network: CancellationToken,
    _counted: Counted,
}

/// Keeps a sandbox as long as a program runs in it.
pub(super) struct Lease {
    pub(super) agent: Agent,
    usage: Usage,
}

struct Usage {
    cell: Arc<Cell>,
    room: Arc<Notify>,
}

impl Cell {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing has run in it for long.
    fn is_due(&self) -> bool {
        let facts = self.facts();
        facts.uses == 0 && facts.idle_since.is_none_or(|since| since.elapsed() >= KEEP_IDLE)
    }

    /// Ends it unless it is used by now. Whoever waits here holds a cell that is in use, and is waited for by nobody who
    /// began to use theirs before: there is no circle.
    /// `false`: somebody else ends it already.
    async fn make_room(&self) -> bool {
        let mut open = self.open.lock().await;
        if self.facts().uses > 0 {
            return true;
        }
        let Some(open) = open.take() else { return false };
        open.end().await;
        true
    }

    fn note(&self, cause: EndCause) {
        self.facts().note = Some((Instant::now(), cause));
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        let mut facts = self.cell.facts();
        facts.uses -= 1;
        if facts.uses == 0 {
            facts.idle_since = Some(Instant::now());
            self.room.notify_waiters();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.runs.store(false, Ordering::Release);
        self.room.notify_waiters();
    }
}

impl Lease {
    /// Why its programs were ended just now, where it was not their own doing.
    pub(super) fn end_cause(&self) -> Option<EndCause> {
        self.usage.cell.facts().note.filter(|(when, _)| when.elapsed() < NOTE_LIFETIME).map(|(_, cause)| cause)
    }
}

impl Sandboxes {
    fn cells(&self) -> MutexGuard<'_, HashMap<SandboxId, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the use under the same lock under which unused ones are taken out.
    fn use_of(&self, id: SandboxId) -> Usage {
        let mut cells = self.cells();
        let cell = Arc::clone(cells.entry(id).or_default());
        cell.facts().uses += 1;
        Usage { cell, room: Arc::clone(&self.room) }
    }

    /// Counts a sandbox that is about to start; `cell` is in use. Where its person has as many as they may, the one in
    /// which nothing has run for longest is ended first.
    async fn count(&self, id: SandboxId, cell: &Cell, config: &Config) -> Result<Counted, SandboxError> {
        let limit = config.settings.per_person;
        let deadline = Instant::now() + WAIT_FOR_ROOM;
        let mut is_told = false;
        loop {
            // Asked for before it is looked, so that no news is missed.
            let news = self.room.notified();
            let idle = match self.count_or_idle(id, cell, limit) {
                Ok(counted) => return Ok(counted),
                Err(idle) => idle,
            };
            if let Some(idle) = idle
                && idle.make_room().await
            {
                continue;
            }
            if !std::mem::replace(&mut is_told, true) {
                config.want_room(id.person);
            }
            if timeout_at(deadline, news).await.is_err() {
                return Err(SandboxError::TooManySandboxes { limit });
            }
        }
    }

    /// Counts it where the person may have another; else the one that has been idle longest, if any is. All under the
    /// lock under which uses begin, so that two that start at once are not both the last.
    fn count_or_idle(&self, id: SandboxId, cell: &Cell, limit: usize) -> Result<Counted, Option<Arc<Cell>>> {
        let cells = self.cells();
        let own = cells.iter().filter(|(other, _)| other.person == id.person && **other != id);
        let running: Vec<_> = own.map(|(_, cell)| cell).filter(|cell| cell.runs.load(Ordering::Acquire)).collect();
        if running.len() < limit.max(1) {
            cell.runs.store(true, Ordering::Release);
            return Ok(Counted { runs: Arc::clone(&cell.runs), room: Arc::clone(&self.room) });
        }
        let idle = running.into_iter().filter_map(|cell| {
            let facts = cell.facts();
            (facts.uses == 0).then_some((facts.idle_since, cell))
        });
        Err(idle.min_by_key(|(since, _)| *since).map(|(_, cell)| Arc::clone(cell)))
    }

    /// Whether no program runs in any of them.
    pub(super) fn are_idle(&self) -> bool {
        self.cells().values().all(|cell| cell.facts().uses == 0)
    }

    /// The sandbox of `place`, started where it does not run. One whose rights were others is ended first: nobody keeps
    /// what they may no longer have.
    pub(super) async fn lease(&self, config: &Arc<Config>, place: &Place) -> Result<Lease, SandboxError> {
        let usage = self.use_of(place.id);
        let mut open = usage.cell.open.lock().await;
        if let Some(old) = open.take() {
            if old.fits(config, place, &usage.cell) {
                let agent = old.agent.clone();
                *open = Some(old);
                drop(open);
                return Ok(Lease { agent, usage });
            }
            usage.cell.note(EndCause::AccessEnded);
            old.end().await;
        }
        let counted = self.count(place.id, &usage.cell, config).await?;
        let agent = Agent::start(&config.walls, place).await?;
        let network = CancellationToken::new();
        config.connect(&agent, place, &network)?;
        // A namespace has a limit of its own.
        let namespaces = config.walls.are_namespaces();
        let too_many = if namespaces { TooManyProcesses::Refused } else { TooManyProcesses::Ended };
        config.warden.add(place, agent.pid(), &config.settings.limits, too_many);
        let ended = Arc::new(AtomicBool::new(false));
        tokio::spawn(watch(Arc::clone(&usage.cell), agent.clone(), Arc::clone(&ended)));
        tracing::info!(sandbox = %place.id, walls = config.walls.name(), read_only = place.read_only, "sandbox started");
        let (place, config) = (place.clone(), Arc::clone(config));
        *open = Some(Open { place, agent: agent.clone(), config, ended, network, _counted: counted });
        drop(open);
        Ok(Lease { agent, usage })
    }

    /// Something in a sandbox was ended.
    pub(super) fn note(&self, id: SandboxId, cause: EndCause) {
        if let Some(cell) = self.cells().get(&id) {
            cell.note(cause);
        }
    }

    /// The answer to a warden's question.
    pub(super) async fn disk_usage(&self, id: SandboxId, bytes: u64) {
        let cell = self.cells().get(&id).cloned();
        let Some(cell) = cell else { return };
        if let Some(open) = cell.open.lock().await.as_ref() {
            open.config.warden.disk_usage(id, bytes);
        }
    }

    /// Those that may reach other places than these settings say.
    pub(super) async fn with_other_network(&self, settings: &SandboxSettings) -> Vec<SandboxId> {
        let all: Vec<_> = self.cells().iter().map(|(id, cell)| (*id, Arc::clone(cell))).collect();
        let looked = all.into_iter().map(|(id, cell)| async move {
            // One that is just being started is waited for: it may have the old settings.
            let open = cell.open.lock().await;
            open.as_ref().is_some_and(|open| !open.config.settings.allows_same_network(settings)).then_some(id)
        });
        join_all(looked).await.into_iter().flatten().collect()
    }

    /// Those of a scope that run.
    pub(super) async fn running(&self, scope: Scope) -> Vec<ListedSandbox> {
        let chosen: Vec<_> =
            self.cells().iter().filter(|(id, _)| scope.holds(**id)).map(|(_, cell)| Arc::clone(cell)).collect();
        // One that is just being started or ended is waited for: it is one that runs, or not.
        let found = join_all(chosen.iter().map(|cell| async {
            let open = cell.open.lock().await;
            open.as_ref().map(|open| ListedSandbox { id: open.place.id, read_only: open.place.read_only })
        }));
        found.await.into_iter().flatten().collect()
    }

    /// Ends those of a scope with everything in them.
    pub(super) async fn end(&self, scope: Scope, cause: Option<EndCause>) {
        let chosen: Vec<_> =
            self.cells().iter().filter(|(id, _)| scope.holds(**id)).map(|(_, cell)| Arc::clone(cell)).collect();
        join_all(chosen.into_iter().map(|cell| async move {
            if let Some(cause) = cause {
                cell.note(cause);
            }
            let open = cell.open.lock().await.take();
            if let Some(open) = open {
                open.end().await;
            }
        }))
        .await;
    }

    /// Ends those that have been idle for long, each by itself, and forgets those that do not run.
    pub(super) fn look(&self) {
        for cell in self.cells().values().filter(|cell| cell.is_due()).cloned() {
            tokio::spawn(async move {
                // One that is just being started or ended is not idle.
                let Ok(mut open) = cell.open.try_lock() else { return };
                // Who uses it from now on waits for the end.
                if cell.is_due()
                    && let Some(open) = open.take()
                {
                    open.end().await;
                }
            });
        }
        self.cells()
            .retain(|_, cell| cell.facts().uses > 0 || cell.open.try_lock().map_or(true, |open| open.is_some()));
    }
}

impl Open {
    fn fits(&self, config: &Arc<Config>, place: &Place, cell: &Cell) -> bool {
        let is_current = Arc::ptr_eq(&self.config, config) && self.place.quota_bytes == place.quota_bytes;
        // New settings wait for what runs under the old ones. The caller's own use is one.
        let is_used = cell.facts().uses > 1;
        let is_over = self.ended.load(Ordering::Acquire) || self.agent.is_ending();
        !is_over && self.place.has_same_rights(place) && (is_current || is_used)
    }

    async fn end(self) {
        self.network.cancel();
        self.agent.close().await;
        self.config.warden.remove(self.place.id);
        tracing::info!(sandbox = %self.place.id, "sandbox ended");
    }
}

/// Cleans up after a sandbox that ends by itself.
async fn watch(cell: Arc<Cell>, agent: Agent, ended: Arc<AtomicBool>) {
    agent.ended().await;
    ended.store(true, Ordering::Release);
    let mut open = cell.open.lock().await;
    if open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.ended, &ended))
        && let Some(open) = open.take()
    {
        open.end().await;
    }
}
