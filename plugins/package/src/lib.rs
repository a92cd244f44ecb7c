//! What a plugin is as a file: its manifest, its package, and who signed it.
//!
//! * [`manifest`] reads `plugin.toml` and says precisely what is wrong with one; [`consent`] and [`asks_more`] are what a person's
//!   consent is compared by.
//! * [`Package`] is the file `*.coditect-plugin`: built so that the same contents are the same bytes, read within bounds, whoever made it.
//! * [`SigningKey`] and [`PublicKey`] are Ed25519. A signature stands for what is in the package, not for how it was pressed.
//!
//! **May know:** the protocol. **Invariants:**
//! * Bytes in, bytes out: no file, no network, no clock.
//! * What was read is canonical, complete and checked: there is one form of each index, manifest and signature, nothing behind the end,
//!   and memory grows with what was really there, never with what was announced.
//! * No secret is in a message, in `Debug`, or in memory that was given back.

mod container;
mod contents;
mod error;
mod icon;
mod keys;
pub mod manifest;

pub use container::{MAGIC, MAX_FILE_BYTES, MAX_FILES, MAX_PATH_BYTES, MAX_RATIO, MAX_UNPACKED_BYTES, Package};
pub use contents::{
    COMPONENT_PATH, LICENSE_PATH, MANIFEST_PATH, MAX_README_BYTES, MAX_THEME_BYTES, MAX_THEMES_BYTES, README_PATH,
};
pub use error::{KeyFault, PackageError};
pub use icon::MAX_ICON_BYTES;
pub use keys::{KeyId, PublicKey, Signature, SigningKey};
pub use manifest::{ManifestError, ManifestFault, asks_more, consent};

/// SHA-256 in 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}
