//! A network that breaks again and again, and a page behind it that always comes back.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coditect_protocol::call::{ClientMessage, ServerMessage};
use coditect_protocol::link::{Frame, Hello, Resume, Session};
use coditect_protocol::{LinkId, PROTOCOL_VERSION};
use futures_util::{SinkExt as _, StreamExt as _};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::{LIMIT, Socket, connect};

/// How long an acknowledgement waits for company.
const ACK_DELAY: Duration = Duration::from_millis(10);

/// A network between a page and the server that breaks again and again, until it is told to be good.
pub struct Network {
    pub address: SocketAddr,
    cuts: Arc<AtomicU64>,
    good: Arc<AtomicBool>,
}

impl Network {
    /// Each of its connections breaks after so many bytes in either direction.
    pub async fn to(server: SocketAddr, seed: u64, cut_after_bytes: Range<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, good) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, is_good) = (cuts.clone(), good.clone());
        let random = Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let budget = |random: &Mutex<SmallRng>| random.lock().unwrap().random_range(cut_after_bytes.clone());
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

    /// How many connections broke.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// From now on it breaks nothing.
    pub fn mend(&self) {
        self.good.store(true, Ordering::Relaxed);
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

/// A page that keeps its link over any number of connections.
pub struct Roaming {
    base: String,
    token: String,
    random: SmallRng,
    session: Session,
    link: Option<LinkId>,
    socket: Option<Socket>,
    /// What is written goes nowhere any more; what came before the connection broke is still there to be read.
    deaf: bool,
    /// How often it came back to its link.
    pub resumed: u64,
}

/// The connection broke.
struct Broken;

impl Roaming {
    pub fn new(network: SocketAddr, token: &str, seed: u64) -> Self {
        let base = format!("http://{network}/api/v5");
        let random = SmallRng::seed_from_u64(seed);
        Self {
            base,
            token: token.to_owned(),
            random,
            session: Session::new(),
            link: None,
            socket: None,
            deaf: false,
            resumed: 0,
        }
    }

    /// Sends a message, sooner or later.
    pub async fn send(&mut self, message: &ClientMessage) {
        let frame = self.session.send(message).unwrap();
        // While there is no connection it waits in the session.
        self.put_bytes(Message::Binary(frame)).await;
    }

    /// The next message of the server, however many connections that takes.
    pub async fn next(&mut self) -> ServerMessage {
        loop {
            match self.try_next().await {
                Ok(Some(message)) => return message,
                Ok(None) => {}
                Err(Broken) => self.socket = None,
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<ServerMessage>, Broken> {
        if self.socket.is_none() {
            self.come_back().await?;
        }
        let Ok(frame) = timeout(ACK_DELAY, self.take()).await else {
            // Nothing else moves: the server may wait for room.
            self.acknowledge().await;
            return Ok(None);
        };
        let message = match frame? {
            Frame::Data { seq, body } => self.session.receive(seq, &body).unwrap(),
            Frame::Ack { seq } => {
                self.session.acknowledged(seq).unwrap();
                None
            }
            other => panic!("{other:?}"),
        };
        if self.random.random_bool(0.3) {
            self.acknowledge().await;
        }
        Ok(message)
    }

    async fn come_back(&mut self) -> Result<(), Broken> {
        self.socket = Some(connect(&self.base, &self.token, None).await.map_err(|_| Broken)?);
        self.deaf = false;
        let resume = self.link.map(|link| Resume { link, received: self.session.received() });
        self.put(Frame::Hello(Hello { protocol: PROTOCOL_VERSION, resume, user: None })).await;
        let Frame::Welcome(welcome) = self.take().await? else { panic!("no welcome") };
        assert_eq!(welcome.resumed, self.link.is_some(), "the link is gone");
        self.resumed += u64::from(welcome.resumed);
        self.link = Some(welcome.link);
        let again: Vec<_> = self.session.resume(welcome.received).unwrap().collect();
        for frame in again {
            self.put_bytes(Message::Binary(frame)).await;
        }
        Ok(())
    }

    async fn acknowledge(&mut self) {
        if let Some(ack) = self.session.take_ack() {
            self.put(ack).await;
        }
    }

    async fn put(&mut self, frame: Frame) {
        self.put_bytes(Message::Binary(frame.encode().unwrap())).await;
    }

    /// That it failed shows when everything that came is read, as in a browser.
    async fn put_bytes(&mut self, message: Message) {
        if let Some(socket) = &mut self.socket
            && !self.deaf
        {
            self.deaf = socket.send(message).await.is_err();
        }
    }

    async fn take(&mut self) -> Result<Frame, Broken> {
        let socket = self.socket.as_mut().ok_or(Broken)?;
        loop {
            match timeout(LIMIT, socket.next()).await.expect("nothing comes any more") {
                Some(Ok(Message::Binary(bytes))) => return Ok(Frame::decode(&bytes).unwrap()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Broken),
            }
        }
    }
}
