//! What a sandbox may reach over the network: the rules, as data and pure decisions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{self, Network, Owner};
use crate::SandboxError;

/// Longest name of a host, in bytes.
pub const MAX_NAME_BYTES: usize = 253;
/// Longest part of a name between two dots, in bytes.
const MAX_LABEL_BYTES: usize = 63;
/// Servers take mail from each other there: whoever writes to it without being asked gets the operator's address
/// listed.
const MAIL_PORT: u16 = 25;
/// Most entries of a policy: each connection looks at all of them.
pub const MAX_ALLOW_ENTRIES: usize = 1024;

/// Which connections are allowed at all (setting `network`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Public addresses, except for port 25, and what an entry allows.
    #[default]
    Open,
    /// What an entry allows.
    Hosts,
    /// One host, at [`super::HOST`] and at the addresses of the entries: for a sandbox that is for one thing only. No
    /// name is known there, not even the server's own API's.
    OneHost,
    /// Nothing.
    None,
}

impl FromStr for NetworkMode {
    type Err = SandboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "hosts" => Ok(Self::Hosts),
            "none" => Ok(Self::None),
            _ => Err(SandboxError::Invalid(format!("the network mode {text:?} is none of open, hosts and none"))),
        }
    }
}

/// What a sandbox may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPolicy {
    /// Which connections are allowed at all.
    pub mode: NetworkMode,
    /// What is allowed beside.
    pub allow: Vec<AllowEntry>,
}

/// Hosts and ports that may be reached: `git.example.org`, `*.example.org:443`, `10.1.2.3:8000-8100`,
/// `10.1.2.0/24:5432`, `[fd00::5]:443`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowEntry {
    hosts: Hosts,
    ports: Option<RangeInclusive<u16>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// This very name.
    Name(String),
    /// All names that end with a dot and this.
    Below(String),
    /// This very address.
    Address(IpAddr),
    /// All addresses of this network.
    Network(Network),
}

/// Why something is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No entry allows it, and only what an entry allows may be reached.
    NotAllowed,
    /// It is a port for mail between servers, and no entry allows it.
    Mail,
    /// It is in a private network.
    Private,
    /// It is this machine, on its link, or set apart.
    Reserved,
    /// It tells a machine about itself.
    Metadata,
    /// No connection to it is possible.
    Unusable,
    /// It stood for a name that was long not used, or never did.
    Forgotten,
    /// The name has no address.
    NoSuchName,
    /// What is there refused the connection, or did not answer.
    Unreachable,
    /// The sandbox has as many connections, or makes as many in a second, as one may.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAllowed => "only hosts that the operator allows can be reached from here",
            Self::Mail => {
                "mail can be handed to the port of a mail server (587), and to port 25 only of hosts that the operator allows"
            }
            Self::Private => "it is in a private network, and the operator did not allow it by name or address",
            Self::Reserved => {
                "it is the machine itself or a reserved address, and the operator did not allow that address"
            }
            Self::Metadata => "it tells secrets of the machine, and the operator did not allow that address",
            Self::Unusable => "no connection to such an address is possible",
            Self::Forgotten => "the address stands for no name; look the name up again",
            Self::NoSuchName => "the name has no address",
            Self::Unreachable => "it refused the connection or did not answer",
            Self::TooMany => "there are too many connections from here; close some, or make them more slowly",
        })
    }
}

