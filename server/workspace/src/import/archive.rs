//! Unpacking uploaded archives.
//!
//! Names are read by [`RelPath`], files are made beneath a directory handle, and everything is counted while it is unpacked,
//! whatever the archive says about itself. What would lie or lead outside makes the whole archive refused.

use super::{ImportSettings, Progress, ProgressSender, too_many_entries, unpacked_too_large};
use crate::error::WorkspaceError;
use crate::tree::{at, blocking, os_path};
use crate::usage::check_reserve;
use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use coditect_protocol::RelPath;
use flate2::read::MultiGzDecoder;
use futures_util::{Stream, StreamExt};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// Longest name in a tar archive, in bytes; more than a path may have.
const MAX_TAR_NAME_BYTES: u64 = 64 * 1024;
/// Largest block of further facts on an entry of a tar archive, in bytes.
const MAX_TAR_FACTS_BYTES: u64 = 1024 * 1024;
/// Longest target of a link, in bytes.
const MAX_LINK_BYTES: u64 = 4096;
/// Bytes copied at once.
const COPY_BYTES: usize = 64 * 1024;
/// Bytes taken in between two looks at how much of the disk is left.
const DISK_LOOK_BYTES: u64 = 16 * 1024 * 1024;
/// Bits of the mode that an entry keeps; its owner may always read and write it.
const KEPT_MODE: u32 = 0o777;
/// See [`KEPT_MODE`].
const LEAST_MODE: u32 = 0o600;
/// Bytes at the end of a zip archive in which its end record begins: the record, the longest comment, and the room that the
/// library gives to what follows the comment; before them, the place of the larger record.
const ZIP_TAIL_BYTES: u64 = 22 + 65_535 + 1024 + ZIP64_LOCATOR_BYTES as u64;
/// Bytes that name the place of the larger record.
const ZIP64_LOCATOR_BYTES: usize = 20;
/// Largest larger record, in bytes: the library reads it whole.
const MAX_ZIP64_RECORD_BYTES: u64 = 64 * 1024;
/// Bytes that an entry takes in a zip archive's list, on average, at most.
const MAX_ZIP_LIST_BYTES: u64 = 1024;
/// Folder in which macOS keeps what no other system needs.
const MAC_FOLDER: &str = "__MACOSX";

/// Form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    /// `.zip`
    Zip,
    /// `.tar`
    Tar,
    /// `.tar.gz`
    TarGz,
}

impl ArchiveKind {
    /// Told by the first bytes; a name can say anything.
    pub(crate) fn of(file: &mut File) -> Result<Self, WorkspaceError> {
        let mut start = Vec::new();
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| Read::by_ref(file).take(512).read_to_end(&mut start));
        read.map_err(unreadable)?;
        let kind = match &start[..] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::TarGz,
            // The magic of ustar and GNU, or one of the very old ones whose header sums up.
            bytes if bytes.get(257..262) == Some(b"ustar") || is_old_tar(bytes) => Self::Tar,
            _ => return Err(WorkspaceError::ArchiveInvalid("it has none of the known forms".to_owned())),
        };
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(kind)
    }
}

fn is_old_tar(block: &[u8]) -> bool {
    let (Ok(block), Some(stored)) = (<&[u8; 512]>::try_from(block), block.get(148..156)) else { return false };
    let sum: u32 =
        block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    let text = String::from_utf8_lossy(stored);
    u32::from_str_radix(text.trim_matches(['\0', ' ']), 8) == Ok(sum) && block[0] != 0
}

fn unreadable(error: io::Error) -> WorkspaceError {
    match rustix::io::Errno::from_io_error(&error) {
        Some(_) => WorkspaceError::from_io(&RelPath::root(), error),
        None => WorkspaceError::ArchiveInvalid(error.to_string()),
    }
}

