//! Answers that are passed on as they are and do not end as they should; and Gemini's streams that are arrays.

use coditect_dialects::FailureKind;
use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;
use crate::Framing;

/// Gemini's own words as the items of one array, laid out as it does.
fn array(words: &[&str]) -> String {
    let mut items: Vec<Value> = words.iter().map(|word| item(word)).collect();
    items.push(json!({
        "candidates": [{ "content": { "parts": [{ "text": "\\\"]}\u{4f60}" }] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT - 7, "thoughtsTokenCount": 7 },
    }));
    let items: Vec<String> = items.iter().map(|item| serde_json::to_string_pretty(item).unwrap()).collect();
    format!("[{}\n]\n", items.join("\n,\r\n"))
}

fn item(word: &str) -> Value {
    json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": word }] } }] })
}

/// A question for a stream that is an array.
fn asking_array() -> Conversation {
    Conversation { framing: Framing::Array, ..asking(Dialect::Gemini, true) }
}

/// The same bytes as another type than an event stream.
fn typed(mut response: Response, kind: &'static str) -> Response {
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}

fn in_pieces(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}

async fn patient(script: &Script, dialect: Dialect, idle: Duration) -> House {
    let house =
        House::with(settings_of(vec![UpstreamSettings { idle_timeout: idle, ..script.speaking(dialect) }])).await;
    house.policy(plenty()).await;
    house
}

async fn gemini(script: &Script) -> House {
    patient(script, Dialect::Gemini, PATIENCE).await
}

#[tokio::test]
async fn an_array_is_passed_on_byte_by_byte_and_all_of_it_is_counted() {
    let whole = array(&["gr\u{fc}\u{df}e ", "[{,", "\"}]"]);
    for size in [1, 2, 3, 7, 61, whole.len()] {
        let chunks = in_pieces(whole.as_bytes(), size);
        let script = Script::start(move |_, guard| {
            std::future::ready(typed(events(stream::iter(chunks.clone()), guard), "application/json"))
        })
        .await;
        let house = gemini(&script).await;
        let answered = house.converse(asking_array()).await;
        assert_eq!(answered.text(), whole, "in chunks of {size}");
        assert!(script.seen()[0].path.ends_with(":streamGenerateContent"), "{:?}", script.seen());
        let call = house.close().await.only();
        let tokens = (call.tokens.input, call.tokens.output, call.tokens.reasoning, call.estimated);
        assert_eq!(tokens, (INPUT, OUTPUT, 7, false), "in chunks of {size}");
        assert_eq!((call.outcome, call.cost), (CallOutcome::Ok, price(INPUT, OUTPUT)), "{call:?}");
    }
}

#[tokio::test]
async fn an_array_is_cut_where_the_money_ends() {
    leaving_nothing(async {
        for size in [7, 10_000] {
            let mut script = Script::start(move |_, guard| async move {
                let first = in_pieces(format!("[{}", item("word ")).as_bytes(), size);
                let next = in_pieces(format!(",\r\n{}", item("word ")).as_bytes(), size);
                let endless = stream::repeat(next).flat_map(stream::iter);
                typed(events(stream::iter(first).chain(endless), guard), "application/json")
            })
            .await;
            let house = house(vec![script.speaking(Dialect::Gemini)]).await;
            house
                .policy(json!({
                    "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": 10 }],
                    "budgets": [{ "scope": "person", "limit": 0.005, "period": "total" }],
                }))
                .await;
            let answered = house.converse(asking_array()).await;
            script.client_went().await;
            let (said, end) = understood(Dialect::Gemini, &answered);
            let words = said.matches("word").count() as u64;
            let failure = end.expect_err("it is cut");
            assert!(words > 50 && failure.message.contains("budget"), "{words} {failure:?}");
            let call = house.close().await.only();
            assert_eq!((call.outcome, call.code.as_deref()), (CallOutcome::OutOfMoney, Some("llm.budget_exhausted")));
            assert!(call.tokens.output >= words && call.estimated, "{words} words, {call:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_leaves_an_array_early_pays_for_what_came() {
    let begun: Vec<Bytes> =
        ["[", ",", ","].iter().map(|before| Bytes::from(format!("{before}{}", item("word ")))).collect();
    let mut script =
        Script::start(move |_, guard| std::future::ready(typed(hanging(begun.clone(), guard), "application/json")))
            .await;
    let house = gemini(&script).await;
    let mut body = house.gateway.converse(asking_array()).await.into_body();
    let mut got = Vec::new();
    while String::from_utf8_lossy(&got).matches("word").count() < 3 {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("it is held back").unwrap().unwrap();
        got.extend(frame.into_data().unwrap());
    }
    drop(body);
    script.client_went().await;
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.tokens.output, call.estimated), (CallOutcome::Cancelled, 3, true), "{call:?}");
}

#[tokio::test]
async fn an_array_larger_than_memory_shall_hold() {
    const PIECES: usize = 20;
    let script = Script::start(|_, guard| async move {
        let large = item(&"x".repeat(1024 * 1024)).to_string();
        let large = (0..PIECES).map(move |at| Bytes::from(format!("{}{large}", if at == 0 { "[" } else { "," })));
        let end = Bytes::from(array(&[]).replacen('[', ",", 1));
        typed(events(stream::iter(large.chain([end])), guard), "application/json")
    })
    .await;
    let house = gemini(&script).await;
    let answered = house.converse(asking_array()).await;
    assert_eq!(answered.json().as_array().map(Vec::len), Some(PIECES + 1));
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.tokens.output, call.estimated), (CallOutcome::Ok, OUTPUT, false), "{call:?}");
}

