//! Packets: what comes from a sandbox, understood as far as needed, and the answers that need no connection.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::tun::{Checksum, Tun};
use crate::net::{MTU, SANDBOX};

/// Time to live of what is sent into a sandbox: it goes over one link.
const HOP_LIMIT: u8 = 64;
/// Bytes of an IPv4 header without options.
const IP_HEADER_BYTES: usize = 20;
/// Bytes of a UDP header.
const UDP_HEADER_BYTES: usize = 8;
/// Most bytes of a datagram.
pub(super) const MAX_DATAGRAM_BYTES: usize = MTU - IP_HEADER_BYTES - UDP_HEADER_BYTES;

/// The two ends of a connection, or of what goes for one: an end in the sandbox, and one outside as the sandbox sees
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) inside: SocketAddrV4,
    pub(super) outside: SocketAddrV4,
}

/// A packet from the sandbox.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// A segment of TCP.
    Tcp(Flow, Segment),
    /// A datagram of UDP.
    Udp(Flow, &'a [u8]),
    /// The question whether somebody is there.
    Echo { to: Ipv4Addr, ident: u16, seq_no: u16, data: &'a [u8] },
}

/// What is to be known of a segment without its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// It opens a connection. One that brings data along does not: it is sent again without.
    pub(super) opens: bool,
    pub(super) resets: bool,
    /// What it acknowledges.
    acknowledges: Option<TcpSeqNumber>,
    /// The number behind its end.
    end: TcpSeqNumber,
}

/// Checksums are left out by the kernel between the ends of the device, and nothing can damage a packet there.
fn unchecked() -> ChecksumCapabilities {
    ChecksumCapabilities::ignored()
}

