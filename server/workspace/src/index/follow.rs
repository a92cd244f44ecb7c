//! Builds an index and keeps it as the tree is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use coditect_protocol::RelPath;
use coditect_protocol::files::{ChangeKind, FileChange};
use tokio::time::Instant;

use super::paths::{FoundFolder, Paths, folder_of};
use super::{State, TreeIndex};
use crate::WorkspaceError;
use crate::search::Stop;
use crate::search::globs::PathFilter;
use crate::search::rules::Rules;
use crate::search::walk::{MAX_WALKED_ENTRIES, Visitor, Walk, walk_below};
use crate::tree::{Tree, blocking, os_path};
use crate::watch::{Subscription, WatchItem, Watchers};

/// How long folders that are not watched are believed to be as they were, while somebody looks for files.
const UNWATCHED_BELIEVED: Duration = Duration::from_secs(10);
/// Pause after the whole tree was walked before it is walked again, so that a storm of changes causes few walks.
const REBUILD_PAUSE: Duration = Duration::from_secs(2);

/// Builds the index and follows the tree, until it is gone or nobody has used the index for so long.
pub(super) async fn follow(index: Arc<TreeIndex>, watchers: Watchers, tree: Arc<Tree>, idle_limit: Duration) {
    // First, so that no change falls between this and the walk.
    let mut subscription = match watchers.subscribe(&tree).await {
        Ok(subscription) => subscription,
        Err(error) => {
            tracing::debug!(%error, "a tree is not watched and gets no index");
            return;
        }
    };
    let mut follower = Follower { index, watchers, unwatched: BTreeSet::new(), unwatched_seen: Instant::now() };
    if follower.rebuild().await.is_err() {
        return;
    }
    follower.index.state.send_replace(State::Ready);
    while let Some(event) = follower.next(&mut subscription, idle_limit).await {
        let done = match event {
            Event::Changes(changes) => follower.take_in(changes).await,
            Event::Rescan => {
                let rebuilt = follower.rebuild().await;
                // What changes meanwhile waits in the subscription, or becomes another rescan.
                tokio::time::sleep(REBUILD_PAUSE).await;
                rebuilt
            }
            Event::Wanted => follower.look_at_unwatched().await,
        };
        if let Err(error) = done {
            tracing::debug!(%error, "an index ends");
            return;
        }
    }
}

enum Event {
    Changes(Vec<FileChange>),
    Rescan,
    /// Somebody looks for a file, and what is not watched was not looked at for a while.
    Wanted,
}

struct Follower {
    index: Arc<TreeIndex>,
    watchers: Watchers,
    /// Folders in which changes are not told, topmost only.
    unwatched: BTreeSet<String>,
    unwatched_seen: Instant,
}

impl Follower {
    async fn next(&self, subscription: &mut Subscription, idle_limit: Duration) -> Option<Event> {
        loop {
            let idle_at = self.index.used() + idle_limit;
            tokio::select! {
                item = subscription.next() => match item? {
                    WatchItem::Changes(changes) => return Some(Event::Changes(changes)),
                    WatchItem::Rescan => return Some(Event::Rescan),
                    WatchItem::State(_) => {}
                },
                () = self.index.wanted.notified(), if !self.unwatched.is_empty() => {
                    if self.unwatched_seen.elapsed() >= UNWATCHED_BELIEVED {
                        return Some(Event::Wanted);
                    }
                }
                () = tokio::time::sleep_until(idle_at) => {
                    if self.index.used() + idle_limit <= Instant::now() {
                        return None;
                    }
                }
            }
        }
    }

    /// Walks the whole tree; who searches meanwhile searches what was there before.
    async fn rebuild(&mut self) -> Result<(), WorkspaceError> {
        let (index, watchers) = (Arc::clone(&self.index), self.watchers.clone());
        self.unwatched = blocking(move || {
            let (found, cut_short) = walk_from(&index, vec![(String::new(), Arc::default())])?;
            let unwatched = unwatched(&found, &watchers);
            let mut paths = Paths::default();
            paths.insert(found);
            paths.cut_short |= cut_short;
            index.change(|old| {
                paths.take_recent(old);
                std::mem::swap(old, &mut paths);
            });
            Ok(unwatched)
        })
        .await?;
        self.unwatched_seen = Instant::now();
        Ok(())
    }

    async fn look_at_unwatched(&mut self) -> Result<(), WorkspaceError> {
        self.unwatched_seen = Instant::now();
        let (index, folders) = (Arc::clone(&self.index), self.unwatched.clone());
        self.unwatched = blocking(move || {
            let held = |folder: &String| Some((folder.clone(), index.paths().rules_above(folder)?));
            let starts: Vec<_> = folders.iter().filter_map(held).collect();
            let still: BTreeSet<_> = starts.iter().map(|(folder, _)| folder.clone()).collect();
            let (found, _) = walk_from(&index, starts)?;
            index.change(|paths| {
                for folder in &folders {
                    paths.remove(folder);
                }
                paths.insert(found);
            });
            Ok(still)
        })
        .await?;
        Ok(())
    }

