//! Telling what changed below a tree.
//!
//! However many subscribe, a tree has one watcher; it stops when the last one goes. Folders are watched one by one, so that
//! what the rules ignore costs nothing. Each is opened beneath the tree's handle and watched through that very handle: a
//! folder that is swapped for a link at the wrong moment shows nothing of what lies outside.
//!
//! Nothing is lost silently: where the system lost events the tree is walked again and everybody told to look again, and
//! folders for which it gives no watch are listed every few seconds instead. What one person's trees take of the system's
//! watches and of memory is bounded, and counts for whoever subscribed first, so that nobody's trees keep others from theirs.

mod coalesce;
mod health;
mod poll;
mod rules;
mod scanner;
mod share;
mod watched;

use crate::error::WorkspaceError;
use crate::tree::{Tree, TreeIdentity, blocking};
use cap_std::fs::Dir;
use coditect_protocol::files::{FileChange, WatchState};
use coditect_protocol::{RelPath, UserId};
use health::{Health, Shortage};
use rules::IgnoreRules;
use scanner::Scanner;
use share::{Limits, Shares, TreeShare};
pub use share::{MAX_WATCH_BYTES, MAX_WATCH_BYTES_PER_PERSON};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OnceCell, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Default of [`WatchSettings::debounce`].
pub const DEFAULT_DEBOUNCE: Duration = Duration::from_millis(40);
/// Default of [`WatchSettings::max_folders`].
pub const DEFAULT_MAX_FOLDERS: usize = 100_000;
/// Default of [`WatchSettings::max_trees_per_person`].
pub const DEFAULT_MAX_TREES_PER_PERSON: usize = 16;
/// Default of [`WatchSettings::max_folders_per_person`].
pub const DEFAULT_MAX_FOLDERS_PER_PERSON: usize = 200_000;
/// Default of [`WatchSettings::max_pending_changes`].
pub const DEFAULT_MAX_PENDING_CHANGES: usize = 10_000;
/// Default of [`WatchSettings::ignore`].
pub const DEFAULT_IGNORE: [&str; 5] =
    ["**/.git/objects/**", "**/.git/lfs/**", "**/node_modules/**", "**/target/**", "**/.hg/store/**"];
/// Default of [`WatchSettings::poll_interval`].
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(3);
/// Default of [`WatchSettings::leftover_age`].
pub const DEFAULT_LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Batches of changes that a subscriber may be behind before it is told to look again at everything.
const MAX_BATCHES_BEHIND: usize = 64;
/// Pause before the tree is walked again after changes were lost, so that a storm of changes causes few walks.
const RESYNC_PAUSE: Duration = Duration::from_millis(250);

/// What is watched, and how much.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// Globs of paths, relative to the root, of which no change is told.
    pub ignore: Vec<String>,
    /// How long changes are gathered before they are told.
    pub debounce: Duration,
    /// Most folders of one tree that are watched; further ones are looked at from time to time.
    pub max_folders: usize,
    /// Most trees of one person that are watched, and at most half of what the system has; further ones are looked at from time to
    /// time.
    pub max_trees_per_person: usize,
    /// Most folders that are watched in all trees of one person, and at most half of what the system has.
    pub max_folders_per_person: usize,
    /// How often folders that got no watch are looked at; more rarely where that takes long.
    pub poll_interval: Duration,
    /// Most changes told at once; more of them become [`WatchItem::Rescan`].
    pub max_pending_changes: usize,
    /// A file being written that got its name so long ago was left behind by a server that died, and is removed.
    pub leftover_age: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            ignore: DEFAULT_IGNORE.map(str::to_owned).to_vec(),
            debounce: DEFAULT_DEBOUNCE,
            max_folders: DEFAULT_MAX_FOLDERS,
            max_trees_per_person: DEFAULT_MAX_TREES_PER_PERSON,
            max_folders_per_person: DEFAULT_MAX_FOLDERS_PER_PERSON,
            poll_interval: DEFAULT_POLL_INTERVAL,
            max_pending_changes: DEFAULT_MAX_PENDING_CHANGES,
            leftover_age: DEFAULT_LEFTOVER_AGE,
        }
    }
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchItem {
    /// These changed. What a file was renamed to is added, with its former name, which is told as deleted before; of a deleted
    /// folder only itself is told, of an added one everything in it.
    Changes(Vec<FileChange>),
    /// How well the tree is watched from here on.
    State(WatchState),
    /// Changes may have been missed: look again at everything.
    Rescan,
}

