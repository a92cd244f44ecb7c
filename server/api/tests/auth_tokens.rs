//! Personal access tokens, over HTTP and over the link.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::auth::{Scope, SessionInfo, TokenEntry, TokenMade};
use coditect_protocol::call::{Reply, Request};
use coditect_protocol::files::{Page, Place, Root, WriteMode};
use coditect_protocol::path::RelPath;
use coditect_protocol::plugin::{CallContext, PluginCall};
use coditect_protocol::search::FindFiles;
use coditect_protocol::terminal::TerminalSpec;
use coditect_protocol::{TerminalId, WorkspaceId};
use serde_json::{Value, json};
use support::{PASSWORD, client, refusal, server};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn new(name: &str, scopes: &[&str], days: u32, password: &str) -> Value {
    json!({"name": name, "scopes": scopes, "expires_in_days": days, "password": password})
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let server = server(|settings| settings.tokens_per_person = 2).await;
    let ada = server.person("ada").await;
    let eve = server.person("eve").await;
    for (body, expected) in [
        (new("", &["llm"], 1, PASSWORD), (400, "auth.bad_token_request")),
        (new("x", &[], 1, PASSWORD), (400, "auth.bad_token_request")),
        (new("x", &["llm"], 0, PASSWORD), (400, "auth.bad_token_request")),
        (new("x", &["llm"], 9999, PASSWORD), (400, "auth.bad_token_request")),
        (new("x", &["everything"], 1, PASSWORD), (400, "api.bad_body")),
        (new("x", &["llm"], 1, "not the password"), (403, "auth.wrong_password")),
    ] {
        let (status, code) = ada.refused_to("POST", "/auth/tokens", body.clone()).await;
        assert_eq!((status, code.as_str()), expected, "{body}");
    }
    assert_eq!(
        eve.refused_to("POST", "/auth/tokens", new("x", &["admin"], 1, PASSWORD)).await,
        (403, "auth.not_admin".to_owned())
    );
    let response =
        ada.request("POST", "/auth/tokens").json(&new("CI", &["account:read"], 1, PASSWORD)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (201, "no-store"));
    let made: TokenMade = response.json().await.unwrap();
    assert!(made.token.starts_with("cdt_pat_") && made.token.ends_with(&made.entry.ends_with));
    ada.ask::<TokenMade>("POST", "/auth/tokens", new("other", &["llm"], 1, PASSWORD)).await;
    assert_eq!(
        ada.refused_to("POST", "/auth/tokens", new("third", &["llm"], 1, PASSWORD)).await,
        (409, "auth.too_many_tokens".to_owned())
    );
    let listed = ada.request("GET", "/auth/tokens").send().await.unwrap().text().await.unwrap();
    assert!(!listed.contains("cdt_pat_"));
    assert_eq!(serde_json::from_str::<Vec<TokenEntry>>(&listed).unwrap().len(), 2);
    assert_eq!(eve.ask::<Vec<TokenEntry>>("GET", "/auth/tokens", Value::Null).await, []);

    let me = async || client().get(server.url("/api/v5/auth/me")).bearer_auth(&made.token).send().await.unwrap();
    let info: SessionInfo = me().await.json().await.unwrap();
    assert_eq!(info.user, ada.token.session.user);
    let path = format!("/auth/tokens/{}", made.entry.id);
    assert_eq!(eve.refused_to("DELETE", &path, Value::Null).await, (404, "auth.no_such_token".to_owned()));
    for id in [NOBODY, "x"] {
        assert_eq!(ada.refused_to("DELETE", &format!("/auth/tokens/{id}"), Value::Null).await.1, "auth.no_such_token");
    }
    ada.ask::<()>("DELETE", &path, Value::Null).await;
    assert_eq!(refusal(me().await).await, (401, "auth.invalid_token".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_no_browsers() {
    let server = server(|_| {}).await;
    let token = server.person("ada").await.with_token(&["account:read"]).await.token.access_token;
    let planted = client().get(server.url("/api/v5/auth/me")).header("cookie", format!("coditect_access={token}"));
    assert_eq!(refusal(planted.send().await.unwrap()).await, (401, "auth.invalid_token".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn an_admins_token_acts_only_while_they_are_one() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let bob = server.person("bob").await;
    let token = ada.with_token(&["admin"]).await;
    token.ask::<Value>("GET", "/admin/people", Value::Null).await;
    let person = |who: &support::Person| format!("/admin/people/{}", who.token.session.user.id);
    ada.ask::<Value>("PATCH", &person(&bob), json!({"role": "admin"})).await;
    bob.ask::<Value>("PATCH", &person(&ada), json!({"role": "member"})).await;
    assert_eq!(token.refused_to("GET", "/admin/people", Value::Null).await, (403, "auth.not_admin".to_owned()));
    server.stop().await;
}

fn status() -> PluginCall {
    PluginCall::Status { item: "x".to_owned(), context: CallContext::default() }
}

/// Each call with the scope that it demands.
fn calls(workspace: WorkspaceId) -> Vec<(Request, Scope)> {
    let place = |path: &str| Place { root: Root::Workspace(workspace), path: RelPath::parse(path).unwrap() };
    let terminal = TerminalId(uuid::Uuid::nil());
    vec![
        (Request::Session, Scope::AccountRead),
        (Request::OpenWorkspace { workspace }, Scope::WorkspacesRead),
        (Request::Stat(place("f")), Scope::FilesRead),
        (Request::ReadFolder { place: place(""), page: Page::default() }, Scope::FilesRead),
        (Request::ReadFile { place: place("f"), offset: 0, length: None }, Scope::FilesRead),
        (Request::FindFiles { workspace, query: FindFiles::default() }, Scope::FilesRead),
        (Request::WriteFile { place: place("f"), content: vec![1], mode: WriteMode::Overwrite }, Scope::FilesWrite),
        (Request::MakeFolder(place("d")), Scope::FilesWrite),
        (Request::Rename { from: place("f"), to: place("g"), overwrite: true }, Scope::FilesWrite),
        (Request::Copy { from: place("g"), to: place("f"), overwrite: true }, Scope::FilesWrite),
        (Request::Delete { place: place("g"), recursive: false, trash: false }, Scope::FilesWrite),
        (Request::ListTerminals { workspace }, Scope::Terminals),
        (Request::CreateTerminal { workspace, spec: TerminalSpec::default() }, Scope::Terminals),
        (Request::AttachTerminal { terminal, from: 0 }, Scope::Terminals),
        (Request::WriteTerminal { terminal, data: vec![1] }, Scope::Terminals),
        (Request::ResizeTerminal { terminal, cols: 80, rows: 24 }, Scope::Terminals),
        (Request::RenameTerminal { terminal, title: "t".to_owned() }, Scope::Terminals),
        (Request::CloseTerminal { terminal }, Scope::Terminals),
        (Request::ListModels { refresh: false, workspace: None }, Scope::Llm),
        (Request::CallPlugin { workspace, plugin: "a.b".parse().unwrap(), call: Box::new(status()) }, Scope::Plugins),
    ]
}

#[tokio::test]
async fn over_the_link_each_call_demands_its_scope() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let workspace = ada.workspace("W").await.id;
    for scope in Scope::ALL {
        let mut page = ada.with_token(&[scope.name()]).await.page().await;
        for (request, demanded) in calls(workspace) {
            let said = format!("{request:?} with {}", scope.name());
            let outcome = page.call(request).await;
            let code = outcome.err().map(|problem| problem.code);
            assert_eq!(code.as_deref() == Some("auth.scope"), demanded != scope, "{said}: {code:?}");
        }
    }
    // Who is logged in needs none.
    let mut page = ada.page().await;
    assert!(matches!(page.call(Request::Session).await, Ok(Reply::Session(_))));
    server.stop().await;
}

#[tokio::test]
async fn a_link_ends_with_its_token_and_no_other() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let made: TokenMade = ada.ask("POST", "/auth/tokens", new("x", &["account:read"], 1, PASSWORD)).await;
    let mut page = support::Page::open(&ada.base, &made.token).await;
    let mut own = ada.page().await;
    page.call(Request::Session).await.unwrap();
    ada.ask::<()>("DELETE", &format!("/auth/tokens/{}", made.entry.id), Value::Null).await;
    assert_eq!(page.farewell().await.code, "auth.invalid_token");
    own.call(Request::Session).await.unwrap();
    assert!(support::connect(&ada.base, &made.token, None).await.is_err());
    server.stop().await;
}
