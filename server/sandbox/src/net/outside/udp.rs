//! Datagrams of a sandbox: for each pair of ends a socket of the machine, which hears from its own far end only.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smoltcp::wire::Icmpv4DstUnreachable;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::events::Transport;
use super::gate::Target;
use super::limits::{DATAGRAM_IDLE, MAX_WAITING_BYTES, MAX_WAITING_DATAGRAMS};
use super::packet::{self, Flow, MAX_DATAGRAM_BYTES};

/// Bytes of datagrams that wait, of all pairs of a sandbox together.
#[derive(Debug, Default)]
pub(super) struct Waiting(AtomicUsize);

/// A datagram that waits to be sent.
#[derive(Debug)]
struct Datagram {
    bytes: Vec<u8>,
    waiting: Arc<Waiting>,
}

impl Datagram {
    /// `None`: too much waits already.
    fn new(bytes: &[u8], waiting: &Arc<Waiting>) -> Option<Self> {
        let before = waiting.0.fetch_add(bytes.len(), Ordering::Relaxed);
        // Made first, so that what was added is taken off again whatever is decided.
        let datagram = Self { bytes: bytes.to_vec(), waiting: Arc::clone(waiting) };
        (before + bytes.len() <= MAX_WAITING_BYTES).then_some(datagram)
    }
}

impl Drop for Datagram {
    fn drop(&mut self) {
        self.waiting.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// The way of datagrams from one end in the sandbox to one outside.
#[derive(Debug)]
pub(super) struct Path {
    /// Tells it from a later one between the same ends.
    pub(super) number: u64,
    pub(super) used_at: Instant,
    sender: mpsc::Sender<Datagram>,
}

/// The other end of the same.
#[derive(Debug)]
pub(super) struct Mailbox(mpsc::Receiver<Datagram>);

impl Path {
    pub(super) fn new(number: u64) -> (Self, Mailbox) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_DATAGRAMS);
        (Self { number, used_at: Instant::now(), sender }, Mailbox(receiver))
    }

    /// Whether something still takes what is sent.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Takes a datagram along. Where there is no room it is lost, as datagrams may be.
    pub(super) fn send(&mut self, bytes: &[u8], waiting: &Arc<Waiting>) {
        self.used_at = Instant::now();
        if let Some(datagram) = Datagram::new(bytes, waiting) {
            drop(self.sender.try_send(datagram));
        }
    }
}

/// Carries datagrams both ways until none came for a while, or the path was forgotten.
pub(super) async fn carry(shared: &Shared, flow: &Flow, target: Target, mailbox: Mailbox) {
    match shared.gate.bind(&target, flow.outside.port()).await {
        Ok(socket) => {
            if let Err(error) = exchange(shared, flow, &socket, mailbox).await {
                tracing::debug!(%error, "datagrams of a sandbox are not taken");
                packet::unreachable(&shared.tun, flow, Icmpv4DstUnreachable::PortUnreachable);
            }
        }
        Err(refused) => {
            packet::unreachable(&shared.tun, flow, Icmpv4DstUnreachable::CommProhibited);
            shared.denied(target.name(), flow, Transport::Udp, refused);
        }
    }
}

async fn exchange(shared: &Shared, flow: &Flow, socket: &UdpSocket, mut mailbox: Mailbox) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut idle_at = Instant::now() + DATAGRAM_IDLE;
    loop {
        tokio::select! {
            datagram = mailbox.0.recv() => match datagram {
                Some(datagram) => drop(socket.send(&datagram.bytes).await?),
                None => return Ok(()),
            },
            // The message that a datagram was not taken alone makes a socket not readable.
            ready = socket.ready(Interest::READABLE.add(Interest::ERROR)) => {
                if ready?.is_error() {
                    take_error(socket)?;
                }
                receive(shared, flow, socket, &mut buffer)?;
            }
            () = sleep_until(idle_at) => return Ok(()),
        }
        idle_at = Instant::now() + DATAGRAM_IDLE;
    }
}

/// Fails where the socket has an error to tell.
fn take_error(socket: &UdpSocket) -> io::Result<()> {
    let taken = socket.try_io(Interest::ERROR, || match socket.take_error()? {
        Some(error) => Err(error),
        // What was there is gone: the next one is waited for.
        None => Err(io::ErrorKind::WouldBlock.into()),
    });
    match taken {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

fn receive(shared: &Shared, flow: &Flow, socket: &UdpSocket, buffer: &mut Vec<u8>) -> io::Result<()> {
    // Kept only while something comes: a quiet path takes no memory.
    buffer.reserve(MAX_DATAGRAM_BYTES);
    loop {
        buffer.clear();
        match socket.try_recv_buf(buffer) {
            Ok(_) => packet::datagram(&shared.tun, flow, buffer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *buffer = Vec::new();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}
