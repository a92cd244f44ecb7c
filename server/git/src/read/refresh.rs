//! An index that does not fit its files any more, brought in line with them in the background.
//!
//! The index holds what the system told of each file; where that is another now, `git` compares the content. A workspace that was
//! imported, moved or restored has files with other numbers, owners and times: every status compares all of them. In a terminal
//! `git status` writes down what it found. One that is asked for here must not, since its lock could fail a person's commit, and
//! would stay as slow as it is for ever.
//!
//! So after a status that was slow the refreshing is done on a copy of the index, and git's lock is held for no longer than the copy
//! takes the index's place. Whoever was quicker is right: then nothing is replaced.

use gix::index::entry::{Flags, Mode, Stat, stat};
use gix::index::{Entry, fs::Metadata};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{File, FileTimes, OpenOptions};
use std::io::{Error, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::GitError;
use crate::faults;
use crate::limits::{MAX_GIVEN_UP, MAX_REFRESHED_BYTES, REFRESH_AFTER, SAMPLED_FILES};
use crate::work::Work;

/// Names in the repository's own folder: the index, git's lock on it, our copy, and git's lock on that.
const INDEX: &str = "index";
const INDEX_LOCK: &str = "index.lock";
const COPY: &str = "index.coditect";
const COPY_LOCK: &str = "index.coditect.lock";
/// Begins the names of the files that an index in two parts has its other part in.
const SHARED_PART: &[u8] = b"sharedindex.";
/// Ends of `update-index`: nothing differs from the index, or some files do.
const COMPARED: [i32; 2] = [0, 1];

/// What the program knows of refreshing: one at a time, and where it is of no use.
pub(crate) struct Refreshes {
    turn: Arc<Semaphore>,
    given_up: Mutex<VecDeque<PathBuf>>,
}

impl Default for Refreshes {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), given_up: Mutex::default() }
    }
}

impl Refreshes {
    /// The turn, where nobody has it and the repository is not one of those in which it is of no use.
    fn begin(&self, folder: &Path) -> Option<OwnedSemaphorePermit> {
        if self.given_up.lock().ok()?.iter().any(|other| other == folder) {
            return None;
        }
        self.turn.clone().try_acquire_owned().ok()
    }

    fn give_up(&self, folder: &Path) {
        let Ok(mut given_up) = self.given_up.lock() else { return };
        if given_up.len() == MAX_GIVEN_UP {
            given_up.pop_front();
        }
        given_up.push_back(folder.to_owned());
    }

    /// Waits for the one that is under way; no other begins.
    pub(crate) async fn end(&self) {
        if let Ok(turn) = self.turn.acquire().await {
            turn.forget();
        }
    }
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Refreshed {
    /// The index fits its files again.
    Done,
    /// The index fits its files, or is not one of those that are refreshed.
    Needless,
    /// It would be compared as before.
    Useless,
    /// Another `git` was at work, or another helper.
    Overtaken,
}

/// What is to be done in the background after a status that took so long.
pub(super) fn wanted(work: &Work, took: Duration) -> Option<impl Future<Output = ()> + Send + use<>> {
    let turn = if took < REFRESH_AFTER { None } else { work.refreshes.begin(&work.folder) }?;
    let work = work.clone();
    Some(async move {
        match refresh(&work).await {
            Ok(Refreshed::Useless) => work.refreshes.give_up(&work.folder),
            Ok(_) | Err(GitError::Cancelled) => {}
            // A folder that cannot be written to, a full disk: the status was told all the same.
            Err(_) => work.refreshes.give_up(&work.folder),
        }
        drop(turn);
    })
}

async fn refresh(work: &Work) -> Result<Refreshed, GitError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let folder = work.read(move |repository| folder_of_stale_index(repository, now)).await?;
    let Some(folder) = folder else { return Ok(Refreshed::Needless) };
    // These two are short and are not left alone when the work is cancelled: what they make is removed.
    let Some(copy) = on_a_thread(move || Copy::of(&folder)).await? else { return Ok(Refreshed::Overtaken) };
    let helped = refresh_copy(work, copy.path.clone(), now).await;
    on_a_thread(move || if helped? { copy.replace() } else { Ok(Refreshed::Useless) }).await
}

async fn on_a_thread<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    tokio::task::spawn_blocking(task).await.map_err(|error| GitError::Internal(error.to_string()))?
}

/// Has git compare the files and write down what it found; whether that helped.
async fn refresh_copy(work: &Work, copy: PathBuf, now: u64) -> Result<bool, GitError> {
    let outcome = work
        .look("update-index")
        // A part of its own would stay beside the index.
        .set("core.splitIndex=false")
        .args(["-q", "--ignore-submodules", "--refresh"])
        .env("GIT_INDEX_FILE", &copy)
        .run()
        .await?;
    if !outcome.code.is_some_and(|code| COMPARED.contains(&code)) {
        return Err(faults::of(&outcome));
    }
    work.read(move |repository| Ok(!is_stale(repository, &copy, now)?)).await
}

