//! One TCP connection of a sandbox: a small stack that is its far end, and a socket of the machine.
//!
//! Each connection has a stack of its own, so that a packet costs the same however many connections there are. What the
//! router reads goes into it by [`Connection::deliver`]; the connection's task carries bytes between its buffers and
//! the socket, without a copy in between.

use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::{Duration as StackDuration, Instant as StackInstant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Duration, Instant, sleep_until};

use super::limits::TCP_IDLE;
use super::packet::Flow;
use super::tun::{Checksum, Tun};
use crate::net::MTU;

/// Most packets that a connection sends before others have their turn.
const MAX_BURST: usize = 64;

/// The machine's side of a connection.
#[derive(Debug)]
pub(super) enum Host {
    /// A socket to somewhere, with its place where there are only so many.
    Tcp {
        /// The socket.
        stream: TcpStream,
        /// Given back when the connection ends.
        _place: Option<OwnedSemaphorePermit>,
    },
    /// A pair with something in this process.
    Local(UnixStream),
}

impl Host {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp { stream, .. } => stream.try_read(buffer),
            Self::Local(stream) => stream.try_read(buffer),
        }
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp { stream, .. } => stream.try_write(data),
            Self::Local(stream) => stream.try_write(data),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp { stream, .. } => stream.readable().await,
            Self::Local(stream) => stream.readable().await,
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp { stream, .. } => stream.writable().await,
            Self::Local(stream) => stream.writable().await,
        }
    }

    /// Says that nothing more will come.
    fn end(&self) -> io::Result<()> {
        let how = rustix::net::Shutdown::Write;
        match self {
            Self::Tcp { stream, .. } => rustix::net::shutdown(stream, how)?,
            Self::Local(stream) => rustix::net::shutdown(stream, how)?,
        }
        Ok(())
    }

    /// Makes the connection break when it is closed: its far end is to know that it did not end well.
    fn break_off(&self) {
        if let Self::Tcp { stream, .. } = self
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "a sandbox's connection ends instead of breaking off");
        }
    }
}

/// Breaks the machine's side off when it is left before both sides have ended: by a failure, or because the sandbox is
/// closed. What is cut short must not look complete.
struct Unfinished<'a> {
    host: &'a Host,
    is_finished: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.host.break_off();
        }
    }
}

/// One connection.
pub(super) struct Connection {
    /// Until the machine's side is connected there is none, and what comes is not answered.
    stack: Mutex<Option<Stack>>,
    /// Something came for it.
    progress: Notify,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { stack: Mutex::new(None), progress: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Stack>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a packet from the sandbox.
    pub(super) fn deliver(&self, tun: &Tun, packet: &[u8]) {
        let mut stack = self.lock();
        let Some(stack) = stack.as_mut() else { return };
        stack.receive(tun, packet);
        self.progress.notify_one();
    }

    /// Carries bytes both ways until both have ended, beginning with the sandbox's first packet.
    pub(super) async fn carry(self: Arc<Self>, tun: &Tun, flow: &Flow, first: &[u8], host: Host, buffer_bytes: usize) {
        {
            let mut stack = Stack::new(flow.outside, buffer_bytes);
            stack.receive(tun, first);
            *self.lock() = Some(stack);
        }
        let mut ending = Unfinished { host: &host, is_finished: false };
        let mut active_at = Instant::now();
        loop {
            let turn = match self.lock().as_mut() {
                Some(stack) => stack.turn(tun, &host),
                None => return,
            };
            if turn.is_over {
                ending.is_finished = turn.is_finished;
                return;
            }
            if turn.moved {
                active_at = Instant::now();
                tokio::task::consume_budget().await;
                continue;
            }
            let idle_at = active_at + TCP_IDLE;
            let wake_at = turn.wake_after.map_or(idle_at, |after| idle_at.min(Instant::now() + after));
            tokio::select! {
                () = self.progress.notified() => {}
                _ = host.readable(), if turn.waits_to_read => {}
                _ = host.writable(), if turn.waits_to_write => {}
                () = sleep_until(wake_at) => {
                    if Instant::now() >= idle_at {
                        if let Some(stack) = self.lock().as_mut() {
                            stack.break_off(tun);
                        }
                        return;
                    }
                }
            }
        }
    }
}

/// What a turn of a connection came to.
#[derive(Debug, Default)]
struct Turn {
    moved: bool,
    waits_to_read: bool,
    waits_to_write: bool,
    /// When something is to be sent again, if nothing comes before.
    wake_after: Option<Duration>,
    is_over: bool,
    /// It is over because both sides have ended.
    is_finished: bool,
}

/// The far end of a connection, as the sandbox sees it.
struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    started: Instant,
    /// The machine's side sends nothing more.
    host_ended: bool,
    /// The machine's side was told that the sandbox sends nothing more.
    sandbox_ended: bool,
}

