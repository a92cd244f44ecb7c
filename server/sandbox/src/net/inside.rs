//! The inner end of a sandbox's network: made by the agent before it gives its rights away.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::ioctl;
use rustix::thread::UnshareFlags;

use super::netlink::{Message, NLM_F_CREATE_NEW, Netlink, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE};
use super::{MTU, PREFIX, ROUTER, SANDBOX};

/// What `/etc/resolv.conf` says in a sandbox.
pub const RESOLV_CONF: &str = "nameserver 10.0.2.3\n";

/// Device file of the kernel's TUN driver.
const TUN_FILE: &str = "/dev/net/tun";
/// Name of the device.
const TUN_NAME: &[u8] = b"tun0";

const TUNSETIFF: ioctl::Opcode = 0x4004_54ca;
const TUNSETOFFLOAD: ioctl::Opcode = 0x4004_54d0;
/// Packets of IP, each with what the kernel says of it and nothing else before it.
const IFF_TUN_NO_PI_VNET_HDR: i16 = 0x0001 | 0x1000 | 0x4000;
/// The kernel leaves checksums to be computed: nothing between its two ends can damage a packet.
const TUN_F_CSUM: usize = 1;

const AF_INET: u8 = 2;
const IFF_UP: u32 = 1;
const LOOPBACK_INDEX: u32 = 1;
const IFLA_MTU: u16 = 4;
const IFA_LOCAL: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;

/// Name and flags of a device, as the driver takes them (`struct ifreq`).
#[repr(C)]
struct DeviceRequest {
    name: [u8; 16],
    flags: i16,
    unused: [u8; 22],
}

/// Puts this thread into a new network namespace that has nothing but its own loopback. Must be called while the
/// process has one thread, and `CAP_SYS_ADMIN` and `CAP_NET_ADMIN` in its user namespace.
pub fn make_namespace() -> io::Result<()> {
    enter().map(drop)
}

fn enter() -> io::Result<Netlink> {
    #[expect(unsafe_code, reason = "unshare is unsafe for tables of descriptors, which stay shared here")]
    // SAFETY: only the network namespace changes; no table of descriptors is unshared.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)?;
    }
    let mut netlink = Netlink::open()?;
    netlink.tell(device_up(LOOPBACK_INDEX))?;
    Ok(netlink)
}

/// Puts this thread into a new network namespace and gives it a way out: the descriptor that is returned.
///
/// `None`: there is no TUN driver that could be used, so the namespace is one of [`make_namespace`].
pub fn make_network() -> io::Result<Option<OwnedFd>> {
    let mut netlink = enter()?;
    let Some(tun) = open_tun()? else { return Ok(None) };
    let index = rustix::net::netdevice::name_to_index(
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?,
        std::str::from_utf8(TUN_NAME).map_err(io::Error::other)?,
    )?;
    netlink.tell(device_up(index).with(IFLA_MTU, &(MTU as u32).to_ne_bytes()))?;
    netlink.tell(address_of(index))?;
    netlink.tell(default_route(index))?;
    Ok(Some(tun))
}

/// Opens the way out. The device belongs to the network namespace in which the file is opened.
fn open_tun() -> io::Result<Option<OwnedFd>> {
    use rustix::io::Errno;
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let tun = match rustix::fs::open(TUN_FILE, flags, Mode::empty()) {
        Ok(tun) => tun,
        Err(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::ACCESS | Errno::PERM) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut request = DeviceRequest { name: [0; 16], flags: IFF_TUN_NO_PI_VNET_HDR, unused: [0; 22] };
    request.name[..TUN_NAME.len()].copy_from_slice(TUN_NAME);
    #[expect(
        unsafe_code,
        reason = "the driver is told what to do by ioctl, and the compiler cannot check what those take"
    )]
    // SAFETY: the first takes a `struct ifreq`, which has this size and these fields; the second takes a number.
    unsafe {
        ioctl::ioctl(&tun, ioctl::Setter::<TUNSETIFF, DeviceRequest>::new(request))?;
        ioctl::ioctl(&tun, ioctl::IntegerSetter::<TUNSETOFFLOAD>::new_usize(TUN_F_CSUM))?;
    }
    Ok(Some(tun))
}

fn device_up(index: u32) -> Message {
    let mut fixed = vec![0; 4];
    for word in [index, IFF_UP, IFF_UP] {
        fixed.extend_from_slice(&word.to_ne_bytes());
    }
    Message::new(RTM_NEWLINK, 0, &fixed)
}

fn address_of(index: u32) -> Message {
    let mut fixed = vec![AF_INET, PREFIX, 0, 0];
    fixed.extend_from_slice(&index.to_ne_bytes());
    let address = SANDBOX.octets();
    Message::new(RTM_NEWADDR, NLM_F_CREATE_NEW, &fixed).with(IFA_LOCAL, &address).with(IFA_ADDRESS, &address)
}

fn default_route(index: u32) -> Message {
    let fixed = [AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0];
    Message::new(RTM_NEWROUTE, NLM_F_CREATE_NEW, &fixed)
        .with(RTA_GATEWAY, &ROUTER.octets())
        .with(RTA_OIF, &index.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NAME_SERVER;

    #[test]
    fn the_name_server_is_the_one_that_answers() {
        assert_eq!(RESOLV_CONF, format!("nameserver {NAME_SERVER}\n"));
    }
}
