//! The kernel's tables of devices, addresses and routes, as far as sandboxes need them (`rtnetlink(7)`).

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Bytes of the header of a message.
const HEADER_BYTES: usize = 16;
/// Largest answer that is read, in bytes; those to single questions are far smaller.
const MAX_ANSWER_BYTES: usize = 8192;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
/// Make it; it is a mistake where it is there already.
pub(super) const NLM_F_CREATE_NEW: u16 = 0x200 | 0x400;

const NLMSG_ERROR: u16 = 2;
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTA_DST: u16 = 1;
/// Place of the kind in what describes a route.
const ROUTE_KIND_AT: usize = 7;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;

/// Where the kernel sends packets for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To another machine.
    Away,
    /// To this machine itself.
    Own,
    /// Nowhere, or to many.
    None,
}

/// Asks the kernel itself whose an address is: addresses that were added a moment ago, and networks that are routed to
/// this machine as a whole, count too.
pub(crate) fn route_to(address: IpAddr) -> io::Result<Route> {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    let bits = (bytes.len() * 8) as u8;
    let question = Message::new(RTM_GETROUTE, 0, &[family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).with(RTA_DST, &bytes);
    match Netlink::open()?.ask(question) {
        Ok((RTM_NEWROUTE, answer)) => Ok(match answer.get(ROUTE_KIND_AT) {
            Some(&RTN_UNICAST) => Route::Away,
            Some(&RTN_LOCAL) => Route::Own,
            _ => Route::None,
        }),
        Ok((kind, _)) => Err(io::Error::other(format!("the kernel answered a question for a route with {kind}"))),
        Err(error) if is_no_route(&error) => Ok(Route::None),
        Err(error) => Err(error),
    }
}

fn is_no_route(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let no_route = [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::ACCESS, Errno::INVAL, Errno::AFNOSUPPORT];
    error.raw_os_error().is_some_and(|code| no_route.iter().any(|errno| errno.raw_os_error() == code))
}

/// A conversation with the kernel.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// What is said in it.
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A message with its fixed part.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self { kind, flags, body: fixed.to_vec() }
    }

    /// Adds an attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.body.extend_from_slice(&length.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
        self.body.extend_from_slice(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    fn into_bytes(self, extra_flags: u16, sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.body.len());
        bytes.extend_from_slice(&((HEADER_BYTES + self.body.len()) as u32).to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&(self.flags | NLM_F_REQUEST | extra_flags).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Netlink {
    /// Opens one with the kernel of this thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // The first of its protocols, which is what no protocol says, is that of routes.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Has something done.
    pub(super) fn tell(&mut self, message: Message) -> io::Result<()> {
        self.exchange(message, NLM_F_ACK).map(|_| ())
    }

    /// Asks something that has one answer, which is there at once: the kernel answers within the call that asks.
    fn ask(&mut self, message: Message) -> io::Result<(u16, Vec<u8>)> {
        self.exchange(message, 0)
    }

    fn exchange(&mut self, message: Message, flags: u16) -> io::Result<(u16, Vec<u8>)> {
        self.sequence += 1;
        rustix::net::send(&self.socket, &message.into_bytes(flags, self.sequence), SendFlags::empty())?;
        let mut answer = vec![0; MAX_ANSWER_BYTES];
        loop {
            let (length, _) = rustix::net::recv(&self.socket, answer.as_mut_slice(), RecvFlags::DONTWAIT)?;
            let Some((sequence, kind, body)) = parse(&answer[..length]) else {
                return Err(io::Error::other("the kernel's answer is not complete"));
            };
            if sequence != self.sequence {
                continue;
            }
            if kind != NLMSG_ERROR {
                return Ok((kind, body.to_vec()));
            }
            let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            return if code == 0 { Ok((kind, Vec::new())) } else { Err(io::Error::from_raw_os_error(-code)) };
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(u32, u16, &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
    Some((sequence, kind, bytes.get(HEADER_BYTES..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_its_own_addresses() {
        assert_eq!(route_to("127.0.0.1".parse().unwrap()).unwrap(), Route::Own);
        assert_eq!(route_to("127.200.1.1".parse().unwrap()).unwrap(), Route::Own);
        assert_ne!(route_to("192.0.2.1".parse().unwrap()).unwrap(), Route::Own);
        assert_ne!(route_to("2001:db8::1".parse().unwrap()).unwrap(), Route::Own);
    }
}
