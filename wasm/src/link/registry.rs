//! The calls of this page and the link's session: everything the link decides, without a socket. Pure.
//!
//! A call is *queued* until a socket is welcome and there is room, then *sent*. When a link could not be resumed, what was queued
//! stays so; what was sent is queued again if that is safe, else it fails. `epoch` counts how often a call was sent, so that credit
//! for items of an earlier life is not granted in a later one.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use coditect_protocol::call::{CallId, ClientMessage, INITIAL_CREDIT_BYTES, Item, Reply, Request, ServerMessage};
use coditect_protocol::link::{
    DEFAULT_BUFFER_BYTES, Frame, Hello, LinkError, MAX_MESSAGE_BYTES, MAX_STRUCTURED_BYTES, Resume, Session, Welcome,
};
use coditect_protocol::{LinkId, PROTOCOL_VERSION, UserId};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

use crate::error::ShellError;
use crate::value::Value;

/// Most calls under way or waiting at once. How many of them may be under way the server says in its welcome.
pub(crate) const MAX_CALLS: usize = 4096;
/// Most bytes of content in calls that wait for the socket; a single call may be larger when nothing else waits.
pub(crate) const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// Consumed bytes after which credit is given back.
pub(crate) const CREDIT_BATCH_BYTES: u32 = INITIAL_CREDIT_BYTES / 2;

/// What reaches the one who called.
#[derive(Debug)]
pub(crate) enum CallEvent {
    /// A part of the answer.
    Item {
        /// Which life of the call it belongs to.
        epoch: u32,
        /// The part.
        item: Item,
    },
    /// The link was lost and the call was sent again: parts so far may be repeated or have a gap.
    Restarted,
    /// The end.
    End(Result<Reply, ShellError>),
}

#[derive(Debug)]
struct Pending {
    /// What to send; kept after sending only where it may be sent again.
    request: Option<Box<Request>>,
    bytes: usize,
    sink: UnboundedSender<CallEvent>,
    sent: bool,
    epoch: u32,
    owed: u32,
    delivered: bool,
    endless: bool,
}

/// The calls and the session.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    session: Session,
    link: Option<LinkId>,
    welcome: bool,
    calls: BTreeMap<CallId, Pending>,
    queue: VecDeque<CallId>,
    queued_bytes: usize,
    /// Calls that the server has: those that were given up too, until it answers them.
    taken: Vec<CallId>,
    /// Most of them.
    window: Option<usize>,
    last_id: CallId,
}

impl Registry {
    /// Takes a call on. [`Self::pump`] sends it.
    pub(crate) fn start(&mut self, request: Request) -> Result<(CallId, UnboundedReceiver<CallEvent>), ShellError> {
        let bytes = content_bytes(&request);
        let too_much = bytes > 0 && self.queued_bytes > 0 && self.queued_bytes + bytes > MAX_QUEUED_BYTES;
        if self.calls.len() >= MAX_CALLS || too_much {
            return Err(ShellError::Busy);
        }
        let id = self.free_id();
        let (sink, events) = unbounded();
        let endless =
            matches!(request, Request::Watch { .. } | Request::AttachTerminal { .. } | Request::Presence { .. });
        let request = Some(Box::new(request));
        let pending = Pending { request, bytes, sink, sent: false, epoch: 0, owed: 0, delivered: false, endless };
        self.calls.insert(id, pending);
        self.queue.push_back(id);
        self.queued_bytes += bytes;
        Ok((id, events))
    }

