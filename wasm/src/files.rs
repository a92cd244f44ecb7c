//! Files by the absolute paths of the IDE.

use std::rc::Rc;

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::files::{FileKind, FileStat, FolderEntry, MAX_CALL_FILE_BYTES, Page, Place, Root, WriteMode};
use serde::Serialize;
use tsify::Tsify;

use crate::abort::Abort;
use crate::core::Core;
use crate::error::{ShellError, expect_reply};
use crate::link::Step;
use crate::paths::Located;

/// Content over this size goes over `PUT`, beside the link, so that it does not hold up what is small; in bytes.
const PUT_FROM_BYTES: u64 = 1024 * 1024;
/// How often a `PUT` that did not get through is tried; it is safe to send again.
const PUT_ATTEMPTS: u32 = 3;

/// A file that was read.
#[derive(Debug, Serialize, Tsify)]
pub struct FileContent {
    /// Its bytes, or the part that was asked for.
    #[serde(with = "serde_bytes")]
    #[tsify(type = "Uint8Array")]
    pub bytes: Vec<u8>,
    /// Facts of the version that was read.
    pub stat: FileStat,
}

impl Core {
    /// Facts of a file or folder.
    pub(crate) async fn stat(&self, path: &str) -> Result<FileStat, ShellError> {
        match self.mounts().locate(path)? {
            Located::Virtual(_) => Ok(virtual_stat()),
            Located::Real(place) => {
                self.watches.reads(place.root);
                self.ask_stat(Request::Stat(place)).await
            }
        }
    }

    /// Entries of a folder.
    pub(crate) async fn read_folder(&self, path: &str) -> Result<Vec<FolderEntry>, ShellError> {
        match self.mounts().locate(path)? {
            Located::Virtual(names) => Ok(names.into_iter().map(virtual_entry).collect()),
            Located::Real(place) => {
                self.watches.reads(place.root);
                let mut entries = Vec::<FolderEntry>::new();
                loop {
                    let page = Page { after: entries.last().map(|last| last.name.clone()), limit: 0 };
                    let reply = self.link.call(Request::ReadFolder { place: place.clone(), page }).await?;
                    let listing = expect_reply!(reply, Reply::Folder(listing) => listing)?;
                    let more = listing.more && !listing.entries.is_empty();
                    entries.extend(listing.entries);
                    if !more {
                        return Ok(entries);
                    }
                }
            }
        }
    }

    /// Reads a file, or a part of it.
    pub(crate) async fn read_file(
        &self,
        path: &str,
        offset: u64,
        length: Option<u64>,
    ) -> Result<FileContent, ShellError> {
        match self.mounts().locate(path)? {
            Located::Virtual(_) => Err(ShellError::NotFound { path: path.to_owned() }),
            Located::Real(place) => self.read_place(place, offset, length, &Abort::never()).await,
        }
    }

    /// Reads a file, or a part of it, by its place.
    pub(crate) async fn read_place(
        &self,
        place: Place,
        offset: u64,
        length: Option<u64>,
        abort: &Abort,
    ) -> Result<FileContent, ShellError> {
        const TOO_LARGE: ShellError = ShellError::FileTooLarge { limit_bytes: MAX_CALL_FILE_BYTES };
        if length.is_some_and(|length| length > MAX_CALL_FILE_BYTES) {
            return Err(TOO_LARGE);
        }
        self.watches.reads(place.root);
        let mut bytes = Vec::new();
        let call = self.link.start(Request::ReadFile { place, offset, length })?;
        let reply = call
            .finish(abort, |step| {
                match step {
                    Step::Item(Item::Bytes(part)) if (bytes.len() + part.len()) as u64 > MAX_CALL_FILE_BYTES => {
                        return Err(TOO_LARGE);
                    }
                    Step::Item(Item::Bytes(part)) => bytes.extend_from_slice(&part),
                    Step::Item(_) => return Err(ShellError::UnexpectedReply),
                    Step::Restarted => bytes.clear(),
                }
                Ok(())
            })
            .await?;
        let stat = expect_reply!(reply, Reply::Stat(stat) => stat)?;
        Ok(FileContent { bytes, stat })
    }

    /// Writes a file, whole.
    pub(crate) async fn write_file(
        &self,
        path: &str,
        bytes: &js_sys::Uint8Array,
        mode: WriteMode,
    ) -> Result<FileStat, ShellError> {
        let place = self.mounts().place(path)?;
        let size = u64::from(bytes.length());
        if size > PUT_FROM_BYTES && place.root != Root::Home {
            return self.put_file(&place, bytes, &mode).await;
        }
        if size > MAX_CALL_FILE_BYTES {
            return Err(ShellError::FileTooLarge { limit_bytes: MAX_CALL_FILE_BYTES });
        }
        self.write_place(place, bytes.to_vec(), mode).await
    }

    /// Writes a small file by its place.
    pub(crate) async fn write_place(
        &self,
        place: Place,
        content: Vec<u8>,
        mode: WriteMode,
    ) -> Result<FileStat, ShellError> {
        self.ask_stat(Request::WriteFile { place, content, mode }).await
    }

    async fn put_file(
        &self,
        place: &Place,
        bytes: &js_sys::Uint8Array,
        mode: &WriteMode,
    ) -> Result<FileStat, ShellError> {
        let mut attempt = 1;
        loop {
            match self.rest.put_file(place, bytes, mode).await {
                Err(error) if error.is_unreachable() && attempt < PUT_ATTEMPTS => {
                    attempt += 1;
                    // Answered as soon as the link is back.
                    self.link.call(Request::Session).await?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Makes a folder and those above it.
    pub(crate) async fn make_folder(&self, path: &str) -> Result<FileStat, ShellError> {
        self.ask_stat(Request::MakeFolder(self.mounts().place(path)?)).await
    }

    /// Deletes a file or folder: into the trash, or for good.
    pub(crate) async fn delete(&self, path: &str, recursive: bool, trash: bool) -> Result<(), ShellError> {
        let place = self.mounts().place(path)?;
        let reply = self.link.call(Request::Delete { place, recursive, trash }).await?;
        expect_reply!(reply, Reply::Done => ())
    }

    /// Moves a file or folder.
    pub(crate) async fn rename(&self, from: &str, to: &str, overwrite: bool) -> Result<FileStat, ShellError> {
        let mounts = self.mounts();
        let (from, to) = (mounts.place(from)?, mounts.place(to)?);
        self.ask_stat(Request::Rename { from, to, overwrite }).await
    }

    /// Copies a file or folder.
    pub(crate) async fn copy(&self, from: &str, to: &str, overwrite: bool) -> Result<FileStat, ShellError> {
        let mounts = self.mounts();
        let (from, to) = (mounts.place(from)?, mounts.place(to)?);
        self.ask_stat(Request::Copy { from, to, overwrite }).await
    }

    /// A request whose reply is a stat.
    pub(crate) async fn ask_stat(&self, request: Request) -> Result<FileStat, ShellError> {
        expect_reply!(Rc::clone(&self.link).call(request).await?, Reply::Stat(stat) => stat)
    }
}

fn virtual_stat() -> FileStat {
    let etag = "virtual".to_owned();
    FileStat {
        kind: FileKind::Folder,
        is_link: false,
        size: 0,
        modified: 0,
        created: 0,
        etag,
        writable: false,
        permissions: 0o555,
        link_target: None,
    }
}

fn virtual_entry(name: String) -> FolderEntry {
    FolderEntry { name, kind: FileKind::Folder, is_link: false, size: 0, modified: 0 }
}
