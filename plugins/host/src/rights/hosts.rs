//! Patterns of hosts.

use std::net::IpAddr;

use coditect_sandbox::net::address::{self, Owner};
use coditect_sandbox::net::policy::host_name;
use url::Host;

/// Hosts that may be asked.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    patterns: Vec<Pattern>,
    /// Also where they lie in private networks.
    private: bool,
}

/// How far a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reach {
    /// To the internet.
    Public,
    /// Also into private networks: a pattern with `*` stands for the host.
    Private,
    /// Also to this machine and on its link: the name itself was granted.
    Machine,
    /// Anywhere: the address itself was granted.
    Address,
}

impl Reach {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Public, Self::Private, Self::Machine, Self::Address];

    /// Whether an address of that owner lies within.
    pub(crate) fn has(self, owner: Owner) -> bool {
        match owner {
            Owner::Public => true,
            Owner::Private => self >= Self::Private,
            Owner::Reserved => self >= Self::Machine,
            Owner::Metadata => self >= Self::Address,
            Owner::Nobody => false,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    host: Named,
    /// The scheme's own where there is none.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// This name.
    Name(String),
    /// All names that end with a dot and this.
    Below(String),
    /// This address.
    Address(IpAddr),
}

impl Hosts {
    /// What cannot be read stands for nothing.
    pub(crate) fn new(patterns: &[String], private: bool) -> Self {
        Self { patterns: patterns.iter().filter_map(|text| parse(text)).collect(), private }
    }

    /// How far a request to the host and port may go; not at all where there is nothing. `may_private` is the operator's word.
    pub(crate) fn reach(&self, host: &Host<&str>, port: u16, own_port: u16, may_private: bool) -> Option<Reach> {
        let matching = self.patterns.iter().filter(|pattern| pattern.port.unwrap_or(own_port) == port);
        let reach = matching.filter_map(|pattern| pattern.host.reach(host)).max()?;
        Some(if self.private && may_private { reach } else { Reach::Public })
    }

    /// Whether private networks were granted.
    pub(crate) const fn are_private(&self) -> bool {
        self.private
    }
}

impl Named {
    fn reach(&self, host: &Host<&str>) -> Option<Reach> {
        let address = match host {
            Host::Domain(name) => {
                return match self {
                    Self::Name(own) => (own == name).then_some(Reach::Machine),
                    Self::Below(domain) => {
                        let before = name.strip_suffix(domain.as_str())?;
                        (before.len() > 1 && before.ends_with('.')).then_some(Reach::Private)
                    }
                    Self::Address(_) => None,
                };
            }
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        (*self == Self::Address(address::canonical(address))).then_some(Reach::Address)
    }
}

fn parse(text: &str) -> Option<Pattern> {
    let (host, port) = split_port(text)?;
    let host = if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Named::Address(address::canonical(address))
    } else if let Some(domain) = host.strip_prefix("*.") {
        Named::Below(host_name(domain)?)
    } else {
        Named::Name(host_name(host)?)
    };
    Some(Pattern { host, port })
}

/// Splits the port from the end. An address of IPv6 has colons itself: a port follows it only behind brackets.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let is_bare = !text.starts_with('[') && text.matches(':').count() > 1;
    match text.rsplit_once(':') {
        Some((host, port)) if !is_bare && !port.ends_with(']') => {
            let port = port.parse().ok().filter(|number| *number > 0)?;
            Some((host, Some(port)))
        }
        _ => Some((text, None)),
    }
}
