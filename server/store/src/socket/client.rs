//! The backend of `socket:` URLs.

use super::NAME;
use super::frames::{Answer, Question, Write};
use super::link::Link;
use super::session::{Command, Session, Then, Waiter, Work};
use crate::backend::{Backend, BackendTransaction};
use crate::error::StoreError;
use crate::limits::{SOCKET_TRANSACTIONS_MAX, TRANSACTION_LIFETIME, WATCHES_MAX};
use crate::mutation::Mutation;
use crate::range::{KeyRange, Range, Rows};
use crate::store::Committed;
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError, oneshot};
use tokio::time::timeout;

/// Opens the store that is served at a path, or will be.
pub(crate) async fn open(path: PathBuf) -> Arc<dyn Backend> {
    Arc::new(SocketBackend(Arc::new(Client { link: Link::open(path).await, watches: AtomicUsize::new(0) })))
}

struct SocketBackend(Arc<Client>);

/// What transactions and watches share.
struct Client {
    link: Link,
    /// Watches that are held.
    watches: AtomicUsize,
}

#[async_trait]
impl Backend for SocketBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let session = self.0.link.session_now()?;
        let (waiter, answer) = Waiter::new(StoreError::ConnectionLost, session.room().await?, None);
        session.send(Command::Ping(waiter))?;
        answer.await.unwrap_or_else(|_| Err(session.end())).map(drop)
    }

    fn begin(&self) -> Arc<dyn BackendTransaction> {
        Arc::new(SocketTransaction { client: self.0.clone(), state: Mutex::new(State::default()) })
    }

    async fn close(&self) {
        self.0.link.close().await;
    }
}

/// One transaction.
struct SocketTransaction {
    client: Arc<Client>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where it lives, from the first time it needs an answer.
    home: Option<Home>,
    /// Writes and conflicts that the server has not heard of.
    unsent: Vec<Write>,
    /// Whether its commit would change something.
    has_written: bool,
    has_watches: bool,
    is_finished: bool,
}

struct Home {
    session: Arc<Session>,
    tx: u64,
    /// Room among the transactions of the connection.
    slot: Option<OwnedSemaphorePermit>,
    /// Whether the server knows it.
    is_begun: bool,
}

impl Home {
    fn new(session: Arc<Session>, slot: OwnedSemaphorePermit) -> Self {
        Self { tx: session.next_id(), session, slot: Some(slot), is_begun: false }
    }
}

impl State {
    /// Sends the writes so far and what comes behind them, in one piece.
    fn send(&mut self, then: impl FnOnce(&mut Home) -> Then) -> Result<(), StoreError> {
        let home = self.home.as_mut().ok_or(StoreError::TransactionFinished)?;
        let then = then(home);
        let work = Work {
            tx: home.tx,
            is_new: !std::mem::replace(&mut home.is_begun, true),
            writes: std::mem::take(&mut self.unsent),
            then,
        };
        home.session.send(Command::Work(work))
    }

    /// Ends it, and gives back what it holds at the server.
    fn give_up(&mut self) {
        let ended = std::mem::replace(self, Self { is_finished: true, ..Self::default() });
        if let Some(home) = ended.home
            && home.is_begun
        {
            // The slot is free only behind this. Without a connection there is nothing to give back.
            let _ = home.session.send(Command::Cancel { tx: home.tx });
        }
    }
}

impl SocketTransaction {
    /// The state, if it has not ended.
    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_finished { Err(StoreError::TransactionFinished) } else { Ok(state) }
    }

    /// The connection on which it lives; from now on, if it had none.
    async fn home(&self) -> Result<Arc<Session>, StoreError> {
        if let Some(home) = &self.state()?.home {
            return Ok(home.session.clone());
        }
        let session = self.client.link.session().await?;
        let slot = slot(&session).await?;
        let mut state = self.state()?;
        // Another call may have found one meanwhile.
        Ok(state.home.get_or_insert_with(|| Home::new(session, slot)).session.clone())
    }

    async fn ask(&self, question: Question) -> Result<Answer, StoreError> {
        let session = self.home().await?;
        let (waiter, answer) = Waiter::new(StoreError::ConnectionLost, session.room().await?, None);
        self.state()?.send(|_| Then::Ask(question, waiter))?;
        answer.await.unwrap_or_else(|_| Err(session.end()))
    }

    fn write(&self, write: Write) -> Result<(), StoreError> {
        let mut state = self.state()?;
        state.has_written = true;
        state.unsent.push(write);
        Ok(())
    }
}

