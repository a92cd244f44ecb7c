//! What goes wrong at an upstream, at every door: what the client is told, and what is written down.

use coditect_dialects::FailureKind;
use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;

/// What an upstream does with a question.
type Deed = fn(Dialect, Guard) -> BoxFuture<'static, Response>;

/// A fault before the answer, with the status that the client gets in its own dialect and the code that is written down.
struct Before {
    name: &'static str,
    deed: Deed,
    status: u16,
    code: &'static str,
}

fn refuses(status: u16, headers: Headers, body: &'static str) -> BoxFuture<'static, Response> {
    async move { answer(status, headers, Body::from(body)) }.boxed()
}

const BEFORE: [Before; 9] = [
    Before {
        name: "429",
        deed: |_, _| {
            refuses(
                429,
                &[("retry-after", "7"), ("content-type", "application/json")],
                r#"{"error":{"message":"slow down"}}"#,
            )
        },
        status: 429,
        code: "llm.rate_limited",
    },
    Before { name: "500", deed: |_, _| refuses(500, &[], "{}"), status: 502, code: "llm.upstream_error" },
    Before { name: "503", deed: |_, _| refuses(503, &[], "{}"), status: 503, code: "llm.upstream_error" },
    Before { name: "529", deed: |_, _| refuses(529, &[], "{}"), status: 503, code: "llm.upstream_error" },
    Before {
        name: "a redirect",
        deed: |_, _| refuses(307, &[("location", "http://127.0.0.1:1/v1")], ""),
        status: 502,
        code: "llm.upstream_error",
    },
    Before {
        name: "a page",
        deed: |_, _| refuses(200, &[("content-type", "text/html")], "<html>Sign in</html>"),
        status: 502,
        code: "llm.bad_stream",
    },
    Before {
        name: "nothing at all",
        deed: |_, _| refuses(200, &[("content-type", "text/event-stream")], ""),
        status: 502,
        code: "llm.bad_stream",
    },
    Before {
        name: "silence",
        deed: |_, guard| {
            async move {
                let _guard = guard;
                std::future::pending().await
            }
            .boxed()
        },
        status: 504,
        code: "llm.timeout_first_token",
    },
    Before {
        name: "a head and silence",
        deed: |_, guard| async move { hanging(vec![], guard) }.boxed(),
        status: 504,
        code: "llm.timeout_first_token",
    },
];

async fn doing(upstream: Dialect, deed: Deed) -> Script {
    Script::start(move |_, guard| deed(upstream, guard)).await
}

async fn impatient(script: &Script, upstream: Dialect, first: Duration, idle: Duration) -> House {
    let settings = UpstreamSettings { first_token_timeout: first, idle_timeout: idle, ..script.speaking(upstream) };
    let house = House::with(LlmSettings { whole_timeout: first, ..settings_of(vec![settings]) }).await;
    house.policy(plenty()).await;
    house
}

async fn check_before(fault: &Before, door: Dialect, upstream: Dialect, stream: bool) {
    let what = format!("{} at {door:?} from {upstream:?}, stream {stream}", fault.name);
    let script = doing(upstream, fault.deed).await;
    let patience = if fault.status == 504 { SHORT } else { PATIENCE };
    let house = impatient(&script, upstream, patience, PATIENCE).await;
    let answered = house.converse(asking(door, stream)).await;
    let passed_on = door == upstream && matches!(fault.name, "429" | "500" | "503" | "529");
    let told: u16 = fault.name.parse().unwrap_or(fault.status);
    let expected = match door {
        _ if passed_on => told,
        Dialect::Anthropic if fault.status == 503 => 529,
        _ => fault.status,
    };
    assert_eq!((answered.status, answered.code()), (expected, fault.code), "{what}: {answered:?}");
    assert_eq!(answered.header("retry-after"), if fault.name == "429" { "7" } else { "" }, "{what}");
    if !passed_on {
        assert!(coditect_dialects::failure::is_failure(&answered.json()), "{what}: {answered:?}");
    }
    assert_eq!(script.seen().len(), 1, "{what}");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.code.as_deref()), (CallOutcome::Refused, Some(fault.code)), "{what}: {call:?}");
    // What never came back may have been read.
    assert_eq!((call.cost > Usd::ZERO, call.tokens.output), (fault.status == 504, 0), "{what}: {call:?}");
    assert_eq!((call.door.name(), call.model.as_str(), call.retries), (door.name(), "u/m", 0), "{what}");
}

