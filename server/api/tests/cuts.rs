//! The link survives any network: a page whose every connection breaks after some bytes, in either direction, in the middle of whatever
//! is on its way, loses nothing and gets nothing twice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{CallId, ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::path::RelPath;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use support::roaming::{Network, Roaming};
use support::{LIMIT, server};
use tokio::time::timeout;

/// Calls of a page.
const CALLS: u32 = 120;
/// Calls of a page under way at once.
const AT_ONCE: usize = 12;
/// Files that are read.
const FILES: usize = 8;
/// Largest of them, in bytes: more than a call's first credit.
const MAX_FILE_BYTES: usize = 700_000;
/// Bytes after which a connection breaks.
const CUT_AFTER_BYTES: Range<u64> = 1_500..400_000;

/// What a call must come to.
enum Expected {
    Content(usize),
    Stat,
    Written,
    /// It was cancelled, and ends in one way or another.
    Anything,
}

struct Wanderer<'a> {
    page: Roaming,
    workspace: WorkspaceId,
    files: &'a [Vec<u8>],
    random: SmallRng,
    under_way: HashMap<CallId, (Expected, Vec<u8>)>,
    written: BTreeMap<CallId, Vec<u8>>,
    begun: u32,
}

impl Wanderer<'_> {
    async fn wander(&mut self) {
        loop {
            while self.begun < CALLS && self.under_way.len() < AT_ONCE {
                let message = self.new_call();
                self.page.send(&message).await;
            }
            if self.under_way.is_empty() {
                return;
            }
            let message = self.page.next().await;
            self.take_in(message).await;
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

    async fn take_in(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Item { id, item } => {
                let (expected, content) = self.under_way.get_mut(&id).expect("an item after the end");
                let cost = item.cost();
                let Item::Bytes(bytes) = item else { panic!("{item:?}") };
                content.extend(bytes);
                if self.random.random_bool(0.05) {
                    *expected = Expected::Anything;
                    self.page.send(&ClientMessage::Cancel { id }).await;
                }
                self.page.send(&ClientMessage::Credit { id, bytes: cost }).await;
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
        let network = Network::to(server.address, seed, CUT_AFTER_BYTES).await;
        let mut page = Wanderer {
            page: Roaming::new(network.address, &ada.token.access_token, seed),
            workspace,
            files: &files,
            random,
            under_way: HashMap::new(),
            written: BTreeMap::new(),
            begun: 0,
        };
        timeout(LIMIT, page.wander()).await.unwrap_or_else(|_| panic!("seed {seed} does not come to an end"));
        network.mend();
        for (id, content) in &page.written {
            assert!(std::fs::read(root.join(format!("written-{id}"))).unwrap() == *content, "seed {seed}, call {id}");
        }
        assert!(
            page.page.resumed >= 10,
            "seed {seed}: came back only {} times of {}",
            page.page.resumed,
            network.cuts()
        );
    });
    futures_util::future::join_all(pages).await;
    server.stop().await;
}
