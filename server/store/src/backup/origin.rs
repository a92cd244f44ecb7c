//! Where rows come from, as who backs up, copies or checks names it.

use super::source::{Source, StreamSource, tally};
use super::{Phase, Progress, Summary, file, online};
use crate::copy::{OnTarget, copy};
use crate::embedded;
use crate::error::StoreError;
use crate::limits::CHECK_DIRECTORIES_MAX;
use crate::range::KeyValue;
use crate::store::Store;
use crate::url::StoreUrl;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes that are read from a file at once.
const FILE_BUFFER_BYTES: usize = 1 << 20;

/// A store, a store that another process of this machine has open, or a backup.
#[derive(Debug)]
pub struct Origin(Kind);

#[derive(Debug)]
enum Kind {
    Store(Store),
    /// Directory of an embedded store that is in use.
    InUse(PathBuf),
    File(PathBuf),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// All of it.
    pub summary: Summary,
    /// Rows and their bytes by directory; the empty name is for keys that are in none, or in one too many.
    pub directories: BTreeMap<String, (u64, u64)>,
}

impl Origin {
    /// Opens the store of a URL. The directory of an embedded one may be in use: then its process is asked.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match (Store::open(url).await, StoreUrl::parse(url)) {
            (Err(StoreError::Locked { .. }), Ok(StoreUrl::Embedded { directory, .. })) => {
                Ok(Self(Kind::InUse(directory)))
            }
            (opened, _) => opened.map(Self::store),
        }
    }

    /// An opened store.
    #[must_use]
    pub fn store(store: Store) -> Self {
        Self(Kind::Store(store))
    }

    /// A backup.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self(Kind::File(path.to_owned()))
    }

    /// Whether another process has it open.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self.0, Kind::InUse(_))
    }

    /// Looks at every page of an embedded store's file, which must not be in use; false where there are none.
    pub async fn check_pages(url: &str) -> Result<bool, StoreError> {
        match StoreUrl::parse(url)? {
            StoreUrl::Embedded { directory, cache_bytes } => {
                embedded::check_pages(directory, cache_bytes).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Writes all rows to a file; see [`Store::backup`].
    pub async fn backup_to(
        &self,
        path: &Path,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Summary, StoreError> {
        file::write_file(&mut self.rows().await?, self.name(), path, progress).await
    }

    /// Puts all rows into a store, and compares. A backup is checked whole before the first row is written. Until all is there
    /// [`Store::open`] refuses the target; who drops the future leaves it so.
    pub async fn copy_to(
        &self,
        target: &Store,
        on_target: OnTarget,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Summary, StoreError> {
        copy(self, target, on_target, &progress).await
    }

    /// Reads all rows, and counts them by directory.
    pub async fn check(&self, progress: impl Fn(Progress) + Send + Sync) -> Result<Checked, StoreError> {
        let mut directories = BTreeMap::new();
        let each = |rows: &[KeyValue], (counted, bytes): (u64, u64)| {
            rows.iter().for_each(|row| count(&mut directories, row));
            progress(Progress { phase: Phase::Checking, rows: counted, bytes });
        };
        let summary = self.read(each).await?;
        Ok(Checked { summary, directories })
    }

    /// Gives up what it holds.
    pub async fn close(self) {
        if let Kind::Store(store) = self.0 {
            store.close().await;
        }
    }

    /// Whether it can be read twice, the same both times, to check it before it is used.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.0, Kind::File(_))
    }

    /// Reads all of it.
    pub(crate) async fn read(
        &self,
        mut each: impl FnMut(&[KeyValue], (u64, u64)) + Send,
    ) -> Result<Summary, StoreError> {
        tally(&mut self.rows().await?, |rows, tally| each(rows, (tally.rows(), tally.bytes()))).await
    }

    /// Its rows from the first on.
    pub(crate) async fn rows(&self) -> Result<Source, StoreError> {
        match &self.0 {
            Kind::Store(store) => Source::store(store),
            Kind::InUse(directory) => online::ask(directory).await.map(|stream| Source::Stream(Box::new(stream))),
            Kind::File(path) => {
                let place = path.display().to_string();
                let failed = |error: std::io::Error| StoreError::Io { detail: format!("{place}: {error}") };
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                let input = tokio::io::BufReader::with_capacity(FILE_BUFFER_BYTES, file);
                StreamSource::open(input, place, false).await.map(|stream| Source::Stream(Box::new(stream)))
            }
        }
    }

    fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Store(store) => store.backend_name(),
            Kind::InUse(_) => embedded::NAME,
            Kind::File(_) => "backup",
        }
    }
}

/// Counts a row in its directory.
fn count(directories: &mut BTreeMap<String, (u64, u64)>, row: &KeyValue) {
    let mut name = crate::keys::directory(&row.key).unwrap_or_default();
    if !directories.contains_key(&name) && directories.len() >= CHECK_DIRECTORIES_MAX {
        name = String::new();
    }
    let (rows, bytes) = directories.entry(name).or_default();
    *rows += 1;
    *bytes += (row.key.len() + row.value.len()) as u64;
}
