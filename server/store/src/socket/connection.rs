//! One client of the server: its transactions, its watches and what is asked about them.
//!
//! One task does all of it, so that dropping it frees everything. What can be answered at once is; the rest waits in
//! `running`, and what the same transaction is asked meanwhile waits behind it.

use super::frames::{Answer, PROTOCOL, Question, Reply, Request, Write};
use super::stopped;
use super::wire::{Incoming, Outgoing, TURN_FRAMES, WireError, server_ends};
use crate::error::StoreError;
use crate::limits::{
    SOCKET_BACKLOG_MAX_BYTES, SOCKET_CONNECT_TIMEOUT, SOCKET_EXPIRY_GRACE, SOCKET_REQUESTS_MAX, SOCKET_SILENCE,
    SOCKET_TRANSACTIONS_MAX, TRANSACTION_LIFETIME,
};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::watch::Watch;
use bytes::Bytes;
use futures_util::future::{AbortHandle, AbortRegistration, Abortable, Aborted, BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{poll, task::Poll};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often transactions that live too long and a silent client are looked for.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection from the server's side.
pub(super) struct Connection {
    store: Store,
    incoming: Incoming,
    outgoing: Outgoing,
    transactions: HashMap<u64, Entry>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    standing: FuturesUnordered<BoxFuture<'static, (u64, WatchOutcome)>>,
    /// Watches, those included whose request waits.
    watches: HashMap<u64, AbortHandle>,
    backlog: Backlog,
    /// When the client was last heard of.
    heard: Instant,
    stopping: watch::Receiver<bool>,
}

type WatchOutcome = Result<Result<(), StoreError>, Aborted>;

/// A transaction of the client.
struct Entry {
    transaction: Transaction,
    begun: Instant,
    /// What is answered to everything from now on.
    failed: Option<StoreError>,
    /// Whether something about it is in `running`.
    is_busy: bool,
    /// Whether its commit was asked for, after which nothing else may be.
    is_ending: bool,
    waiting: VecDeque<(Job, usize)>,
}

/// Something about a transaction.
enum Job {
    Write(Vec<Write>),
    Watch { id: u64, key: Bytes, registration: AbortRegistration },
    Ask { id: u64, question: Question },
    Commit { id: u64 },
}

/// A job that was done, and the transaction it was about.
struct Done {
    tx: Option<u64>,
    outcome: Outcome,
}

enum Outcome {
    Answered { id: u64, result: Result<Answer, StoreError>, was_commit: bool },
    Watching { id: u64, watch: Result<Watch, StoreError>, registration: AbortRegistration },
}

/// What waits behind other jobs.
#[derive(Default)]
struct Backlog {
    jobs: usize,
    bytes: usize,
}

impl Connection {
    pub(super) fn new(store: Store, stream: UnixStream, stopping: watch::Receiver<bool>) -> Self {
        let (incoming, outgoing) = server_ends(stream);
        Self {
            store,
            incoming,
            outgoing,
            transactions: HashMap::new(),
            running: FuturesUnordered::new(),
            standing: FuturesUnordered::new(),
            watches: HashMap::new(),
            backlog: Backlog::default(),
            heard: Instant::now(),
            stopping,
        }
    }

    /// Serves the client until it goes, misbehaves or the server stops.
    pub(super) async fn run(mut self) -> Result<(), WireError> {
        self.greet().await?;
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_stopping = false;
        loop {
            if is_stopping && self.running.is_empty() && self.outgoing.is_empty() {
                return Ok(());
            }
            let may_read = !is_stopping && self.has_room();
            let may_reply = self.outgoing.has_room();
            select! {
                frame = self.incoming.next::<Request>(), if may_read => {
                    self.heard = Instant::now();
                    self.handle_all(frame?).await?;
                }
                Some(done) = self.running.next(), if may_reply => self.finish(done).await?,
                Some((id, outcome)) = self.standing.next(), if may_reply => self.end_watch(id, outcome)?,
                written = self.outgoing.write_some(), if !self.outgoing.is_empty() => written?,
                _ = check.tick() => self.check(may_read)?,
                () = stopped(&mut self.stopping), if !is_stopping => is_stopping = true,
            }
        }
    }

    /// Lets only those in who speak the same language.
    async fn greet(&mut self) -> Result<(), WireError> {
        let hello = timeout(SOCKET_CONNECT_TIMEOUT, self.incoming.next::<Request>()).await;
        match hello.map_err(|_| WireError::Silent)??.0 {
            Request::Hello { protocol: PROTOCOL } => self.outgoing.push(&Reply::Welcome { protocol: PROTOCOL }),
            Request::Hello { protocol } => {
                let reason = format!("it speaks version {PROTOCOL} of the protocol, this program version {protocol}");
                self.outgoing.push(&Reply::Refused { reason })?;
                let _ = timeout(SOCKET_CONNECT_TIMEOUT, self.outgoing.flush()).await;
                Err(WireError::OutOfTurn("another version of the protocol"))
            }
            _ => Err(WireError::OutOfTurn("no greeting")),
        }
    }

    /// Whether more may be asked before something is answered and taken.
    fn has_room(&self) -> bool {
        self.running.len() + self.backlog.jobs < SOCKET_REQUESTS_MAX
            && self.backlog.bytes < SOCKET_BACKLOG_MAX_BYTES
            && self.outgoing.has_room()
    }

    /// Looks for what lasts too long.
    fn check(&mut self, may_read: bool) -> Result<(), WireError> {
        if !may_read {
            // Nobody listened.
            self.heard = Instant::now();
        }
        if self.heard.elapsed() > SOCKET_SILENCE || self.outgoing.is_stuck() {
            return Err(WireError::Silent);
        }
        for entry in self.transactions.values_mut() {
            if !entry.is_ending && entry.begun.elapsed() > TRANSACTION_LIFETIME + SOCKET_EXPIRY_GRACE {
                entry.transaction.cancel();
                entry.failed = Some(StoreError::TransactionTooOld);
            }
        }
        Ok(())
    }

    /// Handles what has arrived, for a turn.
    async fn handle_all(&mut self, (first, bytes): (Request, usize)) -> Result<(), WireError> {
        self.handle(first, bytes).await?;
        for _ in 1..TURN_FRAMES {
            if !self.has_room() {
                break;
            }
            let Some((request, bytes)) = self.incoming.take()? else { break };
            self.handle(request, bytes).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, request: Request, bytes: usize) -> Result<(), WireError> {
        match request {
            Request::Hello { .. } => Err(WireError::OutOfTurn("a second greeting")),
            Request::Heartbeat => self.outgoing.push(&Reply::Heartbeat),
            Request::Ping { id } => self.ping(id).await,
            Request::Begin { tx } => self.begin(tx),
            Request::Write { tx, writes } => self.submit(tx, Job::Write(writes), bytes).await,
            Request::Ask { tx, id, question } => self.submit(tx, Job::Ask { id, question }, bytes).await,
            Request::Commit { tx, id } => self.submit(tx, Job::Commit { id }, bytes).await,
            Request::Watch { tx, id, key } => {
                let (handle, registration) = AbortHandle::new_pair();
                if self.watches.insert(id, handle).is_some() {
                    return Err(WireError::OutOfTurn("a watch's identifier is used twice"));
                }
                self.submit(tx, Job::Watch { id, key, registration }, bytes).await
            }
            Request::Cancel { tx } => self.cancel(tx),
            Request::Unwatch { id } => {
                if let Some(watch) = self.watches.remove(&id) {
                    watch.abort();
                }
                Ok(())
            }
        }
    }

    async fn ping(&mut self, id: u64) -> Result<(), WireError> {
        let store = self.store.clone();
        let ping = async move {
            let result = store.ping().await.map(|()| Answer::Alive);
            Done { tx: None, outcome: Outcome::Answered { id, result, was_commit: false } }
        };
        self.try_now(ping.boxed()).await.map(drop)
    }

    fn begin(&mut self, tx: u64) -> Result<(), WireError> {
        if self.transactions.len() >= SOCKET_TRANSACTIONS_MAX {
            return Err(WireError::OutOfTurn("too many transactions at once"));
        }
        let entry = Entry {
            transaction: self.store.begin(),
            begun: Instant::now(),
            failed: None,
            is_busy: false,
            is_ending: false,
            waiting: VecDeque::new(),
        };
        match self.transactions.insert(tx, entry) {
            None => Ok(()),
            Some(_) => Err(WireError::OutOfTurn("a transaction is begun twice")),
        }
    }

    /// Puts a job behind those of its transaction.
    async fn submit(&mut self, tx: u64, job: Job, bytes: usize) -> Result<(), WireError> {
        let entry = self.transactions.get_mut(&tx).filter(|entry| !entry.is_ending);
        let entry = entry.ok_or(WireError::OutOfTurn("its transaction is not open"))?;
        entry.is_ending = matches!(job, Job::Commit { .. });
        entry.waiting.push_back((job, bytes));
        self.backlog.add(bytes);
        if entry.is_busy { Ok(()) } else { self.advance(tx).await }
    }

    /// Does a transaction's jobs up to one that takes its time.
    async fn advance(&mut self, tx: u64) -> Result<(), WireError> {
        loop {
            let Some(entry) = self.transactions.get_mut(&tx) else { return Ok(()) };
            entry.is_busy = false;
            let Some((job, bytes)) = entry.waiting.pop_front() else { return Ok(()) };
            self.backlog.remove(bytes);
            let Some(work) = entry.perform(tx, job) else { continue };
            entry.is_busy = true;
            if !self.try_now(work).await? {
                return Ok(());
            }
        }
    }

    /// Begins some work, in the order of the frames; whether it was done at once.
    async fn try_now(&mut self, mut work: BoxFuture<'static, Done>) -> Result<bool, WireError> {
        match poll!(&mut work) {
            Poll::Ready(done) => self.settle(done.tx, done.outcome).map(|()| true),
            Poll::Pending => {
                self.running.push(work);
                Ok(false)
            }
        }
    }

    /// Answers what took its time, and goes on with its transaction.
    async fn finish(&mut self, done: Done) -> Result<(), WireError> {
        self.settle(done.tx, done.outcome)?;
        match done.tx {
            Some(tx) => self.advance(tx).await,
            None => Ok(()),
        }
    }

    fn settle(&mut self, tx: Option<u64>, outcome: Outcome) -> Result<(), WireError> {
        match outcome {
            Outcome::Answered { id, result, was_commit } => {
                if was_commit && let Some(tx) = tx {
                    self.transactions.remove(&tx);
                }
                self.answer(id, result)
            }
            Outcome::Watching { id, watch: Ok(watch), registration } => {
                self.standing.push(Abortable::new(watch, registration).map(move |outcome| (id, outcome)).boxed());
                Ok(())
            }
            Outcome::Watching { id, watch: Err(error), .. } => {
                if let Some(entry) = tx.and_then(|tx| self.transactions.get_mut(&tx)) {
                    entry.failed = Some(error.clone());
                }
                self.end_watch(id, Ok(Err(error)))
            }
        }
    }

    fn answer(&mut self, id: u64, result: Result<Answer, StoreError>) -> Result<(), WireError> {
        self.outgoing.push(&Reply::Answer { id, result: result.map_err(Into::into) })
    }

    fn end_watch(&mut self, id: u64, outcome: WatchOutcome) -> Result<(), WireError> {
        // Whoever dropped it does not want to know.
        let Ok(result) = outcome else { return Ok(()) };
        self.watches.remove(&id);
        self.outgoing.push(&Reply::WatchEnded { id, result: result.map_err(Into::into) })
    }

    /// Gives a transaction up. What waits for it is answered all the same.
    fn cancel(&mut self, tx: u64) -> Result<(), WireError> {
        let entry = self.transactions.remove(&tx).filter(|entry| !entry.is_ending);
        let entry = entry.ok_or(WireError::OutOfTurn("its transaction is not open"))?;
        entry.transaction.cancel();
        for (job, bytes) in entry.waiting {
            self.backlog.remove(bytes);
            match job {
                Job::Write(_) => {}
                Job::Watch { id, .. } => self.end_watch(id, Ok(Err(StoreError::WatchCancelled)))?,
                Job::Ask { id, .. } | Job::Commit { id } => self.answer(id, Err(StoreError::TransactionFinished))?,
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Does what is done at once, and says what remains to be waited for.
    fn perform(&mut self, tx: u64, job: Job) -> Option<BoxFuture<'static, Done>> {
        let (transaction, failed) = (self.transaction.clone(), self.failed.clone());
        let work = match job {
            Job::Write(writes) => {
                if failed.is_none() {
                    self.failed = writes.iter().try_for_each(|write| write.apply(&transaction)).err();
                }
                return None;
            }
            Job::Watch { id, key, registration } => async move {
                let watch = match failed {
                    Some(error) => Err(error),
                    None => transaction.watch(key).await,
                };
                Done { tx: Some(tx), outcome: Outcome::Watching { id, watch, registration } }
            }
            .boxed(),
            Job::Ask { id, question } => async move {
                let result = match failed {
                    Some(error) => Err(error),
                    None => question.ask(&transaction).await,
                };
                Done { tx: Some(tx), outcome: Outcome::Answered { id, result, was_commit: false } }
            }
            .boxed(),
            Job::Commit { id } => async move {
                let result = match failed {
                    Some(error) => {
                        transaction.cancel();
                        Err(error)
                    }
                    None => transaction.commit().await.map(Answer::from),
                };
                Done { tx: Some(tx), outcome: Outcome::Answered { id, result, was_commit: true } }
            }
            .boxed(),
        };
        Some(work)
    }
}

impl Backlog {
    fn add(&mut self, bytes: usize) {
        self.jobs += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.jobs -= 1;
        self.bytes -= bytes;
    }
}
