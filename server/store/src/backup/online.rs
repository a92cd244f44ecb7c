//! Backups of a store that another process of this machine has open.
//!
//! Whoever has an embedded store's directory listens on a socket in it. Who connects, as the same user or as root, sends
//! [`REQUEST`] and gets a backup of one state. Who takes nothing in for [`BACKUP_STALL`] is cut off: a state that is held lets
//! the file grow.

use super::file;
use super::source::{Source, StreamSource};
use crate::backend::Backend;
use crate::error::StoreError;
use crate::limits::{BACKUP_STALL, BACKUPS_AT_ONCE};
use crate::store::Store;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// The socket in a store's directory.
pub(crate) const SOCKET_FILE: &str = "backup.sock";
/// What is asked for.
const REQUEST: &[u8; 9] = b"backup 1\n";
/// How long who connects may take to say what it wants.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on the socket of a directory until the store has ended. Without the socket the store works all the same.
pub(crate) fn listen(directory: &Path, backend: Weak<dyn Backend>, mut ended: watch::Receiver<()>) {
    let path = directory.join(SOCKET_FILE);
    let (listener, owner) = match bind(&path) {
        Ok(bound) => bound,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "no backups while the store is open: its socket cannot be made");
            return;
        }
    };
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(BACKUPS_AT_ONCE));
        loop {
            let accepted = tokio::select! {
                _ = ended.changed() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let peer = stream.peer_cred().map(|peer| peer.uid());
            // Who gets no room is cut off, and tells so.
            if let (Ok(peer), Ok(room)) = (peer, room.clone().try_acquire_owned())
                && (peer == owner || peer == 0)
            {
                let (backend, mut ended) = (backend.clone(), ended.clone());
                tokio::spawn(async move {
                    let _room = room;
                    tokio::select! {
                        _ = ended.changed() => {}
                        served = serve(stream, backend) => {
                            if let Err(error) = served {
                                tracing::warn!(%error, "a backup was broken off");
                            }
                        }
                    }
                });
            }
        }
    });
}

/// The socket, and the user whose it is. What an earlier process left is replaced: the directory is locked by this one.
fn bind(path: &Path) -> io::Result<(UnixListener, u32)> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, std::fs::metadata(path)?.uid()))
}

async fn serve(mut stream: UnixStream, backend: Weak<dyn Backend>) -> Result<(), StoreError> {
    let mut request = [0; REQUEST.len()];
    let read = timeout(REQUEST_LIMIT, stream.read_exact(&mut request)).await;
    if !matches!(read, Ok(Ok(_))) || request != *REQUEST {
        return Ok(());
    }
    let Some(backend) = backend.upgrade() else { return Ok(()) };
    let name = backend.name();
    let mut source = Source::store(&Store::from_backend(backend))?;
    let mut output = Impatient { stream, stalled: Box::pin(sleep(BACKUP_STALL)), is_waiting: false };
    let summary = file::write(&mut source, name, &mut output, |_| {}).await?;
    output.shutdown().await.map_err(|error| StoreError::Io { detail: error.to_string() })?;
    tracing::info!(rows = summary.rows, bytes = summary.bytes, "a backup was made");
    Ok(())
}

/// A stream whose other end must go on taking.
struct Impatient {
    stream: UnixStream,
    stalled: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.is_waiting = false;
                Poll::Ready(written)
            }
            Poll::Pending => {
                if !std::mem::replace(&mut self.is_waiting, true) {
                    self.stalled.as_mut().reset(Instant::now() + BACKUP_STALL);
                }
                ready!(self.stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Asks the process that has the directory open.
pub(super) async fn ask(directory: &Path) -> Result<StreamSource, StoreError> {
    let locked = |_: io::Error| StoreError::Locked { place: directory.display().to_string() };
    let mut stream = UnixStream::connect(directory.join(SOCKET_FILE)).await.map_err(locked)?;
    stream.write_all(REQUEST).await.map_err(locked)?;
    let place = format!("the answer of the process that uses {}", directory.display());
    match StreamSource::open(stream, place, true).await {
        Err(StoreError::Unavailable { .. }) => Err(StoreError::unavailable(format!(
            "the process that uses it makes no more than {BACKUPS_AT_ONCE} backups at once, or is stopping"
        ))),
        opened => opened,
    }
}