/// Takes an archive in, up to the limit.
pub(crate) async fn receive<S, E>(
    mut content: S,
    target: &Path,
    settings: &ImportSettings,
) -> Result<(), WorkspaceError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    E: std::fmt::Display + Send,
{
    let root = RelPath::root();
    let limit = settings.max_archive_bytes;
    let mut file = tokio::fs::File::create_new(target).await.map_err(at(&root))?;
    let mut total = 0_u64;
    let mut look_behind = 0_u64;
    while let Some(chunk) = content.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "an upload ended early");
            WorkspaceError::Interrupted(root.clone())
        })?;
        total = total.saturating_add(chunk.len() as u64);
        if total > limit {
            return Err(WorkspaceError::ArchiveTooLarge { limit, unit: "bytes" });
        }
        if total > look_behind {
            look_behind = total + DISK_LOOK_BYTES;
            let (place, reserve) = (target.to_owned(), settings.disk_reserve_bytes);
            blocking(move || check_reserve(rustix::fs::statvfs(&place), reserve, 0)).await?;
        }
        file.write_all(&chunk).await.map_err(at(&root))?;
    }
    file.flush().await.map_err(at(&root))
}

/// Unpacks `archive` below `target`.
pub(crate) async fn unpack(
    archive: File,
    target: Dir,
    settings: &ImportSettings,
    progress: ProgressSender,
    cancel: CancellationToken,
) -> Result<(), WorkspaceError> {
    let settings = settings.clone();
    blocking(move || {
        let mut archive = archive;
        let kind = ArchiveKind::of(&mut archive)?;
        let size = archive.metadata().map_err(unreadable)?.len();
        let mut unpacker = Unpacker { target, settings, cancel, progress, size, bytes: 0, entries: 0 };
        match kind {
            ArchiveKind::Zip => unpacker.zip(archive),
            ArchiveKind::Tar => unpacker.tar(io::BufReader::new(archive)),
            ArchiveKind::TarGz => unpacker.tar(MultiGzDecoder::new(io::BufReader::new(archive))),
        }
    })
    .await
}

struct Unpacker {
    target: Dir,
    settings: ImportSettings,
    cancel: CancellationToken,
    progress: ProgressSender,
    size: u64,
    bytes: u64,
    entries: u64,
}

impl Unpacker {
    fn zip(&mut self, file: File) -> Result<(), WorkspaceError> {
        let invalid = |error: zip::result::ZipError| WorkspaceError::ArchiveInvalid(error.to_string());
        check_zip_list(&file, self.size, self.settings.max_entries)?;
        // An archive begins with its file: a list elsewhere than where its record says is not looked for.
        let config = zip::read::Config { archive_offset: zip::read::ArchiveOffset::Known(0) };
        let mut archive = zip::ZipArchive::with_config(config, io::BufReader::new(file)).map_err(invalid)?;
        let count = archive.len();
        for index in 0..count {
            let mut entry = archive.by_index(index).map_err(invalid)?;
            let name = entry.name().map_err(invalid)?.into_owned();
            self.count_entry()?;
            self.tell(index as u64, count as u64);
            let Some(path) = entry_path(&name)? else { continue };
            let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
            let mode = entry.unix_mode().unwrap_or(0o644);
            if entry.is_dir() {
                self.folder(&path)?;
            } else if kind == 0o120_000 {
                let mut link = Vec::new();
                entry.by_ref().take(MAX_LINK_BYTES).read_to_end(&mut link).map_err(unreadable)?;
                self.link(&path, &link, &name)?;
            } else if matches!(kind, 0 | 0o100_000) {
                self.file(&path, &mut entry, mode)?;
            } else {
                return Err(WorkspaceError::ArchiveEntryRefused(name));
            }
        }
        Ok(())
    }

    fn tar(&mut self, reader: impl Read) -> Result<(), WorkspaceError> {
        // Everything that is read counts, also what is skipped: twice the allowed bytes leave room for headers.
        let limit = self.settings.max_unpacked_bytes.saturating_mul(2).saturating_add(1 << 20);
        let mut archive = tar::Archive::new(Counted { inner: reader, left: limit });
        let mut names = TarNames::default();
        // Raw entries, because the library would read long names and facts of any length into memory.
        for entry in archive.entries().map_err(unreadable)?.raw(true) {
            let mut entry = entry.map_err(unreadable)?;
            self.count_entry()?;
            if self.cancel.is_cancelled() {
                return Err(WorkspaceError::ImportCancelled);
            }
            if names.take_in(&mut entry)? {
                continue;
            }
            let facts = std::mem::take(&mut names);
            self.tar_entry(&mut entry, facts)?;
        }
        Ok(())
    }

