//! Every setting of the server: one table, from which the flags, the variables, the configuration file and the documentation follow.
//!
//! A setting `files_max_upload_bytes` is the flag `--files-max-upload-bytes`, the variable `CODITECT_FILES_MAX_UPLOAD_BYTES` and the
//! key `files_max_upload_bytes` of the file. A flag beats a variable, a variable the file, the file the default.

mod check;
mod given;
mod load;
mod table;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use given::{Discover, Mailing, Registering, UpstreamGiven};
pub use load::{LoadError, load};
pub(crate) use load::{load_given, with_variables};
pub use table::{Given, Row, Settings, rows};

/// Prefix of the variables.
pub const VARIABLE_PREFIX: &str = "CODITECT_";

/// The variable that may hold the master key itself. It is no setting: a secret is no flag, which everybody on the machine could read, and
/// is never listed.
pub const MASTER_KEY_VARIABLE: &str = "CODITECT_MASTER_KEY";

/// Address that `serve` listens on unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8700);

impl Settings {
    /// URL of the store: the one given, else the embedded store below the data directory.
    #[must_use]
    pub fn store_url(&self) -> String {
        if self.store.is_empty() {
            format!("embedded://{}", self.data_dir().join("store").display())
        } else {
            self.store.clone()
        }
    }

    /// What of the store lies in the file system, and nobody else may reach: the directory of an embedded store, or that of the socket or
    /// the cluster file of another one. The directory, for a file that is made again would show through what hides only the file.
    #[must_use]
    pub fn store_dir(&self) -> Option<PathBuf> {
        let url = self.store_url();
        let (kind, place) = url.split_once("://")?;
        let place = Path::new(place.split_once('?').map_or(place, |(path, _)| path));
        if kind == "embedded" {
            return Some(place.to_owned());
        }
        // A file right below one of these cannot take the whole of it along.
        let shared =
            |dir: &&Path| !["/", "/etc", "/run", "/tmp", "/var"].iter().any(|system| *dir == Path::new(system));
        Some(place.parent().filter(shared).unwrap_or(place).to_owned())
    }

    /// The file of the key that protects secrets in the store, absolute.
    #[must_use]
    pub fn master_key_path(&self) -> PathBuf {
        self.below_data(&self.master_key_file, "master.key")
    }

    /// The directory for mails, absolute.
    #[must_use]
    pub fn mail_path(&self) -> PathBuf {
        self.below_data(&self.mail_dir, "mail")
    }

    /// The directory for the backups that the server makes by itself, absolute.
    #[must_use]
    pub fn backup_path(&self) -> PathBuf {
        self.below_data(&self.backup_dir, "backups")
    }

    fn below_data(&self, given: &Path, name: &str) -> PathBuf {
        if given.as_os_str().is_empty() {
            return self.data_dir().join(name);
        }
        std::path::absolute(given).unwrap_or_else(|_| given.to_owned())
    }

    /// The data directory, absolute.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone())
    }
}
