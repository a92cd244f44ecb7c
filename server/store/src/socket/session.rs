//! One connection from the client's side, from its greeting to its loss.

use super::frames::{Answer, Question, Reply, Request, Write};
use super::stopped;
use super::wire::{Incoming, Outgoing, TURN_FRAMES, WireError};
use crate::error::StoreError;
use crate::limits::{
    SOCKET_CLOSE_WAIT, SOCKET_HEARTBEAT, SOCKET_REQUESTS_MAX, SOCKET_SILENCE, SOCKET_TRANSACTIONS_MAX,
    SOCKET_WRITES_BYTES,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// What transactions need of their connection.
pub(super) struct Session {
    /// Bounded by the permits that most commands carry; the others come at most once for each transaction and watch.
    queue: mpsc::UnboundedSender<Command>,
    /// Room for requests that are not answered.
    pub(super) requests: Arc<Semaphore>,
    /// Room for transactions.
    pub(super) transactions: Arc<Semaphore>,
    last_id: AtomicU64,
    /// What is answered to those who come too late.
    ended: OnceLock<StoreError>,
}

/// Something to send.
pub(super) enum Command {
    Work(Work),
    Ping(Waiter),
    Cancel { tx: u64 },
    Unwatch { id: u64 },
}

/// What a transaction has to send at once.
pub(super) struct Work {
    pub(super) tx: u64,
    /// Whether the server does not know it yet.
    pub(super) is_new: bool,
    pub(super) writes: Vec<Write>,
    pub(super) then: Then,
}

/// What comes behind the writes.
pub(super) enum Then {
    Nothing,
    Ask(Question, Waiter),
    Commit(Waiter),
    Watch { id: u64, key: Bytes, changed: oneshot::Sender<Result<(), StoreError>>, _room: OwnedSemaphorePermit },
}

/// Somebody who waits for an answer.
pub(super) struct Waiter {
    reply: oneshot::Sender<Result<Answer, StoreError>>,
    /// What is answered when the connection is lost after the request was sent.
    lost: StoreError,
    _room: OwnedSemaphorePermit,
    /// The transaction's room, if the answer ends it.
    _slot: Option<OwnedSemaphorePermit>,
}

impl Waiter {
    pub(super) fn new(
        lost: StoreError,
        room: OwnedSemaphorePermit,
        slot: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Result<Answer, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { reply, lost, _room: room, _slot: slot }, answer)
    }

    fn answer(self, result: Result<Answer, StoreError>) {
        // Who no longer waits does not want to know.
        let _ = self.reply.send(result);
    }
}

impl Command {
    /// Answers something that was never sent.
    fn refuse(self, error: &StoreError) {
        match self {
            Self::Work(Work { then: Then::Ask(_, waiter) | Then::Commit(waiter), .. }) | Self::Ping(waiter) => {
                waiter.answer(Err(error.clone()));
            }
            Self::Work(Work { then: Then::Watch { changed, .. }, .. }) => {
                let _ = changed.send(Err(watch_end(error)));
            }
            Self::Work(Work { then: Then::Nothing, .. }) | Self::Cancel { .. } | Self::Unwatch { .. } => {}
        }
    }
}

/// How watches end with their connection.
fn watch_end(error: &StoreError) -> StoreError {
    if *error == StoreError::Closed { StoreError::Closed } else { StoreError::WatchCancelled }
}

impl Session {
    /// An identifier that was not used on this connection.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Queues a command.
    pub(super) fn send(&self, command: Command) -> Result<(), StoreError> {
        self.queue.send(command).map_err(|_| self.end())
    }

    /// Why it takes no more commands.
    pub(super) fn end(&self) -> StoreError {
        self.ended.get().cloned().unwrap_or(StoreError::ConnectionLost)
    }

    /// Room for a request; waits for answers to others where there is none.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.requests.clone().acquire_owned().await.map_err(|_| self.end())
    }
}

/// Moves a session.
pub(super) struct Driver {
    session: Arc<Session>,
    commands: mpsc::UnboundedReceiver<Command>,
    incoming: Incoming,
    outgoing: Outgoing,
    waiting: HashMap<u64, Waiter>,
    watches: HashMap<u64, oneshot::Sender<Result<(), StoreError>>>,
}

impl Driver {
    /// What moves a new session over a connection that was greeted.
    pub(super) fn new(incoming: Incoming, outgoing: Outgoing) -> Self {
        let (queue, commands) = mpsc::unbounded_channel();
        let session = Arc::new(Session {
            queue,
            requests: Arc::new(Semaphore::new(SOCKET_REQUESTS_MAX)),
            transactions: Arc::new(Semaphore::new(SOCKET_TRANSACTIONS_MAX)),
            last_id: AtomicU64::new(0),
            ended: OnceLock::new(),
        });
        Self { session, commands, incoming, outgoing, waiting: HashMap::new(), watches: HashMap::new() }
    }

    /// The session that it moves.
    pub(super) fn session(&self) -> Arc<Session> {
        self.session.clone()
    }