#[tokio::test]
async fn what_goes_wrong_before_the_answer() {
    leaving_nothing(async {
        for fault in &BEFORE {
            for (door, upstream) in pairs() {
                for stream in [false, true] {
                    check_before(fault, door, upstream, stream).await;
                }
            }
        }
    })
    .await;
}

/// A fault in the middle of a stream, with the code that the client and the books are told.
struct Middle {
    name: &'static str,
    deed: fn(Vec<Bytes>, Guard) -> Response,
    code: &'static str,
}

const MIDDLE: [Middle; 5] = [
    Middle { name: "it dies", deed: |begun, _| broken(begun), code: "llm.bad_stream" },
    Middle { name: "it ends early", deed: |begun, guard| events(stream::iter(begun), guard), code: "llm.bad_stream" },
    Middle { name: "it falls silent", deed: hanging, code: "llm.timeout_idle" },
    Middle {
        name: "it only gives signs of life",
        deed: |begun, guard| {
            let sign = stream::repeat(Bytes::from(": alive\n\n")).then(|sign| async {
                tokio::time::sleep(SHORT / 10).await;
                sign
            });
            events(stream::iter(begun).chain(sign), guard)
        },
        code: "llm.timeout_idle",
    },
    Middle {
        name: "it tells of a failure",
        deed: |mut begun, guard| {
            begun.push(Bytes::from(
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"too much\"}}\n\n",
            ));
            events(stream::iter(begun), guard)
        },
        code: "llm.upstream_error",
    },
];

async fn check_middle(fault: &Middle, door: Dialect, upstream: Dialect) {
    let what = format!("{} at {door:?} from {upstream:?}", fault.name);
    let deed = fault.deed;
    // All at once, so that there is no silence but the one that is meant.
    let begun = Bytes::from(begins(upstream, &["one ", "two ", "three "]).concat());
    let script = Script::start(move |_, guard| std::future::ready(deed(vec![begun.clone()], guard))).await;
    let patience = if fault.code == "llm.timeout_idle" { SHORT } else { PATIENCE };
    let house = impatient(&script, upstream, PATIENCE, patience).await;
    let answered = house.converse(asking(door, true)).await;
    assert_eq!(answered.status, 200, "{what}: {answered:?}");
    let (said, end) = understood(door, &answered);
    assert_eq!(said, "one two three ", "{what}");
    let failure = end.expect_err(&what);
    assert!(!matches!(failure.kind, FailureKind::BadRequest | FailureKind::Unauthenticated), "{what}: {failure:?}");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.code.as_deref()), (CallOutcome::BrokeOff, Some(fault.code)), "{what}: {call:?}");
    assert!(call.estimated && call.tokens.input > 0 && (3..12).contains(&call.tokens.output), "{what}: {call:?}");
    assert!(call.cost > Usd::ZERO && call.first_token_us.is_some(), "{what}: {call:?}");
}

