//! What is passed on in the same dialect stays as it is, in both directions; and nothing else goes along.

use super::words::*;
use super::*;
use crate::Framing;

/// A question with what no reader would write again as it was.
fn odd(dialect: Dialect, stream: bool) -> String {
    let own = match dialect {
        Dialect::Chat | Dialect::Anthropic => r#""messages": [ {"role":"user","content":"h\u00e9llo"} ]"#,
        Dialect::Responses => r#""input":[{"role":"user","content":"h\u00e9llo"}]"#,
        Dialect::Gemini => r#""contents":[{"parts":[{"text":"h\u00e9llo"}]}]"#,
    };
    let model = if dialect == Dialect::Gemini { "" } else { r#" "model" : "alias","#.trim_start() };
    format!(
        "{{ \"zeta\":12345678901234567890123,{model} {own},\n\t\"alpha\": 1.0e2, \"stream\":{stream},\"x\":{{\"model\":\"alias\"}} , \"last\":null}}\n"
    )
}

async fn with_alias(script: &Script, dialect: Dialect) -> House {
    let house = house(vec![script.speaking(dialect)]).await;
    house.policy(json!({ "aliases": [{ "name": "alias", "targets": [{ "model": "u/deep/model-1" }] }] })).await;
    house
}

#[tokio::test]
async fn a_question_loses_only_the_name_of_the_model() {
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let script = good(dialect, &["hi"]).await;
            let house = with_alias(&script, dialect).await;
            let written = odd(dialect, stream);
            let mut asked = conversation(dialect, written.clone());
            if dialect == Dialect::Gemini {
                (asked.model, asked.stream) = (Some("alias".to_owned()), Some(stream));
            }
            let answered = house.converse(asked).await;
            assert_eq!((answered.status, answered.header("x-coditect-model")), (200, "u/deep/model-1"), "{dialect:?}");
            let [seen] = script.seen().try_into().unwrap();
            let mut expected = written.replacen(r#""model" : "alias""#, r#""model" : "deep/model-1""#, 1);
            if dialect == Dialect::Chat && stream {
                expected = expected.replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
            }
            assert_eq!(String::from_utf8_lossy(&seen.bytes), expected, "{dialect:?}");
            let path = match (dialect, stream) {
                (Dialect::Chat, _) => "/v1/chat/completions",
                (Dialect::Responses, _) => "/v1/responses",
                (Dialect::Anthropic, _) => "/v1/messages",
                (Dialect::Gemini, false) => "/v1/models/deep%2Fmodel-1:generateContent",
                (Dialect::Gemini, true) => "/v1/models/deep%2Fmodel-1:streamGenerateContent?alt=sse",
            };
            assert_eq!(seen.path, path);
        }
    }
}

#[tokio::test]
async fn an_answer_is_passed_on_byte_by_byte_however_it_comes() {
    for dialect in Dialect::ALL {
        let mut whole: Vec<u8> = b": hello\r\n\r\nid: 7\r\nretry: 3\n".to_vec();
        whole.extend(streamed(dialect, &["gr\u{fc}\u{df}e ", "\u{1f600}\u{4f60}", "\r\n"]).concat());
        whole.extend(b": the end");
        for size in [1, 2, 3, 7, 61, 250, whole.len()] {
            let script = Script::streams(whole.chunks(size).map(Bytes::copy_from_slice).collect()).await;
            let house = house(vec![script.speaking(dialect)]).await;
            house.policy(plenty()).await;
            let mut asked = asking(dialect, true);
            if dialect == Dialect::Chat {
                let body = json!({ "model": "u/m", "messages": [], "stream": true, "stream_options": { "include_usage": true } });
                asked.call.body = body.to_string().into();
            }
            let answered = house.converse(asked).await;
            assert_eq!(answered.text(), String::from_utf8_lossy(&whole), "{dialect:?} in chunks of {size}");
            let call = house.close().await.only();
            let tokens = (call.tokens.input, call.tokens.output, call.estimated);
            assert_eq!(tokens, (INPUT, OUTPUT, false), "{dialect:?} in chunks of {size}");
            assert_eq!(call.cost, price(INPUT, OUTPUT));
        }
    }
}