/// Room for a transaction on a connection. Its owner may wait for another one to end that waits for it: not for ever.
async fn slot(session: &Session) -> Result<OwnedSemaphorePermit, StoreError> {
    match session.transactions.clone().try_acquire_owned() {
        Ok(slot) => return Ok(slot),
        Err(TryAcquireError::Closed) => return Err(session.end()),
        Err(TryAcquireError::NoPermits) => {}
    }
    match timeout(TRANSACTION_LIFETIME, session.transactions.clone().acquire_owned()).await {
        Ok(slot) => slot.map_err(|_| session.end()),
        Err(_) => Err(StoreError::unavailable(format!("{SOCKET_TRANSACTIONS_MAX} transactions are open at once"))),
    }
}

#[async_trait]
impl BackendTransaction for SocketTransaction {
    async fn get(&self, key: &[u8], snapshot: bool) -> Result<Option<Bytes>, StoreError> {
        self.ask(Question::Get { key: Bytes::copy_from_slice(key), snapshot }).await?.value()
    }

    async fn range(&self, range: Range) -> Result<Rows, StoreError> {
        self.ask(range.into()).await?.rows()
    }

    fn mutate(&self, mutation: Mutation) -> Result<(), StoreError> {
        self.write(mutation.into())
    }

    fn add_read_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        let mut state = self.state()?;
        state.unsent.push(Write::read_conflict(range));
        // The server takes the read version when it hears of it. It should be told now, if it can be.
        if state.home.is_none()
            && let Ok(session) = self.client.link.session_now()
            && let Ok(slot) = session.transactions.clone().try_acquire_owned()
        {
            state.home = Some(Home::new(session, slot));
        }
        match &state.home {
            Some(home) if !home.is_begun => state.send(|_| Then::Nothing),
            _ => Ok(()),
        }
    }

    fn add_write_conflict(&self, range: KeyRange) -> Result<(), StoreError> {
        self.write(Write::write_conflict(range))
    }

    async fn read_version(&self) -> Result<u64, StoreError> {
        self.ask(Question::ReadVersion).await?.version()
    }

    async fn watch(&self, key: Bytes) -> Result<Watch, StoreError> {
        let session = self.home().await?;
        let room = session.room().await?;
        let (changed, handle) = Held::new(&self.client, &session)?;
        let id = handle.id;
        let mut state = self.state()?;
        state.has_watches = true;
        state.send(|_| Then::Watch { id, key, changed, _room: room })?;
        Ok(Watch::new(handle.changed()))
    }

    async fn commit(&self) -> Result<Committed, StoreError> {
        {
            let mut state = self.state()?;
            if !state.has_written && !state.has_watches {
                // It saw one state and changed none: it stands where it read.
                state.give_up();
                return Ok(Committed { version: None, versionstamp: None });
            }
        }
        let session = self.home().await?;
        let room = session.room().await?;
        let answer = {
            let mut state = self.state()?;
            let lost = if state.has_written { StoreError::CommitUnknown } else { StoreError::ConnectionLost };
            let mut answer = None;
            let sent = state.send(|home| {
                let (waiter, receiver) = Waiter::new(lost, room, home.slot.take());
                answer = Some(receiver);
                Then::Commit(waiter)
            });
            // The server forgets it by itself.
            *state = State { is_finished: true, ..State::default() };
            sent?;
            answer.ok_or(StoreError::TransactionFinished)?
        };
        answer.await.unwrap_or(Err(StoreError::CommitUnknown))?.committed()
    }

    fn cancel(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_finished {
            state.give_up();
        }
    }
}

impl Drop for SocketTransaction {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A watch that somebody holds; dropping it takes it away at the server.
struct Held {
    client: Arc<Client>,
    session: Arc<Session>,
    id: u64,
    changed: oneshot::Receiver<Result<(), StoreError>>,
    is_over: bool,
}

impl Held {
    fn new(
        client: &Arc<Client>,
        session: &Arc<Session>,
    ) -> Result<(oneshot::Sender<Result<(), StoreError>>, Self), StoreError> {
        if client.watches.fetch_add(1, Ordering::Relaxed) >= WATCHES_MAX {
            client.watches.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::TooManyWatches);
        }
        let (sender, changed) = oneshot::channel();
        let id = session.next_id();
        Ok((sender, Self { client: client.clone(), session: session.clone(), id, changed, is_over: false }))
    }

    /// Waits for the change.
    async fn changed(mut self) -> Result<(), StoreError> {
        let result = (&mut self.changed).await.unwrap_or(Err(StoreError::WatchCancelled));
        self.is_over = true;
        result
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.client.watches.fetch_sub(1, Ordering::Relaxed);
        // One that ended unseen is not known there any more, which does no harm.
        if !self.is_over {
            let _ = self.session.send(Command::Unwatch { id: self.id });
        }
    }
}
