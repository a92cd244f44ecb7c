//! Which upstream answers.

use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;

fn named(name: &str, script: &Script) -> UpstreamSettings {
    UpstreamSettings { name: name.to_owned(), ..script.settings() }
}

fn alias(targets: &[&str], fallbacks: &[&str]) -> Value {
    let targets: Vec<Value> = targets.iter().map(|model| json!({ "model": model, "weight": 1 })).collect();
    let mut policy = plenty();
    policy["aliases"] = json!([{ "name": "u/*", "targets": targets, "fallbacks": fallbacks }]);
    policy
}

/// Two upstreams, of which the first does something else than answer.
async fn after(first: &Script) -> (House, Script) {
    let second = good(Dialect::Chat, &["hi"]).await;
    let house = house(vec![named("a", first), named("b", &second)]).await;
    house.policy(alias(&["a/one"], &["b/two"])).await;
    (house, second)
}

#[tokio::test]
async fn another_one_answers_where_one_fails() {
    let cases: [(u16, Headers, &'static str); 9] = [
        (500, &[], "{}"),
        (503, &[], "{}"),
        (429, &[("retry-after", "60")], "{}"),
        (401, &[], "{}"),
        (402, &[], "{}"),
        (404, &[("content-type", "application/json")], r#"{"error":{"message":"model 'one' not found"}}"#),
        (302, &[("location", "/")], ""),
        (200, &[("content-type", "text/html")], "<html>"),
        (200, &[("content-type", "text/event-stream")], ""),
    ];
    for (status, headers, body) in cases {
        for (door, stream) in
            [(Dialect::Chat, true), (Dialect::Chat, false), (Dialect::Anthropic, true), (Dialect::Gemini, false)]
        {
            let first = Script::always(status, headers, body).await;
            let (house, second) = after(&first).await;
            let answered = house.converse(asking(door, stream)).await;
            assert_eq!(
                (answered.status, answered.header("x-coditect-model")),
                (200, "b/two"),
                "{status}: {answered:?}"
            );
            assert_eq!((first.seen().len(), second.seen().len()), (1, 1), "{status}");
            assert_eq!(second.seen()[0].body["model"], "two");
            let call = house.close().await.only();
            assert_eq!((call.model.as_str(), call.asked.as_str(), call.retries), ("b/two", "u/m", 1), "{call:?}");
            assert_eq!((call.outcome, call.cost), (CallOutcome::Ok, price(INPUT, OUTPUT)));
        }
    }
}

#[tokio::test]
async fn another_one_answers_where_one_is_silent_or_away() {
    let silent = Script::start(|_, guard| async move { hanging(vec![], guard) }).await;
    let dying = Script::start(|_, _| std::future::ready(broken(vec![]))).await;
    for first in [&silent, &dying] {
        let second = good(Dialect::Chat, &["hi"]).await;
        let impatient = UpstreamSettings { first_token_timeout: SHORT, ..named("a", first) };
        let house = house(vec![impatient, named("b", &second)]).await;
        house.policy(alias(&["a/one"], &["b/two"])).await;
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.header("x-coditect-model"), "b/two");
        assert_eq!(second.seen().len(), 1);
    }
    let second = good(Dialect::Chat, &["hi"]).await;
    let house = house(vec![UpstreamSettings::new("a", nowhere().await), named("b", &second)]).await;
    house.policy(alias(&["a/one"], &["b/two"])).await;
    assert_eq!(house.converse(asking(Dialect::Chat, true)).await.header("x-coditect-model"), "b/two");
}

#[tokio::test]
async fn a_bad_question_is_put_to_nobody_else() {
    for status in [400, 413, 422] {
        let body = r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#;
        let first = Script::always(status, &[("content-type", "application/json")], body).await;
        let (house, second) = after(&first).await;
        let refused = house.converse(asking(Dialect::Chat, true)).await;
        assert_eq!((refused.status, refused.text().as_str()), (status, body), "it is passed on as it is");
        assert_eq!((first.seen().len(), second.seen().len()), (1, 0));
        assert_eq!(house.close().await.only().outcome, CallOutcome::Refused);
    }
}

#[tokio::test]
async fn money_is_set_aside_for_the_one_that_answers() {
    let failing = Script::always(500, &[], "{}").await;
    let dear = json!([{ "model": "a/*", "input": 1, "output": 1 }, { "model": "b/*", "input": 1000, "output": 1000 }]);
    let second = good(Dialect::Chat, &["hi"]).await;
    let house = house(vec![named("a", &failing), named("b", &second)]).await;
    let mut policy = alias(&["a/one"], &["b/two"]);
    (policy["prices"], policy["budgets"]) = (dear, json!([{ "scope": "person", "limit": 0.1, "period": "day" }]));
    house.policy(policy).await;
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!(refused.code(), "llm.budget_exhausted", "{refused:?}");
    assert_eq!((failing.seen().len(), second.seen().len()), (1, 0), "nobody is asked who cannot be paid");
    let call = house.close().await.only();
    assert_eq!((call.cost, call.outcome), (Usd::ZERO, CallOutcome::Refused));
}

#[tokio::test]
async fn one_without_a_price_leaves_it_to_another() {
    let script = good(Dialect::Chat, &["hi"]).await;
    let remote = UpstreamSettings { api_key: None, ..UpstreamSettings::new("a", "http://model.invalid/v1") };
    let house = house(vec![remote, named("b", &script)]).await;
    let mut policy = alias(&["a/one"], &["b/two"]);
    policy["prices"] = json!([{ "model": "b/*", "input": 1, "output": 10 }]);
    house.policy(policy).await;
    assert_eq!(house.converse(asking(Dialect::Chat, true)).await.header("x-coditect-model"), "b/two");
    let mut alone = asking(Dialect::Chat, true);
    alone.call.body = r#"{"model":"a/one","messages":[]}"#.into();
    assert_eq!(house.converse(alone).await.code(), "llm.no_price");
}

#[tokio::test]
async fn targets_have_their_turns_by_weight() {
    let (a, b) = (good(Dialect::Chat, &["hi"]).await, good(Dialect::Chat, &["hi"]).await);
    let house = house(vec![named("a", &a), named("b", &b)]).await;
    house
        .policy(json!({ "aliases": [{ "name": "u/m", "targets": [{ "model": "a/m", "weight": 3 }, { "model": "b/m", "weight": 1 }] }] }))
        .await;
    for _ in 0..200 {
        assert_eq!(house.converse(asking(Dialect::Chat, false)).await.status, 200);
    }
    assert!((110..190).contains(&a.seen().len()) && a.seen().len() + b.seen().len() == 200, "{}", a.seen().len());
}

#[tokio::test]
async fn roles_ask_what_they_may() {
    let (a, b) = (good(Dialect::Chat, &["hi"]).await, good(Dialect::Chat, &["hi"]).await);
    let house = house(vec![named("a", &a), named("b", &b)]).await;
    let mut policy = alias(&["a/m"], &["b/m"]);
    policy["allowed"] = json!([{ "role": "member", "models": ["b/*"] }]);
    house.policy(policy).await;
    assert_eq!(house.converse(asking(Dialect::Chat, true)).await.header("x-coditect-model"), "b/m");
    for door in Dialect::ALL {
        let mut asked = asking(door, true);
        asked.call.body = String::from_utf8_lossy(&asked.call.body).replace("u/m", "a/m").into();
        asked.model = asked.model.map(|_| "a/m".to_owned());
        let refused = house.converse(asked).await;
        assert_eq!((refused.status, refused.code()), (403, "llm.not_allowed"), "{refused:?}");
    }
    let (_, result) = house.ask(ChatRequest { model: "a/m".to_owned(), ..request() }).await;
    assert_eq!(result.unwrap_err().code(), "llm.not_allowed");
    let mut asked = asking(Dialect::Chat, true);
    asked.call.body = r#"{"model":"a/m","messages":[]}"#.into();
    asked.call.asker.role = Role::Admin;
    assert_eq!(house.converse(asked).await.header("x-coditect-model"), "a/m");
    let mut books = house.close().await;
    assert_eq!((books.refused("llm.not_allowed"), books.calls.len()), (Dialect::ALL.len() + 1, 2));
}

#[tokio::test]
async fn models_that_nobody_has() {
    let script = good(Dialect::Chat, &["hi"]).await;
    let house = script.house().await;
    for door in Dialect::ALL {
        for model in ["m", "other/m", "u/", "/m", "U/m"] {
            let mut asked = asking(door, true);
            asked.call.body = String::from_utf8_lossy(&asked.call.body).replace("u/m", model).into();
            asked.model = asked.model.map(|_| model.to_owned());
            let refused = house.converse(asked).await;
            assert_eq!((refused.status, refused.code()), (404, "llm.unknown_model"), "{door:?} {model}: {refused:?}");
        }
    }
    for body in
        ["", "[]", "{}", "{\"model\":7}", "{\"model\":\"\"}", "nonsense", "{\"model\":\"u/m\",\"model\":\"u/n\"}"]
    {
        for door in [Dialect::Chat, Dialect::Responses, Dialect::Anthropic] {
            let refused = house.converse(conversation(door, body)).await;
            assert_eq!((refused.status, refused.code()), (400, "llm.bad_request"), "{body}: {refused:?}");
        }
    }
    assert!(script.asked().is_empty(), "{:?}", script.asked());
    // What is no question is no call.
    let mut books = house.close().await;
    assert_eq!((books.refused("llm.unknown_model"), books.calls.len()), (Dialect::ALL.len() * 5, 0));
}

/// An upstream that refuses so often, and then answers.
async fn failing_first(times: usize, status: u16, headers: Headers) -> Script {
    let left = Arc::new(Mutex::new(times));
    Script::start(move |_, guard| {
        let mut left = left.lock().unwrap();
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        std::future::ready(if fails {
            answer(status, headers, Body::from("{}"))
        } else {
            events(stream::iter(streamed(Dialect::Chat, &["hi"])), guard)
        })
    })
    .await
}

#[tokio::test]
async fn the_last_one_is_asked_again() {
    for status in [429, 500, 503, 529] {
        let script = failing_first(1, status, &[("retry-after", "0")]).await;
        let house = House::with(LlmSettings { retries: 1, ..settings_of(vec![script.settings()]) }).await;
        house.policy(plenty()).await;
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200, "{status}");
        let call = house.close().await.only();
        assert_eq!((call.retries, call.outcome, call.cost), (1, CallOutcome::Ok, price(INPUT, OUTPUT)), "{status}");
    }
}

