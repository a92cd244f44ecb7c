//! Where the tokens of a login are kept: a file of the person's own.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Logins by the address of their server.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Credentials {
    /// The server that was logged in to last.
    pub(super) current: Option<String>,
    pub(super) servers: BTreeMap<String, Tokens>,
}

/// Tokens of one login.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

impl Credentials {
    /// The file: `coditect/credentials.json` below the person's directory of configuration.
    pub(super) fn path() -> io::Result<PathBuf> {
        let own = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = own("XDG_CONFIG_HOME").or_else(|| own("HOME").map(|home| home.join(".config")));
        let folder = folder.ok_or_else(|| io::Error::other("HOME is not set; nowhere to keep the login"))?;
        Ok(folder.join("coditect").join("credentials.json"))
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                io::Error::other(format!("{} cannot be read; remove it and log in again", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file at once: an interruption leaves the old one.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let draft = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
        let written = self.write_to(&draft).and_then(|()| std::fs::rename(&draft, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written
    }

    fn write_to(&self, draft: &Path) -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn tokens_are_kept_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("coditect/credentials.json");
        let mut credentials = Credentials::read(&path).unwrap();
        assert!(credentials.servers.is_empty());
        let tokens = Tokens { access_token: "a".to_owned(), refresh_token: "r".to_owned() };
        credentials.servers.insert("http://localhost".to_owned(), tokens);
        for _ in 0..2 {
            credentials.write(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
        assert_eq!(Credentials::read(&path).unwrap().servers["http://localhost"].refresh_token, "r");
        std::fs::write(&path, "{").unwrap();
        assert!(Credentials::read(&path).is_err());
    }
}
