//! The link survives any network: a page whose every connection breaks after some bytes, in either direction, in the middle of whatever
//! is on its way, loses nothing and gets nothing twice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coditect_protocol::call::{CallId, ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::link::{Frame, Hello, Resume, Session};
use coditect_protocol::path::RelPath;
use coditect_protocol::{LinkId, PROTOCOL_VERSION, WorkspaceId};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use support::{LIMIT, Socket, connect, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Calls of a page.
const CALLS: u32 = 120;
/// Calls of a page under way at once.
const AT_ONCE: usize = 12;
/// Files that are read.
const FILES: usize = 8;
/// Largest of them, in bytes: more than a call's first credit.
const MAX_FILE_BYTES: usize = 700_000;
/// How long an acknowledgement waits for company.
const ACK_DELAY: Duration = Duration::from_millis(10);
/// Bytes after which a connection breaks.
const CUT_AFTER_BYTES: std::ops::Range<u64> = 1_500..400_000;

/// A network between a page and the server that breaks again and again, until it is told to be good.
struct Network {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    good: Arc<AtomicBool>,
}

impl Network {
    async fn to(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, good) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, is_good) = (cuts.clone(), good.clone());
        let random = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let budget = |random: &Mutex<SmallRng>| random.lock().unwrap().random_range(CUT_AFTER_BYTES);
                let (up, down) = (budget(&random), budget(&random));
                let (counted, is_good) = (counted.clone(), is_good.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.unwrap();
                    let (mut near_in, mut near_out) = near.into_split();
                    let (mut far_in, mut far_out) = far.into_split();
                    // As soon as one direction ends both do, without a farewell.
                    tokio::select! {
                        () = pass(&mut near_in, &mut far_out, up, &is_good) => {}
                        () = pass(&mut far_in, &mut near_out, down, &is_good) => {}
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, cuts, good }
    }
}

/// Passes on so many bytes and no more.
async fn pass(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    mut left: u64,
    good: &AtomicBool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap());
        let Ok(count @ 1..) = from.read(&mut buffer[..most]).await else { return };
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        if !good.load(Ordering::Relaxed) {
            left -= count as u64;
        }
    }
}

/// What a call must come to.
enum Expected {
    Content(usize),
    Stat,
    Written,
    /// It was cancelled, and ends in one way or another.
    Anything,
}

struct Wanderer<'a> {
    base: String,
    token: &'a str,
    workspace: WorkspaceId,
    files: &'a [Vec<u8>],
    random: SmallRng,
    session: Session,
    link: Option<LinkId>,
    under_way: HashMap<CallId, (Expected, Vec<u8>)>,
    written: BTreeMap<CallId, Vec<u8>>,
    begun: u32,
    resumed: u32,
}

/// The connection broke.
struct Broken;

