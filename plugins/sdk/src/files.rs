//! Files of the workspace. Capabilities `files.read` and `files.write`, each within its globs.

pub use crate::bindings::coditect::plugin::files::{Content, Entry, Kind};
use crate::error::{Error, Result};
use crate::host::files as host;

/// Most bytes of a file.
pub const MAX_BYTES: u32 = 4 * 1024 * 1024;

/// Entries that are asked for at once.
const PAGE_ENTRIES: u32 = 1000;

/// A whole file of at most [`MAX_BYTES`].
pub fn read(path: &str) -> Result<Content> {
    read_up_to(path, MAX_BYTES)
}

/// A whole file; `limit` where it is larger than `max_bytes`.
pub fn read_up_to(path: &str, max_bytes: u32) -> Result<Content> {
    host::read(path, max_bytes).map_err(Error::from_wire)
}

/// A whole file as text; `invalid` where it is not UTF-8.
///
/// ```
/// use coditect_plugin_sdk::prelude::*;
///
/// # let _host = testing::Host::new().file("notes/a.md", "# A").enter();
/// assert!(files::text("notes/a.md")?.starts_with("# "));
/// # Ok::<(), Error>(())
/// ```
pub fn text(path: &str) -> Result<String> {
    read(path)?.text(path)
}

impl Content {
    /// As text; `invalid` where it is not UTF-8, with `path` in the sentence.
    pub fn text(self, path: &str) -> Result<String> {
        String::from_utf8(self.bytes).map_err(|_| Error::Invalid(format!("{path} is not UTF-8")))
    }
}

/// Makes a new file and tells its version; `conflict` where there is one.
pub fn create(path: &str, content: impl AsRef<[u8]>) -> Result<String> {
    host::write(path, content.as_ref(), None).map_err(Error::from_wire)
}

/// Writes a whole file in place of a version of it and tells its new one; `conflict` where it is at another by now.
pub fn replace(path: &str, content: impl AsRef<[u8]>, version: &str) -> Result<String> {
    host::write(path, content.as_ref(), Some(version)).map_err(Error::from_wire)
}

/// Moves a file into the workspace's trash, from where the person can have it back.
pub fn delete(path: &str) -> Result<()> {
    host::delete(path).map_err(Error::from_wire)
}

/// Facts of a file.
pub fn stat(path: &str) -> Result<Entry> {
    host::stat(path).map_err(Error::from_wire)
}

/// All entries of a directory by name; the empty path is the workspace. They come page by page: what follows an error is nothing.
pub fn list(path: &str) -> impl Iterator<Item = Result<Entry>> {
    let path = path.to_owned();
    crate::pages::all(PAGE_ENTRIES, move |after: Option<&Entry>, limit| {
        host::list(&path, after.map(|entry| entry.name.as_str()), limit).map_err(Error::from_wire)
    })
}