#[tokio::test]
async fn what_is_asked_again_in_vain_is_given_up() {
    let script = failing_first(9, 503, &[]).await;
    let house = House::with(LlmSettings { retries: 1, ..settings_of(vec![script.settings()]) }).await;
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (503, "false"), "{refused:?}");
    assert_eq!((script.seen().len(), house.close().await.only().retries), (2, 1));
    // Nobody is kept waiting for a minute, whatever an upstream asks for.
    let script = failing_first(1, 429, &[("retry-after", "60")]).await;
    let house = House::with(LlmSettings { retries: 5, ..settings_of(vec![script.settings()]) }).await;
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"), "{refused:?}");
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn who_fails_again_and_again_rests_and_comes_back() {
    let script = failing_first(5, 500, &[]).await;
    let house = script.house().await;
    for _ in 0..5 {
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.code(), "llm.upstream_error");
    }
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((refused.status, refused.code()), (503, "llm.resting"), "{refused:?}");
    assert!((1..=3).contains(&refused.header("retry-after").parse().unwrap()), "{refused:?}");
    assert_eq!(script.seen().len(), 5, "it is left alone");
    // It is tried again once it has rested.
    let back = async {
        while house.converse(asking(Dialect::Chat, true)).await.status != 200 {
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it does not come back");
    assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200);
    assert_eq!(script.seen().len(), 7);
}