    /// Moves it until the store is closed, or the connection lost for the reason answered. `is_down` is called before
    /// anybody hears of it.
    pub(super) async fn run(
        mut self,
        stop: &mut watch::Receiver<bool>,
        is_down: impl FnOnce(&Result<(), WireError>),
    ) -> Result<(), WireError> {
        let ended = self.drive(stop).await;
        is_down(&ended);
        let error = if ended.is_ok() { StoreError::Closed } else { StoreError::ConnectionLost };
        self.refuse_commands(&error);
        while let Ok(command) = self.commands.try_recv() {
            command.refuse(&error);
        }
        for waiter in self.waiting.into_values() {
            let lost = waiter.lost.clone();
            waiter.answer(Err(if lost == StoreError::ConnectionLost { error.clone() } else { lost }));
        }
        for changed in self.watches.into_values() {
            let _ = changed.send(Err(watch_end(&error)));
        }
        ended
    }

    async fn drive(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), WireError> {
        let mut heartbeat = interval(SOCKET_HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut deadline = None;
        loop {
            let is_done = self.waiting.is_empty() && self.commands.is_empty() && self.outgoing.is_empty();
            if deadline.is_some_and(|deadline| is_done || Instant::now() >= deadline) {
                return Ok(());
            }
            select! {
                frame = self.incoming.next::<Reply>() => {
                    heard = Instant::now();
                    self.receive_all(frame?.0)?;
                }
                Some(command) = self.commands.recv(), if self.outgoing.has_room() => self.transmit_all(command)?,
                written = self.outgoing.write_some(), if !self.outgoing.is_empty() => written?,
                _ = heartbeat.tick() => {
                    if heard.elapsed() > SOCKET_SILENCE {
                        return Err(WireError::Silent);
                    }
                    if self.outgoing.has_room() {
                        self.outgoing.push(&Request::Heartbeat)?;
                    }
                }
                () = stopped(stop), if deadline.is_none() => {
                    self.refuse_commands(&StoreError::Closed);
                    deadline = Some(Instant::now() + SOCKET_CLOSE_WAIT);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
        }
    }

    /// Takes no more commands; those that are queued stay.
    fn refuse_commands(&mut self, error: &StoreError) {
        // Whoever finds the queue closed reads why.
        let _ = self.session.ended.set(error.clone());
        self.commands.close();
    }

    /// Receives what has arrived, for a turn.
    fn receive_all(&mut self, first: Reply) -> Result<(), WireError> {
        self.receive(first)?;
        for _ in 1..TURN_FRAMES {
            let Some((reply, _)) = self.incoming.take()? else { break };
            self.receive(reply)?;
        }
        Ok(())
    }

    fn receive(&mut self, reply: Reply) -> Result<(), WireError> {
        match reply {
            Reply::Answer { id, result } => {
                if let Some(waiter) = self.waiting.remove(&id) {
                    waiter.answer(result.map_err(Into::into));
                }
                Ok(())
            }
            Reply::WatchEnded { id, result } => {
                if let Some(changed) = self.watches.remove(&id) {
                    let _ = changed.send(result.map_err(Into::into));
                }
                Ok(())
            }
            Reply::Heartbeat => Ok(()),
            Reply::Refused { reason } => Err(WireError::Refused(reason)),
            Reply::Welcome { .. } => Err(WireError::OutOfTurn("a second greeting")),
        }
    }

    /// Transmits what is queued, for a turn.
    fn transmit_all(&mut self, first: Command) -> Result<(), WireError> {
        self.transmit(first)?;
        for _ in 1..TURN_FRAMES {
            if !self.outgoing.has_room() {
                break;
            }
            let Ok(command) = self.commands.try_recv() else { break };
            self.transmit(command)?;
        }
        Ok(())
    }

    fn transmit(&mut self, command: Command) -> Result<(), WireError> {
        match command {
            Command::Work(work) => self.transmit_work(work),
            Command::Ping(waiter) => {
                let id = self.expect(waiter);
                self.outgoing.push(&Request::Ping { id })
            }
            Command::Cancel { tx } => self.outgoing.push(&Request::Cancel { tx }),
            Command::Unwatch { id } => {
                self.watches.remove(&id);
                self.outgoing.push(&Request::Unwatch { id })
            }
        }
    }

    fn transmit_work(&mut self, work: Work) -> Result<(), WireError> {
        let Work { tx, is_new, writes, then } = work;
        if is_new {
            self.outgoing.push(&Request::Begin { tx })?;
        }
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let mut bytes = 0;
            let batch = std::iter::from_fn(|| {
                let next = writes.next_if(|_| bytes < SOCKET_WRITES_BYTES)?;
                bytes += next.frame_bytes();
                Some(next)
            });
            let batch = batch.collect();
            self.outgoing.push(&Request::Write { tx, writes: batch })?;
        }
        match then {
            Then::Nothing => Ok(()),
            Then::Ask(question, waiter) => {
                let id = self.expect(waiter);
                self.outgoing.push(&Request::Ask { tx, id, question })
            }
            Then::Commit(waiter) => {
                let id = self.expect(waiter);
                self.outgoing.push(&Request::Commit { tx, id })
            }
            Then::Watch { id, key, changed, .. } => {
                self.watches.insert(id, changed);
                self.outgoing.push(&Request::Watch { tx, id, key })
            }
        }
    }

    /// Remembers somebody who waits, and says under which identifier.
    fn expect(&mut self, waiter: Waiter) -> u64 {
        let id = self.session.next_id();
        self.waiting.insert(id, waiter);
        id
    }
}
