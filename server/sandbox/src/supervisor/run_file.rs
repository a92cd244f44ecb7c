//! How a server finds the running supervisor: two files in the run directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

const NAME: &str = "supervisor.json";
/// Made first, then renamed: nobody reads half of it.
const NEW_NAME: &str = "supervisor.json.new";
const LOCK_NAME: &str = "supervisor.lock";
/// Nobody else's business.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// Permissions that the directory must not give: others could put a file of their own in place.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Most bytes read of a run file.
const MAX_BYTES: u64 = 64 * 1024;
/// Random bytes of the socket's name and of the token.
const RANDOM_BYTES: usize = 32;

/// Where the supervisor listens, and what shows that somebody may talk to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Name of the abstract socket.
    pub(crate) address: String,
    pub(crate) token: String,
    /// For people.
    pub(crate) pid: u32,
}

impl RunFile {
    pub(super) fn random() -> Self {
        let random = || HEXLOWER.encode(&rand::random::<[u8; RANDOM_BYTES]>());
        Self { address: format!("coditect-{}", random()), token: random(), pid: std::process::id() }
    }

    /// As the system's calls take it: abstract names begin with a zero byte.
    pub(crate) fn socket(&self) -> String {
        format!("\0{}", self.address)
    }

    /// `None` where there is none, or none that can be understood.
    pub(crate) fn read(run_dir: &Path) -> Option<Self> {
        let mut text = Vec::new();
        let file = File::open(run_dir.join(NAME)).ok()?;
        // What somebody else wrote names nobody that a token should be shown to.
        if file.metadata().ok()?.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write(&self, run_dir: &Path) -> io::Result<()> {
        let new = run_dir.join(NEW_NAME);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(new, run_dir.join(NAME))
    }

    /// Takes it away, if it is still this one.
    pub(super) fn remove(&self, run_dir: &Path) {
        if Self::read(run_dir).as_ref() == Some(self)
            && let Err(error) = std::fs::remove_file(run_dir.join(NAME))
        {
            tracing::debug!(%error, "the run file could not be removed");
        }
    }
}

/// Says that a supervisor lives; the system takes it back when it ends in whatever way.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the directory if it is not there. `None` where another supervisor has it.
    pub(super) fn take(run_dir: &Path) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(run_dir)?;
        let facts = std::fs::metadata(run_dir)?;
        if facts.uid() != rustix::process::geteuid().as_raw() || facts.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(io::Error::other("it belongs to somebody else, or others may write to it"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(run_dir.join(LOCK_NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_directory_and_the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        let lock = Lock::take(&run_dir).unwrap().unwrap();
        assert!(Lock::take(&run_dir).unwrap().is_none());
        let (first, second) = (RunFile::random(), RunFile::random());
        assert!(first.address != second.address && first.token != second.token);
        std::fs::write(run_dir.join(NEW_NAME), "left behind").unwrap();
        first.write(&run_dir).unwrap();
        let facts = std::fs::metadata(run_dir.join(NAME)).unwrap();
        assert_eq!((facts.mode() & 0o777, std::fs::metadata(&run_dir).unwrap().mode() & 0o777), (0o600, 0o700));
        assert!(RunFile::read(&run_dir) == Some(first.clone()));
        second.remove(&run_dir);
        assert!(RunFile::read(&run_dir).is_some(), "somebody else's file stays");
        first.remove(&run_dir);
        assert!(RunFile::read(&run_dir).is_none());
        std::fs::write(run_dir.join(NAME), "{\"address\": 3}").unwrap();
        assert!(RunFile::read(&run_dir).is_none());
        drop(lock);
        assert!(Lock::take(&run_dir).unwrap().is_some());
        std::fs::set_permissions(&run_dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(Lock::take(&run_dir).is_err());
    }
}
