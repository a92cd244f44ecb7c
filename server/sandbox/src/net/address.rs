//! Which addresses are whose.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// A network of IPv4. The bits behind the prefix are to be zero, and the prefix at most 32.
    pub const fn v4(address: Ipv4Addr, prefix: u8) -> Self {
        Self { address: IpAddr::V4(address), prefix }
    }

    /// A network of IPv6. The bits behind the prefix are to be zero, and the prefix at most 128.
    pub const fn v6(address: Ipv6Addr, prefix: u8) -> Self {
        Self { address: IpAddr::V6(address), prefix }
    }

    /// The network that `address` is in.
    pub fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(address)).then(|| Self { address: cut(address, prefix), prefix })
    }

    /// Its first address.
    pub const fn first(&self) -> IpAddr {
        self.address
    }

    /// Whether it has the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && cut(address, self.prefix) == self.address
    }

    /// Whether all its addresses are addresses of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.prefix >= other.prefix && other.contains(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with the bits behind the prefix set to zero.
fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// Whose an address is. The order is that of how guarded they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The internet's.
    Public,
    /// Some private network's.
    Private,
    /// This machine's, this link's, or set apart for something else.
    Reserved,
    /// A service that tells a machine about itself, its credentials among it.
    Metadata,
    /// Nobody's that could be connected to: unspecified, multicast, broadcast.
    Nobody,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Network {
    Network::v4(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 4], last: u32, prefix: u8) -> Network {
    let [a, b, c, d] = first;
    Network::v6(Ipv6Addr::new(a, b, c, d, 0, 0, (last >> 16) as u16, last as u16), prefix)
}

/// What is not public, by the registries of special-purpose addresses (RFC 6890 and later) and by what clouds document.
/// Of several that hold, the narrowest counts.
const SPECIAL: [(Network, Owner); 49] = [
    (v4(0, 0, 0, 0, 8), Owner::Nobody),
    (v4(10, 0, 0, 0, 8), Owner::Private),
    // Between a provider and its customers.
    (v4(100, 64, 0, 0, 10), Owner::Private),
    (v4(100, 100, 100, 200, 32), Owner::Metadata),
    (v4(127, 0, 0, 0, 8), Owner::Reserved),
    // A public address, and yet each machine of that cloud has its own behind it.
    (v4(168, 63, 129, 16, 32), Owner::Metadata),
    (v4(169, 254, 0, 0, 16), Owner::Reserved),
    (v4(169, 254, 169, 254, 32), Owner::Metadata),
    (v4(169, 254, 169, 123, 32), Owner::Metadata),
    (v4(169, 254, 169, 249, 32), Owner::Metadata),
    (v4(169, 254, 169, 250, 32), Owner::Metadata),
    (v4(169, 254, 169, 251, 32), Owner::Metadata),
    (v4(169, 254, 169, 253, 32), Owner::Metadata),
    (v4(169, 254, 170, 2, 32), Owner::Metadata),
    (v4(169, 254, 170, 23, 32), Owner::Metadata),
    (v4(172, 16, 0, 0, 12), Owner::Private),
    (v4(192, 0, 0, 0, 24), Owner::Reserved),
    (v4(192, 0, 0, 192, 32), Owner::Metadata),
    (v4(192, 0, 2, 0, 24), Owner::Reserved),
    (v4(192, 88, 99, 0, 24), Owner::Reserved),
    (v4(192, 168, 0, 0, 16), Owner::Private),
    (v4(198, 18, 0, 0, 15), Owner::Reserved),
    (v4(198, 51, 100, 0, 24), Owner::Reserved),
    (v4(203, 0, 113, 0, 24), Owner::Reserved),
    (v4(224, 0, 0, 0, 4), Owner::Nobody),
    (v4(240, 0, 0, 0, 4), Owner::Reserved),
    (v4(255, 255, 255, 255, 32), Owner::Nobody),
    (v6([0, 0, 0, 0], 0, 128), Owner::Nobody),
    (v6([0, 0, 0, 0], 1, 128), Owner::Reserved),
    // Everything beside 2000::/3 is reserved, but for what is named here.
    (v6([0, 0, 0, 0], 0, 3), Owner::Reserved),
    (v6([0x4000, 0, 0, 0], 0, 2), Owner::Reserved),
    (v6([0x8000, 0, 0, 0], 0, 1), Owner::Reserved),
    // Addresses of IPv4 behind a translator of a network's own choice; where they stand in it is not known.
    (v6([0x64, 0xff9b, 1, 0], 0, 48), Owner::Reserved),
    (v6([0x100, 0, 0, 0], 0, 64), Owner::Reserved),
    // Teredo, benchmarks, overlays and others of the protocols themselves.
    (v6([0x2001, 0, 0, 0], 0, 23), Owner::Reserved),
    (v6([0x2001, 0xdb8, 0, 0], 0, 32), Owner::Reserved),
    (v6([0x3fff, 0, 0, 0], 0, 20), Owner::Reserved),
    (v6([0x5f00, 0, 0, 0], 0, 16), Owner::Reserved),
    (v6([0xfc00, 0, 0, 0], 0, 7), Owner::Private),
    (v6([0xfd00, 0xec2, 0, 0], 0x23, 128), Owner::Metadata),
    (v6([0xfd00, 0xec2, 0, 0], 0x123, 128), Owner::Metadata),
    (v6([0xfd00, 0xec2, 0, 0], 0x253, 128), Owner::Metadata),
    (v6([0xfd00, 0xec2, 0, 0], 0x254, 128), Owner::Metadata),
    (v6([0xfd20, 0xce, 0, 0], 0x254, 128), Owner::Metadata),
    (v6([0xfd00, 0xc1, 0, 0], 0xa9fe_a9fe, 128), Owner::Metadata),
    (v6([0xfe80, 0, 0, 0], 0, 10), Owner::Reserved),
    (v6([0xfe80, 0, 0, 0], 0xa9fe_a9fe, 128), Owner::Metadata),
    (v6([0xfec0, 0, 0, 0], 0, 10), Owner::Private),
    (v6([0xff00, 0, 0, 0], 0, 8), Owner::Nobody),
];

