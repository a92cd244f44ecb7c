//! The browser's WebSocket as a source of events.

use bytes::Bytes;
use futures_channel::mpsc::UnboundedSender;
use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

use super::Event;

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
        Ok(Self { socket, _listeners: listeners })
    }

    /// Sends one message. On a socket that is closing it is lost, and the link resumes without loss.
    pub(super) fn send(&self, frame: &[u8]) {
        if self.socket.ready_state() == WebSocket::OPEN {
            let _ = self.socket.send_with_u8_array(frame);
        }
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
