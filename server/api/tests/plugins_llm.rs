//! Plugins and models: those that look at conversations, those that bring models, and those that ask some, within what was granted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::call::{Item, Reply, Request};
use coditect_protocol::chat::{ChatDelta, ChatMessage, ChatRequest, ModelList};
use coditect_protocol::llm::CallPage;
use coditect_protocol::{Problem, WorkspaceId};
use serde_json::{Value, json};
use support::plugins::{ID, develop, open_to_all, package, run, translated};
use support::upstream::{ANSWER, Upstream, eventually, govern};
use support::{Page, Person, TestServer, server};

const LOOKS: &str = "[[capability]]\nname = 'conversations'\nreason = 'To look.'\n";
const PARROT: &str = "plugin/acme.helper/birds/parrot";

async fn site() -> (TestServer, Person, WorkspaceId) {
    let (_, given) = Upstream::start("up").await;
    let server = server(|settings| {
        translated(settings);
        settings.llm_upstream = vec![given];
    })
    .await;
    let ada = server.person("ada@example.org").await;
    open_to_all(&ada).await;
    let workspace = ada.workspace("W").await.id;
    (server, ada, workspace)
}

fn question(model: &str, text: &str, workspace: Option<WorkspaceId>) -> ChatRequest {
    ChatRequest {
        model: model.to_owned(),
        messages: vec![ChatMessage::User { text: text.to_owned(), images: Vec::new() }],
        tools: Vec::new(),
        max_tokens: Some(500),
        temperature: None,
        workspace,
    }
}

/// What was answered, and what was thought before.
async fn chat(page: &mut Page, request: ChatRequest) -> Result<(String, String), Problem> {
    let call = page.begin(Request::Chat(request)).await;
    let (items, outcome) = page.finish(call).await;
    assert!(matches!(outcome?, Reply::ChatEnded(_)));
    let (mut said, mut thought) = (String::new(), String::new());
    for item in items {
        match item {
            Item::Delta(ChatDelta::Text { text }) => said.push_str(&text),
            Item::Delta(ChatDelta::Reasoning { text }) => thought.push_str(&text),
            other => panic!("{other:?}"),
        }
    }
    Ok((said, thought))
}

async fn models(page: &mut Page, workspace: Option<WorkspaceId>) -> ModelList {
    match page.call(Request::ListModels { refresh: false, workspace }).await {
        Ok(Reply::Models(models)) => models,
        other => panic!("{other:?}"),
    }
}

fn ids(list: &ModelList) -> Vec<&str> {
    list.models.iter().map(|model| model.id.as_str()).collect()
}

#[tokio::test]
async fn a_plugins_model_is_listed_and_answers_in_its_workspace() {
    let (server, ada, workspace) = site().await;
    let offers = "[[providers]]\nid = 'birds'\ntitle = 'Birds'\n";
    develop(&ada, workspace, package(ID, "1.0.0", offers, None)).await;
    let mut page = ada.page().await;
    assert_eq!(ids(&models(&mut page, None).await), ["up/small"]);
    assert_eq!(ids(&models(&mut page, Some(workspace)).await), ["up/small", PARROT]);
    let (said, thought) = chat(&mut page, question(PARROT, "say it again", Some(workspace))).await.unwrap();
    assert_eq!((said.trim(), thought.as_str()), ("say it again", "Hm."));
    let other = ada.workspace("Other").await.id;
    for (model, place) in [(PARROT, None), ("plugin/acme.helper", Some(workspace))] {
        let refused = chat(&mut page, question(model, "x", place)).await.unwrap_err();
        assert_eq!(refused.code, "llm.unknown_model", "{model}");
    }
    assert_eq!(chat(&mut page, question(PARROT, "x", Some(other))).await.unwrap_err().code, "plugins.not_installed");
    let mut picture = question(PARROT, "x", Some(workspace));
    picture.messages =
        vec![ChatMessage::User { text: String::new(), images: vec!["data:image/png;base64,AA==".to_owned()] }];
    assert_eq!(chat(&mut page, picture).await.unwrap_err().code, "plugins.no_pictures");
    // What admins say of models counts for those of plugins too.
    govern(&ada, json!({"allowed": [{"role": "admin", "models": ["up/*"]}]})).await;
    assert_eq!(ids(&models(&mut page, Some(workspace)).await), ["up/small"]);
    let refused = chat(&mut page, question(PARROT, "x", Some(workspace))).await.unwrap_err();
    assert_eq!(refused.code, "llm.not_allowed");
    server.stop().await;
}

