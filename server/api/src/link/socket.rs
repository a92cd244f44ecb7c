//! A link over one WebSocket, from its hello to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use coditect_auth::Identity;
use coditect_protocol::link::{ACK_DELAY_MS, Frame, Hello, LinkError, PING_INTERVAL_MS, SILENCE_LIMIT_MS, Welcome};
use coditect_protocol::{Coded as _, PROTOCOL_VERSION, Problem};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;

use super::state::{Incoming, Link};
use super::{FREE_FRAME_BYTES, Opened, calls};
use crate::AppState;
use crate::connection::Intake;
use crate::error::ApiFault;

/// Largest hello with its envelope, in bytes.
const MAX_HELLO_BYTES: u64 = 16 * 1024;
/// How long a page may take to say hello, or to take a farewell.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_millis(SILENCE_LIMIT_MS);
const PING_EVERY: Duration = Duration::from_millis(PING_INTERVAL_MS);
const ACK_DELAY: Duration = Duration::from_millis(ACK_DELAY_MS);

const STOPPING: &str = "the server is stopping";

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// Runs until the socket or the server ends.
pub(super) async fn run(state: AppState, identity: Identity, intake: Arc<Intake>, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    intake.limit(MAX_HELLO_BYTES);
    let opened = tokio::select! {
        opened = welcome(&state, &identity, &mut sink, &mut stream) => opened,
        () = state.closing.cancelled() => return close(&mut sink, close_code::AWAY, STOPPING).await,
    };
    let attached = match opened {
        Ok(attached) => attached,
        Err(problem) => return refuse(&mut sink, problem).await,
    };
    let link = &attached.link;
    intake.limit_by_places(FREE_FRAME_BYTES, link.person.large_frames.clone());
    let ended = tokio::select! {
        ended = receive(&state, &attached, &intake, &mut stream) => ended,
        ended = transmit(&attached, &mut sink) => ended,
        () = state.closing.cancelled() => Ended::Draining,
    };
    link.detach(attached.generation);
    match ended {
        Ended::Broken => {}
        Ended::Done => close(&mut sink, close_code::NORMAL, "").await,
        Ended::Draining => close(&mut sink, close_code::AWAY, STOPPING).await,
        Ended::Fault(problem) => {
            tracing::debug!(code = problem.code, "link ended");
            link.close(None);
            state.links.remove(link.id);
            refuse(&mut sink, problem).await;
        }
    }
}

/// Why a socket ended.
enum Ended {
    /// It broke, or a newer one has taken over: the link waits for its page.
    Broken,
    /// The link ended, and the page was told.
    Done,
    /// The server stops.
    Draining,
    /// The page broke the protocol.
    Fault(Problem),
}

impl From<LinkError> for Ended {
    fn from(error: LinkError) -> Self {
        Self::Fault(error.problem())
    }
}

/// A link with this socket on it; without, as soon as this goes, however it goes.
struct Attached {
    link: Arc<Link>,
    generation: u64,
    cursor: u64,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.link.detach(self.generation);
    }
}

