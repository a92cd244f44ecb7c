//! A file of its own, made where there is none yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use coditect_store::MasterKey;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::{MAX_KEY_BYTES, MasterKeySource};
use crate::error::ServerError;

/// Who may read it: the owner.
const MODE: u32 = 0o600;
/// What the file says of itself.
const HEAD: &str = "# Master key of a Coditect store. Keep a copy apart from the store, and show it to nobody.\n";

/// The file with this path.
pub(super) struct KeyFile(pub(super) PathBuf);

impl MasterKeySource for KeyFile {
    fn read(&self) -> BoxFuture<'_, Result<MasterKey, ServerError>> {
        async { open(&self.0) }.boxed()
    }

    fn is_there(&self) -> bool {
        self.0.exists()
    }
}

/// Reads the key, or makes one where there is none yet.
fn open(path: &Path) -> Result<MasterKey, ServerError> {
    let refuse = |reason: String| ServerError::MasterKey(format!("{}: {reason}", path.display()));
    let unreadable = |error: io::Error| refuse(format!("it cannot be read: {error}"));
    let opened = File::open(path);
    let file = if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        make(path).map_err(|error| refuse(format!("it cannot be made: {error}")))?;
        tracing::info!(path = %path.display(), "the master key was made; keep a copy of it apart from the store");
        File::open(path)
    } else {
        opened
    };
    let file = file.map_err(unreadable)?;
    // Of the file that is open, so that nobody can exchange it in between.
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(refuse("it is no file".to_owned()));
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o777;
        return Err(refuse(format!("others than its owner may use it (mode {mode:03o}); say chmod 600")));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_KEY_BYTES as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    MasterKey::parse(&bytes).map_err(|error| refuse(error.to_string()))
}

/// Makes the file with everything in it at once: whoever starts at the same moment finds it whole or not at all.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let draft = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let written = write(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        // Somebody else was quicker; theirs counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let _ = fs::remove_file(&draft);
    written?;
    File::open(folder)?.sync_all()
}

fn write(draft: &Path) -> io::Result<()> {
    let key = MasterKey::generate().map_err(io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft)?;
    file.write_all(HEAD.as_bytes())?;
    file.write_all(key.reveal().as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(open(&path).unwrap() == made);
        assert!(open(&dir.path().join("other.key")).unwrap() != made);
        // Nothing is left of the making.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn those_who_start_at_once_get_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).unwrap())).collect();
            starting.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn what_others_may_read_or_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let refused = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            open(&path).unwrap_err().to_string()
        };
        let good = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
        for mode in [0o640, 0o604, 0o660, 0o666] {
            assert!(refused(good, mode).contains("chmod 600"));
        }
        for text in ["", "hunter2", &good[..40], &"ä".repeat(32)] {
            let told = refused(text, 0o600);
            assert!(told.contains("Base64") && (text.is_empty() || !told.contains(text)), "{told}");
        }
        fs::write(&path, format!("{good}\n")).unwrap();
        assert!(open(&path).unwrap() == MasterKey::from_bytes([0xab; 32]));
        assert!(open(dir.path()).unwrap_err().to_string().contains("no file"));
    }
}
