//! Questions for vectors.

use coditect_protocol::llm::CallOutcome;

use super::words::*;
use super::*;
use crate::{Embedding, Form};

fn asked(form: Form, model: Option<&str>, body: &str) -> Embedding {
    let call = Call { asker: asker(), headers: HeaderMap::new(), body: body.to_owned().into() };
    Embedding { form, model: model.map(str::to_owned), call }
}

async fn embed(house: &House, embedding: Embedding) -> Answered {
    Answered::read(house.gateway.embed(embedding).await).await
}

const JSON: Headers = &[("content-type", "application/json")];

/// A batch that nobody here would write so: titles, purposes, sizes, a picture, what is not known, and numbers as they are.
const MANY: &str = r#" { "requests" : [
    {"model":"models/u/g", "content":{"parts":[{"text":"one"},{"text":"two"}]}, "taskType":"RETRIEVAL_DOCUMENT","title":"A"},
    {"title":"B","content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"model": "models/u\/g","taskType":"CLUSTERING","outputDimensionality":2},
    {"content":{"parts":[{"text":"models/u/g"}]}, "model" : "g", "new":{"model":"models/u/g","weight":1.50}} ], "model_new":1.0 }"#;

#[tokio::test]
async fn gemini_gets_what_geminis_clients_wrote() {
    let answer = r#"{"embeddings":[{"values":[0.50]},{"values":[1]},{"shape":[1],"values":[2e0]}],"new":1}"#;
    let script = Script::always(200, JSON, answer).await;
    let house = house(vec![script.speaking(Dialect::Gemini)]).await;
    house.policy(plenty()).await;
    let answered = embed(&house, asked(Form::GeminiMany, Some("u/g"), MANY)).await;
    assert_eq!((answered.status, answered.text().as_str()), (200, answer));
    let [seen] = &script.seen()[..] else { panic!("it is asked once") };
    assert_eq!(seen.path, "/v1/models/g:batchEmbedContents");
    let expected = MANY
        .replacen(r#""models/u/g""#, r#""models/g""#, 1)
        .replacen(r#""models/u\/g""#, r#""models/g""#, 1)
        .replacen(r#""model" : "g""#, r#""model" : "models/g""#, 1);
    assert_eq!(String::from_utf8_lossy(&seen.bytes), expected);
    // Nothing was told of tokens; no more are counted than were set aside.
    let call = house.close().await.only();
    assert!(call.outcome == CallOutcome::Ok && (1..3000).contains(&call.tokens.input), "{call:?}");

    let one = r#"{"content":{"parts":[{"fileData":{"fileUri":"https://x.example/a"}}]},"title":"t","new":[1.0],"model":"models/x"}"#;
    let answer = r#"{"embedding":{"values":[1.0]},"usageMetadata":{"promptTokenCount":9,"new":1}}"#;
    let script = Script::always(200, JSON, answer).await;
    let house = super::house(vec![script.speaking(Dialect::Gemini)]).await;
    let answered = embed(&house, asked(Form::GeminiOne, Some("u/g"), one)).await;
    assert_eq!((answered.status, answered.text().as_str()), (200, answer));
    assert_eq!(script.seen()[0].path, "/v1/models/g:embedContent");
    assert_eq!(String::from_utf8_lossy(&script.seen()[0].bytes), one.replace("models/x", "models/g"));
    assert_eq!(house.close().await.only().tokens.input, 9);
}

#[tokio::test]
async fn no_other_model_is_named_behind_the_back_of_whoever_counts() {
    let script = Script::always(200, JSON, r#"{"embeddings":[{"values":[1]}]}"#).await;
    let house = house(vec![script.speaking(Dialect::Gemini)]).await;
    let content = r#""content":{"parts":[{"text":"x"}]}"#;
    for body in [
        format!(r#"{{"requests":[{{"model":"models/dear","model":"models/dear",{content}}}]}}"#),
        format!(r#"{{"requests":[],"requests":[{{"model":"models/dear",{content}}}]}}"#),
        r#"{"requests":{"model":"models/dear"}}"#.to_owned(),
        r#"{"requests":["models/dear"]}"#.to_owned(),
        json!({ "requests": vec![json!({ "model": "g" }); 10_001] }).to_string(),
    ] {
        let refused = embed(&house, asked(Form::GeminiMany, Some("u/g"), &body)).await;
        assert_eq!((refused.status, refused.code()), (400, "llm.bad_request"), "{refused:?}");
    }
    for name in [r#""mod\u0065l""#, r#""model""#] {
        let body = format!(r#"{{"requests":[{{{name}:"models/dear",{content}}}]}}"#);
        embed(&house, asked(Form::GeminiMany, Some("u/g"), &body)).await;
    }
    for seen in script.seen() {
        assert_eq!(seen.body["requests"][0]["model"], "models/g", "{seen:?}");
    }
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn other_forms_are_still_written_anew_and_refused_where_they_cannot_be() {
    let script =
        Script::always(200, JSON, r#"{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":5}}"#).await;
    let house = house(vec![script.settings()]).await;
    let text = r#"{"content":{"parts":[{"text":"x"}]},"title":"t"}"#;
    let answered = embed(&house, asked(Form::GeminiOne, Some("u/g"), text)).await;
    let expected = json!({ "embedding": { "values": [1.0] }, "usageMetadata": { "promptTokenCount": 5 } });
    assert_eq!((answered.status, answered.json()), (200, expected));
    assert_eq!(script.seen()[0].body, json!({ "model": "g", "input": "x", "encoding_format": "float" }));
    let picture = r#"{"content":{"parts":[{"inlineData":{"data":"aGk="}}]}}"#;
    let refused = embed(&house, asked(Form::GeminiOne, Some("u/g"), picture)).await;
    assert_eq!((refused.status, refused.code()), (400, "llm.bad_request"), "{refused:?}");
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn a_server_of_both_dialects_is_asked_in_the_askers() {
    for (form, path) in [(Form::OpenAi, "/v1/embeddings"), (Form::GeminiOne, "/v1/models/m:embedContent")] {
        let script = Script::always(200, JSON, r#"{"data":[{"embedding":[1]}],"embedding":{"values":[1]}}"#).await;
        for dialects in [vec![Dialect::Anthropic, Dialect::Gemini, Dialect::Chat], vec![Dialect::Chat, Dialect::Gemini]]
        {
            let house = house(vec![UpstreamSettings { dialects, ..script.settings() }]).await;
            let body = r#"{"model":"u/m","input":"x","content":{"parts":[{"text":"x"}]}}"#;
            let answered = embed(&house, asked(form, Some("u/m").filter(|_| form != Form::OpenAi), body)).await;
            assert_eq!(answered.status, 200, "{answered:?}");
        }
        assert!(script.seen().iter().all(|seen| seen.path == path), "{:?}", script.seen());
    }
}

#[tokio::test]
async fn models_that_only_embed_are_found_by_their_bare_name() {
    let script = Script::start(|seen, _| async move {
        let item = |id: &str| json!({ "id": id, "owned_by": "organization_owner" });
        let body = match seen.path.as_str() {
            "/v1/models" => json!({ "data": [item("talk"), item("nomic-embed-text")] }),
            "/api/v0/models" => {
                json!({ "data": [{ "id": "talk", "type": "llm" }, { "id": "nomic-embed-text", "type": "embeddings" }] })
            }
            _ => json!({ "data": [{ "index": 0, "embedding": [1] }] }),
        };
        answer(200, JSON, Body::from(body.to_string()))
    })
    .await;
    let house = script.house().await;
    let body = r#"{"model":"nomic-embed-text","input":"x"}"#;
    let answered = embed(&house, asked(Form::OpenAi, None, body)).await;
    assert_eq!((answered.status, answered.header("x-coditect-model")), (200, "u/nomic-embed-text"), "{answered:?}");
}
