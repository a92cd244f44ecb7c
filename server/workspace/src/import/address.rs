//! Which repositories may be cloned.
//!
//! The grammar is stricter than git's: what is let through is understood by us, git, curl and ssh in the same way.

use super::{ImportSettings, names};
use crate::error::WorkspaceError;
use coditect_sandbox::net::{self, address::Owner};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Longest address, in bytes.
const MAX_ADDRESS_BYTES: usize = 2048;
/// Addresses of a host that are tried.
const MAX_HOST_ADDRESSES: usize = 8;

/// The address of a repository, as it was understood.
#[derive(Clone, PartialEq, Eq)]
pub enum GitAddress {
    /// Over HTTP.
    Web {
        /// Encrypted.
        secure: bool,
        /// `name:secret`, percent-encoded, to be kept out of logs, arguments and files of the workspace.
        credentials: Option<String>,
        /// Host and port.
        host: Host,
        /// Path, from its `/` on.
        path: String,
    },
    /// Over ssh.
    Ssh {
        /// Name to log in with.
        user: Option<String>,
        /// Host and port.
        host: Host,
        /// Path; relative to the login's folder unless it starts with `/`.
        path: String,
    },
    /// A path on the server.
    Path(PathBuf),
}

impl std::fmt::Debug for GitAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Web { .. } | Self::Ssh { .. } => f.write_str(&self.url()),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address, without brackets.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl Host {
    /// As it stands in a URL.
    fn authority(&self) -> String {
        if self.name.contains(':') {
            format!("[{}]:{}", self.name, self.port)
        } else {
            format!("{}:{}", self.name, self.port)
        }
    }
}

fn refused(reason: &str) -> WorkspaceError {
    WorkspaceError::UrlRefused(reason.to_owned())
}

