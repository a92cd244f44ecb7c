//! Folders that the system gives no watch for: they are listed from time to time, and what differs is told.

use super::coalesce::{Change, keys_below};
use super::rules::IgnoreRules;
use super::share::{MAX_WATCH_BYTES, TreeShare};
use crate::tree::is_temporary;
use cap_std::fs::{Dir, DirEntry, MetadataExt};
use coditect_protocol::RelPath;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::time::{Duration, Instant};

/// Folders looked at before others get a turn.
const FOLDERS_AT_ONCE: usize = 128;
/// Bytes of a tree's share that are kept for folders. Once no more than that is left, a folder is remembered as one number, and a
/// difference in it becomes a rescan.
const FOLDERS_BYTES: usize = MAX_WATCH_BYTES / 2;
/// What a folder and an entry take beside their names, about.
const FOLDER_BYTES: usize = 128;
const ENTRY_BYTES: usize = 64;
/// Pause before everything is looked at again where not even all folders can be remembered; longer where that takes long.
const START_OVER_PAUSE: Duration = Duration::from_secs(60);
/// Looking takes at most one part in so many of the time.
const IDLE_SHARE: u32 = 20;

/// What a folder looked like.
enum Snapshot {
    /// Each of its entries.
    Entries(HashMap<Box<str>, Facts>),
    /// A digest of them all.
    Digest(u64),
}

/// A name, what happened there, and whether it is or was a folder.
pub(super) type Difference = (String, Change, bool);

/// What an entry looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Facts {
    is_folder: bool,
    /// Of its times, size and inode; of a folder only the inode, for what is in it is looked at by itself.
    digest: u64,
}

impl Snapshot {
    fn take(path: &RelPath, folder: &Dir, rules: &IgnoreRules, room: usize) -> Option<Self> {
        let mut entries = HashMap::new();
        let (mut digest, mut fits, mut bytes) = (0_u64, true, 0);
        for entry in folder.entries().ok()?.flatten() {
            let Some((name, facts)) = look_at(path, &entry, rules) else { continue };
            // Whatever the order in which the system lists them.
            digest = digest.wrapping_add(hash(&(&name, facts)));
            bytes += name.len() + ENTRY_BYTES;
            fits &= bytes <= room;
            if fits {
                entries.insert(name.into_boxed_str(), facts);
            } else {
                entries = HashMap::new();
            }
        }
        Some(if fits { Self::Entries(entries) } else { Self::Digest(digest) })
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.keys().map(|name| name.len() + ENTRY_BYTES).sum(),
            Self::Digest(_) => 0,
        }
    }

    /// What happened between two looks; `None` where that is not known.
    fn differences(before: &Self, now: &Self) -> Option<Vec<Difference>> {
        let (before, now) = match (before, now) {
            (Self::Entries(before), Self::Entries(now)) => (before, now),
            (Self::Digest(before), Self::Digest(now)) if before == now => return Some(Vec::new()),
            _ => return None,
        };
        let mut differences = Vec::new();
        for (name, was) in before {
            if now.get(name).is_none_or(|is| is.is_folder != was.is_folder || (is.is_folder && is != was)) {
                differences.push((name.to_string(), Change::Gone, was.is_folder));
            }
        }
        for (name, is) in now {
            match before.get(name) {
                Some(was) if was == is => {}
                Some(was) if !was.is_folder && !is.is_folder => {
                    differences.push((name.to_string(), Change::Updated, false));
                }
                _ => differences.push((name.to_string(), Change::Created, is.is_folder)),
            }
        }
        Some(differences)
    }
}

