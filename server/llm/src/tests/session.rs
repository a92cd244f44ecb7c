//! The Responses dialect over one socket.

use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;
use crate::{Events, ResponsesSession};

/// What the client of a socket saw.
#[derive(Default)]
struct Frames {
    seen: Vec<Value>,
    /// It goes away after so many.
    most: Option<usize>,
}

impl Events for Frames {
    fn send(&mut self, event: String) -> impl Future<Output = bool> + Send {
        let is_there = self.most.is_none_or(|most| self.seen.len() < most);
        if is_there {
            self.seen.push(serde_json::from_str(&event).unwrap());
        }
        std::future::ready(is_there)
    }
}

struct Socket(ResponsesSession);

impl Socket {
    fn to(house: &House) -> Self {
        Self(ResponsesSession::new(house.gateway.clone(), HeaderMap::new()))
    }

    async fn say(&mut self, text: &str) -> Vec<Value> {
        let mut frames = Frames::default();
        let message = self.0.message(asker(), text, &mut frames);
        tokio::time::timeout(PATIENCE, message).await.expect("it hangs");
        frames.seen
    }

    async fn send(&mut self, message: &Value) -> Vec<Value> {
        self.say(&message.to_string()).await
    }
}

fn create(input: &Value, before: Option<&str>) -> Value {
    let mut message = json!({ "type": "response.create", "model": "u/m", "input": input, "instructions": "be good" });
    if let Some(before) = before {
        message["previous_response_id"] = before.into();
    }
    message
}

fn said(words: &str) -> Value {
    json!([{ "type": "message", "role": "user", "content": words }])
}

fn id(frames: &[Value]) -> String {
    let last = frames.last().unwrap();
    assert_eq!(last["type"], "response.completed", "{frames:?}");
    last["response"]["id"].as_str().unwrap().to_owned()
}

