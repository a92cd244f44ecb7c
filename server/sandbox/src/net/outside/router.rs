//! The router: reads every packet of a sandbox and hands it to whom it concerns.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use smoltcp::wire::Icmpv4DstUnreachable;
use tokio::net::UnixStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::events::Transport;
use super::gate::{Refused, Target};
use super::limits::{
    CONNECT_TIMEOUT, CONNECTIONS_AT_ONCE, CONNECTIONS_PER_SECOND, DATAGRAM_PATHS_PER_SECOND, MAX_CONNECTIONS,
    MAX_DATAGRAM_PATHS, MAX_QUESTIONS, REFUSALS_PER_SECOND, Rate, buffer_bytes,
};
use super::packet::{self, Flow, Packet, Segment};
use super::tcp::{Connection, Host};
use super::udp::{self, Path, Waiting};
use crate::net::policy::Refusal;
use crate::net::{MTU, PACKET_INFO_BYTES};

/// Most packets that are read before other tasks have their turn.
const BATCH: usize = 64;

/// What a task did, so that what the router keeps of it is dropped.
enum Ended {
    Connection(Flow),
    Path(Flow, u64),
    Question,
}

/// The router of one sandbox.
pub(super) struct Router {
    shared: Arc<Shared>,
    /// All that goes on. It ends with the router.
    tasks: JoinSet<Ended>,
    connections: HashMap<Flow, Arc<Connection>>,
    paths: HashMap<Flow, Path>,
    waiting: Arc<Waiting>,
    /// How many paths there ever were.
    numbered: u64,
    rates: Rates,
}

struct Rates {
    connections: Rate,
    paths: Rate,
    refusals: Rate,
}