impl GitAddress {
    /// Reads what a person typed.
    pub fn parse(text: &str, settings: &ImportSettings) -> Result<Self, WorkspaceError> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_ADDRESS_BYTES {
            return Err(refused("it is empty or too long."));
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        let harmless = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '\'' | '`' | '<' | '>' | '#' | '?');
        if text.starts_with('-') || !text.chars().all(harmless) {
            return Err(refused(
                "it holds characters that do not belong there; write special ones as %20 and the like.",
            ));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::parse_url(&scheme.to_ascii_lowercase(), rest, settings),
            None => Self::parse_scp(text),
        }
    }

    fn parse_url(scheme: &str, rest: &str, settings: &ImportSettings) -> Result<Self, WorkspaceError> {
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, authority),
        };
        if login.is_some_and(|login| !login.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~%:+-".contains(&b))) {
            return Err(refused("the name or secret before @ must be percent-encoded."));
        }
        let secure = match scheme {
            "https" => true,
            "http" if settings.allow_http => false,
            "http" => return Err(refused("it is not encrypted; use https://.")),
            "ssh" => {
                let user = login.filter(|user| !user.is_empty()).map(str::to_owned);
                let plain = |user: &String| !user.starts_with('-') && !user.contains([':', '%']);
                if !user.as_ref().is_none_or(plain) {
                    return Err(refused("only a plain user name may stand before @."));
                }
                return Ok(Self::Ssh { user, host: parse_host(host, 22)?, path: path.to_owned() });
            }
            _ => {
                return Err(refused(
                    "only https:// and ssh addresses, and paths that the operator opened, can be cloned.",
                ));
            }
        };
        let host = parse_host(host, if secure { 443 } else { 80 })?;
        let credentials = login.filter(|login| !login.is_empty()).map(str::to_owned);
        Ok(Self::Web { secure, credentials, host, path: path.to_owned() })
    }

    /// `user@host:path`
    fn parse_scp(text: &str) -> Result<Self, WorkspaceError> {
        let unknown = || refused("only https:// and ssh addresses, and paths that the operator opened, can be cloned.");
        let (before, _) = text.split_once(':').ok_or_else(unknown)?;
        // The colons of an IPv6 address are none before a path.
        let (_, host) = before.split_once('@').unwrap_or(("", before));
        let end = if host.starts_with('[') { text.find(']').ok_or_else(unknown)? } else { 0 };
        let at = end + text[end..].find(':').ok_or_else(unknown)?;
        let (login, path) = (&text[..at], &text[at + 1..]);
        let (user, host) = match login.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, login),
        };
        let plain = |user: &str| {
            !user.is_empty()
                && !user.starts_with('-')
                && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        // `ext::…` and its like are protocols, not hosts.
        if !user.is_none_or(plain) || path.is_empty() || path.starts_with([':', '-']) || host.contains('/') {
            return Err(unknown());
        }
        Ok(Self::Ssh { user: user.map(str::to_owned), host: parse_host(host, 22)?, path: path.to_owned() })
    }

    /// What git is given; without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Web { secure, host, path, .. } => {
                let scheme = if *secure { "https" } else { "http" };
                let usual = host.port == if *secure { 443 } else { 80 };
                let authority = host.authority();
                let authority =
                    if usual { authority.rsplit_once(':').map_or("", |(host, _)| host) } else { &authority };
                format!("{scheme}://{authority}{path}")
            }
            Self::Ssh { user, host, path } => {
                let login = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
                // A path below the login's folder has no other spelling in a URL.
                let path = if path.starts_with('/') { path.clone() } else { format!("/~/{path}") };
                if path.starts_with("/~/") && host.port == 22 && !host.name.contains(':') {
                    return format!("{login}{}:{}", host.name, &path[3..]);
                }
                format!("ssh://{login}{}{path}", host.authority())
            }
            Self::Path(path) => path.display().to_string(),
        }
    }

    /// A name for the workspace.
    #[must_use]
    pub fn name(&self) -> String {
        names::repository_name(&self.url())
    }

    /// The host's addresses, none of which is private unless the settings allow. The connection is made to one of them and
    /// to no other, so that a name that changes what it stands for between the check and the connection gains nothing.
    pub(super) async fn resolve(&self, settings: &ImportSettings) -> Result<Vec<IpAddr>, WorkspaceError> {
        let (Self::Web { host, .. } | Self::Ssh { host, .. }) = self else { return Ok(Vec::new()) };
        let found = match host.name.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, host.port)],
            Err(_) => match tokio::net::lookup_host((host.name.as_str(), host.port)).await {
                Ok(found) => found.collect(),
                Err(error) => {
                    tracing::debug!(host = host.name, %error, "a host was not found");
                    return Err(refused("its host was not found."));
                }
            },
        };
        let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).take(MAX_HOST_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(refused("its host was not found."));
        }
        if !settings.allow_private_hosts && !addresses.iter().all(|address| is_public(*address)) {
            return Err(refused("its host lies in a private network, which the operator has not opened."));
        }
        Ok(addresses)
    }
}

fn parse_host(text: &str, default_port: u16) -> Result<Host, WorkspaceError> {
    let bad = || refused("its host is malformed.");
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(bad)?;
        address.parse::<Ipv6Addr>().map_err(|_| bad())?;
        (address, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(bad)?)
    } else {
        let (name, port) = text.split_once(':').unwrap_or((text, ""));
        check_host_name(name)?;
        (name, port)
    };
    let port = if port.is_empty() { default_port } else { port.parse().map_err(|_| bad())? };
    if port == 0 {
        return Err(bad());
    }
    Ok(Host { name: name.to_ascii_lowercase(), port })
}

fn check_host_name(name: &str) -> Result<(), WorkspaceError> {
    let bad = || refused("its host is malformed.");
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(bad());
    }
    // A name that ends like a number is an IPv4 address to some programs and a name to others (`127.1`, `0x7f.1`).
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err(bad());
    }
    Ok(())
}