fn look_at(folder: &RelPath, entry: &DirEntry, rules: &IgnoreRules) -> Option<(String, Facts)> {
    let name = entry.file_name().into_string().ok()?;
    if is_temporary(&name) || folder.join(&name).is_ok_and(|path| rules.ignores(&path)) {
        return None;
    }
    let facts = entry.metadata().ok()?;
    let is_folder = facts.is_dir();
    let digest = if is_folder {
        hash(&facts.ino())
    } else {
        let times = (facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec());
        hash(&(times, facts.len(), facts.ino()))
    };
    Some((name, Facts { is_folder, digest }))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The folders of one tree without a watch.
pub(super) struct Polled {
    folders: BTreeMap<String, Snapshot>,
    interval: Duration,
    /// The folder that was looked at last in this round.
    last: Option<String>,
    round_began: Instant,
    next_look: Instant,
    /// Folders may have got free watches since the last round.
    try_again: bool,
    /// There are folders that are not remembered, and everything is looked at again then.
    start_over_at: Option<Instant>,
    start_over_pause: Duration,
}

impl Polled {
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            folders: BTreeMap::new(),
            interval,
            last: None,
            round_began: now,
            next_look: now + interval,
            try_again: true,
            start_over_at: None,
            start_over_pause: START_OVER_PAUSE,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.start_over_at.is_none()
    }

    pub(super) fn clear(&mut self, share: &mut TreeShare) {
        for (path, snapshot) in std::mem::take(&mut self.folders) {
            share.give_back_bytes(bytes_of(&path, &snapshot));
        }
        self.last = None;
        self.start_over_at = None;
    }

    pub(super) fn next_look(&self) -> Option<Instant> {
        let folders = (!self.folders.is_empty()).then_some(self.next_look);
        folders.into_iter().chain(self.start_over_at).min()
    }

    /// There are folders that are not remembered.
    pub(super) fn forget_some(&mut self) {
        self.start_over_at.get_or_insert_with(|| Instant::now() + self.start_over_pause);
    }

    /// Whether everything is to be looked at again now; answers so once.
    pub(super) fn is_time_to_start_over(&mut self) -> bool {
        self.start_over_at.take_if(|at| *at <= Instant::now()).is_some()
    }

    #[cfg(test)]
    pub(super) fn start_over_now(&mut self) {
        assert!(self.start_over_at.replace(Instant::now()).is_some(), "everything is remembered");
    }

    /// Everything was looked at again, since then.
    pub(super) fn started_over(&mut self, began: Instant) {
        let now = Instant::now();
        self.start_over_pause = START_OVER_PAUSE.max(now.duration_since(began) * IDLE_SHARE);
        self.start_over_at = self.start_over_at.map(|_| now + self.start_over_pause);
    }

    pub(super) fn add(&mut self, path: &RelPath, folder: &Dir, rules: &IgnoreRules, share: &mut TreeShare) {
        if self.folders.is_empty() {
            self.next_look = Instant::now() + self.interval;
        }
        if path.as_str().len() + FOLDER_BYTES > share.room() {
            self.forget_some();
        } else if let Some(snapshot) = Snapshot::take(path, folder, rules, room_for_entries(share)) {
            self.put(path, snapshot, share);
        }
    }

    fn put(&mut self, path: &RelPath, snapshot: Snapshot, share: &mut TreeShare) {
        self.remove(path.as_str(), share);
        if share.take_bytes(bytes_of(path.as_str(), &snapshot)) {
            self.folders.insert(path.as_str().to_owned(), snapshot);
        } else {
            self.forget_some();
        }
    }

    fn remove(&mut self, path: &str, share: &mut TreeShare) -> Option<Snapshot> {
        let snapshot = self.folders.remove(path)?;
        share.give_back_bytes(bytes_of(path, &snapshot));
        Some(snapshot)
    }

    /// Forgets a folder and those below it.
    pub(super) fn forget(&mut self, path: &RelPath, share: &mut TreeShare) {
        if self.folders.is_empty() {
            return;
        }
        for below in keys_below(&self.folders, path) {
            self.remove(&below, share);
        }
        self.remove(path.as_str(), share);
    }

    /// The folders to look at now. Sets the time of the next look.
    pub(super) fn next_folders(&mut self) -> Vec<RelPath> {
        let now = Instant::now();
        if self.last.is_none() {
            self.round_began = now;
            self.try_again = true;
        }
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let names = self.folders.range::<String, _>((after, Bound::Unbounded)).map(|(path, _)| path);
        let folders: Vec<_> = names.take(FOLDERS_AT_ONCE).filter_map(|path| RelPath::parse(path).ok()).collect();
        if folders.len() < FOLDERS_AT_ONCE {
            self.last = None;
            self.next_look = now + self.interval.max(now.duration_since(self.round_began) * IDLE_SHARE);
        } else {
            self.last = folders.last().map(|path| path.as_str().to_owned());
            self.next_look = now;
        }
        folders
    }

    /// Whether it is worth asking the system for a watch.
    pub(super) fn may_try_again(&self) -> bool {
        self.try_again
    }

    /// The system has none to give in this round.
    pub(super) fn still_short(&mut self) {
        self.try_again = false;
    }

    /// What happened in a folder since the last look; `None` where that is not known. One that is watched by now is looked at
    /// for the last time.
    pub(super) fn look(
        &mut self,
        path: &RelPath,
        folder: &Dir,
        rules: &IgnoreRules,
        is_watched: bool,
        share: &mut TreeShare,
    ) -> Option<Vec<Difference>> {
        let Some(before) = self.remove(path.as_str(), share) else { return Some(Vec::new()) };
        let now = Snapshot::take(path, folder, rules, room_for_entries(share));
        let Some(now) = now else { return Some(Vec::new()) };
        let differences = Snapshot::differences(&before, &now);
        if !is_watched {
            self.put(path, now, share);
        }
        differences
    }
}

