use super::*;
use crate::tree::TreeSettings;
use bytes::Bytes;
use coditect_protocol::RelPath;
use coditect_protocol::files::{ChangeKind, WriteMode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

/// A change that does not come within this time does not come.
const PATIENCE: Duration = Duration::from_secs(20);

fn somebody() -> UserId {
    UserId(uuid::Uuid::new_v4())
}

fn alone() -> TreeShare {
    share::tests::alone(&WatchSettings::default())
}

struct Fixture {
    dir: TempDir,
    tree: Tree,
    watchers: Watchers,
}

impl Fixture {
    async fn new(settings: WatchSettings) -> Self {
        let dir = TempDir::new().unwrap();
        let tree = Tree::open(dir.path().to_owned(), TreeSettings::default()).await.unwrap();
        Self { dir, tree, watchers: Watchers::new(settings).unwrap() }
    }

    fn real(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    async fn subscribe(&self) -> Heard {
        self.subscribe_as(somebody()).await
    }

    async fn subscribe_as(&self, person: UserId) -> Heard {
        let subscription = self.watchers.subscribe(person, &self.tree).await.unwrap();
        Heard { subscription, last: BTreeMap::new(), moves: Vec::new(), states: Vec::new(), rescans: 0 }
    }
}

/// What a subscriber was told, the last about each path.
struct Heard {
    subscription: Subscription,
    last: BTreeMap<String, ChangeKind>,
    moves: Vec<(String, String)>,
    states: Vec<WatchState>,
    rescans: usize,
}

impl Heard {
    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let item = tokio::time::timeout(PATIENCE, self.subscription.next()).await;
            let item = item.unwrap_or_else(|_| panic!("not told: {what}; told {:?}", self.last));
            match item.expect("the watcher goes on") {
                WatchItem::Rescan => self.rescans += 1,
                WatchItem::State(state) => self.states.push(state),
                WatchItem::Changes(changes) => {
                    for change in changes {
                        if let Some(from) = change.from {
                            assert_eq!(self.last.get(from.as_str()), Some(&Deleted), "told as deleted before");
                            self.moves.push((from.as_str().to_owned(), change.path.as_str().to_owned()));
                        }
                        self.last.insert(change.path.as_str().to_owned(), change.kind);
                    }
                }
            }
        }
    }

    async fn expect(&mut self, expected: &[(&str, ChangeKind)]) {
        let what = format!("{expected:?}");
        self.until(&what, |heard| expected.iter().all(|(path, kind)| heard.last.get(*path) == Some(kind))).await;
    }
}

use ChangeKind::{Added, Deleted, Updated};

#[tokio::test]
async fn tells_of_files_and_folders() {
    let f = Fixture::new(WatchSettings::default()).await;
    std::fs::write(f.real("old"), "x").unwrap();
    let mut heard = f.subscribe().await;
    std::fs::write(f.real("new"), "x").unwrap();
    std::fs::write(f.real("old"), "y").unwrap();
    heard.expect(&[("new", Added), ("old", Updated)]).await;
    std::fs::rename(f.real("new"), f.real("newer")).unwrap();
    heard.expect(&[("new", Deleted), ("newer", Added)]).await;
    assert_eq!(heard.moves, [("new".to_owned(), "newer".to_owned())]);
    std::fs::remove_file(f.real("newer")).unwrap();
    heard.expect(&[("newer", Deleted)]).await;
    // Folders made faster than they can be watched, with something in them.
    std::fs::create_dir_all(f.real("a/b/c/d")).unwrap();
    std::fs::write(f.real("a/b/c/d/file"), "x").unwrap();
    heard.expect(&[("a", Added), ("a/b", Added), ("a/b/c/d", Added), ("a/b/c/d/file", Added)]).await;
    // They are watched now, also under their new names.
    std::fs::rename(f.real("a/b"), f.real("moved")).unwrap();
    heard.expect(&[("a/b", Deleted), ("moved", Added), ("moved/c/d/file", Added)]).await;
    std::fs::write(f.real("moved/c/d/file"), "y").unwrap();
    heard.expect(&[("moved/c/d/file", Updated)]).await;
    std::fs::remove_dir_all(f.real("moved")).unwrap();
    heard.expect(&[("moved", Deleted)]).await;
    assert_eq!(heard.rescans, 0);
}

