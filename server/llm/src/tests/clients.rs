//! Clients that go away.

use coditect_protocol::llm::{CallOutcome, KeyState};

use super::words::*;
use super::*;

async fn settled_as_cancelled(house: House, what: &str) {
    let call = house.close().await.only();
    let told = (call.outcome, call.code.as_deref(), call.estimated);
    assert_eq!(told, (CallOutcome::Cancelled, Some("llm.cancelled"), true), "{what}: {call:?}");
    assert!(call.tokens.input > 0 && call.cost > Usd::ZERO, "{what}: {call:?}");
}

#[tokio::test]
async fn before_the_answer() {
    leaving_nothing(async {
        for (door, upstream) in pairs() {
            for (has_head, stream) in [(false, false), (false, true), (true, false), (true, true)] {
                let what = format!("{door:?} from {upstream:?}, head {has_head}, stream {stream}");
                let mut script = Script::start(move |_, guard| async move {
                    if has_head {
                        return hanging(vec![], guard);
                    }
                    let _guard = guard;
                    std::future::pending().await
                })
                .await;
                let house = house(vec![script.speaking(upstream)]).await;
                house.policy(plenty()).await;
                let gateway = house.gateway.clone();
                let asking = tokio::spawn(async move { gateway.converse(asking(door, stream)).await });
                wait_until(|| !script.seen().is_empty()).await;
                asking.abort();
                script.client_went().await;
                assert!(asking.await.is_err());
                settled_as_cancelled(house, &what).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn in_the_middle_of_the_answer() {
    leaving_nothing(async {
        for (door, upstream) in pairs() {
            let what = format!("{door:?} from {upstream:?}");
            let words = &["one", "two", "three", "four", "five"];
            let mut script =
                Script::start(move |_, guard| async move { hanging(begins(upstream, words), guard) }).await;
            let house = house(vec![script.speaking(upstream)]).await;
            house.policy(plenty()).await;
            let mut body = house.gateway.converse(asking(door, true)).await.into_body();
            let mut read = Vec::new();
            while !String::from_utf8_lossy(&read).contains("five") {
                read.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
            }
            drop(body);
            script.client_went().await;
            let call = house.close().await.only();
            assert_eq!((call.outcome, call.estimated), (CallOutcome::Cancelled, true), "{what}: {call:?}");
            assert!((5..10).contains(&call.tokens.output), "{what}: what was written is counted: {call:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn while_a_whole_answer_comes() {
    let mut script = Script::start(|_, guard| async move {
        let mut response = hanging(vec![Bytes::from("{\"choices\":")], guard);
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response
    })
    .await;
    for door in Dialect::ALL {
        let house = house(vec![script.settings()]).await;
        house.policy(plenty()).await;
        let gateway = house.gateway.clone();
        let asking = tokio::spawn(async move { gateway.converse(asking(door, false)).await });
        wait_until(|| !script.seen().is_empty()).await;
        script.seen.lock().unwrap().clear();
        asking.abort();
        script.client_went().await;
        let _ = asking.await;
        settled_as_cancelled(house, door.name()).await;
    }
}

#[tokio::test]
async fn while_a_question_waits_to_be_put_again() {
    leaving_nothing(async {
        let script = Script::always(429, &[("retry-after", "4")], "{}").await;
        let keyless = UpstreamSettings { api_key: None, ..script.settings() };
        let house = House::with(LlmSettings { retries: 3, ..settings_of(vec![keyless]) }).await;
        house.policy(plenty()).await;
        house.key("u", KeyOwner::Everybody, "key-of-everybody").await;
        let gateway = house.gateway.clone();
        let asking = tokio::spawn(async move { gateway.converse(asking(Dialect::Chat, true)).await });
        let refused = async {
            while house.gateway.keys().list_all().await.unwrap()[0].state != KeyState::Limited {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, refused).await.expect("it is not refused");
        asking.abort();
        let _ = asking.await;
        let call = house.close().await.only();
        assert_eq!((call.outcome, call.cost), (CallOutcome::Cancelled, Usd::ZERO), "a refusal costs nothing: {call:?}");
        assert_eq!(script.seen().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_reads_slowly_holds_up_the_upstream_and_not_the_memory() {
    let given = Arc::new(Mutex::new(0_usize));
    let counted = given.clone();
    let mut script = Script::start(move |_, guard| {
        let counted = counted.clone();
        async move {
            let endless = stream::repeat_with(move || {
                *counted.lock().unwrap() += 1;
                Bytes::from(says(&"x".repeat(64 * 1024)))
            });
            events(endless, guard)
        }
    })
    .await;
    for door in [Dialect::Chat, Dialect::Anthropic] {
        *given.lock().unwrap() = 0;
        let house = script.house().await;
        let mut body = house.gateway.converse(asking(door, true)).await.into_body();
        body.frame().await.unwrap().unwrap();
        // The upstream goes on for as long as the network takes it, and then waits.
        let given = || *given.lock().unwrap();
        let mut before = 0;
        wait_until_still(|| {
            let now = given();
            std::mem::replace(&mut before, now) == now
        })
        .await;
        assert!(before < 1000, "{before} pieces of 64 KiB were taken off an answer that nobody reads");
        drop(body);
        script.client_went().await;
    }
}

/// Waits until a condition holds a hundred times, with the network's turns between.
async fn wait_until_still(mut condition: impl FnMut() -> bool) {
    let mut still = 0;
    let wait = async {
        while still < 100 {
            still = if condition() { still + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it goes on and on");
}
