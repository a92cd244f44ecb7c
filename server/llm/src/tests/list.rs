//! Lists of models.

use super::*;

async fn listing(body: Value) -> Script {
    Script::always(200, &[("content-type", "application/json")], body.to_string()).await
}

fn ids(list: &ModelList) -> Vec<&str> {
    list.models.iter().map(|model| model.id.as_str()).collect()
}

fn named(name: &str, upstream: &Script) -> UpstreamSettings {
    UpstreamSettings { name: name.to_owned(), ..upstream.settings() }
}

#[tokio::test]
async fn all_upstreams_in_their_order() {
    let one = listing(json!({ "data": [{ "id": "zeta" }, { "id": "org/alpha", "max_model_len": 4096 }] })).await;
    let refusing = Script::always(401, &[], "{\"error\":{\"message\":\"sk-topsecret-0123456789\"}}").await;
    let empty = listing(json!({ "data": [] })).await;
    let page = Script::always(200, &[("content-type", "text/html")], "<html>").await;
    let found = listing(json!({ "data": [{ "id": "m" }] })).await;
    let upstreams =
        vec![named("one", &one), named("refusing", &refusing), named("empty", &empty), named("page", &page)];
    let house = House::with_places(
        settings_of(upstreams),
        &[("lmstudio", &found.url), ("ollama", &nowhere().await), ("again", &one.url), ("one", &found.url)],
        LIST_TIMEOUT,
    )
    .await;
    let list = house.list(false).await;
    assert_eq!(ids(&list), ["one/org/alpha", "one/zeta", "lmstudio/m"]);
    assert_eq!(list.models[0].context_tokens, Some(4096));
    assert_eq!((list.models[0].name.as_str(), list.models[0].upstream.as_str()), ("org/alpha", "one"));
    assert_eq!(list.advice, None);
    let states: Vec<_> =
        list.upstreams.iter().map(|u| (u.name.as_str(), u.configured, u.models, u.problem.is_some())).collect();
    assert_eq!(
        states,
        [
            ("one", true, 2, false),
            ("refusing", true, 0, true),
            ("empty", true, 0, true),
            ("page", true, 0, true),
            ("lmstudio", false, 1, false)
        ]
    );
    assert!(!format!("{list:?}").contains("topsecret"));
    assert_eq!(one.seen()[0].headers["authorization"], format!("Bearer {KEY}"));
    assert!(found.seen()[0].headers.get("authorization").is_none());
    let (_, answered) = house.ask(ChatRequest { model: "ollama/m".to_owned(), ..request() }).await;
    assert_eq!(answered.unwrap_err().code(), "llm.unreachable");
}

#[tokio::test]
async fn without_any_model_there_is_advice() {
    let list = House::with_places(settings_of(vec![]), &[("lmstudio", &nowhere().await)], LIST_TIMEOUT)
        .await
        .list(false)
        .await;
    assert!(list.models.is_empty() && list.upstreams.is_empty());
    let advice = list.advice.unwrap();
    for way in ["LM Studio", "Ollama", "[[llm_upstream]]", "cargo xtask run --model"] {
        assert!(advice.contains(way), "{advice}");
    }
    let without = house(vec![]).await.list(true).await.advice.unwrap();
    assert!(!without.contains("LM Studio") && without.contains("[[llm_upstream]]"));
    // What is wrong with one that somebody configured says more.
    let refusing = Script::always(401, &[], "{}").await;
    let list = house(vec![named("ours", &refusing)]).await.list(true).await;
    assert!(list.upstreams[0].problem.is_some());
    assert_eq!(list.advice, list.upstreams[0].problem);
}

