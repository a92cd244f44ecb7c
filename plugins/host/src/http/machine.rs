//! Names, addresses, and which of them may be connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::Arc;

use coditect_sandbox::net::address::{self, Owner};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::lookups::Lookups;
use crate::rights::Reach;

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// What a machine knows of names and addresses.
pub(crate) trait Machine: Send + Sync + 'static {
    /// The addresses of a name. It may take as long as a name server wants.
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
    /// Whose an address is.
    fn owner(&self, address: IpAddr) -> Owner;
}

/// The machine that this process runs on.
#[derive(Debug)]
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }

    fn owner(&self, address: IpAddr) -> Owner {
        let (owner, _) = address::owner(address);
        // What listens on a public address of this machine may be for itself and its neighbours alone. Only an own address can be
        // bound to; where others can be too, nothing counts as public, which is the safe side.
        let is_own = || UdpSocket::bind(SocketAddr::new(address::canonical(address), 0)).is_ok();
        if owner < Owner::Reserved && is_own() { Owner::Reserved } else { owner }
    }
}

/// Whether an address may be connected to. Without encryption, none in the internet is.
pub(super) fn is_admitted(machine: &dyn Machine, address: IpAddr, reach: Reach, is_secure: bool) -> bool {
    let owner = machine.owner(address);
    reach.has(owner) && (is_secure || owner > Owner::Public)
}

/// No address of a name may be connected to, or it has none.
#[derive(Debug)]
pub(super) struct NotAdmitted;

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address that may be reached")
    }
}

impl std::error::Error for NotAdmitted {}

/// Looks names up for the connections of one reach.
pub(super) struct Gate {
    pub(super) machine: Arc<dyn Machine>,
    pub(super) lookups: Arc<Lookups>,
    pub(super) reach: Reach,
    pub(super) is_secure: bool,
}

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let (machine, reach, is_secure) = (self.machine.clone(), self.reach, self.is_secure);
        let counted = self.lookups.counted();
        Box::pin(async move {
            let counted = counted.wait().await.ok_or(NotAdmitted)?;
            // What nobody waits for any more goes on until the name server answers, and counts for so long.
            let found = tokio::task::spawn_blocking(move || {
                let found = machine.lookup(name.as_str()).unwrap_or_default().into_iter().take(MAX_ADDRESSES);
                let admitted =
                    found.map(address::canonical).filter(|found| is_admitted(&*machine, *found, reach, is_secure));
                let admitted: Vec<_> = admitted.map(|address| SocketAddr::new(address, 0)).collect();
                drop(counted);
                admitted
            });
            let admitted = found.await?;
            if admitted.is_empty() {
                return Err(NotAdmitted.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
