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
            let books = Arc::into_inner(house).unwrap().close().await;
            assert!((allowed - 2..=allowed).contains(&ok), "{ok} of {allowed} at {door:?}");
            let spent: u64 = books.calls.iter().map(|call| call.cost.nanos()).sum();
            assert_eq!(books.budgets[0].spent.nanos(), spent);
            assert_eq!(books.calls.len(), ok as usize, "what was not asked is not recorded");
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
        let books = house.close().await;
        assert!(books.calls.is_empty() && books.budgets[0].spent == Usd::ZERO);
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