    fn tar_entry<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, facts: TarNames) -> Result<(), WorkspaceError> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|error| {
                WorkspaceError::ArchiveEntryRefused(String::from_utf8_lossy(error.as_bytes()).into_owned())
            })
        };
        let name = text(facts.path.unwrap_or_else(|| entry.header().path_bytes().into_owned()))?;
        let link = facts.link.or_else(|| entry.header().link_name_bytes().map(std::borrow::Cow::into_owned));
        let Some(path) = entry_path(&name)? else { return Ok(()) };
        let mode = entry.header().mode().unwrap_or(0o644);
        match entry.header().entry_type() {
            tar::EntryType::Directory => self.folder(&path),
            // Old archives mark folders by their name.
            tar::EntryType::Regular if name.ends_with('/') => self.folder(&path),
            tar::EntryType::Regular | tar::EntryType::Continuous => self.file(&path, entry, mode),
            tar::EntryType::Symlink => self.link(&path, &link.unwrap_or_default(), &name),
            tar::EntryType::Link => {
                let Some(original) = entry_path(&text(link.unwrap_or_default())?)? else {
                    return Err(WorkspaceError::ArchiveEntryRefused(name));
                };
                self.hard_link(&original, &path)
            }
            _ => Err(WorkspaceError::ArchiveEntryRefused(name)),
        }
    }

    fn count_entry(&mut self) -> Result<(), WorkspaceError> {
        self.entries += 1;
        if self.entries > self.settings.max_entries {
            return Err(too_many_entries(&self.settings));
        }
        Ok(())
    }

    fn tell(&self, done: u64, of: u64) {
        let percent = done.saturating_mul(100).checked_div(of).and_then(|percent| u8::try_from(percent).ok());
        let now = Progress { step: "Unpacking".to_owned(), percent };
        self.progress.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
    }

    fn folder(&self, path: &RelPath) -> Result<(), WorkspaceError> {
        self.target.create_dir_all(os_path(path)).map_err(at(path))
    }

    /// Makes room for an entry: the folder above it, and nothing under its name (the last one of a name counts).
    fn make_room(&self, path: &RelPath) -> Result<(), WorkspaceError> {
        if let Some(parent) = path.parent() {
            self.folder(&parent)?;
        }
        match self.target.remove_file(os_path(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
            _ => Ok(()),
        }
    }

    fn file(&mut self, path: &RelPath, content: &mut impl Read, mode: u32) -> Result<(), WorkspaceError> {
        self.make_room(path)?;
        let mode = (mode & KEPT_MODE) | LEAST_MODE;
        let options = OpenOptions::new().write(true).create_new(true).mode(mode).clone();
        let mut file = self.target.open_with(os_path(path), &options).map_err(at(path))?;
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            if self.cancel.is_cancelled() {
                return Err(WorkspaceError::ImportCancelled);
            }
            let count = match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            self.bytes = self.bytes.saturating_add(count as u64);
            if self.bytes > self.settings.max_unpacked_bytes {
                return Err(unpacked_too_large(&self.settings));
            }
            check_reserve(rustix::fs::fstatvfs(&self.target), self.settings.disk_reserve_bytes, count as u64)?;
            file.write_all(&buffer[..count]).map_err(at(path))?;
        }
    }

    fn link(&self, path: &RelPath, target: &[u8], name: &str) -> Result<(), WorkspaceError> {
        let refused = || WorkspaceError::ArchiveEntryRefused(name.to_owned());
        let target = std::str::from_utf8(target).map_err(|_| refused())?;
        if !stays_inside(path, target) {
            return Err(refused());
        }
        self.make_room(path)?;
        self.target.symlink_contents(target, os_path(path)).map_err(at(path))
    }

    fn hard_link(&self, original: &RelPath, path: &RelPath) -> Result<(), WorkspaceError> {
        if original == path {
            return Ok(());
        }
        self.make_room(path)?;
        self.target.hard_link(os_path(original), &self.target, os_path(path)).map_err(at(path))
    }
}

/// The path of an entry; `None` for the root and for what nobody wants.
fn entry_path(name: &str) -> Result<Option<RelPath>, WorkspaceError> {
    let path = RelPath::parse(name).map_err(|_| WorkspaceError::ArchiveEntryRefused(name.to_owned()))?;
    let unwanted = path.as_str() == MAC_FOLDER || path.as_str().starts_with("__MACOSX/");
    Ok((!path.is_root() && !unwanted).then_some(path))
}

