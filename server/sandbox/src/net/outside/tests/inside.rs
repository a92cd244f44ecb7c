//! What the tests do inside: as an ordinary program would, with the sockets of the kernel.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::{ARGUMENTS, HOST, REBOUND, SCENARIO, pattern};
use crate::net::inside::make_network;
use crate::net::{API, API_NAME, NAME_SERVER, NAMES, ROUTER};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest that a refusal may take, which comes without a wait.
const AT_ONCE: Duration = Duration::from_millis(900);

const TYPE_A: u8 = 1;
const TYPE_PTR: u8 = 12;
const TYPE_AAAA: u8 = 28;

pub(super) fn run() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let tun = make_network().expect("a network can be made").expect("there is a TUN driver");
    send_descriptor(&control, &tun);
    drop(tun);
    control.read_exact(&mut [0]).unwrap();
    match scenario.as_str() {
        "transfer" => transfer(port(arguments[0]), arguments[1].parse().unwrap()),
        "crowd" => crowd(port(arguments[0]), arguments[1].parse().unwrap()),
        "datagrams" => datagrams(port(arguments[0])),
        "names" => names(),
        "refusals" => refusals(port(arguments[0])),
        "breaks" => breaks(port(arguments[0])),
        "pings" => pings(),
        "hold" => hold(port(arguments[0]), &mut control),
        other => panic!("there is no scenario {other}"),
    }
}

fn port(text: &str) -> u16 {
    text.parse().unwrap()
}

fn send_descriptor(control: &UnixStream, descriptor: &OwnedFd) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    rustix::net::sendmsg(control, &[IoSlice::new(b"t")], &mut ancillary, SendFlags::empty()).unwrap();
}

fn query(name: &str, kind: u8) -> Vec<u8> {
    let mut bytes = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, kind, 0, 1]);
    bytes
}

/// The code of an answer and, behind the question, its data.
fn ask(name: &str, kind: u8) -> (u8, Vec<u8>) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect((NAME_SERVER, 53)).unwrap();
    let query = query(name, kind);
    socket.send(&query).unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).unwrap();
    // Name, kind, class, time and length come before the data.
    (answer[3] & 15, answer[..length].get(query.len() + 12..).unwrap_or_default().to_vec())
}

fn look_up(name: &str) -> Ipv4Addr {
    let (code, data) = ask(name, TYPE_A);
    assert_eq!(code, 0, "{name}");
    Ipv4Addr::from(<[u8; 4]>::try_from(data).unwrap())
}

fn host(port: u16) -> SocketAddr {
    SocketAddr::from((look_up(HOST), port))
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect_timeout(&host(port), PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn write_pattern(stream: &mut TcpStream, length: u64) {
    let (mut bytes, mut at) = (vec![0; 1 << 16], 0);
    while at < length {
        let part = bytes.len().min((length - at) as usize);
        pattern(at, &mut bytes[..part]);
        stream.write_all(&bytes[..part]).unwrap();
        at += part as u64;
    }
}

fn check_pattern(stream: &mut TcpStream) -> u64 {
    let (mut got, mut expected, mut at) = (vec![0; 1 << 16], vec![0; 1 << 16], 0);
    loop {
        let length = stream.read(&mut got).unwrap();
        if length == 0 {
            return at;
        }
        pattern(at, &mut expected[..length]);
        assert!(got[..length] == expected[..length], "bytes differ at {at}");
        at += length as u64;
    }
}

fn transfer(port: u16, length: u64) {
    let mut stream = connect(port);
    write_pattern(&mut stream, length);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(check_pattern(&mut stream), length);
    let mut stream = connect(port);
    assert_eq!(check_pattern(&mut stream), length);
    write_pattern(&mut stream, length);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn crowd(port: u16, many: usize) {
    let streams: Vec<TcpStream> = (0..many).map(|_| connect(port)).collect();
    let length = 256 * 1024;
    let echoes: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                let writing = std::thread::spawn(move || {
                    write_pattern(&mut writer, length);
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                assert_eq!(check_pattern(&mut stream), length);
                writing.join().unwrap();
            })
        })
        .collect();
    for echo in echoes {
        echo.join().unwrap();
    }
}

fn datagrams(port: u16) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(host(port)).unwrap();
    let mut buffer = vec![0; 1 << 16];
    for length in [0, 1, 1400, 9000, 65_507] {
        let mut sent = vec![0; length];
        pattern(length as u64, &mut sent);
        socket.send(&sent).unwrap();
        let got = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..got] == sent[..], "{got} bytes of {length} came back");
    }
    // One for which nothing is open at the machine, and one that the policy refuses.
    let closed = UdpSocket::bind("0.0.0.0:0").unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (address, expected) in [
        (host(nobody), &[io::ErrorKind::ConnectionRefused][..]),
        (SocketAddr::from(([10, 9, 8, 7], 53)), &[io::ErrorKind::HostUnreachable]),
        (SocketAddr::from((NAMES.first(), 53)), &[io::ErrorKind::ConnectionRefused]),
    ] {
        closed.set_read_timeout(Some(PATIENCE)).unwrap();
        closed.connect(address).unwrap();
        closed.send(b"x").unwrap();
        let error = closed.recv(&mut buffer).expect_err("nobody answers");
        assert!(expected.contains(&error.kind()), "{address}: {error}");
    }
}

