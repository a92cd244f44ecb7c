//! The parallel walk over everything below a root.

use std::fs::File;
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions};
use coditect_protocol::RelPath;
use coditect_protocol::path::MAX_PATH_BYTES;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat};
use rustix::io::Errno;

use super::globs::PathFilter;
use super::rules::{Marks, Rules, RulesBudget};
use super::{Stop, threads};
use crate::tree::is_temporary;

/// Most entries of folders that one search for files looks at (a bound on its time, not on what a workspace may hold).
pub const MAX_WALKED_ENTRIES: u64 = 1_000_000;

/// Bytes of the names that a walk has listed and not looked at yet.
pub const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What a name that waits takes beside its text, about.
const WAITING_NAME_BYTES: usize = 64;
/// Bytes of entries that the system lists at once.
const LISTING_BYTES: usize = 32 * 1024;
/// How often a folder is opened again where renames elsewhere got in the way.
const OPEN_ATTEMPTS: u32 = 4;
/// How often a thread with nothing to do looks whether the search was stopped.
const IDLE_CHECK: Duration = Duration::from_millis(5);

/// What to walk over.
pub(crate) struct Walk<'a> {
    pub(crate) root: Dir,
    pub(crate) obey_rules: bool,
    pub(crate) filter: PathFilter,
    /// Only what lies in one of these; everywhere, where empty.
    pub(crate) folders: &'a [RelPath],
    pub(crate) max_entries: u64,
    pub(crate) stop: &'a Stop,
}

/// Gets what one thread finds.
pub(crate) trait Visitor: Send {
    /// Whether files are visited one by one, and not only told with their folder.
    const FILES: bool = true;

    /// A folder, and the names of the wanted files in it.
    fn folder(&mut self, _path: &str, _files: &[String]) {}

    /// A regular file `name` in `folder`, whose path from the root is `path`.
    fn file(&mut self, _folder: &Dir, _name: &str, _path: &str) {}
}

enum Job<'a> {
    /// The path of the folder that it is in is shared with its neighbours.
    Folder {
        above: Arc<str>,
        name: String,
        rules: Arc<Rules>,
        _waiting: Waiting<'a>,
    },
    Files(Arc<Files<'a>>),
}

/// Bytes of names that wait, counted until they are looked at.
struct Waiting<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    const fn none(all: &'a AtomicUsize) -> Self {
        Self { all, bytes: 0 }
    }

    fn add(&mut self, name: &str) -> bool {
        let bytes = name.len() + WAITING_NAME_BYTES;
        let more = |all: usize| all.checked_add(bytes).filter(|all| *all <= MAX_WAITING_BYTES);
        let fits = self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if fits { bytes } else { 0 };
        fits
    }

    /// That of one name among these, which now waits by itself.
    fn part(&mut self, name: &str) -> Self {
        let bytes = self.bytes.min(name.len() + WAITING_NAME_BYTES);
        self.bytes -= bytes;
        Self { all: self.all, bytes }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The wanted files of a folder. Every thread with nothing else to do takes one after the other, so that a large file holds up none
/// of those behind it.
struct Files<'a> {
    folder: String,
    names: Vec<String>,
    taken: AtomicUsize,
    _waiting: Waiting<'a>,
}

impl Files<'_> {
    /// The next one, for whoever asks.
    fn take(&self) -> Option<&str> {
        self.names.get(self.taken.fetch_add(1, Ordering::Relaxed)).map(String::as_str)
    }

    fn are_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.names.len()
    }
}

/// What a listing gives.
struct Listing<'a> {
    files: Vec<String>,
    folders: Vec<String>,
    marks: Marks,
    waiting: Waiting<'a>,
}

/// Visits every file that is wanted, each by one of the visitors. Gives them back, and whether a limit was reached: of entries, of
/// names that wait, or of rules that are obeyed.
pub(crate) fn walk<V: Visitor>(walk: &Walk<'_>, make: impl Fn() -> V) -> (Vec<V>, bool) {
    walk_below(walk, vec![(String::new(), Arc::default())], make)
}

