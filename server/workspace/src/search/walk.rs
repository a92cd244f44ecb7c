//! The parallel walk over everything below a root.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, File, OpenOptions};
use coditect_protocol::RelPath;
use coditect_protocol::path::MAX_PATH_BYTES;

use super::globs::PathFilter;
use super::rules::{Marks, Rules};
use super::{Stop, threads};

/// Most entries of folders that one search for files looks at (a bound on its time, not on what a workspace may hold).
pub const MAX_WALKED_ENTRIES: u64 = 1_000_000;

/// Files handed to a thread at once.
const FILE_BATCH: usize = 64;
/// How often a thread with nothing to do looks whether the search was stopped.
const IDLE_CHECK: Duration = Duration::from_millis(5);

/// What to walk over.
pub(super) struct Walk<'a> {
    pub(super) root: Dir,
    pub(super) obey_rules: bool,
    pub(super) filter: PathFilter,
    /// Only what lies in one of these; everywhere, where empty.
    pub(super) folders: &'a [RelPath],
    pub(super) max_entries: u64,
    pub(super) stop: &'a Stop,
}

/// Gets the files of one thread.
pub(super) trait Visitor: Send {
    /// A regular file `name` in `folder`, whose path from the root is `path`.
    fn file(&mut self, folder: &Dir, name: &str, path: &str);
}

enum Job {
    Folder { path: String, rules: Arc<Rules> },
    Files { folder: String, names: Vec<String> },
}

/// What a listing gives.
#[derive(Default)]
struct Listing {
    files: Vec<String>,
    folders: Vec<String>,
    marks: Marks,
}

/// Visits every file that is wanted, each by one of the visitors. Gives them back, and whether the limit of entries
/// ended it.
pub(super) fn walk<V: Visitor>(walk: &Walk<'_>, make: impl Fn() -> V) -> (Vec<V>, bool) {
    let crew = Crew {
        walk,
        jobs: Mutex::new(Jobs { waiting: vec![Job::Folder { path: String::new(), rules: Arc::default() }], busy: 0 }),
        changed: Condvar::new(),
        entries: AtomicU64::new(0),
        cut_short: AtomicBool::new(false),
    };
    let mut visitors: Vec<V> = (0..threads()).map(|_| make()).collect();
    std::thread::scope(|scope| {
        // The calling thread is one of the crew.
        let (first, others) = visitors.split_at_mut(1);
        for visitor in others {
            scope.spawn(|| crew.work(visitor));
        }
        crew.work(&mut first[0]);
    });
    (visitors, crew.cut_short.into_inner())
}

struct Crew<'a> {
    walk: &'a Walk<'a>,
    jobs: Mutex<Jobs>,
    changed: Condvar,
    entries: AtomicU64,
    cut_short: AtomicBool,
}

/// Newest first, so that few are waiting.
struct Jobs {
    waiting: Vec<Job>,
    busy: usize,
}

/// Counts a thread as idle again however its job ends.
struct Busy<'a, 'b>(&'a Crew<'b>);

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        self.0.jobs().busy -= 1;
        self.0.changed.notify_all();
    }
}