/// Ways of breaking off, with the code that is written down.
type Break = (&'static str, fn(Vec<Bytes>, Guard) -> Response, &'static str);
const BREAKS: [Break; 3] = [
    ("it dies", |begun, _| broken(begun), "llm.bad_stream"),
    ("it ends early", |begun, guard| events(stream::iter(begun), guard), "llm.bad_stream"),
    ("it falls silent", hanging, "llm.timeout_idle"),
];

/// An upstream that says this as one piece, and breaks off.
async fn breaking(begun: &[u8], fault: &Break, kind: &'static str) -> Script {
    let (begun, deed) = (Bytes::copy_from_slice(begun), fault.1);
    Script::start(move |_, guard| std::future::ready(typed(deed(vec![begun.clone()], guard), kind))).await
}

async fn check_broken(house: House, asked: Conversation, said: &str, code: &str, what: &str) {
    let door = asked.dialect;
    let answered = house.converse(asked).await;
    let (heard, end) = understood(door, &answered);
    assert_eq!(heard, said, "{what}: {answered:?}");
    let failure = end.expect_err(what);
    assert!(failure.message.contains("pstream \u{201c}u\u{201d}"), "{what}: {failure:?} in {answered:?}");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.code.as_deref()), (CallOutcome::BrokeOff, Some(code)), "{what}: {call:?}");
    assert!(call.estimated || said.is_empty(), "{what}: {call:?}");
}

#[tokio::test]
async fn an_array_that_breaks_off_ends_in_an_error() {
    let first = item("one ").to_string();
    let whole = format!("[{first}\n,\r\n{}\n]", item("t}w]o "));
    let whole_items = |begun: &str| match begun.len() {
        short if short <= first.len() => "",
        short if short <= whole.len() - 3 => "one ",
        _ => "one t}w]o ",
    };
    for fault in &BREAKS {
        // Before and after each of what structures it, and within both items.
        for at in [1, 2, 20, first.len(), first.len() + 1, first.len() + 2, first.len() + 3, first.len() + 5]
            .into_iter()
            .chain([whole.len() - 15, whole.len() - 3, whole.len() - 2, whole.len() - 1, whole.len()])
        {
            let begun = &whole[..at];
            let what = format!("{} after {begun}", fault.0);
            let script = breaking(begun.as_bytes(), fault, "application/json").await;
            let patience = if fault.2 == "llm.timeout_idle" { SHORT } else { PATIENCE };
            let house = patient(&script, Dialect::Gemini, patience).await;
            check_broken(house, asking_array(), whole_items(begun), fault.2, &what).await;
        }
    }
}

#[tokio::test]
async fn an_array_without_an_answer_is_none() {
    for body in ["[]", "[ ]\n", "[1, \"two\"]", "[{\"usageMetadata\":{}}]", "[[[["] {
        let script = Script::always(200, &[("content-type", "application/json")], body).await;
        let house = gemini(&script).await;
        check_broken(house, asking_array(), "", "llm.bad_stream", body).await;
    }
}

