//! The supervisor's own log: a file that cannot grow without end, and that nobody waits for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Name of the file in the run directory.
pub(super) const NAME: &str = "supervisor.log";
/// Where the file grows beyond so many bytes it becomes the old one, and the one before that goes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Ending of the old file.
const OLD_ENDING: &str = "1";
const MODE: u32 = 0o600;
/// Lines on their way to the file; of more, the number alone is written.
const QUEUED_LINES: usize = 1024;
/// How long the end of the supervisor waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

struct BoundedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
}

impl BoundedFile {
    fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = open_file(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, most })
    }

    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes + line.len() as u64 > self.most {
            std::fs::rename(&self.path, self.path.with_extension(format!("log.{OLD_ENDING}")))?;
            self.file = open_file(&self.path)?;
            self.bytes = 0;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

enum Message {
    Line(Vec<u8>),
    /// Everything before this is written.
    Written(SyncSender<()>),
}

/// Takes whole lines for the file. A disk that somebody keeps busy holds up the thread that writes, and nothing else.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    fn start(mut file: BoundedFile) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUED_LINES);
        let lines = Self { queue, lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&mut file, &messages, &lost))?;
        Ok(lines)
    }

    /// Waits for what was logged until now.
    pub(super) fn finish(&self) {
        let (tell, written) = sync_channel(1);
        if self.queue.try_send(Message::Written(tell)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

fn write_all(file: &mut BoundedFile, messages: &Receiver<Message>, lost: &AtomicU64) {
    for message in messages {
        match message {
            // There is nobody else to tell that a line cannot be written.
            Message::Line(line) => drop(file.add(&line)),
            Message::Written(tell) => drop(tell.try_send(())),
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            drop(file.add(format!("{count} lines came faster than they could be written\n").as_bytes()));
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_owned())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// From here on everything that is logged goes there, panics included.
pub(super) fn open(path: &Path) -> io::Result<Lines> {
    let lines = Lines::start(BoundedFile::open(path, MAX_BYTES)?)?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).try_init().map_err(io::Error::other)?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("a task failed: {panic}")));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_below_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        std::fs::write(&path, "from before\n").unwrap();
        let mut log = Lines::start(BoundedFile::open(&path, 100).unwrap()).unwrap();
        for line in 0..50 {
            writeln!(log, "line {line:04}").unwrap();
        }
        log.finish();
        let (now, old) = (std::fs::read_to_string(&path).unwrap(), dir.path().join("supervisor.log.1"));
        let old = std::fs::read_to_string(old).unwrap();
        assert!(now.len() <= 100 && old.len() <= 100, "{} {}", now.len(), old.len());
        assert!(now.ends_with("line 0049\n") && !old.is_empty());
    }

    #[test]
    fn a_disk_that_does_not_answer_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        // A pipe that nobody reads: it takes no more than a little.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let held = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let file = BoundedFile { path: path.clone(), file: open_file(&path).unwrap(), bytes: 0, most: u64::MAX };
        let mut log = Lines::start(file).unwrap();
        let mut lines = 0;
        // Those that were lost before the pipe was full are told of in it, and are forgotten.
        while log.lost.load(Ordering::Relaxed) == 0 {
            writeln!(log, "{}", "x".repeat(1000)).unwrap();
            lines += 1;
            assert!(lines < 100 * QUEUED_LINES, "the pipe takes everything");
        }
        drop(held);
    }
}
