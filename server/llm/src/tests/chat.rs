//! Answers that arrive, and questions that are cancelled.

use coditect_protocol::chat::{StopReason, ToolCall, ToolSpec, Usage};

use super::*;

fn conversation() -> String {
    let part = |index: u64, part: Value| delta(&json!({ "tool_calls": [merge(index, part)] }));
    [
        ": keep-alive\r\n\r\n".to_owned(),
        delta(&json!({ "role": "assistant", "content": "" })),
        delta(&json!({ "reasoning_content": "über" })),
        says("Grüße 😀"),
        says(" 你好"),
        part(0, json!({ "id": "a", "type": "function", "function": { "name": "read", "arguments": "" } })),
        part(1, json!({ "id": "b", "type": "function", "function": { "name": "list", "arguments": "" } })),
        part(0, json!({ "function": { "arguments": "{\"path\":\"" } })),
        part(0, json!({ "function": { "arguments": "ä.rs\"}" } })),
        ": ping\n\n".to_owned(),
        format!("data: {}\n\n", json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] })),
        format!("data: {}\n\n", json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 5 } })),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

fn merge(index: u64, mut part: Value) -> Value {
    part["index"] = index.into();
    part
}

#[tokio::test]
async fn an_answer_in_chunks_of_every_size() {
    let body = conversation();
    for size in [1, 2, 3, 5, 7, 16, 61, 250, body.len()] {
        let upstream = Script::streams(body.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect()).await;
        let (deltas, end) = upstream.house().await.ask(request()).await;
        let call = |id: &str, name: &str, arguments: &str| {
            ChatDelta::ToolCall(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
        };
        let expected = [
            ChatDelta::Reasoning { text: "über".to_owned() },
            ChatDelta::Text { text: "Grüße 😀".to_owned() },
            ChatDelta::Text { text: " 你好".to_owned() },
            call("a", "read", "{\"path\":\"ä.rs\"}"),
            call("b", "list", "{}"),
        ];
        assert_eq!(deltas, expected, "chunks of {size}");
        let usage = Some(Usage { input_tokens: 7, output_tokens: 5, cached_tokens: 0 });
        assert_eq!(end.unwrap(), ChatEnd { reason: StopReason::ToolCalls, usage });
    }
}

#[tokio::test]
async fn the_question_as_the_upstream_sees_it() {
    let upstream = Script::streams(vec![(says("x") + &ends("stop")).into()]).await;
    let settings = UpstreamSettings { headers: header("X-Team", "blue"), ..upstream.settings() };
    let tool = ToolSpec { name: "t".to_owned(), description: String::new(), parameters: "{}".to_owned() };
    let question = ChatRequest { model: "u/org/model:7b".to_owned(), tools: vec![tool], ..request() };
    house(vec![settings]).await.ask(question).await.1.unwrap();
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(seen.headers["x-team"], "blue");
    assert_eq!(seen.headers["accept"], "text/event-stream");
    assert_eq!(seen.body["model"], "org/model:7b");
    assert_eq!(seen.body["stream"], true);
    assert_eq!(seen.body["stream_options"]["include_usage"], true);
    assert_eq!(seen.body["tools"][0]["function"]["name"], "t");
}

#[tokio::test]
async fn the_first_word_arrives_before_the_last_is_written() {
    let (more, rest) = mpsc::unbounded_channel::<Bytes>();
    let rest = Arc::new(Mutex::new(Some(rest)));
    let upstream = Script::start(move |_, guard| {
        let mut rest = rest.lock().unwrap().take().unwrap();
        let words = stream::poll_fn(move |context| rest.poll_recv(context));
        std::future::ready(events(words, guard))
    })
    .await;
    let (sink, mut source) = mpsc::channel(8);
    let gateway = upstream.house().await.gateway.clone();
    let chat = tokio::spawn(async move { gateway.chat(asker(), request(), sink, CancellationToken::new()).await });
    for word in ["one", "two"] {
        more.send(says(word).into()).unwrap();
        let got = tokio::time::timeout(PATIENCE, source.recv()).await.unwrap();
        assert_eq!(got, Some(ChatDelta::Text { text: word.to_owned() }));
    }
    more.send(ends("length").into()).unwrap();
    assert_eq!(chat.await.unwrap().unwrap().reason, StopReason::Length);
}

#[tokio::test]
async fn a_server_that_ignores_stream() {
    let body = json!({ "choices": [{ "message": { "content": "whole" }, "finish_reason": "stop" }] }).to_string();
    let upstream = Script::always(200, &[("content-type", "application/json")], body).await;
    let (deltas, end) = upstream.house().await.ask(request()).await;
    assert_eq!((text(&deltas).as_str(), end.unwrap().reason), ("whole", StopReason::Stop));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    const QUESTIONS: usize = 10;
    let ports = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let log = Arc::clone(&ports);
    let app = axum::Router::new().fallback(
        move |axum::extract::ConnectInfo(from): axum::extract::ConnectInfo<std::net::SocketAddr>| {
            log.lock().unwrap().push(from.port());
            // The end of the body follows the end mark a moment later, as it does over a network.
            let end = stream::once(tokio::time::sleep(Duration::from_millis(1))).map(|()| String::new());
            let body = stream::iter([says("x"), ends("stop")]).chain(end).map(Ok::<_, Infallible>);
            std::future::ready(answer(200, &[("content-type", "text/event-stream")], Body::from_stream(body)))
        },
    );
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let house = house(vec![UpstreamSettings::new("u", url)]).await;
    for door in [None, Some(Dialect::Chat), Some(Dialect::Anthropic), Some(Dialect::Responses)] {
        for _ in 0..QUESTIONS {
            match door {
                None => drop(house.ask(request()).await.1.unwrap()),
                Some(door) => drop(house.converse(words::asking(door, true)).await),
            }
        }
        let mut ports = std::mem::take(&mut *ports.lock().unwrap());
        assert_eq!(ports.len(), QUESTIONS);
        ports.dedup();
        assert!(ports.len() < QUESTIONS, "a handshake for every question at {door:?}: {ports:?}");
    }
}

#[tokio::test]
async fn many_answers_at_once_do_not_mix() {
    let upstream = Script::start(|seen, guard| {
        let words = seen.body["messages"][0]["content"].as_str().unwrap().to_owned();
        let chunks = (0..20).map(move |n| says(&format!("{words}{n} ")).into());
        std::future::ready(events(stream::iter(chunks.chain([ends("stop").into()])), guard))
    })
    .await;
    let house = Arc::new(upstream.house().await);
    let asked = (0..100).map(|n| {
        let house = house.clone();
        tokio::spawn(async move {
            let messages = vec![ChatMessage::User { text: format!("q{n}-"), images: vec![] }];
            let (deltas, end) = house.ask(ChatRequest { messages, ..request() }).await;
            end.unwrap();
            let expected: String = (0..20).map(|word| format!("q{n}-{word} ")).collect();
            assert_eq!(text(&deltas), expected);
        })
    });
    for task in asked.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// An upstream that answers a word and then nothing more, and one that never even begins.
async fn silent(says_something: bool) -> Script {
    Script::start(move |_, guard| async move {
        if !says_something {
            let _guard = guard;
            return std::future::pending().await;
        }
        events(stream::iter([says("one").into()]).chain(stream::pending()), guard)
    })
    .await
}

#[tokio::test]
async fn cancelling_closes_the_upstream_request() {
    for says_something in [false, true] {
        let mut upstream = silent(says_something).await;
        let (sink, mut source) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let (gateway, token) = (upstream.house().await.gateway.clone(), cancel.clone());
        let chat = tokio::spawn(async move { gateway.chat(asker(), request(), sink, token).await });
        if says_something {
            source.recv().await.unwrap();
        } else {
            wait_until(|| !upstream.seen().is_empty()).await;
        }
        cancel.cancel();
        assert!(matches!(chat.await.unwrap(), Err(LlmError::Cancelled)));
        upstream.client_went().await;
    }
}

#[tokio::test]
async fn a_dropped_sink_closes_the_upstream_request() {
    for says_something in [false, true] {
        let mut upstream = silent(says_something).await;
        let (sink, mut source) = mpsc::channel(1);
        let gateway = upstream.house().await.gateway.clone();
        let chat = tokio::spawn(async move { gateway.chat(asker(), request(), sink, CancellationToken::new()).await });
        if says_something {
            source.recv().await.unwrap();
        } else {
            wait_until(|| !upstream.seen().is_empty()).await;
        }
        drop(source);
        assert!(matches!(chat.await.unwrap(), Err(LlmError::Cancelled)));
        upstream.client_went().await;
    }
}

#[tokio::test]
async fn a_reader_that_never_reads_can_be_cancelled() {
    let mut upstream = Script::start(|_, guard| {
        let endless = stream::repeat_with(|| Bytes::from(says(&"x".repeat(10_000))));
        std::future::ready(events(endless, guard))
    })
    .await;
    let (sink, source) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let (gateway, token) = (upstream.house().await.gateway.clone(), cancel.clone());
    let chat = tokio::spawn(async move { gateway.chat(asker(), request(), sink, token).await });
    wait_until(|| !source.is_empty()).await;
    cancel.cancel();
    assert!(matches!(chat.await.unwrap(), Err(LlmError::Cancelled)));
    upstream.client_went().await;
}

#[tokio::test]
async fn a_dropped_future_closes_the_upstream_request() {
    let mut upstream = silent(true).await;
    let (sink, mut source) = mpsc::channel(1);
    let gateway = upstream.house().await.gateway.clone();
    let chat = tokio::spawn(async move { gateway.chat(asker(), request(), sink, CancellationToken::new()).await });
    source.recv().await.unwrap();
    chat.abort();
    upstream.client_went().await;
}

#[tokio::test]
async fn what_is_cancelled_before_it_begins_asks_nobody() {
    let upstream = silent(true).await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (sink, _source) = mpsc::channel(1);
    let asked = upstream.house().await.gateway.chat(asker(), request(), sink, cancel).await;
    assert!(matches!(asked, Err(LlmError::Cancelled)));
    assert!(upstream.seen().is_empty());
}
