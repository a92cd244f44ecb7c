//! Files and folders as one stream: `.zip` or `.tar`, made as it is taken, without a copy on the disk.

use super::confined::{Confined, file_kind};
use super::{at, is_missing, is_temporary, os_path};
use crate::error::WorkspaceError;
use bytes::Bytes;
use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions};
use coditect_protocol::RelPath;
use coditect_protocol::files::FileKind;
use rustix::io::Errno;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

/// Form of a packed stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackKind {
    /// `.zip`
    Zip,
    /// `.tar`
    Tar,
}

/// Bytes of one piece of the stream.
const PIECE_BYTES: usize = 128 * 1024;
/// Pieces that wait to be taken.
pub(super) const PIECES_WAITING: usize = 4;
/// A piece that is not taken for so long ends the download: it would keep its thread for ever.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// A file that takes less of the disk than one part in so many of its size is mostly holes. It goes as it is: there is next to nothing
/// to read, and much to press.
const MOSTLY_HOLES: u64 = 16;
/// Bytes of a block, as `stat` counts them.
const BLOCK_BYTES: u64 = 512;
/// Deepest folder that is packed.
const MAX_DEPTH: u32 = 256;
/// From this size on a file in a zip archive needs the wide form.
const WIDE_FROM_BYTES: u64 = u32::MAX as u64;
/// Bits of the mode that go along.
const PACKED_MODE: u32 = 0o777;

/// What is sent to whoever takes the stream.
pub(super) type Piece = Result<Bytes, WorkspaceError>;

/// Whoever takes the stream.
pub(super) struct Taker {
    /// Leads to them.
    pub(super) outlet: mpsc::Sender<Piece>,
    /// Knows the time.
    pub(super) runtime: Handle,
    /// Set once everything was handed over.
    pub(super) is_whole: Arc<AtomicBool>,
}

impl Taker {
    /// Hands a piece over.
    fn give(&self, piece: Piece) -> io::Result<()> {
        match self.runtime.block_on(tokio::time::timeout(TAKEN_WITHIN, self.outlet.send(piece))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Errno::CANCELED.into()),
            Err(_) => Err(Errno::TIMEDOUT.into()),
        }
    }
}

/// Packs `paths` with everything below. Ends when nobody takes it any more.
pub(super) fn pack(confined: &Confined, paths: &[RelPath], kind: PackKind, taker: &Taker) {
    let broken = Cell::new(false);
    let outlet = Outlet { taker, broken: &broken };
    let writer = BufWriter::with_capacity(PIECE_BYTES, outlet);
    let note = |packed: Result<(), Failed>| packed.inspect_err(|_| broken.set(true));
    let packed = match kind {
        PackKind::Tar => {
            let mut builder = tar::Builder::new(writer);
            builder.sparse(false);
            let packed = note(Packer { archive: &mut builder }.all(confined, paths));
            packed.and_then(|()| Ok(builder.into_inner()?.flush()?))
        }
        PackKind::Zip => {
            let mut writer = ZipWriter::new_stream(writer);
            let packed = note(Packer { archive: &mut writer }.all(confined, paths));
            packed.and_then(|()| Ok(writer.finish().map_err(io::Error::from)?.into_inner().flush()?))
        }
    };
    taker.is_whole.store(packed.is_ok(), Ordering::Release);
    if let Err(error) = packed
        && !taker.outlet.is_closed()
    {
        // The stream breaks off instead of ending, so that nobody takes half an archive for a whole one.
        let error = match error {
            Failed::At(error) => error,
            Failed::Io(error) => at(&RelPath::root())(error),
        };
        tracing::info!(%error, "a download was broken off");
        let _ = taker.give(Err(error));
    }
}

enum Failed {
    At(WorkspaceError),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends what is written.
struct Outlet<'a> {
    taker: &'a Taker,
    /// It cannot become whole any more. What the archive still writes when it is dropped, as its end, is not sent then.
    broken: &'a Cell<bool>,
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.get() {
            return Ok(bytes.len());
        }
        let given = self.taker.give(Ok(Bytes::copy_from_slice(bytes)));
        given.map(|()| bytes.len()).inspect_err(|_| self.broken.set(true))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is being written.
trait Archive {
    fn folder(&mut self, path: &str, facts: &Metadata) -> io::Result<()>;
    fn link(&mut self, path: &str, target: &str, facts: &Metadata) -> io::Result<()>;
    fn file(&mut self, path: &str, content: &mut Exact, facts: &Metadata) -> io::Result<()>;
}

impl<W: Write> Archive for tar::Builder<W> {
    fn folder(&mut self, path: &str, facts: &Metadata) -> io::Result<()> {
        self.append_data(&mut header(facts, tar::EntryType::Directory, 0), format!("{path}/"), io::empty())
    }

    fn link(&mut self, path: &str, target: &str, facts: &Metadata) -> io::Result<()> {
        self.append_link(&mut header(facts, tar::EntryType::Symlink, 0), path, target)
    }

