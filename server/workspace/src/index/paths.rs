//! The paths of one tree, held so that many of them take little room.
//!
//! Each folder has its path once and the names of its files one behind the other in one block: no allocation and no pointer for a
//! file. With each name come its length and the set of its letters, which leaves out most files before a character is compared.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::search::rank::{Best, Candidate, Letters};

/// Most files of one tree that are held; a search says that there are more.
pub const MAX_INDEXED_FILES: usize = 1_000_000;
/// Most bytes that the folders and files of one tree take, about; a search says that there are more.
pub const MAX_INDEX_BYTES: usize = 64 * 1024 * 1024;
/// Files changed last that come before others that match as well.
const RECENT_FILES: usize = 64;
/// What a file that changed lately counts more: about as much as one more letter that matches.
const RECENT_BONUS: u32 = 20;
/// Folders that a thread takes on at once.
const FOLDERS_AT_ONCE: usize = 64;
/// Bytes of a name's length and letters.
const NAME_HEAD_BYTES: usize = 5;
/// What a map needs for an entry beside it, at the usual filling.
const MAP_BYTES: usize = 8;
/// What a folder takes beside its path and the names in it.
const FOLDER_BYTES: usize = size_of::<(Box<str>, Folder)>() + MAP_BYTES;

/// A folder as the walk found it.
pub(super) struct FoundFolder {
    pub(super) path: Box<str>,
    names: Names,
}

impl FoundFolder {
    pub(super) fn new(path: &str, files: &[String]) -> Self {
        let mut names = Names::default();
        for name in files {
            names.push(name);
        }
        names.shrink();
        Self { path: path.into(), names }
    }

    /// What it takes in an index, and about what it takes until it is in one.
    pub(super) fn memory_bytes(&self) -> usize {
        FOLDER_BYTES + self.path.len() + self.names.memory_bytes()
    }
}

#[derive(Default)]
pub(super) struct Paths {
    folders: BTreeMap<Box<str>, Folder>,
    files: usize,
    bytes: usize,
    /// There are files that are not held.
    pub(super) cut_short: bool,
    /// The last one first.
    recent: VecDeque<Box<str>>,
}

struct Folder {
    letters: Letters,
    names: Names,
}

/// Names one behind the other, and of each its length in a byte and its letters in four.
#[derive(Default)]
struct Names {
    heads: Vec<[u8; NAME_HEAD_BYTES]>,
    text: String,
}

impl Names {
    /// Where each of them is, and its letters: whether it is worth a look shows without its text.
    fn places(&self) -> impl Iterator<Item = (Range<usize>, Letters)> {
        let mut at = 0;
        self.heads.iter().map(move |[length, letters @ ..]| {
            let place = at..at + usize::from(*length);
            at = place.end;
            (place, Letters(u32::from_le_bytes(*letters)))
        })
    }

    fn push(&mut self, name: &str) {
        let Ok(length) = u8::try_from(name.len()) else { return };
        let [a, b, c, d] = Letters::of(name).0.to_le_bytes();
        self.heads.push([length, a, b, c, d]);
        self.text.push_str(name);
    }

    /// Which one it is, and where.
    fn find(&self, wanted: &str) -> Option<(usize, Range<usize>)> {
        let found = |(_, (place, _)): &(usize, (Range<usize>, Letters))| self.text.get(place.clone()) == Some(wanted);
        self.places().enumerate().find(found).map(|(index, (place, _))| (index, place))
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some((index, place)) = self.find(name) else { return false };
        self.heads.remove(index);
        self.text.drain(place);
        true
    }

    fn count(&self) -> usize {
        self.heads.len()
    }

    fn truncate(&mut self, most: usize) {
        let end = self.places().nth(most).map(|(place, _)| place.start);
        self.text.truncate(end.unwrap_or(self.text.len()));
        self.heads.truncate(most);
    }

