//! Everything that can go wrong with workspaces.

use coditect_protocol::path::PathError;
use coditect_protocol::{Coded, Kind, RelPath};
use coditect_store::StoreError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// There is nothing of that name.
    #[error("{0} does not exist.")]
    NotFound(RelPath),
    /// Something of that name is there.
    #[error("{0} exists already; choose another name or allow to replace it.")]
    Exists(RelPath),
    /// A file was expected.
    #[error("{0} is a folder, not a file.")]
    IsAFolder(RelPath),
    /// A folder was expected, here or above.
    #[error("{0} is not a folder, or one above it is not.")]
    NotAFolder(RelPath),
    /// Neither a file nor a folder.
    #[error("{0} is a pipe, socket or device; only files can be read and written.")]
    NotAFile(RelPath),
    /// A folder that is not empty was to be deleted alone.
    #[error("The folder {0} is not empty; delete it with everything in it.")]
    FolderNotEmpty(RelPath),
    /// A folder that was to be deleted with everything in it got new entries all the time.
    #[error("{0} gets new files while it is being deleted; end the program that writes there, then delete it again.")]
    FolderInUse(RelPath),
    /// The file system refused.
    #[error("The permissions of {0} do not allow this.")]
    NoPermission(RelPath),
    /// A symbolic link leads out of the root.
    #[error("{0} leads outside the workspace through a symbolic link, and such links are not followed.")]
    Outside(RelPath),
    /// It is no longer the version that the writer knew.
    #[error("{0} was changed meanwhile; read it again, then decide what to keep.")]
    Changed(RelPath),
    /// Larger than may be read or written at once.
    #[error("{path} is larger than the {limit} bytes allowed here.")]
    TooLarge {
        /// What.
        path: RelPath,
        /// Limit in bytes.
        limit: u64,
    },
    /// A folder with more entries than are listed.
    #[error("The folder {path} has more than {limit} entries and cannot be listed.")]
    TooManyEntries {
        /// What.
        path: RelPath,
        /// Limit.
        limit: usize,
    },
    /// Disk or quota full.
    #[error("There is no space left to write {0}; what was there before is unchanged. Free some space and try again.")]
    OutOfSpace(RelPath),
    /// A name or path is longer than the file system takes.
    #[error("The path of {0} is longer than the file system allows; use shorter names or fewer folders.")]
    NameTooLong(RelPath),
    /// Links that lead to each other.
    #[error("{0} leads through too many symbolic links.")]
    TooManyLinks(RelPath),
    /// The root itself was to be deleted, renamed or replaced.
    #[error("The workspace's own folder cannot be changed this way; delete or rename the workspace.")]
    IsTheRoot,
    /// A folder was to be moved or copied into itself, or over one that holds it.
    #[error("{0} cannot be moved or copied into itself or over a folder that holds it.")]
    InsideItself(RelPath),
    /// Source and target lie on different file systems.
    #[error("{0} lies on another file system; copy it, then delete the original.")]
    OtherFileSystem(RelPath),
    /// The sender stopped in the middle.
    #[error("The content of {0} did not arrive whole; nothing was written. Send it again.")]
    Interrupted(RelPath),
    /// The file system failed.
    #[error("The file system failed at {path}: {source}")]
    Io {
        /// Where.
        path: RelPath,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is malformed.
    #[error("{0}")]
    Path(#[from] PathError),

    /// The watcher could not be started.
    #[error("Changes of files cannot be watched: {0}")]
    Watch(std::io::Error),
    /// The system gives out no more watchers.
    #[error(
        "As many folders are watched as the system allows; its operator can raise fs.inotify.max_user_instances. Until then, changes show after a reload."
    )]
    TooManyWatchers,
    /// A glob of the settings is malformed.
    #[error("The ignore rule {glob:?} is malformed: {detail}.")]
    BadGlob {
        /// The rule.
        glob: String,
        /// Why.
        detail: String,
    },

    /// No such workspace, or somebody else's.
    #[error("There is no such workspace.")]
    WorkspaceNotFound,
    /// It is being filled, or filling it failed.
    #[error("The workspace is not ready to be opened; wait until its files are there, or delete it if that failed.")]
    WorkspaceNotReady,
    /// The name is empty, too long or holds control characters.
    #[error("A workspace's name has 1 to {limit} characters and no control characters.")]
    WorkspaceName {
        /// Limit in characters.
        limit: usize,
    },
    /// The person has as many as allowed.
    #[error("You have {limit} workspaces, the most allowed; delete one first.")]
    TooManyWorkspaces {
        /// Limit.
        limit: usize,
    },
    /// As many imports as allowed are running.
    #[error("{limit} of your workspaces are being filled, the most allowed at once; wait for one to end.")]
    TooManyImports {
        /// Limit.
        limit: usize,
    },
    /// The data directory cannot be used.
    #[error("The directory {place} cannot be used: {source}")]
    DataDirectory {
        /// Which.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The server stopped in the middle of an import.
    #[error("The server stopped while the files were fetched; delete the workspace and create it again.")]
    ImportInterrupted,
    /// The workspace was deleted while it was filled.
    #[error("Filling the workspace was cancelled.")]
    ImportCancelled,
    /// It took too long.
    #[error("Fetching the files took longer than {seconds} s and was given up.")]
    ImportTimeout {
        /// Limit in seconds.
        seconds: u64,
    },
    /// git ended with an error.
    #[error("git could not clone the repository: {0}")]
    GitFailed(String),
    /// There is no git on the server.
    #[error("git is not installed on the server; ask its operator to install it.")]
    GitMissing,
    /// The URL is not allowed.
    #[error("This repository's address is refused: {0}")]
    UrlRefused(String),
    /// The path is not allowed.
    #[error(
        "This path is refused: only repositories below the folders that the operator opened for import can be cloned."
    )]
    PathRefused,
    /// Not an archive that is understood.
    #[error("The archive cannot be read ({0}); send a .zip, .tar or .tar.gz file.")]
    ArchiveInvalid(String),
    /// The archive, what is in it, or the repository is too large.
    #[error("What is to be imported is too large: more than {limit} {unit}.")]
    ArchiveTooLarge {
        /// Limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// An entry of the archive would lie outside the workspace.
    #[error("The archive holds {0:?}, which would lie outside the workspace; nothing was unpacked.")]
    ArchiveEntryRefused(String),

    /// No sandbox works here.
    #[error(
        "Programs cannot be run here: {reason}. Install bubblewrap and allow user namespaces, or set `sandbox = \"none\"` to run \
         them without a sandbox."
    )]
    SandboxUnavailable {
        /// Why not.
        reason: String,
    },
    /// What is to run cannot be run in a sandbox.
    #[error("The sandbox refuses this: {0}.")]
    SandboxInvalid(String),
    /// The sandbox could not be set up.
    #[error("The sandbox could not be set up: {0}")]
    SandboxFailed(String),
    /// The program could not be started.
    #[error("{program:?} could not be started: {reason}.")]
    ProgramFailed {
        /// Its name as it was given.
        program: String,
        /// Why.
        reason: String,
    },
    /// No such terminal, or somebody else's.
    #[error("There is no such terminal; it was closed, or the server was started again.")]
    TerminalNotFound,
    /// The workspace has as many as allowed.
    #[error("The workspace has {limit} terminals, the most allowed; close one first.")]
    TooManyTerminals {
        /// Limit.
        limit: usize,
    },
    /// The person has as many as allowed, in all their workspaces together.
    #[error("You have {limit} terminals in all your workspaces together, the most allowed; close one first.")]
    TooManyTerminalsOfPerson {
        /// Limit.
        limit: usize,
    },
    /// The terminal is shown in as many places as allowed.
    #[error("The terminal is shown in {limit} places, the most allowed; close it in one of them.")]
    TooManyAttachments {
        /// Limit.
        limit: usize,
    },
    /// Its program has ended.
    #[error("The program in this terminal has ended; open a new terminal.")]
    TerminalEnded,
    /// More input than fits in one call.
    #[error("The input is larger than the {limit} bytes that go into a terminal at once; send it in parts.")]
    TerminalInputTooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// The system gave no pseudo-terminal.
    #[error("No terminal could be opened: {0}.")]
    TerminalUnavailable(std::io::Error),

    /// The search pattern is malformed.
    #[error("The search pattern cannot be used: {0}")]
    SearchPattern(String),
    /// A glob of a search is malformed.
    #[error("The file pattern {glob:?} cannot be used: {reason}.")]
    SearchGlob {
        /// The glob as it was given.
        glob: String,
        /// Why.
        reason: String,
    },
    /// Who searched has stopped it.
    #[error("Cancelled.")]
    SearchCancelled,
    /// Nobody took what was found.
    #[error("The search was ended, because nothing of what it found was taken for {seconds} s; search again.")]
    SearchStalled {
        /// Limit in seconds.
        seconds: u64,
    },

    /// A fault of the program.
    #[error("An internal step failed: {0}")]
    Internal(String),
}

