//! Finding files by name and text in files, below one directory, and putting another text in place of what was found.
//!
//! The file set is that of `rg --hidden` without `.git`: regular files, no link followed, `.gitignore` and its kin
//! obeyed unless asked otherwise, files of rules above the directory and those of the server's own user not. The rules'
//! syntax is the `ignore` crate's; the walk is our own, because its files are somebody else's who may change them
//! meanwhile:
//!
//! Invariants:
//! * Every folder and file, those with ignore rules included, is opened beneath the root's handle without following a
//!   link, and without waiting for a pipe's other end. A link that is put in place during the search leads nowhere.
//! * Everything is bounded: threads, entries, paths, matches, line length, memory of a pattern, of the rules, of what waits to be
//!   looked at and of what is replaced. Whoever reads the results slowly slows the search down, and whoever does not read them at
//!   all ends it.
//! * Nobody's searches keep others from theirs: a person has fewer places than there are.
//! * A search stops within milliseconds when it is cancelled or dropped.

pub(crate) mod find;
pub(crate) mod globs;
mod outlet;
mod pattern;
pub(crate) mod rank;
mod replace;
pub(crate) mod rules;
mod shown;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use coditect_protocol::UserId;
use coditect_protocol::search::{
    FileMatches, FileReplacements, FindFiles, ReplaceSummary, ReplaceText, SearchSummary, SearchText,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

pub use self::find::{DEFAULT_FOUND_PATHS, MAX_FOUND_PATHS};
pub use self::globs::{MAX_GLOB_BYTES, MAX_GLOBS};
pub use self::pattern::{MAX_LINE_BYTES, MAX_PATTERN_BYTES};
pub use self::replace::{MAX_REPLACED_FILE_BYTES, MAX_REPLACEMENTS_PER_FILE, MAX_REPLACING_BYTES};
pub use self::rules::{MAX_COMPILED_RULES_BYTES, MAX_RULES_BYTES, MAX_RULES_FILE_BYTES};
pub use self::shown::MAX_TEXT_CHARS;
pub use self::text::{DEFAULT_MATCHES, MAX_MATCHES_PER_MESSAGE};
pub use self::walk::{MAX_WAITING_BYTES, MAX_WALKED_ENTRIES};
use crate::WorkspaceError;
use crate::tree::Tree;

/// Most threads of one search; fewer where the machine has fewer cores.
pub const MAX_SEARCH_THREADS: usize = 8;
/// Fewest threads of one search: while one waits for the disk or is in a large file, another goes on.
const MIN_SEARCH_THREADS: usize = 2;
/// Most searches that run at once on the server; more wait their turn.
pub const MAX_SEARCHES: usize = 16;
/// Most searches of one person that run at once; more wait their turn.
pub const MAX_SEARCHES_PER_PERSON: usize = 3;
/// How long a search waits for a reader that takes nothing of what it found before it ends.
pub const SEARCH_STALL_LIMIT: Duration = Duration::from_secs(30);

static SEARCHES: Semaphore = Semaphore::const_new(MAX_SEARCHES);
/// The places of those who search now.
static PERSONS: LazyLock<Mutex<HashMap<UserId, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// What [`find_files`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPaths {
    /// Paths below the root, best first.
    pub paths: Vec<String>,
    /// There are more, or not everything was looked at.
    pub limit_reached: bool,
}

/// Finds files below `root` by their path, for `person`, by looking at every folder; [`crate::index`] knows them already.
pub async fn find_files(
    person: UserId,
    root: PathBuf,
    query: FindFiles,
    cancel: CancellationToken,
) -> Result<FoundPaths, WorkspaceError> {
    run(person, cancel, move |stop| find::find(&root, &query, stop)).await
}

