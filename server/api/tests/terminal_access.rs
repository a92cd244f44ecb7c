//! What terminals may do for their person over the API, and that they end with what let the person in.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use coditect_protocol::auth::TokenEntry;
use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::terminal::{EndCause, TerminalExit, TerminalInfo, TerminalSpec};
use coditect_protocol::workspace::WorkspaceRole;
use coditect_protocol::{TerminalId, WorkspaceId};
use coditect_store::Store;
use serde_json::{Value, json};
use support::{LIMIT, PASSWORD, Page, Person, TestServer, client, server, server_over, until};

fn sh(script: &str) -> TerminalSpec {
    let args = vec!["-c".to_owned(), script.to_owned()];
    TerminalSpec { program: "/bin/sh".to_owned(), args, ..TerminalSpec::default() }
}

async fn start(page: &mut Page, workspace: WorkspaceId, script: &str) -> TerminalInfo {
    match page.call(Request::CreateTerminal { workspace, spec: sh(script) }).await.unwrap() {
        Reply::Terminal(info) => info,
        other => panic!("{other:?}"),
    }
}

/// All that a terminal prints until it ends, and how it ended.
async fn finish(page: &mut Page, terminal: TerminalId) -> (String, TerminalExit) {
    let call = page.begin(Request::AttachTerminal { terminal, from: 0 }).await;
    let (items, reply) = page.finish(call).await;
    let printed =
        items.into_iter().filter_map(|item| if let Item::Output { data, .. } = item { Some(data) } else { None });
    let text = String::from_utf8(printed.flatten().collect()).unwrap();
    match reply.unwrap() {
        Reply::TerminalEnded(exit) => (text, exit),
        other => panic!("{other:?}"),
    }
}

/// `name=value` of each line.
fn told(text: &str) -> HashMap<&str, &str> {
    text.lines().filter_map(|line| line.trim_end().split_once('=')).collect()
}

async fn put(person: &Person, workspace: WorkspaceId, content: &'static str) {
    let request = person.request("PUT", &format!("/workspaces/{workspace}/files/note.txt")).body(content);
    assert!(request.send().await.unwrap().status().is_success());
}

async fn status(server: &TestServer, token: &str, path: &str) -> u16 {
    client().get(server.url(&format!("/api/v5{path}"))).bearer_auth(token).send().await.unwrap().status().as_u16()
}

