//! Opens the socket, keeps it alive, and opens it again when it broke.

use std::pin::pin;
use std::rc::Rc;

use bytes::Bytes;
use coditect_protocol::auth::SessionInfo;
use coditect_protocol::link::{ACK_DELAY_MS, Frame, LinkError, Welcome};
use coditect_protocol::{Coded, Kind, Problem};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use gloo_events::EventListener;
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;

use super::backoff::{Backoff, Beat, Heartbeat, Outflow};
use super::{Event, Link, Socket, SocketEvent, frames};
use crate::error::ShellError;
use crate::status::Connection;

/// Longest that a socket may take to open and be welcome, in milliseconds.
const CONNECT_TIMEOUT_MS: f64 = 10_000.0;
/// Failed attempts after which the login is checked: a refused upgrade does not say why.
const FAILURES_BEFORE_LOGIN_CHECK: u32 = 2;

/// Why the time with one socket ended.
enum Ending {
    /// It broke, or never opened.
    Broken,
    /// The other end cannot go on with this link; ask for a new one.
    LinkGone(ShellError),
    /// Do not come back.
    Over(ShellError),
    /// `disconnect` was called; it has cleaned up.
    Stopped,
}

/// Runs until the link is closed.
pub(super) async fn run(link: Rc<Link>, sender: UnboundedSender<Event>, events: UnboundedReceiver<Event>) {
    let _listeners = wake_ups(&sender);
    let mut driver = Driver { link, sender, events, backoff: Backoff::default(), lost_at: None };
    let ended = driver.stay_connected().await;
    if let Some(why) = ended
        && driver.is_current()
    {
        driver.link.shut(&why, Connection::Closed);
    }
}

/// Listeners that tell the driver when it is worth to look at once.
fn wake_ups(sender: &UnboundedSender<Event>) -> Vec<EventListener> {
    let Some(window) = web_sys::window() else { return Vec::new() };
    let awake = |sender: &UnboundedSender<Event>| {
        let _ = sender.unbounded_send(Event::Awake);
    };
    let mut listeners = Vec::new();
    for name in ["online", "pageshow"] {
        let sender = sender.clone();
        listeners.push(EventListener::new(&window, name, move |_| awake(&sender)));
    }
    if let Some(document) = window.document() {
        let (seen, sender) = (document.clone(), sender.clone());
        listeners.push(EventListener::new(&document, "visibilitychange", move |_| {
            if seen.visibility_state() == web_sys::VisibilityState::Visible {
                awake(&sender);
            }
        }));
    }
    listeners
}

struct Driver {
    link: Rc<Link>,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    backoff: Backoff,
    lost_at: Option<f64>,
}

/// What one socket knows while it is welcome.
struct Online {
    since: f64,
    heart: Heartbeat,
    ack_at: Option<f64>,
}

impl Driver {
    /// `None` when `disconnect` ended it, else why it must stay closed.
    async fn stay_connected(&mut self) -> Option<ShellError> {
        match self.ask_login().await {
            Heard::Done(Err(error)) | Heard::LoggedOut(error) if error.is_unauthenticated() => return Some(error),
            Heard::Stop => return None,
            Heard::Done(_) | Heard::LoggedOut(_) | Heard::Awake => {}
        }
        loop {
            if !self.is_current() {
                return None;
            }
            match self.one_socket().await {
                Ending::Broken => {}
                Ending::LinkGone(error) => {
                    self.link.registry.borrow_mut().forget_link();
                    self.tell_problem(&error);
                }
                Ending::Over(why) => return Some(why),
                Ending::Stopped => return None,
            }
            drop(self.link.socket.borrow_mut().take());
            self.link.registry.borrow_mut().lost();
            if self.wait().await {
                return None;
            }
            match self.check_login().await {
                Ok(()) => {}
                Err(Ending::Over(why)) => return Some(why),
                Err(_) => return None,
            }
        }
    }

    /// Whether the link was not closed (and perhaps opened anew) meanwhile.
    fn is_current(&self) -> bool {
        self.link.events.borrow().as_ref().is_some_and(|sender| sender.same_receiver(&self.sender))
    }

    fn tell_problem(&self, error: &ShellError) {
        let problem = error.problem();
        self.link.status.change(|status| status.problem = Some(problem));
    }