#[tokio::test]
async fn what_goes_wrong_in_the_middle() {
    leaving_nothing(async {
        for fault in &MIDDLE {
            for (door, upstream) in pairs() {
                check_middle(fault, door, upstream).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn garbage_in_the_middle() {
    for (door, upstream) in pairs() {
        let what = format!("{door:?} from {upstream:?}");
        let script = Script::start(move |_, guard| async move {
            let mut chunks = begins(upstream, &["one"]);
            chunks.push(Bytes::from_static(b"\xff\xfe data: {{{\n\ndata: not json\n\n\0\0\0"));
            events(stream::iter(chunks), guard)
        })
        .await;
        let house = impatient(&script, upstream, PATIENCE, PATIENCE).await;
        let answered = house.converse(asking(door, true)).await;
        let (said, end) = understood(door, &answered);
        assert_eq!(said, "one", "{what}");
        end.expect_err(&what);
        let call = house.close().await.only();
        assert_eq!(
            (call.outcome, call.code.as_deref()),
            (CallOutcome::BrokeOff, Some("llm.bad_stream")),
            "{what}: {call:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_in_place_of_an_answer() {
    for (door, upstream) in pairs() {
        for stream in [false, true] {
            let what = format!("{door:?} from {upstream:?}, stream {stream}");
            let body = r#"{"error":{"message":"out of memory","type":"server_error"}}"#;
            let script = Script::always(200, &[("content-type", "application/json")], body).await;
            let house = impatient(&script, upstream, PATIENCE, PATIENCE).await;
            let answered = house.converse(asking(door, stream)).await;
            if door == upstream {
                assert_eq!(
                    (answered.status, answered.text().as_str()),
                    (200, body),
                    "{what}: it is passed on as it is"
                );
            } else if stream {
                understood(door, &answered).1.expect_err(&what);
            } else {
                assert_eq!((answered.status, answered.code()), (502, "llm.upstream_error"), "{what}: {answered:?}");
            }
            let call = house.close().await.only();
            assert_eq!(call.code.as_deref(), Some("llm.upstream_error"), "{what}: {call:?}");
            assert_eq!(call.outcome, CallOutcome::BrokeOff, "{what}: {call:?}");
        }
    }
}

fn of_size(bytes: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    const PIECE: usize = 1024 * 1024;
    stream::iter((0..bytes / PIECE).map(|_| Bytes::from(vec![b'x'; PIECE])))
}

#[tokio::test]
async fn a_huge_answer_at_once() {
    for (door, upstream) in [(Dialect::Chat, Dialect::Chat), (Dialect::Anthropic, Dialect::Chat)] {
        let mut script = Script::start(|_, guard| async move {
            let endless = stream::iter([Bytes::from("{\"x\":\"")]).chain(of_size(1 << 30));
            let mut response = events(endless, guard);
            response.headers_mut().insert("content-type", "application/json".parse().unwrap());
            response
        })
        .await;
        let house = impatient(&script, upstream, PATIENCE, PATIENCE).await;
        let answered = house.converse(asking(door, false)).await;
        assert_eq!((answered.status, answered.code()), (502, "llm.bad_stream"), "{answered:?}");
        assert!(answered.text().contains("16 MiB"), "{answered:?}");
        script.client_went().await;
        let call = house.close().await.only();
        assert_eq!((call.outcome, call.estimated), (CallOutcome::BrokeOff, true), "{call:?}");
    }
}

#[tokio::test]
async fn an_event_larger_than_memory_shall_hold() {
    const EVENT: usize = 20 * 1024 * 1024;
    for door in [Dialect::Chat, Dialect::Anthropic, Dialect::Responses] {
        let script = Script::start(move |_, guard| async move {
            let start = stream::iter([Bytes::from("data: {\"x\":\"")]).chain(of_size(EVENT));
            let rest = [vec![Bytes::from("\"}\n\n")], streamed(Dialect::Chat, &["one"])].concat();
            events(start.chain(stream::iter(rest)), guard)
        })
        .await;
        let house = impatient(&script, Dialect::Chat, PATIENCE, PATIENCE).await;
        let answered = house.converse(asking(door, true)).await;
        let call = house.close().await.only();
        if door == Dialect::Chat {
            // What nobody here looks at goes on all the same, and what comes after it is read again.
            assert!(answered.bytes.len() > EVENT && answered.text().ends_with("data: [DONE]\n\n"));
            assert_eq!((call.outcome, call.tokens.output), (CallOutcome::Ok, OUTPUT), "{call:?}");
        } else {
            let failure = understood(door, &answered).1.unwrap_err();
            assert!(failure.message.contains("16 MiB"), "{failure:?}");
            assert_eq!(
                (call.outcome, call.code.as_deref()),
                (CallOutcome::BrokeOff, Some("llm.bad_stream")),
                "{call:?}"
            );
        }
    }
}