/// The same address in the form in which it is connected to: an IPv4 address that is written as one of IPv6 is that
/// IPv4 address to the kernel.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whose the address is, and the special network that says so. `None` for the network: only the address itself can be
/// allowed, not a network that it is in.
pub fn owner(address: IpAddr) -> (Owner, Option<Network>) {
    let address = canonical(address);
    let (mut owner, mut network) = special(address);
    if let IpAddr::V6(address) = address
        && let Some(embedded) = embedded(address)
    {
        let (behind, _) = special(IpAddr::V4(embedded));
        // Translators lead there: as guarded as the more guarded of the two.
        if has_only_embedded(address) || behind > owner {
            (owner, network) = (behind, None);
        }
    }
    (owner, network)
}

fn special(address: IpAddr) -> (Owner, Option<Network>) {
    let mut found = (Owner::Public, None);
    for (network, owner) in SPECIAL {
        if network.contains(address) && is_more_telling(&network, owner, found) {
            found = (owner, Some(network));
        }
    }
    // The rest of IPv6 is no network that somebody could name on purpose.
    if let (Owner::Reserved, Some(network)) = found
        && network.prefix <= 3
        && address.is_ipv6()
    {
        return (Owner::Reserved, None);
    }
    found
}

/// The narrower network tells more about an address.
fn is_more_telling(network: &Network, owner: Owner, found: (Owner, Option<Network>)) -> bool {
    match found.1 {
        None => true,
        Some(other) if other.prefix == network.prefix => owner > found.0,
        Some(other) => network.prefix > other.prefix,
    }
}