    /// Waits for the next attempt; `true` when the link was closed meanwhile.
    async fn wait(&mut self) -> bool {
        self.lost_at.get_or_insert_with(now);
        let delay = self.backoff.next_delay(js_sys::Math::random());
        self.link.status.change(|status| {
            status.connection = Connection::Waiting;
            status.retry_in_ms = Some(delay.round());
            status.round_trip_ms = None;
        });
        let until = now() + delay;
        loop {
            match self.next(until).await {
                None => return false,
                Some(Event::Awake) => return false,
                Some(Event::Stop) => return true,
                Some(Event::LoggedOut(_) | Event::Socket(..)) => {}
            }
        }
    }

    /// After some failures: is anybody logged in still?
    async fn check_login(&mut self) -> Result<(), Ending> {
        if self.backoff.failures() < FAILURES_BEFORE_LOGIN_CHECK {
            return Ok(());
        }
        match self.ask_login().await {
            Heard::LoggedOut(why) => Err(Ending::Over(why)),
            Heard::Done(Err(error)) if error.is_unauthenticated() => Err(Ending::Over(error)),
            Heard::Done(Err(error)) => {
                self.tell_problem(&error);
                Ok(())
            }
            Heard::Stop => Err(Ending::Stopped),
            Heard::Done(Ok(_)) | Heard::Awake => Ok(()),
        }
    }

    /// Asks who is logged in; an answer may take long, so that what happens meanwhile goes before.
    async fn ask_login(&mut self) -> Heard<Result<SessionInfo, ShellError>> {
        heed(&mut self.events, self.link.rest.session()).await
    }

    /// The next event, or `None` at the given time.
    async fn next(&mut self, until: f64) -> Option<Event> {
        let delay = (until - now()).clamp(0.0, f64::from(i32::MAX)).ceil();
        match select(pin!(self.events.next()), TimeoutFuture::new(delay as u32)).await {
            // The senders are gone together with the link.
            Either::Left((event, _)) => Some(event.unwrap_or(Event::Stop)),
            Either::Right(_) => None,
        }
    }

    /// Lives through one socket.
    async fn one_socket(&mut self) -> Ending {
        let generation = self.link.generation.get().wrapping_add(1);
        self.link.generation.set(generation);
        self.link.status.change(|status| {
            status.connection = Connection::Connecting;
            status.retry_in_ms = None;
        });
        let Ok(socket) = Socket::open(&self.link.url, generation, &self.sender) else { return Ending::Broken };
        *self.link.socket.borrow_mut() = Some(socket);

        let give_up_at = now() + CONNECT_TIMEOUT_MS;
        let mut online: Option<Online> = None;
        let ending = loop {
            let until = online.as_ref().map_or(give_up_at, |online| self.next_deadline(online));
            let outcome = match self.next(until).await {
                Some(Event::Stop) => Err(Ending::Stopped),
                Some(Event::LoggedOut(why)) => Err(Ending::Over(why)),
                Some(Event::Awake) => self.probe(online.as_mut()),
                Some(Event::Socket(from, event)) if from == generation => self.on_socket(event, &mut online),
                Some(Event::Socket(..)) => Ok(()),
                None => self.on_time(online.as_mut(), give_up_at),
            };
            if let Err(ending) = outcome {
                break ending;
            }
        };
        if let Some(online) = online {
            self.backoff.was_up(now() - online.since);
        }
        ending
    }

    fn next_deadline(&self, online: &Online) -> f64 {
        online.heart.next_at().min(online.ack_at.unwrap_or(f64::INFINITY)).min(self.link.rest.refresh_at())
    }

    fn on_socket(&mut self, event: SocketEvent, online: &mut Option<Online>) -> Result<(), Ending> {
        match event {
            SocketEvent::Open => {
                let hello = self.link.registry.borrow().hello(self.link.rest.person());
                self.send(&Frame::Hello(hello))
            }
            SocketEvent::Message(bytes) => self.on_message(&bytes, online),
            SocketEvent::Closed => Err(Ending::Broken),
        }
    }

