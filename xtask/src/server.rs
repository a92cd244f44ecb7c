//! Starting the server, and waiting for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::children::{Running, service};

/// How long a program may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(20);
/// How long one question may take.
const ASK_LIMIT: Duration = Duration::from_secs(3);

/// What the server is started with.
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) web: PathBuf,
    pub(crate) theia: PathBuf,
    /// Further flags, as they are.
    pub(crate) flags: Vec<String>,
}

impl Options {
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = service(&self.program);
        command.arg("serve").arg("--listen").arg(self.listen.to_string()).arg("--data").arg(&self.data);
        command.arg("--web-dir").arg(&self.web).arg("--theia-dir").arg(&self.theia).args(&self.flags);
        command
    }
}

/// Starts the server and waits until it answers.
pub(crate) fn start(options: &Options) -> Result<Running> {
    let mut running = Running::start(&mut options.command())?;
    wait(&mut running, "the server", options.listen, "/health")?;
    Ok(running)
}

/// Waits until `path` answers 200.
pub(crate) fn wait(running: &mut Running, name: &str, address: SocketAddr, path: &str) -> Result<()> {
    let deadline = Instant::now() + READY_LIMIT;
    while status(address, path) != Some(200) {
        if let Some(status) = running.ended() {
            bail!("{name} ended before it was ready ({status}); its last words are above");
        }
        if Instant::now() > deadline {
            bail!("{name} does not answer at http://{address}{path} after {} s", READY_LIMIT.as_secs());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Status of `GET path`, where there is an answer.
pub(crate) fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&reachable(address), ASK_LIMIT).ok()?;
    stream.set_read_timeout(Some(ASK_LIMIT)).ok()?;
    // In one piece: what is written bit by bit may meet a server that has answered the first.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.rsplit(' ').next()?.parse().ok()
}

/// An address that listens everywhere is reached at the loopback.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

/// Stops with the port and the flag when the port is taken.
pub(crate) fn require_free(listen: SocketAddr) -> Result<()> {
    let Err(error) = TcpListener::bind(listen) else { return Ok(()) };
    match error.kind() {
        std::io::ErrorKind::AddrInUse => bail!(
            "port {} of {} is taken by another program: stop that program, or choose another port with --listen {}",
            listen.port(),
            listen.ip(),
            SocketAddr::new(listen.ip(), listen.port().checked_add(1).unwrap_or(8700))
        ),
        std::io::ErrorKind::PermissionDenied => {
            bail!(
                "port {} may not be opened by this user: choose one above 1023 with --listen {}:8700",
                listen.port(),
                listen.ip()
            )
        }
        std::io::ErrorKind::AddrNotAvailable => {
            bail!(
                "{} is no address of this machine: choose one that is with --listen 127.0.0.1:{}",
                listen.ip(),
                listen.port()
            )
        }
        _ => {
            Err(error).with_context(|| format!("{listen} cannot be listened on; choose another address with --listen"))
        }
    }
}

/// A port of the loopback that is free at the moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
    listener.local_addr().context("there is no free port")
}

/// The first administrator, as the server wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct FirstLogin {
    #[serde(alias = "email")]
    pub(crate) login: String,
    pub(crate) password: String,
}

pub(crate) fn first_login(data: &Path) -> Option<FirstLogin> {
    serde_json::from_slice(&std::fs::read(data.join("first-login.json")).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_flag() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let error = require_free(address).unwrap_err().to_string();
        assert!(error.contains(&format!("port {}", address.port())) && error.contains("--listen"), "{error}");
        drop(taken);
        require_free(address).unwrap();
    }

    #[test]
    fn the_status_is_read_from_the_answer() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 256];
                let read = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
        });
        assert_eq!(status(address, "/health"), Some(503));
        server.join().unwrap();
        assert_eq!(status(address, "/health"), None);
    }

    #[test]
    fn everywhere_is_reached_at_the_loopback() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()).to_string(), "127.0.0.1:1");
        assert_eq!(reachable("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
    }
}
