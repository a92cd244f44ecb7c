//! Against a real model server, whose address with version `CODITECT_TEST_MODEL_URL` names; without it there is nothing to
//! do, unless `CODITECT_TEST_REQUIRE` names `model`. A small model's words are silly, so only the structure is checked.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

use std::time::Duration;

use coditect_llm::{LlmError, LlmSettings, Models, UpstreamSettings};
use coditect_protocol::chat::{ChatDelta, ChatEnd, ChatMessage, ChatRequest, StopReason, ToolSpec};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Tells that a test is left out for want of `thing`; fails instead where `CODITECT_TEST_REQUIRE`, names with commas between them,
/// says that it must be there.
fn missing(thing: &str, why: &str) {
    let required = std::env::var("CODITECT_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == thing), "CODITECT_TEST_REQUIRE names {thing}, but {why}");
    eprintln!("skipped: {why}");
}

fn models() -> Option<Models> {
    let Ok(url) = std::env::var("CODITECT_TEST_MODEL_URL") else {
        missing("model", "CODITECT_TEST_MODEL_URL names no model server");
        return None;
    };
    let upstreams = vec![UpstreamSettings::new("real", url)];
    Some(Models::new(LlmSettings { upstreams, discover: false, ..LlmSettings::default() }).unwrap())
}

async fn ask(models: &Models, text: &str, tools: Vec<ToolSpec>) -> (Vec<ChatDelta>, Result<ChatEnd, LlmError>) {
    let model = models.list(false).await.models.first().expect("the server lists a model").id.clone();
    let messages = vec![ChatMessage::User { text: text.to_owned(), images: vec![] }];
    let request = ChatRequest { model, messages, tools, max_tokens: Some(64), temperature: Some(0.0) };
    let (sink, mut source) = mpsc::channel(8);
    let read = async {
        let mut deltas = Vec::new();
        while let Some(delta) = source.recv().await {
            deltas.push(delta);
        }
        deltas
    };
    let chat = models.chat(request, sink, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(120), async { tokio::join!(read, chat) }).await.expect("it hangs")
}

#[tokio::test]
async fn lists_and_streams() {
    let Some(models) = models() else { return };
    let list = models.list(true).await;
    assert!(list.advice.is_none() && list.upstreams[0].problem.is_none(), "{list:?}");
    println!("{:?}", list.models);
    let (deltas, end) = ask(&models, "Say hello.", vec![]).await;
    println!("{deltas:?}\n{end:?}");
    assert!(deltas.len() > 1, "it did not stream: {deltas:?}");
    let end = end.unwrap();
    assert!(matches!(end.reason, StopReason::Stop | StopReason::Length));
    let usage = end.usage.expect("the server counts tokens");
    assert!(usage.input_tokens > 0 && usage.output_tokens > 1, "{usage:?}");
}

#[tokio::test]
async fn calls_a_tool() {
    let Some(models) = models() else { return };
    let weather = ToolSpec {
        name: "get_weather".to_owned(),
        description: "Get the current weather of a city.".to_owned(),
        parameters: r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#.to_owned(),
    };
    let (deltas, end) = ask(&models, "What is the weather in Paris? Use the tool.", vec![weather]).await;
    println!("{deltas:?}\n{end:?}");
    assert_eq!(end.unwrap().reason, StopReason::ToolCalls);
    let Some(ChatDelta::ToolCall(call)) = deltas.last() else { panic!("no tool call: {deltas:?}") };
    assert_eq!(call.name, "get_weather");
    assert!(!call.id.is_empty() && call.arguments.starts_with('{'), "{call:?}");
}

#[tokio::test]
async fn refuses_what_is_too_long() {
    let Some(models) = models() else { return };
    let (_, end) = ask(&models, &"word ".repeat(40_000), vec![]).await;
    println!("{end:?}");
    assert!(matches!(end, Err(LlmError::ContextOverflow { .. })), "{end:?}");
}
