//! The whole network, with a real kernel at its inner end: each test starts this test program again in a user namespace
//! of its own, which makes its network as an agent does and then does what the test is about.

mod inside;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::*;
use crate::net::netlink::{self, Route};
use crate::net::policy::{NetworkMode, Refusal};

/// Says to this program, started again, what to do inside.
const SCENARIO: &str = "CODITECT_TEST_NET_SCENARIO";
const ARGUMENTS: &str = "CODITECT_TEST_NET_ARGUMENTS";
/// Longest that a test may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The name of the machine that the tests run on, as the double's name server knows it.
const HOST: &str = "host.test";
/// A name for which no answer ever comes.
const SLOW: &str = "slow.test";
/// Names that lead where they should not.
const REBOUND: [(&str, &str); 3] =
    [("metadata.test", "169.254.169.254"), ("private.test", "10.11.12.13"), ("mapped.test", "::ffff:127.0.0.2")];

/// This machine, with a name server of the test's own.
struct Double;

impl Machine for Double {
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match name.trim_end_matches('.') {
                HOST => Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
                SLOW => std::future::pending().await,
                name => match REBOUND.iter().find(|(known, _)| *known == name) {
                    Some((_, address)) => Ok(vec![address.parse().unwrap()]),
                    None => Err(io::Error::other("no such name")),
                },
            }
        })
    }

    fn route_to(&self, address: IpAddr) -> io::Result<Route> {
        netlink::route_to(address)
    }
}

/// A sandbox's network, with a program inside.
struct Sandbox {
    program: Child,
    serving: JoinHandle<io::Result<()>>,
    cancel: CancellationToken,
    events: mpsc::Receiver<NetworkEvent>,
    control: StdUnixStream,
}

impl Sandbox {
    async fn start(scenario: &str, arguments: &[String], allow: &[&str], api: Option<SocketAddr>) -> Self {
        let (control, theirs) = StdUnixStream::pair().unwrap();
        let program = start_program(scenario, arguments, theirs);
        let (control, tun) = tokio::task::spawn_blocking(move || {
            let tun = receive_descriptor(&control);
            (control, tun)
        })
        .await
        .unwrap();
        let policy = NetworkPolicy {
            mode: NetworkMode::Open,
            allow: allow.iter().map(|entry| entry.parse().unwrap()).collect(),
        };
        let (sender, events) = mpsc::channel(1000);
        let (_, api) = watch::channel(api);
        let cancel = CancellationToken::new();
        let serving = tokio::spawn(serve_on(Box::new(Double), tun, policy, api, sender, cancel.clone()));
        io::Write::write_all(&mut (&control), b"g").unwrap();
        Self { program, serving, cancel, events, control }
    }

    /// Waits for the program to have done its part, and ends everything.
    async fn finish(mut self) -> Vec<(Denied, u64)> {
        let status = tokio::time::timeout(PATIENCE, self.program.wait()).await.expect("the program is done").unwrap();
        assert!(status.success(), "the program inside failed: {status}");
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("serving ends").unwrap().unwrap();
        drop(self.control);
        let mut told = Vec::new();
        while let Some(NetworkEvent::Denied { what, times }) = self.events.recv().await {
            told.push((what, times));
        }
        told
    }
}

#[expect(unsafe_code, reason = "a process enters namespaces between fork and exec")]
fn start_program(scenario: &str, arguments: &[String], control: StdUnixStream) -> Child {
    let this_test = concat!(module_path!(), "::inside").split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", this_test, "--nocapture", "--test-threads=1"])
        .env(SCENARIO, scenario)
        .env(ARGUMENTS, arguments.join(" "))
        .stdin(Stdio::from(OwnedFd::from(control)))
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let uid_map = format!("0 {} 1", rustix::process::getuid().as_raw());
    let gid_map = format!("0 {} 1", rustix::process::getgid().as_raw());
    let enter = move || {
        // SAFETY: no table of descriptors is unshared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER)? };
        for (file, text) in [
            (c"/proc/self/setgroups", "deny"),
            (c"/proc/self/uid_map", uid_map.as_str()),
            (c"/proc/self/gid_map", gid_map.as_str()),
        ] {
            let file = rustix::fs::open(file, rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty())?;
            rustix::io::write(file, text.as_bytes())?;
        }
        Ok(())
    };
    // SAFETY: what runs between fork and exec makes system calls and nothing else.
    unsafe { command.pre_exec(enter) };
    command.spawn().expect("user namespaces are allowed here")
}

