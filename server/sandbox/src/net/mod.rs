//! The network of a sandbox.
//!
//! Every sandbox has a network namespace of its own, with one way out: the device `tun0`, whose packets are read and
//! written by the supervisor. [`inside`] makes the namespace and the device, in the sandbox; [`outside`] is the other
//! end of the device, a user-space network stack that asks [`policy`] before it connects; [`address`] tells which
//! addresses are whose.
//!
//! ```text
//! program ── kernel of the sandbox's namespace ── tun0 ── outside: name or address? ── policy ── socket of the machine
//! ```
//!
//! Names are resolved outside and by nobody else. The sandbox's name server gives each name an address of
//! [`NAMES`] of its own; a connection to that address is a connection to the *name*: it is resolved when the connection
//! is made, every address is checked, and what was checked is what is connected to. So nothing that a name server
//! answers, at whatever time, leads to a place that the policy refuses.
//!
//! **Invariants:**
//! * No packet of a sandbox reaches a network of the machine. Only what the sandbox's connections carry does.
//! * No connection is made but to an address that [`policy::NetworkPolicy::judge`] allowed, by the same value.
//! * Everything a sandbox can make is counted and bounded: connections, their buffers, datagrams under way, names,
//!   lookups, events.

use std::net::Ipv4Addr;

pub mod address;
pub mod inside;
mod netlink;
pub mod outside;
pub mod policy;

pub use self::outside::events::{NetworkEvent, Transport};
pub use self::policy::{AllowEntry, NetworkMode, NetworkPolicy, Refusal};

/// Address of the sandbox.
pub const SANDBOX: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// Address of its router, which answers pings and nothing else.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Address of its name server.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Length of the prefix of the network that these three share.
pub const PREFIX: u8 = 24;

/// The network whose addresses stand for names. It is set apart for benchmarks of networks (RFC 2544), so no machine
/// that somebody wants to reach has one.
pub const NAMES: address::Network = address::Network::v4(Ipv4Addr::new(198, 18, 0, 0), 15);
/// Address of the server's own API.
pub const API: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Address of the one host of [`NetworkMode::OneHost`], whatever addresses that has outside.
pub const HOST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Name of the server's own API.
pub const API_NAME: &str = "coditect.internal";
/// Where connections to the API come from, where it listens on a loopback address: no proxy is there, so what they say
/// of having been forwarded is never believed.
pub const API_CLIENT: Ipv4Addr = Ipv4Addr::new(127, 67, 79, 68);
/// Port of the server's own API.
pub const API_PORT: u16 = 80;

/// Largest packet, in bytes: the most that IPv4 has. What crosses the device costs by the packet and hardly by the
/// byte, and so no datagram is ever sent in fragments.
pub const MTU: usize = 65_535;
/// What the kernel puts before each packet: which checksums are still to be computed.
pub(crate) const PACKET_INFO_BYTES: usize = 10;