/// Whether an address is one of the open internet.
fn is_public(address: IpAddr) -> bool {
    net::address::owner(address).0 == Owner::Public
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::Coded;
    use proptest::prelude::*;

    fn settings() -> ImportSettings {
        ImportSettings { allow_http: true, ..ImportSettings::default() }
    }

    #[test]
    fn understands_addresses() {
        let check = |text: &str, expected: &str| {
            assert_eq!(GitAddress::parse(text, &settings()).unwrap().url(), expected, "{text}");
        };
        check("https://Example.com/a/b.git", "https://example.com/a/b.git");
        check(" https://me:s%40x@example.com:8443/a", "https://example.com:8443/a");
        check("http://[2001:db8::1]:80/a", "http://[2001:db8::1]/a");
        check("ssh://git@example.com/a/b.git", "ssh://git@example.com:22/a/b.git");
        check("git@example.com:a/b.git", "git@example.com:a/b.git");
        check("git@example.com:/a/b.git", "ssh://git@example.com:22/a/b.git");
        check("https://[::1]/a", "https://[::1]/a");
        check("git@[::1]:a/b.git", "ssh://git@[::1]:22/~/a/b.git");
        check("[2001:DB8::1]:/a", "ssh://[2001:db8::1]:22/a");
        check("git@example.com:a]:b", "git@example.com:a]:b");
        check("/srv/git/x", "/srv/git/x");
    }

    #[test]
    fn refuses_addresses() {
        let bad = [
            "",
            "-uhttps://x/y",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c id",
            "ext::sh%20-c%20id",
            "fd::17",
            "file:///etc",
            "git://example.com/a",
            "ftp://example.com/a",
            "https:///a",
            "https://-oProxyCommand=x/a",
            "ssh://-oProxyCommand=x/a",
            "-oProxyCommand=x:a",
            "git@-oProxyCommand=x:a",
            "ssh://-l@example.com/a",
            "https://example.com:0/a",
            "https://example.com:99999/a",
            "https://exa mple.com/a",
            "https://a\\@b/c",
            "https://127.1/a",
            "https://0x7f000001/a",
            "https://2130706433/a",
            "https://example.com/a\nb",
            "relative/path",
            "host:-x",
            "git@[::1]",
            "git@[::1:a",
            "git@[::1]x:a",
            "[ext::x]:a",
        ];
        for text in bad {
            let error = GitAddress::parse(text, &settings()).unwrap_err();
            assert_eq!(error.code(), "import.url_refused", "{text}");
        }
        let error = GitAddress::parse("http://example.com/a", &ImportSettings::default()).unwrap_err();
        assert_eq!(error.code(), "import.url_refused");
    }

    #[test]
    fn knows_public_addresses() {
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2002:101:101::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        let private = "127.0.0.1 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 198.18.0.1 224.0.0.1 \
            255.255.255.255 ::1 :: fe80::1 fc00::1 fd12::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1 \
            2001:db8::1 ff02::1 2001::1 ::7f00:1 64:ff9b:1::1";
        for text in private.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn private_hosts_are_refused_by_name_and_by_address() {
        for text in [
            "https://localhost/a",
            "https://127.0.0.1/a",
            "ssh://git@[::1]/a",
            "git@localhost:a",
            "https://[::ffff:10.0.0.1]/a",
        ] {
            let address = GitAddress::parse(text, &settings()).unwrap();
            assert_eq!(address.resolve(&settings()).await.unwrap_err().code(), "import.url_refused", "{text}");
            let open = ImportSettings { allow_private_hosts: true, ..settings() };
            assert!(!address.resolve(&open).await.unwrap().is_empty(), "{text}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let address = GitAddress::parse("https://me:topsecret@example.com/a", &settings()).unwrap();
        assert!(!format!("{address:?} {}", address.url()).contains("topsecret"));
    }

    proptest! {
        #[test]
        fn nothing_that_looks_like_an_option_gets_through(text in "[-a-z@:/.\\[\\]%]{0,24}") {
            if let Ok(address) = GitAddress::parse(&text, &settings()) {
                prop_assert!(!address.url().starts_with('-'));
                if let GitAddress::Ssh { user, host, path } = &address {
                    prop_assert!(!host.name.starts_with('-') && !path.starts_with('-'));
                    prop_assert!(!user.as_ref().is_some_and(|user| user.starts_with('-')));
                }
            }
        }
    }
}