impl Crew<'_> {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, visitor: &mut impl Visitor) {
        while let Some((job, _busy)) = self.next() {
            match job {
                Job::Folder { path, rules } => self.folder(&path, &rules, visitor),
                Job::Files { folder, names } => {
                    if let Some(dir) = self.open(&folder) {
                        self.files(&dir, &folder, &names, visitor);
                    }
                }
            }
        }
    }

    /// The next job; `None` when there is none and no thread that could make one, or the search was stopped.
    fn next(&self) -> Option<(Job, Busy<'_, '_>)> {
        let mut jobs = self.jobs();
        loop {
            if self.walk.stop.is_set() {
                return None;
            }
            if let Some(job) = jobs.waiting.pop() {
                jobs.busy += 1;
                return Some((job, Busy(self)));
            }
            if jobs.busy == 0 {
                return None;
            }
            jobs = self.changed.wait_timeout(jobs, IDLE_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn open(&self, path: &str) -> Option<Dir> {
        if path.is_empty() {
            return self.walk.root.try_clone().ok();
        }
        self.walk.root.open_dir_nofollow(path).ok()
    }

    fn folder(&self, path: &str, above: &Arc<Rules>, visitor: &mut impl Visitor) {
        let Some(dir) = self.open(path) else { return };
        let Some(mut listing) = self.list(&dir) else { return };
        let rules =
            if self.walk.obey_rules { Rules::enter(above, &dir, path, &listing.marks) } else { Arc::clone(above) };
        listing.files.retain(|name| self.wants(&join(path, name), false, &rules));
        let folders = listing.folders.iter().map(|name| join(path, name)).filter(|path| self.wants(path, true, &rules));
        let mut made: Vec<Job> = folders.map(|path| Job::Folder { path, rules: Arc::clone(&rules) }).collect();
        let own = listing.files.split_off(listing.files.len().saturating_sub(FILE_BATCH));
        made.extend(
            listing.files.chunks(FILE_BATCH).map(|names| Job::Files { folder: path.to_owned(), names: names.to_vec() }),
        );
        if !made.is_empty() {
            self.jobs().waiting.append(&mut made);
            self.changed.notify_all();
        }
        self.files(&dir, path, &own, visitor);
    }

    /// The names in a folder. Names that are not UTF-8 cannot be told to a page and are left out.
    fn list(&self, dir: &Dir) -> Option<Listing> {
        let mut listing = Listing::default();
        for entry in dir.entries().ok()?.flatten() {
            if self.walk.stop.is_set() {
                return None;
            }
            if self.entries.fetch_add(1, Ordering::Relaxed) >= self.walk.max_entries {
                self.cut_short.store(true, Ordering::Relaxed);
                self.walk.stop.set();
                break;
            }
            let Ok(name) = entry.file_name().into_string() else { continue };
            listing.marks.note(&name);
            if name == ".git" {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => listing.folders.push(name),
                Ok(kind) if kind.is_file() => listing.files.push(name),
                _ => {}
            }
        }
        Some(listing)
    }

    fn files(&self, dir: &Dir, folder: &str, names: &[String], visitor: &mut impl Visitor) {
        for name in names {
            if self.walk.stop.is_set() {
                return;
            }
            visitor.file(dir, name, &join(folder, name));
        }
    }

    fn wants(&self, path: &str, is_folder: bool, rules: &Rules) -> bool {
        if path.len() > MAX_PATH_BYTES {
            return false;
        }
        let place = place_of(path, self.walk.folders);
        let filtered =
            || if is_folder { self.walk.filter.wants_folder(path) } else { self.walk.filter.wants_file(path) };
        match place {
            Place::Elsewhere => false,
            // Who names a folder wants what is in it, though it be ignored itself.
            Place::OnTheWay => is_folder && self.walk.filter.wants_folder(path),
            Place::Named => filtered(),
            Place::Inside => filtered() && !(self.walk.obey_rules && rules.ignores(path, is_folder)),
        }
    }
}

/// How a path lies to the folders that were asked for.
enum Place {
    Inside,
    Named,
    OnTheWay,
    Elsewhere,
}

fn place_of(path: &str, folders: &[RelPath]) -> Place {
    if folders.is_empty() || folders.iter().any(RelPath::is_root) {
        return Place::Inside;
    }
    let below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let mut place = Place::Elsewhere;
    for folder in folders.iter().map(RelPath::as_str) {
        if path == folder {
            return Place::Named;
        }
        if below(path, folder) {
            place = Place::Inside;
        } else if below(folder, path) && matches!(place, Place::Elsewhere) {
            place = Place::OnTheWay;
        }
    }
    place
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Opens a regular file for reading: no link, no waiting for the other end of a pipe.
pub(super) fn open_file(dir: &Dir, name: &str) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = dir.open_with(name, &options).ok()?;
    file.metadata().is_ok_and(|facts| facts.is_file()).then_some(file)
}

/// The first `most` bytes of a regular file.
pub(super) fn read_small(dir: &Dir, name: &str, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(dir, name)?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
