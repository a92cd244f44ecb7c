//! The outer end of a sandbox's network: a user-space stack that takes the sandbox's packets apart and carries what its
//! connections and datagrams hold to sockets of the machine, where the policy allows it.
//!
//! One task, the router, reads every packet and hands it to whom it concerns. A connection's first packet is kept back
//! until the machine's own socket is connected: the sandbox sees a connection exactly when there is one, and a reset as
//! soon as there will be none.

pub(crate) mod dns;
pub mod events;
mod gate;
pub mod limits;
mod name_server;
mod names;
mod packet;
mod places;
mod router;
mod tcp;
mod tun;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::events::{Denied, Events, NetworkEvent, Transport};
use self::gate::{Gate, Machine, Refused, ThisMachine};
use self::name_server::Questions;
use self::packet::Flow;
use self::places::Places;
use self::router::Router;
use self::tun::Tun;
use super::policy::NetworkPolicy;

/// What all parts of one sandbox's network share.
struct Shared {
    tun: Tun,
    gate: Gate,
    questions: Questions,
    events: Events,
    places: &'static Places,
}

impl Shared {
    fn denied(&self, name: Option<&str>, flow: &Flow, transport: Transport, refused: Refused) {
        let address = refused.address.or_else(|| name.is_none().then(|| (*flow.outside.ip()).into()));
        let name = name.map(str::to_owned);
        let what = Denied { name, address, port: flow.outside.port(), transport, refusal: refused.refusal };
        self.events.denied(what, Instant::now());
    }
}

/// Serves a sandbox's network until it is cancelled, or the device fails.
///
/// `tun` is what [`make_network`](super::inside::make_network) returned. `api` says where the server's own API listens
/// at the moment. When this ends, or its future is dropped, everything of it ends: connections, sockets, tasks.
pub async fn serve(
    tun: OwnedFd,
    policy: NetworkPolicy,
    api: watch::Receiver<Option<SocketAddr>>,
    events: mpsc::Sender<NetworkEvent>,
    cancel: CancellationToken,
) -> io::Result<()> {
    serve_on(Box::new(ThisMachine::new()), tun, policy, api, events, cancel).await
}

async fn serve_on(
    machine: Box<dyn Machine>,
    tun: OwnedFd,
    policy: NetworkPolicy,
    api: watch::Receiver<Option<SocketAddr>>,
    events: mpsc::Sender<NetworkEvent>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let (tun, gate) = (Tun::new(tun)?, Gate::new(policy, machine, api));
    let shared = Arc::new(Shared {
        tun,
        gate,
        questions: Questions::new(),
        events: Events::new(events),
        places: Places::of_all(),
    });
    let result = Router::new(Arc::clone(&shared)).run(cancel).await;
    shared.events.finish();
    result
}

#[cfg(test)]
mod tests;