    fn free_id(&mut self) -> CallId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            // Ends: there are far fewer calls than numbers.
            if !self.calls.contains_key(&self.last_id) && !self.taken.contains(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// The frames of queued calls for which there is room now.
    pub(crate) fn pump(&mut self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        while self.welcome && self.session.unacked_bytes() < DEFAULT_BUFFER_BYTES && self.has_window() {
            let Some(id) = self.queue.pop_front() else { break };
            match self.send_call(id) {
                Ok(frame) => frames.extend(frame),
                Err(error) => self.end(id, Err(error.into())),
            }
        }
        frames
    }

    /// Whether the server takes one more call. Where only calls are under way that do not end by themselves, waiting leads nowhere: the
    /// server then says itself that they are too many.
    fn has_window(&self) -> bool {
        let lasting = |id: &CallId| self.calls.get(id).is_some_and(|call| call.endless);
        self.window.is_none_or(|window| self.taken.len() < window) || self.taken.iter().all(lasting)
    }

    /// Whether calls wait to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether the server has everything that was sent to it.
    pub(crate) fn all_arrived(&self) -> bool {
        self.session.unacked_bytes() == 0
    }

    fn send_call(&mut self, id: CallId) -> Result<Option<Bytes>, LinkError> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(None) };
        self.queued_bytes = self.queued_bytes.saturating_sub(call.bytes);
        let Some(request) = call.request.take() else { return Ok(None) };
        // The server ends the link where more comes.
        let limit = match *request {
            Request::WriteFile { .. } => MAX_MESSAGE_BYTES,
            _ => MAX_STRUCTURED_BYTES,
        };
        let message = ClientMessage::Call { id, request };
        let frame = self.session.send_within(&message, limit)?;
        self.taken.push(id);
        call.sent = true;
        call.owed = 0;
        if let ClientMessage::Call { request, .. } = message
            && request.is_repeatable()
        {
            call.request = Some(request);
        }
        Ok(Some(frame))
    }

    /// Gives a call up. Answers the frame that tells the server, if it knows the call. What still comes for it is ignored.
    pub(crate) fn cancel(&mut self, id: CallId) -> Option<Bytes> {
        let call = self.calls.remove(&id)?;
        if call.sent {
            return self.numbered(&ClientMessage::Cancel { id });
        }
        self.queue.retain(|queued| *queued != id);
        self.queued_bytes = self.queued_bytes.saturating_sub(call.bytes);
        None
    }

    /// The caller has dealt with an item. Answers the frame that grants credit, when enough came together.
    pub(crate) fn consumed(&mut self, id: CallId, epoch: u32, bytes: u32) -> Option<Bytes> {
        let call = self.calls.get_mut(&id)?;
        if call.epoch != epoch || !call.sent {
            return None;
        }
        call.owed = call.owed.saturating_add(bytes);
        if call.owed < CREDIT_BATCH_BYTES {
            return None;
        }
        let bytes = std::mem::take(&mut call.owed);
        self.numbered(&ClientMessage::Credit { id, bytes })
    }

    /// Numbers a message. Answers its frame if it can go at once; else it goes when the link is resumed.
    fn numbered(&mut self, message: &ClientMessage) -> Option<Bytes> {
        let frame = self.session.send(message).ok()?;
        self.welcome.then_some(frame)
    }

    /// Takes in a data frame.
    pub(crate) fn receive(&mut self, seq: u64, body: &[u8]) -> Result<(), LinkError> {
        let Some(value) = self.session.receive::<Value>(seq, body)? else { return Ok(()) };
        match value.read() {
            Ok(ServerMessage::Item { id, item }) => self.deliver(id, item),
            Ok(ServerMessage::End { id, outcome }) => {
                self.taken.retain(|taken| *taken != id);
                self.end(id, outcome.map_err(Into::into));
            }
            Err(_) => return Err(LinkError::Malformed),
        }
        Ok(())
    }

    fn deliver(&mut self, id: CallId, item: Item) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.delivered = true;
        if let Item::Output { offset, data } = &item
            && let Some(Request::AttachTerminal { from, .. }) = call.request.as_deref_mut()
        {
            // Sent again, it goes on where it was.
            *from = offset.saturating_add(data.len() as u64);
        }
        // Fails only when the caller is gone; it cancels on its way out.
        let _ = call.sink.unbounded_send(CallEvent::Item { epoch: call.epoch, item });
    }

    fn end(&mut self, id: CallId, outcome: Result<Reply, ShellError>) {
        if let Some(call) = self.calls.remove(&id) {
            let _ = call.sink.unbounded_send(CallEvent::End(outcome));
        }
    }

    /// Forgets what the server has.
    pub(crate) fn acknowledged(&mut self, seq: u64) -> Result<(), LinkError> {
        self.session.acknowledged(seq)
    }

    /// The acknowledgement that is due, at once only if it is urgent.
    pub(crate) fn take_ack(&mut self, only_urgent: bool) -> Option<Frame> {
        if only_urgent && !self.session.ack_is_urgent() { None } else { self.session.take_ack() }
    }

    /// What to say first on a new socket of this person's page.
    pub(crate) fn hello(&self, user: Option<UserId>) -> Hello {
        let resume = self.link.map(|link| Resume { link, received: self.session.received() });
        Hello { protocol: PROTOCOL_VERSION, resume, user }
    }

    /// The server took the page in: the frames to send, in order.
    pub(crate) fn welcomed(&mut self, welcome: &Welcome) -> Result<Vec<Bytes>, LinkError> {
        let resumed = welcome.resumed && self.link == Some(welcome.link);
        self.window = welcome.max_calls.map(|calls| calls as usize);
        let mut frames = if resumed {
            self.session.resume(welcome.received)?.collect()
        } else {
            self.start_anew();
            Vec::new()
        };
        self.link = Some(welcome.link);
        self.welcome = true;
        frames.extend(self.pump());
        Ok(frames)
    }

    /// Nothing of the old link is left: its session, and calls that cannot be sent again.
    fn start_anew(&mut self) {
        self.session = Session::new();
        self.taken.clear();
        let sent: Vec<CallId> = self.calls.iter().filter(|(_, call)| call.sent).map(|(id, _)| *id).collect();
        for id in sent.into_iter().rev() {
            self.restart(id);
        }
    }

    fn restart(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let lost = match call.request.as_deref() {
            None => true,
            // Matches that were shown would come a second time.
            Some(Request::SearchText { .. }) => call.delivered,
            Some(_) => false,
        };
        if lost {
            return self.end(id, Err(ShellError::Interrupted));
        }
        call.sent = false;
        call.epoch = call.epoch.wrapping_add(1);
        call.owed = 0;
        self.queued_bytes += call.bytes;
        self.queue.push_front(id);
        let _ = call.sink.unbounded_send(CallEvent::Restarted);
    }

    /// The socket broke.
    pub(crate) fn lost(&mut self) {
        self.welcome = false;
    }

    /// The next hello asks for a new link.
    pub(crate) fn forget_link(&mut self) {
        self.welcome = false;
        self.link = None;
    }

    /// Ends everything.
    pub(crate) fn close(&mut self, why: &ShellError) {
        self.forget_link();
        self.session = Session::new();
        self.taken.clear();
        self.queue.clear();
        self.queued_bytes = 0;
        while let Some((_, call)) = self.calls.pop_first() {
            let _ = call.sink.unbounded_send(CallEvent::End(Err(why.clone())));
        }
    }

    /// Calls that have not ended and are expected to.
    pub(crate) fn pending(&self) -> u32 {
        self.calls.values().filter(|call| !call.endless).count() as u32
    }
}

/// What a request weighs while it waits.
fn content_bytes(request: &Request) -> usize {
    match request {
        Request::WriteFile { content, .. } => content.len(),
        Request::WriteTerminal { data, .. } => data.len(),
        Request::Chat(chat) => chat.messages.iter().map(message_bytes).sum(),
        _ => 0,
    }
}

fn message_bytes(message: &coditect_protocol::chat::ChatMessage) -> usize {
    use coditect_protocol::chat::ChatMessage;
    match message {
        ChatMessage::System { text } | ChatMessage::Tool { text, .. } | ChatMessage::Assistant { text, .. } => {
            text.len()
        }
        ChatMessage::User { text, images } => text.len() + images.iter().map(String::len).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests;