    fn on_message(&mut self, bytes: &Bytes, online: &mut Option<Online>) -> Result<(), Ending> {
        let frame = frames::decode(bytes).map_err(link_gone)?;
        match (frame, online) {
            (Frame::Welcome(welcome), online @ None) => {
                *online = Some(self.on_welcome(&welcome)?);
                Ok(())
            }
            (Frame::Bye(problem), online) => Err(on_bye(problem, online.is_some())),
            (frame, Some(online)) => self.on_frame(frame, online),
            // Nothing but a welcome or a farewell may come first.
            (_, None) => Err(link_gone(LinkError::Malformed)),
        }
    }

    fn on_welcome(&mut self, welcome: &Welcome) -> Result<Online, Ending> {
        let frames = self.link.registry.borrow_mut().welcomed(welcome).map_err(link_gone)?;
        let now = now();
        self.link.rest.refresh_when_unknown(now);
        let mut heart = Heartbeat::new(now);
        // Before the frames, which may take long: its answer tells of the line, not of them.
        let beat = heart.probe(now, self.backoff.probe_limit(), self.outflow());
        self.obey(beat)?;
        // Before anyone hears of it: a listener may start calls, whose frames must come after these.
        self.link.send_all(&frames);
        let lost_at = self.lost_at.take();
        self.link.status.change(|status| {
            status.connection = Connection::Online;
            status.problem = None;
            status.retry_in_ms = None;
            // The first connection may have needed attempts too; only one that was there before came back.
            if let (Some(_), Some(lost)) = (&status.server_version, lost_at) {
                status.reconnects += 1;
                status.last_reconnect_ms = Some((now - lost).max(0.0).round());
            }
            status.server_version = Some(welcome.server_version.clone());
        });
        Ok(Online { since: now, heart, ack_at: None })
    }

    fn on_frame(&mut self, frame: Frame, online: &mut Online) -> Result<(), Ending> {
        online.heart.heard(now());
        match frame {
            Frame::Data { seq, body } => {
                let received = self.link.registry.borrow_mut().receive(seq, &body);
                received.map_err(receive_failed)?;
                if self.link.registry.borrow().is_waiting() {
                    // A call that ended made room.
                    self.link.pump();
                }
                let ack = self.link.registry.borrow_mut().take_ack(true);
                match ack {
                    Some(ack) => {
                        online.ack_at = None;
                        self.send(&ack)
                    }
                    None => {
                        online.ack_at.get_or_insert_with(|| now() + ACK_DELAY_MS as f64);
                        Ok(())
                    }
                }
            }
            Frame::Ack { seq } => {
                let known = self.link.registry.borrow_mut().acknowledged(seq);
                known.map_err(link_gone)?;
                self.link.pump();
                Ok(())
            }
            Frame::Ping { nonce } => self.send(&Frame::Pong { nonce }),
            Frame::Pong { nonce } => {
                if let Some(milliseconds) = online.heart.pong(nonce, now()) {
                    self.link.status.change_quietly(|status| status.round_trip_ms = Some(milliseconds));
                }
                if self.link.registry.borrow().all_arrived() {
                    self.backoff.all_arrived();
                }
                Ok(())
            }
            Frame::Hello(_) | Frame::Welcome(_) | Frame::Bye(_) => Err(link_gone(LinkError::Malformed)),
        }
    }

    fn on_time(&mut self, online: Option<&mut Online>, give_up_at: f64) -> Result<(), Ending> {
        let now = now();
        let Some(online) = online else {
            return if now >= give_up_at { Err(Ending::Broken) } else { Ok(()) };
        };
        if online.ack_at.is_some_and(|at| now >= at) {
            online.ack_at = None;
            let ack = self.link.registry.borrow_mut().take_ack(false);
            ack.map_or(Ok(()), |ack| self.send(&ack))?;
        }
        if now >= self.link.rest.refresh_at() {
            self.refresh_session();
        }
        let beat = online.heart.beat(now, self.outflow());
        self.obey(beat)
    }

    fn probe(&mut self, online: Option<&mut Online>) -> Result<(), Ending> {
        let Some(online) = online else { return Ok(()) };
        let beat = online.heart.probe(now(), self.backoff.probe_limit(), self.outflow());
        self.obey(beat)
    }

    fn outflow(&self) -> Outflow {
        self.link.socket.borrow().as_ref().map(Socket::outflow).unwrap_or_default()
    }

    fn obey(&mut self, beat: Beat) -> Result<(), Ending> {
        match beat {
            Beat::Rest => Ok(()),
            Beat::Ping(nonce) => self.send(&Frame::Ping { nonce }),
            Beat::Dead => {
                self.backoff.was_silent();
                Err(Ending::Broken)
            }
        }
    }

