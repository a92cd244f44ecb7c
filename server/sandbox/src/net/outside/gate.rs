//! The gate: from what a sandbox asks for to a socket of the machine, past the policy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::limits::{
    ATTEMPT_TIMEOUT, KEEP_ALIVE, LOOKUP_TIMEOUT, MAX_ADDRESSES, MAX_API_CONNECTIONS, MAX_LOOKUPS, MAX_LOOKUPS_OF_ALL,
};
use super::names::{NameInUse, Names};
use crate::net::address::Network;
use crate::net::netlink::{self, Route};
use crate::net::policy::{NetworkMode, NetworkPolicy, Refusal};
use crate::net::{API, API_CLIENT, API_PORT, HOST, NAME_SERVER, NAMES, PREFIX, ROUTER};

/// Port of name servers.
const NAME_SERVER_PORT: u16 = 53;

/// What the gate asks the machine it is on.
pub(super) trait Machine: Send + Sync {
    /// The addresses of a name.
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>>;
    /// Where packets for an address would go.
    fn route_to(&self, address: IpAddr) -> io::Result<Route>;
}

/// How many names are looked up for all sandboxes at once. Each lookup takes one of the threads on which the supervisor
/// blocks, for as long as some name server on the network likes: most of them are for what it does itself.
static LOOKUPS: Semaphore = Semaphore::const_new(MAX_LOOKUPS_OF_ALL);

/// What the system's resolver says; blocks.
type Lookup = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The machine itself.
pub(super) struct ThisMachine {
    own: Arc<Semaphore>,
    of_all: &'static Semaphore,
    lookup: Lookup,
}

impl ThisMachine {
    pub(super) fn new() -> Self {
        let lookup = |name: &str| Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect());
        Self { own: Arc::new(Semaphore::new(MAX_LOOKUPS)), of_all: &LOOKUPS, lookup }
    }
}

impl Machine for ThisMachine {
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let own = Arc::clone(&self.own).acquire_owned().await.map_err(io::Error::other)?;
            let of_all = self.of_all.acquire().await.map_err(io::Error::other)?;
            let lookup = self.lookup;
            // The places are given back when the system's resolver is done, which may be long after nobody waits for
            // it.
            let found = tokio::task::spawn_blocking(move || {
                let found = lookup(&name);
                drop((own, of_all));
                found
            });
            found.await.map_err(io::Error::other)?
        })
    }

    fn route_to(&self, address: IpAddr) -> io::Result<Route> {
        netlink::route_to(address)
    }
}

/// What a sandbox means by an address and a port.
#[derive(Debug)]
pub(super) enum Target {
    /// The sandbox's own name server.
    NameServer,
    /// The server's API.
    Api,
    /// The one host.
    Host,
    /// The machine with this name.
    Name(NameInUse),
    /// The machine with this address.
    Address(Ipv4Addr),
}

impl Target {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.name()),
            Self::NameServer | Self::Api | Self::Host | Self::Address(_) => None,
        }
    }
}

/// Why nothing was connected to, and which address was the reason, where one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) address: Option<IpAddr>,
    pub(super) refusal: Refusal,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { address: None, refusal }
    }
}

