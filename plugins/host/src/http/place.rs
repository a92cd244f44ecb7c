//! Where a request goes.

use std::net::IpAddr;

use coditect_sandbox::net::address;
use coditect_sandbox::net::policy::host_name;
use url::{Host, Url};

use super::Unsent;
use crate::ports::Refused;
use crate::rights::{Hosts, Reach};

/// Longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// A URL that a request may have: of http or https, with a host and without credentials.
#[derive(Debug, Clone)]
pub(super) struct Place {
    url: Url,
    host: String,
    port: u16,
}

impl Place {
    /// Reads what a plugin wrote.
    pub(super) fn parse(text: &str) -> Result<Self, Unsent> {
        if text.len() > MAX_URL_BYTES {
            return Err(Unsent::invalid(format!("A URL has at most {} KiB.", MAX_URL_BYTES / 1024)));
        }
        let url = Url::parse(text).map_err(|error| Unsent::invalid(format!("The URL cannot be read: {error}.")))?;
        Self::new(url).map_err(Unsent::invalid)
    }

    /// Reads where an answer redirects to.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        let unreadable = || "The answer redirects to a URL that cannot be read.".to_owned();
        if location.len() > MAX_URL_BYTES {
            return Err(unreadable());
        }
        Self::new(self.url.join(location).map_err(|_| unreadable())?)
    }

    fn new(mut url: Url) -> Result<Self, String> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err("Only URLs of https and http can be asked.".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("A URL has no user and no password; a header `authorization` has.".to_owned());
        }
        // An address in another form is what it is an address of, and a name is compared without the dot at its end.
        let host = match url.host() {
            Some(Host::Domain(name)) => host_name(name).ok_or("The URL's host is no name of a host.")?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => match address::canonical(IpAddr::V6(address)) {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            },
            None => return Err("The URL has no host.".to_owned()),
        };
        url.set_host(Some(&host)).map_err(|_| "The URL's host is no name of a host.")?;
        url.set_fragment(None);
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or("The URL's port is none.")?;
        Ok(Self { url, host, port })
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether what is meant for one may be sent to the other.
    pub(super) fn has_origin_of(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    /// The address, where no name stands in its place.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// How far a request to here may go.
    pub(super) fn reach(&self, hosts: &Hosts, may_private: bool, is_redirect: bool) -> Result<Reach, Unsent> {
        let own_port = if self.is_secure() { 443 } else { 80 };
        let reach = self.url.host().and_then(|host| hosts.reach(&host, self.port, own_port, may_private));
        let not_granted = || {
            let host = self.url.port().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host));
            Unsent::NotGranted { host, is_redirect }
        };
        let reach = reach.ok_or_else(not_granted)?;
        if self.is_secure() || reach > Reach::Public {
            return Ok(reach);
        }
        let why = if hosts.are_private() {
            "Requests without encryption go only into private networks, which the operator does not allow (private_hosts)."
        } else {
            "Requests without encryption go only into private networks, which takes private = true with the capability http: use https."
        };
        Err(self.refused(Refused::Denied(why.to_owned())))
    }

    pub(super) fn refused(&self, why: Refused) -> Unsent {
        Unsent::Refused { host: self.host.clone(), why }
    }
}
