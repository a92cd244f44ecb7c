//! The blocking side of a watcher: which folders are watched, and what the system tells of them.

use super::coalesce::{Change, Pending, keys_below};
use super::rules::IgnoreRules;
use super::{WatchItem, WatchSettings};
use crate::error::WorkspaceError;
use crate::tree::{Locked, NEVER, REPLACING_PREFIX, is_temporary, os_path, remove_entry};
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use coditect_protocol::RelPath;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes of events fetched at once.
const EVENT_BUFFER_BYTES: usize = 64 * 1024;
/// Events handled before others get a turn.
const MAX_EVENTS_AT_ONCE: usize = 4096;

/// What a scan does beside watching.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    /// Tells what it finds.
    Report,
    /// Clears away what a server that died left behind.
    Tidy,
}

pub(super) struct Scanner {
    inotify: Arc<OwnedFd>,
    root: Dir,
    rules: IgnoreRules,
    max_folders: usize,
    max_pending: usize,
    leftover_age: Duration,
    folders: HashMap<i32, RelPath>,
    watches: BTreeMap<String, i32>,
    pending: Pending,
    /// Moves that will put a new version in place of a file.
    replacing: HashSet<u32>,
    rescan: bool,
    /// The tree must be walked again, because events were lost.
    resync: bool,
    root_gone: bool,
    /// There was nothing more to read.
    drained: bool,
    partial: Arc<AtomicBool>,
}

/// An event, taken out of the system's buffer.
struct Event {
    watch: i32,
    flags: ReadFlags,
    cookie: u32,
    name: Option<Vec<u8>>,
}

