//! Writing a backup.

use super::format::{About, Encoder, MAGIC};
use super::source::{Source, offload};
use super::{Phase, Progress, Summary};
use crate::embedded::{io_error, private_file};
use crate::error::StoreError;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Ending of a file that is not whole; left behind by a crash, it means nothing.
pub(super) const UNFINISHED: &str = ".new";

/// A file that is gone unless it is kept.
struct Unfinished {
    path: PathBuf,
    is_kept: bool,
}

impl Unfinished {
    /// Gives the file its name, durably.
    fn keep(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_kept = true;
        path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes all that a source has to a file, which gets its name when it is whole and on the disk.
pub(super) async fn write_file(
    source: &mut Source,
    backend: &str,
    path: &Path,
    progress: impl Fn(Progress) + Send + Sync,
) -> Result<Summary, StoreError> {
    let path = std::path::absolute(path).map_err(|error| io_error(&error))?;
    let (file, unfinished) = offload({
        let path = path.clone();
        move || create(&path)
    })
    .await??;
    let mut file = tokio::fs::File::from_std(file);
    let summary = write(source, backend, &mut file, progress).await?;
    file.sync_all().await.map_err(|error| io_error(&error))?;
    drop(file);
    offload(move || unfinished.keep(&path)).await?.map_err(|error| io_error(&error))?;
    Ok(summary)
}

/// A file beside the one to be made; nothing but a former backup is ever replaced.
fn create(path: &Path) -> Result<(fs::File, Unfinished), StoreError> {
    let refuse =
        |detail: &str| StoreError::BackupDestination { place: path.display().to_string(), detail: detail.to_owned() };
    let Some(name) = path.file_name() else { return Err(refuse("it does not name a file")) };
    match fs::File::open(path) {
        Ok(file) => {
            let mut start = Vec::new();
            let read = file.take(MAGIC.len() as u64).read_to_end(&mut start);
            if read.is_err() || start != MAGIC {
                return Err(refuse("it exists and is not a backup"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(refuse(&error.to_string())),
    }
    let mut unfinished = name.to_owned();
    unfinished.push(format!(".{:08x}{UNFINISHED}", rand::random::<u32>()));
    let unfinished = Unfinished { path: path.with_file_name(unfinished), is_kept: false };
    let file = private_file().create_new(true).open(&unfinished.path);
    Ok((file.map_err(|error| io_error(&error))?, unfinished))
}

/// Writes all that a source has.
pub(super) async fn write(
    source: &mut Source,
    backend: &str,
    output: &mut (impl AsyncWrite + Unpin + Send),
    progress: impl Fn(Progress) + Send + Sync,
) -> Result<Summary, StoreError> {
    let mut encoder = Encoder::default();
    let about = About { made_at: now(), backend: backend.to_owned() };
    put(output, &encoder.start(&about)?).await?;
    while let Some(rows) = source.next().await? {
        if rows.is_empty() {
            continue;
        }
        let (used, block) = offload(move || encoder.rows(&rows).map(|block| (encoder, block))).await??;
        encoder = used;
        put(output, &block).await?;
        progress(Progress { phase: Phase::Copying, rows: encoder.tally().rows(), bytes: encoder.tally().bytes() });
    }
    let (states, version) = source.states_and_version();
    let (end, summary) = encoder.end(states, version)?;
    put(output, &end).await?;
    output.flush().await.map_err(|error| io_error(&error))?;
    Ok(summary)
}

async fn put(output: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), StoreError> {
    output.write_all(bytes).await.map_err(|error| io_error(&error))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
