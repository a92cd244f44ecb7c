//! What people asked models and were answered: kept for those who want it, shown to nobody else, and gone when they say so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::llm::{HistoryItem, HistoryPage, HistoryTerms, MyModels};
use serde_json::{Value, json};
use support::upstream::{ANSWER, Upstream, ask, eventually};
use support::{Person, TestServer, server};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

async fn site() -> (TestServer, Person) {
    let (_, upstream) = Upstream::start("up").await;
    let server = server(|settings| settings.llm_upstream = vec![upstream]).await;
    let ada = server.person("ada@example.org").await;
    (server, ada)
}

async fn keep(person: &Person, keeps_content: bool) {
    let body = json!({ "keeps_content": keeps_content });
    let set: HistoryTerms = person.ask("PUT", "/llm/history/settings", body).await;
    assert_eq!(set, HistoryTerms { keeps_content, keep_days: 30 });
    assert_eq!(person.ask::<HistoryTerms>("GET", "/llm/history/settings", Value::Null).await, set);
    assert_eq!(person.ask::<MyModels>("GET", "/llm/me", Value::Null).await.keeps_content, keeps_content);
}

async fn kept(person: &Person, count: usize) -> HistoryPage {
    eventually(person, "/llm/history", |page: &HistoryPage| page.entries.len() == count).await
}

#[tokio::test]
async fn it_is_kept_by_consent_and_deleted_with_it() {
    let (server, ada) = site().await;
    ask(&ada, "up/small", "codex").await;
    keep(&ada, true).await;
    let [first, second, third] =
        [ask(&ada, "up/small", "codex").await, ask(&ada, "up/small", "codex").await, ask(&ada, "up/small", "x").await];
    let page = kept(&ada, 3).await;
    let ids: Vec<_> = page.entries.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(ids, [third.as_str(), &second, &first], "what was asked before the consent is not among them");
    let item: HistoryItem = ada.ask("GET", &format!("/llm/history/{first}"), Value::Null).await;
    assert_eq!((&*item.entry.model, item.entry.id.to_string()), ("up/small", first.clone()));
    assert!(
        item.question.contains("What is the answer?") && item.answer.contains(ANSWER),
        "{} {}",
        item.question,
        item.answer
    );
    // Page by page.
    let newest: HistoryPage = ada.ask("GET", "/llm/history?limit=2", Value::Null).await;
    let rest = format!("/llm/history?limit=2&cursor={}", newest.next.unwrap());
    let rest: HistoryPage = ada.ask("GET", &rest, Value::Null).await;
    assert_eq!((rest.entries.len(), rest.entries[0].id.to_string(), rest.next), (1, first.clone(), None));
    // One goes, then all, and the consent stays.
    for _ in 0..2 {
        let _: Value = ada.ask("DELETE", &format!("/llm/history/{first}"), Value::Null).await;
    }
    let gone = (404, "llm.conversation_not_found".to_owned());
    assert_eq!(ada.refused_to("GET", &format!("/llm/history/{first}"), Value::Null).await, gone);
    kept(&ada, 2).await;
    let _: Value = ada.ask("DELETE", "/llm/history", Value::Null).await;
    kept(&ada, 0).await;
    ask(&ada, "up/small", "codex").await;
    kept(&ada, 1).await;
    keep(&ada, false).await;
    kept(&ada, 0).await;
    server.stop().await;
}

#[tokio::test]
async fn it_is_the_persons_own_and_no_programs() {
    let (server, ada) = site().await;
    let eve = server.person("eve@example.org").await;
    keep(&eve, true).await;
    let id = ask(&eve, "up/small", "codex").await;
    kept(&eve, 1).await;
    let (one, gone) = (format!("/llm/history/{id}"), (404, "llm.conversation_not_found".to_owned()));
    // Not even an admin's.
    assert_eq!(ada.refused_to("GET", &one, Value::Null).await, gone);
    let _: Value = ada.ask("DELETE", &one, Value::Null).await;
    let _: Value = ada.ask("DELETE", "/llm/history", Value::Null).await;
    kept(&ada, 0).await;
    assert_eq!(kept(&eve, 1).await.entries[0].id.to_string(), id);
    let program = eve.with_token(&["llm", "usage:read", "account:read"]).await;
    for (method, path, body) in [
        ("GET", "/llm/history", Value::Null),
        ("GET", &one, Value::Null),
        ("DELETE", &one, Value::Null),
        ("DELETE", "/llm/history", Value::Null),
        ("GET", "/llm/history/settings", Value::Null),
        ("PUT", "/llm/history/settings", json!({"keeps_content": false})),
    ] {
        let refused = program.refused_to(method, path, body).await;
        assert_eq!(refused, (403, "auth.needs_login".to_owned()), "{method} {path}");
    }
    for (method, path, body, refused) in [
        ("GET", "/llm/history?limit=0", Value::Null, (400, "api.bad_query")),
        ("GET", "/llm/history?limit=201", Value::Null, (400, "api.bad_query")),
        ("GET", "/llm/history?cursor=x", Value::Null, (400, "api.bad_query")),
        ("GET", "/llm/history?user=x", Value::Null, (400, "api.bad_query")),
        ("GET", "/llm/history/x", Value::Null, (404, "llm.conversation_not_found")),
        ("GET", &format!("/llm/history/{NOBODY}"), Value::Null, (404, "llm.conversation_not_found")),
        ("DELETE", "/llm/history/x", Value::Null, (404, "llm.conversation_not_found")),
        ("PUT", "/llm/history/settings", json!({}), (400, "api.bad_body")),
        ("PUT", "/llm/history/settings", json!({"keeps_content": true, "user": NOBODY}), (400, "api.bad_body")),
    ] {
        assert_eq!(eve.refused_to(method, path, body).await, (refused.0, refused.1.to_owned()), "{method} {path}");
    }
    let nothing: HistoryPage = eve.ask("GET", &format!("/llm/history?cursor={NOBODY}"), Value::Null).await;
    assert_eq!((nothing.entries.len(), nothing.next), (0, None));
    server.stop().await;
}
