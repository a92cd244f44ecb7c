//! Who gets in.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, geteuid, getrlimit};
use subtle::ConstantTimeEq as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection;
use super::host::Host;
use super::run_file::RunFile;
use crate::SandboxError;
use crate::wire::{Greeting, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, Reply, Request, VERSION, receive, send};

/// Most connections at a time that wait for what programs do; further ones are refused.
const MAX_WAITING: usize = 16 * 1024;
/// The same as a part of the files that may be open: the others need some too.
const WAITING_SHARE: u64 = 4;
/// Most connections at a time on which nothing was asked yet; further ones wait.
const MAX_ARRIVING: usize = 1024;
/// How long somebody has to say who they are.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// How long somebody has to ask for something then.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Pause after a connection could not be taken, for want of open files above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) fn bind(file: &RunFile) -> std::io::Result<UnixListener> {
    UnixListener::bind(file.socket())
}

/// How many connections there may be. What ends something, and whatever else is answered soon, never waits for a place:
/// how many of those there are is in the hands of servers alone.
struct Places {
    arriving: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Places {
    fn new() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / WAITING_SHARE;
        Self::with_most(usize::try_from(files).unwrap_or(usize::MAX).min(MAX_WAITING))
    }

    fn with_most(waiting: usize) -> Self {
        Self { arriving: Arc::new(Semaphore::new(MAX_ARRIVING)), waiting: Arc::new(Semaphore::new(waiting)) }
    }

    /// A place for what is asked, where it needs one.
    fn take(&self, request: &Request) -> Result<Option<OwnedSemaphorePermit>, SandboxError> {
        if !request.waits_for_programs() {
            return Ok(None);
        }
        Arc::clone(&self.waiting).try_acquire_owned().map(Some).map_err(|_| SandboxError::Busy)
    }
}

/// Takes connections until it is dropped.
pub(super) async fn serve(listener: UnixListener, host: Host, token: &str) {
    let entrance = Arc::new(Entrance { host, token: token.to_owned(), places: Places::new() });
    loop {
        let Ok(place) = Arc::clone(&entrance.places.arriving).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, &entrance, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Only processes of the same user get further: an abstract socket has no permissions of its own.
fn admit(stream: UnixStream, entrance: &Arc<Entrance>, place: OwnedSemaphorePermit) {
    match stream.peer_cred() {
        Ok(peer) if is_own_user(peer.uid()) => {
            let entrance = Arc::clone(entrance);
            tokio::spawn(async move {
                if let Err(error) = entrance.greet(stream, place).await {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
        Ok(peer) => tracing::warn!(uid = peer.uid(), "a process of another user was refused"),
        Err(error) => tracing::warn!(%error, "a process that cannot be identified was refused"),
    }
}

pub(crate) fn is_own_user(uid: u32) -> bool {
    uid == geteuid().as_raw()
}

/// What everybody who gets in needs.
struct Entrance {
    host: Host,
    token: String,
    places: Places,
}

impl Entrance {
    /// Finds out who it is and what they ask, with the place of those that arrive, and then does it.
    async fn greet(&self, mut stream: UnixStream, arriving: OwnedSemaphorePermit) -> std::io::Result<()> {
        let host = &self.host;
        let Ok(hello) = timeout(HELLO_LIMIT, receive::<Hello>(&mut stream, MAX_HELLO_BYTES)).await else {
            tracing::warn!("somebody connected and said nothing");
            return Ok(());
        };
        let Some(hello) = hello? else { return Ok(()) };
        if !bool::from(hello.token.as_bytes().ct_eq(self.token.as_bytes())) {
            tracing::warn!("a process without the right token was refused");
            return Ok(());
        }
        let servers = *host.servers().borrow();
        send(&mut stream, &Greeting { version: VERSION, servers }).await?;
        if hello.end {
            drop(arriving);
            host.end();
            host.ended.cancelled().await;
            return Ok(());
        }
        if hello.version != VERSION {
            return Ok(());
        }
        let asked = timeout(REQUEST_LIMIT, receive::<Request>(&mut stream, MAX_FRAME_BYTES)).await;
        let Some(request) = asked.unwrap_or(Ok(None))? else { return Ok(()) };
        drop(arriving);
        match self.places.take(&request) {
            Ok(_place) => connection::serve(host, stream, request).await,
            Err(error) => send(&mut stream, &Reply::Failed(error)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use coditect_protocol::{TerminalId, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::wire::Scope;

    #[test]
    fn what_ends_something_waits_for_no_place() {
        let places = Places::with_most(1);
        let (person, terminal) = (UserId(Uuid::nil()), TerminalId(Uuid::nil()));
        let write = Request::Write { person, terminal, data: Vec::new() };
        let held = places.take(&write).unwrap();
        assert!(held.is_some());
        assert_eq!(places.take(&write).unwrap_err(), SandboxError::Busy);
        for request in [
            Request::End { scope: Scope::Everything, cause: None },
            Request::Close { person, terminal },
            Request::Leave { keep: false },
        ] {
            assert!(places.take(&request).unwrap().is_none());
        }
        drop(held);
        assert!(places.take(&write).unwrap().is_some());
    }
}
