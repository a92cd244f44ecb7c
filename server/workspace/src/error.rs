//! Everything that can go wrong with workspaces.

use coditect_protocol::path::PathError;
use coditect_protocol::{ByteSize, Coded, Kind, RelPath};
use coditect_sandbox::SandboxError;
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
    #[error("{path} is larger than the {} allowed here.", ByteSize(*.limit))]
    TooLarge {
        /// What.
        path: RelPath,
        /// Limit in bytes.
        limit: u64,
    },
    /// The workspace takes as much as it may.
    #[error(
        "The workspace takes {} of the {} that it may, {} more do not fit, and nothing was written; delete what is not needed, then empty its trash.",
        ByteSize(*.used),
        ByteSize(*.limit),
        ByteSize(*.more)
    )]
    Quota {
        /// Bytes that it takes, with what is being written.
        used: u64,
        /// Bytes that were wanted besides.
        more: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// A person's home takes as much as it may.
    #[error(
        "Your home takes {} of the {} that it may, {} more do not fit, and nothing was written; delete what is not needed there.",
        ByteSize(*.used),
        ByteSize(*.limit),
        ByteSize(*.more)
    )]
    HomeQuota {
        /// Bytes that it takes, with what is being written.
        used: u64,
        /// Bytes that were wanted besides.
        more: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// The workspace or home has as many files as it may.
    #[error(
        "There are {limit} files and folders, the most allowed, and nothing was written; delete what is not needed, then empty the trash."
    )]
    TooManyFiles {
        /// Limit.
        limit: u64,
    },
    /// So little of the disk is left that nobody may take it.
    #[error(
        "The server's disk is nearly full, and nothing was written; delete what is not needed for good, or ask the operator for space."
    )]
    DiskReserve,
    /// Permissions that are none.
    #[error("Permissions are the nine bits of chmod, 0 to 777 in octal.")]
    BadPermissions,
    /// A part of a file that would leave a hole before it.
    #[error("{path} has {size} bytes; a part of it begins there or before.")]
    BehindTheEnd {
        /// Which.
        path: RelPath,
        /// Its size in bytes.
        size: u64,
    },
    /// As many downloads as allowed are going on.
    #[error("{limit} folders of the workspace are being downloaded, the most allowed at once; wait for one to end.")]
    TooManyDownloads {
        /// Limit.
        limit: usize,
    },
    /// Nothing of that name is in the trash.
    #[error("It is not in the trash any more; somebody restored it or emptied the trash.")]
    TrashNotFound,
    /// There is no such upload, or it is somebody else's.
    #[error("There is no such upload; it was cancelled or given up. Send the file again.")]
    UploadNotFound,
    /// The part does not follow what is there.
    #[error("The upload goes on after {received} bytes.")]
    UploadOffset {
        /// Bytes that are there.
        received: u64,
    },
    /// More or fewer bytes than were announced.
    #[error("The upload has {received} of {size} bytes; send just those that are missing.")]
    UploadSize {
        /// Bytes that are there.
        received: u64,
        /// Bytes announced.
        size: u64,
    },
    /// The workspace has as many as allowed.
    #[error("{limit} files are being uploaded to the workspace, the most allowed at once; wait for one to end.")]
    TooManyUploads {
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
    /// A member who may only look was to change something.
    #[error("You may look at this workspace but change nothing in it; ask one of its admins for the right to write.")]
    ReadOnly,
    /// A member was to do what only admins or the owner may.
    #[error("Your role in this workspace does not allow this; ask one of its admins or its owner.")]
    RoleTooLow,
    /// The right that something under way needed was taken away.
    #[error("Your access to this workspace was changed, which ended what you were doing; open it again.")]
    AccessEnded,
    /// Somebody is to be added who may use it already.
    #[error("They can use this workspace already; change their role instead.")]
    IsMember,
    /// There is no such member.
    #[error("There is no such member of this workspace; they may have been removed.")]
    NoSuchMember,
    /// The owner was to be removed or changed, or somebody to be made owner.
    #[error("A workspace keeps its one owner; that role can be neither given nor taken.")]
    OneOwner,
    /// The workspace has as many members as allowed.
    #[error("The workspace has {limit} members, the most allowed; remove one first.")]
    TooManyMembers {
        /// Limit.
        limit: usize,
    },
    /// The person is a member of as many workspaces as allowed.
    #[error("They are a member of {limit} workspaces, the most allowed; they have to leave one first.")]
    TooManyShared {
        /// Limit.
        limit: usize,
    },
    /// As many pages look at workspaces as allowed.
    #[error("Too many pages have this workspace open; close some to see who else is there.")]
    RoomFull,
    /// A page shows more files than it may tell.
    #[error("A page tells others of at most {files} open files, whose paths have at most {bytes} bytes together.")]
    TooMuchShown {
        /// Limit of files.
        files: usize,
        /// Limit in bytes.
        bytes: usize,
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

    /// What runs git in a sandbox is not there.
    #[error("The program coditect-git is missing beside the server; ask the operator to install it.")]
    GitHelperMissing,
    /// What ran git was lost before it answered.
    #[error("Git was interrupted; look at what is done, then try again.")]
    GitInterrupted,
    /// What runs git did not start in time.
    #[error("Git did not start within {seconds} seconds; see what else you run in this workspace, then try again.")]
    GitStartTimeout {
        /// Limit.
        seconds: u64,
    },
    /// The person has git at work in as many workspaces as allowed.
    #[error("Git is at work in {limit} of your workspaces, the most allowed; wait until it is done in one of them.")]
    TooManyGitHelpers {
        /// Limit.
        limit: usize,
    },
    /// A login for another site is malformed.
    #[error("This login cannot be kept: {0}.")]
    GitCredential(&'static str),
    /// There is no such login, or it is somebody else's.
    #[error("There is no such login.")]
    GitCredentialNotFound,
    /// The person keeps as many logins as allowed.
    #[error("You keep {limit} logins, the most allowed; remove one first.")]
    TooManyGitCredentials {
        /// Limit.
        limit: usize,
    },

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

    /// Programs and terminals.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// There is no such profile.
    #[error("There is no terminal profile {0:?} on the server.")]
    NoSuchProfile(String),

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
    /// A file in which text was to be replaced is no text.
    #[error("{0} is a binary file; it was left as it is.")]
    ReplaceBinary(RelPath),
    /// The replacement cannot be written in the file's encoding.
    #[error("{0} is neither UTF-8 nor UTF-16, and the replacement has other than ASCII letters; it was left as it is.")]
    ReplaceEncoding(RelPath),
    /// More matches in one file than are replaced.
    #[error("{path} has more than {limit} matches; it was left as it is. Replace in it with a program.")]
    ReplaceTooMany {
        /// Which.
        path: RelPath,
        /// Limit.
        limit: usize,
    },

    /// A fault of the program.
    #[error("An internal step failed: {0}")]
    Internal(String),
}

impl WorkspaceError {
    /// Whether a figure refused it that may have been wrong.
    pub(crate) fn is_of_room(&self) -> bool {
        matches!(self, Self::Quota { .. } | Self::HomeQuota { .. } | Self::TooManyFiles { .. })
    }

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
    #[expect(clippy::too_many_lines, reason = "a table, with a line for each")]
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
            Self::Quota { .. } => "workspace.quota",
            Self::HomeQuota { .. } => "home.quota",
            Self::TooManyFiles { .. } => "workspace.too_many_files",
            Self::DiskReserve => "files.disk_reserve",
            Self::BadPermissions => "files.bad_permissions",
            Self::BehindTheEnd { .. } => "files.behind_the_end",
            Self::TooManyDownloads { .. } => "files.too_many_downloads",
            Self::TrashNotFound => "trash.not_found",
            Self::UploadNotFound => "upload.not_found",
            Self::UploadOffset { .. } => "upload.offset",
            Self::UploadSize { .. } => "upload.size",
            Self::TooManyUploads { .. } => "upload.too_many",
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
            Self::BadGlob { .. } => "watch.bad_glob",
            Self::WorkspaceNotFound => "workspace.not_found",
            Self::WorkspaceNotReady => "workspace.not_ready",
            Self::WorkspaceName { .. } => "workspace.bad_name",
            Self::TooManyWorkspaces { .. } => "workspace.too_many",
            Self::TooManyImports { .. } => "workspace.too_many_imports",
            Self::ReadOnly => "workspace.read_only",
            Self::RoleTooLow => "workspace.role_too_low",
            Self::AccessEnded => "workspace.access_ended",
            Self::IsMember => "workspace.is_member",
            Self::NoSuchMember => "workspace.no_such_member",
            Self::OneOwner => "workspace.one_owner",
            Self::TooManyMembers { .. } => "workspace.too_many_members",
            Self::TooManyShared { .. } => "workspace.too_many_shared",
            Self::RoomFull => "presence.full",
            Self::TooMuchShown { .. } => "presence.too_much",
            Self::DataDirectory { .. } => "workspace.data_directory",
            Self::Store(error) => error.code(),
            Self::GitHelperMissing => "git.helper_missing",
            Self::GitInterrupted => "git.interrupted",
            Self::GitStartTimeout { .. } => "git.start_timeout",
            Self::TooManyGitHelpers { .. } => "git.too_many_workspaces",
            Self::GitCredential(_) => "git.bad_credential",
            Self::GitCredentialNotFound => "git.no_such_credential",
            Self::TooManyGitCredentials { .. } => "git.too_many_credentials",
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
            Self::Sandbox(error) => error.code(),
            Self::NoSuchProfile(_) => "terminal.no_such_profile",
            Self::SearchPattern(_) => "search.invalid_pattern",
            Self::SearchGlob { .. } => "search.invalid_glob",
            Self::ReplaceBinary(_) => "search.binary_file",
            Self::ReplaceEncoding(_) => "search.encoding",
            Self::ReplaceTooMany { .. } => "search.too_many_in_file",
            Self::SearchCancelled => "call.cancelled",
            Self::SearchStalled { .. } => "search.stalled",
            Self::Internal(_) => "workspace.internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_)
            | Self::GitCredentialNotFound
            | Self::WorkspaceNotFound
            | Self::NoSuchMember
            | Self::TrashNotFound
            | Self::UploadNotFound => Kind::NotFound,
            Self::RoomFull | Self::TooManyGitHelpers { .. } => Kind::TooManyRequests,
            Self::TooMuchShown { .. } => Kind::TooLarge,
            Self::ReadOnly | Self::RoleTooLow | Self::AccessEnded => Kind::Forbidden,
            Self::IsMember | Self::OneOwner | Self::TooManyMembers { .. } | Self::TooManyShared { .. } => {
                Kind::Conflict
            }
            Self::Exists(_)
            | Self::IsAFolder(_)
            | Self::NotAFolder(_)
            | Self::NotAFile(_)
            | Self::FolderNotEmpty(_)
            | Self::FolderInUse(_)
            | Self::InsideItself(_)
            | Self::OtherFileSystem(_)
            | Self::UploadOffset { .. }
            | Self::UploadSize { .. }
            | Self::TooManyWorkspaces { .. }
            | Self::TooManyGitCredentials { .. }
            | Self::WorkspaceNotReady => Kind::Conflict,
            Self::NoPermission(_) | Self::Outside(_) | Self::IsTheRoot => Kind::Forbidden,
            Self::Changed(_) => Kind::PreconditionFailed,
            Self::TooLarge { .. } | Self::ArchiveTooLarge { .. } => Kind::TooLarge,
            Self::OutOfSpace(_)
            | Self::Quota { .. }
            | Self::HomeQuota { .. }
            | Self::TooManyFiles { .. }
            | Self::DiskReserve => Kind::OutOfSpace,
            Self::BehindTheEnd { .. } => Kind::RangeNotSatisfiable,
            Self::TooManyImports { .. } | Self::TooManyDownloads { .. } | Self::TooManyUploads { .. } => {
                Kind::TooManyRequests
            }
            Self::NameTooLong(_)
            | Self::BadPermissions
            | Self::TooManyLinks(_)
            | Self::Interrupted(_)
            | Self::BadGlob { .. }
            | Self::WorkspaceName { .. }
            | Self::GitCredential(_)
            | Self::UrlRefused(_)
            | Self::PathRefused
            | Self::ArchiveInvalid(_)
            | Self::ArchiveEntryRefused(_) => Kind::Invalid,
            Self::SearchPattern(_) | Self::SearchGlob { .. } | Self::NoSuchProfile(_) => Kind::Invalid,
            Self::Sandbox(error) => error.kind(),
            Self::SearchCancelled => Kind::Cancelled,
            Self::ReplaceBinary(_) | Self::ReplaceEncoding(_) | Self::ReplaceTooMany { .. } => Kind::Conflict,
            Self::Path(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::ImportCancelled => Kind::Cancelled,
            Self::ImportTimeout { .. } | Self::SearchStalled { .. } => Kind::Timeout,
            Self::GitFailed(_) => Kind::Upstream,
            Self::GitHelperMissing | Self::GitInterrupted | Self::GitStartTimeout { .. } => Kind::Unavailable,
            Self::Watch(_) | Self::GitMissing | Self::ImportInterrupted => Kind::Unavailable,
            Self::Io { .. } | Self::DataDirectory { .. } | Self::Internal(_) => Kind::Internal,
        }
    }

    fn is_inside(&self) -> bool {
        match self {
            Self::Store(error) => error.is_inside(),
            Self::Sandbox(error) => error.is_inside(),
            _ => self.kind() == Kind::Internal,
        }
    }
}
