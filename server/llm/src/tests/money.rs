//! Nothing is spent that was not there.

use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;

/// A budget of so many billionths of a dollar, for answers of at most `longest` tokens.
fn budget(nanos: u32, longest: u64) -> Value {
    json!({
        "prices": [{ "model": "*", "input": 1, "output": 10, "max_output_tokens": longest }],
        "budgets": [{ "scope": "person", "limit": f64::from(nanos) / 1e9, "period": "total" }],
    })
}

/// A question whose answer has no bound of its own.
fn unbounded(door: Dialect, stream: bool) -> Conversation {
    let mut asked = asking(door, stream);
    let mut body: Value = serde_json::from_slice(&asked.call.body).unwrap();
    let fields = body.as_object_mut().unwrap();
    for name in ["max_tokens", "max_output_tokens", "generationConfig"] {
        fields.remove(name);
    }
    asked.call.body = body.to_string().into();
    asked
}

/// An upstream that tells of these tokens at the end.
async fn costing(input: u64, output: u64) -> Script {
    let usage = format!(
        "data: {}\n\n",
        json!({ "choices": [], "usage": { "prompt_tokens": input, "completion_tokens": output } })
    );
    Script::streams(vec![
        says("hi").into(),
        (ends("stop").replace("data: [DONE]", &format!("{usage}data: [DONE]"))).into(),
    ])
    .await
}

#[tokio::test]
async fn a_hundred_calls_at_once_spend_no_more_than_there_is() {
    leaving_nothing(async {
        // Each sets aside some 2100 tokens read and 100 written, and costs as much as that.
        let script = costing(2000, 100).await;
        for door in [Dialect::Chat, Dialect::Anthropic] {
            let house = Arc::new(house(vec![script.settings()]).await);
            let (each, allowed) = (2000 * 1000 + 100 * 10_000, 20);
            house.policy(budget(each * allowed, 100)).await;
            let asked = (0..100).map(|_| {
                let house = house.clone();
                tokio::spawn(async move { house.converse(unbounded(door, true)).await })
            });
            let mut ok = 0;
            for task in asked.collect::<Vec<_>>() {
                let answered = task.await.unwrap();
                match answered.code() {
                    "" => ok += 1,
                    code => assert_eq!(code, "llm.budget_exhausted", "{answered:?}"),
                }
            }
            // Sequentially, what was set aside too much is there again.
            while house.converse(unbounded(door, true)).await.code().is_empty() {
                ok += 1;
            }
            let mut books = Arc::into_inner(house).unwrap().close().await;
            assert!((allowed - 2..=allowed).contains(&ok), "{ok} of {allowed} at {door:?}");
            let spent: u64 = books.calls.iter().map(|call| call.cost.nanos()).sum();
            assert_eq!(books.budgets[0].spent.nanos(), spent);
            books.refused("llm.budget_exhausted");
            assert_eq!(books.calls.len(), ok as usize);
            assert!(spent <= u64::from(each * allowed), "overspent: {spent}");
        }
    })
    .await;
}

/// An upstream that talks on and on, a token at a time, and tells of no tokens before the end.
async fn endless(dialect: Dialect) -> Script {
    Script::start(move |_, guard| async move {
        let beginning = begins(dialect, &["word "]);
        let word = beginning.last().unwrap().clone();
        events(stream::iter(beginning).chain(stream::repeat(word)), guard)
    })
    .await
}