#[tokio::test]
async fn a_save_is_one_update_and_no_temporary_file_shows() {
    let f = Fixture::new(WatchSettings::default()).await;
    let path = RelPath::parse("file").unwrap();
    f.tree.write(&path, Bytes::from_static(b"1"), WriteMode::CreateNew).await.unwrap();
    let mut heard = f.subscribe().await;
    f.tree.write(&path, Bytes::from_static(b"2"), WriteMode::Overwrite).await.unwrap();
    heard.expect(&[("file", Updated)]).await;
    let new = RelPath::parse("new").unwrap();
    f.tree.write(&new, Bytes::from_static(b"2"), WriteMode::CreateNew).await.unwrap();
    heard.expect(&[("new", Added)]).await;
    assert_eq!(heard.last.len(), 2, "{:?}", heard.last);
}

#[tokio::test]
async fn what_is_ignored_is_not_told() {
    let f = Fixture::new(WatchSettings::default()).await;
    std::fs::create_dir_all(f.real(".git/objects/ab")).unwrap();
    let mut heard = f.subscribe().await;
    std::fs::write(f.real(".git/objects/ab/cd"), "x").unwrap();
    std::fs::create_dir_all(f.real("web/node_modules/pkg")).unwrap();
    std::fs::write(f.real("web/node_modules/pkg/index.js"), "x").unwrap();
    std::fs::write(f.real(".git/HEAD"), "x").unwrap();
    std::fs::write(f.real("last"), "x").unwrap();
    heard.expect(&[("last", Added), (".git/HEAD", Added), ("web/node_modules", Added)]).await;
    let told: Vec<_> = heard.last.keys().map(String::as_str).collect();
    assert_eq!(told, [".git/HEAD", "last", "web", "web/node_modules"]);
}

#[tokio::test]
async fn subscribers_share_a_watcher_which_stops_with_the_last() {
    let f = Fixture::new(WatchSettings::default()).await;
    // By another handle of the same directory, too.
    let other = Tree::open(f.dir.path().to_owned(), TreeSettings::default()).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..20 {
        heard.push(f.subscribe().await);
    }
    let more = f.watchers.subscribe(somebody(), &other).await.unwrap();
    assert_eq!(f.watchers.watched_trees(), 1);
    std::fs::write(f.real("file"), "x").unwrap();
    for one in &mut heard {
        one.expect(&[("file", Added)]).await;
    }
    let watch = Arc::downgrade(&heard[0].subscription.watch);
    let stop = heard[0].subscription.watch.stop.clone();
    drop(heard);
    assert!(!stop.is_cancelled());
    drop(more);
    assert!(stop.is_cancelled() && watch.upgrade().is_none());
    assert_eq!(f.watchers.watched_trees(), 0);
    let mut again = f.subscribe().await;
    std::fs::write(f.real("file2"), "x").unwrap();
    again.expect(&[("file2", Added)]).await;
}

#[tokio::test]
async fn too_many_changes_at_once_become_a_rescan_and_watching_goes_on() {
    let settings = WatchSettings { max_pending_changes: 50, ..WatchSettings::default() };
    let f = Fixture::new(settings).await;
    let mut heard = f.subscribe().await;
    for number in 0..200 {
        std::fs::write(f.real(&format!("file{number}")), "x").unwrap();
    }
    heard.until("a rescan", |heard| heard.rescans > 0).await;
    std::fs::create_dir(f.real("later")).unwrap();
    std::fs::write(f.real("later/x"), "x").unwrap();
    heard.expect(&[("later/x", Added)]).await;
}