fn names() {
    let address = look_up(HOST);
    assert!(NAMES.contains(IpAddr::V4(address)));
    assert_eq!(look_up(&HOST.to_uppercase()), address, "names have no case");
    assert_eq!(ask(HOST, TYPE_AAAA), (0, Vec::new()));
    assert_eq!(ask("none.test", TYPE_A).0, 3);
    assert_eq!(ask("no name", TYPE_A).0, 3);
    let [a, b, c, d] = address.octets();
    let (code, name) = ask(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), TYPE_PTR);
    assert_eq!((code, name.as_slice()), (0, &b"\x04host\x04test\x00"[..]));
    for (name, _) in REBOUND {
        assert_eq!(ask(name, TYPE_A).0, 3, "{name}");
    }
    by_connection(address);
    assert_eq!(look_up(API_NAME), API);
    let mut text = String::new();
    TcpStream::connect((API, 80)).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "the api");
    assert!(TcpStream::connect((API, 81)).is_err());
}

/// The same questions over TCP, two of them in one connection, the second in small parts.
fn by_connection(expected: Ipv4Addr) {
    let mut stream = TcpStream::connect((NAME_SERVER, 53)).unwrap();
    let query = query(HOST, TYPE_A);
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend(&query);
    stream.write_all(&framed).unwrap();
    for byte in framed {
        stream.write_all(&[byte]).unwrap();
    }
    for _ in 0..2 {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(&expected.octets()));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn refusals(closed: u16) {
    let elsewhere = |address: [u8; 4]| SocketAddr::from((address, 80));
    for address in [
        elsewhere([169, 254, 169, 254]),
        elsewhere([10, 9, 8, 7]),
        elsewhere([192, 0, 2, 1]),
        elsewhere([198, 18, 77, 77]),
        SocketAddr::from((ROUTER, 80)),
        host(closed),
    ] {
        let start = Instant::now();
        let error = TcpStream::connect_timeout(&address, PATIENCE).expect_err("it is refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{address}");
        assert!(start.elapsed() < AT_ONCE, "{address} took {:?}", start.elapsed());
    }
}

fn breaks(port: u16) {
    let mut stream = connect(port);
    stream.read_exact(&mut [0]).unwrap();
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    let mut stream = connect(port);
    stream.write_all(b"x").unwrap();
    let error = stream.read(&mut [0; 8]).expect_err("the other side breaks it off");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

fn pings() {
    let host = look_up(HOST);
    for address in [ROUTER, NAME_SERVER, host] {
        assert!(ping(address, PATIENCE), "{address}");
    }
    assert!(!ping(Ipv4Addr::new(1, 1, 1, 1), Duration::from_millis(100)), "nobody says that it is there");
}

fn ping(address: Ipv4Addr, patience: Duration) -> bool {
    use rustix::net::{AddressFamily, SocketType, ipproto};
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).unwrap();
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(patience)).unwrap();
    let mut echo = [8, 0, 0, 0, 0, 1, 0, 2, b'p', b'i', b'n', b'g'];
    let sum: u32 = echo.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    echo[2..4].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    rustix::net::sendto(&socket, &echo, SendFlags::empty(), &SocketAddr::from((address, 0))).unwrap();
    let mut answer = [0; 64];
    match rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty()) {
        // Behind the header of IP: an answer with the same numbers and data.
        Ok((length, _)) => answer[20] == 0 && answer[24..length] == echo[4..] && answer[12..16] == address.octets(),
        Err(rustix::io::Errno::AGAIN) => false,
        Err(error) => panic!("{error}"),
    }
}

fn hold(port: u16, control: &mut UnixStream) {
    let mut stream = connect(port);
    stream.write_all(b"x").unwrap();
    // Until the test is done.
    assert_eq!(control.read(&mut [0]).unwrap(), 0);
}