/// Finds text in files below `root`, for `person`. Each file's matches are sent to `sink` as they are found; a file with
/// very many comes in several parts. The search waits while the sink is full, ends where it is closed, and fails where nothing
/// was taken from it for [`SEARCH_STALL_LIMIT`].
pub async fn search_text(
    person: UserId,
    root: PathBuf,
    query: SearchText,
    cancel: CancellationToken,
    sink: mpsc::Sender<FileMatches>,
) -> Result<SearchSummary, WorkspaceError> {
    search_text_within(person, root, query, cancel, sink, SEARCH_STALL_LIMIT).await
}

async fn search_text_within(
    person: UserId,
    root: PathBuf,
    query: SearchText,
    cancel: CancellationToken,
    sink: mpsc::Sender<FileMatches>,
    stall_limit: Duration,
) -> Result<SearchSummary, WorkspaceError> {
    let outlet = outlet::Outlet::new(sink, cancel.clone(), stall_limit);
    run(person, cancel, move |stop| text::search(&root, &query, &outlet, stop)).await
}

/// Puts another text in place of each match below `tree`, for `person`, or tells what that would change. Each file is replaced
/// whole or left as it is, never in another version than was looked at, and told to `sink` when it is done; a search that is
/// cancelled leaves those that are done. Waits and ends as [`search_text`] does.
pub async fn replace_text(
    person: UserId,
    tree: Arc<Tree>,
    query: ReplaceText,
    cancel: CancellationToken,
    sink: mpsc::Sender<FileReplacements>,
) -> Result<ReplaceSummary, WorkspaceError> {
    let outlet = outlet::Outlet::new(sink, cancel.clone(), SEARCH_STALL_LIMIT);
    run(person, cancel, move |stop| replace::replace(&tree, &query, &outlet, stop)).await
}

/// A place among the person's searches and one among all; held until the search's threads have ended.
struct Turn {
    _own: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'static>,
}

impl Turn {
    /// The person's own first: who waits for that holds nobody else up.
    async fn wait(person: UserId) -> Result<Self, WorkspaceError> {
        let closed = |error: tokio::sync::AcquireError| WorkspaceError::Internal(error.to_string());
        let own = places_of(person).acquire_owned().await.map_err(closed)?;
        let of_all = SEARCHES.acquire().await.map_err(closed)?;
        Ok(Self { _own: own, _of_all: of_all })
    }
}

fn places_of(person: UserId) -> Arc<Semaphore> {
    let mut persons = PERSONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(places) = persons.get(&person).and_then(Weak::upgrade) {
        return places;
    }
    persons.retain(|_, places| places.strong_count() > 0);
    let places = Arc::new(Semaphore::new(MAX_SEARCHES_PER_PERSON));
    persons.insert(person, Arc::downgrade(&places));
    places
}

/// Set when a search shall end early.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stops the search when who waits for it goes away.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Runs a search on threads that may block, and ends it when it is cancelled.
pub(crate) async fn run<T: Send + 'static>(
    person: UserId,
    cancel: CancellationToken,
    search: impl FnOnce(&Stop) -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    let turn = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(WorkspaceError::SearchCancelled),
        turn = Turn::wait(person) => turn?,
    };
    let stop = StopOnDrop(Stop::default());
    let inside = stop.0.clone();
    // The turn goes along: a search that was dropped still uses threads until it has noticed.
    let mut running = tokio::task::spawn_blocking(move || {
        let result = search(&inside);
        drop(turn);
        result
    });
    let result = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            stop.0.set();
            (&mut running).await
        }
        result = &mut running => result,
    };
    if cancel.is_cancelled() {
        return Err(WorkspaceError::SearchCancelled);
    }
    result.map_err(|error| WorkspaceError::Internal(error.to_string()))?
}

pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).clamp(MIN_SEARCH_THREADS, MAX_SEARCH_THREADS)
}

fn open_root(root: &Path) -> Result<cap_std::fs::Dir, WorkspaceError> {
    cap_std::fs::Dir::open_ambient_dir(root, cap_std::ambient_authority())
        .map_err(|error| WorkspaceError::from_io(&coditect_protocol::RelPath::root(), error))
}