/// Understands a packet. `None`: nothing that is answered or carried, such as IPv6, fragments and other protocols.
pub(super) fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let packet = Ipv4Packet::new_checked(bytes).ok()?;
    if packet.version() != 4 || packet.src_addr() != SANDBOX || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let flow =
        |inside, outside| Flow { inside: SocketAddrV4::new(from, inside), outside: SocketAddrV4::new(to, outside) };
    match packet.next_header() {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(packet.payload()).ok()?;
            let segment = Segment {
                opens: tcp.syn() && !tcp.ack() && !tcp.rst() && tcp.segment_len() == 1,
                resets: tcp.rst(),
                acknowledges: tcp.ack().then(|| tcp.ack_number()),
                end: tcp.seq_number() + tcp.segment_len(),
            };
            is_port(tcp.dst_port(), tcp.src_port()).then(|| Packet::Tcp(flow(tcp.src_port(), tcp.dst_port()), segment))
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(packet.payload()).ok()?;
            is_port(udp.dst_port(), udp.src_port())
                .then(|| Packet::Udp(flow(udp.src_port(), udp.dst_port()), udp.payload()))
        }
        IpProtocol::Icmp => {
            let icmp = Icmpv4Packet::new_checked(packet.payload()).ok()?;
            match Icmpv4Repr::parse(&icmp, &unchecked()).ok()? {
                Icmpv4Repr::EchoRequest { ident, seq_no, data } => Some(Packet::Echo { to, ident, seq_no, data }),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_port(one: u16, other: u16) -> bool {
    one != 0 && other != 0
}

fn header(from: Ipv4Addr, to: Ipv4Addr, next_header: IpProtocol, payload_len: usize) -> Ipv4Repr {
    Ipv4Repr { src_addr: from, dst_addr: to, next_header, payload_len, hop_limit: HOP_LIMIT }
}

fn send(tun: &Tun, header: Ipv4Repr, checksum: Checksum, fill: impl FnOnce(&mut [u8])) {
    tun.write(IP_HEADER_BYTES + header.payload_len, checksum, |bytes| {
        let mut packet = Ipv4Packet::new_unchecked(bytes);
        header.emit(&mut packet, &ChecksumCapabilities::default());
        fill(packet.payload_mut());
    });
}

/// Ends a connection that is not there, or will not be: what a machine with nothing on that port answers (RFC 9293).
pub(super) fn reset(tun: &Tun, flow: &Flow, segment: &Segment) {
    if segment.resets {
        return;
    }
    let (seq_number, ack_number) = match segment.acknowledges {
        Some(number) => (number, None),
        None => (TcpSeqNumber(0), Some(segment.end)),
    };
    let repr = TcpRepr {
        src_port: flow.outside.port(),
        dst_port: flow.inside.port(),
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    };
    let (from, to) = (*flow.outside.ip(), *flow.inside.ip());
    send(tun, header(from, to, IpProtocol::Tcp, repr.buffer_len()), Checksum::TcpLeftOut, |bytes| {
        let mut packet = TcpPacket::new_unchecked(bytes);
        repr.emit(&mut packet, &IpAddress::Ipv4(from), &IpAddress::Ipv4(to), &unchecked());
    });
}

/// A datagram for the sandbox. One that is too large for a packet is lost, as datagrams may be.
pub(super) fn datagram(tun: &Tun, flow: &Flow, payload: &[u8]) {
    if payload.len() > MAX_DATAGRAM_BYTES {
        return;
    }
    let repr = UdpRepr { src_port: flow.outside.port(), dst_port: flow.inside.port() };
    let (from, to) = (*flow.outside.ip(), *flow.inside.ip());
    let length = UDP_HEADER_BYTES + payload.len();
    // A checksum of zero says that there is none.
    send(tun, header(from, to, IpProtocol::Udp, length), Checksum::Done, |bytes| {
        let mut packet = UdpPacket::new_unchecked(bytes);
        let fill = |room: &mut [u8]| room.copy_from_slice(payload);
        repr.emit(&mut packet, &IpAddress::Ipv4(from), &IpAddress::Ipv4(to), payload.len(), fill, &unchecked());
    });
}

/// Says that a datagram came to nobody.
pub(super) fn unreachable(tun: &Tun, flow: &Flow, reason: Icmpv4DstUnreachable) {
    // The start of the datagram it is about: enough to know whose it was.
    let mut about = [0; UDP_HEADER_BYTES];
    about[..2].copy_from_slice(&flow.inside.port().to_be_bytes());
    about[2..4].copy_from_slice(&flow.outside.port().to_be_bytes());
    about[4..6].copy_from_slice(&(UDP_HEADER_BYTES as u16).to_be_bytes());
    let (from, to) = (*flow.outside.ip(), *flow.inside.ip());
    let sent = header(to, from, IpProtocol::Udp, UDP_HEADER_BYTES);
    icmp(tun, from, &Icmpv4Repr::DstUnreachable { reason, header: sent, data: &about });
}

/// Answers that somebody is there.
pub(super) fn echo_reply(tun: &Tun, from: Ipv4Addr, ident: u16, seq_no: u16, data: &[u8]) {
    icmp(tun, from, &Icmpv4Repr::EchoReply { ident, seq_no, data });
}

fn icmp(tun: &Tun, from: Ipv4Addr, repr: &Icmpv4Repr<'_>) {
    send(tun, header(from, SANDBOX, IpProtocol::Icmp, repr.buffer_len()), Checksum::Done, |bytes| {
        repr.emit(&mut Icmpv4Packet::new_unchecked(bytes), &ChecksumCapabilities::default());
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn syn() -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 1, 1, 1, 1, // IPv4
            0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0, // TCP
        ];
        Ipv4Packet::new_unchecked(&mut bytes[..]).fill_checksum();
        bytes
    }

    #[test]
    fn a_first_segment_is_understood() {
        let flow = Flow { inside: "10.0.2.15:40000".parse().unwrap(), outside: "1.1.1.1:443".parse().unwrap() };
        let segment = Segment { opens: true, resets: false, acknowledges: None, end: TcpSeqNumber(10) };
        assert_eq!(parse(&syn()), Some(Packet::Tcp(flow, segment)));
    }

    #[test]
    fn what_is_not_the_sandboxs_own_is_ignored() {
        for (at, value) in [(15, 16), (6, 0x20), (7, 1), (0, 0x65), (9, 47), (3, 39), (32, 0xf0), (22, 0)] {
            let mut bytes = syn();
            bytes[at] = value;
            if at == 22 {
                bytes[23] = 0;
            }
            assert_eq!(parse(&bytes), None, "byte {at}");
        }
        assert_eq!(parse(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_damage_breaks_the_parser(at in 0_usize..40, value: u8, length in 0_usize..=40) {
            let mut bytes = syn();
            bytes[at] = value;
            let _ = parse(&bytes[..length]);
        }
    }
}
