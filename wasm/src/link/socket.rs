//! The browser's WebSocket as a source of events.

use std::cell::Cell;

use bytes::Bytes;
use futures_channel::mpsc::UnboundedSender;
use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

use super::Event;
use super::backoff::Outflow;

/// What a socket tells.
#[derive(Debug)]
pub(super) enum SocketEvent {
    /// It is open.
    Open,
    /// One binary message.
    Message(Bytes),
    /// It is closed, for whatever reason.
    Closed,
}

/// An open or opening WebSocket. Dropping it closes it and silences its events.
pub(super) struct Socket {
    socket: WebSocket,
    /// Handed over so far, in bytes.
    given: Cell<u64>,
    _listeners: [EventListener; 3],
}

impl Socket {
    /// Starts to open; events carry `generation`, so that those of a former socket can be told apart.
    pub(super) fn open(url: &str, generation: u32, events: &UnboundedSender<Event>) -> Result<Self, JsValue> {
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let listen = |name: &'static str, read: fn(&web_sys::Event) -> SocketEvent| {
            let events = events.clone();
            EventListener::new(&socket, name, move |event| {
                // Fails only when nobody drives the link any more.
                let _ = events.unbounded_send(Event::Socket(generation, read(event)));
            })
        };
        let listeners = [
            listen("open", |_| SocketEvent::Open),
            listen("message", read_message),
            // An error is always followed by a close.
            listen("close", |_| SocketEvent::Closed),
        ];
        Ok(Self { socket, given: Cell::default(), _listeners: listeners })
    }

    /// Sends one message. On a socket that is closing it is lost, and the link resumes without loss.
    pub(super) fn send(&self, frame: &[u8]) {
        if self.socket.ready_state() == WebSocket::OPEN {
            self.given.set(self.given.get() + frame.len() as u64);
            let _ = self.socket.send_with_u8_array(frame);
        }
    }

    /// How far what was sent has come.
    pub(super) fn outflow(&self) -> Outflow {
        let waiting = u64::from(self.socket.buffered_amount());
        Outflow { left: self.given.get().saturating_sub(waiting), waiting }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}

fn read_message(event: &web_sys::Event) -> SocketEvent {
    let data = event.unchecked_ref::<MessageEvent>().data();
    // A text message becomes an empty one, which is malformed.
    let bytes =
        if data.has_type::<js_sys::ArrayBuffer>() { js_sys::Uint8Array::new(&data).to_vec() } else { Vec::new() };
    SocketEvent::Message(Bytes::from(bytes))
}