#[tokio::test]
async fn lost_events_become_a_rescan_and_new_folders_are_found() {
    let dir = TempDir::new().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
    let rules = IgnoreRules::new(&[]).unwrap();
    let mut scanner = Scanner::start(root, &WatchSettings::default(), rules, Arc::default(), alone()).unwrap();
    // Nobody reads: the system's queue runs over, and the folder made last is in none of its events.
    let limit: usize =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    std::fs::write(&a, "").unwrap();
    for _ in 0..=limit / 2 {
        std::fs::rename(&a, &b).unwrap();
        std::fs::rename(&b, &a).unwrap();
    }
    std::fs::create_dir(dir.path().join("unseen")).unwrap();
    while !scanner.is_drained() {
        assert_eq!(scanner.read(), []);
    }
    assert!(scanner.lost_changes());
    assert_eq!(scanner.take(), [WatchItem::Rescan]);
    assert_eq!(scanner.take(), []);
    std::fs::write(dir.path().join("unseen/file"), "x").unwrap();
    scanner.read();
    let change = FileChange { kind: Added, path: RelPath::parse("unseen/file").unwrap(), from: None };
    assert_eq!(scanner.take(), [WatchItem::Changes(vec![change])]);
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_told_to_look_again() {
    let f = Fixture::new(WatchSettings { debounce: Duration::ZERO, ..WatchSettings::default() }).await;
    let mut slow = f.subscribe().await;
    let mut quick = f.subscribe().await;
    for number in 0..2 * MAX_BATCHES_BEHIND {
        let name = format!("file{number}");
        std::fs::write(f.real(&name), "x").unwrap();
        quick.expect(&[(&name, Added)]).await;
    }
    assert_eq!(quick.rescans, 0);
    slow.until("a rescan", |heard| heard.rescans > 0).await;
}

#[tokio::test]
async fn renames_are_paired() {
    let f = Fixture::new(WatchSettings::default()).await;
    std::fs::create_dir_all(f.real("folder/below")).unwrap();
    std::fs::write(f.real("folder/below/file"), "x").unwrap();
    std::fs::write(f.real("a"), "x").unwrap();
    let mut heard = f.subscribe().await;
    let moved = |from: &str, to: &str| std::fs::rename(f.real(from), f.real(to)).unwrap();
    // In two steps, across folders.
    moved("a", "b");
    moved("b", "folder/c");
    heard.expect(&[("a", Deleted), ("folder/c", Added)]).await;
    moved("folder", "other");
    heard.expect(&[("folder", Deleted), ("other", Added), ("other/below/file", Added)]).await;
    let expected = [("a", "folder/c"), ("folder", "other")];
    assert_eq!(heard.moves, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    heard.moves.clear();
    // What nobody was told of has no former name; where something new is, nothing was moved away from.
    std::fs::write(f.real("new"), "x").unwrap();
    moved("new", "newer");
    moved("other/c", "away");
    std::fs::write(f.real("other/c"), "again").unwrap();
    heard.expect(&[("newer", Added), ("away", Added), ("other/c", Updated)]).await;
    assert_eq!(heard.moves, []);
}

#[tokio::test]
async fn folders_beyond_the_limit_are_looked_at_instead() {
    let poll_interval = Duration::from_millis(5);
    let f = Fixture::new(WatchSettings { max_folders: 3, poll_interval, ..WatchSettings::default() }).await;
    for name in ["a", "b"] {
        std::fs::create_dir(f.real(name)).unwrap();
    }
    let mut heard = f.subscribe().await;
    std::fs::create_dir(f.real("c")).unwrap();
    heard.until("polling", |heard| heard.states == [WatchState::Polling]).await;
    let warnings = f.watchers.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("watch_max_folders"), "{warnings:?}");
    std::fs::create_dir_all(f.real("c/d/e")).unwrap();
    std::fs::write(f.real("c/d/e/file"), "1").unwrap();
    heard.expect(&[("c", Added), ("c/d", Added), ("c/d/e", Added), ("c/d/e/file", Added)]).await;
    std::fs::write(f.real("c/d/e/file"), "longer").unwrap();
    heard.expect(&[("c/d/e/file", Updated)]).await;
    std::fs::remove_file(f.real("c/d/e/file")).unwrap();
    heard.expect(&[("c/d/e/file", Deleted)]).await;
    // Who comes later is told at once.
    let mut later = f.subscribe().await;
    later.until("polling", |later| later.states == [WatchState::Polling]).await;
    // Once there is room again, folders are watched, and everybody is told.
    for name in ["a", "b"] {
        std::fs::remove_dir(f.real(name)).unwrap();
    }
    std::fs::remove_dir(f.real("c/d/e")).unwrap();
    heard.until("live", |heard| heard.states.last() == Some(&WatchState::Live)).await;
    assert!(f.watchers.warnings().is_empty());
    std::fs::write(f.real("c/d/last"), "").unwrap();
    heard.expect(&[("c/d/last", Added)]).await;
    assert_eq!(heard.rescans, 0);
}

#[tokio::test]
async fn one_person_leaves_the_system_to_others() {
    let poll_interval = Duration::from_millis(5);
    let limits = WatchSettings { max_trees_per_person: 1, max_folders_per_person: 2, ..WatchSettings::default() };
    let one = Fixture::new(WatchSettings { poll_interval, ..limits }).await;
    let others = TempDir::new().unwrap();
    let other = Tree::open(others.path().to_owned(), TreeSettings::default()).await.unwrap();
    let two = Fixture { dir: others, tree: other, watchers: one.watchers.clone() };
    let (greedy, modest) = (somebody(), somebody());
    let mut first = one.subscribe_as(greedy).await;
    let mut second = two.subscribe_as(greedy).await;
    // Beyond their share things are looked at, which is told and misses nothing.
    second.until("polling", |heard| heard.states == [WatchState::Polling]).await;
    std::fs::write(two.real("file"), "x").unwrap();
    second.expect(&[("file", Added)]).await;
    assert_eq!(first.states, []);
    std::fs::create_dir(one.real("a")).unwrap();
    first.expect(&[("a", Added)]).await;
    assert_eq!(first.states, []);
    std::fs::create_dir(one.real("b")).unwrap();
    first.until("polling", |heard| heard.states == [WatchState::Polling]).await;
    let warnings = one.watchers.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("`watch_trees_per_person`"), "{warnings:?}");
    // Somebody else has a share of their own, and what is given up can be had again.
    drop(second);
    let second = two.subscribe_as(modest).await;
    assert!(second.subscription.at_first.is_none());
    drop((first, second));
    let given_back = async {
        while two.subscribe_as(greedy).await.subscription.at_first.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.unwrap();
}

/// What somebody believes to be there who takes in everything that is told.
fn take_in(believed: &mut BTreeMap<PathBuf, bool>, root: &std::path::Path, items: Vec<WatchItem>) {
    for item in items {
        match item {
            WatchItem::Rescan => *believed = disk(root),
            WatchItem::State(_) => {}
            WatchItem::Changes(changes) => {
                for change in changes {
                    let path = root.join(change.path.as_str());
                    if change.kind == Deleted {
                        believed.retain(|known, _| !known.starts_with(&path));
                    } else if let Ok(facts) = path.symlink_metadata() {
                        believed.insert(path, facts.is_dir());
                    }
                }
            }
        }
    }
}

fn disk(root: &std::path::Path) -> BTreeMap<PathBuf, bool> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let is_folder = entry.file_type().unwrap().is_dir();
            found.insert(entry.path(), is_folder);
            folders.extend(is_folder.then(|| entry.path()));
        }
    }
    found
}

