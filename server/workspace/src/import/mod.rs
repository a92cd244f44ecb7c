//! Filling a new workspace: from a git repository, or from an archive.
//!
//! Everything that comes from outside is taken as hostile: addresses lead nowhere inside the operator's network, git runs in a
//! sandbox of its own with no hook, helper or extra protocol, and what is unpacked is confined and counted.

mod address;
mod archive;
mod git;
mod names;
mod repository;

use crate::error::WorkspaceError;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

pub use address::GitAddress;
pub(crate) use archive::{ArchiveKind, receive, unpack};
pub(crate) use git::{Cloning, KNOWN_HOSTS, SshFile, clone};
pub use names::{folder_name, repository_name, scrub};

/// Default of [`ImportSettings::clone_timeout`].
pub const DEFAULT_CLONE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Default of [`ImportSettings::max_archive_bytes`].
pub const DEFAULT_MAX_ARCHIVE_BYTES: u64 = 2 << 30;
/// Default of [`ImportSettings::max_unpacked_bytes`].
pub const DEFAULT_MAX_UNPACKED_BYTES: u64 = 8 << 30;
/// Default of [`ImportSettings::max_entries`].
pub const DEFAULT_MAX_ENTRIES: u64 = 200_000;

/// Where files may come from, and how many.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// Folders of the server below which repositories may be cloned by their path.
    pub import_paths: Vec<PathBuf>,
    /// Directories and files of which nothing may be cloned by its path, wherever they lie. The registry adds its own data.
    pub forbidden_paths: Vec<PathBuf>,
    /// Whether repositories may be cloned over unencrypted `http://`.
    pub allow_http: bool,
    /// Whether addresses in private, loopback and link-local networks may be cloned from.
    pub allow_private_hosts: bool,
    /// The git program, as sandboxes see it.
    pub git_program: PathBuf,
    /// Longest time a clone may take.
    pub clone_timeout: Duration,
    /// Largest archive that is taken, in bytes.
    pub max_archive_bytes: u64,
    /// Most bytes of a workspace's first files.
    pub max_unpacked_bytes: u64,
    /// Most entries of an archive, and of a clone with git's own files.
    pub max_entries: u64,
    /// Bytes of the disk that are left free. The registry sets its own.
    pub disk_reserve_bytes: u64,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            import_paths: Vec::new(),
            forbidden_paths: Vec::new(),
            allow_http: false,
            allow_private_hosts: false,
            git_program: "git".into(),
            clone_timeout: DEFAULT_CLONE_TIMEOUT,
            max_archive_bytes: DEFAULT_MAX_ARCHIVE_BYTES,
            max_unpacked_bytes: DEFAULT_MAX_UNPACKED_BYTES,
            max_entries: DEFAULT_MAX_ENTRIES,
            disk_reserve_bytes: 0,
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What happens now, for a person.
    pub step: String,
    /// Percent of the step, where it is known.
    pub percent: Option<u8>,
}

impl Progress {
    /// A step of which it is not known how long it takes.
    #[must_use]
    pub fn step(step: &str) -> Self {
        Self { step: step.to_owned(), percent: None }
    }
}

/// Where progress is told; whoever looks sees the newest.
pub(crate) type ProgressSender = watch::Sender<Progress>;

fn too_many_entries(settings: &ImportSettings) -> WorkspaceError {
    WorkspaceError::ArchiveTooLarge { limit: settings.max_entries, unit: "entries" }
}

fn unpacked_too_large(settings: &ImportSettings) -> WorkspaceError {
    WorkspaceError::ArchiveTooLarge { limit: settings.max_unpacked_bytes, unit: "bytes of files" }
}