/// The gate of one sandbox.
pub(super) struct Gate {
    policy: NetworkPolicy,
    machine: Box<dyn Machine>,
    names: Arc<Names>,
    api: watch::Receiver<Option<SocketAddr>>,
    api_places: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(
        policy: NetworkPolicy,
        machine: Box<dyn Machine>,
        api: watch::Receiver<Option<SocketAddr>>,
    ) -> Self {
        let api_places = Arc::new(Semaphore::new(MAX_API_CONNECTIONS));
        Self { policy, machine, names: Arc::new(Names::new()), api, api_places }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Where the server's API is, if it is to be reached.
    pub(super) fn api(&self) -> Option<SocketAddr> {
        match self.policy.mode {
            NetworkMode::Open | NetworkMode::Hosts => *self.api.borrow(),
            NetworkMode::OneHost | NetworkMode::None => None,
        }
    }

    pub(super) fn admits_name(&self, name: &str) -> bool {
        self.policy.admits_name(name)
    }

    /// What an address and a port of the sandbox stand for.
    pub(super) fn target(&self, address: Ipv4Addr, port: u16) -> Result<Target, Refusal> {
        let own_network = Network::of(IpAddr::V4(ROUTER), PREFIX);
        if address == NAME_SERVER && port == NAME_SERVER_PORT {
            Ok(Target::NameServer)
        } else if address == API {
            if port == API_PORT && self.api().is_some() { Ok(Target::Api) } else { Err(Refusal::Unreachable) }
        } else if address == HOST && self.policy.mode == NetworkMode::OneHost {
            Ok(Target::Host)
        } else if NAMES.contains(IpAddr::V4(address)) {
            self.names.use_address(address).map(Target::Name).ok_or(Refusal::Forgotten)
        } else if own_network.is_some_and(|network| network.contains(IpAddr::V4(address))) {
            Err(Refusal::Unreachable)
        } else {
            Ok(Target::Address(address))
        }
    }

    /// Whether a ping of the address is answered: whether it stands for something that could be reached.
    pub(super) fn answers_echo(&self, address: Ipv4Addr) -> bool {
        address == ROUTER
            || address == NAME_SERVER
            || (address == API && self.api().is_some())
            || self.names.name_of(address).is_some_and(|name| self.admits_name(&name))
    }

    /// Whether a name has an address that could be reached by some port.
    pub(super) async fn look_up(&self, name: &str) -> Result<(), Refused> {
        self.allowed_addresses(Some(name), self.resolve(name).await?, None).map(|_| ())
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Refusal> {
        if !self.policy.admits_name(name) {
            return Err(Refusal::NotAllowed);
        }
        // With the dot at its end it is looked for nowhere else: neither in the machine's own domain nor among the
        // names that its operator has given it, unless the operator allows the name.
        let asked = if self.policy.lists(name) { name.to_owned() } else { format!("{name}.") };
        match timeout(LOOKUP_TIMEOUT, self.machine.resolve(asked)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) => Err(Refusal::NoSuchName),
            Err(_) => Err(Refusal::Unreachable),
        }
    }

    /// Those of the addresses that may be reached, in the order in which they were found.
    fn allowed_addresses(
        &self,
        name: Option<&str>,
        addresses: Vec<IpAddr>,
        port: Option<u16>,
    ) -> Result<Vec<IpAddr>, Refused> {
        let mut refused = Refused::from(Refusal::NoSuchName);
        let mut allowed = Vec::new();
        for address in addresses {
            let address = crate::net::address::canonical(address);
            // An answer that the kernel did not give guards as much as the worst one.
            let route = self.machine.route_to(address).unwrap_or(Route::Own);
            let judged = self.policy.judge(name, address, port, route == Route::Own);
            match judged {
                Ok(()) if route == Route::None => {
                    refused = Refused { address: Some(address), refusal: Refusal::Unreachable };
                }
                Ok(()) if !allowed.contains(&address) => allowed.push(address),
                Ok(()) => {}
                Err(refusal) => refused = Refused { address: Some(address), refusal },
            }
        }
        allowed.truncate(MAX_ADDRESSES);
        if allowed.is_empty() { Err(refused) } else { Ok(allowed) }
    }

    /// The addresses that a target may be reached at, checked one by one. What is connected to is what is returned
    /// here: no name is resolved again behind it.
    async fn addresses(&self, target: &Target, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let allowed = match target {
            Target::NameServer => return Err(Refusal::Unusable.into()),
            Target::Api => return self.api().map(|api| vec![api]).ok_or(Refusal::Unreachable.into()),
            Target::Host => self.allowed_addresses(None, self.policy.addresses(), Some(port))?,
            Target::Name(name) => {
                let found = self.resolve(name.name()).await?;
                self.allowed_addresses(Some(name.name()), found, Some(port))?
            }
            Target::Address(address) => self.allowed_addresses(None, vec![IpAddr::V4(*address)], Some(port))?,
        };
        Ok(allowed.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Connects to the first address of a target that answers. The place is held as long as the connection is.
    pub(super) async fn connect(
        &self,
        target: &Target,
        port: u16,
    ) -> Result<(TcpStream, Option<OwnedSemaphorePermit>), Refused> {
        let mut refused = Refused::from(Refusal::Unreachable);
        let is_api = matches!(target, Target::Api);
        let mut place = None;
        if is_api {
            place = Some(Arc::clone(&self.api_places).try_acquire_owned().map_err(|_| Refusal::Unreachable)?);
        }
        for address in self.addresses(target, port).await? {
            let from = (is_api && address.ip().is_loopback() && address.is_ipv4()).then_some(API_CLIENT);
            match timeout(ATTEMPT_TIMEOUT, connect_to(address, from)).await {
                Ok(Ok(stream)) => return Ok((stream, place)),
                Ok(Err(error)) => tracing::debug!(%address, %error, "a sandbox's connection failed"),
                Err(_) => tracing::debug!(%address, "a sandbox's connection was not answered"),
            }
            refused.address = Some(address.ip());
        }
        Err(refused)
    }

    /// Makes a socket that sends to the first address of a target that can be sent to, and receives from there only.
    pub(super) async fn bind(&self, target: &Target, port: u16) -> Result<UdpSocket, Refused> {
        let mut refused = Refused::from(Refusal::Unreachable);
        for address in self.addresses(target, port).await? {
            match bind_to(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => tracing::debug!(%address, %error, "datagrams of a sandbox cannot be sent"),
            }
            refused.address = Some(address.ip());
        }
        Err(refused)
    }
}

async fn connect_to(address: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from.into(), 0))?;
    }
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    rustix::net::sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
    socket.connect(address).await
}

async fn bind_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