fn receive_descriptor(control: &StdUnixStream) -> OwnedFd {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [io::IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(control, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let descriptors = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.and_then(|mut descriptors| descriptors.next()).expect("a network was made inside")
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

/// Bytes that tell their place, so that a gap or a swap shows.
fn pattern(at: u64, bytes: &mut [u8]) {
    for (offset, byte) in bytes.iter_mut().enumerate() {
        let place = at + offset as u64;
        *byte = (place ^ (place >> 8) ^ (place >> 17)) as u8;
    }
}

async fn check_pattern(stream: &mut TcpStream) -> u64 {
    let (mut got, mut expected, mut at) = (vec![0; 1 << 16], vec![0; 1 << 16], 0);
    loop {
        let length = stream.read(&mut got).await.unwrap();
        if length == 0 {
            return at;
        }
        pattern(at, &mut expected[..length]);
        assert!(got[..length] == expected[..length], "bytes differ at {at}");
        at += length as u64;
    }
}

async fn write_pattern(stream: &mut TcpStream, length: u64) {
    let (mut bytes, mut at) = (vec![0; 1 << 16], 0);
    while at < length {
        let part = bytes.len().min((length - at) as usize);
        pattern(at, &mut bytes[..part]);
        stream.write_all(&bytes[..part]).await.unwrap();
        at += part as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_megabytes_each_way_with_half_closes() {
    let (listener, port) = listener().await;
    let length = 100 * 1024 * 1024;
    let server = tokio::spawn(async move {
        // First the sandbox says all and then hears all; then the other way round.
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(check_pattern(&mut stream).await, length);
        write_pattern(&mut stream, length).await;
        stream.shutdown().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        write_pattern(&mut stream, length).await;
        stream.shutdown().await.unwrap();
        assert_eq!(check_pattern(&mut stream).await, length);
    });
    let sandbox = Sandbox::start("transfer", &[port, length.to_string()], &["127.0.0.1"], None).await;
    // What the program has written may still be on its way when it has ended.
    tokio::time::timeout(PATIENCE, server).await.expect("all arrives").unwrap();
    assert_eq!(sandbox.finish().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_at_once() {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let mut echoes = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (mut stream, _) = listener.accept().await.unwrap();
            echoes.spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await.unwrap();
            });
        }
        echoes.join_all().await;
    });
    let sandbox = Sandbox::start("crowd", &[port, "200".to_owned()], &["127.0.0.1"], None).await;
    assert_eq!(sandbox.finish().await, []);
    server.await.unwrap();
}

#[tokio::test]
async fn datagrams_go_both_ways_and_refusals_are_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    });
    let sandbox = Sandbox::start("datagrams", &[port.to_string()], &["127.0.0.1"], None).await;
    let told = sandbox.finish().await;
    echo.abort();
    assert!(
        told.iter().any(|(what, _)| what.refusal == Refusal::Private && what.transport == Transport::Udp),
        "{told:?}"
    );
}

#[tokio::test]
async fn names_are_answered_and_lead_where_they_should() {
    let (api, _) = listener().await;
    let address = api.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = api.accept().await.unwrap();
        stream.write_all(b"the api").await.unwrap();
    });
    let sandbox = Sandbox::start("names", &[], &["127.0.0.1"], Some(address)).await;
    let told = sandbox.finish().await;
    server.await.unwrap();
    for (name, address) in REBOUND {
        let address: IpAddr = address.parse().unwrap();
        let of_it = |what: &Denied| what.name.as_deref() == Some(name) && what.address == Some(address.to_canonical());
        assert!(told.iter().any(|(what, _)| of_it(what) && what.transport == Transport::Lookup), "{name}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_reset_at_once_and_told() {
    let (listener, closed) = listener().await;
    drop(listener);
    let sandbox = Sandbox::start("refusals", &[closed], &["127.0.0.1"], None).await;
    let told = sandbox.finish().await;
    for (address, refusal) in [
        ("169.254.169.254", Refusal::Metadata),
        ("10.9.8.7", Refusal::Private),
        ("192.0.2.1", Refusal::Reserved),
        ("198.18.77.77", Refusal::Forgotten),
        ("127.0.0.1", Refusal::Unreachable),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let found = told.iter().find(|(what, _)| what.address == Some(address) && what.refusal == refusal);
        assert!(found.is_some(), "{address}: {told:?}");
    }
}

#[tokio::test]
async fn breaks_are_breaks_at_both_ends() {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"x").await.unwrap();
        let error = stream.read(&mut [0; 8]).await.expect_err("the sandbox breaks it off");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    let sandbox = Sandbox::start("breaks", &[port], &["127.0.0.1"], None).await;
    sandbox.finish().await;
    server.await.unwrap();
}