#[tokio::test]
async fn a_whole_answer_is_passed_on_as_it_is() {
    for dialect in Dialect::ALL {
        let body = whole(dialect, "hi").to_string().replacen('{', "{ \"odd\" : 1.0e400,\n", 1);
        let script = Script::always(200, &[("content-type", "application/json")], body.clone()).await;
        let house = house(vec![script.speaking(dialect)]).await;
        let answered = house.converse(asking(dialect, false)).await;
        assert_eq!(answered.text(), body);
        let call = house.close().await.only();
        assert_eq!((call.tokens.input, call.tokens.output, call.estimated), (INPUT, OUTPUT, false), "{dialect:?}");
    }
}

#[tokio::test]
async fn the_count_that_we_asked_for_is_hidden() {
    let all = streamed(Dialect::Chat, &["one", "two"]);
    let expected: Vec<u8> =
        all.iter().filter(|event| !event.windows(7).any(|at| at == b"\"usage\"")).flatten().copied().collect();
    for size in [1, 5, 40, 10_000] {
        let bytes = all.concat();
        let script = Script::streams(bytes.chunks(size).map(Bytes::copy_from_slice).collect()).await;
        let house = script.house().await;
        let answered = house.converse(asking(Dialect::Chat, true)).await;
        assert_eq!(answered.text(), String::from_utf8_lossy(&expected), "chunks of {size}");
        let call = house.close().await.only();
        assert_eq!((call.tokens.input, call.tokens.output, call.estimated), (INPUT, OUTPUT, false));
    }
}

#[tokio::test]
async fn signs_of_life_are_not_held_back_where_the_count_is_hidden() {
    let (more, rest) = mpsc::unbounded_channel::<Bytes>();
    let rest = Arc::new(Mutex::new(Some(rest)));
    let script = Script::start(move |_, guard| {
        let mut rest = rest.lock().unwrap().take().unwrap();
        std::future::ready(events(stream::poll_fn(move |context| rest.poll_recv(context)), guard))
    })
    .await;
    let house = script.house().await;
    more.send(says("one").into()).unwrap();
    let mut body = house.gateway.converse(asking(Dialect::Chat, true)).await.into_body();
    for expected in [says("one"), ": alive\n\n".to_owned(), ": alive\r\n\r\n".to_owned(), says("two")] {
        if !expected.contains("one") {
            more.send(expected.clone().into()).unwrap();
        }
        let got = tokio::time::timeout(PATIENCE, body.frame()).await.expect("it is held back").unwrap().unwrap();
        assert_eq!(got.into_data().unwrap(), expected);
    }
}

#[tokio::test]
async fn every_pair_translates() {
    for (door, upstream) in pairs() {
        let what = format!("{door:?} from {upstream:?}");
        let script = good(upstream, &["gr\u{fc}\u{df}e ", "\u{4f60}"]).await;
        for stream in [false, true] {
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(plenty()).await;
            let answered = house.converse(asking(door, stream)).await;
            assert_eq!(answered.status, 200, "{what}: {answered:?}");
            let (said, end) = understood(door, &answered);
            assert_eq!(said, "gr\u{fc}\u{df}e \u{4f60}", "{what}, stream {stream}");
            end.expect(&what);
            assert!(!answered.header("x-coditect-call").is_empty());
            let call = house.close().await.only();
            let tokens = (call.tokens.input, call.tokens.output, call.estimated);
            assert_eq!(tokens, (INPUT, OUTPUT, false), "{what}, stream {stream}");
            assert_eq!(
                (call.cost, call.id.0.to_string()),
                (price(INPUT, OUTPUT), answered.header("x-coditect-call").to_owned())
            );
        }
    }
}