#[tokio::test]
async fn an_answer_longer_than_was_thought_is_cut_where_the_money_ends() {
    leaving_nothing(async {
        for (door, upstream) in pairs() {
            let what = format!("{door:?} from {upstream:?}");
            let mut script = endless(upstream).await;
            let house = house(vec![script.speaking(upstream)]).await;
            // Enough for what is set aside at the beginning, and for some hundred tokens more.
            house.policy(budget(2_200_000 + 2_000_000, 10)).await;
            let answered = house.converse(unbounded(door, true)).await;
            script.client_went().await;
            let (said, end) = understood(door, &answered);
            let words = said.matches("word").count() as u64;
            assert!(words > 100, "{what}: {words}");
            let failure = end.expect_err(&what);
            assert!(failure.message.contains("budget"), "{what}: {failure:?}");
            let call = house.close().await.only();
            let told = (call.outcome, call.code.as_deref());
            assert_eq!(told, (CallOutcome::OutOfMoney, Some("llm.budget_exhausted")), "{what}: {call:?}");
            assert!(call.tokens.output >= words && call.estimated, "{what}: {words} words, {call:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_the_ide_is_cut_too() {
    let mut script = endless(Dialect::Anthropic).await;
    let house = house(vec![script.speaking(Dialect::Anthropic)]).await;
    house.policy(budget(2_200_000 + 2_000_000, 10)).await;
    let (deltas, result) = house.ask(request()).await;
    assert_eq!(result.unwrap_err().code(), "llm.budget_exhausted");
    script.client_went().await;
    let words = text(&deltas).matches("word").count() as u64;
    let call = house.close().await.only();
    assert_eq!(call.outcome, CallOutcome::OutOfMoney, "{call:?}");
    assert!(words > 100 && call.tokens.output >= words, "{words} {call:?}");
}

#[tokio::test]
async fn an_answer_longer_than_was_thought_goes_on_where_there_is_money() {
    const WORDS: usize = 3000;
    for (door, upstream) in pairs() {
        let script = Script::start(move |_, guard| async move {
            let words = vec!["word "; WORDS];
            events(stream::iter(streamed(upstream, &words)), guard)
        })
        .await;
        let house = house(vec![script.speaking(upstream)]).await;
        house.policy(budget(1_000_000_000, 10)).await;
        let answered = house.converse(unbounded(door, true)).await;
        let (said, end) = understood(door, &answered);
        end.unwrap();
        assert_eq!(said.len(), WORDS * "word ".len(), "{door:?} from {upstream:?}");
        let call = house.close().await.only();
        // The count that was told counts, and not what was guessed on the way.
        assert_eq!((call.cost, call.estimated), (price(INPUT, OUTPUT), false), "{call:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_paid_for_is_not_asked() {
    let script = costing(1, 1).await;
    for (door, stream) in Dialect::ALL.into_iter().flat_map(|door| [(door, false), (door, true)]) {
        let house = house(vec![script.settings()]).await;
        house.policy(budget(1_000_000, 10)).await;
        let refused = house.converse(asking(door, stream)).await;
        assert_eq!(refused.code(), "llm.budget_exhausted", "{refused:?}");
        let (_, result) = house.ask(request()).await;
        assert_eq!(result.unwrap_err().code(), "llm.budget_exhausted");
        let mut books = house.close().await;
        assert_eq!((books.refused("llm.budget_exhausted"), books.calls.len()), (2, 0));
        assert_eq!(books.budgets[0].spent, Usd::ZERO);
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn bounds_that_are_no_bounds_are_set_aside_in_full() {
    let script = costing(1, 1).await;
    for bound in ["18446744073709551615", "1e300", "1e9"] {
        let house = house(vec![script.settings()]).await;
        house.policy(budget(1_000_000_000, 10)).await;
        let body = format!(r#"{{"model":"u/m","messages":[],"max_tokens":{bound},"n":9}}"#);
        let refused = house.converse(conversation(Dialect::Chat, body)).await;
        assert_eq!(refused.code(), "llm.budget_exhausted", "{refused:?}");
    }
}

#[tokio::test]
async fn limits_refuse_before_anything_is_asked() {
    let script = costing(2000, 1).await;
    let house = house(vec![script.settings()]).await;
    house.policy(json!({ "limits": [{ "scope": "person", "requests_per_minute": 2 }] })).await;
    for door in [Dialect::Chat, Dialect::Anthropic] {
        assert_eq!(house.converse(asking(door, true)).await.status, 200);
    }
    for door in Dialect::ALL {
        let refused = house.converse(asking(door, true)).await;
        assert_eq!((refused.status, refused.code()), (429, "llm.rate_limited"), "{refused:?}");
        assert!((1..=60).contains(&refused.header("retry-after").parse().unwrap()), "{refused:?}");
    }
    assert_eq!((script.seen().len(), house.close().await.calls.len()), (2, 2));
}

#[tokio::test]
async fn pictures_count_for_no_limit_before_they_are_read() {
    let script = good(Dialect::Chat, &["x"]).await;
    let house = house(vec![script.settings()]).await;
    house.policy(json!({ "limits": [{ "scope": "person", "tokens_per_minute": 2000 }] })).await;
    let picture = json!([{ "type": "image_url", "image_url": { "url": "https://x.example/a.png" } }]);
    let asked = json!({ "messages": [{ "role": "user", "content": picture }] });
    // The first one may have all that there is, whatever it is thought to read.
    for _ in 0..2 {
        assert_eq!(house.converse(with(Dialect::Chat, &asked)).await.status, 200);
    }
    assert_eq!(house.close().await.calls.len(), 2);
}

fn embedding(body: &Value) -> crate::Embedding {
    let call = Call { asker: asker(), headers: HeaderMap::new(), body: body.to_string().into() };
    crate::Embedding { form: crate::Form::OpenAi, model: None, call }
}

#[tokio::test]
async fn vectors_cost_what_is_read() {
    let body = json!({ "object": "list", "data": [{ "object": "embedding", "index": 0, "embedding": [0.5, -1.0] }],
                       "model": "m", "usage": { "prompt_tokens": 70, "total_tokens": 70 } });
    let script = Script::always(200, &[("content-type", "application/json")], body.to_string()).await;
    let house = house(vec![script.settings()]).await;
    house.policy(plenty()).await;
    let written = json!({ "model": "u/m", "input": "text" });
    let answered = Answered::read(house.gateway.embed(embedding(&written)).await).await;
    assert_eq!((answered.status, answered.text()), (200, body.to_string()));
    assert_eq!(script.seen()[0].path, "/v1/embeddings");
    let call = house.close().await.only();
    assert_eq!((call.outcome, call.cost, call.door.name()), (CallOutcome::Ok, price(70, 0), "embeddings"), "{call:?}");
}

#[tokio::test]
async fn vectors_that_do_not_come_cost_no_more_than_they_may() {
    for (status, kind, body, code, outcome) in [
        (500, "application/json", "{}", "llm.upstream_error", CallOutcome::Refused),
        (200, "text/html", "<html>", "llm.bad_stream", CallOutcome::Refused),
        (200, "application/json", "{\"data\":", "llm.bad_stream", CallOutcome::BrokeOff),
        (200, "application/json", "{\"error\":{\"message\":\"no\"}}", "llm.upstream_error", CallOutcome::BrokeOff),
    ] {
        let script = Script::start(move |_, _| async move {
            let mut response = answer(status, &[], Body::from(body));
            response.headers_mut().insert("content-type", kind.parse().unwrap());
            response
        })
        .await;
        let house = house(vec![script.settings()]).await;
        house.policy(plenty()).await;
        let written = json!({ "model": "u/m", "input": ["a", "b"] });
        let answered = Answered::read(house.gateway.embed(embedding(&written)).await).await;
        assert!(answered.status >= 500 && answered.code() == code, "{body}: {answered:?}");
        let call = house.close().await.only();
        assert_eq!((call.outcome, call.code.as_deref()), (outcome, Some(code)), "{body}: {call:?}");
    }
}

#[tokio::test]
async fn counting_costs_nothing_and_always_answers() {
    for upstream in Dialect::ALL {
        for (status, body) in [
            (200, json!({ "input_tokens": 77, "totalTokens": 77 }).to_string()),
            (500, "{}".to_owned()),
            (200, "x".to_owned()),
        ] {
            let script = Script::always(status, &[("content-type", "application/json")], body.clone()).await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(budget(0, 10)).await;
            for door in [Dialect::Anthropic, Dialect::Gemini, Dialect::Responses] {
                let answered = Answered::read(house.gateway.count(asking(door, false)).await).await;
                assert_eq!(answered.status, 200, "{door:?} from {upstream:?}: {answered:?}");
                let name = if door == Dialect::Gemini { "totalTokens" } else { "input_tokens" };
                let counted = answered.json()[name].as_u64().unwrap();
                let told = body.contains("77") && upstream != Dialect::Chat;
                assert!(
                    if told { counted == 77 } else { (1..60).contains(&counted) },
                    "{door:?} from {upstream:?}: {counted}"
                );
            }
            assert!(house.close().await.calls.is_empty());
        }
    }
}

/// Prices that tell of no most, and so much money.
fn untold(dollars: f64) -> Value {
    json!({
        "prices": [{ "model": "*", "input": 1, "output": 10 }],
        "budgets": [{ "scope": "person", "limit": dollars, "period": "total" }],
    })
}

/// What bounds an answer in the words of a dialect.
fn bound_in(dialect: Dialect, body: &Value) -> Option<u64> {
    match dialect {
        Dialect::Chat | Dialect::Anthropic => body["max_tokens"].as_u64(),
        Dialect::Responses => body["max_output_tokens"].as_u64(),
        Dialect::Gemini => body["generationConfig"]["maxOutputTokens"].as_u64(),
    }
}

/// An upstream that writes as much as it may, at most 60 000 tokens.
async fn tireless(dialect: Dialect) -> Script {
    Script::start(move |seen, guard| {
        let output = bound_in(dialect, &seen.body).unwrap_or(60_000).min(60_000);
        let told = whole(dialect, "word").to_string().replace(&format!(":{OUTPUT}"), &format!(":{output}"));
        let is_whole = seen.body["stream"] != true && !seen.path.contains(":streamGenerateContent");
        std::future::ready(if is_whole {
            answer(200, &[("content-type", "application/json")], told.into())
        } else {
            events(stream::iter(streamed(dialect, &["word"])), guard)
        })
    })
    .await
}

#[tokio::test]
async fn an_answer_that_comes_at_once_writes_no_more_than_is_set_aside() {
    for (door, upstream) in pairs() {
        let what = format!("{door:?} from {upstream:?}");
        let script = tireless(upstream).await;
        let house = house(vec![script.speaking(upstream)]).await;
        house.policy(untold(0.1)).await;
        let answered = house.converse(unbounded(door, false)).await;
        assert_eq!(answered.status, 200, "{what}: {answered:?}");
        assert_eq!(bound_in(upstream, &script.seen()[0].body), Some(8192), "{what}");
        // Closing checks that nothing is overspent.
        let call = house.close().await.only();
        assert_eq!((call.tokens.output, call.cost), (8192, price(INPUT, 8192)), "{what}: {call:?}");
    }
}

#[tokio::test]
async fn nothing_else_of_a_question_changes() {
    for dialect in Dialect::ALL {
        let script = tireless(dialect).await;
        let sent = async |asked: Conversation, policy: Value| {
            let house = house(vec![script.speaking(dialect)]).await;
            house.policy(policy).await;
            let (before, model) = (asked.call.body.clone(), &b"\"u/m\""[..]);
            assert_eq!(house.converse(asked).await.status, 200);
            house.close().await;
            let before = String::from_utf8(before.to_vec()).unwrap();
            let seen = script.seen().pop().unwrap();
            (
                before.replace(std::str::from_utf8(model).unwrap(), "\"m\""),
                String::from_utf8(seen.bytes.to_vec()).unwrap(),
            )
        };
        let (before, seen) = sent(unbounded(dialect, false), untold(0.1)).await;
        let inserted = match dialect {
            Dialect::Chat | Dialect::Anthropic => r#""max_tokens":8192,"#,
            Dialect::Responses => r#""max_output_tokens":8192,"#,
            Dialect::Gemini => r#""generationConfig":{"maxOutputTokens":8192},"#,
        };
        assert_eq!(seen, format!("{{{inserted}{}", &before[1..]), "{dialect:?}");
        // Without a budget, with a bound of its own, and as a stream it is as it was written.
        for (asked, policy) in [
            (unbounded(dialect, false), json!({})),
            (asking(dialect, false), untold(0.1)),
            (unbounded(dialect, true), untold(0.1)),
        ] {
            let (before, seen) = sent(asked, policy).await;
            assert_eq!(seen.replace(r#""stream_options":{"include_usage":true},"#, ""), before, "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_bound_that_was_put_in_goes_by_the_name_that_the_upstream_knows() {
    let script = Script::start(|seen, _| async move {
        if seen.body.get("max_tokens").is_some() {
            return answer(400, &[], r#"{"error":{"message":"Use 'max_completion_tokens' instead."}}"#.into());
        }
        answer(200, &[("content-type", "application/json")], whole(Dialect::Chat, "x").to_string().into())
    })
    .await;
    let house = house(vec![script.settings()]).await;
    house.policy(untold(1.0)).await;
    for questions in [2, 3] {
        assert_eq!(house.converse(unbounded(Dialect::Chat, false)).await.status, 200);
        assert_eq!(script.seen().len(), questions, "it is learnt once");
        assert_eq!(script.seen()[questions - 1].body["max_completion_tokens"], 8192);
    }
    assert_eq!(house.close().await.calls.len(), 2);
}

/// An upstream that writes at most 1000 tokens, and says so.
async fn terse(dialect: Dialect, status: u16, says: &'static str) -> Script {
    Script::start(move |seen, _| {
        let is_too_much = bound_in(dialect, &seen.body).is_none_or(|most| most > 1000);
        let refusal = json!({ "error": { "message": says } });
        let (status, body) = if is_too_much { (status, refusal) } else { (200, whole(dialect, "x")) };
        std::future::ready(answer(status, &[("content-type", "application/json")], body.to_string().into()))
    })
    .await
}

#[tokio::test]
async fn a_bound_of_ours_that_is_too_much_is_halved() {
    const LIMIT: &str = "max_tokens is too large: 8192. This model supports at most 1000 completion tokens.";
    const CONTEXT: &str = "This model's maximum context length is 8000 tokens. You requested 9000.";
    for (door, upstream) in pairs() {
        for (status, says) in [(400, LIMIT), (422, "Unprocessable"), (400, CONTEXT), (500, CONTEXT)] {
            let what = format!("{door:?} from {upstream:?}: {status} {says}");
            let script = terse(upstream, status, says).await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(untold(0.1)).await;
            let answered = house.converse(unbounded(door, false)).await;
            assert_eq!(answered.status, 200, "{what}: {answered:?}");
            let asked: Vec<_> = script.seen().iter().map(|seen| bound_in(upstream, &seen.body)).collect();
            assert_eq!(asked, [8192, 4096, 2048, 1024, 512].map(Some), "{what}");
            let call = house.close().await.only();
            assert_eq!((call.cost, call.retries), (price(INPUT, OUTPUT), 4), "{what}: {call:?}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_however_it_is_bounded_is_told() {
    for dialect in Dialect::ALL {
        let says = json!({ "error": { "message": "there is something wrong with field x" } }).to_string();
        let script = Script::always(400, &[("content-type", "application/json")], says.clone()).await;
        // Only where the bound is not the client's own.
        for (asked, policy, questions) in [
            (unbounded(dialect, false), untold(0.1), 5),
            (asking(dialect, false), untold(0.1), 1),
            (unbounded(dialect, true), untold(0.1), 1),
            (unbounded(dialect, false), json!({}), 1),
        ] {
            let house = house(vec![script.speaking(dialect)]).await;
            house.policy(policy).await;
            let before = script.seen().len();
            let answered = house.converse(asked).await;
            assert_eq!((answered.status, answered.text()), (400, says.clone()), "{dialect:?}");
            assert_eq!(script.seen().len() - before, questions, "{dialect:?}");
            let call = house.close().await.only();
            assert_eq!((call.outcome, call.cost), (CallOutcome::Refused, Usd::ZERO), "{call:?}");
        }
    }
}

/// A question with more fields.
fn with(dialect: Dialect, more: &Value) -> Conversation {
    let mut asked = asking(dialect, false);
    let mut body: Value = serde_json::from_slice(&asked.call.body).unwrap();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked.call.body = body.to_string().into();
    asked
}

#[tokio::test]
async fn what_has_a_price_of_its_own_is_refused_where_a_budget_of_the_operators_counts() {
    for (dialect, more, param) in [
        (Dialect::Chat, json!({ "web_search_options": {} }), "web_search_options"),
        (Dialect::Chat, json!({ "tools": [{ "type": "browser_search" }] }), "tools"),
        (Dialect::Responses, json!({ "tools": [{ "type": "web_search" }] }), "tools"),
        (
            Dialect::Responses,
            json!({ "input": [{ "type": "additional_tools", "tools": [{ "type": "web_search" }] }] }),
            "tools",
        ),
        (Dialect::Anthropic, json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }), "tools"),
        (Dialect::Anthropic, json!({ "mcp_servers": [{ "type": "url", "url": "x" }] }), "mcp_servers"),
        (Dialect::Anthropic, json!({ "speed": "fast" }), "speed"),
        (Dialect::Gemini, json!({ "tools": [{ "googleSearch": {} }] }), "tools"),
    ] {
        let script = good(dialect, &["x"]).await;
        let counted = house(vec![script.speaking(dialect)]).await;
        counted.policy(plenty()).await;
        let refused = counted.converse(with(dialect, &more)).await;
        assert_eq!((refused.status, refused.code()), (400, "llm.bad_request"), "{more}: {refused:?}");
        assert!(refused.text().contains("counts for no budget"), "{more}: {refused:?}");
        if matches!(dialect, Dialect::Chat | Dialect::Responses) {
            assert_eq!(refused.json()["error"]["param"], param);
        }
        assert!(script.seen().is_empty(), "{more}");
        // A person whose own key pays may have it.
        counted.key("u", KeyOwner::Person(user(1)), "sk-own").await;
        assert_eq!(counted.converse(with(dialect, &more)).await.status, 200, "{more}");
        let mut books = counted.close().await;
        assert_eq!(books.refused("llm.bad_request"), 1);
        assert!(books.calls.len() == 1 && books.calls[0].own_key, "{:?}", books.calls);
        // Without a budget, everybody may.
        let free = house(vec![script.speaking(dialect)]).await;
        assert_eq!(free.converse(with(dialect, &more)).await.status, 200, "{more}");
        assert_eq!(script.seen().len(), 2);
        free.close().await;
    }
}

#[tokio::test]
async fn models_that_search_the_web_by_their_name_are_refused_where_a_budget_counts() {
    let script = good(Dialect::Chat, &["x"]).await;
    let router = UpstreamSettings { name: "openrouter".to_owned(), ..script.settings() };
    for door in Dialect::ALL {
        let asked = |model: &str| Conversation { model: Some(model.to_owned()), ..asking(door, false) };
        let house = house(vec![router.clone(), script.settings()]).await;
        house.policy(plenty()).await;
        let refused = house.converse(asked("openrouter/a/b:online")).await;
        assert_eq!((refused.status, refused.code()), (400, "llm.bad_request"), "{door:?}: {refused:?}");
        assert!(refused.text().contains("a/b:online"), "{refused:?}");
        for model in ["openrouter/a/b:free", "u/b:online"] {
            assert_eq!(house.converse(asked(model)).await.status, 200, "{door:?}: {model}");
        }
        house.policy(json!({})).await;
        assert_eq!(house.converse(asked("openrouter/a/b:online")).await.status, 200, "{door:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn long_questions_that_cost_more_are_not_asked_for_where_a_budget_counts() {
    let script = good(Dialect::Anthropic, &["x"]).await;
    for (policy, given, told) in [
        (plenty(), "a-1, context-1m-2025-08-07,b-2", "a-1,b-2"),
        (plenty(), "context-1m-2025-08-07", ""),
        (json!({}), "a-1, context-1m-2025-08-07", "a-1, context-1m-2025-08-07"),
    ] {
        let house = house(vec![script.speaking(Dialect::Anthropic)]).await;
        house.policy(policy).await;
        let mut asked = asking(Dialect::Anthropic, false);
        asked.call.headers.insert("anthropic-beta", given.parse().unwrap());
        assert_eq!(house.converse(asked).await.status, 200);
        let seen = script.seen().pop().unwrap();
        let betas = seen.headers.get("anthropic-beta").map(|betas| betas.to_str().unwrap()).unwrap_or_default();
        assert_eq!(betas, told);
        house.close().await;
    }
}

#[tokio::test]
async fn what_is_kept_for_an_hour_costs_twice_as_much() {
    let script = Script::start(|seen, guard| {
        let usage = json!({ "input_tokens": 70, "cache_creation_input_tokens": 1000, "output_tokens": 30,
            "cache_creation": { "ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600 } });
        let told = |data: &str| data.replace(r#"{"input_tokens":70,"output_tokens":1}"#, &usage.to_string());
        std::future::ready(if seen.body["stream"] == true {
            let pieces = streamed(Dialect::Anthropic, &["x"]);
            let pieces: Vec<Bytes> =
                pieces.iter().map(|piece| told(std::str::from_utf8(piece).unwrap()).into()).collect();
            events(stream::iter(pieces), guard)
        } else {
            let mut whole = whole(Dialect::Anthropic, "x");
            whole["usage"] = usage;
            answer(200, &[("content-type", "application/json")], whole.to_string().into())
        })
    })
    .await;
    for door in [Dialect::Anthropic, Dialect::Chat] {
        for stream in [false, true] {
            let house = house(vec![script.speaking(Dialect::Anthropic)]).await;
            house
                .policy(json!({
                    "prices": [{ "model": "*", "input": 1, "output": 10, "cache_write": 1.25 }],
                    "budgets": [{ "scope": "person", "limit": 1, "period": "total" }],
                }))
                .await;
            assert_eq!(house.converse(asking(door, stream)).await.status, 200);
            let call = house.close().await.only();
            let cost = 70 * 1000 + 400 * 1250 + 600 * 2000 + 30 * 10_000;
            assert_eq!((call.cost.nanos(), call.tokens.cache_write), (cost, 1000), "{door:?} {stream}: {call:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_bytes_is_set_aside_as_well() {
    let script = good(Dialect::Anthropic, &["x"]).await;
    let part = |part: Value| json!({ "messages": [{ "role": "user", "content": [part] }] });
    let plain = part(json!({ "type": "text", "text": "x" }));
    let hour = part(json!({ "type": "text", "text": "x", "cache_control": { "type": "ephemeral", "ttl": "1h" } }));
    let file = part(json!({ "type": "document", "source": { "type": "file", "file_id": "file_1" } }));
    let fetch = part(json!({ "type": "tool_use", "input": { "url": "https://x.example" } }));
    // As much as is set aside of some 2200 bytes, then twice as much, and with a document. What a tool was told leads to none.
    for (more, dollars, is_enough) in [
        (&plain, 0.003, true),
        (&fetch, 0.003, true),
        (&hour, 0.003, false),
        (&hour, 0.006, true),
        (&file, 0.05, false),
        (&file, 0.06, true),
    ] {
        let house = house(vec![script.speaking(Dialect::Anthropic)]).await;
        house.policy(untold(dollars)).await;
        let answered = house.converse(with(Dialect::Anthropic, more)).await;
        let code = if is_enough { "" } else { "llm.budget_exhausted" };
        assert_eq!(answered.code(), code, "{more} for {dollars}: {answered:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn what_never_came_back_costs_what_was_likely_read() {
    let silent = Script::start(|_, guard| async move {
        let _guard = guard;
        std::future::pending().await
    })
    .await;
    let fine = good(Dialect::Chat, &["x"]).await;
    let slow = UpstreamSettings { name: "slow".to_owned(), first_token_timeout: SHORT, ..silent.settings() };
    let settings = LlmSettings { whole_timeout: PATIENCE, ..settings_of(vec![slow, fine.settings()]) };
    let house = House::with(settings).await;
    let mut policy = plenty();
    policy["aliases"] =
        json!([{ "name": "both", "targets": [{ "model": "slow/m" }, { "model": "u/m", "weight": 0 }] }]);
    house.policy(policy).await;
    // Pictures are set aside as the most that they may be, and are not likely that.
    let picture = json!([{ "type": "image_url", "image_url": { "url": "https://x.example/a.png" } }]);
    let messages = json!([{ "role": "user", "content": picture }]);
    let mut asked = with(Dialect::Chat, &json!({ "model": "both", "stream": true, "messages": messages }));
    asked.stream = Some(true);
    assert_eq!(house.converse(asked).await.status, 200);
    let call = house.close().await.only();
    // What the one that answered told, and a good part of the bytes for the one that did not.
    assert_eq!((call.model.as_str(), call.tokens.input, call.tokens.output), ("u/m", INPUT, OUTPUT), "{call:?}");
    let lost = call.cost.minus(price(INPUT, OUTPUT));
    assert!(price(500, 0) <= lost && lost <= price(600, 0), "{call:?}");
}