/// Whether a link stays inside by its text. (Whatever it does, it is not followed out of a tree.)
fn stays_inside(link: &RelPath, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.contains('\0') || target.len() as u64 >= MAX_LINK_BYTES {
        return false;
    }
    let mut depth = link.as_str().split('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

/// Names and facts that came in entries of their own before the one they belong to.
#[derive(Default)]
struct TarNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl TarNames {
    /// Takes in what `entry` tells about the next one; whether it did.
    fn take_in<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<bool, WorkspaceError> {
        match entry.header().entry_type() {
            tar::EntryType::GNULongName => self.path = Some(trimmed(read_small(entry, MAX_TAR_NAME_BYTES)?)),
            tar::EntryType::GNULongLink => self.link = Some(trimmed(read_small(entry, MAX_TAR_NAME_BYTES)?)),
            tar::EntryType::XHeader => self.take_facts(&read_small(entry, MAX_TAR_FACTS_BYTES)?)?,
            // About the whole archive; git writes its commit here.
            tar::EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_facts(&mut self, facts: &[u8]) -> Result<(), WorkspaceError> {
        for fact in tar::PaxExtensions::new(facts) {
            let fact = fact.map_err(unreadable)?;
            match fact.key_bytes() {
                b"path" => self.path = Some(fact.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(fact.value_bytes().to_vec()),
                // A size too large for the header, or a file with holes: the content would be misread.
                key if key == b"size" || key.starts_with(b"GNU.sparse") => {
                    return Err(WorkspaceError::ArchiveInvalid("it holds a sparse file or one over 8 GiB".to_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_small<R: Read>(entry: &mut tar::Entry<'_, R>, limit: u64) -> Result<Vec<u8>, WorkspaceError> {
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > limit {
        return Err(WorkspaceError::ArchiveInvalid("a name in it is too long".to_owned()));
    }
    Ok(content)
}

fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// A reader that ends with an error after so many bytes.
struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("it unpacks to more than is allowed"));
        }
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// Refuses a zip archive whose list of entries is longer than allowed, before it is read into memory: whichever of its end
/// records the library takes, by the library's own rule of what a record means.
fn check_zip_list(mut file: &File, size: u64, max_entries: u64) -> Result<(), WorkspaceError> {
    let tail_at = size.saturating_sub(ZIP_TAIL_BYTES);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_at)).and_then(|_| file.read_to_end(&mut tail)).map_err(unreadable)?;
    for (at, _) in tail.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x05\x06") {
        let number = |offset: usize, bytes: usize| tail.get(at + offset..at + offset + bytes).map_or(0, little_endian);
        let (count, list_bytes, list_at) = (number(10, 2), number(12, 4), number(16, 4));
        // All ones stand for a number in the larger record; where there is no such record they are meant as they are.
        let is_large = count == 0xffff || list_bytes == 0xffff_ffff || list_at == 0xffff_ffff;
        let large = if is_large { zip64_list(file, tail_at, &tail[..at])? } else { None };
        let (count, list_bytes) = large.unwrap_or((count, list_bytes));
        if count > max_entries || list_bytes > max_entries.saturating_mul(MAX_ZIP_LIST_BYTES) {
            return Err(WorkspaceError::ArchiveTooLarge { limit: max_entries, unit: "entries" });
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    Ok(())
}

/// Entries and bytes of the list by the larger record, whose place stands at the end of `before`; `None` where it does not.
fn zip64_list(mut file: &File, tail_at: u64, before: &[u8]) -> Result<Option<(u64, u64)>, WorkspaceError> {
    let invalid = || WorkspaceError::ArchiveInvalid("the record of its list of entries cannot be read".to_owned());
    let Some(locator_start) = before.len().checked_sub(ZIP64_LOCATOR_BYTES) else { return Ok(None) };
    let locator = &before[locator_start..];
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    let place = little_endian(&locator[8..16]);
    let record_bytes = (tail_at + locator_start as u64).checked_sub(place);
    if record_bytes.is_none_or(|bytes| bytes > MAX_ZIP64_RECORD_BYTES) {
        return Err(invalid());
    }
    let mut record = [0; 56];
    file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut record)).map_err(|_| invalid())?;
    if !record.starts_with(b"PK\x06\x06") {
        return Err(invalid());
    }
    Ok(Some((little_endian(&record[32..40]), little_endian(&record[40..48]))))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