/// As [`walk()`], from these folders on; each comes with the rules of the folder that it is in.
pub(crate) fn walk_below<V: Visitor>(
    walk: &Walk<'_>,
    starts: Vec<(String, Arc<Rules>)>,
    make: impl Fn() -> V,
) -> (Vec<V>, bool) {
    let names_waiting = AtomicUsize::new(0);
    let start = |(path, rules): (String, Arc<Rules>)| {
        let _waiting = Waiting::none(&names_waiting);
        Job::Folder { above: Arc::default(), name: path, rules, _waiting }
    };
    let crew = Crew {
        walk,
        jobs: Mutex::new(Jobs { waiting: starts.into_iter().map(start).collect(), busy: 0 }),
        changed: Condvar::new(),
        entries: AtomicU64::new(0),
        names_waiting: &names_waiting,
        rules: Arc::default(),
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
    let cut_short = crew.cut_short.load(Ordering::Relaxed) || crew.rules.is_cut();
    (visitors, cut_short)
}

struct Crew<'a> {
    walk: &'a Walk<'a>,
    jobs: Mutex<Jobs<'a>>,
    changed: Condvar,
    entries: AtomicU64,
    names_waiting: &'a AtomicUsize,
    rules: Arc<RulesBudget>,
    cut_short: AtomicBool,
}

/// Newest first, so that few are waiting.
struct Jobs<'a> {
    waiting: Vec<Job<'a>>,
    busy: usize,
}

impl<'a> Jobs<'a> {
    /// Files stay until the last of them is taken.
    fn take(&mut self) -> Option<Job<'a>> {
        loop {
            match self.waiting.last()? {
                Job::Files(files) if !files.are_taken() => return Some(Job::Files(Arc::clone(files))),
                Job::Files(_) => drop(self.waiting.pop()),
                Job::Folder { .. } => return self.waiting.pop(),
            }
        }
    }
}

/// Counts a thread as idle again however its job ends.
struct Busy<'a, 'b>(&'a Crew<'b>);

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        self.0.jobs().busy -= 1;
        self.0.changed.notify_all();
    }
}

impl<'a> Crew<'a> {
    fn jobs(&self) -> MutexGuard<'_, Jobs<'a>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, visitor: &mut impl Visitor) {
        let mut buffer = vec![MaybeUninit::uninit(); LISTING_BYTES];
        while let Some((job, _busy)) = self.next() {
            match job {
                Job::Folder { above, name, rules, _waiting } => {
                    self.folder(&join(&above, &name), &rules, visitor, &mut buffer);
                }
                Job::Files(files) => {
                    if !files.are_taken()
                        && let Some(dir) = open_folder(&self.walk.root, &files.folder)
                    {
                        self.files(&dir, &files, visitor);
                    }
                }
            }
        }
    }

    /// The next job; `None` when there is none and no thread that could make one, or the search was stopped.
    fn next(&self) -> Option<(Job<'a>, Busy<'_, 'a>)> {
        let mut jobs = self.jobs();
        loop {
            if self.walk.stop.is_set() {
                return None;
            }
            if let Some(job) = jobs.take() {
                jobs.busy += 1;
                return Some((job, Busy(self)));
            }
            if jobs.busy == 0 {
                return None;
            }
            jobs = self.changed.wait_timeout(jobs, IDLE_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn folder<V: Visitor>(&self, path: &str, above: &Arc<Rules>, visitor: &mut V, buffer: &mut [MaybeUninit<u8>]) {
        let Some(dir) = open_folder(&self.walk.root, path) else { return };
        let Some(mut listing) = self.list(&dir, buffer) else { return };
        let rules = if self.walk.obey_rules {
            Rules::enter(above, &dir, path, &listing.marks, &self.rules)
        } else {
            Arc::clone(above)
        };
        listing.files.retain(|name| self.wants(&join(path, name), false, &rules));
        listing.folders.retain(|name| self.wants(&join(path, name), true, &rules));
        let shared: Arc<str> = path.into();
        let mut made: Vec<Job<'a>> = Vec::with_capacity(listing.folders.len() + 1);
        for name in listing.folders {
            let _waiting = listing.waiting.part(&name);
            made.push(Job::Folder { above: Arc::clone(&shared), name, rules: Arc::clone(&rules), _waiting });
        }
        visitor.folder(path, &listing.files);
        let names = if V::FILES { listing.files } else { Vec::new() };
        let (taken, _waiting) = (AtomicUsize::new(0), listing.waiting);
        let files = Arc::new(Files { folder: path.to_owned(), names, taken, _waiting });
        if files.names.len() > 1 {
            made.push(Job::Files(Arc::clone(&files)));
        }
        if !made.is_empty() {
            self.jobs().waiting.append(&mut made);
            self.changed.notify_all();
        }
        self.files(&dir, &files, visitor);
    }

    /// The names in a folder. Names that are not UTF-8 cannot be told to a page and are left out.
    fn list(&self, dir: &Dir, buffer: &mut [MaybeUninit<u8>]) -> Option<Listing<'a>> {
        let waiting = Waiting::none(self.names_waiting);
        let mut listing = Listing { files: Vec::new(), folders: Vec::new(), marks: Marks::default(), waiting };
        let mut entries = RawDir::new(dir, buffer);
        while let Some(entry) = entries.next() {
            if self.walk.stop.is_set() {
                return None;
            }
            let entry = entry.ok()?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") || is_temporary(name) {
                continue;
            }
            if self.entries.fetch_add(1, Ordering::Relaxed) >= self.walk.max_entries {
                self.cut_short.store(true, Ordering::Relaxed);
                self.walk.stop.set();
                break;
            }
            listing.marks.note(name);
            if name == ".git" {
                continue;
            }
            let kept = match kind_of(dir, name, entry.file_type()) {
                FileType::Directory => &mut listing.folders,
                FileType::RegularFile => &mut listing.files,
                _ => continue,
            };
            if !listing.waiting.add(name) {
                self.cut_short.store(true, Ordering::Relaxed);
                // Rules may come among what is left of the folder, and hold for what was kept.
                continue;
            }
            kept.push(name.to_owned());
        }
        Some(listing)
    }

    fn files(&self, dir: &Dir, files: &Files<'_>, visitor: &mut impl Visitor) {
        while let Some(name) = files.take() {
            if self.walk.stop.is_set() {
                return;
            }
            visitor.file(dir, name, &join(&files.folder, name));
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

/// Opens a folder by its path from the root. No link is followed, whether it is the last of the path's names or one before.
pub(super) fn open_folder(root: &Dir, path: &str) -> Option<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let path = if path.is_empty() { "." } else { path };
    for _ in 0..OPEN_ATTEMPTS {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(folder) => return Some(Dir::from_std_file(File::from(folder))),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A kernel, or a sandbox around the server, that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => break,
            Err(_) => return None,
        }
    }
    let folder = root.open_dir_nofollow(path).ok()?;
    let readable = rustix::fs::openat(&folder, ".", flags, Mode::empty()).ok()?;
    Some(Dir::from_std_file(File::from(readable)))
}

/// Whether something is at this path, reached without leaving the root.
pub(crate) fn is_there(root: &Dir, path: &str) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(_) => true,
        Err(Errno::AGAIN | Errno::INTR | Errno::NOSYS | Errno::PERM) => root.symlink_metadata(path).is_ok(),
        Err(_) => false,
    }
}