#[tokio::test]
async fn an_array_that_lacks_only_its_end_is_ended() {
    for (more, expected) in [("", "]"), ("\n", "\n]"), ("\n,", "\n]"), ("\n,{\"x", "\n]")] {
        let whole = array(&["one"]);
        let begun = whole.trim_end_matches(['\n', ']']).to_owned();
        let script = breaking(format!("{begun}{more}").as_bytes(), &BREAKS[0], "application/json").await;
        let house = gemini(&script).await;
        let answered = house.converse(asking_array()).await;
        assert_eq!(answered.text(), format!("{begun}{expected}"));
        let call = house.close().await.only();
        assert_eq!((call.outcome, call.tokens.output), (CallOutcome::Ok, OUTPUT), "{call:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_blocked_has_an_answer() {
    let blocked =
        json!({ "promptFeedback": { "blockReason": "SAFETY" }, "usageMetadata": { "promptTokenCount": INPUT } });
    let (as_array, as_event) = (format!("[{blocked}]"), format!("data: {blocked}\r\n\r\n"));
    for (asked, kind, body) in [
        (asking_array(), "application/json", as_array),
        (asking(Dialect::Gemini, true), "text/event-stream", as_event),
        (asking(Dialect::Gemini, false), "application/json", blocked.to_string()),
    ] {
        let headers: Headers = if kind == "application/json" {
            &[("content-type", "application/json")]
        } else {
            &[("content-type", "text/event-stream")]
        };
        let script = Script::always(200, headers, body.clone()).await;
        let house = gemini(&script).await;
        assert_eq!(house.converse(asked).await.text(), body);
        let call = house.close().await.only();
        assert_eq!((call.outcome, call.tokens.input), (CallOutcome::Ok, INPUT), "{call:?}");
        assert!(call.tokens.output <= 1, "{call:?}");
    }
}

/// Questions whose answers are passed on, with and without a count that nobody asked for.
fn passed_on() -> Vec<Conversation> {
    let mut counted = asking(Dialect::Chat, true);
    let body = json!({ "model": "u/m", "messages": [], "stream": true, "stream_options": { "include_usage": true } });
    counted.call.body = body.to_string().into();
    Dialect::ALL.into_iter().map(|dialect| asking(dialect, true)).chain([counted]).collect()
}

#[tokio::test]
async fn half_an_event_is_never_passed_on() {
    for fault in &BREAKS {
        for line in ["\n", "\r\n", "\r"] {
            for half in [
                "ev",
                "event: message_delta\n",
                "event: x\ndata: {\"ty",
                "data: {\"type\":\"x\"}",
                "data: {\"x\":1}\n",
                ": a comm",
            ] {
                for asked in passed_on() {
                    let dialect = asked.dialect;
                    let begun = String::from_utf8(begins(dialect, &["one ", "two "]).concat()).unwrap() + half;
                    let begun = begun.replace('\n', line);
                    let what = format!("{} at {dialect:?} after {half:?} in lines ended by {line:?}", fault.0);
                    let script = breaking(begun.as_bytes(), fault, "text/event-stream").await;
                    let patience = if fault.2 == "llm.timeout_idle" { SHORT } else { PATIENCE };
                    let house = patient(&script, dialect, patience).await;
                    check_broken(house, asked, "one two ", fault.2, &what).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn money_that_ends_within_an_event_is_told() {
    for asked in passed_on() {
        let dialect = asked.dialect;
        let mut script = Script::start(move |_, guard| async move {
            let beginning = begins(dialect, &["word "]).concat();
            let word = begins(dialect, &["word "]).pop().unwrap();
            let endless = stream::repeat(in_pieces(&word.repeat(7), 100)).flat_map(stream::iter);
            events(stream::iter([beginning.into()]).chain(endless), guard)
        })
        .await;
        let house = house(vec![script.speaking(dialect)]).await;
        house
            .policy(json!({
                "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": 10 }],
                "budgets": [{ "scope": "person", "limit": 0.005, "period": "total" }],
            }))
            .await;
        let answered = house.converse(asked).await;
        script.client_went().await;
        let failure = understood(dialect, &answered).1.expect_err("it is cut");
        assert!(failure.message.contains("budget"), "{dialect:?}: {failure:?}");
        assert_eq!(house.close().await.only().outcome, CallOutcome::OutOfMoney);
    }
}

#[tokio::test]
async fn an_event_goes_on_although_the_next_one_has_begun() {
    for asked in passed_on() {
        let dialect = asked.dialect;
        let word = String::from_utf8(begins(dialect, &["one"]).pop().unwrap().to_vec()).unwrap();
        let begun = Bytes::from(format!("{word}{}", &word[..word.len() / 2]));
        let script = Script::start(move |_, guard| std::future::ready(hanging(vec![begun.clone()], guard))).await;
        let house = patient(&script, dialect, PATIENCE).await;
        let mut body = house.gateway.converse(asked).await.into_body();
        let got = tokio::time::timeout(PATIENCE, body.frame()).await.expect("it is held back").unwrap().unwrap();
        assert_eq!(got.into_data().unwrap(), word, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_type_does_not_decide_what_is_counted() {
    for dialect in Dialect::ALL {
        for kind in ["application/json", "text/plain", "application/octet-stream"] {
            let chunks = streamed(dialect, &["one ", "two"]);
            let expected = chunks.concat();
            let script = Script::start(move |_, guard| {
                std::future::ready(typed(events(stream::iter(chunks.clone()), guard), kind))
            })
            .await;
            let house = patient(&script, dialect, PATIENCE).await;
            let answered = house.converse(asking(dialect, true)).await;
            if dialect != Dialect::Chat {
                assert_eq!(answered.bytes, expected, "{dialect:?} as {kind}");
            }
            let call = house.close().await.only();
            let told = (call.outcome, call.tokens.input, call.tokens.output, call.estimated);
            assert_eq!(told, (CallOutcome::Ok, INPUT, OUTPUT, false), "{dialect:?} as {kind}: {call:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_not_passed_for_one() {
    for dialect in Dialect::ALL {
        let whole = whole(dialect, "hi").to_string();
        let halves = [&whole[..whole.len() - 1], &whole[..12]];
        for body in halves.into_iter().chain(["{}", "[]", "null", "\"hello\"", "hello", "{\"ok\":true}", "\u{feff}{"]) {
            let what = format!("{body} from {dialect:?}");
            let script = Script::always(200, &[("content-type", "application/json")], body.to_owned()).await;
            let house = patient(&script, dialect, PATIENCE).await;
            let answered = house.converse(asking(dialect, false)).await;
            assert_eq!((answered.status, answered.code()), (502, "llm.bad_stream"), "{what}: {answered:?}");
            let told = coditect_dialects::failure::read(Some(502), &answered.json());
            assert_eq!(told.kind, FailureKind::Upstream, "{what}: {answered:?}");
            assert_eq!(script.seen().len(), 1, "{what}");
            let call = house.close().await.only();
            assert_eq!(
                (call.outcome, call.code.as_deref(), call.estimated),
                (CallOutcome::BrokeOff, Some("llm.bad_stream"), true),
                "{what}: {call:?}"
            );
            assert!(call.cost > Usd::ZERO, "{what}: {call:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_costs_what_it_tells() {
    let body = json!({ "object": "chat.completion", "usage": { "prompt_tokens": INPUT, "completion_tokens": OUTPUT } });
    let script = Script::always(200, &[("content-type", "application/json")], body.to_string()).await;
    let house = patient(&script, Dialect::Chat, PATIENCE).await;
    assert_eq!(house.converse(asking(Dialect::Chat, false)).await.code(), "llm.bad_stream");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.cost), (CallOutcome::BrokeOff, price(INPUT, OUTPUT)), "{call:?}");
}

#[tokio::test]
async fn an_answer_that_no_strict_reader_takes_is_passed_on() {
    let body = r#"{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":5,"odd":1e999},"usage":null}"#;
    let script = Script::always(200, &[("content-type", "application/json")], body).await;
    let house = patient(&script, Dialect::Chat, PATIENCE).await;
    assert_eq!(house.converse(asking(Dialect::Chat, false)).await.text(), body);
    assert_eq!(house.close().await.only().outcome, CallOutcome::Ok);
}

#[tokio::test]
async fn a_failure_that_ends_an_answer_does_not_give_the_key_away() {
    let failure = json!({ "error": { "message": format!("the key {KEY} is wrong"), "code": 400 } });
    for asked in passed_on() {
        let dialect = asked.dialect;
        // Without the last blank line: it is read only when nothing more comes.
        let begun = [&begins(dialect, &["one "]).concat(), format!("data: {failure}").as_bytes()].concat();
        for (asked, kind, body) in [
            (asked, "text/event-stream", begun),
            (asking(dialect, false), "application/json", failure.to_string().into_bytes()),
            // A stream was asked for, and one document came.
            (asking(dialect, true), "application/json", failure.to_string().into_bytes()),
        ] {
            let script = breaking(&body, &BREAKS[1], kind).await;
            let house = patient(&script, dialect, PATIENCE).await;
            // That nothing shows the key is checked wherever an answer is read.
            let answered = house.converse(asked).await;
            assert!(answered.text().contains("is wrong"), "{answered:?}");
            assert_eq!(house.close().await.only().outcome, CallOutcome::BrokeOff);
        }
    }
}
