//! A second way into a repository, for the `git` that may be given a login.
//!
//! In a shared workspace somebody else may change the repository's configuration at any moment, also between the look whether it is
//! harmless and git's own. So that `git` gets a folder that only this person's programs see, laid out as a repository, with a
//! configuration written once from what was checked; objects and references are links to the real ones.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::settings::{Entry, Settings};
use crate::credential::unique;
use crate::error::GitError;
use crate::run::Call;
use crate::work::Work;

/// What is shared with the repository: nothing among it says where or how to connect.
const SHARED: [&str; 6] = ["objects", "refs", "packed-refs", "reftable", LOGS, "shallow"];
/// What git makes with the first commit or fetch.
const LOGS: &str = "logs";
/// What `git` notes of the last fetch.
const FETCHED: &str = "FETCH_HEAD";
/// Longest `HEAD`, in bytes.
const MAX_HEAD_BYTES: u64 = 4096;
/// Most that is taken over of what was fetched, in bytes.
const MAX_FETCHED_BYTES: u64 = 16 * 1024 * 1024;

/// The folder; removed with this value.
pub(super) struct View {
    folder: PathBuf,
    /// The work tree's own part of the repository.
    own: PathBuf,
    /// What of the configuration forbids logins, where something does.
    refused_by: Option<String>,
}

impl View {
    /// Reads the configuration, once, and makes the folder.
    pub(super) async fn of(work: &Work) -> Result<Self, GitError> {
        let output = work.look("config").args(["--list", "--show-scope", "-z"]).whole().await?;
        let settings = Settings::parse(&output);
        let (own, shared) =
            work.read(|repository| Ok((repository.git_dir().to_owned(), repository.common_dir().to_owned()))).await?;
        let folder = std::env::temp_dir().join(format!("coditect-git-view-{}", unique()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let view = Self { folder, own, refused_by: settings.refused_by };
        view.fill(&shared, &settings.kept)?;
        Ok(view)
    }

    fn fill(&self, shared: &Path, kept: &[Entry]) -> std::io::Result<()> {
        let shared = shared.canonicalize()?;
        match DirBuilder::new().create(shared.join(LOGS)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for name in SHARED {
            // A link that leads nowhere yet is what a lock file is made through; a folder has to be there.
            if name != "reftable" || shared.join(name).exists() {
                symlink(shared.join(name), self.folder.join(name))?;
            }
        }
        let mut head = Vec::new();
        File::open(self.own.join("HEAD"))?.take(MAX_HEAD_BYTES).read_to_end(&mut head)?;
        write_new(&self.folder.join("HEAD"), &head)?;
        let config: Vec<u8> = kept.iter().flat_map(Entry::text).collect();
        write_new(&self.folder.join("config"), &config)
    }

    /// What forbids that a login is given.
    pub(super) fn refused_by(&self) -> Option<&str> {
        self.refused_by.as_deref()
    }

    /// Has a command use it.
    pub(super) fn open<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.env("GIT_DIR", &self.folder)
    }

    /// Tells the repository what was fetched.
    pub(super) fn take_over(&self) -> std::io::Result<()> {
        let mut fetched = Vec::new();
        match File::open(self.folder.join(FETCHED)) {
            Ok(file) => file.take(MAX_FETCHED_BYTES).read_to_end(&mut fetched)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // Beside it first: a link that somebody put there must not be written through.
        let new = self.own.join(format!("{FETCHED}.{}", unique()));
        let moved = write_new(&new, &fetched).and_then(|()| std::fs::rename(&new, self.own.join(FETCHED)));
        if moved.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        moved
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Links are removed, not what they lead to.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(bytes)
}
