//! What one person may take: a page that does not take its answers, or sends what grows in memory, gets no more than its share.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;

use coditect_api::settings::UpstreamGiven;
use coditect_protocol::WorkspaceId;
use coditect_protocol::call::{ClientMessage, Item, Reply, Request, ServerMessage};
use coditect_protocol::chat::{ChatMessage, ChatRequest};
use coditect_protocol::files::{Place, Root};
use coditect_protocol::path::RelPath;
use coditect_protocol::search::FindFiles;
use support::{LIMIT, Page, TestServer, server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Entries of the folder that is read.
const ENTRIES: usize = 1000;
/// More than its listing has bytes.
const MOST_LISTING_BYTES: usize = 400_000;
/// Less than its listing has bytes.
const LEAST_LISTING_BYTES: usize = 200_000;

fn files_of(server: &TestServer, workspace: WorkspaceId) -> PathBuf {
    server.dir.path().join("data/workspaces").join(workspace.to_string()).join("files")
}

fn read_folder(workspace: WorkspaceId, path: &str) -> Request {
    Request::ReadFolder {
        place: Place { root: Root::Workspace(workspace), path: RelPath::parse(path).unwrap() },
        page: coditect_protocol::files::Page::default(),
    }
}

/// A folder with a listing of some hundred thousand bytes.
fn make_large_folder(server: &TestServer, workspace: WorkspaceId) -> PathBuf {
    let folder = files_of(server, workspace).join("large");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..ENTRIES {
        std::fs::write(folder.join(format!("{n:0>200}")), "").unwrap();
    }
    folder
}

async fn end(page: &mut Page) -> Result<Reply, String> {
    loop {
        if let ServerMessage::End { outcome, .. } = page.next().await.unwrap().expect("the socket ended") {
            return outcome.map_err(|problem| problem.code);
        }
    }
}

#[tokio::test]
async fn large_answers_are_made_only_as_fast_as_the_page_takes_them() {
    const CALLS: usize = 60;
    const MADE_AT_ONCE: usize = 16;
    let server = server(|settings| {
        settings.link_buffer_bytes = 64 * 1024;
        settings.link_content_bytes = MOST_LISTING_BYTES;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let folder = make_large_folder(&server, workspace);
    let mut page = ada.page().await;
    for _ in 0..CALLS {
        page.begin(read_folder(workspace, "large")).await;
    }
    let Reply::Folder(listing) = end(&mut page).await.unwrap() else { panic!() };
    assert_eq!(listing.entries.len(), ENTRIES);
    // Nothing was acknowledged. Another call is carried out all the same, so that all of them had their turn.
    let mut other = ada.page().await;
    for _ in 0..CALLS {
        other.call(Request::Session).await.unwrap();
    }
    // What was not read by now is read as it is from here on.
    std::fs::remove_dir_all(&folder).unwrap();
    page.acknowledge().await;
    let mut made = 1;
    for _ in 1..CALLS {
        match end(&mut page).await {
            Ok(_) => made += 1,
            Err(code) => assert_eq!(code, "files.not_found"),
        }
        page.acknowledge().await;
    }
    // What fits, the one that went beyond, and those that were being made when it did.
    let most = MOST_LISTING_BYTES / LEAST_LISTING_BYTES + 1 + MADE_AT_ONCE;
    assert!(made <= most, "{made} answers were made for a page that took one");
    server.stop().await;
}

#[tokio::test]
async fn an_answer_larger_than_the_whole_budget_passes() {
    let server = server(|settings| settings.link_content_bytes = 1).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    make_large_folder(&server, workspace);
    let [mut one, mut other] = [ada.page().await, ada.page().await];
    for _ in 0..3 {
        for page in [&mut one, &mut other] {
            let answer = timeout(LIMIT, page.call(read_folder(workspace, "large"))).await.expect("it waits for itself");
            assert!(matches!(answer.unwrap(), Reply::Folder(listing) if listing.entries.len() == ENTRIES));
            page.acknowledge().await;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn answers_of_a_page_that_went_away_make_room_again() {
    let server = server(|settings| {
        settings.link_content_bytes = 1;
        settings.link_keep_seconds = 0;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    make_large_folder(&server, workspace);
    let mut gone = ada.page().await;
    gone.begin(read_folder(workspace, "large")).await;
    end(&mut gone).await.unwrap();
    gone.cut();
    let mut page = ada.page().await;
    let answer = timeout(LIMIT, page.call(read_folder(workspace, "large"))).await.expect("there is never room again");
    assert!(matches!(answer.unwrap(), Reply::Folder(_)));
    server.stop().await;
}

#[tokio::test]
async fn what_grows_in_memory_is_not_built() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let workspace = ada.workspace("W").await.id;
    let find = |globs: usize| {
        let query = FindFiles { include: vec![String::new(); globs], ..FindFiles::default() };
        Request::FindFiles { workspace, query }
    };
    // As many as a message may hold: refused by what understands them.
    assert_eq!(ada.page().await.call(find(1000)).await.unwrap_err().code, "search.invalid_glob");
    // A byte each on the line, and 24 in memory.
    let mut page = ada.page().await;
    page.begin(find(1_000_000)).await;
    assert_eq!(page.farewell().await.code, "link.malformed_frame");
    ada.page().await.call(Request::Session).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn calls_count_with_what_they_take_in_memory() {
    let upstream = UpstreamGiven::new("fake", talkative_upstream().await);
    let server = server(|settings| {
        settings.llm_upstream = vec![upstream];
        settings.link_content_bytes = 200_000;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let [mut page, mut other] = [ada.page().await, ada.page().await];
    // Some 25,000 bytes on the line, and many times as many in memory.
    let said = ChatMessage::Tool { call_id: String::new(), text: String::new() };
    let request = ChatRequest { messages: vec![said; 1000], ..chat_with("fake/any", user()) };
    assert!(rmp_serde::to_vec_named(&request).unwrap().len() < 50_000);
    page.begin(Request::Chat(request)).await;
    while !matches!(page.next().await.unwrap().unwrap(), ServerMessage::Item { item: Item::Delta(_), .. }) {}
    assert_eq!(other.call(Request::Session).await.unwrap_err().code, "link.too_much_content");
    server.stop().await;
}

fn user() -> ChatMessage {
    ChatMessage::User { text: "Hi".to_owned(), images: Vec::new() }
}

fn chat_with(model: &str, message: ChatMessage) -> ChatRequest {
    ChatRequest {
        model: model.to_owned(),
        messages: vec![message],
        tools: Vec::new(),
        max_tokens: None,
        temperature: None,
        workspace: None,
    }
}

/// A model server that says one word to everybody and then waits for the end of the connection.
async fn talkative_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 64 * 1024];
                assert!(socket.read(&mut request).await.unwrap() > 0);
                let word = r#"data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                socket.write_all(format!("{head}{word}\n\n").as_bytes()).await.unwrap();
                while socket.read(&mut request).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    url
}

#[tokio::test]
async fn only_so_many_models_answer_one_person() {
    let upstream = UpstreamGiven::new("fake", talkative_upstream().await);
    let server = server(|settings| {
        settings.llm_upstream = vec![upstream];
        settings.chats_per_person = 2;
    })
    .await;
    let ada = server.person("ada@example.org").await;
    let chat = || Request::Chat(chat_with("fake/any", user()));
    let mut pages = [ada.page().await, ada.page().await];
    let mut under_way = Vec::new();
    for page in &mut pages {
        under_way.push(page.begin(chat()).await);
        while !matches!(page.next().await.unwrap().unwrap(), ServerMessage::Item { item: Item::Delta(_), .. }) {}
    }
    let refused = ada.page().await.call(chat()).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.kind.status()), ("llm.too_many_chats", 429));
    // Somebody else is not concerned, and an end makes room.
    let mut eve = server.person("eve@example.org").await.page().await;
    eve.begin(chat()).await;
    assert!(matches!(eve.next().await.unwrap().unwrap(), ServerMessage::Item { .. }));
    pages[0].send(&ClientMessage::Cancel { id: under_way[0] }).await;
    assert_eq!(pages[0].finish(under_way[0]).await.1.unwrap_err().code, "call.cancelled");
    pages[0].begin(chat()).await;
    assert!(matches!(pages[0].next().await.unwrap().unwrap(), ServerMessage::Item { .. }));
    server.stop().await;
}