/// Storms that run the system's queue over, with quiet times between them: who was told everything knows what is there.
#[tokio::test]
async fn no_change_is_lost_in_a_storm() {
    let dir = TempDir::new().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
    for number in 0..8 {
        std::fs::create_dir(dir.path().join(format!("d{number}"))).unwrap();
    }
    let settings = WatchSettings::default();
    let mut scanner = Scanner::start(root, &settings, IgnoreRules::new(&[]).unwrap(), Arc::default(), alone()).unwrap();
    let limit: usize =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let mut believed = disk(dir.path());
    let (mut state, mut overflows) = (1_u64, 0);
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..6 {
        let changes = if round % 2 == 0 { limit + 1000 } else { 200 };
        for step in 0..changes {
            let folder = dir.path().join(format!("d{}", random(8)));
            let (one, two) = (folder.join(format!("f{}", random(8))), dir.path().join(format!("d{}", random(8))));
            // Most of these fail, and that is part of the storm.
            // A new folder is not watched before it was told of; so first files, then folders too.
            let most_changes = if step + 1000 < changes { 6 } else { 0 };
            let _ = match random(64 - most_changes) + most_changes {
                0..4 => std::fs::create_dir(&folder),
                4 => std::fs::remove_dir_all(&folder),
                5 => std::fs::rename(&folder, &two),
                6..16 => std::fs::remove_file(&one),
                16..26 => std::fs::rename(&one, two.join("moved")),
                _ => std::fs::write(&one, "x"),
            };
        }
        while {
            take_in(&mut believed, dir.path(), scanner.read());
            !scanner.is_drained()
        } {}
        overflows += usize::from(scanner.lost_changes());
        let items = scanner.take();
        take_in(&mut believed, dir.path(), items);
        assert_eq!(believed, disk(dir.path()), "round {round}");
    }
    assert!(overflows > 0);
}

