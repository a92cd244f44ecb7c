//! What is loaded, what is being loaded and for whom, and whose turn it is to have something translated.
//!
//! Translating takes minutes for what was made to take them. So people come one after the other: of what waits, that goes first which
//! somebody wants who had a turn the longest ago.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coditect_plugin_host::{HostError, Plugin};
use coditect_protocol::UserId;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::Loaded;
use crate::PluginsError;
use crate::lru::Lru;

/// Packages that are loaded, or wait for it, at once.
const LOADING_MAX: usize = 1_024;
/// Of those, packages that one person wants.
pub(crate) const LOADING_PER_PERSON: usize = 16;
/// A package that could not be loaded is not tried again within this time.
const FAILED_REST: Duration = Duration::from_secs(60);
/// A component whose translation takes more than it may is not translated again within this time: it would take as much again.
pub(crate) const TOO_LARGE_REST: Duration = Duration::from_secs(6 * 60 * 60);
/// Such packages, and such components, that are remembered.
const FAILED_MAX: u64 = 1_000;
/// People of whom is remembered when they had their last turn.
const SERVED_MAX: u64 = 10_000;

/// That somebody has a package: while they do, what they asked for is loaded to its end.
#[derive(Debug, Default)]
pub(crate) struct Wish(Mutex<Option<watch::Receiver<()>>>);

impl Wish {
    fn hold(&self, interest: watch::Receiver<()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(interest);
    }
}

/// A package that somebody wants.
pub(super) enum Wanted {
    Loaded(Plugin),
    Loading(Awaited),
    /// It is to be loaded by whoever asked.
    New(Started),
}

/// What comes of loading a package, and that somebody waits for it.
pub(super) struct Awaited {
    pub(super) done: watch::Receiver<Option<Loaded>>,
    pub(super) interest: watch::Receiver<()>,
}

/// What whoever loads a package has of it.
pub(super) struct Started {
    pub(super) number: u64,
    pub(super) done: watch::Sender<Option<Loaded>>,
    /// Closed while nobody wants it.
    pub(super) interest: watch::Sender<()>,
    pub(super) awaited: Awaited,
}

/// A package on its way.
struct Loading {
    /// They come in order.
    number: u64,
    people: HashSet<UserId>,
    done: watch::Receiver<Option<Loaded>>,
    interest: watch::Sender<()>,
    turn: Turn,
}

/// Whether it is translated.
enum Turn {
    /// It may not have to be.
    None,
    Waits(oneshot::Sender<()>),
    Has,
}

pub(super) struct Slots {
    pub(super) loaded: Lru<String, Plugin>,
    loading: HashMap<String, Loading>,
    failed: Lru<String, (Instant, PluginsError)>,
    /// By the SHA-256 of the component.
    too_large: Lru<String, (Instant, HostError)>,
    /// When people had their last turn, by the number of what they had.
    served: Lru<UserId, u64>,
    next: u64,
    /// Turns that nobody has.
    turns: usize,
}

impl Slots {
    pub(super) fn new(room: u64, turns: usize) -> Self {
        Self {
            loaded: Lru::new(room),
            loading: HashMap::new(),
            failed: Lru::new(FAILED_MAX),
            too_large: Lru::new(FAILED_MAX),
            served: Lru::new(SERVED_MAX),
            next: 1,
            turns,
        }
    }

    pub(super) fn is_loading(&self, sha256: &str) -> bool {
        self.loading.contains_key(sha256)
    }