impl Wanderer<'_> {
    async fn wander(&mut self) {
        while self.begun < CALLS || !self.under_way.is_empty() {
            let Ok(socket) = connect(&self.base, self.token, None).await else { continue };
            let _ = self.one_socket(socket).await;
        }
    }

    async fn one_socket(&mut self, mut socket: Socket) -> Result<(), Broken> {
        let resume = self.link.map(|link| Resume { link, received: self.session.received() });
        self.put(&mut socket, Frame::Hello(Hello { protocol: PROTOCOL_VERSION, resume, user: None })).await?;
        let Frame::Welcome(welcome) = self.take(&mut socket).await? else { panic!("no welcome") };
        assert_eq!(welcome.resumed, self.link.is_some(), "the link is gone");
        self.resumed += u32::from(welcome.resumed);
        self.link = Some(welcome.link);
        let again: Vec<_> = self.session.resume(welcome.received).unwrap().collect();
        for frame in again {
            socket.send(Message::Binary(frame)).await.map_err(|_| Broken)?;
        }
        loop {
            while self.begun < CALLS && self.under_way.len() < AT_ONCE {
                let message = self.new_call();
                self.send(&mut socket, &message).await?;
            }
            if self.under_way.is_empty() {
                return Ok(());
            }
            let Ok(frame) = timeout(ACK_DELAY, self.take(&mut socket)).await else {
                // Nothing else moves: the server may wait for room.
                if let Some(ack) = self.session.take_ack() {
                    self.put(&mut socket, ack).await?;
                }
                continue;
            };
            match frame? {
                Frame::Data { seq, body } => {
                    if let Some(message) = self.session.receive(seq, &body).unwrap() {
                        self.take_in(&mut socket, message).await?;
                    }
                }
                Frame::Ack { seq } => self.session.acknowledged(seq).unwrap(),
                other => panic!("{other:?}"),
            }
            if self.random.random_bool(0.3)
                && let Some(ack) = self.session.take_ack()
            {
                self.put(&mut socket, ack).await?;
            }
        }
    }

    fn new_call(&mut self) -> ClientMessage {
        self.begun += 1;
        let id = self.begun;
        let place =
            |name: String| Place { root: Root::Workspace(self.workspace), path: RelPath::parse(&name).unwrap() };
        let file = self.random.random_range(0..FILES);
        let (request, expected) = match self.random.random_range(0..10) {
            0..4 => {
                let request = Request::ReadFile { place: place(format!("file-{file}")), offset: 0, length: None };
                (request, Expected::Content(file))
            }
            4..7 => (Request::Stat(place(format!("file-{file}"))), Expected::Stat),
            _ => {
                let content: Vec<u8> = (0..self.random.random_range(0..60_000)).map(|n| (n ^ id) as u8).collect();
                self.written.insert(id, content.clone());
                // A second time it would be refused: it must not come twice.
                let place = place(format!("written-{id}"));
                (Request::WriteFile { place, content, mode: WriteMode::CreateNew }, Expected::Written)
            }
        };
        self.under_way.insert(id, (expected, Vec::new()));
        ClientMessage::Call { id, request: Box::new(request) }
    }

    async fn take_in(&mut self, socket: &mut Socket, message: ServerMessage) -> Result<(), Broken> {
        match message {
            ServerMessage::Item { id, item } => {
                let (expected, content) = self.under_way.get_mut(&id).expect("an item after the end");
                let cost = item.cost();
                let Item::Bytes(bytes) = item else { panic!("{item:?}") };
                content.extend(bytes);
                if self.random.random_bool(0.05) {
                    *expected = Expected::Anything;
                    self.send(socket, &ClientMessage::Cancel { id }).await?;
                }
                self.send(socket, &ClientMessage::Credit { id, bytes: cost }).await
            }
            ServerMessage::End { id, outcome } => {
                let (expected, content) = self.under_way.remove(&id).expect("a second end");
                match (expected, outcome) {
                    (Expected::Content(file), Ok(Reply::Stat(stat))) => {
                        assert_eq!(stat.size, content.len() as u64);
                        assert!(content == self.files[file], "other bytes than those of the file");
                    }
                    (Expected::Stat | Expected::Written, Ok(Reply::Stat(_))) | (Expected::Anything, _) => {}
                    (_, outcome) => panic!("{outcome:?}"),
                }
                Ok(())
            }
        }
    }

    async fn send(&mut self, socket: &mut Socket, message: &ClientMessage) -> Result<(), Broken> {
        let frame = self.session.send(message).unwrap();
        socket.send(Message::Binary(frame)).await.map_err(|_| Broken)
    }

    async fn put(&self, socket: &mut Socket, frame: Frame) -> Result<(), Broken> {
        socket.send(Message::Binary(frame.encode().unwrap())).await.map_err(|_| Broken)
    }

    async fn take(&self, socket: &mut Socket) -> Result<Frame, Broken> {
        loop {
            match timeout(LIMIT, socket.next()).await.expect("nothing comes any more") {
                Some(Ok(Message::Binary(bytes))) => return Ok(Frame::decode(&bytes).unwrap()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Broken),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice_however_often_the_network_breaks() {
    let server = server(|settings| settings.link_buffer_bytes = 256 * 1024).await;
    let ada = server.person("ada@example.org").await;
    let pages = [1, 2, 3].map(async |seed| {
        let workspace = ada.workspace("W").await.id;
        let root = server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files");
        let mut random = SmallRng::seed_from_u64(seed);
        let files: Vec<Vec<u8>> = (0..FILES)
            .map(|_| (0..random.random_range(0..MAX_FILE_BYTES)).map(|_| random.random()).collect())
            .collect();
        for (n, content) in files.iter().enumerate() {
            std::fs::write(root.join(format!("file-{n}")), content).unwrap();
        }
        let network = Network::to(server.address, seed).await;
        let mut page = Wanderer {
            base: format!("http://{}/api/v5", network.address),
            token: &ada.token.access_token,
            workspace,
            files: &files,
            random,
            session: Session::new(),
            link: None,
            under_way: HashMap::new(),
            written: BTreeMap::new(),
            begun: 0,
            resumed: 0,
        };
        timeout(LIMIT, page.wander()).await.unwrap_or_else(|_| panic!("seed {seed} does not come to an end"));
        network.good.store(true, Ordering::Relaxed);
        for (id, content) in &page.written {
            assert!(std::fs::read(root.join(format!("written-{id}"))).unwrap() == *content, "seed {seed}, call {id}");
        }
        assert!(page.resumed >= 10, "seed {seed}: only {} of {:?} cuts", page.resumed, network.cuts);
    });
    futures_util::future::join_all(pages).await;
    server.stop().await;
}
