//! Which key a question is put with, and what becomes of one that is refused.

use coditect_protocol::TeamId;

use super::words::*;
use super::*;

/// An upstream that answers these keys so, and all others well.
async fn minding(answers: &'static [(&'static str, u16, Headers)]) -> Script {
    Script::start(move |seen, guard| async move {
        let key =
            seen.headers.get("authorization").map(|key| key.to_str().unwrap().trim_start_matches("Bearer ").to_owned());
        match answers.iter().find(|(bad, ..)| key.as_deref() == Some(*bad)) {
            Some((key, status, headers)) => answer(
                *status,
                headers,
                Body::from(json!({ "error": { "message": format!("not {key}") } }).to_string()),
            ),
            None => events(stream::iter(streamed(Dialect::Chat, &["hi"])), guard),
        }
    })
    .await
}

/// One without a key in its settings.
async fn keyless(script: &Script, retries: u32) -> House {
    let upstream = UpstreamSettings { api_key: None, ..script.settings() };
    let house = House::with(LlmSettings { retries, ..settings_of(vec![upstream]) }).await;
    house.policy(plenty()).await;
    house
}

fn keys(script: &Script) -> Vec<String> {
    let key = |seen: Seen| {
        seen.headers.get("authorization").map(|key| key.to_str().unwrap().trim_start_matches("Bearer ").to_owned())
    };
    script.seen().into_iter().map(|seen| key(seen).unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_refused_key_rests_and_the_next_one_is_used() {
    for (door, status) in [(Dialect::Chat, 401), (Dialect::Chat, 403), (Dialect::Chat, 402), (Dialect::Anthropic, 429)]
    {
        let answers: &'static [_] = match status {
            401 => &[("secret-of-ada-1", 401, &[] as Headers)],
            403 => &[("secret-of-ada-1", 403, &[] as Headers)],
            402 => &[("secret-of-ada-1", 402, &[] as Headers)],
            _ => &[("secret-of-ada-1", 429, &[("retry-after", "60")] as Headers)],
        };
        let script = minding(answers).await;
        let house = keyless(&script, 0).await;
        house.key("u", KeyOwner::Everybody, "everybodys-key-1").await;
        house.key("u", KeyOwner::Person(user(1)), "secret-of-ada-1").await;
        for _ in 0..2 {
            assert_eq!(house.converse(asking(door, true)).await.status, 200, "{status}");
        }
        assert_eq!(keys(&script), ["secret-of-ada-1", "everybodys-key-1", "everybodys-key-1"], "{status}");
        let calls = house.close().await.calls;
        assert_eq!(calls.iter().map(|call| (call.retries, call.own_key)).collect::<Vec<_>>(), [(1, false), (0, false)]);
    }
}

#[tokio::test]
async fn a_key_in_a_refusal_is_not_shown() {
    for (door, upstream) in [(Dialect::Chat, Dialect::Chat), (Dialect::Anthropic, Dialect::Chat)] {
        for status in [400, 401, 500] {
            let script = Script::start(move |seen, _| async move {
                let key = seen.headers["authorization"].to_str().unwrap().to_owned();
                let body = json!({ "error": { "message": format!("wrong: {key}") } }).to_string();
                answer(status, &[("content-type", "application/json")], Body::from(body))
            })
            .await;
            let house = keyless(&script, 0).await;
            house.key("u", KeyOwner::Everybody, "everybodys-topsecret-key").await;
            let answered = house.converse(asking(door, true)).await;
            assert!(answered.status >= 400 && answered.status != 401, "{door:?} from {upstream:?}: {answered:?}");
            assert_eq!(keys(&script), ["everybodys-topsecret-key"]);
        }
        let script = Script::start(move |seen, guard| async move {
            let key = seen.headers["authorization"].to_str().unwrap().to_owned();
            let failure = format!("data: {}\n\n", json!({ "error": { "message": format!("wrong: {key}") } }));
            events(stream::iter(begins(Dialect::Chat, &["hi"]).into_iter().chain([failure.into()])), guard)
        })
        .await;
        let house = keyless(&script, 0).await;
        house.key("u", KeyOwner::Everybody, "everybodys-topsecret-key").await;
        let answered = house.converse(asking(door, true)).await;
        assert!(answered.text().contains("wrong: "), "{answered:?}");
        house.ask(request()).await.1.unwrap_err();
    }
}

#[tokio::test]
async fn where_all_keys_rest_nobody_is_asked_without_one() {
    let script = minding(&[("key-of-everybody", 401, &[])]).await;
    let house = keyless(&script, 3).await;
    house.key("u", KeyOwner::Everybody, "key-of-everybody").await;
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((refused.status, refused.code()), (403, "llm.refused_key"), "{refused:?}");
    let resting = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((resting.status, resting.code()), (503, "llm.resting"), "{resting:?}");
    assert_eq!(keys(&script).len(), 1);
}

#[tokio::test]
async fn a_key_at_its_limit_is_tried_again_once_it_has_rested() {
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let script = Script::start(move |_, guard| {
        let first = std::mem::replace(&mut *counted.lock().unwrap(), 1) == 0;
        async move {
            if first {
                return answer(429, &[("retry-after-ms", "30")], Body::from("{}"));
            }
            events(stream::iter(streamed(Dialect::Chat, &["hi"])), guard)
        }
    })
    .await;
    let house = keyless(&script, 1).await;
    house.key("u", KeyOwner::Everybody, "key-of-everybody").await;
    let answered = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(house.close().await.only().retries, 1);
}

#[tokio::test]
async fn an_own_key_pays_for_itself() {
    let script = minding(&[]).await;
    let house = script.house().await;
    house
        .policy(json!({ "budgets": [{ "scope": "instance", "limit": 0, "period": "day" }],
        "prices": [{ "model": "*", "input": 1, "output": 1 }] }))
        .await;
    house.key("u", KeyOwner::Everybody, "everybodys-key-1").await;
    let refused = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!((refused.status, refused.code()), (429, "llm.budget_exhausted"), "{refused:?}");
    house.key("u", KeyOwner::Person(user(1)), "own-key-0001").await;
    assert_eq!(house.converse(asking(Dialect::Chat, true)).await.status, 200);
    assert_eq!(keys(&script), ["own-key-0001"]);
    let mut books = house.close().await;
    assert_eq!((books.refused("llm.budget_exhausted"), books.calls.len()), (1, 1));
    assert!(books.calls[0].own_key && books.budgets[0].spent == Usd::ZERO);
}

#[tokio::test]
async fn a_teams_key_is_for_the_team() {
    let script = minding(&[]).await;
    let house = keyless(&script, 0).await;
    let team = TeamId(Uuid::from_u128(9));
    house.key("u", KeyOwner::Everybody, "everybodys-key-1").await;
    house.key("u", KeyOwner::Team(team), "key-of-the-team").await;
    house.converse(asking(Dialect::Chat, true)).await;
    house.policy(json!({ "teams": [{ "id": team, "name": "t", "members": [user(1)] }] })).await;
    house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!(keys(&script), ["everybodys-key-1", "key-of-the-team"]);
}

#[tokio::test]
async fn a_well_known_server_needs_a_key() {
    let house = House::with(LlmSettings { presets: vec!["mistral".to_owned()], ..settings_of(vec![]) }).await;
    let mut asked = asking(Dialect::Chat, true);
    asked.call.body = r#"{"model":"mistral/m","messages":[]}"#.into();
    let refused = house.converse(asked).await;
    assert_eq!((refused.status, refused.code()), (403, "llm.no_key"), "{refused:?}");
    let mut books = house.close().await;
    assert_eq!((books.refused("llm.no_key"), books.calls.len()), (1, 0));
}

/// An upstream where one model is at its limit for an hour.
async fn limiting(limited: &'static str) -> Script {
    Script::start(move |seen, guard| {
        let response = if seen.body["model"] == limited {
            answer(429, &[("retry-after", "3600")], Body::from("{}"))
        } else {
            events(stream::iter(streamed(Dialect::Chat, &["hi"])), guard)
        };
        std::future::ready(response)
    })
    .await
}

#[tokio::test]
async fn a_model_at_its_limit_takes_the_key_from_no_other() {
    let script = limiting("pro").await;
    let house = keyless(&script, 0).await;
    house.key("u", KeyOwner::Everybody, "everybodys-key-1").await;
    let refused = house.converse(asking_for("u/pro")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "3600"), "{refused:?}");
    assert_eq!(house.converse(asking_for("u/flash")).await.status, 200);
    let resting = house.converse(asking_for("u/pro")).await;
    assert_eq!((resting.status, resting.code()), (503, "llm.resting"), "{resting:?}");
    // What one person provoked keeps a key of all from nobody for long.
    assert!((1..=60).contains(&resting.header("retry-after").parse().unwrap()), "{resting:?}");
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn who_comes_back_when_all_keys_rest_is_told_when() {
    let script = minding(&[("key-of-everybody", 401, &[])]).await;
    let house = keyless(&script, 0).await;
    house.key("u", KeyOwner::Everybody, "key-of-everybody").await;
    house.converse(asking(Dialect::Chat, true)).await;
    let resting = house.converse(asking(Dialect::Chat, true)).await;
    assert_eq!(resting.code(), "llm.resting");
    assert!((1..=300).contains(&resting.header("retry-after").parse().unwrap()), "{resting:?}");
}
