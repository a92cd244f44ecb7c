//! The one resumable WebSocket: calls go in, [`driver`] keeps it connected.
//!
//! No borrow of a `RefCell` here is ever held over an await or while JavaScript of others runs: what arrives is put into the call's
//! channel, and the caller's own task hands it on.

mod backoff;
mod driver;
mod frames;
mod registry;
mod socket;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use coditect_protocol::call::{CallId, Item, Reply, Request};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use wasm_bindgen_futures::spawn_local;

use crate::abort::Abort;
use crate::error::ShellError;
use crate::rest::Rest;
use crate::status::{Connection, StatusBoard};
use registry::{CallEvent, Registry};
use socket::{Socket, SocketEvent};

/// What moves the driver.
#[derive(Debug)]
enum Event {
    /// From the socket of this generation.
    Socket(u32, SocketEvent),
    /// The network came back or the page became visible: doubt the socket, and do not wait any longer.
    Awake,
    /// The login is over.
    LoggedOut(ShellError),
    /// `disconnect` was called.
    Stop,
}

/// The link of one shell.
pub(crate) struct Link {
    url: String,
    rest: Rc<Rest>,
    status: Rc<StatusBoard>,
    registry: RefCell<Registry>,
    socket: RefCell<Option<Socket>>,
    /// To the driver; present while there is one.
    events: RefCell<Option<UnboundedSender<Event>>>,
    generation: Cell<u32>,
}

impl Link {
    /// A link that is not open yet.
    pub(crate) fn new(base: &str, rest: Rc<Rest>, status: Rc<StatusBoard>) -> Self {
        Self {
            url: socket_url(base),
            rest,
            status,
            registry: RefCell::default(),
            socket: RefCell::default(),
            events: RefCell::default(),
            generation: Cell::default(),
        }
    }

    /// Sees to it that the link connects and stays so.
    pub(crate) fn open(self: &Rc<Self>) {
        if self.events.borrow().is_some() {
            return;
        }
        let (sender, events) = unbounded();
        *self.events.borrow_mut() = Some(sender.clone());
        self.status.change(|status| {
            status.connection = Connection::Connecting;
            status.problem = None;
        });
        spawn_local(driver::run(Rc::clone(self), sender, events));
    }

    /// Ends the link; calls under way fail.
    pub(crate) fn close(&self) {
        self.shut(&ShellError::NotConnected, Connection::Idle);
    }

    /// Ends the driver and everything under way, for this reason.
    fn shut(&self, why: &ShellError, connection: Connection) {
        if let Some(events) = self.events.borrow_mut().take() {
            let _ = events.unbounded_send(Event::Stop);
        }
        drop(self.socket.borrow_mut().take());
        self.registry.borrow_mut().close(why);
        let problem = (connection == Connection::Closed).then(|| coditect_protocol::Coded::problem(why));
        self.status.change(|status| {
            status.connection = connection;
            status.problem = problem;
            status.retry_in_ms = None;
            status.round_trip_ms = None;
            status.pending_calls = 0;
        });
    }

    /// Whether `open` was called and nothing ended it.
    pub(crate) fn is_open(&self) -> bool {
        self.events.borrow().is_some()
    }

    /// What ended the link says more than that it is not there: a login that is over wants another one.
    fn why_closed(&self) -> ShellError {
        self.status.get().problem.map_or(ShellError::NotConnected, ShellError::Problem)
    }

    /// Starts a call. It waits while the link is not there.
    pub(crate) fn start(self: &Rc<Self>, request: Request) -> Result<Call, ShellError> {
        if !self.is_open() {
            return Err(self.why_closed());
        }
        let (id, events) = self.registry.borrow_mut().start(request)?;
        self.pump();
        Ok(Call { link: Rc::clone(self), id, events, ended: false })
    }

    /// A call without items.
    pub(crate) async fn call(self: &Rc<Self>, request: Request) -> Result<Reply, ShellError> {
        self.start(request)?.finish(&Abort::never(), |_| Ok(())).await
    }

    fn pump(&self) {
        let frames = self.registry.borrow_mut().pump();
        self.send_all(&frames);
        self.count();
    }

    fn count(&self) {
        let pending = self.registry.borrow().pending();
        self.status.change_quietly(|status| status.pending_calls = pending);
    }

    fn send_all(&self, frames: &[Bytes]) {
        if let Some(socket) = self.socket.borrow().as_ref() {
            frames.iter().for_each(|frame| socket.send(frame));
        }
    }
}

/// A call under way. Dropping it cancels it.
pub(crate) struct Call {
    link: Rc<Link>,
    id: CallId,
    events: UnboundedReceiver<CallEvent>,
    ended: bool,
}

/// What the caller has to deal with before the next one comes.
#[derive(Debug)]
pub(crate) enum Step {
    /// A part of the answer.
    Item(Item),
    /// Start over: parts so far come again, or something between was missed.
    Restarted,
}

/// What comes next of a call.
enum Next {
    /// A part, with the life of the call it belongs to and what it costs.
    Item(Item, u32, u32),
    Restarted,
    End(Reply),
}

