//! A link over one WebSocket, from its hello to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use coditect_auth::Identity;
use coditect_protocol::link::{ACK_DELAY_MS, Frame, Hello, LinkError, PING_INTERVAL_MS, SILENCE_LIMIT_MS, Welcome};
use coditect_protocol::{Coded as _, Kind, PROTOCOL_VERSION, Problem};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;

use super::calls;
use super::state::{Incoming, Link};
use crate::AppState;

/// How long a page may take to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_millis(SILENCE_LIMIT_MS);
const PING_EVERY: Duration = Duration::from_millis(PING_INTERVAL_MS);
const ACK_DELAY: Duration = Duration::from_millis(ACK_DELAY_MS);

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// Runs until the socket or the server ends.
pub(super) async fn run(state: AppState, identity: Identity, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let (link, generation, cursor) = match welcome(&state, &identity, &mut sink, &mut stream).await {
        Ok(started) => started,
        Err(problem) => return refuse(&mut sink, problem).await,
    };
    let draining = state.draining.clone();
    let ended = tokio::select! {
        ended = receive(&state, &link, generation, &mut stream) => ended,
        ended = transmit(&link, generation, cursor, &mut sink) => ended,
        () = draining.cancelled() => Ended::Draining,
    };
    link.detach(generation);
    match ended {
        Ended::Broken => {}
        Ended::Done => close(&mut sink, close_code::NORMAL, "").await,
        Ended::Draining => close(&mut sink, close_code::AWAY, "the server is stopping").await,
        Ended::Fault(error) => {
            tracing::debug!(%error, "link ended");
            link.close(None);
            refuse(&mut sink, error.problem()).await;
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
    Fault(LinkError),
}

async fn welcome(
    state: &AppState,
    identity: &Identity,
    sink: &mut Sink,
    stream: &mut Stream,
) -> Result<(Arc<Link>, u64, u64), Problem> {
    let hello =
        timeout(HELLO_LIMIT, hello(stream)).await.map_err(|_| malformed("The page did not say hello in time."))??;
    if hello.protocol != PROTOCOL_VERSION {
        let message = "This page is of another version than the server; reload it.";
        return Err(Problem::new(Kind::Invalid, "link.version", message));
    }
    let received = hello.resume.as_ref().map_or(0, |resume| resume.received);
    let (link, resumed) = state.links.open(identity, hello.resume)?;
    let cursor = if resumed { received } else { 0 };
    let (generation, server_received) = link.attach(cursor).map_err(|error| error.problem())?;
    let welcome = Frame::Welcome(Welcome {
        link: link.id,
        resumed,
        received: server_received,
        keep_ms: link.keep_ms(),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let sent = match welcome.encode() {
        Ok(frame) => sink.send(Message::Binary(frame)).await.is_ok(),
        Err(_) => false,
    };
    if !sent {
        link.detach(generation);
        return Err(malformed("The socket broke."));
    }
    Ok((link, generation, cursor))
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

fn malformed(message: &str) -> Problem {
    Problem::new(Kind::Invalid, "link.no_hello", message)
}

async fn receive(state: &AppState, link: &Arc<Link>, generation: u64, stream: &mut Stream) -> Ended {
    loop {
        let bytes = match timeout(SILENCE_LIMIT, stream.next()).await {
            Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Text(_)))) => return Ended::Fault(LinkError::Malformed),
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return Ended::Broken,
        };
        match Frame::decode(&bytes).and_then(|frame| link.take_in(generation, frame)) {
            Ok(Incoming::Message(message)) => calls::accept(state, link, message).await,
            Ok(Incoming::Nothing) => {}
            Err(error) => return Ended::Fault(error),
        }
    }
}

async fn transmit(link: &Arc<Link>, generation: u64, mut cursor: u64, sink: &mut Sink) -> Ended {
    let mut flush_ack = false;
    loop {
        let more = link.outgoing();
        tokio::pin!(more);
        more.as_mut().enable();
        let out = match link.take_outgoing(generation, cursor, flush_ack) {
            Ok(out) => out,
            Err(error) => return Ended::Fault(error),
        };
        flush_ack = false;
        if out.superseded {
            return Ended::Broken;
        }
        cursor = out.cursor;
        let idle = out.frames.is_empty();
        if !idle && !matches!(timeout(SILENCE_LIMIT, send_all(sink, out.frames)).await, Ok(Ok(()))) {
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
            if !matches!(timeout(SILENCE_LIMIT, sink.send(Message::Ping(Bytes::new()))).await, Ok(Ok(()))) {
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
        let _ = sink.send(Message::Binary(frame)).await;
    }
    close(sink, close_code::POLICY, "").await;
}

async fn close(sink: &mut Sink, code: u16, reason: &'static str) {
    // The socket may be gone already; there is nobody to tell then.
    let _ = timeout(HELLO_LIMIT, sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))).await;
}