    fn shrink(&mut self) {
        self.heads.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    fn memory_bytes(&self) -> usize {
        self.heads.capacity() * NAME_HEAD_BYTES + self.text.capacity()
    }
}

/// The folder that a path is in; that of the root is the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Paths {
    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// Bytes in memory, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.folders.contains_key(path)
    }

    /// Puts in what a walk found, as much as there is room for.
    pub(super) fn insert(&mut self, found: Vec<FoundFolder>) {
        for FoundFolder { path, mut names } in found {
            self.take_out(&path);
            let room = MAX_INDEXED_FILES.saturating_sub(self.files);
            if names.count() > room {
                self.cut_short = true;
                names.truncate(room);
            }
            let bytes = FOLDER_BYTES + path.len() + names.memory_bytes();
            if self.bytes + bytes > MAX_INDEX_BYTES {
                self.cut_short = true;
                continue;
            }
            self.files += names.count();
            self.bytes += bytes;
            let letters = Letters::of(&path);
            self.folders.insert(path, Folder { letters, names });
        }
    }

    /// A file is there.
    pub(super) fn add(&mut self, folder: &str, name: &str) {
        // The names of one folder may grow beyond it, once.
        let full = self.files >= MAX_INDEXED_FILES || self.bytes >= MAX_INDEX_BYTES;
        let Some(folder) = self.folders.get_mut(folder) else { return };
        if folder.names.find(name).is_some() {
            return;
        }
        self.cut_short |= full;
        if !full {
            let before = folder.names.memory_bytes();
            folder.names.push(name);
            self.bytes += folder.names.memory_bytes() - before;
            self.files += 1;
        }
    }

    /// Neither a file nor a folder is there.
    pub(super) fn remove(&mut self, path: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(folder) = self.folders.get_mut(folder)
            && folder.names.remove(name)
        {
            self.files -= 1;
        }
        let below: Vec<_> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.take_out(&path);
        }
    }

    fn take_out(&mut self, path: &str) {
        if let Some(folder) = self.folders.remove(path) {
            self.files -= folder.names.count();
            self.bytes -= FOLDER_BYTES + path.len() + folder.names.memory_bytes();
        }
    }

    /// A folder and those below it.
    fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a Box<str>, &'a Folder)> {
        let own = self.folders.get_key_value(path);
        // `0` is the character after `/`.
        let (from, to) = if path.is_empty() {
            (String::from("\u{1}"), Bound::Unbounded)
        } else {
            (format!("{path}/"), Bound::Excluded(format!("{path}0").into_boxed_str()))
        };
        let range = (Bound::Included(from.into_boxed_str()), to);
        own.into_iter().chain(self.folders.range::<Box<str>, _>(range))
    }

    /// A file's content changed, or it came to be.
    pub(super) fn note_recent(&mut self, path: &str) {
        self.recent.retain(|recent| **recent != *path);
        self.recent.push_front(path.into());
        self.recent.truncate(RECENT_FILES);
    }

    /// Goes on with what changed last in former paths.
    pub(super) fn take_recent(&mut self, former: &mut Self) {
        self.recent = std::mem::take(&mut former.recent);
    }

    /// Offers every file in `folder` and below to the collectors, one of which each thread has.
    pub(super) fn offer_all(
        &self,
        folder: &str,
        collectors: &mut [Best],
        stopped: impl Fn() -> bool + Sync,
        admits: impl Fn(&str) -> bool + Sync,
    ) {
        let folders: Vec<_> = self.below(folder).collect();
        let recent: HashSet<(&str, &str)> =
            self.recent.iter().map(|path| path.rsplit_once('/').unwrap_or(("", path))).collect();
        let recent_folders: HashSet<&str> = recent.iter().map(|(folder, _)| *folder).collect();
        let next = AtomicUsize::new(0);
        let work = |best: &mut Best| {
            while !stopped() {
                let from = next.fetch_add(FOLDERS_AT_ONCE, Ordering::Relaxed);
                let Some(some) = folders.get(from..folders.len().min(from + FOLDERS_AT_ONCE)) else { return };
                if some.is_empty() {
                    return;
                }
                for (folder_path, folder) in some {
                    best.enter(folder_path, folder.letters);
                    let any_recent = recent_folders.contains(&***folder_path);
                    for (place, letters) in folder.names.places() {
                        if best.rules_out(letters) {
                            continue;
                        }
                        let Some(name) = folder.names.text.get(place) else { continue };
                        let file = Candidate { folder: folder_path, folder_letters: folder.letters, name, letters };
                        let is_recent = any_recent && recent.contains(&(&**folder_path, name));
                        let bonus = if is_recent { RECENT_BONUS } else { 0 };
                        best.offer(file, bonus, &admits);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            let Some((first, others)) = collectors.split_first_mut() else { return };
            for best in others {
                scope.spawn(|| work(best));
            }
            work(first);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rank::{Demand, Scorer};
    use coditect_protocol::search::FindFiles;

    fn found(folders: &[(&str, &[&str])]) -> Vec<FoundFolder> {
        let folder = |(path, files): &(&str, &[&str])| {
            let files: Vec<_> = files.iter().map(|name| (*name).to_owned()).collect();
            FoundFolder::new(path, &files)
        };
        folders.iter().map(folder).collect()
    }

    fn all(paths: &Paths, folder: &str, pattern: &str) -> Vec<String> {
        let query = FindFiles { pattern: pattern.to_owned(), fuzzy: true, ..FindFiles::default() };
        let scorer = Scorer::new(&query).unwrap();
        let mut collectors = vec![Best::new(scorer.clone(), 100, Demand::Any), Best::new(scorer, 100, Demand::Any)];
        paths.offer_all(folder, &mut collectors, || false, |_| true);
        Best::merge(collectors, 100).0
    }

    #[test]
    fn holds_what_is_there() {
        let mut paths = Paths::default();
        paths.insert(found(&[("", &["a", "ä"]), ("s", &["b"]), ("s/t", &["c", "d"]), ("st", &["e"]), ("s-t", &["f"])]));
        assert_eq!(paths.files(), 7);
        assert_eq!(all(&paths, "s", ""), ["s/b", "s/t/c", "s/t/d"]);
        paths.add("s", "new");
        paths.add("s", "new");
        paths.add("nowhere", "new");
        paths.remove("a");
        paths.remove("s/t");
        paths.remove("s/nothing");
        assert_eq!(all(&paths, "", ""), ["ä", "s/b", "st/e", "s-t/f", "s/new"]);
        assert_eq!(paths.files(), 5);
        paths.insert(found(&[("s", &["b"])]));
        paths.remove("");
        assert_eq!((paths.files(), all(&paths, "", "").len()), (0, 0));
        assert_eq!(paths.memory_bytes(), 0, "what went is not counted any more");
    }

    #[test]
    fn folders_take_no_more_than_there_is_room_for() {
        let long = "d/".repeat(1900);
        let mut paths = Paths::default();
        let folders = MAX_INDEX_BYTES / long.len() + 100;
        paths.insert((0..folders).map(|number| FoundFolder::new(&format!("{long}{number}"), &[])).collect());
        assert!(paths.cut_short && paths.memory_bytes() <= MAX_INDEX_BYTES);
        assert!(paths.folders.len() > MAX_INDEX_BYTES / long.len() * 9 / 10);
        let held: usize = paths.folders.keys().map(|path| path.len() + FOLDER_BYTES).sum();
        assert_eq!(held, paths.memory_bytes());
        // Where there is room again, it is used.
        paths.remove(&format!("{long}7"));
        paths.insert(vec![FoundFolder::new("short", &["file".to_owned()])]);
        assert_eq!(all(&paths, "short", "").len(), 1);
    }

    #[test]
    fn files_beyond_the_most_are_left_out() {
        let names: Vec<_> = (0..MAX_INDEXED_FILES / 4 + 1).map(|number| format!("{number}")).collect();
        let mut paths = Paths::default();
        for folder in ["a", "b", "c", "d"] {
            paths.insert(vec![FoundFolder::new(folder, &names)]);
        }
        assert!(paths.cut_short && paths.files() == MAX_INDEXED_FILES);
        let last = &paths.folders["d"].names;
        assert_eq!(last.places().last().unwrap().0.end, last.text.len());
        paths.add("a", "one-more");
        assert_eq!(paths.files(), MAX_INDEXED_FILES);
    }

    #[test]
    fn what_changed_last_comes_before_its_equals() {
        let mut paths = Paths::default();
        paths.insert(found(&[("a", &["mod.rs"]), ("b", &["mod.rs", "modern.rs"])]));
        paths.note_recent("b/mod.rs");
        assert_eq!(all(&paths, "", "mod.rs")[..2], ["b/mod.rs", "a/mod.rs"]);
        assert_eq!(all(&paths, "", "")[0], "b/mod.rs");
    }
}