fn bytes_of(path: &str, snapshot: &Snapshot) -> usize {
    path.len() + FOLDER_BYTES + snapshot.bytes()
}

fn room_for_entries(share: &TreeShare) -> usize {
    share.room().saturating_sub(FOLDERS_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{WatchSettings, share};
    use tempfile::TempDir;

    fn look(dir: &TempDir, room: usize) -> Snapshot {
        let folder = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        Snapshot::take(&RelPath::root(), &folder, &IgnoreRules::new(&["*.o".to_owned()]).unwrap(), room).unwrap()
    }

    #[test]
    fn tells_what_differs() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["same", "changed", "gone", "becomes-folder", "x.o"] {
            std::fs::write(at(name), "x").unwrap();
        }
        std::fs::create_dir(at("folder")).unwrap();
        let little = 3 * ENTRY_BYTES;
        let (before, coarse) = (look(&dir, usize::MAX), look(&dir, little));
        assert!(coarse.bytes() == 0 && before.bytes() > little);
        assert_eq!(Snapshot::differences(&before, &look(&dir, usize::MAX)).unwrap(), []);
        assert_eq!(Snapshot::differences(&coarse, &look(&dir, little)).unwrap(), []);
        std::fs::write(at("changed"), "longer").unwrap();
        std::fs::remove_file(at("gone")).unwrap();
        std::fs::remove_file(at("becomes-folder")).unwrap();
        std::fs::create_dir(at("becomes-folder")).unwrap();
        std::fs::write(at("new"), "").unwrap();
        std::fs::write(at("folder/inside"), "").unwrap();
        std::fs::write(at("y.o"), "").unwrap();
        let mut told = Snapshot::differences(&before, &look(&dir, usize::MAX)).unwrap();
        told.sort_by_key(|(name, change, _)| (name.clone(), *change != Change::Gone));
        let told: Vec<_> = told.iter().map(|(name, change, folder)| (name.as_str(), *change, *folder)).collect();
        assert_eq!(
            told,
            [
                ("becomes-folder", Change::Gone, false),
                ("becomes-folder", Change::Created, true),
                ("changed", Change::Updated, false),
                ("gone", Change::Gone, false),
                ("new", Change::Created, false),
            ]
        );
        assert!(Snapshot::differences(&coarse, &look(&dir, little)).is_none());
    }

    #[test]
    fn folders_beyond_the_room_have_everything_looked_at_again() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let folder = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        let rules = IgnoreRules::new(&[]).unwrap();
        let mut share = share::tests::alone(&WatchSettings::default());
        let mut polled = Polled::new(Duration::from_secs(3600));
        let long = "d/".repeat(1900);
        let folders = MAX_WATCH_BYTES / long.len() + 100;
        for number in 0..folders {
            polled.add(&RelPath::parse(&format!("{long}{number}")).unwrap(), &folder, &rules, &mut share);
        }
        assert!(polled.folders.len() < folders && share.bytes() <= MAX_WATCH_BYTES);
        let entries = polled.folders.values().filter(|snapshot| matches!(snapshot, Snapshot::Entries(_))).count();
        assert!(entries > 0 && entries < polled.folders.len() * 6 / 10, "{entries} of {}", polled.folders.len());
        let at = polled.start_over_at.unwrap();
        assert!(polled.next_look() == Some(at) && !polled.is_time_to_start_over() && !polled.is_empty());
        polled.start_over_at = Some(Instant::now());
        assert!(polled.is_time_to_start_over() && !polled.is_time_to_start_over());
        polled.clear(&mut share);
        assert!(share.bytes() == 0 && polled.is_empty() && polled.next_look().is_none());
    }
}