impl NetworkPolicy {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { mode: NetworkMode::None, allow: Vec::new() }
    }

    /// One port of a host that has these addresses, whoever's they are: whoever asks for this has checked them.
    pub fn one_host(addresses: &[IpAddr], port: u16) -> Result<Self, SandboxError> {
        let entry = |address: &IpAddr| SocketAddr::new(*address, port).to_string().parse();
        Ok(Self { mode: NetworkMode::OneHost, allow: addresses.iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// The addresses that have an entry of their own.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let address = |entry: &AllowEntry| if let Hosts::Address(address) = entry.hosts { Some(address) } else { None };
        self.allow.iter().filter_map(address).collect()
    }

    /// The first port of each entry that names ports.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.allow.iter().filter_map(|entry| entry.ports.as_ref().map(|ports| *ports.start())).collect()
    }

    /// Checks what no type says.
    pub fn check(&self) -> Result<(), SandboxError> {
        if self.allow.len() > MAX_ALLOW_ENTRIES {
            return Err(SandboxError::Invalid(format!(
                "the network allows {} entries, and {MAX_ALLOW_ENTRIES} is the most; name networks or *.domains",
                self.allow.len()
            )));
        }
        Ok(())
    }

    /// Whether the name may be looked up at all. `name` is in the form of [`host_name`].
    pub fn admits_name(&self, name: &str) -> bool {
        match self.mode {
            NetworkMode::Open => true,
            NetworkMode::Hosts => self.allow.iter().any(|entry| entry.is_for_name(name)),
            NetworkMode::OneHost | NetworkMode::None => false,
        }
    }

    /// Whether an entry is for the name.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.allow.iter().any(|entry| entry.is_for_name(name))
    }

    /// Decides about a connection to an address.
    ///
    /// `name` is the name that led to it, in the form of [`host_name`]; without `port` it is asked whether any port can
    /// be reached; `is_own` says that the address is one of this machine.
    ///
    /// What guards more is opened by less: a private address by its own entry, one for a network that lies in its
    /// private network, or one for its very name; a reserved one by the first two; the machine's own addresses and
    /// those that tell about it by their own entry alone. A name is no better than whoever answers for it.
    pub fn judge(&self, name: Option<&str>, address: IpAddr, port: Option<u16>, is_own: bool) -> Result<(), Refusal> {
        if self.mode == NetworkMode::None {
            return Err(Refusal::NotAllowed);
        }
        let address = address::canonical(address);
        let (owner, special) = address::owner(address);
        let entries = || self.allow.iter().filter(move |entry| entry.has_port(port));
        let by_address = || entries().any(|entry| entry.hosts == Hosts::Address(address));
        let by_network = |within: Option<Network>| {
            entries().any(|entry| match (&entry.hosts, within) {
                (Hosts::Network(network), Some(within)) => network.contains(address) && network.is_within(&within),
                _ => false,
            })
        };
        let by_name = || name.is_some_and(|name| entries().any(|entry| entry.hosts == Hosts::Name(name.to_owned())));
        let or = |allowed: bool, refusal| if allowed { Ok(()) } else { Err(refusal) };
        match owner {
            Owner::Nobody => Err(Refusal::Unusable),
            Owner::Metadata => or(by_address(), Refusal::Metadata),
            _ if is_own => or(by_address(), Refusal::Reserved),
            Owner::Reserved => or(by_address() || by_network(special), Refusal::Reserved),
            Owner::Private => or(by_address() || by_network(special) || by_name(), Refusal::Private),
            Owner::Public => {
                let refusal = match self.mode {
                    NetworkMode::Open if port != Some(MAIL_PORT) => return Ok(()),
                    NetworkMode::Open => Refusal::Mail,
                    _ => Refusal::NotAllowed,
                };
                or(entries().any(|entry| entry.is_for(name, address)), refusal)
            }
        }
    }
}

impl AllowEntry {
    fn has_port(&self, port: Option<u16>) -> bool {
        match (port, &self.ports) {
            (Some(port), Some(ports)) => ports.contains(&port),
            _ => true,
        }
    }

    fn is_for_name(&self, name: &str) -> bool {
        match &self.hosts {
            Hosts::Name(allowed) => name == allowed,
            Hosts::Below(domain) => {
                name.strip_suffix(domain.as_str()).is_some_and(|host| host.len() > 1 && host.ends_with('.'))
            }
            Hosts::Address(_) | Hosts::Network(_) => false,
        }
    }

    fn is_for(&self, name: Option<&str>, address: IpAddr) -> bool {
        match &self.hosts {
            Hosts::Address(allowed) => address == *allowed,
            Hosts::Network(network) => network.contains(address),
            Hosts::Name(_) | Hosts::Below(_) => name.is_some_and(|name| self.is_for_name(name)),
        }
    }
}