#[tokio::test]
async fn one_that_rests_is_passed_over() {
    let failing = Script::always(500, &[], "{}").await;
    let (house, second) = after(&failing).await;
    for _ in 0..8 {
        assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200);
    }
    assert_eq!((failing.seen().len(), second.seen().len()), (5, 8));
}

#[tokio::test]
async fn a_bad_question_does_not_make_an_upstream_rest() {
    let script = Script::always(400, &[], "{}").await;
    let house = script.house().await;
    for _ in 0..10 {
        house.converse(asking(Dialect::Chat, true)).await;
    }
    assert_eq!(script.seen().len(), 10);
}

#[tokio::test]
async fn who_cannot_pay_does_not_take_the_turn_of_who_tries_whether_one_is_back() {
    let script = failing_first(5, 500, &[]).await;
    let house = script.house().await;
    let mut policy = plenty();
    policy["budgets"] = json!([
        { "scope": "person", "limit": 1, "period": "total" },
        { "scope": "person", "of": user(2), "limit": 0, "period": "total" },
    ]);
    house.policy(policy).await;
    for _ in 0..5 {
        house.converse(asking(Dialect::Chat, true)).await;
    }
    let back = async {
        loop {
            let mut poor = asking(Dialect::Chat, true);
            poor.call.asker.user = user(2);
            assert_ne!(house.converse(poor).await.status, 200);
            if house.converse(asking(Dialect::Chat, true)).await.status == 200 {
                return;
            }
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it does not come back");
}

/// A server that lists these models and answers for every one.
async fn listing(models: &'static [&'static str]) -> Script {
    Script::start(move |seen, guard| {
        let response = if seen.path == "/v1/models" {
            let models: Vec<Value> = models.iter().map(|id| json!({ "id": id })).collect();
            answer(200, &[], Body::from(json!({ "data": models }).to_string()))
        } else {
            events(stream::iter(streamed(Dialect::Chat, &["hi"])), guard)
        };
        std::future::ready(response)
    })
    .await
}

#[tokio::test]
async fn a_well_known_server_without_a_key_leaves_its_name_to_who_has_such_a_model() {
    let script = listing(&["openai/gpt-oss-20b", "deepseek/deepseek-r1"]).await;
    let presets = vec!["openai".to_owned(), "deepseek".to_owned()];
    let settings = || LlmSettings { presets: presets.clone(), ..settings_of(vec![named("lm", &script)]) };
    let house = House::with(settings()).await;
    for (model, expected) in
        [("openai/gpt-oss-20b", "lm/openai/gpt-oss-20b"), ("deepseek/deepseek-r1", "lm/deepseek/deepseek-r1")]
    {
        assert_eq!(house.converse(asking_for(model)).await.header("x-coditect-model"), expected);
    }
    let refused = house.converse(asking_for("openai/gpt-5")).await;
    assert_eq!((refused.status, refused.code()), (403, "llm.no_key"), "{refused:?}");
    // So it is where roles may only ask some, and where another name leads there.
    let house = House::with(settings()).await;
    let targets = json!([{ "model": "openai/gpt-oss-20b", "weight": 1 }]);
    let mut policy = plenty();
    policy["aliases"] = json!([{ "name": "mine", "targets": targets }]);
    policy["allowed"] = json!([{ "role": "member", "models": ["lm/*"] }]);
    house.policy(policy).await;
    for model in ["openai/gpt-oss-20b", "mine"] {
        let answered = house.converse(asking_for(model)).await;
        assert_eq!(answered.header("x-coditect-model"), "lm/openai/gpt-oss-20b", "{answered:?}");
    }
    assert_eq!(house.converse(asking_for("openai/gpt-5")).await.code(), "llm.not_allowed");
}

#[tokio::test]
async fn a_well_known_server_with_a_key_is_meant_by_its_name() {
    let script = listing(&["deepseek/deepseek-r1"]).await;
    let settings = LlmSettings { presets: vec!["deepseek".to_owned()], ..settings_of(vec![named("lm", &script)]) };
    let house = House::with(settings).await;
    house.list(false).await;
    assert_eq!(house.converse(asking_for("deepseek/deepseek-r1")).await.status, 200);
    // The question goes to its maker, who is not asked here: money is set aside for their model first, and there is none.
    house.policy(json!({ "budgets": [{ "scope": "instance", "limit": 0, "period": "day" }] })).await;
    house.key("deepseek", KeyOwner::Everybody, "everybodys-key-1").await;
    let refused = house.converse(asking_for("deepseek/deepseek-r1")).await;
    assert!(["llm.no_price", "llm.budget_exhausted"].contains(&refused.code()), "{refused:?}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn counting_finds_models_by_their_bare_names_and_passes_on_what_the_client_says() {
    let script = Script::start(|seen, _| {
        let body = match seen.path.as_str() {
            "/v1/models?limit=1000" => json!({ "data": [{ "id": "m" }] }),
            _ => json!({ "input_tokens": 77 }),
        };
        std::future::ready(answer(200, &[("content-type", "application/json")], Body::from(body.to_string())))
    })
    .await;
    let house = house(vec![script.speaking(Dialect::Anthropic)]).await;
    let mut asked = asking(Dialect::Anthropic, false);
    asked.call.body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#.into();
    for (name, value) in [("anthropic-beta", "new-2026"), ("anthropic-version", "2024-01-01"), ("x-other", "x")] {
        asked.call.headers.append(name, value.parse().unwrap());
    }
    let answered = Answered::read(house.gateway.count(asked).await).await;
    assert_eq!((answered.status, answered.json()["input_tokens"].as_u64()), (200, Some(77)), "{answered:?}");
    let seen = script.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/messages/count_tokens");
    let values =
        |name: &str| seen.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((values("anthropic-beta"), values("anthropic-version")), (vec!["new-2026"], vec!["2024-01-01"]));
    assert_eq!((values("x-api-key"), values("x-other")), (vec![KEY], vec![]));
    // What a client of another dialect says is nothing to this one.
    let mut asked = asking(Dialect::Gemini, false);
    asked.call.headers.append("anthropic-beta", "x".parse().unwrap());
    house.gateway.count(asked).await;
    assert!(script.seen().pop().unwrap().headers.get("anthropic-beta").is_none());
}