/// The kind of an entry, also where the file system does not tell it with the name.
fn kind_of(folder: &Dir, name: &str, listed: FileType) -> FileType {
    if listed != FileType::Unknown {
        return listed;
    }
    let facts = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    facts.map_or(FileType::Unknown, |facts| FileType::from_raw_mode(facts.st_mode))
}

/// Opens a regular file for reading, with what the system tells of it: no link, no waiting for the other end of a pipe. `name` is
/// one of the folder's own, without a separator, so that nothing is resolved that could lead elsewhere.
pub(crate) fn open_file(folder: &Dir, name: &str) -> Option<(File, Stat)> {
    debug_assert!(!name.contains('/') && name != "..");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?;
    let facts = rustix::fs::fstat(&file).ok()?;
    let is_file = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
    is_file.then(|| (File::from(file), facts))
}

/// The size of an open file.
pub(crate) fn bytes_of(facts: &Stat) -> u64 {
    u64::try_from(facts.st_size).unwrap_or_default()
}

/// The first `most` bytes of a regular file; its name may be a path below the folder.
pub(crate) fn read_small(folder: &Dir, name: &str, most: u64) -> Option<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = folder.open_with(name, &options).ok()?;
    let mut bytes = Vec::new();
    file.metadata().is_ok_and(|facts| facts.is_file()).then_some(file)?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_wait_are_bounded_and_counted_until_they_go() {
        let all = AtomicUsize::new(0);
        let name = "x".repeat(255);
        let mut waiting = Waiting::none(&all);
        let names = (0..).take_while(|_| waiting.add(&name)).count();
        assert_eq!(names, MAX_WAITING_BYTES / (255 + WAITING_NAME_BYTES));
        let mut other = Waiting::none(&all);
        assert!(!other.add(&name), "of all folders together");
        drop(waiting.part(&name));
        assert!(other.add(&name));
        drop((waiting, other));
        assert_eq!(all.into_inner(), 0);
    }
}