#[tokio::test]
async fn a_silent_upstream_does_not_hold_up_the_others() {
    let good = listing(json!({ "data": [{ "id": "m" }] })).await;
    let never = |_, guard| async move {
        let _guard: Guard = guard;
        std::future::pending().await
    };
    let (mut silent, mut silent_place) = (Script::start(never).await, Script::start(never).await);
    let settings = settings_of(vec![named("silent", &silent), named("good", &good)]);
    let house = House::with_places(settings, &[("lmstudio", &silent_place.url)], Duration::from_millis(300)).await;
    let list = house.list(false).await;
    assert_eq!(ids(&list), ["good/m"]);
    assert!(list.upstreams[0].problem.as_ref().unwrap().contains("within 0.3 s"), "{list:?}");
    assert_eq!(list.upstreams.len(), 2, "what was only looked for stays absent");
    silent.client_went().await;
    silent_place.client_went().await;
}

#[tokio::test]
async fn a_list_is_good_for_a_while_and_asked_for_once_at_a_time() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let upstream = Script::start(move |_, _| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            answer(200, &[], Body::from("[{\"id\":\"m\"}]"))
        }
    })
    .await;
    let settings = LlmSettings { list_cache: Duration::from_secs(3600), ..settings_of(vec![upstream.settings()]) };
    let house = House::with_places(settings, &[], PATIENCE).await;
    let asked: Vec<_> = (0..20)
        .map(|n| {
            let gateway = house.gateway.clone();
            tokio::spawn(async move { gateway.list(n % 2 == 0, user(1)).await })
        })
        .collect();
    // Whoever began the question may go; the others still get its answer.
    asked[0].abort();
    while upstream.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    for task in asked.into_iter().skip(1) {
        assert_eq!(ids(&task.await.unwrap()), ["u/m"]);
    }
    assert_eq!(upstream.seen().len(), 1);
    house.list(false).await;
    assert_eq!(upstream.seen().len(), 1, "the list was still good");
    house.list(true).await;
    assert_eq!(upstream.seen().len(), 2, "it was asked for again");
}

#[tokio::test]
async fn lm_studio_tells_more() {
    let upstream = Script::start(|seen, _| async move {
        let item = |id: &str| json!({ "id": id, "object": "model", "owned_by": "organization_owner" });
        let detail = |id: &str, kind: &str| json!({ "id": id, "type": kind, "max_context_length": 8192 });
        let body = match seen.path.as_str() {
            "/v1/models" => json!({ "data": [item("talk"), item("see"), item("embed"), item("new")] }),
            "/api/v0/models" => {
                json!({ "data": [detail("talk", "llm"), detail("see", "vlm"), detail("embed", "embeddings")] })
            }
            other => panic!("{other}"),
        };
        answer(200, &[], Body::from(body.to_string()))
    })
    .await;
    let list = upstream.house().await.list(false).await;
    let known: Vec<_> = list.models.iter().map(|model| (model.name.as_str(), model.context_tokens)).collect();
    assert_eq!(known, [("new", None), ("see", Some(8192)), ("talk", Some(8192))]);
}

#[tokio::test]
async fn ollama_tells_which_models_only_embed() {
    let upstream = Script::start(|seen, _| async move {
        let item = |id: &str| json!({ "id": id, "owned_by": "library" });
        let body = match (seen.path.as_str(), seen.body["model"].as_str()) {
            ("/v1/models", _) => json!({ "data": [item("nomic"), item("llama"), item("odd")] }),
            ("/api/show", Some("nomic")) => json!({ "capabilities": ["embedding"] }),
            ("/api/show", Some("llama")) => json!({ "capabilities": ["completion", "tools"] }),
            _ => return answer(404, &[], Body::empty()),
        };
        answer(200, &[], Body::from(body.to_string()))
    })
    .await;
    assert_eq!(ids(&upstream.house().await.list(false).await), ["u/llama", "u/odd"]);
}

#[tokio::test]
async fn an_endless_list_ends_at_the_bound() {
    let mut upstream = Script::start(|_, guard| {
        let endless = stream::repeat(Bytes::from(vec![b' '; 1024 * 1024]));
        std::future::ready(events(endless, guard))
    })
    .await;
    let list = upstream.house().await.list(false).await;
    assert!(list.upstreams[0].problem.is_some());
    upstream.client_went().await;
}
