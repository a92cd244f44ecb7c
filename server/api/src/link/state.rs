//! One link: the numbered session and the calls under way, whether a socket is open or not.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coditect_auth::Identity;
use coditect_protocol::call::{CallId, ClientMessage, INITIAL_CREDIT_BYTES, Item, Reply, ServerMessage};
use coditect_protocol::link::{Frame, LinkError, Session};
use coditect_protocol::{LinkId, Problem, UserId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::budget::Held;
use super::person::Person;
use super::shape::weight;
use super::{Limits, lock};

/// Frames handed to a socket at a time.
const BATCH_FRAMES: usize = 64;
/// Bytes of frames handed to a socket at a time, the last frame not counted.
const BATCH_BYTES: usize = 256 * 1024;
/// Refusals that a link keeps for its page beyond its buffer, in bytes: they cannot wait for room.
const REFUSALS_BYTES: usize = 64 * 1024;
/// How long a page whose calls are too large together waits for some of them to end.
const CONTENT_WAIT: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Link {
    pub(super) id: LinkId,
    /// Who opened it, as they were then.
    pub(super) opened_by: Identity,
    /// When that ends, as far as is known, milliseconds since 1970.
    good_until: AtomicU64,
    pub(super) person: Arc<Person>,
    limits: Limits,
    inner: Mutex<Inner>,
    /// Something is there for the socket to send.
    outgoing: Notify,
    /// Room was made for more to send.
    room: Notify,
    /// The link is gone for good.
    closed: CancellationToken,
    calls: Mutex<HashMap<CallId, Arc<Call>>>,
}

/// Why a call was not begun.
pub(super) enum Refused {
    /// Its id is in use, which a page must not do: who would get the answer?
    IdInUse,
    /// Too many calls are under way.
    TooMany,
    /// They are too large together.
    TooLarge,
}

struct Inner {
    session: Session,
    /// What the answers weigh that the page has not acknowledged, each with its number.
    answers: VecDeque<(u64, Held)>,
    /// Counts sockets: only the newest may send and receive.
    generation: u64,
    detached_since: Option<Instant>,
    pong: Option<u32>,
    bye: Option<Problem>,
}

/// What a socket has to send next.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) frames: Vec<Bytes>,
    /// Last number among them, or the one given.
    pub(super) cursor: u64,
    /// The link ends with these frames.
    pub(super) last: bool,
    /// An acknowledgement is due soon, but was held back to travel with something else.
    pub(super) ack_held: bool,
    /// A newer socket has taken over.
    pub(super) superseded: bool,
}

impl Inner {
    /// The page has everything up to this number.
    fn acknowledged(&mut self, seq: u64) {
        while self.answers.front().is_some_and(|(number, _)| *number <= seq) {
            self.answers.pop_front();
        }
    }
}

/// What a frame from the page asks for.
pub(super) enum Incoming {
    Nothing,
    /// A message, and what it takes in memory, in bytes.
    Message(ClientMessage, usize),
}

impl Link {
    pub(super) fn new(id: LinkId, identity: &Identity, person: Arc<Person>, limits: Limits) -> Self {
        Self {
            id,
            opened_by: identity.clone(),
            good_until: AtomicU64::new(identity.expires_at),
            person,
            limits,
            inner: Mutex::new(Inner {
                session: Session::new(),
                answers: VecDeque::new(),
                generation: 0,
                detached_since: Some(Instant::now()),
                pong: None,
                bye: None,
            }),
            outgoing: Notify::new(),
            room: Notify::new(),
            closed: CancellationToken::new(),
            calls: Mutex::default(),
        }
    }

    pub(super) fn user_id(&self) -> UserId {
        self.opened_by.user.id
    }

