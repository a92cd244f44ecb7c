//! Builds an index and keeps it as the tree is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coditect_protocol::files::{ChangeKind, FileChange};
use coditect_protocol::{RelPath, UserId};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::paths::{FoundFolder, MAX_INDEX_BYTES, Paths, folder_of};
use super::{State, TreeIndex};
use crate::WorkspaceError;
use crate::search::Stop;
use crate::search::globs::PathFilter;
use crate::search::rules::{Rules, RulesNow};
use crate::search::walk::{MAX_WALKED_ENTRIES, Visitor, Walk, walk_below};
use crate::tree::{Tree, blocking, os_path};
use crate::watch::{Subscription, WatchItem, Watchers};

/// How long folders that are not watched are believed to be as they were, while somebody looks for files.
const UNWATCHED_BELIEVED: Duration = Duration::from_secs(10);
/// Pause after the whole tree was walked before it is walked again, so that a storm of changes causes few walks.
const REBUILD_PAUSE: Duration = Duration::from_secs(2);
/// Most trees that are walked for their index at once; what they found is held beside the indexes until then.
const MAX_BUILDS: usize = 8;
/// Most bytes of the paths of folders that are not watched; with more, the whole tree is looked at again instead.
const MAX_UNWATCHED_BYTES: usize = 4 * 1024 * 1024;

static BUILDS: Semaphore = Semaphore::const_new(MAX_BUILDS);

/// Builds the index and follows the tree, until it is gone, nobody has used the index for so long, or others need its room.
pub(super) async fn follow(
    index: Arc<TreeIndex>,
    watchers: Watchers,
    person: UserId,
    tree: Arc<Tree>,
    idle_limit: Duration,
) {
    // First, so that no change falls between this and the walk.
    let mut subscription = match watchers.subscribe(person, &tree).await {
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
    follower.index.make_room();
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
        follower.index.make_room();
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
                () = self.index.leave.cancelled() => return None,
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
        let turn = BUILDS.acquire().await.map_err(|error| WorkspaceError::Internal(error.to_string()))?;
        self.unwatched = blocking(move || {
            let _turn = turn;
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
            let root = index.handle()?;
            let mut rules = RulesNow::new(&root);
            let mut held = |folder: &String| {
                let is_held = folder.is_empty() || index.paths().has_folder(folder_of(folder));
                is_held.then(|| rules.above(folder)).flatten().map(|rules| (folder.clone(), rules))
            };
            let starts: Vec<_> = folders.iter().filter_map(&mut held).collect();
            let still: BTreeSet<_> = starts.iter().map(|(folder, _)| folder.clone()).collect();
            let (found, cut_short) = walk_from(&index, starts)?;
            let cut_short = cut_short || rules.is_cut();
            index.change(|paths| {
                for folder in &folders {
                    paths.remove(folder);
                }
                paths.insert(found);
                paths.cut_short |= cut_short;
            });
            Ok(still)
        })
        .await?;
        Ok(())
    }

    async fn take_in(&mut self, changes: Vec<FileChange>) -> Result<(), WorkspaceError> {
        let (index, watchers) = (Arc::clone(&self.index), self.watchers.clone());
        let added = blocking(move || {
            let root = index.handle()?;
            let mut rules = RulesNow::new(&root);
            let plan = Plan::new(&index, &mut rules, &changes);
            let (found, cut_short) = walk_from(&index, plan.folders.clone())?;
            let cut_short = cut_short || rules.is_cut();
            let unwatched = unwatched(&found, &watchers);
            index.change(|paths| {
                plan.carry_out(paths, found);
                paths.cut_short |= cut_short;
            });
            Ok(unwatched)
        })
        .await?;
        self.unwatched.extend(added);
        self.unwatched = bounded(std::mem::take(&mut self.unwatched));
        Ok(())
    }
}

/// The root instead of more folders than are to be remembered.
fn bounded(folders: BTreeSet<String>) -> BTreeSet<String> {
    let bytes: usize = folders.iter().map(|folder| folder.len() + size_of::<String>()).sum();
    if bytes > MAX_UNWATCHED_BYTES { BTreeSet::from([String::new()]) } else { folders }
}

/// The topmost folders among those found in which changes are not told.
fn unwatched(found: &[FoundFolder], watchers: &Watchers) -> BTreeSet<String> {
    let is_watched = |path: &str| RelPath::parse(path).is_ok_and(|path| watchers.tells_inside(&path));
    let topmost = |folder: &&FoundFolder| !is_watched(&folder.path) && is_watched(folder_of(&folder.path));
    bounded(found.iter().filter(topmost).map(|folder| String::from(&*folder.path)).collect())
}