/// Waits until a token is good for nothing any more.
async fn until_refused(server: &TestServer, token: &str) {
    let refused = async {
        while status(server, token, "/workspaces").await != 401 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.expect("the token is still good");
}

async fn tokens(person: &Person) -> Vec<TokenEntry> {
    person.ask("GET", "/auth/tokens", Value::Null).await
}

/// Waits until a person has no token.
async fn until_none(person: &Person) {
    let ended = async {
        while !tokens(person).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the token is still there");
}

const TELL: &str = "echo url=$CODITECT_URL; echo token=$CODITECT_TOKEN; echo workspace=$CODITECT_WORKSPACE;";

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_reaches_what_is_its_persons_until_it_ends() {
    let server = server(|_| {}).await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (own, others) = (ada.workspace("Own").await.id, bob.workspace("Other").await.id);
    put(&ada, own, "of ada").await;
    put(&bob, others, "of bob").await;
    let second = ada.workspace("Second").await.id;
    put(&ada, second, "of ada, too").await;
    let status = |name: &str, path: &str| {
        format!(
            "printf {name}; curl -s -o /dev/null -H \"Authorization: Bearer $CODITECT_TOKEN\" -w '=%{{http_code}}\\n' $CODITECT_URL/api/v5{path};"
        )
    };
    let ask = |path: &str| {
        format!(
            "curl -s -H \"Authorization: Bearer $CODITECT_TOKEN\" -w '=%{{http_code}}\\n' $CODITECT_URL/api/v5{path};"
        )
    };
    let script = [
        TELL,
        &ask("/workspaces/$CODITECT_WORKSPACE/files/note.txt"),
        &status("others", &format!("/workspaces/{others}/files/note.txt")),
        &status("second", &format!("/workspaces/{second}/files/note.txt")),
        &status("list", "/workspaces"),
        &status("models", "/llm/models"),
        &status("tokens", "/auth/tokens"),
        "printf page; curl -s -o /dev/null -H 'Origin: http://coditect.internal' -w '=%{http_code}\\n' $CODITECT_URL/api/v5/health;",
        "read end",
    ]
    .concat();
    let mut page = ada.page().await;
    let Some(_) = server.state.terminals.sandboxes().api_url() else {
        eprintln!("skipped: no program reaches the server's API here");
        return server.stop().await;
    };
    let info = start(&mut page, own, &script).await;
    assert!(!serde_json::to_string(&info).unwrap().contains("cdt_pat_"));
    let listed = tokens(&ada).await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].name.starts_with(&format!("Terminal {}", &info.id.to_string()[..8])), "{}", listed[0].name);
    page.call(Request::WriteTerminal { terminal: info.id, data: b"\n".to_vec() }).await.unwrap();
    let (text, _) = finish(&mut page, info.id).await;
    let told = told(&text);
    assert_eq!(told["workspace"], own.to_string());
    assert_eq!((told["of ada"], told["others"], told["tokens"]), ("200", "403", "403"), "{text}");
    // Not even another one of the same person.
    assert_eq!((told["second"], told["list"], told["models"]), ("403", "403", "200"), "{text}");
    if told["url"].contains("coditect.internal") {
        assert_ne!(told["page"], "200");
    }
    until_refused(&server, told["token"]).await;
    assert!(tokens(&ada).await.is_empty());
    // Closed instead of ended by itself.
    let info = start(&mut page, own, &format!("{TELL} sleep 1000")).await;
    let token = &tokens(&ada).await[0];
    assert!(token.expires_at > token.created_at);
    page.call(Request::CloseTerminal { terminal: info.id }).await.unwrap();
    until_none(&ada).await;
    // Nothing of a token lies about.
    for file in std::fs::read_dir(server.dir.path().join("data/run")).unwrap().flatten() {
        if let Ok(content) = std::fs::read(file.path()) {
            assert!(!String::from_utf8_lossy(&content).contains("cdt_pat_"), "{:?}", file.path());
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_takes_the_token_of_what_ended_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let over = || {
        server(|settings| {
            settings.data = dir.path().join("data");
            settings.store = String::new();
            settings.terminal_keep_minutes = 5;
        })
    };
    let first = over().await;
    if first.state.terminals.sandboxes().api_url().is_none() {
        eprintln!("skipped: no program reaches the server's API here");
        return first.stop().await;
    }
    let ada = first.person("ada").await;
    let workspace = ada.workspace("W").await.id;
    let mut page = ada.page().await;
    let script = format!("{TELL} while [ ! -e end ]; do sleep 0.01; done; touch ended");
    start(&mut page, workspace, &script).await;
    assert_eq!(tokens(&ada).await.len(), 1);
    let access = first.state.workspaces.access(ada.token.session.user.id, workspace, WorkspaceRole::Read).await;
    let files = access.unwrap().paths.files;
    drop(page);
    first.stop().await;
    std::fs::write(files.join("end"), "").unwrap();
    until(|| files.join("ended").exists()).await;
    let next = over().await;
    let ada = next.log_in("ada", PASSWORD).await;
    until_none(&ada).await;
    for info in next.state.terminals.list(ada.token.session.user.id, workspace).await.unwrap() {
        next.state.terminals.close(ada.token.session.user.id, info.id).await.unwrap();
    }
    next.stop().await;
}

/// Two servers on one store; the terminal runs at the second, and what ends it happens at the first.
struct Pair {
    _key: tempfile::TempDir,
    first: TestServer,
    second: TestServer,
    ada: Person,
    page: Page,
    workspace: WorkspaceId,
    terminal: TerminalId,
}

impl Pair {
    async fn new() -> Self {
        let store = Store::open("memory:").await.unwrap();
        let key_dir = tempfile::tempdir().unwrap();
        let (key, data) = (key_dir.path().join("master.key"), key_dir.path().join("data"));
        let over = || {
            server_over(&store, &key, |settings| {
                settings.data.clone_from(&data);
                "none".clone_into(&mut settings.sandbox);
            })
        };
        let (first, second) = (over().await, over().await);
        // Who registers first is admin.
        first.person("root").await;
        let ada = second.person("ada").await;
        let workspace = ada.workspace("W").await.id;
        let mut page = ada.page().await;
        let terminal = start(&mut page, workspace, "echo up; sleep 1000").await.id;
        Self { _key: key_dir, first, second, ada, page, workspace, terminal }
    }

    async fn runs(&self) -> bool {
        let person = self.ada.token.session.user.id;
        !self.second.state.terminals.list(person, self.workspace).await.unwrap().is_empty()
    }

    async fn until_ended(&self) {
        let ended = async {
            while self.runs().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, ended).await.expect("the terminal goes on");
    }

    async fn stop(self) {
        self.first.stop().await;
        self.second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_logout_ends_no_terminal() {
    let pair = Pair::new().await;
    let at_first = pair.first.log_in("ada", PASSWORD).await;
    at_first.ask::<()>("POST", "/auth/logout", Value::Null).await;
    pair.ada.ask::<()>("POST", "/auth/logout", Value::Null).await;
    // A new login finds it, after all that the logouts lead to has been heard of.
    let again = pair.second.log_in("ada", PASSWORD).await;
    let mut page = again.page().await;
    let resized = page.call(Request::ResizeTerminal { terminal: pair.terminal, cols: 80, rows: 24 }).await;
    resized.unwrap();
    assert!(pair.runs().await);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_everywhere_ends_them_on_every_server() {
    let mut pair = Pair::new().await;
    let call = pair.page.begin(Request::AttachTerminal { terminal: pair.terminal, from: 0 }).await;
    let at_first = pair.first.log_in("ada", PASSWORD).await;
    // The one that was there before stays logged in.
    pair.ada.ask::<Value>("DELETE", "/auth/sessions", Value::Null).await;
    let (_, reply) = pair.page.finish(call).await;
    let Ok(Reply::TerminalEnded(exit)) = reply else { panic!("{reply:?}") };
    assert_eq!(exit.cause, Some(EndCause::AccessEnded));
    pair.until_ended().await;
    assert_eq!(at_first.request("GET", "/auth/me").send().await.unwrap().status(), 401);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_out_leaves_nothing_running_on_any_server() {
    let pair = Pair::new().await;
    let admin = pair.first.log_in("root", PASSWORD).await;
    let path = format!("/admin/people/{}", pair.ada.token.session.user.id);
    admin.ask::<Value>("PATCH", &path, json!({ "disabled": true })).await;
    pair.until_ended().await;
    pair.stop().await;
}