    fn send(&self, frame: &Frame) -> Result<(), Ending> {
        let bytes = frame.encode().map_err(link_gone)?;
        self.link.send_all(&[bytes]);
        Ok(())
    }

    /// Renews the access token beside the link.
    fn refresh_session(&self) {
        let rest = Rc::clone(&self.link.rest);
        let sender = self.sender.clone();
        rest.refresh_started();
        spawn_local(async move {
            if let Err(error) = rest.refresh().await
                && error.is_unauthenticated()
            {
                let _ = sender.unbounded_send(Event::LoggedOut(error));
            }
        });
    }
}

/// The other end is not to be resumed.
fn link_gone(error: LinkError) -> Ending {
    Ending::LinkGone(error.into())
}

/// A gap can be closed by resuming; what cannot be read would only come again.
fn receive_failed(error: LinkError) -> Ending {
    match error {
        LinkError::Gap { .. } => Ending::Broken,
        other => link_gone(other),
    }
}

/// A server that only stops for a while is worth coming back to; any other farewell is final. Before the welcome it says nothing of the
/// link, which may still be resumed.
fn on_bye(problem: Problem, welcome: bool) -> Ending {
    match problem.kind {
        Kind::Unavailable if welcome => Ending::LinkGone(problem.into()),
        Kind::Unavailable => Ending::Broken,
        _ => Ending::Over(problem.into()),
    }
}

/// What came first.
#[derive(Debug)]
enum Heard<T> {
    /// The future's output.
    Done(T),
    /// It is worth to look at once.
    Awake,
    /// The login is over.
    LoggedOut(ShellError),
    /// `disconnect` was called.
    Stop,
}

/// Waits for the future, but not longer than until something else is to be done. No socket is open meanwhile.
async fn heed<F: Future>(events: &mut UnboundedReceiver<Event>, future: F) -> Heard<F::Output> {
    let mut future = pin!(future);
    loop {
        match select(future.as_mut(), events.next()).await {
            Either::Left((output, _)) => return Heard::Done(output),
            Either::Right((Some(Event::Socket(..)), _)) => {}
            Either::Right((Some(Event::Awake), _)) => return Heard::Awake,
            Either::Right((Some(Event::LoggedOut(why)), _)) => return Heard::LoggedOut(why),
            // The senders are gone together with the link.
            Either::Right((Some(Event::Stop) | None, _)) => return Heard::Stop,
        }
    }
}

fn now() -> f64 {
    js_sys::Date::now()
}

#[cfg(test)]
mod tests {
    use futures_channel::mpsc::unbounded;
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_takes_long_does_not_hide_what_happens() {
        let answer = || std::future::pending::<()>();
        let (sender, mut events) = unbounded();
        sender.unbounded_send(Event::Socket(1, SocketEvent::Closed)).unwrap();
        assert!(heed(&mut events, answer()).now_or_never().is_none());
        sender.unbounded_send(Event::Awake).unwrap();
        assert!(matches!(heed(&mut events, answer()).now_or_never(), Some(Heard::Awake)));
        sender.unbounded_send(Event::LoggedOut(ShellError::Cancelled)).unwrap();
        assert!(matches!(heed(&mut events, answer()).now_or_never(), Some(Heard::LoggedOut(_))));
        sender.unbounded_send(Event::Stop).unwrap();
        assert!(matches!(heed(&mut events, answer()).now_or_never(), Some(Heard::Stop)));
        assert!(matches!(heed(&mut events, async { 7 }).now_or_never(), Some(Heard::Done(7))));
        drop(sender);
        assert!(matches!(heed(&mut events, answer()).now_or_never(), Some(Heard::Stop)));
    }

    #[test]
    fn a_farewell_before_the_welcome_leaves_the_link_alone() {
        let problem = |kind| Problem::new(kind, "x", "x");
        assert!(matches!(on_bye(problem(Kind::Unavailable), false), Ending::Broken));
        assert!(matches!(on_bye(problem(Kind::Unavailable), true), Ending::LinkGone(_)));
        assert!(matches!(on_bye(problem(Kind::Unauthenticated), false), Ending::Over(_)));
    }
}