/// Collects folders, no more than an index takes.
struct Folders<'a> {
    found: Vec<FoundFolder>,
    /// Bytes of what all threads found.
    bytes: &'a AtomicUsize,
    stop: &'a Stop,
}

impl Visitor for Folders<'_> {
    const FILES: bool = false;

    fn folder(&mut self, path: &str, files: &[String]) {
        let folder = FoundFolder::new(path, files);
        let bytes = folder.memory_bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > MAX_INDEX_BYTES {
            self.stop.set();
            return;
        }
        self.found.push(folder);
    }
}

/// Walks folders, each with the rules of the one that it is in.
fn walk_from(index: &TreeIndex, starts: Vec<(String, Arc<Rules>)>) -> Result<(Vec<FoundFolder>, bool), WorkspaceError> {
    if starts.is_empty() {
        return Ok((Vec::new(), false));
    }
    let (stop, bytes) = (Stop::default(), AtomicUsize::new(0));
    let walk = Walk {
        root: index.handle()?,
        obey_rules: true,
        filter: PathFilter::new(&[], &[])?,
        folders: &[],
        max_entries: MAX_WALKED_ENTRIES,
        stop: &stop,
    };
    let (found, cut_short) = walk_below(&walk, starts, || Folders { found: Vec::new(), bytes: &bytes, stop: &stop });
    // Nobody else stops it.
    let cut_short = cut_short || stop.is_set();
    Ok((found.into_iter().flat_map(|folders| folders.found).collect(), cut_short))
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
    fn new(index: &TreeIndex, rules: &mut RulesNow<'_>, changes: &[FileChange]) -> Self {
        let mut plan = Self::default();
        // Sorted: a folder before what is in it.
        let walked = BTreeSet::from_iter(changes.iter().filter_map(|change| rules_changed(&change.path)));
        for folder in walked {
            plan.walk(index, rules, &folder);
        }
        for change in changes {
            let path = &change.path;
            if path.as_str().split('/').any(|name| name == ".git") || plan.will_walk(path.as_str()) {
                continue;
            }
            match change.kind {
                ChangeKind::Updated => plan.recent.push(path.as_str().to_owned()),
                ChangeKind::Added | ChangeKind::Deleted => plan.look_at(index, rules, path, change.kind),
            }
        }
        plan
    }

    /// What is at a path now counts, not what was told of it.
    fn look_at(&mut self, index: &TreeIndex, rules: &mut RulesNow<'_>, path: &RelPath, kind: ChangeKind) {
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        if !index.paths().has_folder(folder) {
            return;
        }
        let Some(facts) = index.root.symlink_metadata(os_path(path)).ok() else {
            return self.gone.push(path.as_str().to_owned());
        };
        let rules = rules.inside(folder);
        let is_held = |is_folder: bool| !rules.ignores(path.as_str(), is_folder);
        if facts.is_dir() && is_held(true) {
            self.folders.push((path.as_str().to_owned(), rules));
        } else if facts.is_file() && is_held(false) {
            self.there.push((folder.to_owned(), name.to_owned()));
            if kind == ChangeKind::Added {
                self.recent.push(path.as_str().to_owned());
            }
        } else {
            self.gone.push(path.as_str().to_owned());
        }
    }

    /// The folder is walked again, where it is held.
    fn walk(&mut self, index: &TreeIndex, rules: &mut RulesNow<'_>, folder: &str) {
        if self.will_walk(folder) || !index.paths().has_folder(folder) {
            return;
        }
        self.folders.extend(rules.above(folder).map(|rules| (folder.to_owned(), rules)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_no_more_than_an_index_takes() {
        let (stop, bytes) = (Stop::default(), AtomicUsize::new(0));
        let mut folders = Folders { found: Vec::new(), bytes: &bytes, stop: &stop };
        let long = "d/".repeat(1900);
        let mut visited = 0;
        while !stop.is_set() {
            folders.folder(&format!("{long}{visited}"), &["file".to_owned()]);
            visited += 1;
        }
        assert_eq!(folders.found.len(), visited - 1);
        let held: usize = folders.found.iter().map(FoundFolder::memory_bytes).sum();
        assert!(held <= MAX_INDEX_BYTES && held > MAX_INDEX_BYTES * 9 / 10, "{held}");
    }

    #[test]
    fn too_many_unwatched_folders_become_the_whole_tree() {
        let few = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(bounded(few.clone()), few);
        let many = (0..MAX_UNWATCHED_BYTES / 4000).map(|number| format!("{}{number}", "d/".repeat(2000))).collect();
        assert_eq!(bounded(many), BTreeSet::from([String::new()]));
    }
}
