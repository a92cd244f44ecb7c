//! Ports and sockets of the server, of other people and of the machine.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixStream};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::Report;

const LIMIT: Duration = Duration::from_secs(3);
/// Where networks have their doors, metadata and neighbours.
const NEIGHBOURS: [&str; 8] =
    ["127.0.0.1", "10.0.2.2", "10.0.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "192.0.2.1"];

/// `given`: `tcp:ADDRESS:PORT`, `port:PORT` (tried at every neighbour), `abstract:NAME`, `path:PATH`.
pub(crate) fn attack(report: &mut Report, given: &[String]) {
    for target in given {
        match target.split_once(':') {
            Some(("tcp", address)) => tcp(report, address),
            Some(("port", port)) => NEIGHBOURS.iter().for_each(|host| tcp(report, &format!("{host}:{port}"))),
            Some(("abstract", name)) => abstract_socket(report, name),
            Some(("path", path)) => {
                report.attempt(format!("socket {path}"), UnixStream::connect(path));
                report
                    .attempt(format!("messages to {path}"), UnixDatagram::unbound().and_then(|own| own.connect(path)));
            }
            _ => report.attempt(format!("understanding {target}"), Ok::<_, String>(())),
        }
    }
    // Those that are listed as well.
    for line in fs::read_to_string("/proc/net/unix").unwrap_or_default().lines() {
        if let Some(name) = line.split_whitespace().last().and_then(|name| name.strip_prefix('@')) {
            abstract_socket(report, name);
        }
    }
    // An end of a pair can be sent from, too, where no other socket can be made.
    let own_end = nix::sys::socket::socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::empty());
    if let Ok((end, _other)) = own_end {
        let end = UnixDatagram::from(end);
        for path in given.iter().filter_map(|target| target.strip_prefix("path:")) {
            report.attempt(format!("a message to {path} from one's own pair"), end.send_to(b"hello", path));
        }
    }
    for (family, kind, name) in [
        (AddressFamily::Inet, SockType::Raw, "raw packets"),
        (AddressFamily::Packet, SockType::Raw, "packets of the network card"),
        (AddressFamily::Vsock, SockType::Stream, "the machine below"),
        (AddressFamily::Alg, SockType::SeqPacket, "the kernel's ciphers"),
        (AddressFamily::Bluetooth, SockType::Raw, "Bluetooth"),
    ] {
        let protocol: Option<SockProtocol> =
            (kind == SockType::Raw && family == AddressFamily::Inet).then_some(SockProtocol::Icmp);
        report.attempt(name, socket(family, kind, SockFlag::empty(), protocol));
    }
}

/// Anything that answers, or takes what is written.
fn tcp(report: &mut Report, address: &str) {
    let parsed: Result<SocketAddr, _> = address.parse();
    let Ok(address) = parsed else {
        report.attempt(format!("understanding {address}"), Ok::<_, String>(()));
        return;
    };
    report.attempt(format!("connection to {address}"), TcpStream::connect_timeout(&address, LIMIT));
    let datagram = || -> std::io::Result<usize> {
        let own =
            UdpSocket::bind((if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) }, 0))?;
        own.set_read_timeout(Some(Duration::from_millis(200)))?;
        own.connect(address)?;
        own.send(b"hello")?;
        own.recv(&mut [0; 64])
    };
    report.attempt(format!("datagram to {address}"), datagram());
}

fn abstract_socket(report: &mut Report, name: &str) {
    let connected = UnixAddress::from_abstract_name(name).and_then(|address| UnixStream::connect_addr(&address));
    report.attempt(format!("abstract socket {name}"), connected);
}

/// Listens on a port until its standard input ends; answers everybody with a greeting.
pub(crate) fn listen(given: &[String]) -> ExitCode {
    let port = given.first().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => listener,
        Err(error) => {
            println!("cannot listen: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", listener.local_addr().map_or(0, |address| address.port()));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _told = stream.write_all(b"hello\n");
        }
    });
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
