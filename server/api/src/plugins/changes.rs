//! Changes of files for plugins that look at them: gathered while more come, so that a plugin is called once for what belongs together.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coditect_plugin_host::FileChange;
use coditect_plugins::{Following, Plugins, PluginsError};
use coditect_protocol::files::{self, ChangeKind};
use coditect_protocol::plugin::{Installed, PluginItem, PluginState};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{RelPath, UserId, WorkspaceId};
use coditect_workspace::registry::Workspaces;
use coditect_workspace::watch::{Subscription, WatchItem, Watchers};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Most files that are told at once. A change of so many is no person's edit, and what is beyond is not told.
const MAX_CHANGES: usize = 1000;
/// How long nothing more must have come before it is told.
const QUIET: Duration = Duration::from_millis(300);
/// Longest that it is put off.
const PUT_OFF: Duration = Duration::from_secs(2);
/// Pause before it is tried again, where the workspace could not be watched.
const PAUSE: Duration = Duration::from_secs(5);

/// Whose plugins are told what happens in which workspace, each as long as somebody follows them.
pub(crate) struct Hooks {
    plugins: Plugins,
    workspaces: Workspaces,
    watchers: Watchers,
    followed: Mutex<HashMap<Key, Followed>>,
}

type Key = (UserId, WorkspaceId);

struct Followed {
    times: usize,
    stop: CancellationToken,
}

/// As long as this is kept, plugins are told.
pub(crate) struct Told {
    hooks: Arc<Hooks>,
    key: Key,
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut followed = self.hooks.lock();
        let Some(entry) = followed.get_mut(&self.key) else { return };
        entry.times -= 1;
        if entry.times == 0 {
            entry.stop.cancel();
            followed.remove(&self.key);
        }
    }
}