#[tokio::test]
async fn a_link_out_shows_nothing_of_what_lies_there() {
    let f = Fixture::new(WatchSettings::default()).await;
    let outside = TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), f.real("link")).unwrap();
    let mut heard = f.subscribe().await;
    std::os::unix::fs::symlink(outside.path(), f.real("link2")).unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    std::fs::write(f.real("last"), "x").unwrap();
    heard.expect(&[("last", Added)]).await;
    assert!(heard.last.keys().all(|path| !path.contains("secret")), "{:?}", heard.last);
}

#[tokio::test]
async fn subscriptions_end_with_their_tree() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let tree = Tree::open(root.clone(), TreeSettings::default()).await.unwrap();
    let watchers = Watchers::new(WatchSettings::default()).unwrap();
    let mut subscription = watchers.subscribe(somebody(), &tree).await.unwrap();
    std::fs::rename(&root, dir.path().join("trash")).unwrap();
    let end = async { while subscription.next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, end).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_server_left_is_tidied_up() {
    let name = ".coditect-tmp-uleft";
    let f = Fixture::new(WatchSettings::default()).await;
    std::fs::write(f.real(name), "x").unwrap();
    // Written long ago, yet under this name only since now: it is being put aside.
    let file = std::fs::File::options().write(true).open(f.real(name)).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(365 * 24 * 60 * 60)).unwrap();
    drop(f.subscribe().await);
    assert!(f.real(name).exists());
    let f = Fixture::new(WatchSettings { leftover_age: Duration::ZERO, ..WatchSettings::default() }).await;
    std::fs::write(f.real(name), "x").unwrap();
    // The clock of the file system ticks coarser than the process's.
    let changed = std::fs::metadata(f.real(name)).unwrap().modified().unwrap();
    while std::time::SystemTime::now() <= changed {
        tokio::task::yield_now().await;
    }
    let _heard = f.subscribe().await;
    assert!(!f.real(name).exists());
}

#[tokio::test]
async fn folders_that_change_places_stay_watched() {
    let f = Fixture::new(WatchSettings::default()).await;
    for file in ["one/a", "two/b"] {
        std::fs::create_dir(f.real(file).parent().unwrap()).unwrap();
        std::fs::write(f.real(file), "x").unwrap();
    }
    let mut heard = f.subscribe().await;
    let (one, two) = (RelPath::parse("one").unwrap(), RelPath::parse("two").unwrap());
    f.tree.rename(&one, &two, true).await.unwrap();
    heard.expect(&[("one", Deleted), ("two", Added), ("two/a", Added)]).await;
    std::fs::write(f.real("two/later"), "x").unwrap();
    heard.expect(&[("two/later", Added)]).await;
}
