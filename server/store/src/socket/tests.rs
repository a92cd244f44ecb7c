//! What the two sides do about each other's failures and misdeeds.

use super::StoreServer;
use super::frames::{Answer, PROTOCOL, Question, Reply, Request, Write};
use super::wire::{Incoming, Outgoing, WireError, client_ends, put_frame, take_frame};
use crate::around::{Change, Inner, around};
use crate::error::StoreError;
use crate::limits::{SOCKET_EXPIRY_GRACE, SOCKET_REQUEST_MAX_BYTES, SOCKET_TRANSACTIONS_MAX, TRANSACTION_LIFETIME};
use crate::mutation::AtomicOp;
use crate::store::Store;
use crate::watch::Watch;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A served store, of whose transactions and watches each one alive holds a token.
struct Served {
    directory: tempfile::TempDir,
    tokens: Arc<()>,
}

impl Served {
    async fn start() -> Self {
        Self::start_as(|server| server).await
    }

    async fn start_as(change: impl FnOnce(StoreServer) -> StoreServer) -> Self {
        let served = Self { directory: tempfile::tempdir().unwrap(), tokens: Arc::new(()) };
        let store = around(Store::open("memory:").await.unwrap(), Token(served.tokens.clone()));
        let server = change(StoreServer::bind(store, served.path()).await.unwrap());
        tokio::spawn(server.run(std::future::pending()));
        served
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.sock")
    }

    async fn open(&self) -> Store {
        Store::open(&format!("socket://{}", self.path().display())).await.unwrap()
    }

    async fn raw(&self) -> Raw {
        let (incoming, outgoing) = client_ends(UnixStream::connect(self.path()).await.unwrap());
        Raw { incoming, outgoing }
    }

    async fn greeted(&self) -> Raw {
        let mut raw = self.raw().await;
        raw.say(&[Request::Hello { protocol: PROTOCOL }]).await;
        assert_eq!(raw.hear().await.unwrap(), Reply::Welcome { protocol: PROTOCOL });
        raw
    }

    /// How many transactions and watches live.
    fn alive(&self) -> usize {
        // The test and the backend hold one each.
        Arc::strong_count(&self.tokens) - 2
    }

    async fn until_alive(&self, count: usize) {
        let counted = async {
            while self.alive() != count {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(PATIENCE, counted).await.is_ok(), "{} live", self.alive());
    }
}

/// A client that says what it likes.
struct Raw {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Raw {
    async fn say(&mut self, requests: &[Request]) {
        requests.iter().for_each(|request| self.outgoing.push(request).unwrap());
        // Who was cut off hears of it.
        let _ = self.outgoing.flush().await;
    }

    async fn hear(&mut self) -> Result<Reply, WireError> {
        Ok(timeout(PATIENCE, self.incoming.next::<Reply>()).await.unwrap()?.0)
    }