/// An upstream of Gemini's dialect that is not asked for events.
async fn good_array(words: &[&str]) -> Script {
    let chunks: Vec<String> = streamed(Dialect::Gemini, words)
        .iter()
        .map(|event| String::from_utf8_lossy(event).trim_start_matches("data: ").trim_end().to_owned())
        .collect();
    let body = format!("[{}\n]", chunks.join("\n,\r\n"));
    Script::always(200, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn a_stream_of_gemini_without_events_is_an_array() {
    for upstream in Dialect::ALL {
        let words = &["one", "two"];
        let script = if upstream == Dialect::Gemini { good_array(words).await } else { good(upstream, words).await };
        let house = house(vec![script.speaking(upstream)]).await;
        house.policy(plenty()).await;
        let asked = Conversation { framing: Framing::Array, ..asking(Dialect::Gemini, true) };
        let answered = house.converse(asked).await;
        assert!(answered.json().as_array().is_some_and(|pieces| pieces.len() > 1), "{answered:?}");
        assert_eq!(understood(Dialect::Gemini, &answered).0, "onetwo");
        let call = house.close().await.only();
        let tokens = (call.tokens.input, call.tokens.output, call.estimated);
        assert_eq!(tokens, (INPUT, OUTPUT, false), "{upstream:?}: {call:?}");
    }
}

#[tokio::test]
async fn no_credential_of_a_client_reaches_an_upstream() {
    const SECRET: &str = "the-clients-own-secret";
    for (door, upstream) in pairs() {
        let script = good(upstream, &["hi"]).await;
        let house = house(vec![script.speaking(upstream)]).await;
        let mut asked = asking(door, true);
        let names = [
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "cookie",
            "proxy-authorization",
            "api-key",
            "x-forwarded-for",
            "user-agent",
        ];
        for name in names {
            asked.call.headers.insert(name, SECRET.parse().unwrap());
        }
        for (name, value) in
            [("anthropic-beta", "a-1"), ("anthropic-beta", "b-2"), ("openai-beta", "c-3"), ("idempotency-key", "d-4")]
        {
            asked.call.headers.append(name, value.parse().unwrap());
        }
        house.converse(asked).await;
        let [seen] = script.seen().try_into().unwrap();
        assert!(!format!("{seen:?}").contains(SECRET), "{door:?} from {upstream:?}: {seen:?}");
        let passed: Vec<_> = seen.headers.get_all("anthropic-beta").iter().collect();
        assert_eq!(passed, if door == upstream { vec!["a-1", "b-2"] } else { vec![] });
        let (name, value) = match upstream {
            Dialect::Chat | Dialect::Responses => ("authorization", format!("Bearer {KEY}")),
            Dialect::Anthropic => ("x-api-key", KEY.to_owned()),
            Dialect::Gemini => ("x-goog-api-key", KEY.to_owned()),
        };
        assert_eq!(seen.headers[name], value);
        assert_eq!(seen.headers.contains_key("anthropic-version"), upstream == Dialect::Anthropic);
    }
}

#[tokio::test]
async fn no_header_of_an_upstream_goes_further_than_it_should() {
    let headers: Headers = &[
        ("content-type", "text/event-stream"),
        ("set-cookie", "a=b"),
        ("x-request-id", "theirs"),
        ("openai-organization", "ours"),
        ("anthropic-organization-id", "ours"),
        ("x-ratelimit-remaining-tokens", "5"),
        ("x-codex-turn-state", "turn"),
        ("location", "/elsewhere"),
        ("access-control-allow-origin", "*"),
        ("x-coditect-call", "forged"),
        ("x-coditect-code", "forged"),
    ];
    for (door, upstream) in pairs() {
        for status in [200, 400] {
            let body = streamed(upstream, &["hi"]).concat();
            let script = Script::always(status, headers, body).await;
            let answered = house(vec![script.speaking(upstream)]).await.converse(asking(door, true)).await;
            for name in answered.headers.keys() {
                let known = [
                    "content-type",
                    "x-coditect-call",
                    "x-coditect-model",
                    "x-coditect-code",
                    "x-coditect-lost",
                    "x-codex-turn-state",
                ];
                assert!(known.contains(&name.as_str()), "{name} of {upstream:?} at {door:?}");
            }
            assert!(!format!("{answered:?}").contains("forged"));
            let turn = answered.headers.contains_key("x-codex-turn-state");
            assert_eq!(turn, door == upstream && status == 200, "{door:?} from {upstream:?}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_a_conversation_is_all_of_it() {
    for (door, upstream) in pairs() {
        for stream in [false, true] {
            let script = good(upstream, &["one ", "two ", "three"]).await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.gateway.history().set_consent(user(1), true).await.unwrap();
            tokio::time::timeout(PATIENCE, async {
                while !house.gateway.history().consent(user(1)) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await
            .unwrap();
            let asked = asking(door, stream);
            let question = String::from_utf8_lossy(&asked.call.body).into_owned();
            let answered = house.converse(asked).await;
            let history = house.gateway.history().clone();
            let call = house.close().await.only();
            let kept = history.show(user(1), call.id).await.unwrap().expect("it is kept");
            assert_eq!(kept.question, question);
            assert_eq!(kept.answer, answered.text(), "{door:?} from {upstream:?}, stream {stream}");
        }
    }
}