/// The form in which names are compared: lower case, without the dot at the end. `None` where it is no name of a host,
/// and where it is what some programs take for an address (`127.1`, `0x7f000001`).
pub fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label) && !is_number).then_some(name)
}

impl FromStr for AllowEntry {
    type Err = SandboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| SandboxError::Invalid(format!("the allowed host {text:?} {reason}")))
    }
}

fn parse(text: &str) -> Result<AllowEntry, String> {
    let (hosts, ports) = split_ports(text)?;
    let hosts = if let Ok(address) = hosts.parse::<IpAddr>() {
        usable(address)?;
        Hosts::Address(address::canonical(address))
    } else if let Some((first, prefix)) = hosts.split_once('/') {
        Hosts::Network(network(first, prefix)?)
    } else if let Some(domain) = hosts.strip_prefix("*.") {
        Hosts::Below(host_name(domain).ok_or("needs a domain behind the `*.`, in ASCII")?)
    } else if hosts.contains('*') {
        return Err(
            "may have a `*` only as its first part, as in *.example.org; network = \"open\" allows all".to_owned()
        );
    } else {
        Hosts::Name(
            host_name(hosts).ok_or("is neither a name in ASCII (write others in their xn-- form) nor an address")?,
        )
    };
    Ok(AllowEntry { hosts, ports })
}

/// Splits the ports from the end. An address of IPv6 has colons itself: ports follow it only behind brackets.
fn split_ports(text: &str) -> Result<(&str, Option<RangeInclusive<u16>>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (hosts, rest) = rest.split_once(']').ok_or("lacks the closing bracket")?;
        if !hosts.contains(':') {
            return Err("has brackets, which only IPv6 needs".to_owned());
        }
        return match rest.strip_prefix(':') {
            Some(ports) => Ok((hosts, Some(port_range(ports)?))),
            None if rest.is_empty() => Ok((hosts, None)),
            None => Err("has something other than ports behind the bracket".to_owned()),
        };
    }
    match text.split_once(':') {
        Some((hosts, ports)) if !ports.contains(':') => Ok((hosts, Some(port_range(ports)?))),
        _ => Ok((text, None)),
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0 && !text.starts_with('+'));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(format!("has no ports in {text:?}: write one, or two with a hyphen between them, from 1 to 65535")),
    }
}

fn network(first: &str, prefix: &str) -> Result<Network, String> {
    let address: IpAddr = first.parse().map_err(|_| "has no address before the slash")?;
    let prefix: u8 = prefix.parse().map_err(|_| "has no number behind the slash")?;
    let network = Network::of(address, prefix).ok_or("has a number behind the slash that is too large")?;
    if address::canonical(address) != address {
        return Err("is an IPv4 network in the form of IPv6; write it as IPv4".to_owned());
    }
    if network.first() != address {
        return Err(format!("is no network; its network is {network}"));
    }
    Ok(network)
}

fn usable(address: IpAddr) -> Result<(), String> {
    match address::owner(address).0 {
        Owner::Nobody => Err("is an address to which no connection is possible".to_owned()),
        _ => Ok(()),
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.ports.is_some() { ("[", "]") } else { ("", "") };
        match &self.hosts {
            Hosts::Name(name) => formatter.write_str(name)?,
            Hosts::Below(domain) => write!(formatter, "*.{domain}")?,
            Hosts::Address(address @ IpAddr::V6(_)) => write!(formatter, "{open}{address}{close}")?,
            Hosts::Address(address) => write!(formatter, "{address}")?,
            Hosts::Network(network) if network.first().is_ipv6() => write!(formatter, "{open}{network}{close}")?,
            Hosts::Network(network) => write!(formatter, "{network}")?,
        }
        match &self.ports {
            None => Ok(()),
            Some(ports) if ports.start() == ports.end() => write!(formatter, ":{}", ports.start()),
            Some(ports) => write!(formatter, ":{}-{}", ports.start(), ports.end()),
        }
    }
}

impl TryFrom<String> for AllowEntry {
    type Error = SandboxError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AllowEntry> for String {
    fn from(entry: AllowEntry) -> Self {
        entry.to_string()
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