#[tokio::test]
async fn what_is_asked_and_answered_goes_past_those_that_look_at_it() {
    let (server, ada, workspace) = site().await;
    let offers = format!("[conversations]\nquestions = true\n[[providers]]\nid = 'birds'\ntitle = 'Birds'\n{LOOKS}");
    develop(&ada, workspace, package(ID, "1.0.0", &offers, None)).await;
    let mut page = ada.page().await;
    let (said, _) = chat(&mut page, question(PARROT, "the secret is out", Some(workspace))).await.unwrap();
    assert_eq!(said.trim(), "the [hidden] is out");
    let refused = chat(&mut page, question("up/small", "refuse this", Some(workspace))).await.unwrap_err();
    assert_eq!(refused.code, "plugins.held_back");
    assert!(refused.message.contains(ID) && refused.message.contains("nobody may say"), "{}", refused.message);
    // One that fails holds back what it should have looked at.
    let refused = chat(&mut page, question("up/small", "trap", Some(workspace))).await.unwrap_err();
    assert_eq!(refused.code, "plugins.filter");
    assert!(refused.message.contains(ID), "{}", refused.message);
    let calls: CallPage = ada.ask("GET", "/llm/calls", Value::Null).await;
    assert_eq!(calls.calls, [], "nothing of it was sent");
    // Its person goes on without it.
    let off = json!({"enabled": false});
    let _: Value = ada.ask("PATCH", &format!("/plugins/installed/{workspace}/{ID}"), off).await;
    let (said, _) = chat(&mut page, question("up/small", "trap", Some(workspace))).await.unwrap();
    assert_eq!(said, ANSWER);
    // Answers are looked at whole.
    let answers = format!("[conversations]\nanswers = true\n{LOOKS}");
    develop(&ada, workspace, package(ID, "1.1.0", &answers, None)).await;
    let on = json!({"enabled": true});
    let _: Value = ada.ask("PATCH", &format!("/plugins/installed/{workspace}/{ID}"), on).await;
    let (said, _) = chat(&mut page, question("up/small", "What is it?", Some(workspace))).await.unwrap();
    assert_eq!(said, ANSWER.to_uppercase());
    server.stop().await;
}

#[tokio::test]
async fn a_plugin_asks_models_for_no_more_than_it_was_granted() {
    let (server, ada, workspace) = site().await;
    // A call of 1000 and 500 tokens costs two cents, and is let in only where more than that is left: nobody knows before how much it reads.
    govern(&ada, json!({"prices": [{"model": "up/small", "input": 10, "output": 20}]})).await;
    let asks = "[[capability]]\nname = 'models'\nmodels = ['up/small']\nusd-per-day = 0.1\nreason = 'To ask.'\n";
    develop(&ada, workspace, package(ID, "1.0.0", asks, None)).await;
    let mut page = ada.page().await;
    assert_eq!(run(&mut page, workspace, "ask", "up/small").await.unwrap(), ANSWER);
    let calls: CallPage = eventually(&ada, "/llm/calls", |page: &CallPage| page.calls.len() == 1).await;
    assert_eq!((calls.calls[0].agent.as_str(), calls.calls[0].workspace), ("plugin:acme.helper", Some(workspace)));
    let mut refused = None;
    for _ in 0..5 {
        refused = refused.or(run(&mut page, workspace, "ask", "up/small").await.err());
    }
    let (code, said) = refused.expect("the grant of the day is used up");
    assert!(code == "plugins.plugin_denied" || code == "plugins.plugin_limit", "{code}: {said}");
    assert!(said.contains("used up"), "{said}");
    // The person's own questions go on, and so do the plugin's elsewhere.
    assert_eq!(chat(&mut page, question("up/small", "x", Some(workspace))).await.unwrap().0, ANSWER);
    let other = ada.workspace("Other").await.id;
    develop(&ada, other, package(ID, "1.0.0", asks, None)).await;
    assert_eq!(run(&mut page, other, "ask", "up/small").await.unwrap(), ANSWER);
    let (code, _) = run(&mut page, workspace, "ask", "up/other").await.unwrap_err();
    assert_eq!(code, "plugins.plugin_denied");
    server.stop().await;
}