impl WorkspaceError {
    /// The error of an operation of the file system on `path`.
    #[must_use]
    pub fn from_io(path: &RelPath, error: std::io::Error) -> Self {
        use rustix::io::Errno;
        let path = path.clone();
        let Some(errno) = Errno::from_io_error(&error) else {
            // cap-std reports an attempt to leave the root without a number of the system.
            return match error.kind() {
                std::io::ErrorKind::PermissionDenied => Self::Outside(path),
                std::io::ErrorKind::NotFound => Self::NotFound(path),
                _ => Self::Io { path, source: error },
            };
        };
        match errno {
            Errno::NOENT => Self::NotFound(path),
            Errno::EXIST => Self::Exists(path),
            Errno::ISDIR => Self::IsAFolder(path),
            Errno::NOTDIR => Self::NotAFolder(path),
            Errno::NXIO | Errno::NODEV => Self::NotAFile(path),
            Errno::NOTEMPTY => Self::FolderNotEmpty(path),
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::NoPermission(path),
            Errno::NOSPC | Errno::DQUOT => Self::OutOfSpace(path),
            Errno::NAMETOOLONG => Self::NameTooLong(path),
            Errno::LOOP => Self::TooManyLinks(path),
            Errno::XDEV => Self::OtherFileSystem(path),
            _ => Self::Io { path, source: error },
        }
    }
}

