//! The client's connection to the server, made again whenever it is lost.

use super::frames::{PROTOCOL, Reply, Request};
use super::session::{Driver, Session};
use super::stopped;
use super::wire::{Incoming, Outgoing, WireError, client_ends};
use crate::error::StoreError;
use crate::limits::{
    SOCKET_CONNECT_TIMEOUT, SOCKET_OUTAGE_WAIT, SOCKET_RECONNECT_FIRST_PAUSE, SOCKET_RECONNECT_LONGEST_PAUSE,
};
use rustix::process::geteuid;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Whether there is a connection.
enum State {
    Up(Arc<Session>),
    Down { since: Instant, reason: String },
    Closed,
}

/// The connection, as those see it who use it. Dropping it closes it.
pub(super) struct Link {
    state: watch::Receiver<State>,
    stop: watch::Sender<bool>,
}

impl Link {
    /// Connects, now if somebody listens, else once somebody does.
    pub(super) async fn open(path: PathBuf) -> Self {
        let reason = "it was not tried yet".to_owned();
        let (publish, mut state) = watch::channel(State::Down { since: Instant::now(), reason });
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(Supervisor { path, publish, stop: stopping }.run());
        // The first attempt has a result, whichever; the channel ends only with the runtime.
        let _ = state.changed().await;
        Self { state, stop }
    }

    /// The session to work with. An outage that began a moment ago is waited for: a server that is started again takes a
    /// while to be back.
    pub(super) async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut state = self.state.clone();
        loop {
            let (until, reason) = match &*state.borrow_and_update() {
                State::Up(session) => return Ok(session.clone()),
                State::Down { since, reason } => (*since + SOCKET_OUTAGE_WAIT, reason.clone()),
                State::Closed => return Err(StoreError::Closed),
            };
            match timeout_at(until, state.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(StoreError::Closed),
                Err(_) => return Err(StoreError::unavailable(reason)),
            }
        }
    }

    /// The session, if there is one now.
    pub(super) fn session_now(&self) -> Result<Arc<Session>, StoreError> {
        match &*self.state.borrow() {
            State::Up(session) => Ok(session.clone()),
            State::Down { reason, .. } => Err(StoreError::unavailable(reason)),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Lets what was sent be answered, then ends the connection for good.
    pub(super) async fn close(&self) {
        self.stop.send_replace(true);
        let _ = self.state.clone().wait_for(|state| matches!(state, State::Closed)).await;
    }
}

/// Makes the connection, and makes it again.
struct Supervisor {
    path: PathBuf,
    publish: watch::Sender<State>,
    stop: watch::Receiver<bool>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut longest_pause = SOCKET_RECONNECT_FIRST_PAUSE;
        let mut since = Instant::now();
        loop {
            let connected = select! {
                connected = connect(&self.path) => connected,
                () = stopped(&mut self.stop) => break,
            };
            match connected {
                Ok(ends) => {
                    if self.hold(ends).await.is_ok() {
                        break;
                    }
                    since = Instant::now();
                    longest_pause = SOCKET_RECONNECT_FIRST_PAUSE;
                }
                Err(reason) => {
                    tracing::debug!(%reason, "the store's server cannot be reached");
                    self.publish.send_replace(State::Down { since, reason });
                }
            }
            let pause = longest_pause.mul_f64(rand::random());
            longest_pause = (longest_pause * 2).min(SOCKET_RECONNECT_LONGEST_PAUSE);
            select! {
                () = sleep(pause) => {}
                () = stopped(&mut self.stop) => break,
            }
        }
        self.publish.send_replace(State::Closed);
    }

    /// Works with a connection until it is lost, or the store is closed.
    async fn hold(&mut self, (incoming, outgoing): (Incoming, Outgoing)) -> Result<(), WireError> {
        let driver = Driver::new(incoming, outgoing);
        self.publish.send_replace(State::Up(driver.session()));
        tracing::info!(path = %self.path.display(), "connected to the store's server");
        let (path, publish) = (&self.path, &self.publish);
        let is_down = |ended: &Result<(), WireError>| {
            if let Err(error) = ended {
                tracing::warn!(path = %path.display(), %error, "the connection to the store's server was lost");
                let reason = format!("the connection to {} was lost: {error}", path.display());
                publish.send_replace(State::Down { since: Instant::now(), reason });
            }
        };
        driver.run(&mut self.stop, is_down).await
    }
}

/// Connects and greets, or says why that is not possible.
async fn connect(path: &Path) -> Result<(Incoming, Outgoing), String> {
    let place = path.display();
    match timeout(SOCKET_CONNECT_TIMEOUT, greet(path)).await {
        Ok(Ok(ends)) => Ok(ends),
        Ok(Err(WireError::Io(error))) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Err(format!("no process serves it at {place}"))
        }
        Ok(Err(error)) => Err(format!("the process that serves it at {place} cannot be used: {error}")),
        Err(_) => Err(format!("the process that serves it at {place} does not answer")),
    }
}

async fn greet(path: &Path) -> Result<(Incoming, Outgoing), WireError> {
    let stream = UnixStream::connect(path).await?;
    if stream.peer_cred()?.uid() != geteuid().as_raw() {
        return Err(WireError::Refused("it belongs to another user".to_owned()));
    }
    let (mut incoming, mut outgoing) = client_ends(stream);
    outgoing.push(&Request::Hello { protocol: PROTOCOL })?;
    // Whoever refuses may have said why and gone before it was greeted.
    let greeted = outgoing.flush().await;
    let (reply, _) = match incoming.next::<Reply>().await {
        Ok(reply) => reply,
        Err(error) => return greeted.and(Err(error)),
    };
    match reply {
        Reply::Welcome { protocol: PROTOCOL } => Ok((incoming, outgoing)),
        Reply::Refused { reason } => Err(WireError::Refused(reason)),
        _ => Err(WireError::OutOfTurn("no greeting")),
    }
}

/// Longest time that a caller may wait for [`Link::session`] lies within a transaction's life.
const _: () = assert!(SOCKET_OUTAGE_WAIT.as_millis() < crate::limits::TRANSACTION_LIFETIME.as_millis());
