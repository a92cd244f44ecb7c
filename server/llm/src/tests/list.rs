//! Lists of models.

use coditect_protocol::chat::ModelInfo;

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
            tokio::spawn(async move { gateway.list(n % 2 == 0, user(1), Role::Member).await })
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

/// What a LM Studio lists that has many models: name, kind, longest context, and with how much it was loaded.
const LM_STUDIO: [(&str, &str, u64, Option<u64>); 17] = [
    ("deepseek-r1-0528-qwen3-8b", "llm", 131_072, None),
    ("devstral-small-2507", "llm", 131_072, None),
    ("gemma-3-12b-it", "vlm", 131_072, Some(8192)),
    ("gemma-3-27b-it-qat", "vlm", 131_072, None),
    ("gemma-3n-e4b", "llm", 32_768, None),
    ("glm-4.5-air", "llm", 131_072, None),
    ("llama-3.3-70b-instruct", "llm", 131_072, None),
    ("magistral-small-2507", "llm", 131_072, None),
    ("microsoft/phi-4-mini-reasoning", "llm", 131_072, None),
    ("mistral-small-3.2-24b-instruct-2506", "vlm", 131_072, None),
    ("openai/gpt-oss-20b", "llm", 131_072, Some(131_072)),
    ("qwen/qwen2.5-vl-7b", "vlm", 128_000, None),
    ("qwen/qwen3-30b-a3b-2507", "llm", 262_144, None),
    ("qwen/qwen3-coder-30b", "llm", 262_144, Some(32_768)),
    ("qwen3-embedding-8b", "embeddings", 40_960, None),
    ("text-embedding-bge-m3", "embeddings", 8192, None),
    ("text-embedding-nomic-embed-text-v1.5", "embeddings", 2048, Some(2048)),
];

async fn lm_studio() -> Script {
    Script::start(|seen, _| async move {
        // It may want a key.
        if seen.headers.get("authorization").is_none() {
            return answer(401, &[], Body::empty());
        }
        let models = LM_STUDIO.iter().rev();
        let data: Vec<Value> = match seen.path.as_str() {
            "/v1/models" => models
                .map(|(id, ..)| json!({ "id": id, "object": "model", "owned_by": "organization_owner" }))
                .chain([json!({ "id": "zeta-new", "object": "model", "owned_by": "organization_owner" })])
                .collect(),
            "/api/v0/models" => models
                .map(|(id, kind, most, loaded)| {
                    let mut model = json!({
                        "id": id, "object": "model", "type": kind, "publisher": "p", "arch": "a",
                        "compatibility_type": "gguf", "quantization": "Q4_K_M", "max_context_length": most,
                        "state": if loaded.is_some() { "loaded" } else { "not-loaded" },
                    });
                    if let Some(loaded) = loaded {
                        model["loaded_context_length"] = json!(loaded);
                    }
                    model
                })
                .collect(),
            other => panic!("{other}"),
        };
        answer(200, &[], Body::from(json!({ "object": "list", "data": data }).to_string()))
    })
    .await
}

#[tokio::test]
async fn lm_studio_tells_more() {
    let upstream = lm_studio().await;
    let house = upstream.house().await;
    let told = |(id, _, most, loaded): &(&'static str, _, u64, Option<u64>)| {
        (*id, Some(loaded.unwrap_or(*most)), Some(loaded.is_some()))
    };
    let known = |models: &[ModelInfo]| -> Vec<(String, Option<u64>, Option<bool>)> {
        models.iter().map(|model| (model.name.clone(), model.context_tokens, model.loaded)).collect()
    };
    let expected = |talking: bool| -> Vec<(String, Option<u64>, Option<bool>)> {
        let models = LM_STUDIO.iter().filter(|(_, kind, ..)| !talking || *kind != "embeddings").map(told);
        models.chain([("zeta-new", None, None)]).map(|(id, most, loaded)| (id.to_owned(), most, loaded)).collect()
    };
    let list = house.list(false).await;
    assert_eq!(known(&list.models), expected(true));
    assert_eq!((list.models.len(), list.upstreams[0].models), (15, 15));
    let all = house.gateway.list_all(user(1), Role::Member).await;
    assert_eq!((known(&all), all.len()), (expected(false), 18));
}

#[tokio::test]
async fn only_what_a_role_may_ask_is_listed() {
    let upstream = lm_studio().await;
    let house = upstream.house().await;
    house.policy(json!({ "allowed": [{ "role": "member", "models": ["u/qwen/*", "u/text-embedding-*"] }] })).await;
    assert_eq!(
        ids(&house.list(false).await),
        ["u/qwen/qwen2.5-vl-7b", "u/qwen/qwen3-30b-a3b-2507", "u/qwen/qwen3-coder-30b"]
    );
    assert_eq!(house.gateway.list_all(user(1), Role::Member).await.len(), 5);
    assert_eq!(house.gateway.list(false, user(1), Role::Admin).await.models.len(), 15);
    // Where nothing is left to talk to, it says why.
    house.policy(json!({ "allowed": [{ "role": "member", "models": ["u/text-embedding-*"] }] })).await;
    let list = house.list(false).await;
    assert!(list.models.is_empty() && list.advice.unwrap().contains("allowed to your role"));
    assert_eq!(house.gateway.list(false, user(1), Role::Admin).await.advice, None);
    // Where there is nothing at all, an admin's leave would not help.
    let nothing = super::house(vec![]).await;
    nothing.policy(json!({ "allowed": [{ "role": "member", "models": [] }] })).await;
    assert!(nothing.list(false).await.advice.unwrap().contains("[[llm_upstream]]"));
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