impl Coded for WorkspaceError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "files.not_found",
            Self::Exists(_) => "files.exists",
            Self::IsAFolder(_) => "files.is_a_folder",
            Self::NotAFolder(_) => "files.not_a_folder",
            Self::NotAFile(_) => "files.not_a_file",
            Self::FolderNotEmpty(_) => "files.folder_not_empty",
            Self::FolderInUse(_) => "files.folder_in_use",
            Self::NoPermission(_) => "files.no_permission",
            Self::Outside(_) => "files.outside",
            Self::Changed(_) => "files.changed",
            Self::TooLarge { .. } => "files.too_large",
            Self::TooManyEntries { .. } => "files.too_many_entries",
            Self::OutOfSpace(_) => "files.out_of_space",
            Self::NameTooLong(_) => "files.name_too_long",
            Self::TooManyLinks(_) => "files.too_many_links",
            Self::IsTheRoot => "files.is_the_root",
            Self::InsideItself(_) => "files.inside_itself",
            Self::OtherFileSystem(_) => "files.other_file_system",
            Self::Interrupted(_) => "files.interrupted",
            Self::Io { .. } => "files.io",
            Self::Path(error) => error.code(),
            Self::Watch(_) => "watch.unavailable",
            Self::TooManyWatchers => "watch.too_many",
            Self::BadGlob { .. } => "watch.bad_glob",
            Self::WorkspaceNotFound => "workspace.not_found",
            Self::WorkspaceNotReady => "workspace.not_ready",
            Self::WorkspaceName { .. } => "workspace.bad_name",
            Self::TooManyWorkspaces { .. } => "workspace.too_many",
            Self::TooManyImports { .. } => "workspace.too_many_imports",
            Self::DataDirectory { .. } => "workspace.data_directory",
            Self::Store(error) => error.code(),
            Self::ImportInterrupted => "workspace.import_interrupted",
            Self::ImportCancelled => "import.cancelled",
            Self::ImportTimeout { .. } => "import.timeout",
            Self::GitFailed(_) => "import.git_failed",
            Self::GitMissing => "import.git_missing",
            Self::UrlRefused(_) => "import.url_refused",
            Self::PathRefused => "import.path_refused",
            Self::ArchiveInvalid(_) => "import.archive_invalid",
            Self::ArchiveTooLarge { .. } => "import.archive_too_large",
            Self::ArchiveEntryRefused(_) => "import.entry_refused",
            Self::SandboxUnavailable { .. } => "sandbox.unavailable",
            Self::SandboxInvalid(_) => "sandbox.invalid",
            Self::SandboxFailed(_) => "sandbox.failed",
            Self::ProgramFailed { .. } => "terminal.start_failed",
            Self::TerminalNotFound => "terminal.not_found",
            Self::TooManyTerminals { .. } => "terminal.too_many",
            Self::TooManyTerminalsOfPerson { .. } => "terminal.too_many_of_person",
            Self::TooManyAttachments { .. } => "terminal.too_many_attachments",
            Self::TerminalEnded => "terminal.ended",
            Self::TerminalInputTooLarge { .. } => "terminal.input_too_large",
            Self::TerminalUnavailable(_) => "terminal.unavailable",
            Self::SearchPattern(_) => "search.invalid_pattern",
            Self::SearchGlob { .. } => "search.invalid_glob",
            Self::SearchCancelled => "call.cancelled",
            Self::SearchStalled { .. } => "search.stalled",
            Self::Internal(_) => "workspace.internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::WorkspaceNotFound => Kind::NotFound,
            Self::Exists(_)
            | Self::IsAFolder(_)
            | Self::NotAFolder(_)
            | Self::NotAFile(_)
            | Self::FolderNotEmpty(_)
            | Self::FolderInUse(_)
            | Self::InsideItself(_)
            | Self::OtherFileSystem(_)
            | Self::TooManyWorkspaces { .. }
            | Self::WorkspaceNotReady => Kind::Conflict,
            Self::NoPermission(_) | Self::Outside(_) | Self::IsTheRoot => Kind::Forbidden,
            Self::Changed(_) => Kind::PreconditionFailed,
            Self::TooLarge { .. } | Self::TooManyEntries { .. } | Self::ArchiveTooLarge { .. } => Kind::TooLarge,
            Self::OutOfSpace(_) => Kind::OutOfSpace,
            Self::TooManyImports { .. } => Kind::TooManyRequests,
            Self::NameTooLong(_)
            | Self::TooManyLinks(_)
            | Self::Interrupted(_)
            | Self::BadGlob { .. }
            | Self::WorkspaceName { .. }
            | Self::UrlRefused(_)
            | Self::PathRefused
            | Self::ArchiveInvalid(_)
            | Self::ArchiveEntryRefused(_) => Kind::Invalid,
            Self::SandboxInvalid(_) | Self::ProgramFailed { .. } | Self::SearchPattern(_) | Self::SearchGlob { .. } => {
                Kind::Invalid
            }
            Self::TerminalNotFound => Kind::NotFound,
            Self::TerminalEnded
            | Self::TooManyTerminals { .. }
            | Self::TooManyTerminalsOfPerson { .. }
            | Self::TooManyAttachments { .. } => Kind::Conflict,
            Self::TerminalInputTooLarge { .. } => Kind::TooLarge,
            Self::SearchCancelled => Kind::Cancelled,
            Self::SandboxUnavailable { .. } | Self::TerminalUnavailable(_) => Kind::Unavailable,
            Self::SandboxFailed(_) => Kind::Internal,
            Self::Path(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::ImportCancelled => Kind::Cancelled,
            Self::ImportTimeout { .. } | Self::SearchStalled { .. } => Kind::Timeout,
            Self::GitFailed(_) => Kind::Upstream,
            Self::Watch(_) | Self::TooManyWatchers | Self::GitMissing | Self::ImportInterrupted => Kind::Unavailable,
            Self::Io { .. } | Self::DataDirectory { .. } | Self::Internal(_) => Kind::Internal,
        }
    }

    fn is_inside(&self) -> bool {
        match self {
            Self::Store(error) => error.is_inside(),
            _ => self.kind() == Kind::Internal,
        }
    }
}
