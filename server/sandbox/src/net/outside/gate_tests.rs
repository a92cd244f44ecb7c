use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::*;
use crate::net::policy::Refusal::{Metadata, NoSuchName, NotAllowed, Private, Reserved};

/// A machine whose name server answers what a test says, each time the next.
#[derive(Default)]
struct Double {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
    own: Vec<IpAddr>,
}

impl Double {
    fn with(mut self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|one| one.iter().map(|text| text.parse().unwrap()).collect()).collect();
        self.answers.get_mut().unwrap().insert(name.to_owned(), answers);
        self
    }
}

impl Machine for Double {
    fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let name = name.trim_end_matches('.').to_owned();
        let mut answers = self.answers.lock().unwrap();
        let found = answers.get_mut(&name).map(|left| if left.len() > 1 { left.remove(0) } else { left[0].clone() });
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }

    fn route_to(&self, address: IpAddr) -> io::Result<Route> {
        Ok(if self.own.contains(&address) { Route::Own } else { Route::Away })
    }
}

fn gate(double: Double, mode: NetworkMode, allow: &[&str]) -> Gate {
    let allow = allow.iter().map(|entry| entry.parse().unwrap()).collect();
    let (_, api) = watch::channel(None);
    Gate::new(NetworkPolicy { mode, allow }, Box::new(double), api)
}

fn named(gate: &Gate, name: &str) -> Target {
    let address = gate.names.address_of(name).unwrap();
    gate.target(address, 80).unwrap()
}

#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_new() {
    // Public when it is looked up, and the machine, its metadata and a private network when it is connected to.
    let rebinding: &[&[&str]] =
        &[&["93.184.216.34"], &["127.0.0.1"], &["169.254.169.254"], &["::ffff:10.0.0.1"], &["fd00::1"], &["0.0.0.0"]];
    let gate = gate(Double::default().with("evil.org", rebinding), NetworkMode::Open, &[]);
    gate.look_up("evil.org").await.unwrap();
    let target = named(&gate, "evil.org");
    for expected in [Reserved, Metadata, Private, Private, Refusal::Unusable] {
        assert_eq!(gate.connect(&target, 80).await.unwrap_err().refusal, expected);
    }
    assert!(gate.bind(&target, 80).await.is_err());
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The name has one answer for each question: were it resolved twice for a connection, the second would be used.
    let double = Double::default().with("a.org", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let asked = Arc::clone(&double.asked);
    let gate = gate(double, NetworkMode::Hosts, &["a.org", "127.0.0.1"]);
    let (stream, _) = gate.connect(&named(&gate, "a.org"), port).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_ones_are_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let double = Double::default().with("a.org", &[&["10.0.0.1", "127.0.0.2", "169.254.169.254", "127.0.0.1"]]);
    let gate = gate(double, NetworkMode::Open, &["127.0.0.1"]);
    let target = named(&gate, "a.org");
    let allowed = gate.addresses(&target, port).await.unwrap();
    assert_eq!(allowed, [listener.local_addr().unwrap()]);
    assert!(gate.connect(&target, port).await.is_ok());
}

#[tokio::test]
async fn the_machines_own_addresses_are_its_own() {
    let own = "93.184.216.34".parse().unwrap();
    let double = Double { own: vec![own], ..Double::default() }.with("a.org", &[&["93.184.216.34"]]);
    let gate = gate(double, NetworkMode::Open, &["a.org", "93.184.216.0/24"]);
    let refused = gate.look_up("a.org").await.unwrap_err();
    assert_eq!(refused, Refused { address: Some(own), refusal: Reserved });
}

#[tokio::test]
async fn what_is_not_admitted_is_not_even_asked_for() {
    let double = Double::default().with("b.org", &[&["93.184.216.34"]]);
    let asked = Arc::clone(&double.asked);
    let gate = gate(double, NetworkMode::Hosts, &["a.org"]);
    assert_eq!(gate.look_up("b.org").await.unwrap_err().refusal, NotAllowed);
    assert_eq!(gate.connect(&named(&gate, "b.org"), 80).await.unwrap_err().refusal, NotAllowed);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(gate.look_up("a.org").await.unwrap_err().refusal, NoSuchName);
}

#[tokio::test]
async fn addresses_stand_for_what_they_should() {
    let gate = gate(Double::default(), NetworkMode::Open, &["10.0.2.2"]);
    assert!(matches!(gate.target(NAME_SERVER, 53), Ok(Target::NameServer)));
    assert_eq!(gate.target(NAME_SERVER, 54).unwrap_err(), Refusal::Unreachable);
    assert_eq!(gate.target(ROUTER, 80).unwrap_err(), Refusal::Unreachable, "the sandbox's own network is its own");
    assert_eq!(gate.target(API, 80).unwrap_err(), Refusal::Unreachable, "no server is there");
    assert_eq!(gate.target(Ipv4Addr::new(198, 18, 9, 9), 80).unwrap_err(), Refusal::Forgotten);
    assert!(matches!(gate.target(Ipv4Addr::new(1, 1, 1, 1), 80), Ok(Target::Address(_))));
    assert!(gate.answers_echo(ROUTER) && !gate.answers_echo(Ipv4Addr::new(1, 1, 1, 1)) && !gate.answers_echo(API));
    let address = gate.names.address_of("a.org").unwrap();
    assert!(gate.answers_echo(address));
}