    fn file(&mut self, path: &str, content: &mut Exact, facts: &Metadata) -> io::Result<()> {
        self.append_data(&mut header(facts, tar::EntryType::Regular, content.left), path, content)
    }
}

fn header(facts: &Metadata, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(facts.mode() & PACKED_MODE);
    header.set_mtime(u64::try_from(facts.mtime()).unwrap_or_default());
    header.set_size(size);
    header
}

impl<W: Write> Archive for ZipWriter<StreamWriter<W>> {
    fn folder(&mut self, path: &str, facts: &Metadata) -> io::Result<()> {
        Ok(self.add_directory(zip_name(path), options(facts))?)
    }

    fn link(&mut self, path: &str, target: &str, facts: &Metadata) -> io::Result<()> {
        Ok(self.add_symlink(zip_name(path), target, options(facts))?)
    }

    fn file(&mut self, path: &str, content: &mut Exact, facts: &Metadata) -> io::Result<()> {
        let mut options = options(facts).large_file(content.left >= WIDE_FROM_BYTES);
        if facts.blocks().saturating_mul(BLOCK_BYTES) < content.left / MOSTLY_HOLES {
            options = options.compression_method(CompressionMethod::Stored);
        }
        self.start_file(zip_name(path), options)?;
        io::copy(content, self).map(drop)
    }
}

fn options(facts: &Metadata) -> SimpleFileOptions {
    SimpleFileOptions::default().unix_permissions(facts.mode() & PACKED_MODE)
}

/// A name as every system takes it that unpacks zip archives: to some of them a backslash is a slash, which could lead out.
fn zip_name(path: &str) -> String {
    path.chars()
        .map(|character| match character {
            '\\' => '\u{ff3c}',
            control if control.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}

/// The paths without those that lie in others of them, each once; and how many of their first parts all of them share that are
/// folders. Names that begin behind those are different.
fn apart(paths: &[RelPath]) -> (Vec<&RelPath>, usize) {
    let mut sorted: Vec<&RelPath> = paths.iter().collect();
    sorted.sort_by(|left, right| parts(left).cmp(parts(right)));
    sorted.dedup_by(|next, before| next.is_within(before));
    let folders = |path: &&RelPath| parts(path).count().saturating_sub(1);
    let shared = match &sorted[..] {
        [] => 0,
        [first, rest @ ..] => rest.iter().fold(folders(first), |shared, path| {
            let same = parts(first).zip(parts(path)).take_while(|(a, b)| a == b).count();
            shared.min(same).min(folders(path))
        }),
    };
    (sorted, shared)
}

fn parts(path: &RelPath) -> impl Iterator<Item = &str> {
    path.as_str().split('/').filter(|part| !part.is_empty())
}

/// Just as many bytes as the archive announces, whatever happens to the file meanwhile.
struct Exact {
    file: std::fs::File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let mut count = self.file.read(buffer)?;
        if count == 0 {
            // It became shorter: zeros stand for what is gone, else everything after it would be read wrongly.
            buffer.fill(0);
            count = most;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

struct Packer<'a, A> {
    archive: &'a mut A,
}

impl<A: Archive> Packer<'_, A> {
    fn all(&mut self, confined: &Confined, paths: &[RelPath]) -> Result<(), Failed> {
        let (paths, shared) = apart(paths);
        for path in paths {
            if path.is_root() {
                let folder = confined.open_folder(os_path(path)).map_err(|error| Failed::At(at(path)(error)))?;
                self.below(&folder, "", 0)?;
                continue;
            }
            let (parent, name) = confined.entry(path).map_err(Failed::At)?;
            let shown = parts(path).skip(shared).collect::<Vec<_>>().join("/");
            self.entry(&parent, &name, &shown, 0).map_err(|error| match error {
                Failed::Io(error) if is_missing(&error) => Failed::At(WorkspaceError::NotFound(path.clone())),
                other => other,
            })?;
        }
        Ok(())
    }

    fn below(&mut self, folder: &Dir, path: &str, depth: u32) -> Result<(), Failed> {
        if depth > MAX_DEPTH {
            return Err(Failed::Io(Errno::NAMETOOLONG.into()));
        }
        for entry in folder.entries()? {
            let name = entry?.file_name();
            // A name that is no text cannot be told to every system that unpacks it.
            let Some(text) = name.to_str().filter(|text| !is_temporary(text)) else { continue };
            let shown = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
            match self.entry(folder, &name, &shown, depth) {
                Err(Failed::Io(error)) if is_missing(&error) => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn entry(&mut self, parent: &Dir, name: &OsStr, path: &str, depth: u32) -> Result<(), Failed> {
        let facts = parent.symlink_metadata(name)?;
        match file_kind(&facts) {
            FileKind::Folder => {
                let folder = parent.open_dir_nofollow(name)?;
                self.archive.folder(path, &facts)?;
                self.below(&folder, path, depth + 1)
            }
            // As text: a link is never followed.
            FileKind::BrokenLink => {
                let target = parent.read_link_contents(name)?;
                Ok(self.archive.link(path, &target.to_string_lossy(), &facts)?)
            }
            FileKind::File => {
                let mut options = OpenOptions::new();
                options.read(true).nonblock(true).follow(FollowSymlinks::No);
                let file = parent.open_with(name, &options)?;
                let facts = file.metadata()?;
                if !facts.is_file() {
                    return Ok(());
                }
                let mut content = Exact { file: file.into_std(), left: facts.len() };
                Ok(self.archive.file(path, &mut content, &facts)?)
            }
            FileKind::Other => Ok(()),
        }
    }
}
