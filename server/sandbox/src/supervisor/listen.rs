//! Who gets in.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use subtle::ConstantTimeEq as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection;
use super::host::Host;
use super::run_file::RunFile;
use crate::wire::{Greeting, Hello, MAX_FRAME_BYTES, MAX_HELLO_BYTES, Request, VERSION, receive, send};

/// Most connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 16 * 1024;
/// How long somebody has to say who they are.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a connection could not be taken, for want of open files above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) fn bind(file: &RunFile) -> std::io::Result<UnixListener> {
    UnixListener::bind(file.socket())
}

/// Takes connections until it is dropped.
pub(super) async fn serve(listener: UnixListener, host: Host, token: &str) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let token: Arc<str> = token.into();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, &host, &token, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Only processes of the same user get further: an abstract socket has no permissions of its own.
fn admit(stream: UnixStream, host: &Host, token: &Arc<str>, place: OwnedSemaphorePermit) {
    match stream.peer_cred() {
        Ok(peer) if is_own_user(peer.uid()) => {
            let (host, token) = (host.clone(), Arc::clone(token));
            tokio::spawn(async move {
                if let Err(error) = greet(stream, &host, &token).await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
        Ok(peer) => tracing::warn!(uid = peer.uid(), "a process of another user was refused"),
        Err(error) => tracing::warn!(%error, "a process that cannot be identified was refused"),
    }
}

pub(crate) fn is_own_user(uid: u32) -> bool {
    uid == geteuid().as_raw()
}

async fn greet(mut stream: UnixStream, host: &Host, token: &str) -> std::io::Result<()> {
    let Ok(hello) = timeout(HELLO_LIMIT, receive::<Hello>(&mut stream, MAX_HELLO_BYTES)).await else {
        tracing::warn!("somebody connected and said nothing");
        return Ok(());
    };
    let Some(hello) = hello? else { return Ok(()) };
    if !bool::from(hello.token.as_bytes().ct_eq(token.as_bytes())) {
        tracing::warn!("a process without the right token was refused");
        return Ok(());
    }
    let servers = *host.servers().borrow();
    send(&mut stream, &Greeting { version: VERSION, servers }).await?;
    if hello.end {
        host.end();
        host.ended.cancelled().await;
        return Ok(());
    }
    if hello.version != VERSION {
        return Ok(());
    }
    let Some(request) = receive::<Request>(&mut stream, MAX_FRAME_BYTES).await? else { return Ok(()) };
    connection::serve(host, stream, request).await
}
