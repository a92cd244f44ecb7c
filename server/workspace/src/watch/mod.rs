//! Telling what changed below a tree.
//!
//! However many subscribe, a tree has one watcher; it stops when the last one goes. Folders are watched one by one, so that
//! what the rules ignore costs nothing. Each is opened beneath the tree's handle and watched through that very handle: a
//! folder that is swapped for a link at the wrong moment shows nothing of what lies outside.

mod coalesce;
mod rules;
mod scanner;

use crate::error::WorkspaceError;
use crate::tree::{Tree, TreeIdentity, blocking};
use cap_std::fs::Dir;
use coditect_protocol::files::FileChange;
use rules::IgnoreRules;
use scanner::Scanner;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// Default of [`WatchSettings::max_pending_changes`].
pub const DEFAULT_MAX_PENDING_CHANGES: usize = 10_000;
/// Default of [`WatchSettings::ignore`].
pub const DEFAULT_IGNORE: [&str; 5] =
    ["**/.git/objects/**", "**/.git/lfs/**", "**/node_modules/**", "**/target/**", "**/.hg/store/**"];
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
    /// Most folders of one tree that are watched.
    pub max_folders: usize,
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
            max_pending_changes: DEFAULT_MAX_PENDING_CHANGES,
            leftover_age: DEFAULT_LEFTOVER_AGE,
        }
    }
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchItem {
    /// These changed. What a file was renamed to is added, what it was is deleted; of a deleted folder only itself is told, of
    /// an added one everything in it.
    Changes(Vec<FileChange>),
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
    trees: Mutex<HashMap<TreeIdentity, Weak<TreeWatch>>>,
}

impl Watchers {
    /// Watchers with these settings; none runs yet.
    pub fn new(settings: WatchSettings) -> Result<Self, WorkspaceError> {
        let rules = IgnoreRules::new(&settings.ignore)?;
        Ok(Self(Arc::new(Shared { settings, rules, trees: Mutex::default() })))
    }

    /// Subscribes to the changes of a tree. What changes after this returned is told.
    pub async fn subscribe(&self, tree: &Tree) -> Result<Subscription, WorkspaceError> {
        loop {
            let watch = self.tree_watch(tree.identity());
            let running = watch.running.get_or_try_init(|| watch.start(&self.0, tree)).await?;
            if let Some(sender) = running.sender.upgrade() {
                let receiver = sender.subscribe();
                let partial = Arc::clone(&running.partial);
                let behind = partial.load(Ordering::Relaxed);
                return Ok(Subscription { receiver, partial, behind, _watch: watch });
            }
            // It ended by itself, because its folder is gone; whoever comes now gets another.
            lock(&self.0.trees).remove(&tree.identity());
        }
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
    partial: Arc<AtomicBool>,
}

impl TreeWatch {
    async fn start(&self, shared: &Shared, tree: &Tree) -> Result<Running, WorkspaceError> {
        let root: Dir = tree.handle()?;
        let (settings, rules) = (shared.settings.clone(), shared.rules.clone());
        let partial = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&partial);
        let scanner = blocking(move || Scanner::start(root, &settings, rules, flag)).await?;
        let (sender, _) = broadcast::channel(MAX_BATCHES_BEHIND);
        let running = Running { sender: sender.downgrade(), partial };
        #[expect(deprecated, reason = "the descriptor behind the Arc stays the same and open; its successor is unsafe")]
        let ready = AsyncFd::new(scanner.descriptor()).map_err(WorkspaceError::Watch)?;
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

type Step = fn(&mut Scanner) -> Option<WatchItem>;

/// Gathers changes and tells them, until the root is gone or the last subscriber is.
async fn watch_tree(
    mut scanner: Scanner,
    ready: AsyncFd<Arc<std::os::fd::OwnedFd>>,
    sender: broadcast::Sender<WatchItem>,
    debounce: Duration,
) {
    let mut tell_at: Option<Instant> = None;
    loop {
        let tell = async {
            match tell_at {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let (work, guard): (Step, _) = tokio::select! {
            biased;
            () = tell => {
                tell_at = None;
                (Scanner::take, None)
            }
            guard = ready.readable() => match guard {
                Ok(guard) => (Scanner::read, Some(guard)),
                Err(error) => {
                    tracing::error!(%error, "a watcher stopped");
                    return;
                }
            },
        };
        let step = blocking(move || {
            let item = work(&mut scanner);
            Ok((scanner, item))
        });
        let Ok((back, item)) = step.await else { return };
        scanner = back;
        if let Some(mut guard) = guard
            && scanner.is_drained()
        {
            guard.clear_ready();
        }
        if let Some(item) = item {
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

/// Changes of one tree, from the moment of subscribing on.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<WatchItem>,
    partial: Arc<AtomicBool>,
    behind: bool,
    _watch: Arc<TreeWatch>,
}

impl Subscription {
    /// The next item; `None` when the tree is gone. Can be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Option<WatchItem> {
        if std::mem::take(&mut self.behind) {
            return Some(WatchItem::Rescan);
        }
        match self.receiver.recv().await {
            Ok(item) => Some(item),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(WatchItem::Rescan),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Whether some folders are not watched, because there are more than the setting or the system allows.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