#[tokio::test]
async fn the_api_follows_the_server_and_asks_no_policy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sender, api) = watch::channel(Some(listener.local_addr().unwrap()));
    let policy = NetworkPolicy { mode: NetworkMode::Hosts, allow: Vec::new() };
    let open = Gate::new(policy, Box::new(Double::default()), api.clone());
    let target = open.target(API, API_PORT).unwrap();
    let connected = open.connect(&target, API_PORT).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().1.ip(), API_CLIENT, "not where a proxy on this machine comes from");
    assert!(open.target(API, 443).is_err());
    // There are only so many at once.
    let mut others = Vec::new();
    for _ in 1..MAX_API_CONNECTIONS {
        others.push(open.connect(&target, API_PORT).await.unwrap());
    }
    assert!(open.connect(&target, API_PORT).await.is_err());
    drop(connected);
    others.push(open.connect(&target, API_PORT).await.unwrap());
    let policy = NetworkPolicy { mode: NetworkMode::None, allow: Vec::new() };
    assert!(Gate::new(policy, Box::new(Double::default()), api).target(API, API_PORT).is_err());
    sender.send_replace(None);
    assert!(open.connect(&target, API_PORT).await.is_err());
}

#[tokio::test]
async fn one_host_is_all_there_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_keep, api) = watch::channel(Some(listener.local_addr().unwrap()));
    let policy = NetworkPolicy::one_host(&["127.0.0.1".parse().unwrap()], port).unwrap();
    let double = Double::default().with("a.org", &[&["127.0.0.1"]]);
    let gate = Gate::new(policy, Box::new(double), api.clone());
    let host = gate.target(HOST, port).unwrap();
    let _stream = gate.connect(&host, port).await.unwrap();
    listener.accept().await.unwrap();
    assert_eq!(gate.connect(&host, port ^ 1).await.unwrap_err().refusal, Reserved, "another port");
    assert!(gate.target(API, API_PORT).is_err() && gate.api().is_none());
    assert_eq!(gate.look_up("a.org").await.unwrap_err().refusal, NotAllowed);
    let other = gate.target(Ipv4Addr::new(93, 184, 216, 34), port).unwrap();
    assert_eq!(gate.connect(&other, port).await.unwrap_err().refusal, NotAllowed);
    // With any other policy nothing is there.
    let open = Gate::new(NetworkPolicy::default(), Box::new(Double::default()), api);
    assert_eq!(open.target(HOST, port).unwrap_err(), Refusal::Forgotten);
    assert!(NetworkPolicy::one_host(&["0.0.0.0".parse().unwrap()], port).is_err());
}

#[test]
fn lookups_of_all_sandboxes_together_leave_threads_for_others() {
    use std::sync::{Condvar, PoisonError};
    static OF_ALL: Semaphore = Semaphore::const_new(2);
    static RUNNING: Mutex<(usize, bool)> = Mutex::new((0, false));
    static CHANGED: Condvar = Condvar::new();
    let lookup: Lookup = |_| {
        let mut running = RUNNING.lock().unwrap();
        running.0 += 1;
        CHANGED.notify_all();
        drop(CHANGED.wait_while(running, |(_, answered)| !*answered));
        Ok(Vec::new())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(3).build().unwrap();
    let machines = [(); 4].map(|()| ThisMachine { own: Arc::new(Semaphore::new(8)), of_all: &OF_ALL, lookup });
    runtime.block_on(async {
        // Name servers that say nothing, for many sandboxes.
        let asked: Vec<_> = machines
            .into_iter()
            .flat_map(|machine| {
                let machine = Arc::new(machine);
                [(); 8].map(|()| {
                    let machine = Arc::clone(&machine);
                    tokio::spawn(async move { machine.resolve("a.org.".to_owned()).await })
                })
            })
            .collect();
        let full = || drop(CHANGED.wait_while(RUNNING.lock().unwrap(), |(running, _)| *running < 2));
        tokio::task::spawn_blocking(full).await.unwrap();
        // What the supervisor does itself still has a thread.
        let own = timeout(ATTEMPT_TIMEOUT, tokio::task::spawn_blocking(|| "done")).await;
        assert_eq!(own.unwrap().unwrap(), "done");
        assert_eq!(RUNNING.lock().unwrap().0, 2);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        CHANGED.notify_all();
        for answer in asked {
            answer.await.unwrap().unwrap();
        }
    });
}

#[tokio::test]
async fn names_are_looked_for_as_they_are_and_nowhere_else() {
    struct Asked(Arc<Mutex<Vec<String>>>);
    impl Machine for Asked {
        fn resolve(&self, name: String) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
            self.0.lock().unwrap().push(name);
            Box::pin(async { Err(io::Error::other("no such name")) })
        }
        fn route_to(&self, _: IpAddr) -> io::Result<Route> {
            Ok(Route::Away)
        }
    }
    let asked = Arc::new(Mutex::new(Vec::new()));
    let policy = NetworkPolicy { mode: NetworkMode::Open, allow: vec!["listed".parse().unwrap()] };
    let (_, api) = watch::channel(None);
    let gate = Gate::new(policy, Box::new(Asked(Arc::clone(&asked))), api);
    for name in ["db", "a.org", "listed"] {
        assert_eq!(gate.look_up(name).await.unwrap_err().refusal, NoSuchName);
    }
    assert_eq!(*asked.lock().unwrap(), ["db.", "a.org.", "listed"]);
}
