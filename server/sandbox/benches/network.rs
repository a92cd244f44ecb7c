//! `cargo bench -p coditect-sandbox --bench network`: how fast a sandbox's network is, beside a direct connection over
//! loopback and, where they are installed, beside pasta and slirp4netns, all in one run. Prints a table.
//!
//! The program starts itself again for the inner end: `measure ADDRESS BULK CONNECTIONS` in a network namespace.

use std::error::Error;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coditect_sandbox::net::{NetworkMode, NetworkPolicy, inside, outside};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes carried each way, and through how many connections.
const BULK: u64 = 1024 * 1024 * 1024;
/// Connections made one after another, each with a byte there and back.
const CONNECTIONS: u32 = 1000;
const CHUNK: usize = 256 * 1024;
/// Longest measurement.
const LONGEST: Duration = Duration::from_secs(90);
/// Longest wait for a helper to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("measure") => measure(arguments[2].parse()?),
        Some("sandboxed") => sandboxed(&arguments[2]),
        _ => compare(),
    }
}

/// What is told by the inner end: bytes a second out and in, connections a second.
struct Figures(Vec<f64>);

fn compare() -> Outcome<()> {
    let port = serve()?;
    println!("{:14} {:>12} {:>12} {:>16}", "", "out MB/s", "in MB/s", "connections/s");
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    print("loopback", finish(start(&["measure", &local.to_string()], None)?));
    print("coditect", with_coditect(port));
    print("pasta", with_pasta(port));
    print("slirp4netns", with_slirp(port));
    Ok(())
}

fn print(name: &str, figures: Outcome<Figures>) {
    match figures {
        Ok(Figures(figures)) => {
            let megabytes = |index: usize| figures.get(index).copied().unwrap_or_default() / 1e6;
            let connections = figures.get(2).copied().unwrap_or_default();
            println!("{name:14} {:>12.0} {:>12.0} {connections:>16.0}", megabytes(0), megabytes(1));
        }
        Err(error) => println!("{name:14} not measured: {error}"),
    }
}

/// The far end: a first byte says what a connection is for.
fn serve() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut what = [0];
    stream.read_exact(&mut what)?;
    match what[0] {
        b'o' => {
            take(&mut stream)?;
            stream.write_all(b"!")
        }
        b'i' => give(&mut stream),
        _ => stream.write_all(b"!"),
    }
}

fn take(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn give(stream: &mut TcpStream) -> std::io::Result<()> {
    let buffer = vec![7; CHUNK];
    for _ in 0..BULK / CHUNK as u64 {
        stream.write_all(&buffer)?;
    }
    Ok(())
}

/// The inner end.
fn measure(to: SocketAddr) -> Outcome<()> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(b"o")?;
    give(&mut stream)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    let out = BULK as f64 / start.elapsed().as_secs_f64();

    let start = Instant::now();
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(b"i")?;
    take(&mut stream)?;
    let into = BULK as f64 / start.elapsed().as_secs_f64();

    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(to)?;
        stream.write_all(b"c")?;
        stream.read_exact(&mut [0])?;
    }
    println!("{out} {into} {}", f64::from(CONNECTIONS) / start.elapsed().as_secs_f64());
    Ok(())
}

#[expect(unsafe_code, reason = "a process enters namespaces between fork and exec")]
fn start(arguments: &[&str], control: Option<UnixStream>) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdout(Stdio::piped());
    if let Some(control) = control {
        command.stdin(OwnedFd::from(control));
        let uid_map = format!("0 {} 1", rustix::process::getuid().as_raw());
        let enter = move || {
            // SAFETY: no table of descriptors is unshared.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER)? };
            let flags = rustix::fs::OFlags::WRONLY;
            let file = rustix::fs::open(c"/proc/self/uid_map", flags, rustix::fs::Mode::empty())?;
            rustix::io::write(file, uid_map.as_bytes())?;
            Ok(())
        };
        // SAFETY: what runs between fork and exec makes system calls and nothing else.
        unsafe { command.pre_exec(enter) };
    }
    Ok(command.spawn()?)
}

