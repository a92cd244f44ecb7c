//! The blocking side of a watcher: which folders are watched, and what the system tells of them.

use super::coalesce::{Change, Pending};
use super::poll::Polled;
use super::rules::IgnoreRules;
use super::share::TreeShare;
use super::watched::Watched;
use super::{Health, Shortage, WatchItem, WatchSettings};
use crate::error::WorkspaceError;
use crate::tree::{Locked, NEVER, REPLACING_PREFIX, is_temporary, os_path, remove_entry};
use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use coditect_protocol::RelPath;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes of events fetched at once.
const EVENT_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of names of folders that wait to be scanned.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// What such a name takes beside its text, about.
const WAITING_NAME_BYTES: usize = 64;
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
    /// Absent where the system gave none: then every folder is looked at from time to time.
    inotify: Option<Arc<OwnedFd>>,
    root: Dir,
    rules: IgnoreRules,
    max_pending: usize,
    leftover_age: Duration,
    share: TreeShare,
    watched: Watched,
    /// Folders that got no watch.
    polled: Polled,
    pending: Pending,
    /// Moves that will put a new version in place of a file.
    replacing: HashSet<u32>,
    /// What was moved away since the last report, and in the one before: the other half of the move may come later.
    moved: HashMap<u32, RelPath>,
    moved_before: HashMap<u32, RelPath>,
    rescan: bool,
    /// The tree must be walked again, because events were lost.
    resync: bool,
    root_gone: bool,
    /// There was nothing more to read.
    drained: bool,
    health: Arc<Health>,
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
        health: Arc<Health>,
        share: TreeShare,
    ) -> Result<Self, WorkspaceError> {
        let inotify = if share.has_tree() { watcher_of_system()? } else { None };
        let mut scanner = Self {
            inotify,
            root,
            rules,
            max_pending: settings.max_pending_changes,
            leftover_age: settings.leftover_age,
            share,
            watched: Watched::default(),
            polled: Polled::new(settings.poll_interval),
            pending: Pending::default(),
            replacing: HashSet::new(),
            moved: HashMap::new(),
            moved_before: HashMap::new(),
            rescan: false,
            resync: false,
            root_gone: false,
            drained: false,
            health,
        };
        scanner.scan(RelPath::root(), Scan::Tidy);
        // Whoever subscribes is told at first how it is watched.
        scanner.health.is_news();
        Ok(scanner)
    }

    /// What becomes readable when there are events.
    pub(super) fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        self.inotify.clone()
    }

    /// When the folders that got no watch are looked at next.
    pub(super) fn next_poll(&self) -> Option<Instant> {
        self.polled.next_look()
    }

    pub(super) fn has_news(&self) -> bool {
        self.rescan || self.resync || !self.pending.is_empty() || self.health.has_news()
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
    pub(super) fn read(&mut self) -> Vec<WatchItem> {
        let Some(inotify) = self.inotify.clone() else { return Vec::new() };
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
                    return Vec::new();
                }
                Err(error) => {
                    tracing::error!(%error, "events of the file system cannot be read");
                    self.root_gone = true;
                    return vec![WatchItem::Rescan];
                }
            };
            self.take_in(&event);
            handled += 1;
        }
        Vec::new()
    }

    /// What is to be told now.
    pub(super) fn take(&mut self) -> Vec<WatchItem> {
        self.replacing.clear();
        self.moved_before = std::mem::take(&mut self.moved);
        if std::mem::take(&mut self.resync) {
            self.start_over();
            self.rescan = true;
        }
        let mut items = Vec::new();
        if self.health.is_news() {
            items.push(WatchItem::State(self.health.state()));
        }
        if std::mem::take(&mut self.rescan) {
            self.pending.clear();
            items.push(WatchItem::Rescan);
        } else if !self.pending.is_empty() {
            items.push(WatchItem::Changes(self.pending.take()));
        }
        items
    }

    /// Walks the tree again, and stops watching what is not in it any more.
    fn start_over(&mut self) {
        let began = Instant::now();
        let before = self.watched.take_all(&mut self.share);
        self.polled.clear(&mut self.share);
        self.scan(RelPath::root(), Scan::Tidy);
        self.polled.started_over(began);
        if let Some(inotify) = &self.inotify {
            for watch in before.into_iter().filter(|watch| self.watched.folder(*watch).is_none()) {
                // Fails for a folder that is gone, and that is what is wanted.
                let _ = inotify::remove_watch(inotify.as_ref(), watch);
            }
        }
        self.note_health();
    }

    fn take_in(&mut self, event: &Event) {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.resync = true;
            return;
        }
        let Some(folder) = self.watched.folder(event.watch).cloned() else { return };
        if event.flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF) {
            self.root_gone |= folder.is_root();
            self.watched.remove(event.watch, &mut self.share);
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
            if let Some(from) = self.moved.remove(&cookie).or_else(|| self.moved_before.remove(&cookie)) {
                self.pending.pair(path, from);
            }
            if is_folder {
                self.forget(path);
                self.scan(path.clone(), Scan::Report);
            }
        } else if flags.contains(ReadFlags::MOVED_FROM) {
            self.moved_away(path, cookie, is_folder);
        } else if flags.contains(ReadFlags::DELETE) {
            self.gone(path, is_folder);
        } else if !is_folder {
            self.tell(path, Change::Updated, false);
        }
    }

    fn moved_away(&mut self, path: &RelPath, cookie: u32, is_folder: bool) {
        let known_as = self.pending.known_as(path);
        self.gone(path, is_folder);
        // Where two changed places, the system tells of the one that came before it tells of the one that went.
        let Ok(facts) = self.root.symlink_metadata(os_path(path)) else {
            if let Some(known_as) = known_as {
                self.moved.insert(cookie, known_as);
            }
            return;
        };
        self.tell(path, Change::MovedHere, facts.is_dir());
        if let Some(known_as) = known_as {
            self.pending.pair(path, known_as);
        }
        self.moved.insert(cookie, path.clone());
        if facts.is_dir() {
            self.scan(path.clone(), Scan::Report);
        }
    }

    fn gone(&mut self, path: &RelPath, is_folder: bool) {
        self.tell(path, Change::Gone, is_folder);
        if is_folder {
            self.forget(path);
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
        // Each with the folder that it is in, whose path it shares with its neighbours.
        let mut waiting: Vec<(Rc<RelPath>, String)> = Vec::new();
        let mut waiting_bytes = 0;
        let mut next = Some(start);
        while let Some(path) = next {
            let path = Rc::new(path);
            let found = self.scan_one(&path, scan);
            for name in found {
                let bytes = name.len() + WAITING_NAME_BYTES;
                if waiting_bytes + bytes > MAX_WAITING_BYTES {
                    self.look_again_at_everything();
                    break;
                }
                waiting_bytes += bytes;
                waiting.push((Rc::clone(&path), name));
            }
            next = None;
            while let Some((above, name)) = waiting.pop() {
                waiting_bytes -= name.len() + WAITING_NAME_BYTES;
                // Deeper than any path that can be spoken of.
                if let Ok(path) = above.join(&name) {
                    next = Some(path);
                    break;
                }
            }
        }
    }

    /// Watches one folder; the names of those in it.
    fn scan_one(&mut self, path: &RelPath, scan: Scan) -> Vec<String> {
        let mut folders = Vec::new();
        if self.rules.ignores_inside(path) && !path.is_root() {
            return folders;
        }
        let Ok(folder) = self.open(path) else { return folders };
        // Watched before it is listed, so that what appears in between is seen at least once.
        self.watch(path, &folder);
        let Ok(entries) = folder.entries() else { return folders };
        let mut bytes = 0;
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_temporary(&name) {
                if scan == Scan::Tidy {
                    tidy(&folder, &name, self.leftover_age);
                }
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if scan == Scan::Report
                && let Ok(below) = path.join(&name)
                && !self.rules.ignores(&below)
            {
                self.tell(&below, Change::Created, is_folder);
            }
            if is_folder && bytes <= MAX_WAITING_BYTES {
                bytes += name.len() + WAITING_NAME_BYTES;
                folders.push(name);
            }
        }
        folders
    }

    fn open(&self, path: &RelPath) -> std::io::Result<Dir> {
        if path.is_root() { self.root.try_clone() } else { self.root.open_dir_nofollow(os_path(path)) }
    }

    /// Watches a folder, or has it looked at from time to time where it gets no watch.
    fn watch(&mut self, path: &RelPath, folder: &Dir) {
        if let Some(shortage) = self.try_watch(path, folder) {
            self.polled.add(path, folder, &self.rules, &mut self.share);
            self.note_shortage(shortage);
        }
    }

    fn note_shortage(&self, shortage: Shortage) {
        if self.health.note(shortage) {
            tracing::warn!(folders = self.watched.len(), ?shortage, "folders without a watch are looked at instead");
        }
    }

    /// There are more folders than can be remembered.
    fn look_again_at_everything(&mut self) {
        self.polled.forget_some();
        self.note_shortage(Shortage::Memory);
    }

    /// What kept it from being watched.
    fn try_watch(&mut self, path: &RelPath, folder: &Dir) -> Option<Shortage> {
        let Some(inotify) = self.inotify.clone() else {
            return Some(if self.share.has_tree() { Shortage::Watchers } else { Shortage::Person });
        };
        if let Err(shortage) = Watched::reserve(path, &mut self.share) {
            return Some(shortage);
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
        let shortage = match inotify::add_watch(inotify.as_ref(), handle, flags) {
            Ok(watch) => {
                self.watched.insert(path, watch, &mut self.share);
                return None;
            }
            Err(Errno::NOSPC | Errno::NOMEM) => Some(Shortage::Watches),
            Err(error) => {
                // It is gone again, or may not be read.
                tracing::debug!(%path, %error, "a folder is not watched");
                None
            }
        };
        Watched::give_back(path, &mut self.share);
        shortage
    }

    /// Looks at some of the folders that got no watch.
    pub(super) fn poll(&mut self) -> Vec<WatchItem> {
        if self.polled.is_time_to_start_over() {
            self.resync = true;
            return Vec::new();
        }
        for path in self.polled.next_folders() {
            self.look_at(&path);
        }
        self.note_health();
        Vec::new()
    }

    fn look_at(&mut self, path: &RelPath) {
        // What became of it is told by the folder that it is in.
        let Ok(folder) = self.open(path) else { return self.forget(path) };
        if self.polled.may_try_again() {
            // From here on the system tells; what happened until now is told below.
            if self.try_watch(path, &folder).is_some() {
                self.polled.still_short();
            }
        }
        let is_watched = self.watched.has(path);
        let differences = self.polled.look(path, &folder, &self.rules, is_watched, &mut self.share);
        let Some(differences) = differences else {
            self.resync = true;
            return;
        };
        for (name, change, is_folder) in differences {
            let Ok(below) = path.join(&name) else { continue };
            match change {
                Change::Gone => self.gone(&below, is_folder),
                change => self.tell(&below, change, is_folder),
            }
            if change == Change::Created && is_folder {
                self.forget(&below);
                self.scan(below, Scan::Report);
            }
        }
    }

    fn note_health(&self) {
        if self.polled.is_empty() {
            self.health.mend();
        }
    }

    /// Stops watching a folder and those below it.
    fn forget(&mut self, path: &RelPath) {
        self.polled.forget(path, &mut self.share);
        let Some(inotify) = &self.inotify else { return };
        for watch in self.watched.take_below(path, &mut self.share) {
            // Fails for a folder that is gone, and that is what is wanted.
            let _ = inotify::remove_watch(inotify.as_ref(), watch);
        }
    }
}

/// One of the system's watchers; `None` where it has no more.
fn watcher_of_system() -> Result<Option<Arc<OwnedFd>>, WorkspaceError> {
    match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
        Ok(inotify) => Ok(Some(Arc::new(inotify))),
        Err(Errno::MFILE) => Ok(None),
        Err(error) => Err(WorkspaceError::Watch(error.into())),
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

#[cfg(test)]
mod tests {
    use super::super::share::tests::with_bytes;
    use super::*;
    use coditect_protocol::files::WatchState;

    #[test]
    fn what_cannot_be_remembered_is_looked_at_again() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = |number: usize| dir.path().join(format!("{number}{}", "x".repeat(200)));
        for number in 0..20 {
            std::fs::create_dir(folder(number)).unwrap();
        }
        let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        let health = Arc::<Health>::default();
        let rules = IgnoreRules::new(&[]).unwrap();
        let share = with_bytes(5000);
        let mut scanner = Scanner::start(root, &WatchSettings::default(), rules, Arc::clone(&health), share).unwrap();
        assert_eq!((health.state(), health.shortage()), (WatchState::Polling, Some(Shortage::Memory)));
        assert!(scanner.share.bytes() <= 5000 && scanner.watched.len() > 5);
        // Something happens where nobody looks.
        for number in 0..20 {
            std::fs::write(folder(number).join("file"), "").unwrap();
        }
        scanner.polled.start_over_now();
        assert!(scanner.next_poll().is_some_and(|at| at <= Instant::now()));
        assert_eq!(scanner.poll(), []);
        assert!(scanner.take().contains(&WatchItem::Rescan));
        for number in 5..20 {
            std::fs::remove_dir_all(folder(number)).unwrap();
        }
        scanner.read();
        scanner.polled.start_over_now();
        scanner.poll();
        assert!(scanner.take().contains(&WatchItem::State(WatchState::Live)));
        assert!(scanner.next_poll().is_none() && scanner.watched.len() == 6);
    }
}