impl Router {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let twice = |rate: u32| Rate::new(rate, 2 * rate);
        Self {
            shared,
            tasks: JoinSet::new(),
            connections: HashMap::new(),
            paths: HashMap::new(),
            waiting: Arc::default(),
            numbered: 0,
            rates: Rates {
                connections: Rate::new(CONNECTIONS_PER_SECOND, CONNECTIONS_AT_ONCE),
                paths: twice(DATAGRAM_PATHS_PER_SECOND),
                refusals: twice(REFUSALS_PER_SECOND),
            },
        }
    }

    /// Works until it is cancelled or the device fails.
    pub(super) async fn run(mut self, cancel: CancellationToken) -> io::Result<()> {
        let mut buffer = vec![0; PACKET_INFO_BYTES + MTU];
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                Some(ended) = self.tasks.join_next() => self.forget(ended),
                read = shared.tun.read(&mut buffer) => {
                    self.route(read?);
                    for _ in 1..BATCH {
                        match shared.tun.try_read(&mut buffer)? {
                            Some(packet) => self.route(packet),
                            None => break,
                        }
                    }
                }
            }
        }
    }

    fn route(&mut self, bytes: &[u8]) {
        match packet::parse(bytes) {
            Some(Packet::Tcp(flow, segment)) => self.route_segment(flow, segment, bytes),
            Some(Packet::Udp(flow, payload)) => self.route_datagram(flow, payload),
            Some(Packet::Echo { to, ident, seq_no, data }) => self.route_echo(to, ident, seq_no, data),
            None => {}
        }
    }

    fn may_refuse(&mut self) -> bool {
        self.rates.refusals.take(Instant::now())
    }

    fn route_echo(&mut self, to: Ipv4Addr, ident: u16, seq_no: u16, data: &[u8]) {
        if self.may_refuse() && self.shared.gate.answers_echo(to) {
            packet::echo_reply(&self.shared.tun, to, ident, seq_no, data);
        }
    }

    fn route_segment(&mut self, flow: Flow, segment: Segment, bytes: &[u8]) {
        if let Some(connection) = self.connections.get(&flow) {
            connection.deliver(&self.shared.tun, bytes);
        } else if segment.opens {
            self.open(flow, segment, bytes);
        } else if self.may_refuse() {
            packet::reset(&self.shared.tun, &flow, &segment);
        }
    }

    fn open(&mut self, flow: Flow, segment: Segment, first: &[u8]) {
        // What is too fast is not answered: the sandbox's kernel asks again, and later.
        if !self.rates.connections.take(Instant::now()) {
            return self.shared.denied(None, &flow, Transport::Tcp, Refusal::TooMany.into());
        }
        let (own, places) = (self.connections.len(), &self.shared.places.connections);
        let place = if own >= MAX_CONNECTIONS { None } else { places.take(own) };
        let target = match place {
            Some(place) => {
                let target = self.shared.gate.target(*flow.outside.ip(), flow.outside.port());
                target.map(|target| (target, place))
            }
            None => Err(Refusal::TooMany),
        };
        let (target, place) = match target {
            Ok(target) => target,
            Err(refusal) => {
                packet::reset(&self.shared.tun, &flow, &segment);
                return self.shared.denied(None, &flow, Transport::Tcp, refusal.into());
            }
        };
        let buffer_bytes = buffer_bytes(own, places.taken());
        let connection = Arc::new(Connection::new());
        self.connections.insert(flow, Arc::clone(&connection));
        let (shared, first) = (Arc::clone(&self.shared), first.to_vec());
        self.tasks.spawn(async move {
            match connect(&shared, &target, flow.outside.port()).await {
                Ok(host) => connection.carry(&shared.tun, &flow, &first, host, buffer_bytes).await,
                Err(refused) => {
                    packet::reset(&shared.tun, &flow, &segment);
                    shared.denied(target.name(), &flow, Transport::Tcp, refused);
                }
            }
            drop(place);
            Ended::Connection(flow)
        });
    }

    fn route_datagram(&mut self, flow: Flow, payload: &[u8]) {
        if let Some(path) = self.paths.get_mut(&flow) {
            return path.send(payload, &self.waiting);
        }
        match self.shared.gate.target(*flow.outside.ip(), flow.outside.port()) {
            Ok(Target::NameServer) => self.ask(flow, payload),
            Ok(target @ (Target::Name(_) | Target::Address(_))) => {
                if self.rates.paths.take(Instant::now()) {
                    self.open_path(flow, target, payload);
                }
            }
            Ok(Target::Api | Target::Host) => self.refuse_datagram(&flow, Refusal::Unreachable),
            Err(refusal) => self.refuse_datagram(&flow, refusal),
        }
    }

    fn refuse_datagram(&mut self, flow: &Flow, refusal: Refusal) {
        if self.may_refuse() {
            packet::unreachable(&self.shared.tun, flow, Icmpv4DstUnreachable::PortUnreachable);
            self.shared.denied(None, flow, Transport::Udp, refusal.into());
        }
    }

    fn open_path(&mut self, flow: Flow, target: Target, payload: &[u8]) {
        if self.paths.len() >= MAX_DATAGRAM_PATHS {
            self.forget_oldest_path();
        }
        // Those that were forgotten and have not ended yet count too.
        if self.tasks.len() >= MAX_CONNECTIONS + MAX_QUESTIONS + 2 * MAX_DATAGRAM_PATHS {
            return;
        }
        // This datagram is lost, as datagrams may be; there is room for the next one as soon as the oldest way has ended.
        let Some(place) = self.shared.places.paths.take(self.paths.len()) else { return self.forget_oldest_path() };
        self.numbered += 1;
        let number = self.numbered;
        let (mut path, mailbox) = Path::new(number);
        path.send(payload, &self.waiting);
        self.paths.insert(flow, path);
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            udp::carry(&shared, &flow, target, mailbox).await;
            drop(place);
            Ended::Path(flow, number)
        });
    }

    fn forget_oldest_path(&mut self) {
        let oldest = self.paths.iter().min_by_key(|(_, path)| path.used_at).map(|(flow, _)| *flow);
        // Its task ends when nobody can send to it.
        oldest.and_then(|oldest| self.paths.remove(&oldest));
    }

    fn ask(&mut self, flow: Flow, payload: &[u8]) {
        let Some(place) = self.shared.questions.admit(Instant::now()) else { return };
        let (shared, question) = (Arc::clone(&self.shared), payload.to_vec());
        self.tasks.spawn(async move {
            if let Some(answer) = super::name_server::answer(&shared, &question).await {
                packet::datagram(&shared.tun, &flow, &answer);
            }
            drop(place);
            Ended::Question
        });
    }

    fn forget(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(Ended::Connection(flow)) => drop(self.connections.remove(&flow)),
            Ok(Ended::Path(flow, number)) => {
                if self.paths.get(&flow).is_some_and(|path| path.number == number) {
                    self.paths.remove(&flow);
                }
            }
            Ok(Ended::Question) => {}
            Err(error) => {
                tracing::error!(%error, "a part of a sandbox's network failed");
                self.sweep();
            }
        }
    }

    /// Drops what belongs to no task any more, after one that could not say which it was.
    fn sweep(&mut self) {
        self.connections.retain(|_, connection| Arc::strong_count(connection) > 1);
        self.paths.retain(|_, path| path.is_open());
    }
}

/// Connects the machine's side of a connection.
async fn connect(shared: &Arc<Shared>, target: &Target, port: u16) -> Result<Host, Refused> {
    if matches!(target, Target::NameServer) {
        let (near, far) = UnixStream::pair().map_err(|_| Refusal::Unreachable)?;
        let shared = Arc::downgrade(shared);
        // It ends with the other end of the pair, which the connection has.
        tokio::spawn(async move {
            if let Some(shared) = shared.upgrade() {
                super::name_server::serve(&shared, far).await;
            }
        });
        return Ok(Host::Local(near));
    }
    match timeout(CONNECT_TIMEOUT, shared.gate.connect(target, port)).await {
        Ok(connected) => connected.map(|(stream, place)| Host::Tcp { stream, _place: place }),
        Err(_) => Err(Refusal::Unreachable.into()),
    }
}
