//! A model server that answers everything in the dialect of chat completions, and remembers the key that it was asked with.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use coditect_api::settings::UpstreamGiven;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Person;

/// What each answer says that it took.
pub const INPUT_TOKENS: u64 = 1000;
pub const OUTPUT_TOKENS: u64 = 500;
/// What it says.
pub const ANSWER: &str = "Forty-two.";

/// See the module. Its one model is `small`; `broken` is refused.
#[derive(Clone, Default)]
pub struct Upstream {
    last_key: Arc<Mutex<Option<String>>>,
}

impl Upstream {
    /// Starts it. It ends with the test.
    pub async fn start(name: &str) -> (Self, UpstreamGiven) {
        let upstream = Self::default();
        let app = Router::new()
            .route(
                "/v1/models",
                get(async || Json(json!({"object": "list", "data": [{"id": "small", "object": "model"}]}))),
            )
            .route("/v1/chat/completions", post(answer))
            .with_state(upstream.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (upstream, UpstreamGiven::new(name, url))
    }

    /// The key that the last question came with.
    pub fn last_key(&self) -> Option<String> {
        self.last_key.lock().unwrap().clone()
    }
}

async fn answer(State(upstream): State<Upstream>, headers: HeaderMap, Json(question): Json<Value>) -> Response {
    let key = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    *upstream.last_key.lock().unwrap() = key;
    let model = &question["model"];
    if model == "broken" {
        let error = json!({"error": {"message": "It is broken.", "type": "invalid_request_error"}});
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    }
    let total = INPUT_TOKENS + OUTPUT_TOKENS;
    Json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total},
    }))
    .into_response()
}

/// A question at the door of chat completions.
pub fn question(person: &Person, model: &str) -> reqwest::RequestBuilder {
    let body = json!({
        "model": model, "max_tokens": OUTPUT_TOKENS, "messages": [{"role": "user", "content": "What is the answer?"}],
    });
    person.request("POST", "/llm/v1/chat/completions").json(&body)
}

/// Asks, and expects an answer; the call's id.
pub async fn ask(person: &Person, model: &str, agent: &str) -> String {
    let response = question(person, model).header("x-coditect-agent", agent).send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert!(status.is_success() && text.contains(ANSWER), "{status}: {text}");
    headers["x-coditect-call"].to_str().unwrap().to_owned()
}

/// Asks for something until it is as it should be.
pub async fn eventually<T: serde::de::DeserializeOwned>(person: &Person, path: &str, holds: impl Fn(&T) -> bool) -> T {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let waiting = async {
        loop {
            tick.tick().await;
            let found = person.ask("GET", path, Value::Null).await;
            if holds(&found) {
                return found;
            }
        }
    };
    tokio::time::timeout(super::LIMIT, waiting).await.unwrap_or_else(|_| panic!("{path} never became so"))
}

/// Puts a policy in force over whatever is.
pub async fn govern(admin: &Person, policy: Value) {
    let seen: Value = admin.ask("GET", "/admin/llm/policy", Value::Null).await;
    let _: Value = admin.ask("PUT", "/admin/llm/policy", json!({"version": seen["version"], "policy": policy})).await;
}