    async fn is_cut_off(&mut self) {
        while self.hear().await.is_ok() {}
    }
}

/// Each transaction and each watch holds one.
#[derive(Clone)]
struct Token(#[expect(dead_code, reason = "it is counted, not read")] Arc<()>);

#[async_trait]
impl Change for Token {
    async fn watch(&self, inner: &Inner, key: Bytes) -> Result<Watch, StoreError> {
        let (watch, token) = (inner.watch(key).await?, self.clone());
        Ok(Watch::new(async move {
            let _token = token;
            watch.await
        }))
    }
}

fn get(tx: u64, id: u64) -> Request {
    Request::Ask { tx, id, question: Question::Get { key: Bytes::from_static(b"k"), snapshot: false } }
}

fn watch(tx: u64, id: u64) -> Request {
    Request::Watch { tx, id, key: Bytes::from_static(b"w") }
}

#[tokio::test]
async fn what_is_given_up_is_freed() {
    let served = Served::start().await;
    let store = served.open().await;
    let transactions: Vec<_> = (0..10).map(|_| store.begin()).collect();
    for transaction in &transactions {
        transaction.get("a").await.unwrap();
    }
    let watches = [store.watch("a").await.unwrap(), store.watch("b").await.unwrap()];
    served.until_alive(12).await;
    transactions[0].cancel();
    served.until_alive(11).await;
    drop(transactions);
    served.until_alive(2).await;
    drop(watches);
    served.until_alive(0).await;
    // A client that dies.
    let mut raw = served.greeted().await;
    raw.say(&[
        Request::Begin { tx: 1 },
        get(1, 1),
        Request::Begin { tx: 2 },
        watch(2, 2),
        Request::Commit { tx: 2, id: 3 },
    ])
    .await;
    served.until_alive(2).await;
    drop(raw);
    served.until_alive(0).await;
}

#[tokio::test]
async fn hostile_clients_end_only_themselves() {
    let served = Served::start().await;
    let store = served.open().await;
    let begin = Request::Begin { tx: 1 };
    let hello = Request::Hello { protocol: PROTOCOL };
    let too_many = (0..=SOCKET_TRANSACTIONS_MAX).map(|tx| Request::Begin { tx: tx as u64 }).collect();
    let out_of_turn: [Vec<Request>; 10] = [
        vec![hello],
        vec![get(1, 1)],
        vec![begin.clone(), begin.clone()],
        vec![begin.clone(), Request::Cancel { tx: 1 }, get(1, 1)],
        vec![begin.clone(), Request::Commit { tx: 1, id: 1 }, get(1, 2)],
        vec![begin.clone(), Request::Commit { tx: 1, id: 1 }, Request::Cancel { tx: 1 }],
        vec![Request::Cancel { tx: 1 }],
        vec![begin.clone(), watch(1, 1), watch(1, 1)],
        vec![Request::Write { tx: 9, writes: Vec::new() }],
        too_many,
    ];
    for requests in out_of_turn {
        let mut raw = served.greeted().await;
        raw.say(&requests).await;
        raw.is_cut_off().await;
    }
    for first in [begin, Request::Hello { protocol: PROTOCOL + 1 }] {
        let mut raw = served.raw().await;
        raw.say(&[first]).await;
        raw.is_cut_off().await;
    }
    let mut oversized = u32::try_from(SOCKET_REQUEST_MAX_BYTES + 1).unwrap().to_be_bytes().to_vec();
    oversized.resize(64, 0);
    for bytes in
        [oversized, vec![0; 8], vec![0xff; 600], b"\0\0\0\x02\xc0\xc0".to_vec(), b"GET / HTTP/1.1\r\n\r\n".to_vec()]
    {
        let mut stream = UnixStream::connect(served.path()).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let mut rest = Vec::new();
        // An end or a reset, but soon.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    }
    served.until_alive(0).await;
    store.ping().await.unwrap();
    store.transact(|tx| async move { tx.set("k", "v") }).await.unwrap();
}

#[tokio::test]
async fn a_refused_write_refuses_the_transaction() {
    let served = Served::start().await;
    let mut raw = served.greeted().await;
    let reserved = Write::Set { key: Bytes::from_static(b"\xff/system"), value: Bytes::new() };
    let outside = Write::StampedKey { key: Bytes::from_static(b"kkkk\xff\xff\xff\xff"), value: Bytes::new() };
    let good = Write::Set { key: Bytes::from_static(b"good"), value: Bytes::new() };
    for (tx, (bad, error)) in
        [(reserved, StoreError::KeyReserved), (outside, StoreError::VersionstampPlace)].into_iter().enumerate()
    {
        let tx = tx as u64;
        let writes = vec![good.clone(), bad];
        raw.say(&[Request::Begin { tx }, Request::Write { tx, writes }, get(tx, 1), Request::Commit { tx, id: 2 }])
            .await;
        for id in [1, 2] {
            assert_eq!(raw.hear().await.unwrap(), Reply::Answer { id, result: Err(error.clone().into()) });
        }
    }
    assert_eq!(served.open().await.begin().get("good").await.unwrap(), None);
}

#[tokio::test]
async fn every_request_is_answered_once() {
    let served = Served::start().await;
    let mut raw = served.greeted().await;
    let write = Write::Set { key: Bytes::from_static(b"k"), value: Bytes::from_static(b"v") };
    raw.say(&[
        Request::Begin { tx: 1 },
        get(1, 1),
        watch(1, 2),
        Request::Cancel { tx: 1 },
        Request::Begin { tx: 2 },
        Request::Write { tx: 2, writes: vec![write] },
        get(2, 3),
        Request::Commit { tx: 2, id: 4 },
        Request::Unwatch { id: 77 },
        Request::Ping { id: 5 },
    ])
    .await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(raw.hear().await.unwrap());
    }
    let answer = |id, answer| Reply::Answer { id, result: Ok(answer) };
    let value = |value: Option<&'static [u8]>| Answer::Value(value.map(Bytes::from_static));
    assert!(heard.contains(&answer(1, value(None))));
    assert!(heard.contains(&Reply::WatchEnded { id: 2, result: Err(StoreError::WatchCancelled.into()) }));
    assert!(heard.contains(&answer(3, value(Some(b"v")))));
    assert!(heard.contains(&answer(5, Answer::Alive)));
    let committed = |reply: &Reply| matches!(reply, Reply::Answer { id: 4, result: Ok(Answer::Committed { .. }) });
    assert!(heard.iter().any(committed), "{heard:?}");
}

#[tokio::test]
async fn another_user_is_refused() {
    let own = rustix::process::geteuid().as_raw();
    let served = Served::start_as(|server| server.owned_by(own + 1)).await;
    let store = served.open().await;
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().contains("another user"), "{error}");
}

#[tokio::test]
async fn another_version_is_told() {
    let served = Served::start().await;
    let mut raw = served.raw().await;
    raw.say(&[Request::Hello { protocol: PROTOCOL + 1 }]).await;
    assert!(matches!(raw.hear().await.unwrap(), Reply::Refused { .. }));
}

#[tokio::test]
async fn a_transaction_that_lives_too_long_holds_nothing() {
    let served = Served::start().await;
    let mut raw = served.greeted().await;
    raw.say(&[Request::Begin { tx: 1 }, get(1, 1)]).await;
    raw.hear().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(TRANSACTION_LIFETIME + SOCKET_EXPIRY_GRACE + Duration::from_millis(1)).await;
    // The server has looked for it before it answers the second of them.
    for id in [2, 3] {
        raw.say(&[Request::Ping { id }]).await;
        raw.hear().await.unwrap();
    }
    raw.say(&[get(1, 4), Request::Commit { tx: 1, id: 5 }]).await;
    for id in [4, 5] {
        let result = Err(StoreError::TransactionTooOld.into());
        assert_eq!(raw.hear().await.unwrap(), Reply::Answer { id, result });
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn request() -> impl Strategy<Value = Request> {
    let write = prop_oneof![
        (bytes(), bytes()).prop_map(|(key, value)| Write::Set { key, value }),
        (bytes(), bytes()).prop_map(|(begin, end)| Write::ClearRange { begin, end }),
        (bytes(), bytes()).prop_map(|(key, operand)| Write::Atomic { op: AtomicOp::AppendIfFits, key, operand }),
        (bytes(), bytes()).prop_map(|(key, value)| Write::StampedKey { key, value }),
    ];
    prop_oneof![
        any::<u32>().prop_map(|protocol| Request::Hello { protocol }),
        any::<u64>().prop_map(|tx| Request::Begin { tx }),
        (any::<u64>(), vec(write, 0..4)).prop_map(|(tx, writes)| Request::Write { tx, writes }),
        (any::<u64>(), any::<u64>(), bytes()).prop_map(|(tx, id, key)| Request::Watch { tx, id, key }),
        (any::<u64>(), any::<u64>(), bytes(), bytes(), any::<u32>()).prop_map(|(tx, id, begin, end, limit)| {
            let question = Question::Range { begin, end, limit, reverse: limit % 2 == 0, snapshot: limit % 3 == 0 };
            Request::Ask { tx, id, question }
        }),
    ]
}

/// Feeds bytes in pieces and takes frames until they end or one is refused.
fn take_all(bytes: &[u8], piece: usize) -> (Vec<Request>, bool) {
    let (mut buffer, mut taken) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match take_frame(&mut buffer, SOCKET_REQUEST_MAX_BYTES) {
                Ok(Some((frame, _))) => taken.push(frame),
                Ok(None) => break,
                Err(_) => return (taken, false),
            }
        }
    }
    (taken, true)
}

proptest! {
    #[test]
    fn frames_arrive_however_they_are_cut(requests in vec(request(), 0..6), piece in 1_usize..50, cut in any::<prop::sample::Index>()) {
        let mut buffer = BytesMut::new();
        requests.iter().for_each(|request| put_frame(&mut buffer, request, SOCKET_REQUEST_MAX_BYTES).unwrap());
        prop_assert_eq!(take_all(&buffer, piece), (requests.clone(), true));
        // The first of them arrive, and nothing is made of a part.
        let cut = cut.index(buffer.len() + 1);
        let (taken, is_sound) = take_all(&buffer[..cut], piece);
        prop_assert!(is_sound && requests.starts_with(&taken));
    }

    #[test]
    fn garbage_is_refused_or_waited_for(garbage in vec(any::<u8>(), 0..300), piece in 1_usize..50, length in 0_u32..300) {
        let _ = take_all(&garbage, piece);
        // With a length that fits, so that it is looked at.
        let framed = [&length.to_be_bytes()[..], &garbage].concat();
        let _ = take_all(&framed, piece);
    }

    #[test]
    fn a_damaged_frame_harms_nobody(request in request(), place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut buffer = BytesMut::new();
        put_frame(&mut buffer, &request, SOCKET_REQUEST_MAX_BYTES).unwrap();
        let place = place.index(buffer.len());
        buffer[place] ^= 1 << bit;
        let _ = take_all(&buffer, 7);
    }
}