impl Stack {
    fn new(address: SocketAddrV4, buffer_bytes: usize) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        // First sequence numbers come from it.
        config.random_seed = rand::random();
        let mut interface = Interface::new(config, &mut Wire { tun: None, packet: None }, StackInstant::ZERO);
        // Everything is on this link: the sandbox is all there is.
        interface.update_ip_addrs(|addresses| {
            // There is room for the first of them.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(*address.ip()), 0));
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer_bytes]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        if let Err(error) = socket.listen((IpAddress::Ipv4(*address.ip()), address.port())) {
            tracing::warn!(%error, %address, "a sandbox's connection cannot be taken");
        }
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self { interface, sockets, handle, started: Instant::now(), host_ended: false, sandbox_ended: false }
    }

    fn now(&self) -> StackInstant {
        StackInstant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    fn receive(&mut self, tun: &Tun, packet: &[u8]) {
        let now = self.now();
        let mut wire = Wire { tun: Some(tun), packet: Some(packet) };
        self.interface.poll_ingress_single(now, &mut wire, &mut self.sockets);
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Moves what can be moved, and sends what is to be sent.
    fn turn(&mut self, tun: &Tun, host: &Host) -> Turn {
        let mut turn = Turn::default();
        let carried = self.carry_out(host, &mut turn).and_then(|()| self.carry_in(host, &mut turn));
        let broke = carried.is_err();
        if let Err(error) = carried {
            tracing::debug!(%error, "a sandbox's connection broke");
            self.socket().abort();
        }
        self.send(tun, &mut turn);
        turn.is_over = match self.socket().state() {
            State::Closed | State::Listen => true,
            // Should the last acknowledgement be lost, the sandbox is told by a reset, and has nothing left to lose.
            State::TimeWait => self.sandbox_ended,
            _ => false,
        };
        turn.is_finished = self.host_ended && self.sandbox_ended && !broke;
        turn
    }

    fn carry_out(&mut self, host: &Host, turn: &mut Turn) -> io::Result<()> {
        let socket = self.socket();
        while socket.can_recv() {
            let written = socket.recv(|data| match host.try_write(data) {
                Ok(length) => (length, Ok(length)),
                Err(error) => (0, Err(error)),
            });
            match written {
                Ok(Ok(0)) | Err(_) => break,
                Ok(Ok(_)) => turn.moved = true,
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    turn.waits_to_write = true;
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
            }
        }
        let has_ended = matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
        if has_ended && !self.sandbox_ended {
            self.sandbox_ended = true;
            turn.moved = true;
            host.end()?;
        }
        Ok(())
    }

    fn carry_in(&mut self, host: &Host, turn: &mut Turn) -> io::Result<()> {
        let host_ended = &mut self.host_ended;
        let socket: &mut tcp::Socket<'_> = self.sockets.get_mut(self.handle);
        while !*host_ended && socket.can_send() {
            let read = socket.send(|room| match host.try_read(room) {
                Ok(length) => (length, Ok(length)),
                Err(error) => (0, Err(error)),
            });
            match read {
                Ok(Ok(0)) => {
                    *host_ended = true;
                    turn.moved = true;
                    socket.close();
                }
                Ok(Ok(_)) => turn.moved = true,
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    turn.waits_to_read = true;
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn send(&mut self, tun: &Tun, turn: &mut Turn) {
        let now = self.now();
        let mut wire = Wire { tun: Some(tun), packet: None };
        for _ in 0..MAX_BURST {
            if self.interface.poll_egress(now, &mut wire, &mut self.sockets) == PollResult::None {
                let after = self.interface.poll_delay(now, &self.sockets);
                turn.wake_after = after.map(|after: StackDuration| after.into());
                return;
            }
        }
        turn.moved = true;
    }

    fn break_off(&mut self, tun: &Tun) {
        self.socket().abort();
        self.send(tun, &mut Turn::default());
    }
}

/// The device as a stack takes it: at most one packet comes, and what is sent is written at once.
struct Wire<'a> {
    tun: Option<&'a Tun>,
    packet: Option<&'a [u8]>,
}

struct Incoming<'a>(&'a [u8]);
struct Outgoing<'a>(Option<&'a Tun>);

impl Device for Wire<'_> {
    type RxToken<'b>
        = Incoming<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Outgoing<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: StackInstant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        Some((Incoming(self.packet.take()?), Outgoing(self.tun)))
    }

    fn transmit(&mut self, _: StackInstant) -> Option<Outgoing<'_>> {
        Some(Outgoing(self.tun))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities.checksum.ipv4 = smoltcp::phy::Checksum::Tx;
        capabilities
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        match self.0 {
            Some(tun) => tun.write(length, Checksum::TcpLeftOut, fill),
            None => fill(&mut vec![0; length]),
        }
    }
}