impl Scanner {
    /// Watches the whole tree.
    pub(super) fn start(
        root: Dir,
        settings: &WatchSettings,
        rules: IgnoreRules,
        partial: Arc<AtomicBool>,
    ) -> Result<Self, WorkspaceError> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(|error| match error {
            Errno::MFILE | Errno::NFILE => WorkspaceError::TooManyWatchers,
            error => WorkspaceError::Watch(error.into()),
        })?;
        let mut scanner = Self {
            inotify: Arc::new(inotify),
            root,
            rules,
            max_folders: settings.max_folders,
            max_pending: settings.max_pending_changes,
            leftover_age: settings.leftover_age,
            folders: HashMap::new(),
            watches: BTreeMap::new(),
            pending: Pending::default(),
            replacing: HashSet::new(),
            rescan: false,
            resync: false,
            root_gone: false,
            drained: false,
            partial,
        };
        scanner.scan(RelPath::root(), Scan::Tidy);
        scanner.rescan = false;
        Ok(scanner)
    }

    /// What becomes readable when there are events.
    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.inotify)
    }

    pub(super) fn has_news(&self) -> bool {
        self.rescan || self.resync || !self.pending.is_empty()
    }

    pub(super) fn lost_changes(&self) -> bool {
        self.resync
    }

    pub(super) fn root_is_gone(&self) -> bool {
        self.root_gone
    }

    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Takes in what the system has to tell.
    pub(super) fn read(&mut self) -> Option<WatchItem> {
        let inotify = Arc::clone(&self.inotify);
        let mut buffer = vec![MaybeUninit::uninit(); EVENT_BUFFER_BYTES];
        let mut reader = Reader::new(inotify.as_ref(), &mut buffer);
        let mut handled = 0;
        self.drained = false;
        // What was fetched is handled even beyond the turn's limit; else it would be lost.
        while handled < MAX_EVENTS_AT_ONCE || !reader.is_buffer_empty() {
            let event = match reader.next() {
                Ok(event) => Event {
                    watch: event.wd(),
                    flags: event.events(),
                    cookie: event.cookie(),
                    name: event.file_name().map(|name| name.to_bytes().to_vec()),
                },
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    self.drained = true;
                    return None;
                }
                Err(error) => {
                    tracing::error!(%error, "events of the file system cannot be read");
                    self.root_gone = true;
                    return Some(WatchItem::Rescan);
                }
            };
            self.take_in(&event);
            handled += 1;
        }
        None
    }

    /// What is to be told now.
    pub(super) fn take(&mut self) -> Option<WatchItem> {
        self.replacing.clear();
        if std::mem::take(&mut self.resync) {
            self.folders.clear();
            self.watches.clear();
            self.scan(RelPath::root(), Scan::Tidy);
            self.rescan = true;
        }
        if std::mem::take(&mut self.rescan) {
            self.pending.clear();
            return Some(WatchItem::Rescan);
        }
        (!self.pending.is_empty()).then(|| WatchItem::Changes(self.pending.take()))
    }

    fn take_in(&mut self, event: &Event) {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.resync = true;
            return;
        }
        let Some(folder) = self.folders.get(&event.watch).cloned() else { return };
        if event.flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF) {
            self.root_gone |= folder.is_root();
            self.folders.remove(&event.watch);
            if self.watches.get(folder.as_str()) == Some(&event.watch) {
                self.watches.remove(folder.as_str());
            }
            return;
        }
        // Thrown away by renaming, as the registry does: the tree is no longer where its subscribers believe.
        self.root_gone |= folder.is_root() && event.flags.contains(ReadFlags::MOVE_SELF);
        let Some(name) = event.name.as_deref().and_then(|name| std::str::from_utf8(name).ok()) else { return };
        if is_temporary(name) {
            if event.flags.contains(ReadFlags::MOVED_FROM) && name.starts_with(REPLACING_PREFIX) {
                self.replacing.insert(event.cookie);
            }
            return;
        }
        // Deeper than any path that can be spoken of.
        let Ok(path) = folder.join(name) else { return };
        if !self.rules.ignores(&path) {
            self.change(&path, event.flags, event.cookie);
        }
    }

    fn change(&mut self, path: &RelPath, flags: ReadFlags, cookie: u32) {
        let is_folder = flags.contains(ReadFlags::ISDIR);
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            let change = match (flags.contains(ReadFlags::CREATE), self.replacing.remove(&cookie)) {
                (true, _) => Change::Created,
                (false, true) => Change::Updated,
                (false, false) => Change::MovedHere,
            };
            self.tell(path, change, is_folder);
            if is_folder {
                self.forget(path);
                self.scan(path.clone(), Scan::Report);
            }
        } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.tell(path, Change::Gone, is_folder);
            if is_folder {
                self.forget(path);
            }
            // Where two changed places, the system tells of the one that came before it tells of the one that went.
            if flags.contains(ReadFlags::MOVED_FROM)
                && let Ok(facts) = self.root.symlink_metadata(os_path(path))
            {
                self.tell(path, Change::MovedHere, facts.is_dir());
                if facts.is_dir() {
                    self.scan(path.clone(), Scan::Report);
                }
            }
        } else if !is_folder {
            self.tell(path, Change::Updated, false);
        }
    }

    fn tell(&mut self, path: &RelPath, change: Change, is_folder: bool) {
        if self.rescan || self.resync {
            return;
        }
        self.pending.add(path, change, is_folder);
        if self.pending.len() > self.max_pending {
            self.pending.clear();
            self.rescan = true;
        }
    }

    /// Watches a folder and those below it.
    fn scan(&mut self, start: RelPath, scan: Scan) {
        let mut folders = vec![start];
        while let Some(path) = folders.pop() {
            if self.rules.ignores_inside(&path) && !path.is_root() {
                continue;
            }
            let Ok(folder) = self.open(&path) else { continue };
            // Watched before it is listed, so that what appears in between is seen at least once.
            self.watch(&path, &folder);
            let Ok(entries) = folder.entries() else { continue };
            for entry in entries.flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                if is_temporary(&name) {
                    if scan == Scan::Tidy {
                        tidy(&folder, &name, self.leftover_age);
                    }
                    continue;
                }
                let Ok(below) = path.join(&name) else { continue };
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if scan == Scan::Report && !self.rules.ignores(&below) {
                    self.tell(&below, Change::Created, is_folder);
                }
                if is_folder {
                    folders.push(below);
                }
            }
        }
    }

    fn open(&self, path: &RelPath) -> std::io::Result<Dir> {
        if path.is_root() { self.root.try_clone() } else { self.root.open_dir_nofollow(os_path(path)) }
    }

    fn watch(&mut self, path: &RelPath, folder: &Dir) {
        if self.folders.len() >= self.max_folders {
            return self.mark_partial();
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        // The name of the open handle itself: no path is resolved that could lead elsewhere by now.
        let handle = format!("/proc/self/fd/{}", folder.as_raw_fd());
        match inotify::add_watch(self.inotify.as_ref(), handle, flags) {
            Ok(watch) => {
                if let Some(former) = self.folders.insert(watch, path.clone())
                    && former != *path
                {
                    self.watches.remove(former.as_str());
                }
                self.watches.insert(path.as_str().to_owned(), watch);
            }
            Err(Errno::NOSPC | Errno::NOMEM) => self.mark_partial(),
            // It is gone again, or may not be read.
            Err(error) => tracing::debug!(%path, %error, "a folder is not watched"),
        }
    }

    fn mark_partial(&mut self) {
        if !self.partial.swap(true, Ordering::Relaxed) {
            tracing::warn!(folders = self.folders.len(), "too many folders: only these are watched");
            self.rescan = true;
        }
    }

    /// Stops watching a folder and those below it.
    fn forget(&mut self, path: &RelPath) {
        let mut keys = keys_below(&self.watches, path);
        keys.push(path.as_str().to_owned());
        for key in keys {
            if let Some(watch) = self.watches.remove(&key) {
                self.folders.remove(&watch);
                // Fails for a folder that is gone, and that is what is wanted.
                let _ = inotify::remove_watch(self.inotify.as_ref(), watch);
            }
        }
    }
}

/// Removes what was being written when a server died.
fn tidy(folder: &Dir, name: &str, leftover_age: Duration) {
    let Ok(facts) = folder.symlink_metadata(name) else { return };
    if is_leftover(&facts, leftover_age)
        && let Err(error) = remove_entry(folder, OsStr::new(name), &facts, Locked::Force, &NEVER)
    {
        tracing::debug!(%error, "a leftover temporary file could not be removed");
    }
}

/// By when it got its name, not by what it says of itself: what is put aside for a moment may have been written years ago.
fn is_leftover(facts: &Metadata, leftover_age: Duration) -> bool {
    let seconds = u64::try_from(facts.ctime()).unwrap_or_default();
    let nanos = u32::try_from(facts.ctime_nsec()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    changed.elapsed().is_ok_and(|age| age > leftover_age)
}