#[tokio::test]
async fn pings_are_answered_for_what_could_be_reached() {
    Sandbox::start("pings", &[], &["127.0.0.1"], None).await.finish().await;
}

/// Waits for a condition, without saying how long it takes.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it holds in the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_ends_everything_ends() {
    let (listener, port) = listener().await;
    let mut sandbox = Sandbox::start("hold", &[port], &["127.0.0.1"], None).await;
    let (mut held, _) = listener.accept().await.unwrap();
    held.read_exact(&mut [0]).await.unwrap();
    sandbox.cancel.cancel();
    tokio::time::timeout(PATIENCE, sandbox.serving).await.unwrap().unwrap().unwrap();
    let error = held.read(&mut [0; 8]).await.expect_err("what is cut short does not look complete");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    drop(sandbox.control);
    sandbox.program.wait().await.unwrap();
    let handle = tokio::runtime::Handle::current();
    eventually(|| handle.metrics().num_alive_tasks() == 0).await;
}

/// A device that is no device: what a test writes comes from the sandbox.
fn double_device() -> (OwnedFd, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

/// Sends what opens a connection, from any port to any address; waits where the other end does not keep up.
async fn send_opening(device: &OwnedFd, source: u16, to: Ipv4Addr, port: u16) {
    let mut bytes = vec![0; super::super::PACKET_INFO_BYTES];
    bytes.extend([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15]);
    bytes.extend(to.octets());
    bytes.extend(source.to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let mut sent = || match rustix::io::write(device.as_fd(), &bytes) {
        Err(rustix::io::Errno::AGAIN) => false,
        other => other.is_ok(),
    };
    eventually(&mut sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_openings_is_bounded() {
    flood(u16::MAX, Places::of_all(), limits::CONNECTIONS_AT_ONCE as usize..=limits::MAX_CONNECTIONS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_openings_leaves_places_to_others() {
    let places = Box::leak(Box::new(Places::new(100, 0)));
    flood(200, places, 50..=50).await;
    assert_eq!(places.connections.taken(), 0);
}

async fn flood(openings: u16, places: &'static Places, expected: std::ops::RangeInclusive<usize>) {
    let (ours, theirs) = double_device();
    let policy = NetworkPolicy { mode: NetworkMode::Open, allow: Vec::new() };
    let (sender, _events) = mpsc::channel(1);
    let (_, api) = watch::channel(None);
    let gate = Gate::new(policy, Box::new(Double), api);
    let slow = gate.names().address_of(SLOW).unwrap();
    let shared = Arc::new(Shared {
        tun: Tun::new(theirs).unwrap(),
        gate,
        questions: Questions::new(),
        events: Events::new(sender),
        places,
    });
    let cancel = CancellationToken::new();
    let serving = tokio::spawn(Router::new(Arc::clone(&shared)).run(cancel.clone()));
    for source in 1..=openings {
        send_opening(&ours, source, slow, 80).await;
    }
    let handle = tokio::runtime::Handle::current();
    eventually(|| handle.metrics().num_alive_tasks() > *expected.start()).await;
    let tasks = handle.metrics().num_alive_tasks();
    // The router's own comes on top.
    assert!((*expected.start()..=expected.end() + 2).contains(&tasks), "{tasks} tasks");
    cancel.cancel();
    serving.await.unwrap().unwrap();
    eventually(|| handle.metrics().num_alive_tasks() == 0).await;
    // Nothing keeps a name in use for nobody.
    assert!(shared.gate.names().address_of("another.test").is_some());
}

#[tokio::test]
async fn a_device_that_fails_ends_it() {
    let (ours, theirs) = double_device();
    let policy = NetworkPolicy { mode: NetworkMode::Open, allow: Vec::new() };
    let (sender, _events) = mpsc::channel(1);
    let (_, api) = watch::channel(None);
    let serving = tokio::spawn(serve_on(Box::new(Double), theirs, policy, api, sender, CancellationToken::new()));
    drop(ours);
    assert!(tokio::time::timeout(PATIENCE, serving).await.expect("it ends").unwrap().is_err());
}

/// What this program does when it is started again, inside.
#[test]
fn inside() {
    inside::run();
}