/// The watchers of all trees. A clone shares them.
#[derive(Debug, Clone)]
pub struct Watchers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: WatchSettings,
    rules: IgnoreRules,
    shares: Shares,
    trees: Mutex<HashMap<TreeIdentity, Weak<TreeWatch>>>,
}

impl Watchers {
    /// Watchers with these settings; none runs yet.
    pub fn new(settings: WatchSettings) -> Result<Self, WorkspaceError> {
        let rules = IgnoreRules::new(&settings.ignore)?;
        let shares = Shares::new(Limits::new(&settings));
        Ok(Self(Arc::new(Shared { settings, rules, shares, trees: Mutex::default() })))
    }

    /// Subscribes to the changes of a tree, for `person`. What changes after this returned is told.
    pub async fn subscribe(&self, person: UserId, tree: &Tree) -> Result<Subscription, WorkspaceError> {
        loop {
            let watch = self.tree_watch(tree.identity());
            let running = watch.running.get_or_try_init(|| watch.start(&self.0, person, tree)).await?;
            if let Some(sender) = running.sender.upgrade() {
                let receiver = sender.subscribe();
                let state = running.health.state();
                let at_first = (state != WatchState::Live).then_some(WatchItem::State(state));
                return Ok(Subscription { receiver, at_first, watch });
            }
            // It ended by itself, because its folder is gone; whoever comes now gets another.
            lock(&self.0.trees).remove(&tree.identity());
        }
    }

    /// Whether changes of what lies in this folder are told.
    #[must_use]
    pub(crate) fn tells_inside(&self, folder: &RelPath) -> bool {
        folder.is_root() || !self.0.rules.ignores_inside(folder)
    }

    /// What works only in part, a sentence each, for the operator.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        // Let go of outside the lock: the last one to do so takes it.
        let watches: Vec<_> = lock(&self.0.trees).values().filter_map(Weak::upgrade).collect();
        let shortages = watches.iter().filter_map(|watch| watch.running.get()?.health.shortage());
        health::warnings(shortages, self.0.settings.max_folders, self.0.shares.limits)
    }

    /// How many trees are watched.
    #[must_use]
    pub fn watched_trees(&self) -> usize {
        lock(&self.0.trees).len()
    }

    fn tree_watch(&self, identity: TreeIdentity) -> Arc<TreeWatch> {
        let mut trees = lock(&self.0.trees);
        if let Some(watch) = trees.get(&identity).and_then(Weak::upgrade) {
            return watch;
        }
        let watch = Arc::new(TreeWatch {
            identity,
            shared: Arc::downgrade(&self.0),
            stop: CancellationToken::new(),
            running: OnceCell::new(),
        });
        trees.insert(identity, Arc::downgrade(&watch));
        watch
    }
}

/// The one watcher of a tree; lives as long as somebody is subscribed.
#[derive(Debug)]
struct TreeWatch {
    identity: TreeIdentity,
    shared: Weak<Shared>,
    stop: CancellationToken,
    running: OnceCell<Running>,
}

/// A watcher that has seen the whole tree. Its task holds the sender, so that subscriptions end with it.
#[derive(Debug)]
struct Running {
    sender: broadcast::WeakSender<WatchItem>,
    health: Arc<Health>,
}

