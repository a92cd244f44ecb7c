use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn policy(mode: NetworkMode, allow: &[&str]) -> NetworkPolicy {
    NetworkPolicy { mode, allow: allow.iter().map(|entry| entry.parse().unwrap()).collect() }
}

#[test]
fn entries_are_read_and_written() {
    for (text, written) in [
        ("git.example.org", "git.example.org"),
        ("Git.Example.ORG.", "git.example.org"),
        ("git.example.org:443", "git.example.org:443"),
        ("*.example.org:8000-8100", "*.example.org:8000-8100"),
        ("localhost:5432", "localhost:5432"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:80", "10.1.2.3:80"),
        ("10.1.2.0/24:5432", "10.1.2.0/24:5432"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fd00::5", "fd00::5"),
        ("[fd00::5]", "fd00::5"),
        ("[fd00::5]:443", "[fd00::5]:443"),
        ("fd00::/8", "fd00::/8"),
        ("[fd00::/8]:1-65535", "[fd00::/8]:1-65535"),
    ] {
        let entry: AllowEntry = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(entry.to_string(), written);
        assert_eq!(written.parse::<AllowEntry>().unwrap(), entry, "{text}");
    }
}

#[test]
fn what_is_no_entry_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "neither a name"),
        ("*", "may have a `*`"),
        ("a.*.org", "may have a `*`"),
        ("*.", "needs a domain"),
        ("exämple.org", "xn--"),
        ("-a.org", "neither a name"),
        ("127.1", "neither a name"),
        ("0x7f000001", "neither a name"),
        ("2130706433", "neither a name"),
        ("example.org:0", "no ports"),
        ("example.org:65536", "no ports"),
        ("example.org:90-80", "no ports"),
        ("example.org:", "no ports"),
        ("example.org:+80", "no ports"),
        ("[10.0.0.1]:80", "only IPv6"),
        ("[fd00::1", "closing bracket"),
        ("[fd00::1]80", "behind the bracket"),
        ("10.1.2.3/24", "its network is 10.1.2.0/24"),
        ("10.1.2.0/33", "too large"),
        ("10.1.2.0/", "no number"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ("0.0.0.0", "no connection is possible"),
        ("255.255.255.255", "no connection is possible"),
        ("224.0.0.1:5353", "no connection is possible"),
        ("http://example.org", "no ports"),
    ] {
        let error = text.parse::<AllowEntry>().expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

/// One line: mode, entries, name that led there, address, port, whether it is the machine's own, and what is decided.
type Line = (NetworkMode, &'static [&'static str], Option<&'static str>, &'static str, u16, bool, Result<(), Refusal>);

#[test]
fn decisions_about_names_and_public_addresses() {
    use NetworkMode::{Hosts, None as Closed, Open};
    use Refusal::{Mail, NotAllowed};
    let table: [Line; 18] = [
        (Open, &[], Some("a.org"), "1.1.1.1", 25, false, Err(Mail)),
        (Open, &["a.org:587"], Some("a.org"), "1.1.1.1", 25, false, Err(Mail)),
        (Open, &["a.org:25"], Some("a.org"), "1.1.1.1", 25, false, Ok(())),
        (Open, &["1.1.1.1"], None, "1.1.1.1", 25, false, Ok(())),
        (Hosts, &["b.org:25"], Some("a.org"), "1.1.1.1", 25, false, Err(NotAllowed)),
        (Open, &[], None, "1.1.1.1", 443, false, Ok(())),
        (Open, &[], Some("a.org"), "1.1.1.1", 443, false, Ok(())),
        (Open, &[], Some("a.org"), "2606:4700::1111", 443, false, Ok(())),
        (Closed, &["1.1.1.1"], None, "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &[], None, "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &["a.org"], Some("a.org"), "1.1.1.1", 443, false, Ok(())),
        (Hosts, &["a.org"], None, "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &["a.org:80"], Some("a.org"), "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &["*.a.org:443"], Some("b.c.a.org"), "1.1.1.1", 443, false, Ok(())),
        (Hosts, &["*.a.org"], Some("a.org"), "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &["*.a.org"], Some("ba.org"), "1.1.1.1", 443, false, Err(NotAllowed)),
        (Hosts, &["1.1.1.0/24:443"], None, "1.1.1.1", 443, false, Ok(())),
        (Hosts, &["0.0.0.0/0"], None, "1.1.1.1", 443, false, Ok(())),
    ];
    check(&table);
}

#[test]
fn decisions_about_guarded_addresses() {
    use NetworkMode::{Hosts, Open};
    use Refusal::{Metadata, Private, Reserved, Unusable};
    let table: [Line; 29] = [
        (Open, &[], None, "10.1.2.3", 80, false, Err(Private)),
        (Open, &[], Some("a.org"), "10.1.2.3", 80, false, Err(Private)),
        (Open, &["10.1.2.3"], None, "10.1.2.3", 80, false, Ok(())),
        (Open, &["10.1.2.3:81"], None, "10.1.2.3", 80, false, Err(Private)),
        (Open, &["10.1.2.0/24"], Some("a.org"), "10.1.2.3", 80, false, Ok(())),
        (Open, &["a.org"], Some("a.org"), "10.1.2.3", 80, false, Ok(())),
        (Open, &["a.org:81"], Some("a.org"), "10.1.2.3", 80, false, Err(Private)),
        (Open, &["*.org"], Some("a.org"), "10.1.2.3", 80, false, Err(Private)),
        (Hosts, &["*.org", "10.0.0.0/8"], Some("a.org"), "10.1.2.3", 80, false, Ok(())),
        // A network that was not meant for it opens nothing special.
        (Open, &["0.0.0.0/0"], None, "10.1.2.3", 80, false, Err(Private)),
        (Open, &["::/0"], None, "fd00::1", 80, false, Err(Private)),
        (Open, &["fd00::/8"], None, "fd00::1", 80, false, Ok(())),
        (Open, &["fd00::/8"], None, "fd00:ec2::254", 80, false, Err(Metadata)),
        (Open, &[], None, "127.0.0.1", 80, true, Err(Reserved)),
        // Whoever answers for a name does not say that it is this machine.
        (Open, &["a.org"], Some("a.org"), "127.0.0.1", 80, false, Err(Reserved)),
        (Open, &["a.org"], Some("a.org"), "10.1.2.3", 80, true, Err(Reserved)),
        (Open, &["10.1.2.0/24"], None, "10.1.2.3", 80, true, Err(Reserved)),
        (Open, &["10.1.2.3"], None, "10.1.2.3", 80, true, Ok(())),
        (Open, &[], None, "1.1.1.1", 80, true, Err(Reserved)),
        (Open, &["127.0.0.1:80"], None, "::ffff:127.0.0.1", 80, true, Ok(())),
        (Open, &["127.0.0.0/8"], None, "127.0.0.1", 80, false, Ok(())),
        (Open, &["a.org", "169.254.0.0/16"], Some("a.org"), "169.254.169.254", 80, false, Err(Metadata)),
        (Open, &["169.254.169.254:80"], None, "169.254.169.254", 80, false, Ok(())),
        (Open, &["168.63.129.0/24"], None, "168.63.129.16", 80, false, Err(Metadata)),
        (Open, &["64:ff9b::/96"], None, "64:ff9b::10.1.2.3", 80, false, Err(Private)),
        (Open, &["::/0"], None, "::127.0.0.1", 80, false, Err(Reserved)),
        (Open, &["a.org", "0.0.0.0/0"], Some("a.org"), "0.0.0.0", 80, false, Err(Unusable)),
        (Open, &["224.0.0.0/4"], None, "224.0.0.251", 5353, false, Err(Unusable)),
        (Open, &[], None, "198.18.0.7", 80, false, Err(Reserved)),
    ];
    check(&table);
}

fn check(table: &[Line]) {
    for line in table {
        let (mode, allow, name, address, port, is_own, expected) = *line;
        let judged = policy(mode, allow).judge(name, address.parse().unwrap(), Some(port), is_own);
        assert_eq!(judged, expected, "{line:?}");
    }
}

#[test]
fn only_admitted_names_are_looked_up() {
    let hosts = policy(NetworkMode::Hosts, &["a.org", "*.b.org:443", "10.0.0.0/8"]);
    assert!(hosts.admits_name("a.org"));
    assert!(hosts.admits_name("x.b.org"));
    assert!(!hosts.admits_name("x.a.org"));
    assert!(!hosts.admits_name("secret-as-a-name.example.com"), "what is looked up leaves the machine");
    assert!(policy(NetworkMode::Open, &[]).admits_name("c.org"));
    assert!(!policy(NetworkMode::None, &["a.org"]).admits_name("a.org"));
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from_bits(bits).to_ipv6_mapped())),
        any::<(u8, u8, u8)>().prop_map(|(a, b, c)| IpAddr::V4(Ipv4Addr::new(10, a, b, c))),
        any::<u16>().prop_map(|low| IpAddr::V4(Ipv4Addr::new(169, 254, (low >> 8) as u8, low as u8))),
    ]
}