    /// Somebody wants a package.
    pub(super) fn want(&mut self, user: UserId, sha256: &str, wish: &Wish) -> Result<Wanted, PluginsError> {
        if let Some(plugin) = self.loaded.get(sha256) {
            return Ok(Wanted::Loaded(plugin.clone()));
        }
        let wanted = self.loading.values().filter(|loading| loading.people.contains(&user)).count();
        let has_room = wanted < LOADING_PER_PERSON;
        if let Some(loading) = self.loading.get_mut(sha256) {
            // Beyond what is theirs they get it with the others, and no sooner.
            if has_room {
                loading.people.insert(user);
            }
            wish.hold(loading.interest.subscribe());
            return Ok(Wanted::Loading(Awaited { done: loading.done.clone(), interest: loading.interest.subscribe() }));
        }
        if let Some((_, error)) = self.failure(sha256) {
            return Err(error);
        }
        if !has_room || self.loading.len() >= LOADING_MAX {
            return Err(PluginsError::Busy);
        }
        let started = self.start(user, sha256);
        wish.hold(started.interest.subscribe());
        Ok(Wanted::New(started))
    }

    fn start(&mut self, user: UserId, sha256: &str) -> Started {
        let number = self.next;
        self.next += 1;
        let ((done, awaited), (interest, interested)) = (watch::channel(None), watch::channel(()));
        let people = HashSet::from([user]);
        let loading = Loading { number, people, done: awaited.clone(), interest: interest.clone(), turn: Turn::None };
        self.loading.insert(sha256.to_owned(), loading);
        Started { number, done, interest, awaited: Awaited { done: awaited, interest: interested } }
    }

    /// Waits for a turn: it comes through what is answered.
    pub(super) fn line_up(&mut self, sha256: &str, number: u64) -> oneshot::Receiver<()> {
        let (go, turn) = oneshot::channel();
        if let Some(loading) = self.loading.get_mut(sha256).filter(|loading| loading.number == number) {
            loading.turn = Turn::Waits(go);
            self.give_turns();
        }
        turn
    }

    /// A package is not on its way any more, and gives back its turn.
    pub(super) fn end(&mut self, sha256: &str, number: u64) {
        if self.loading.get(sha256).is_some_and(|loading| loading.number == number)
            && let Some(loading) = self.loading.remove(sha256)
        {
            self.turns += usize::from(matches!(loading.turn, Turn::Has));
            self.give_turns();
        }
    }

    fn give_turns(&mut self) {
        while self.turns > 0 {
            let waiting = self.loading.values_mut().filter(|loading| matches!(loading.turn, Turn::Waits(_)));
            let rank = |loading: &Loading| {
                let served = loading.people.iter().map(|user| self.served.peek(user).copied().unwrap_or_default());
                (served.min(), loading.number)
            };
            let Some(first) = waiting.min_by_key(|loading| rank(loading)) else { return };
            for user in &first.people {
                self.served.insert(*user, self.next, 1);
            }
            self.next += 1;
            self.turns -= 1;
            if let Turn::Waits(go) = std::mem::replace(&mut first.turn, Turn::Has) {
                // One that is not there any more gives its turn back with its end.
                let _ = go.send(());
            }
        }
    }

    pub(super) fn note_failed(&mut self, sha256: &str, error: &PluginsError) {
        self.failed.insert(sha256.to_owned(), (Instant::now(), error.clone()), 1);
    }

    /// Why a package cannot be loaded, and for how long nobody tries again.
    pub(super) fn failure(&mut self, sha256: &str) -> Option<(Duration, PluginsError)> {
        if self.loaded.get(sha256).is_some() {
            return None;
        }
        let (at, error) = self.failed.get(sha256)?;
        Some((FAILED_REST.checked_sub(at.elapsed())?, error.clone()))
    }

    /// The translation of a component took more than it may.
    pub(super) fn note_too_large(&mut self, component: &str, error: &HostError) {
        self.too_large.insert(component.to_owned(), (Instant::now(), error.clone()), 1);
    }

    /// Why a component is not translated.
    pub(super) fn too_large(&mut self, component: &str) -> Option<HostError> {
        let (at, error) = self.too_large.get(component)?;
        (at.elapsed() < TOO_LARGE_REST).then(|| error.clone())
    }
}

#[cfg(test)]
impl Slots {
    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.loading.values().filter(|loading| matches!(loading.turn, Turn::Waits(_))).count()
    }
}