    async fn take_in(&mut self, changes: Vec<FileChange>) -> Result<(), WorkspaceError> {
        let (index, watchers) = (Arc::clone(&self.index), self.watchers.clone());
        let added = blocking(move || {
            let plan = Plan::new(&index, &changes);
            let (found, _) = walk_from(&index, plan.folders.clone())?;
            let unwatched = unwatched(&found, &watchers);
            index.change(|paths| plan.carry_out(paths, found));
            Ok(unwatched)
        })
        .await?;
        self.unwatched.extend(added);
        Ok(())
    }
}

/// The topmost folders among those found in which changes are not told.
fn unwatched(found: &[FoundFolder], watchers: &Watchers) -> BTreeSet<String> {
    let is_watched = |path: &str| RelPath::parse(path).is_ok_and(|path| watchers.tells_inside(&path));
    let topmost = |folder: &&FoundFolder| !is_watched(&folder.path) && is_watched(folder_of(&folder.path));
    found.iter().filter(topmost).map(|folder| folder.path.clone()).collect()
}

/// Collects folders.
#[derive(Default)]
struct Folders(Vec<FoundFolder>);

impl Visitor for Folders {
    const FILES: bool = false;

    fn folder(&mut self, path: &str, files: &[String], rules: &Arc<Rules>) {
        self.0.push(FoundFolder { path: path.to_owned(), files: files.to_vec(), rules: Arc::clone(rules) });
    }
}

/// Walks folders, each with the rules of the one that it is in.
fn walk_from(index: &TreeIndex, starts: Vec<(String, Arc<Rules>)>) -> Result<(Vec<FoundFolder>, bool), WorkspaceError> {
    if starts.is_empty() {
        return Ok((Vec::new(), false));
    }
    let stop = Stop::default();
    let root = index.root.try_clone().map_err(|error| WorkspaceError::from_io(&RelPath::root(), error))?;
    let walk = Walk {
        root,
        obey_rules: true,
        filter: PathFilter::new(&[], &[])?,
        folders: &[],
        max_entries: MAX_WALKED_ENTRIES,
        stop: &stop,
    };
    let (found, cut_short) = walk_below(&walk, starts, Folders::default);
    Ok((found.into_iter().flat_map(|folders| folders.0).collect(), cut_short))
}

/// What a batch of changes means for the index.
#[derive(Default)]
struct Plan {
    /// Folders to walk, topmost only, with the rules of those that they are in.
    folders: Vec<(String, Arc<Rules>)>,
    /// Nothing is there that is to be held.
    gone: Vec<String>,
    /// Files that are there: folder and name.
    there: Vec<(String, String)>,
    recent: Vec<String>,
}

impl Plan {
    fn new(index: &TreeIndex, changes: &[FileChange]) -> Self {
        let mut plan = Self::default();
        // Sorted: a folder before what is in it.
        let walked = BTreeSet::from_iter(changes.iter().filter_map(|change| rules_changed(&change.path)));
        for folder in walked {
            plan.walk(index, &folder);
        }
        for change in changes {
            let path = &change.path;
            if path.as_str().split('/').any(|name| name == ".git") || plan.will_walk(path.as_str()) {
                continue;
            }
            match change.kind {
                ChangeKind::Updated => plan.recent.push(path.as_str().to_owned()),
                ChangeKind::Added | ChangeKind::Deleted => plan.look_at(index, path, change.kind),
            }
        }
        plan
    }

    /// What is at a path now counts, not what was told of it.
    fn look_at(&mut self, index: &TreeIndex, path: &RelPath, kind: ChangeKind) {
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let Some(rules) = index.paths().rules(folder).cloned() else { return };
        let facts = index.root.symlink_metadata(os_path(path)).ok();
        let is_held = |is_folder: bool| !rules.ignores(path.as_str(), is_folder);
        match facts {
            Some(facts) if facts.is_dir() && is_held(true) => self.folders.push((path.as_str().to_owned(), rules)),
            Some(facts) if facts.is_file() && is_held(false) => {
                self.there.push((folder.to_owned(), name.to_owned()));
                if kind == ChangeKind::Added {
                    self.recent.push(path.as_str().to_owned());
                }
            }
            _ => self.gone.push(path.as_str().to_owned()),
        }
    }

    /// The folder is walked again, where it is held.
    fn walk(&mut self, index: &TreeIndex, folder: &str) {
        let paths = index.paths();
        if self.will_walk(folder) || !paths.has_folder(folder) {
            return;
        }
        self.folders.extend(paths.rules_above(folder).map(|rules| (folder.to_owned(), rules)));
    }

    fn will_walk(&self, path: &str) -> bool {
        let is_within = |folder: &str| {
            folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.folders.iter().any(|(folder, _)| is_within(folder))
    }

    fn carry_out(self, paths: &mut Paths, found: Vec<FoundFolder>) {
        for path in self.gone.iter().chain(self.folders.iter().map(|(folder, _)| folder)) {
            paths.remove(path);
        }
        paths.insert(found);
        for (folder, name) in &self.there {
            paths.add(folder, name);
        }
        for path in &self.recent {
            paths.note_recent(path);
        }
    }
}

/// The folder in which other rules hold when this path changes.
fn rules_changed(path: &RelPath) -> Option<String> {
    let path = path.as_str();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if matches!(name, ".gitignore" | ".ignore" | ".rgignore" | ".git" | ".jj") {
        return Some(folder.to_owned());
    }
    let repository = path.strip_suffix(".git/info/exclude")?;
    Some(repository.trim_end_matches('/').to_owned())
}