    /// Whether it was opened with the same login or token.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.opened_by.credential == identity.credential
    }

    pub(super) fn good_until(&self) -> u64 {
        self.good_until.load(Ordering::Relaxed)
    }

    /// The login or the token was looked at again.
    pub(super) fn is_good_until(&self, time: u64) {
        self.good_until.store(time, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub(super) fn detached_since(&self) -> Option<Instant> {
        lock(&self.inner).detached_since
    }

    pub(super) fn keep_ms(&self) -> u64 {
        u64::try_from(self.limits.keep.as_millis()).unwrap_or(u64::MAX)
    }

    /// A new socket takes over, if everything after `page_received` is still there to be sent again. Answers its generation and the
    /// last number that the server took in.
    pub(super) fn attach(&self, page_received: u64) -> Option<(u64, u64)> {
        let mut inner = lock(&self.inner);
        if self.is_closed() {
            return None;
        }
        inner.session.resume(page_received).ok()?.for_each(drop);
        inner.acknowledged(page_received);
        inner.generation += 1;
        inner.detached_since = None;
        let answer = (inner.generation, inner.session.received());
        drop(inner);
        self.outgoing.notify_waiters();
        self.room.notify_waiters();
        Some(answer)
    }

    /// A socket broke; ignored when a newer one has taken over.
    pub(super) fn detach(&self, generation: u64) {
        let mut inner = lock(&self.inner);
        if inner.generation == generation {
            inner.detached_since.get_or_insert_with(Instant::now);
        }
    }

    /// Ends the link for good, telling the page why where there is a reason.
    pub(super) fn close(&self, bye: Option<Problem>) {
        let mut inner = lock(&self.inner);
        inner.bye = inner.bye.take().or(bye);
        drop(inner);
        self.closed.cancel();
        self.outgoing.notify_waiters();
        self.room.notify_waiters();
    }

    /// Sends an item, waiting while too much is unacknowledged. Fails only when the link is gone.
    async fn send(&self, message: &ServerMessage) -> Result<(), Gone> {
        self.send_when_room(message, |_, _| ()).await
    }

    /// Sends a call's end. Until that is on its way the call counts among those under way, and until the page has it its bytes are
    /// held, so that a page that does not take its answers cannot pile them up.
    pub(super) async fn finish(&self, id: CallId, outcome: Result<Reply, Problem>, held: Held) {
        let sent = |link: &Self, inner: &mut Inner| {
            inner.answers.push_back((inner.session.sent(), held));
            link.forget_call(id);
        };
        let sent = self.send_when_room(&ServerMessage::End { id, outcome }, sent).await;
        if sent.is_err() {
            // A link that is gone has nobody to tell.
            self.forget_call(id);
        }
    }

    async fn send_when_room(&self, message: &ServerMessage, sent: impl FnOnce(&Self, &mut Inner)) -> Result<(), Gone> {
        loop {
            // It hears of every change from here on, polled or not.
            let room = self.room.notified();
            if self.is_closed() {
                return Err(Gone);
            }
            {
                let mut inner = lock(&self.inner);
                if inner.session.unacked_bytes() < self.limits.buffer_bytes {
                    if let Err(error) = inner.session.send(message) {
                        tracing::error!(%error, "a message could not be encoded");
                    }
                    // Under the lock: once the page knows of the end, it may use the id again.
                    sent(self, &mut inner);
                    drop(inner);
                    self.outgoing.notify_waiters();
                    return Ok(());
                }
            }
            tokio::select! {
                () = room => {}
                () = self.closed.cancelled() => return Err(Gone),
            }
        }
    }

    /// Answers a call that was not begun, at once: whoever reads the socket must not wait for the page. `false` where the page piles
    /// such answers up.
    pub(super) fn refuse(&self, id: CallId, problem: Problem) -> bool {
        let mut inner = lock(&self.inner);
        if inner.session.unacked_bytes() >= self.limits.buffer_bytes.saturating_add(REFUSALS_BYTES) {
            return false;
        }
        if let Err(error) = inner.session.send(&ServerMessage::End { id, outcome: Err(problem) }) {
            tracing::error!(%error, "a message could not be encoded");
        }
        drop(inner);
        self.outgoing.notify_waiters();
        true
    }

    /// Waits a while for the person's calls to become fewer, where they are too large together.
    pub(super) async fn content_room(&self) {
        // After that, calls are refused; what is no call, such as an acknowledgement, must go on.
        let _ = tokio::time::timeout(CONTENT_WAIT, self.person.calls.room()).await;
    }

    /// Waits until there may be something to send.
    pub(super) fn outgoing(&self) -> tokio::sync::futures::Notified<'_> {
        self.outgoing.notified()
    }

    /// What comes after `cursor`. A lone acknowledgement is held back unless `flush_ack`.
    pub(super) fn take_outgoing(&self, generation: u64, cursor: u64, flush_ack: bool) -> Result<Outgoing, LinkError> {
        let mut inner = lock(&self.inner);
        let mut out = Outgoing { cursor, ..Outgoing::default() };
        if inner.generation != generation {
            out.superseded = true;
            return Ok(out);
        }
        if let Some(nonce) = inner.pong.take() {
            out.frames.push(Frame::Pong { nonce }.encode()?);
        }
        let mut bytes = 0;
        for (seq, frame) in inner.session.frames_after(cursor).take(BATCH_FRAMES) {
            out.cursor = seq;
            bytes += frame.len();
            out.frames.push(frame);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        if !out.frames.is_empty() || flush_ack || inner.session.ack_is_urgent() {
            if let Some(ack) = inner.session.take_ack() {
                out.frames.push(ack.encode()?);
            }
        } else {
            out.ack_held = inner.session.ack_is_due();
        }
        if self.is_closed() {
            out.last = true;
            if let Some(problem) = inner.bye.take() {
                out.frames.push(Frame::Bye(problem).encode()?);
            }
        }
        Ok(out)
    }

    /// Takes in a frame of the newest socket.
    pub(super) fn take_in(&self, generation: u64, frame: Frame) -> Result<Incoming, LinkError> {
        let mut inner = lock(&self.inner);
        if inner.generation != generation {
            return Ok(Incoming::Nothing);
        }
        let mut incoming = Incoming::Nothing;
        match frame {
            Frame::Data { seq, body } => {
                let weight = weight(&body).ok_or(LinkError::Malformed)?;
                if let Some(message) = inner.session.receive(seq, &body)? {
                    incoming = Incoming::Message(message, weight);
                }
            }
            Frame::Ack { seq } => {
                inner.session.acknowledged(seq)?;
                inner.acknowledged(seq);
                self.room.notify_waiters();
                return Ok(incoming);
            }
            Frame::Ping { nonce } => inner.pong = Some(nonce),
            Frame::Pong { .. } => return Ok(incoming),
            Frame::Hello(_) | Frame::Welcome(_) | Frame::Bye(_) => return Err(LinkError::Malformed),
        }
        drop(inner);
        self.outgoing.notify_waiters();
        Ok(incoming)
    }

    /// Registers a call of so many bytes.
    pub(super) fn begin_call(self: &Arc<Self>, id: CallId, bytes: usize) -> Result<(Arc<Call>, Held), Refused> {
        let mut calls = lock(&self.calls);
        if calls.contains_key(&id) {
            return Err(Refused::IdInUse);
        }
        if calls.len() >= self.limits.max_calls {
            return Err(Refused::TooMany);
        }
        let held = self.person.calls.hold_if_room(bytes).ok_or(Refused::TooLarge)?;
        let call = Arc::new(Call {
            id,
            link: self.clone(),
            credit: AtomicI64::new(i64::from(INITIAL_CREDIT_BYTES)),
            granted: Notify::new(),
            cancel: self.closed.child_token(),
        });
        calls.insert(id, call.clone());
        Ok((call, held))
    }

    fn forget_call(&self, id: CallId) {
        lock(&self.calls).remove(&id);
    }

    pub(super) fn call(&self, id: CallId) -> Option<Arc<Call>> {
        lock(&self.calls).get(&id).cloned()
    }
}

/// The link is gone: whoever sends may stop.
#[derive(Debug)]
pub(super) struct Gone;

/// A call under way.
pub(super) struct Call {
    id: CallId,
    link: Arc<Link>,
    /// Bytes of items that may be sent; an item may overdraw it once.
    credit: AtomicI64,
    granted: Notify,
    /// Cancelled by the page, or because the link is gone.
    pub(super) cancel: CancellationToken,
}

impl Call {
    /// The page has taken in so many bytes.
    pub(super) fn grant(&self, bytes: u32) {
        self.credit.fetch_add(i64::from(bytes), Ordering::AcqRel);
        self.granted.notify_waiters();
    }

    /// The link that it came over, which is its page.
    pub(super) fn link_id(&self) -> LinkId {
        self.link.id
    }

    /// Sends an item, waiting for credit. Fails when the call was cancelled or the link is gone.
    pub(super) async fn item(&self, item: Item) -> Result<(), Gone> {
        loop {
            // It hears of every change from here on, polled or not.
            let granted = self.granted.notified();
            if self.credit.load(Ordering::Acquire) > 0 {
                break;
            }
            tokio::select! {
                () = granted => {}
                () = self.cancel.cancelled() => return Err(Gone),
            }
        }
        self.credit.fetch_sub(i64::from(item.cost()), Ordering::AcqRel);
        let message = ServerMessage::Item { id: self.id, item };
        tokio::select! {
            sent = self.link.send(&message) => sent,
            () = self.cancel.cancelled() => Err(Gone),
        }
    }
}