/// The one frame that says that there is no answer.
fn refusal(frames: &[Value]) -> (u64, &str) {
    let frame = frames.last().unwrap();
    assert_eq!(frame["type"], "error", "{frames:?}");
    (frame["status"].as_u64().expect("it has a status"), frame["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_conversation_goes_on_from_its_answers() {
    for upstream in [Dialect::Responses, Dialect::Chat, Dialect::Anthropic] {
        let count = Arc::new(Mutex::new(0));
        let script = Script::start(move |_, guard| {
            let mut count = count.lock().unwrap();
            *count += 1;
            let text = String::from_utf8_lossy(&streamed(upstream, &["Grüße"]).concat())
                .replace("resp_1", &format!("resp_{count}"));
            std::future::ready(events(stream::iter([text.into()]), guard))
        })
        .await;
        let house = house(vec![script.speaking(upstream)]).await;
        let mut socket = Socket::to(&house);
        let first = id(&socket.send(&create(&said("one"), None)).await);
        let second = id(&socket.send(&create(&said("two"), Some(&first))).await);
        socket.send(&create(&json!("three"), Some(&second))).await;
        // A conversation may go on from an earlier answer as well.
        socket.send(&create(&said("other"), Some(&first))).await;
        let texts: Vec<String> = script.seen().iter().map(|seen| seen.body.to_string()).collect();
        let expected = [
            vec!["one"],
            vec!["one", "Grüße", "two"],
            vec!["one", "Grüße", "two", "Grüße", "three"],
            vec!["one", "Grüße", "other"],
        ];
        for (text, expected) in texts.iter().zip(expected) {
            let mut rest = text.as_str();
            for word in expected {
                let at = rest.find(word).unwrap_or_else(|| panic!("{word} is missing or in the wrong place: {text}"));
                rest = &rest[at + word.len()..];
            }
            assert!(!rest.contains("one") && !rest.contains("Grüße"), "{text}");
            assert!(
                text.contains("be good") && !text.contains("previous_response_id") && !text.contains("response.create"),
                "{text}"
            );
        }
        let calls = house.close().await.calls;
        assert_eq!(
            calls.iter().filter(|call| call.outcome == CallOutcome::Ok && call.door.name() == "responses").count(),
            4
        );
    }
}

#[tokio::test]
async fn what_is_not_known_here_is_not_gone_on_from() {
    let script = good(Dialect::Responses, &["hi"]).await;
    let house = house(vec![script.speaking(Dialect::Responses)]).await;
    let (mut ours, mut theirs) = (Socket::to(&house), Socket::to(&house));
    // Not even where another socket knows it.
    let first = id(&theirs.send(&create(&said("secret"), None)).await);
    for before in [json!(first), json!("resp_made_up"), json!(""), json!(7), json!({})] {
        let mut message = create(&said("go on"), None);
        message["previous_response_id"] = before;
        assert_eq!(refusal(&ours.send(&message).await), (400, "previous_response_not_found"));
    }
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn what_shall_not_be_answered_yet_is_kept_and_nobody_is_asked() {
    let script = good(Dialect::Chat, &["hi"]).await;
    let house = script.house().await;
    let mut socket = Socket::to(&house);
    let mut message = create(&said("the system prompt"), None);
    (message["generate"], message["stream_id"]) = (false.into(), "lane-1".into());
    let frames = socket.send(&message).await;
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["response.created", "response.completed"]);
    assert!(frames.iter().all(|frame| frame["stream_id"] == "lane-1"), "{frames:?}");
    assert_eq!(frames[1]["response"]["usage"]["total_tokens"], 0);
    assert!(script.seen().is_empty());
    socket.send(&create(&said("go"), Some(&id(&frames)))).await;
    let text = script.seen()[0].body.to_string();
    assert!(text.contains("the system prompt") && text.contains("\"go\""), "{text}");
    assert_eq!(house.close().await.calls.len(), 1);
}

#[tokio::test]
async fn lanes_are_named_in_every_event() {
    let script = good(Dialect::Chat, &["hi"]).await;
    let house = script.house().await;
    let mut socket = Socket::to(&house);
    let mut message = create(&said("one"), None);
    message["stream_id"] = "lane".into();
    let frames = socket.send(&message).await;
    assert!(frames.len() > 3 && frames.iter().all(|frame| frame["stream_id"] == "lane"), "{frames:?}");
    assert!(!script.seen()[0].body.to_string().contains("lane"));
    message["model"] = "nobody/m".into();
    assert_eq!(socket.send(&message).await[0]["stream_id"], "lane");
    for strange in [json!(7), json!({}), json!("x".repeat(10_000))] {
        message["stream_id"] = strange;
        assert!(socket.send(&message).await[0].get("stream_id").is_none());
    }
}

#[tokio::test]
async fn refusals_have_a_status() {
    let limited = Script::always(
        429,
        &[("retry-after", "7"), ("content-type", "application/json")],
        r#"{"error":{"message":"slow"}}"#,
    )
    .await;
    for upstream in [Dialect::Responses, Dialect::Chat] {
        let house = house(vec![limited.speaking(upstream)]).await;
        let mut socket = Socket::to(&house);
        let frames = socket.send(&create(&said("one"), None)).await;
        assert_eq!((frames.len(), refusal(&frames).0), (1, 429));
        assert_eq!(frames[0]["headers"]["retry-after"], "7");
        let mut unknown = create(&said("one"), None);
        unknown["model"] = "nobody/m".into();
        assert_eq!(refusal(&socket.send(&unknown).await).0, 404);
        house.policy(json!({ "budgets": [{ "scope": "person", "limit": 0, "period": "day" }], "prices": [{ "model": "*", "input": 1, "output": 1 }] })).await;
        assert_eq!(refusal(&socket.send(&create(&said("one"), None)).await).0, 429);
    }
    let house = limited.house().await;
    let mut socket = Socket::to(&house);
    for bad in [
        "",
        "nonsense",
        "[]",
        "7",
        "{}",
        r#"{"type":"session.update"}"#,
        r#"{"type":"response.create"}"#,
        r#"{"type":7}"#,
    ] {
        assert_eq!(refusal(&socket.say(bad).await).0, 400, "{bad}");
    }
}

#[tokio::test]
async fn whatever_an_upstream_does_the_client_is_told_that_it_is_over() {
    let deeds: [fn(Guard) -> Response; 6] = [
        |_| broken(begins(Dialect::Responses, &["one"])),
        |guard| events(stream::iter(begins(Dialect::Responses, &["one"])), guard),
        |guard| {
            let failure = Bytes::from(
                "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\"}\n\n",
            );
            events(stream::iter(begins(Dialect::Responses, &["one"]).into_iter().chain([failure])), guard)
        },
        |_| {
            answer(
                200,
                &[("content-type", "application/json")],
                Body::from(whole(Dialect::Responses, "hi").to_string()),
            )
        },
        |_| answer(200, &[("content-type", "text/html")], Body::from("<html>")),
        |guard| {
            let large = stream::iter((0..20).map(|_| Bytes::from(vec![b'x'; 1024 * 1024])));
            events(stream::iter([Bytes::from("data: ")]).chain(large), guard)
        },
    ];
    for (at, deed) in deeds.into_iter().enumerate() {
        let script = Script::start(move |_, guard| std::future::ready(deed(guard))).await;
        let house = house(vec![script.speaking(Dialect::Responses)]).await;
        let mut socket = Socket::to(&house);
        let frames = socket.send(&create(&said("one"), None)).await;
        let last = frames.last().unwrap_or_else(|| panic!("nothing is said after {at}"));
        match last["type"].as_str().unwrap() {
            "error" => assert!(last["status"].as_u64().is_some_and(|status| status >= 500), "{at}: {last}"),
            kind => assert_eq!(kind, "response.failed", "{at}: {last}"),
        }
        let again = socket.send(&create(&said("two"), Some("resp_1"))).await;
        assert_eq!(refusal(&again), (400, "previous_response_not_found"), "{at}: what broke off is not kept");
    }
}

#[tokio::test]
async fn only_so_much_is_kept() {
    let script = good(Dialect::Chat, &["hi"]).await;
    let house = script.house().await;
    let mut socket = Socket::to(&house);
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(id(&socket.send(&create(&said(&format!("q{n}")), None)).await));
    }
    assert_eq!(refusal(&socket.send(&create(&said("on"), Some(&ids[0]))).await).1, "previous_response_not_found");
    id(&socket.send(&create(&said("on"), Some(&ids[19]))).await);
    let mut large = create(&said(&"x".repeat(20 * 1024 * 1024)), None);
    large["generate"] = false.into();
    let frames = socket.send(&large).await;
    assert_eq!(refusal(&socket.send(&create(&said("on"), Some(&id(&frames)))).await).1, "previous_response_not_found");
}

#[tokio::test]
async fn nothing_goes_on_once_nobody_takes_the_events() {
    leaving_nothing(async {
        for upstream in [Dialect::Responses, Dialect::Chat] {
            let mut script = Script::start(move |_, guard| async move {
                let beginning = begins(upstream, &["word "]);
                let word = beginning.last().unwrap().clone();
                events(stream::iter(beginning).chain(stream::repeat(word)), guard)
            })
            .await;
            let house = house(vec![script.speaking(upstream)]).await;
            let mut socket = Socket::to(&house);
            let mut frames = Frames { most: Some(10), ..Frames::default() };
            let message = create(&said("one"), None).to_string();
            tokio::time::timeout(PATIENCE, socket.0.message(asker(), &message, &mut frames)).await.expect("it goes on");
            script.client_went().await;
            let call = house.close().await.only();
            assert_eq!((call.outcome, frames.seen.len()), (CallOutcome::Cancelled, 10), "{call:?}");
        }
    })
    .await;
}