async fn welcome(
    state: &AppState,
    identity: &Identity,
    sink: &mut Sink,
    stream: &mut Stream,
) -> Result<Attached, Problem> {
    let hello =
        timeout(HELLO_LIMIT, hello(stream)).await.map_err(|_| late("The page did not say hello in time."))??;
    if hello.protocol != PROTOCOL_VERSION {
        return Err(ApiFault::Version.problem());
    }
    if hello.user.is_some_and(|user| user != identity.user.id) {
        return Err(ApiFault::OtherPerson.problem());
    }
    let Opened { link, resumed, generation, received, cursor } = state.links.open(identity, hello.resume.as_ref())?;
    let attached = Attached { link, generation, cursor };
    let welcome = Frame::Welcome(Welcome {
        link: attached.link.id,
        resumed,
        received,
        keep_ms: attached.link.keep_ms(),
        max_calls: u32::try_from(state.settings.link_max_calls).ok(),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let frame = welcome.encode().map_err(|error| error.problem())?;
    match timeout(HELLO_LIMIT, sink.send(Message::Binary(frame))).await {
        Ok(Ok(())) => Ok(attached),
        _ => Err(late("The page did not take the welcome in time.")),
    }
}

async fn hello(stream: &mut Stream) -> Result<Hello, Problem> {
    match stream.next().await {
        Some(Ok(Message::Binary(bytes))) => match Frame::decode(&bytes) {
            Ok(Frame::Hello(hello)) => Ok(hello),
            _ => Err(malformed("The page must say hello first.")),
        },
        _ => Err(malformed("The page must say hello first.")),
    }
}

fn malformed(reason: &'static str) -> Problem {
    ApiFault::NoHello { reason, is_late: false }.problem()
}

fn late(reason: &'static str) -> Problem {
    ApiFault::NoHello { reason, is_late: true }.problem()
}

async fn receive(state: &AppState, attached: &Attached, intake: &Intake, stream: &mut Stream) -> Ended {
    let link = &attached.link;
    loop {
        // A large message on a slow line takes its time; it is no silence while something of it arrives.
        let bytes = match intake.unless_silent(SILENCE_LIMIT, stream.next()).await {
            Some(Some(Ok(Message::Binary(bytes)))) => bytes,
            Some(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {
                intake.message_ended();
                continue;
            }
            Some(Some(Ok(Message::Text(_)))) => return LinkError::Malformed.into(),
            Some(Some(Ok(Message::Close(_)) | Err(_)) | None) | None => return Ended::Broken,
        };
        let taken_in = Frame::decode(&bytes).and_then(|frame| link.take_in(attached.generation, frame));
        drop(bytes);
        // Nothing waits between taking a message in, which acknowledges it, and handing it over: dropped there, it would be lost.
        match taken_in {
            Ok(Incoming::Message(message, weight)) => {
                if let Err(flooded) = calls::accept(state, link, message, weight) {
                    return Ended::Fault(flooded);
                }
            }
            Ok(Incoming::Nothing) => {}
            Err(error) => return error.into(),
        }
        intake.message_ended();
        link.content_room().await;
    }
}

async fn transmit(attached: &Attached, sink: &mut Sink) -> Ended {
    let (link, mut cursor) = (&attached.link, attached.cursor);
    let mut flush_ack = false;
    loop {
        // Taken before looking, so that nothing that comes in between is missed.
        let more = link.outgoing();
        let out = match link.take_outgoing(attached.generation, cursor, flush_ack) {
            Ok(out) => out,
            Err(error) => return error.into(),
        };
        flush_ack = false;
        if out.superseded {
            return Ended::Broken;
        }
        cursor = out.cursor;
        let idle = out.frames.is_empty();
        // It takes as long as the client takes something; the connection breaks when it does not.
        if !idle && send_all(sink, out.frames).await.is_err() {
            return Ended::Broken;
        }
        if out.last {
            return Ended::Done;
        }
        if idle && out.ack_held {
            // Nothing else to send: give the acknowledgement a moment to find company.
            flush_ack = timeout(ACK_DELAY, more).await.is_err();
        } else if idle && timeout(PING_EVERY, more).await.is_err() {
            // The browser answers by itself, also for a page whose timers sleep.
            if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                return Ended::Broken;
            }
        }
    }
}

async fn send_all(sink: &mut Sink, frames: Vec<Bytes>) -> Result<(), axum::Error> {
    for frame in frames {
        sink.feed(Message::Binary(frame)).await?;
    }
    sink.flush().await
}

async fn refuse(sink: &mut Sink, problem: Problem) {
    if let Ok(frame) = Frame::Bye(problem).encode() {
        // The socket may be gone already; there is nobody to tell then.
        let _ = timeout(HELLO_LIMIT, sink.send(Message::Binary(frame))).await;
    }
    close(sink, close_code::POLICY, "").await;
}

async fn close(sink: &mut Sink, code: u16, reason: &'static str) {
    // The socket may be gone already; there is nobody to tell then.
    let _ = timeout(HELLO_LIMIT, sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))).await;
}
