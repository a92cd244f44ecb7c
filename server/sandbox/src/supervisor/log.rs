//! The supervisor's own log: a file that cannot grow without end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Name of the file in the run directory.
pub(super) const NAME: &str = "supervisor.log";
/// Where the file grows beyond so many bytes it becomes the old one, and the one before that goes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Ending of the old file.
const OLD_ENDING: &str = "1";
const MODE: u32 = 0o600;

struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// Writes whole lines.
#[derive(Clone)]
pub(super) struct BoundedFile {
    inner: Arc<Mutex<Inner>>,
    most: u64,
}

impl BoundedFile {
    fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = open_file(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { inner: Arc::new(Mutex::new(Inner { path: path.to_owned(), file, bytes })), most })
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

impl Write for BoundedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes + line.len() as u64 > self.most {
            std::fs::rename(&inner.path, inner.path.with_extension(format!("log.{OLD_ENDING}")))?;
            inner.file = open_file(&inner.path)?;
            inner.bytes = 0;
        }
        inner.file.write_all(line)?;
        inner.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for BoundedFile {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// From here on everything that is logged goes there, panics included.
pub(super) fn open(path: &Path) -> io::Result<()> {
    let file = BoundedFile::open(path, MAX_BYTES)?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(file).try_init().map_err(io::Error::other)?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("a task failed: {panic}")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_below_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        std::fs::write(&path, "from before\n").unwrap();
        let mut log = BoundedFile::open(&path, 100).unwrap();
        for line in 0..50 {
            writeln!(log, "line {line:04}").unwrap();
        }
        let (now, old) = (std::fs::read_to_string(&path).unwrap(), dir.path().join("supervisor.log.1"));
        let old = std::fs::read_to_string(old).unwrap();
        assert!(now.len() <= 100 && old.len() <= 100, "{} {}", now.len(), old.len());
        assert!(now.ends_with("line 0049\n") && !old.is_empty());
    }
}