fn finish(mut child: Child) -> Outcome<Figures> {
    let start = Instant::now();
    // What it prints fits in its pipe.
    while child.try_wait()?.is_none() {
        if start.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Err("it took too long".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status).into());
    }
    let figures = String::from_utf8(output.stdout)?;
    Ok(Figures(figures.split_whitespace().map(str::parse).collect::<Result<_, _>>()?))
}

/// Makes a network as an agent does, and measures through it.
fn sandboxed(to: &str) -> Outcome<()> {
    let mut control = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let tun = inside::make_network()?.ok_or("there is no TUN driver")?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [tun.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(&control, &[IoSlice::new(b"t")], &mut ancillary, SendFlags::empty())?;
    control.read_exact(&mut [0])?;
    measure(to.parse()?)
}

fn receive(control: &UnixStream) -> Outcome<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(control, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptors.next().ok_or_else(|| "no network was made inside".into())
}

/// The far end goes for the server's API: the one place that a sandbox reaches at the machine without a name server.
fn with_coditect(port: u16) -> Outcome<Figures> {
    let (mut control, theirs) = UnixStream::pair()?;
    let to = SocketAddr::from((coditect_sandbox::net::API, coditect_sandbox::net::API_PORT));
    let child = start(&["sandboxed", &to.to_string()], Some(theirs))?;
    let tun = receive(&control)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (_api, api) = watch::channel(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    let (sender, _events) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let policy = NetworkPolicy { mode: NetworkMode::Open, allow: Vec::new() };
    let serving = runtime.spawn(outside::serve(tun, policy, api, sender, cancel.clone()));
    control.write_all(b"g")?;
    let figures = finish(child);
    cancel.cancel();
    runtime.block_on(serving)??;
    figures
}

/// Its router's address leads to the machine's loopback.
fn with_pasta(port: u16) -> Outcome<Figures> {
    let router = "10.0.2.2";
    let program = std::env::current_exe()?;
    let to = format!("{router}:{port}");
    // Root would become somebody else, who may not make the namespaces.
    let root: &[&str] = if rustix::process::getuid().is_root() { &["--runas", "0"] } else { &[] };
    let child = Command::new("pasta")
        .args(root)
        .args([
            "--config-net",
            "--quiet",
            "-4",
            "-a",
            "10.0.2.15",
            "-n",
            "24",
            "-g",
            router,
            "-t",
            "none",
            "-u",
            "none",
        ])
        .args(["-T", "none", "-U", "none", "--"])
        .arg(program)
        .args(["measure", &to])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    finish(child)
}

/// It is given the namespace of a process that waits in it, and its router's address leads to the machine's loopback
/// too.
fn with_slirp(port: u16) -> Outcome<Figures> {
    let script = "read -r go && exec \"$0\" measure \"$1\"";
    let mut inner = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", script])
        .arg(std::env::current_exe()?)
        .arg(format!("10.0.2.2:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let own = std::fs::read_link("/proc/self/ns/net")?;
    let theirs = format!("/proc/{}/ns/net", inner.id());
    wait_for(|| std::fs::read_link(&theirs).is_ok_and(|theirs| theirs != own))?;
    let (mut ready, ready_theirs) = std::io::pipe()?;
    let mut slirp = Command::new("sh")
        .args(["-c", "exec slirp4netns --configure --mtu=65520 --ready-fd=1 \"$0\" tap0 2>/dev/null"])
        .arg(inner.id().to_string())
        .stdout(ready_theirs)
        .spawn()?;
    let is_ready = ready.read_exact(&mut [0]).map_err(|_| "slirp4netns does not start");
    let figures = is_ready.map_err(Into::into).and_then(|()| {
        if let Some(mut go) = inner.stdin.take() {
            go.write_all(b"go\n")?;
        }
        finish(inner)
    });
    slirp.kill()?;
    slirp.wait()?;
    figures
}

fn wait_for(mut holds: impl FnMut() -> bool) -> Outcome<()> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > PATIENCE {
            return Err("it did not start in time".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