/// Forms of IPv6 that are nothing but an address of IPv4 for a translator.
const NAT64: Network = v6([0x64, 0xff9b, 0, 0], 0, 96);

fn has_only_embedded(address: Ipv6Addr) -> bool {
    NAT64.contains(IpAddr::V6(address))
}

/// The IPv4 address that an IPv6 address leads to, in the forms that translators and tunnels know.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let behind = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match parts {
        // ::a.b.c.d, long out of use; ::ffff:a.b.c.d is canonical already. ::ffff:0:a.b.c.d (RFC 2765).
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => behind(high, low),
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => behind(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => behind(high, low),
        // ISATAP (RFC 5214).
        [.., 0 | 0x200, 0x5efe, high, low] => behind(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner_of(text: &str) -> Owner {
        owner(text.parse().unwrap()).0
    }

    #[test]
    fn addresses_have_owners() {
        for (expected, addresses) in [
            (
                Owner::Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 172.15.255.255 \
                 172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255 2001:4860:4860::8888 \
                 2606:4700::1111 2a00:1450::1 64:ff9b::1.1.1.1 2002:101:101::1 ::ffff:1.1.1.1",
            ),
            (
                Owner::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 fc00::1 fdff::1 fec0::1 \
                 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::1 2a00::5efe:10.0.0.1",
            ),
            (
                Owner::Reserved,
                "127.0.0.1 127.255.255.255 169.254.0.1 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 240.0.0.1 \
                 255.255.255.254 ::1 fe80::1 2001:db8::1 2001:0:102:304::1 3fff::1 4000::1 64:ff9b:1::a00:1 100::1 \
                 ::ffff:127.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1:: \
                 2a00::200:5efe:127.0.0.1",
            ),
            (
                Owner::Metadata,
                "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254 \
                 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::1",
            ),
            (Owner::Nobody, "0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.255 255.255.255.255 :: ff02::1"),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(owner_of(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn networks_have_only_their_own() {
        let network = Network::v4(Ipv4Addr::new(10, 1, 2, 0), 24);
        assert!(network.contains("10.1.2.255".parse().unwrap()));
        assert!(!network.contains("10.1.3.0".parse().unwrap()));
        assert!(!network.contains("::ffff:10.1.2.0".parse().unwrap()), "only what is canonical is compared");
        assert!(network.is_within(&v4(10, 0, 0, 0, 8)));
        assert!(!v4(10, 0, 0, 0, 8).is_within(&network));
        assert!(v4(0, 0, 0, 0, 0).contains(IpAddr::V4(Ipv4Addr::BROADCAST)));
        assert_eq!(Network::of("10.1.2.3".parse().unwrap(), 33), None);
        assert_eq!(Network::of("fd00::1".parse().unwrap(), 8).unwrap().to_string(), "fd00::/8");
    }

    #[test]
    fn the_table_is_well_formed() {
        for (network, owner) in SPECIAL {
            assert_eq!(
                Network::of(network.address, network.prefix),
                Some(network),
                "{network} has bits behind its prefix"
            );
            assert!(owner > Owner::Public);
        }
    }

    proptest! {
        /// What the standard library knows of an address agrees.
        #[test]
        fn public_is_what_no_other_definition_guards(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let guarded = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_multicast()
                || address.is_unspecified() || address.octets()[0] == 0 || address.octets()[0] >= 240;
            if guarded {
                prop_assert_ne!(owner(IpAddr::V4(address)).0, Owner::Public);
            }
        }

        /// However an address of IPv4 is dressed up, it is at least as guarded.
        #[test]
        fn no_form_of_an_address_is_less_guarded(bits in 2_u32..) {
            let plain = Ipv4Addr::from_bits(bits);
            let guard = owner(IpAddr::V4(plain)).0;
            let [a, b, c, d] = plain.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for form in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0x5efe, high, low),
            ] {
                prop_assert!(owner(IpAddr::V6(form)).0 >= guard, "{} of {}", form, plain);
            }
        }
    }
}