impl TreeWatch {
    async fn start(&self, shared: &Shared, person: UserId, tree: &Tree) -> Result<Running, WorkspaceError> {
        let root: Dir = tree.handle()?;
        let (settings, rules) = (shared.settings.clone(), shared.rules.clone());
        let health = Arc::<Health>::default();
        let noted = Arc::clone(&health);
        let share = TreeShare::new(shared.shares.of(person), settings.max_folders);
        let scanner = blocking(move || Scanner::start(root, &settings, rules, noted, share)).await?;
        let (sender, _) = broadcast::channel(MAX_BATCHES_BEHIND);
        let running = Running { sender: sender.downgrade(), health };
        #[expect(deprecated, reason = "the descriptor behind the Arc stays the same and open; its successor is unsafe")]
        let ready = scanner.descriptor().map(AsyncFd::new).transpose().map_err(WorkspaceError::Watch)?;
        let task = watch_tree(scanner, ready, sender, shared.settings.debounce);
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(task));
        Ok(running)
    }
}

impl Drop for TreeWatch {
    fn drop(&mut self) {
        self.stop.cancel();
        let Some(shared) = self.shared.upgrade() else { return };
        let mut trees = lock(&shared.trees);
        if trees.get(&self.identity).is_some_and(|watch| watch.strong_count() == 0) {
            trees.remove(&self.identity);
        }
    }
}

type Step = fn(&mut Scanner) -> Vec<WatchItem>;
type Events = AsyncFd<Arc<std::os::fd::OwnedFd>>;

/// Gathers changes and tells them, until the root is gone or the last subscriber is.
async fn watch_tree(
    mut scanner: Scanner,
    events: Option<Events>,
    sender: broadcast::Sender<WatchItem>,
    debounce: Duration,
) {
    let mut tell_at: Option<Instant> = None;
    loop {
        let poll_at = scanner.next_poll().map(Instant::from_std);
        let (work, guard): (Step, _) = tokio::select! {
            biased;
            () = at(tell_at) => {
                tell_at = None;
                (Scanner::take, None)
            }
            guard = readable(events.as_ref()) => match guard {
                Ok(guard) => (Scanner::read, Some(guard)),
                Err(error) => {
                    tracing::error!(%error, "a watcher stopped");
                    return;
                }
            },
            () = at(poll_at) => (Scanner::poll, None),
        };
        let step = blocking(move || {
            let items = work(&mut scanner);
            Ok((scanner, items))
        });
        let Ok((back, items)) = step.await else { return };
        scanner = back;
        if let Some(mut guard) = guard
            && scanner.is_drained()
        {
            guard.clear_ready();
        }
        for item in items {
            // Nobody listening right now is no reason to stop; who stops it is the last subscription's end.
            let _ = sender.send(item);
        }
        if tell_at.is_none() && scanner.has_news() {
            tell_at = Some(Instant::now() + if scanner.lost_changes() { RESYNC_PAUSE } else { debounce });
        }
        if scanner.root_is_gone() {
            return;
        }
    }
}

/// At that time; never, where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn readable(
    events: Option<&Events>,
) -> std::io::Result<tokio::io::unix::AsyncFdReadyGuard<'_, Arc<std::os::fd::OwnedFd>>> {
    match events {
        Some(events) => events.readable().await,
        None => std::future::pending().await,
    }
}

/// Changes of one tree, from the moment of subscribing on.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<WatchItem>,
    at_first: Option<WatchItem>,
    watch: Arc<TreeWatch>,
}

impl Subscription {
    /// The next item; `None` when the tree is gone. Can be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<WatchItem> {
        if let Some(item) = self.at_first.take() {
            return Some(item);
        }
        match self.receiver.recv().await {
            Ok(item) => Some(item),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                // How it is watched may be among what was missed.
                self.at_first = self.watch.running.get().map(|running| WatchItem::State(running.health.state()));
                Some(WatchItem::Rescan)
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