/// The repository's own folder, where its index is worth the work and nobody is at it.
fn folder_of_stale_index(repository: &gix::Repository, now: u64) -> Result<Option<PathBuf>, GitError> {
    let folder = repository.git_dir().canonicalize()?;
    let index = folder.join(INDEX);
    let is_plain = index.symlink_metadata().is_ok_and(|facts| facts.is_file() && facts.len() <= MAX_REFRESHED_BYTES);
    // A lock that was left behind would stay, and the copy would be made in vain each time.
    if !is_plain || folder.join(INDEX_LOCK).symlink_metadata().is_ok() || is_split(&folder)? {
        return Ok(None);
    }
    Ok(is_stale(repository, &index, now)?.then_some(folder))
}

fn is_split(folder: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        if entry?.file_name().as_bytes().starts_with(SHARED_PART) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether git would compare the content of fewer files once it has written down, at this second or later, what it finds: that of at
/// least half of them now, or that of any because it was changed in the second in which the index was written. A few are looked at.
fn is_stale(repository: &gix::Repository, index: &Path, now: u64) -> Result<bool, GitError> {
    let Some(work_tree) = repository.workdir() else { return Ok(false) };
    let rules = repository.stat_options()?;
    let index = gix::index::File::at(index, repository.object_hash(), true, gix::index::decode::Options::default())?;
    let files: Vec<&Entry> = index.entries().iter().filter(|entry| is_looked_at(entry)).collect();
    let sample: Vec<_> = files.iter().step_by(files.len().div_ceil(SAMPLED_FILES).max(1)).collect();
    let is_racy =
        |entry: &Entry| entry.stat.is_racy(index.timestamp(), rules) && u64::from(entry.stat.mtime.secs) < now;
    if sample.iter().any(|entry| is_racy(entry)) {
        return Ok(true);
    }
    let compared = sample.iter().filter(|entry| {
        let found = found(&work_tree.join(OsStr::from_bytes(entry.path(&index))));
        found.is_some_and(|found| is_compared(entry, &found, rules))
    });
    Ok(!sample.is_empty() && compared.count() * 2 >= sample.len())
}

/// Files that git looks at.
fn is_looked_at(entry: &Entry) -> bool {
    let left_out = Flags::STAGE_MASK | Flags::SKIP_WORKTREE | Flags::ASSUME_VALID | Flags::INTENT_TO_ADD;
    matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE) && !entry.flags.intersects(left_out)
}

/// What the system tells of a regular file.
fn found(path: &Path) -> Option<Stat> {
    let facts = Metadata::from_path_no_follow(path).ok().filter(Metadata::is_file)?;
    Stat::from_fs(&facts).ok()
}

/// Whether git has to compare the content. It need not where the size is another, if it wrote down one that it was sure of.
fn is_compared(entry: &Entry, found: &Stat, rules: stat::Options) -> bool {
    let is_unsure = entry.stat.size == 0 && !entry.id.is_empty_blob();
    (is_unsure || entry.stat.size == found.size) && !entry.stat.matches(found, rules)
}

/// What tells that a file is still the same one with the same content.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(facts: &std::fs::Metadata) -> Self {
        Self {
            device: facts.dev(),
            number: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }
}

/// A copy of the index beside it. Removed when dropped, if it has not taken the index's place.
struct Copy {
    path: PathBuf,
    folder: PathBuf,
    identity: Identity,
    /// Held open, so that no other index gets its number.
    original: File,
    /// The folder, locked against the helpers of other people, whose copy would have the same name.
    turn: File,
}

impl Copy {
    /// Makes it; nothing where another helper is at it.
    fn of(folder: &Path) -> Result<Option<Self>, GitError> {
        let turn = File::open(folder)?;
        match flock(&turn, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(Error::from(error).into()),
        }
        let original = open_plain(&folder.join(INDEX))?;
        let facts = original.metadata()?;
        let path = folder.join(COPY);
        let copy = Self { path, folder: folder.to_owned(), identity: Identity::of(&facts), original, turn };
        // What a program left that was killed.
        copy.remove();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy.path)?;
        std::io::copy(&mut (&copy.original).take(facts.len()), &mut file)?;
        // With a later time than the index has, a file that was changed right after it would be taken for unchanged.
        file.set_times(FileTimes::new().set_modified(facts.modified()?))?;
        Ok(Some(copy))
    }

    /// Puts the copy in the index's place, unless that is another by now.
    fn replace(self) -> Result<Refreshed, GitError> {
        // What it replaces has been on the disk for long.
        open_plain(&self.path)?.sync_all()?;
        let index = self.folder.join(INDEX);
        let Some(_lock) = Lock::take(self.folder.join(INDEX_LOCK))? else { return Ok(Refreshed::Overtaken) };
        if !index.symlink_metadata().is_ok_and(|facts| Identity::of(&facts) == self.identity) {
            return Ok(Refreshed::Overtaken);
        }
        std::fs::rename(&self.path, index)?;
        Ok(Refreshed::Done)
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(self.folder.join(COPY_LOCK));
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.remove();
        // Closing alone gives it free only once no child holds it that another thread is just starting.
        let _ = flock(&self.turn, FlockOperation::Unlock);
    }
}

/// Git's lock on the index. Given free when dropped.
struct Lock(PathBuf);

impl Lock {
    /// Nothing where somebody else has it.
    fn take(path: PathBuf) -> std::io::Result<Option<Self>> {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => Ok(Some(Self(path))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens a regular file, and neither what a link leads to nor a pipe, for which it would have to wait.
fn open_plain(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests;