impl Hooks {
    pub(crate) fn new(plugins: Plugins, workspaces: Workspaces, watchers: Watchers) -> Arc<Self> {
        Arc::new(Self { plugins, workspaces, watchers, followed: Mutex::default() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the plugins of somebody what happens in a workspace from here on. Whether they may be there is looked up.
    pub(crate) fn follow(self: &Arc<Self>, user: UserId, workspace: WorkspaceId) -> Told {
        let key = (user, workspace);
        let mut followed = self.lock();
        let entry = followed.entry(key).or_insert_with(|| {
            let stop = CancellationToken::new();
            tokio::spawn(stop.clone().run_until_cancelled_owned(tell(Arc::clone(self), key).boxed()));
            Followed { times: 0, stop }
        });
        entry.times += 1;
        drop(followed);
        Told { hooks: Arc::clone(self), key }
    }

    /// How many are told, for figures.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }
}

/// Tells until it is dropped.
async fn tell(hooks: Arc<Hooks>, (user, workspace): Key) {
    loop {
        if let Err(error) = tell_who_wants(&hooks, user, workspace).await {
            tracing::debug!(%error, "plugins cannot be told what changes at the moment; it is tried again");
        }
        sleep(PAUSE).await;
    }
}

/// Tells as long as a plugin wants to hear of it: nothing is watched for nobody.
async fn tell_who_wants(hooks: &Hooks, user: UserId, workspace: WorkspaceId) -> Result<(), PluginsError> {
    let mut following = hooks.plugins.follow(user, workspace).await?;
    let mut wanted = wants_changes(&mut following).await?;
    loop {
        if !wanted {
            wanted = wants_changes(&mut following).await?;
            continue;
        }
        tokio::select! {
            () = tell_while_allowed(hooks, user, workspace) => return Ok(()),
            ended = async {
                while wants_changes(&mut following).await? {}
                Ok::<_, PluginsError>(())
            } => ended?,
        }
        wanted = false;
    }
}

/// Whether a plugin of the next list wants to hear of changes.
async fn wants_changes(following: &mut Following) -> Result<bool, PluginsError> {
    loop {
        if let PluginItem::Installed(list) = following.next().await? {
            let wants = |plugin: &Installed| {
                !plugin.manifest.offers.hooks.changed.is_empty()
                    && !matches!(plugin.state, PluginState::Disabled | PluginState::Blocked)
            };
            return Ok(list.plugins.iter().any(wants));
        }
    }
}

/// Tells as long as the person may look at the workspace.
async fn tell_while_allowed(hooks: &Hooks, user: UserId, workspace: WorkspaceId) {
    let opened = async {
        let access = hooks.workspaces.access(user, workspace, WorkspaceRole::Read).await?;
        let tree = hooks.workspaces.tree_of(&access).await?;
        let subscription = hooks.watchers.subscribe(user, &tree).await?;
        Ok::<_, coditect_workspace::WorkspaceError>((access, subscription))
    };
    match opened.await {
        Ok((access, mut subscription)) => {
            tokio::select! {
                () = tell_all(hooks, user, workspace, &mut subscription) => {}
                () = access.lost() => {}
            }
        }
        Err(error) => tracing::debug!(%error, "a workspace cannot be watched for plugins"),
    }
}

async fn tell_all(hooks: &Hooks, user: UserId, workspace: WorkspaceId, subscription: &mut Subscription) {
    let items = stream::unfold(subscription, async |subscription| {
        let item = subscription.next().await?;
        Some((item, subscription))
    });
    let mut items = items.boxed();
    while let Some(changes) = gather(&mut items).await {
        if !changes.is_empty() {
            // Whoever ends the task ends the calls with it.
            let told = hooks.plugins.changed(user, workspace, &changes, CancellationToken::new()).await;
            if let Err(error) = told {
                tracing::debug!(%error, "plugins were not told what changed");
            }
        }
    }
}

/// What happened within a moment; nothing at the end.
async fn gather(items: &mut (impl Stream<Item = WatchItem> + Unpin)) -> Option<Vec<(RelPath, FileChange)>> {
    let mut gathered = Gathered::default();
    gathered.add(items.next().await?);
    let latest = Instant::now() + PUT_OFF;
    loop {
        let until = latest.min(Instant::now() + QUIET);
        tokio::select! {
            biased;
            item = items.next() => match item {
                Some(item) => gathered.add(item),
                None => break,
            },
            () = sleep_until(until) => break,
        }
        if Instant::now() >= latest {
            break;
        }
    }
    Some(gathered.changes.into_iter().collect())
}

/// The last that happened to each file.
#[derive(Default)]
struct Gathered {
    changes: BTreeMap<RelPath, FileChange>,
}

impl Gathered {
    fn add(&mut self, item: WatchItem) {
        // What may have been missed is not told: a plugin that must know looks by itself.
        let WatchItem::Changes(changes) = item else { return };
        for files::FileChange { kind, path, .. } in changes {
            let change = match kind {
                ChangeKind::Added => FileChange::Created,
                ChangeKind::Updated => FileChange::Changed,
                ChangeKind::Deleted => FileChange::Deleted,
            };
            self.put(path, change);
        }
    }

    fn put(&mut self, path: RelPath, change: FileChange) {
        let is_full = self.changes.len() >= MAX_CHANGES;
        match self.changes.entry(path) {
            Entry::Occupied(mut known) => {
                let both = match (*known.get(), change) {
                    // It is still new to who has not heard of it.
                    (FileChange::Created, FileChange::Changed) => FileChange::Created,
                    (FileChange::Deleted, FileChange::Created) => FileChange::Changed,
                    (_, after) => after,
                };
                known.insert(both);
            }
            Entry::Vacant(place) if !is_full => {
                place.insert(change);
            }
            Entry::Vacant(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokio_stream(items: tokio::sync::mpsc::Receiver<WatchItem>) -> impl Stream<Item = WatchItem> + Unpin {
        stream::unfold(items, async |mut items| items.recv().await.map(|item| (item, items))).boxed()
    }

    fn change(path: &str, kind: ChangeKind) -> files::FileChange {
        files::FileChange { kind, path: RelPath::parse(path).unwrap(), from: None }
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_within_a_moment_is_told_once() {
        let (send, items) = tokio::sync::mpsc::channel(10);
        let mut items = tokio_stream(items);
        let first = vec![change("a", ChangeKind::Added), change("b", ChangeKind::Deleted)];
        send.send(WatchItem::Changes(first)).await.unwrap();
        send.send(WatchItem::Rescan).await.unwrap();
        let then = vec![change("a", ChangeKind::Updated), change("b", ChangeKind::Added)];
        send.send(WatchItem::Changes(then)).await.unwrap();
        let begin = Instant::now();
        let told = gather(&mut items).await.unwrap();
        let told: Vec<_> = told.iter().map(|(path, change)| (path.as_str(), *change)).collect();
        assert_eq!(told, [("a", FileChange::Created), ("b", FileChange::Changed)]);
        assert_eq!(begin.elapsed(), QUIET);
        drop(send);
        assert_eq!(gather(&mut items).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_rests_is_told_all_the_same_and_never_more_than_the_most() {
        let begin = Instant::now();
        let endless = stream::unfold(0, async |n| {
            sleep(QUIET / 2).await;
            let changes = (0..MAX_CHANGES).map(|at| change(&format!("{n}-{at}"), ChangeKind::Updated));
            Some((WatchItem::Changes(changes.collect()), n + 1))
        });
        let told = gather(&mut endless.boxed()).await.unwrap();
        assert_eq!(told.len(), MAX_CHANGES);
        assert!(begin.elapsed() <= PUT_OFF + QUIET, "{:?}", begin.elapsed());
    }
}
