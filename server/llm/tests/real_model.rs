//! Against a real model server, whose address with version `CODITECT_TEST_MODEL_URL` names; without it there is nothing to
//! do, unless `CODITECT_TEST_REQUIRE` names `model`. A small model's words are silly, so only the structure is checked.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

use std::time::Duration;

use coditect_llm::history::History;
use coditect_llm::keys::ModelKeys;
use coditect_llm::{Call, Conversation, Dialect, Gateway, LlmError, LlmSettings, ModelServers, UpstreamSettings};
use coditect_metering::{Asker, CallFilter, Metering, MeteringSettings};
use coditect_protocol::auth::Role;
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest, StopReason, ToolSpec};
use coditect_protocol::llm::{CallOutcome, CallRecord};
use coditect_protocol::{Coded as _, UserId};
use coditect_store::{MasterKey, Store};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells that a test is left out for want of `thing`; fails instead where `CODITECT_TEST_REQUIRE`, names with commas between them,
/// says that it must be there.
fn missing(thing: &str, why: &str) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}

struct House {
    gateway: Gateway,
    stop: CancellationToken,
    books: JoinHandle<()>,
}

async fn house() -> Option<House> {
    let Ok(url) = std::env::var("CODITECT_TEST_MODEL_URL") else {
        missing("model", "CODITECT_TEST_MODEL_URL names no model server");
        return None;
    };
    let upstreams = vec![UpstreamSettings::new("real", url)];
    let settings = LlmSettings { upstreams, discover: false, presets: vec![], ..LlmSettings::default() };
    let (store, master) = (Store::open("memory:").await.unwrap(), MasterKey::from_bytes([7; 32]));
    let metering = Metering::open(store.clone(), MeteringSettings::default()).await.unwrap();
    let (keys, history) = (ModelKeys::open(store.clone(), master.clone()), History::open(store, master, 1));
    let gateway = Gateway::new(&settings, &ModelServers::new(&settings).unwrap(), keys, metering, history);
    let stop = CancellationToken::new();
    let books = tokio::spawn(gateway.clone().keep_books(stop.clone()));
    Some(House { gateway, stop, books })
}

fn asker() -> Asker {
    Asker {
        user: UserId(Uuid::nil()),
        role: Role::Member,
        token: None,
        workspace: None,
        agent: "test".into(),
        allowance: None,
    }
}

impl House {
    async fn model(&self) -> String {
        let list = self.gateway.list(false, asker().user, asker().role).await;
        list.models.first().expect("the server lists a model").id.clone()
    }

    async fn ask(&self, text: &str, tools: Vec<ToolSpec>) -> (Vec<ChatDelta>, Result<ChatEnd, LlmError>) {
        let messages = vec![ChatMessage::User { text: text.to_owned(), images: vec![] }];
        let (max_tokens, temperature) = (Some(64), Some(0.0));
        let request =
            ChatRequest { model: self.model().await, messages, tools, max_tokens, temperature, workspace: None };
        let (sink, mut source) = mpsc::channel(8);
        let read = async {
            let mut deltas = Vec::new();
            while let Some(delta) = source.recv().await {
                deltas.push(delta);
            }
            deltas
        };
        let chat = self.gateway.chat(asker(), request, sink, CancellationToken::new());
        tokio::time::timeout(PATIENCE, async { tokio::join!(read, chat) }).await.expect("it hangs")
    }

    async fn close(self) -> Vec<CallRecord> {
        self.stop.cancel();
        self.books.await.unwrap();
        let all = CallFilter { user: None, from: 0, to: u64::MAX };
        self.gateway.metering().calls(&all, None, 100).await.unwrap().calls
    }
}

#[tokio::test]
async fn lists_and_streams() {
    let Some(house) = house().await else { return };
    let list = house.gateway.list(true, asker().user, asker().role).await;
    assert!(list.advice.is_none() && list.upstreams[0].problem.is_none(), "{list:?}");
    println!("{:?}", list.models);
    let (deltas, end) = house.ask("Say hello.", vec![]).await;
    println!("{deltas:?}\n{end:?}");
    assert!(deltas.len() > 1, "it did not stream: {deltas:?}");
    let end = end.unwrap();
    assert!(matches!(end.reason, StopReason::Stop | StopReason::Length));
    let usage = end.usage.expect("the server counts tokens");
    assert!(usage.input_tokens > 0 && usage.output_tokens > 1, "{usage:?}");
}

#[tokio::test]
async fn calls_a_tool() {
    let Some(house) = house().await else { return };
    let weather = ToolSpec {
        name: "get_weather".to_owned(),
        description: "Get the current weather of a city.".to_owned(),
        parameters: r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#.to_owned(),
    };
    let (deltas, end) = house.ask("What is the weather in Paris? Use the tool.", vec![weather]).await;
    println!("{deltas:?}\n{end:?}");
    assert_eq!(end.unwrap().reason, StopReason::ToolCalls);
    let Some(ChatDelta::ToolCall(call)) = deltas.last() else { panic!("no tool call: {deltas:?}") };
    assert_eq!(call.name, "get_weather");
    assert!(!call.id.is_empty() && call.arguments.starts_with('{'), "{call:?}");
}

#[tokio::test]
async fn refuses_what_is_too_long() {
    let Some(house) = house().await else { return };
    let (_, end) = house.ask(&"word ".repeat(40_000), vec![]).await;
    println!("{end:?}");
    assert_eq!(end.unwrap_err().code(), "llm.context_overflow");
}

/// The model, asked in every dialect, in pieces and at once.
#[tokio::test]
async fn answers_at_every_door() {
    let Some(house) = house().await else { return };
    let model = house.model().await;
    let messages = json!([{ "role": "user", "content": "Say hello." }]);
    for stream in [false, true] {
        for door in Dialect::ALL {
            let body = match door {
                Dialect::Chat | Dialect::Anthropic => {
                    json!({ "model": model, "messages": messages, "max_tokens": 16, "stream": stream })
                }
                Dialect::Responses => {
                    json!({ "model": model, "input": messages, "max_output_tokens": 16, "stream": stream })
                }
                Dialect::Gemini => json!({
                    "contents": [{ "role": "user", "parts": [{ "text": "Say hello." }] }],
                    "generationConfig": { "maxOutputTokens": 16 },
                }),
            };
            let call = Call { asker: asker(), headers: http::HeaderMap::new(), body: body.to_string().into() };
            let mut conversation = Conversation::new(door, call);
            (conversation.model, conversation.stream) = (Some(model.clone()), Some(stream));
            let response =
                tokio::time::timeout(PATIENCE, house.gateway.converse(conversation)).await.expect("it hangs");
            let (head, body) = response.into_parts();
            let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("it hangs").unwrap().to_bytes();
            assert!(head.status.is_success(), "{door:?}: {}", String::from_utf8_lossy(&body));
            assert_eq!(serde_json::from_slice::<Value>(&body).is_ok(), !stream, "{door:?}");
        }
    }
    let calls = house.close().await;
    assert_eq!(calls.len(), 8);
    for call in calls {
        assert_eq!((call.outcome, call.estimated), (CallOutcome::Ok, false), "{call:?}");
        assert!(call.tokens.input > 0 && call.tokens.output > 0, "{call:?}");
    }
}
