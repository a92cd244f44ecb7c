use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Mutex;

use coditect_protocol::plugin::Capability;
use coditect_sandbox::net::address::{self, Owner};

use super::*;
pub(crate) use server::Stream;
use server::{Seen, Server, answer};

mod exchanges;
mod guarded;
mod pieces;
mod server;

/// In these tests, addresses of the loopback network stand for others: 127.0.0.2 for one in the internet, 127.0.0.3 for one in a private
/// network. All others are what they are.
#[derive(Default)]
struct Fake {
    /// What a name server answers: one after another, the last for good.
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn new(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let addresses = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        let answers =
            |(name, answers): &(&str, &[&[&str]])| ((*name).to_owned(), answers.iter().map(addresses).collect());
        Arc::new(Self { names: Mutex::new(names.iter().map(answers).collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Machine for Fake {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut names = self.names.lock().unwrap();
        let answers = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }

    fn owner(&self, address: IpAddr) -> Owner {
        match address.to_string().as_str() {
            "127.0.0.2" => Owner::Public,
            "127.0.0.3" => Owner::Private,
            _ => address::owner(address).0,
        }
    }
}

fn http(machine: Arc<Fake>, servers: &[&Server]) -> Http {
    let http = Http::new(machine);
    let mut roots = rustls::RootCertStore::empty();
    for server in servers {
        roots.add(server.certificate.clone()).unwrap();
    }
    assert!(http.inner.tls.set(Some(tls::trusting(roots).unwrap())).is_ok());
    http
}

fn hosts(patterns: &[&str], private: bool) -> Rights {
    let hosts = patterns.iter().map(|&text| text.to_owned()).collect();
    Rights::new(vec![Capability::Http { hosts, private }])
}

fn get(url: &str) -> Request {
    Request { method: "GET".to_owned(), url: url.to_owned(), ..Request::default() }
}

/// Sends a request for one person, where the operator allows what the person does.
async fn send(http: &Http, request: Request, rights: &Rights) -> Result<Response, Unsent> {
    http.send(request, Asking { who: 1, rights, may_private: true, until: None }).await
}

/// What a request that is not sent comes to, in a word.
fn word<T>(sent: &Result<T, Unsent>) -> &'static str {
    match sent {
        Ok(_) => "sent",
        Err(Unsent::NotGranted { is_redirect: false, .. }) => "not granted",
        Err(Unsent::NotGranted { is_redirect: true, .. }) => "redirect not granted",
        Err(Unsent::Refused { why, .. }) => match why {
            Refused::Denied(_) => "denied",
            Refused::Limit(_) => "limit",
            Refused::Invalid(_) => "invalid",
            Refused::Unavailable(_) => "unavailable",
            Refused::Failed(_) => "failed",
            Refused::NotFound(_) | Refused::Conflict(_) => "other",
        },
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
