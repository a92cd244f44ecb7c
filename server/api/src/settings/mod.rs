//! Every setting of the server: one table, from which the flags, the variables, the configuration file and the documentation follow.
//!
//! A setting `files_max_upload_bytes` is the flag `--files-max-upload-bytes`, the variable `CODITECT_FILES_MAX_UPLOAD_BYTES` and the
//! key `files_max_upload_bytes` of the file. A flag beats a variable, a variable the file, the file the default.

mod check;
mod given;
mod load;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use given::{Discover, UpstreamGiven};
pub(crate) use load::with_variables;
pub use load::{LoadError, load};
pub use table::{Given, Row, Settings, rows};

/// Prefix of the variables.
pub const VARIABLE_PREFIX: &str = "CODITECT_";

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

    /// The directory of the store, wherever it is; nothing for a store without one.
    #[must_use]
    pub fn store_dir(&self) -> Option<PathBuf> {
        let url = self.store_url();
        let place = url.strip_prefix("embedded://")?;
        Some(PathBuf::from(place.split_once('?').map_or(place, |(path, _)| path)))
    }

    /// The data directory, absolute.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone())
    }
}