proptest! {
    /// Without entries only public addresses are reached, whatever name led there.
    #[test]
    fn only_public_addresses_without_entries(address in any_address(), port: u16, own: bool, named: bool) {
        let judged = policy(NetworkMode::Open, &[]).judge(named.then_some("a.org"), address, Some(port), own);
        prop_assert_eq!(judged.is_ok(), address::owner(address).0 == Owner::Public && !own && port != 25);
        prop_assert!(policy(NetworkMode::Hosts, &[]).judge(Some("a.org"), address, Some(port), own).is_err());
    }

    /// A name, whatever it resolves to, and whatever networks are allowed for the public's sake, opens neither the
    /// machine nor what tells about it.
    #[test]
    fn no_name_opens_the_machine(address in any_address(), port: u16, own: bool) {
        let policy = policy(NetworkMode::Hosts, &["a.org", "*.org", "0.0.0.0/0", "::/0"]);
        let owner = address::owner(address).0;
        let judged = policy.judge(Some("a.org"), address, Some(port), own);
        prop_assert_eq!(judged.is_ok(), !own && owner <= Owner::Private);
    }

    /// What can be reached by one port can be reached by some.
    #[test]
    fn any_port_covers_each(address in any_address(), port in 1_u16.., own: bool) {
        let policy = policy(NetworkMode::Hosts, &["a.org:80", "10.0.0.0/8:1-1000", "169.254.0.0/16"]);
        if policy.judge(Some("a.org"), address, Some(port), own).is_ok() {
            prop_assert!(policy.judge(Some("a.org"), address, None, own).is_ok());
        }
    }

    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,60}") {
        if let Ok(entry) = text.parse::<AllowEntry>() {
            prop_assert_eq!(entry.to_string().parse::<AllowEntry>().unwrap(), entry);
        }
    }

    #[test]
    fn names_keep_their_form(text in "[a-zA-Z0-9._*-]{0,80}") {
        if let Some(name) = host_name(&text) {
            prop_assert_eq!(host_name(&name), Some(name.clone()));
            prop_assert!(name.parse::<IpAddr>().is_err());
        }
    }
}