impl Call {
    /// Hands each part to `take`, grants credit for it afterwards, and answers the reply. An error of `take` cancels the call.
    pub(crate) async fn finish(
        mut self,
        abort: &Abort,
        mut take: impl FnMut(Step) -> Result<(), ShellError>,
    ) -> Result<Reply, ShellError> {
        loop {
            match self.next(abort).await? {
                Next::Item(item, epoch, cost) => {
                    take(Step::Item(item))?;
                    self.consumed(epoch, cost);
                }
                Next::Restarted => take(Step::Restarted)?,
                Next::End(reply) => return Ok(reply),
            }
        }
    }

    /// As [`Self::finish`], for one who takes their time with each part: the server waits meanwhile.
    pub(crate) async fn finish_slowly(
        mut self,
        abort: &Abort,
        mut take: impl AsyncFnMut(Step) -> Result<(), ShellError>,
    ) -> Result<Reply, ShellError> {
        loop {
            match self.next(abort).await? {
                Next::Item(item, epoch, cost) => {
                    abort.guard(take(Step::Item(item))).await??;
                    self.consumed(epoch, cost);
                }
                Next::Restarted => abort.guard(take(Step::Restarted)).await??,
                Next::End(reply) => return Ok(reply),
            }
        }
    }

    /// Apart from the above, so that it is compiled once for all who call.
    async fn next(&mut self, abort: &Abort) -> Result<Next, ShellError> {
        match abort.guard(self.events.next()).await? {
            Some(CallEvent::Item { epoch, item }) => {
                let cost = item.cost();
                Ok(Next::Item(item, epoch, cost))
            }
            Some(CallEvent::Restarted) => Ok(Next::Restarted),
            Some(CallEvent::End(outcome)) => {
                self.ended = true;
                self.link.count();
                outcome.map(Next::End)
            }
            None => Err(self.link.why_closed()),
        }
    }

    /// Grants credit for a part that was dealt with.
    fn consumed(&self, epoch: u32, cost: u32) {
        let credit = self.link.registry.borrow_mut().consumed(self.id, epoch, cost);
        self.link.send_all(credit.as_slice());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            let cancel = self.link.registry.borrow_mut().cancel(self.id);
            self.link.send_all(cancel.as_slice());
            self.link.count();
        }
    }
}

/// The socket's address from the address of the server's root.
fn socket_url(base: &str) -> String {
    let rest = match base.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => base.to_owned(),
    };
    format!("{rest}api/v5/ws")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use coditect_protocol::call::ServerMessage;
    use coditect_protocol::link::{Frame, Session, Welcome};
    use coditect_protocol::{LinkId, TerminalId};
    use futures_channel::oneshot;
    use futures_util::FutureExt as _;
    use registry::CREDIT_BATCH_BYTES;

    use super::*;

    #[test]
    fn keeps_the_security_of_the_page() {
        assert_eq!(socket_url("https://a.example/ide/"), "wss://a.example/ide/api/v5/ws");
        assert_eq!(socket_url("http://localhost:8080/"), "ws://localhost:8080/api/v5/ws");
    }

    /// A link that the server has welcomed, without a socket.
    fn online() -> Rc<Link> {
        let status = Rc::new(StatusBoard::default());
        let rest = Rc::new(Rest::new("http://localhost/", Rc::clone(&status)));
        let link = Rc::new(Link::new("http://localhost/", rest, status));
        *link.events.borrow_mut() = Some(unbounded().0);
        let welcome = Welcome {
            link: LinkId(uuid::Uuid::nil()),
            resumed: false,
            received: 0,
            keep_ms: 1,
            max_calls: None,
            server_version: String::new(),
        };
        link.registry.borrow_mut().welcomed(&welcome).unwrap();
        link
    }

    #[test]
    fn no_credit_is_granted_before_a_part_was_dealt_with() {
        let link = online();
        let call = link.start(Request::AttachTerminal { terminal: TerminalId(uuid::Uuid::nil()), from: 0 }).unwrap();
        let item = Item::Output { offset: 0, data: vec![0; CREDIT_BATCH_BYTES as usize] };
        let frame = Session::new().send(&ServerMessage::Item { id: call.id, item }).unwrap();
        let Frame::Data { seq, body } = Frame::decode(&frame).unwrap() else { panic!() };
        link.registry.borrow_mut().receive(seq, &body).unwrap();
        link.registry.borrow_mut().acknowledged(1).unwrap();

        let (drawn, drawing) = oneshot::channel::<()>();
        let (abort, mut drawing) = (Abort::never(), Some(drawing));
        let mut following = pin!(call.finish_slowly(&abort, async |_| {
            if let Some(drawing) = drawing.take() {
                drawing.await.unwrap();
            }
            Ok(())
        }));
        assert!(following.as_mut().now_or_never().is_none());
        assert!(link.registry.borrow().all_arrived(), "credit was granted already");
        drawn.send(()).unwrap();
        assert!(following.as_mut().now_or_never().is_none());
        assert!(!link.registry.borrow().all_arrived(), "no credit was granted");
    }
}
