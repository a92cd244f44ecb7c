//! Serving a store to other processes.

use super::connection::Connection;
use super::frames::Reply;
use super::listen::{Place, listen};
use super::wire::{WireError, put_frame};
use crate::error::StoreError;
use crate::limits::{SOCKET_CLOSE_WAIT, SOCKET_CONNECTIONS_MAX, SOCKET_REPLY_MAX_BYTES};
use crate::store::Store;
use bytes::BytesMut;
use rustix::process::geteuid;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pause after a connection could not be taken, for want of open files above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a store to processes of the same user over a socket, for several servers on one machine.
///
/// They open it as `socket:///absolute/path.sock`. It is not a cluster: several servers in production use FoundationDB.
pub struct StoreServer {
    store: Store,
    listener: UnixListener,
    place: Place,
    /// The one user whose processes may connect.
    owner: u32,
}

impl StoreServer {
    /// Listens on a path, whose directory must belong to this user alone and is made if it is not there. Clients wait
    /// until [`StoreServer::run`]. A socket that another process serves is [`StoreError::Locked`].
    pub async fn bind(store: Store, path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let place = path.display().to_string();
        let aborted = || StoreError::Socket { place: place.clone(), detail: "listening was aborted".to_owned() };
        let (listener, file) = tokio::task::spawn_blocking(move || listen(&path)).await.map_err(|_| aborted())??;
        let listener = UnixListener::from_std(listener)
            .map_err(|error| StoreError::Socket { place: place.clone(), detail: error.to_string() })?;
        Ok(Self { store, listener, place: file, owner: geteuid().as_raw() })
    }

    /// Serves until `stop` is ready; then lets what was asked come to its end, for a while, and takes the socket away.
    /// The store stays open.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut connections = JoinSet::new();
        let (stopping, is_stopping) = watch::channel(false);
        loop {
            select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, &mut connections, &is_stopping),
                    Err(error) => {
                        tracing::warn!(%error, "a client of the store could not be taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => report(ended),
            }
        }
        // Nobody comes any more, and who tries again finds another server or none.
        drop((self.listener, self.place));
        stopping.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(SOCKET_CLOSE_WAIT, drained).await.is_err() {
            tracing::warn!("clients of the store were cut off before they had their answers");
        }
    }

    /// Takes a client in, if it is one of ours and there is room.
    fn admit(
        &self,
        stream: UnixStream,
        connections: &mut JoinSet<Result<(), WireError>>,
        stopping: &watch::Receiver<bool>,
    ) {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.owner => {}
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), "a process of another user was refused at the store's socket");
                return refuse(stream, "it belongs to another user");
            }
            Err(error) => {
                tracing::warn!(%error, "a client of the store that cannot be identified was refused");
                return;
            }
        }
        if connections.len() >= SOCKET_CONNECTIONS_MAX {
            tracing::warn!("a client of the store was refused: there are {SOCKET_CONNECTIONS_MAX}");
            return refuse(stream, "it serves as many processes as it can");
        }
        connections.spawn(Connection::new(self.store.clone(), stream, stopping.clone()).run());
    }
}

impl std::fmt::Debug for StoreServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreServer").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Says why, if the client listens, and ends the connection.
fn refuse(stream: UnixStream, reason: &str) {
    let mut frame = BytesMut::new();
    let reply = Reply::Refused { reason: reason.to_owned() };
    if put_frame(&mut frame, &reply, SOCKET_REPLY_MAX_BYTES).is_ok() {
        // It does not block and fits into the socket's buffer, which is empty.
        let _ = stream.into_std().and_then(|mut stream| stream.write_all(&frame));
    }
}

fn report(ended: Result<Result<(), WireError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(()) | Err(WireError::Ended)) => tracing::debug!("a client of the store has gone"),
        Ok(Err(error)) => tracing::warn!(%error, "a client of the store was cut off"),
        Err(error) => tracing::error!(%error, "serving a client of the store failed"),
    }
}

#[cfg(test)]
impl StoreServer {
    /// Serves another user instead.
    pub(super) fn owned_by(mut self, owner: u32) -> Self {
        self.owner = owner;
        self
    }
}
