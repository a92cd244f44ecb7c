//! The WebSocket link: calls, streams, and coming back without loss.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::call::{ClientMessage, INITIAL_CREDIT_BYTES, Item, Reply, Request, ServerMessage};
use coditect_protocol::files::{Place, Root, WriteMode};
use coditect_protocol::link::{Frame, Hello};
use coditect_protocol::path::RelPath;
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::{Kind, PROTOCOL_VERSION, WorkspaceId};
use futures_util::{SinkExt as _, StreamExt as _};
use support::{Page, connect, server};
use tokio_tungstenite::tungstenite::Message;

fn place(workspace: WorkspaceId, path: &str) -> Place {
    Place { root: Root::Workspace(workspace), path: RelPath::parse(path).unwrap() }
}

fn write(workspace: WorkspaceId, path: &str, content: &[u8], mode: WriteMode) -> Request {
    Request::WriteFile { place: place(workspace, path), content: content.to_vec(), mode }
}

fn read(workspace: WorkspaceId, path: &str) -> Request {
    Request::ReadFile { place: place(workspace, path), offset: 0, length: None }
}

fn bytes(items: Vec<Item>) -> Vec<u8> {
    items
        .into_iter()
        .flat_map(|item| match item {
            Item::Bytes(bytes) | Item::Output { data: bytes, .. } => bytes,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn files_over_the_link() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let content: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let Reply::Stat(stat) = page.call(write(workspace, "big.bin", &content, WriteMode::CreateNew)).await.unwrap()
    else {
        panic!()
    };
    let id = page.begin(read(workspace, "big.bin")).await;
    let (items, outcome) = page.finish(id).await;
    assert_eq!(bytes(items), content);
    assert_eq!(outcome.unwrap(), Reply::Stat(stat.clone()));
    let changed =
        page.call(write(workspace, "big.bin", b"x", WriteMode::Replace("stale".to_owned()))).await.unwrap_err();
    assert_eq!(changed.code, "files.changed");
    let home = Place { root: Root::Home, path: RelPath::parse(".theia/settings.json").unwrap() };
    page.call(Request::MakeFolder(Place { root: Root::Home, path: RelPath::parse(".theia").unwrap() })).await.unwrap();
    page.call(Request::WriteFile { place: home.clone(), content: b"{}".to_vec(), mode: WriteMode::Overwrite })
        .await
        .unwrap();
    assert!(matches!(page.call(Request::Stat(home)).await.unwrap(), Reply::Stat(stat) if stat.size == 2));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_waits_for_credit() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    page.call(write(workspace, "big", &vec![7; 4_000_000], WriteMode::Overwrite)).await.unwrap();
    let id = page.begin(read(workspace, "big")).await;
    let mut got = 0;
    // Without credit the stream stops after what it started with, one item over at most.
    while got < INITIAL_CREDIT_BYTES as usize {
        let Some(ServerMessage::Item { item: Item::Bytes(bytes), .. }) = page.next().await.unwrap() else { panic!() };
        got += bytes.len();
    }
    assert!(got < INITIAL_CREDIT_BYTES as usize + 300_000);
    // Another call is not held up by it.
    let stat = page.begin(Request::Stat(place(workspace, "big"))).await;
    match page.next().await.unwrap().unwrap() {
        ServerMessage::End { id, outcome } => {
            assert_eq!(id, stat);
            outcome.unwrap();
        }
        ServerMessage::Item { .. } => panic!("more than the credit came"),
    }
    page.send(&ClientMessage::Credit { id, bytes: 10_000_000 }).await;
    let (items, outcome) = page.finish(id).await;
    outcome.unwrap();
    assert_eq!(got + bytes(items).len(), 4_000_000);
    server.stop().await;
}

#[tokio::test]
async fn cut_off_in_the_middle_and_nothing_lost() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    page.call(write(workspace, "f", &content, WriteMode::Overwrite)).await.unwrap();
    let id = page.begin(read(workspace, "f")).await;
    page.send(&ClientMessage::Credit { id, bytes: 10_000_000 }).await;
    let mut got = Vec::new();
    let mut cuts = 0;
    let outcome = loop {
        match page.next().await.unwrap() {
            Some(ServerMessage::Item { item, .. }) => {
                got.extend(bytes(vec![item]));
                page.cut();
                cuts += 1;
                // Asked while away: it arrives as well.
                let stat = page.begin(Request::Stat(place(workspace, "f"))).await;
                assert!(stat > id);
                assert!(page.come_back().await);
            }
            Some(ServerMessage::End { id: ended, outcome }) if ended == id => break outcome,
            Some(ServerMessage::End { outcome, .. }) => {
                outcome.unwrap();
            }
            None => panic!("ended"),
        }
    };
    outcome.unwrap();
    assert!(cuts >= 3, "{cuts}");
    assert_eq!(got, content);
    server.stop().await;
}

#[tokio::test]
async fn only_the_own_session_resumes_a_link() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    let hers = ada.page().await;
    let mut theirs = Page::open(&eve.base, &eve.token.access_token).await;
    theirs.welcome = hers.welcome.clone();
    theirs.cut();
    assert!(!theirs.come_back().await);
    assert_ne!(theirs.welcome.link, hers.welcome.link);
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_somebody_else_is_told_so() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    for (user, expected) in [(ada.token.session.user.id, None), (eve.token.session.user.id, Some("auth.other_person"))]
    {
        let mut socket = connect(&ada.base, &ada.token.access_token, None).await.unwrap();
        let hello = Hello { protocol: PROTOCOL_VERSION, resume: None, user: Some(user) };
        socket.send(Message::Binary(Frame::Hello(hello).encode().unwrap())).await.unwrap();
        let Some(Ok(Message::Binary(bytes))) = socket.next().await else { panic!("no answer") };
        match Frame::decode(&bytes).unwrap() {
            Frame::Welcome(welcome) => {
                assert_eq!(expected, None);
                assert_eq!(welcome.max_calls, Some(1024));
            }
            Frame::Bye(problem) => {
                assert_eq!((Some(problem.code.as_str()), problem.kind), (expected, Kind::Unauthenticated));
            }
            other => panic!("{other:?}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn logging_out_ends_the_link_at_once() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let mut page = ada.page().await;
    ada.request("POST", "/auth/logout").send().await.unwrap();
    assert_eq!(page.next().await.unwrap_err().code, "auth.session_ended");
    assert!(connect(&ada.base, &ada.token.access_token, None).await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn other_sites_and_nonsense_are_refused() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    assert!(connect(&ada.base, &ada.token.access_token, Some("https://evil.example")).await.is_err());
    assert!(connect(&ada.base, "forged", None).await.is_err());
    let mut page = ada.page().await;
    page.send_raw(b"\x03\x01").await;
    assert_eq!(page.next().await.unwrap_err().code, "link.malformed_frame");
    let mut page = ada.page().await;
    page.send_raw(b"\x03\x09\0\0\0\0\0\0\0\xc0").await;
    assert_eq!(page.next().await.unwrap_err().code, "link.gap");
    assert_eq!(server.state.links_count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn somebody_elses_things_do_not_exist() {
    let server = server(|settings| settings.sandbox = "none".to_owned()).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let Reply::Terminal(terminal) =
        ada.page().await.call(Request::CreateTerminal { workspace, spec: TerminalSpec::default() }).await.unwrap()
    else {
        panic!()
    };
    let mut page = eve.page().await;
    for request in [
        Request::OpenWorkspace { workspace },
        Request::Stat(place(workspace, "")),
        write(workspace, "x", b"x", WriteMode::Overwrite),
        Request::Watch { root: Root::Workspace(workspace) },
        Request::FindFiles { workspace, query: Default::default() },
        Request::SearchText { workspace, query: Default::default() },
        Request::ListTerminals { workspace },
        Request::CreateTerminal { workspace, spec: TerminalSpec::default() },
    ] {
        assert_eq!(page.call(request.clone()).await.unwrap_err().code, "workspace.not_found", "{request:?}");
    }
    for request in [
        Request::AttachTerminal { terminal: terminal.id, from: 0 },
        Request::WriteTerminal { terminal: terminal.id, data: b"exit\n".to_vec() },
        Request::ResizeTerminal { terminal: terminal.id, cols: 10, rows: 10 },
        Request::CloseTerminal { terminal: terminal.id },
    ] {
        assert_eq!(page.call(request.clone()).await.unwrap_err().code, "terminal.not_found", "{request:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_watch_tells_of_changes_and_can_be_cancelled() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let watch = page.begin(Request::Watch { root: Root::Workspace(workspace) }).await;
    let root = server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files");
    // Once the watch stands the page is told so, and nothing that changes afterwards is missed.
    let first = page.next().await.unwrap();
    assert_eq!(first, Some(ServerMessage::Item { id: watch, item: Item::Rescan }));
    std::fs::write(root.join("seen.txt"), "1").unwrap();
    let Some(ServerMessage::Item { item: Item::Changes(changes), .. }) = page.next().await.unwrap() else { panic!() };
    assert!(changes.iter().any(|change| change.path.as_str() == "seen.txt"));
    page.send(&ClientMessage::Cancel { id: watch }).await;
    assert_eq!(page.finish(watch).await.1.unwrap_err().code, "call.cancelled");
    server.stop().await;
}

#[tokio::test]
async fn a_terminal_keeps_its_output_for_a_page_that_comes_anew() {
    let server = server(|settings| settings.sandbox = "none".to_owned()).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let spec = TerminalSpec {
        program: "/bin/sh".to_owned(),
        args: vec!["-c".to_owned(), "echo one; read line; echo got $line; exit 3".to_owned()],
        ..Default::default()
    };
    let Reply::Terminal(terminal) = page.call(Request::CreateTerminal { workspace, spec }).await.unwrap() else {
        panic!()
    };
    page.call(Request::WriteTerminal { terminal: terminal.id, data: b"two\n".to_vec() }).await.unwrap();
    let mut another = ada.page().await;
    let id = another.begin(Request::AttachTerminal { terminal: terminal.id, from: 0 }).await;
    let (items, outcome) = another.finish(id).await;
    let text = String::from_utf8(bytes(items)).unwrap();
    assert!(text.contains("one") && text.contains("got two"), "{text}");
    let Reply::TerminalEnded(exit) = outcome.unwrap() else { panic!() };
    assert_eq!(exit.code, Some(3));
    server.stop().await;
}
