//! Which models people are told of: those that they may ask, wherever they look.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use axum::routing::get;
use axum::{Json, Router};
use coditect_api::settings::UpstreamGiven;
use coditect_protocol::call::{Reply, Request};
use coditect_protocol::chat::ModelList;
use serde_json::{Value, json};
use support::upstream::govern;
use support::{Person, server};
use tokio::net::TcpListener;

/// A model server that tells of its models what LM Studio tells.
async fn upstream() -> UpstreamGiven {
    let models = json!({ "data": [
        { "id": "large", "type": "llm", "state": "not-loaded" },
        { "id": "small", "type": "llm", "state": "loaded" },
        { "id": "vectors", "type": "embeddings", "state": "not-loaded" },
    ] });
    let app = Router::new().route("/v1/models", get(async move || Json(models)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    UpstreamGiven::new("up", url)
}

fn ids(list: &ModelList) -> Vec<&str> {
    list.models.iter().map(|model| model.id.as_str()).collect()
}

/// What a person is told by the API, in the IDE and at the door for OpenAI's clients.
async fn told(person: &Person) -> (ModelList, ModelList, Vec<Value>) {
    let list = person.ask("GET", "/llm/models?refresh=true", Value::Null).await;
    let Ok(Reply::Models(shown)) =
        person.page().await.call(Request::ListModels { refresh: false, workspace: None }).await
    else {
        panic!("the IDE is told nothing")
    };
    let door: Value = person.ask("GET", "/llm/v1/models", Value::Null).await;
    (list, shown, door["data"].as_array().unwrap().clone())
}

#[tokio::test]
async fn people_are_told_of_what_they_may_ask() {
    let upstream = upstream().await;
    let server = server(|settings| settings.llm_upstream = vec![upstream]).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    govern(&ada, json!({ "allowed": [{ "role": "member", "models": ["up/small", "up/vectors"] }] })).await;

    let (list, shown, door) = told(&ada).await;
    assert_eq!((ids(&list), ids(&shown)), (vec!["up/large", "up/small"], vec!["up/large", "up/small"]));
    let loaded: Vec<_> = door.iter().map(|model| (model["id"].as_str().unwrap(), model["loaded"].as_bool())).collect();
    assert_eq!(loaded, [("up/large", Some(false)), ("up/small", Some(true)), ("up/vectors", Some(false))]);

    let (list, shown, door) = told(&eve).await;
    assert_eq!((ids(&list), ids(&shown)), (vec!["up/small"], vec!["up/small"]));
    assert_eq!(door.iter().map(|model| model["id"].as_str().unwrap()).collect::<Vec<_>>(), ["up/small", "up/vectors"]);
    let found: Value = eve.ask("GET", "/llm/v1/models/up/vectors", Value::Null).await;
    assert_eq!(found["id"], "up/vectors");
    let (status, _) = eve.refused(eve.request("GET", "/llm/v1/models/up/large")).await;
    assert_eq!(status, 404);
    // Who is to talk to it is not offered what only makes vectors.
    let request = eve.request("GET", "/llm/v1/models").header("anthropic-version", "2023-06-01");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((answer["data"].as_array().unwrap().len(), &answer["first_id"]), (1, &json!("up/small")));

    govern(&ada, json!({ "allowed": [{ "role": "member", "models": [] }] })).await;
    let (list, shown, door) = told(&eve).await;
    assert!(list.models.is_empty() && shown.models.is_empty() && door.is_empty());
    assert!(list.advice.unwrap().contains("ask an admin") && shown.advice.unwrap().contains("ask an admin"));
    server.stop().await;
}
