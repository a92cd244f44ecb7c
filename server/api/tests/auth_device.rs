//! Logging in programs without a browser (RFC 8628).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use coditect_protocol::auth::{DeviceCode, DeviceRequest, TokenAnswer};
use serde_json::{Value, json};
use support::{TestServer, client, server};

async fn begin(server: &TestServer) -> DeviceCode {
    server.post("/auth/device/code", &json!({"client_name": "a program"})).await.json().await.unwrap()
}

/// Status, code and the word of OAuth.
async fn told(response: reqwest::Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("error"))
}

fn expected(status: u16, code: &str, error: &str) -> (u16, String, String) {
    (status, code.to_owned(), error.to_owned())
}

async fn poll(server: &TestServer, code: &str) -> reqwest::Response {
    server.post("/auth/device/token", &json!({"device_code": code})).await
}

async fn form(server: &TestServer, path: &str, text: &str) -> reqwest::Response {
    client()
        .post(server.url(&format!("/api/v5/auth/device/{path}")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(text.to_owned())
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_person_lets_a_program_in() {
    let server = server(|settings| settings.public_url = "https://ide.example.org/".to_owned()).await;
    let ada = server.person("ada").await;
    let code = begin(&server).await;
    assert_eq!(code.verification_uri, "https://ide.example.org/device");
    assert!(code.verification_uri_complete.contains(&code.user_code));
    assert_eq!(
        told(poll(&server, &code.device_code).await).await,
        expected(400, "auth.authorization_pending", "authorization_pending")
    );
    assert_eq!(told(poll(&server, &code.device_code).await).await, expected(400, "auth.slow_down", "slow_down"));
    let path = format!("/auth/device/{}", code.user_code);
    let shown: DeviceRequest = ada.ask("GET", &path, Value::Null).await;
    assert_eq!((shown.client_name.as_str(), shown.address.as_deref()), ("a program", Some("127.0.0.1")));
    ada.ask::<()>("POST", &path, json!({"approve": true})).await;
    let response = loop {
        let response = poll(&server, &code.device_code).await;
        if response.status() == 200 {
            break response;
        }
        assert_eq!(told(response).await.2, "slow_down");
        tokio::task::yield_now().await;
    };
    // A program's login must never become a browser's.
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let token: TokenAnswer = response.json().await.unwrap();
    assert_eq!(token.session.user.id, ada.token.session.user.id);
    let again = told(poll(&server, &code.device_code).await).await;
    assert_eq!((again.0, again.2.as_str()), (404, "invalid_grant"), "{again:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_person_can_refuse_and_others_learn_nothing() {
    let server = server(|_| {}).await;
    let ada = server.person("ada").await;
    let code = begin(&server).await;
    assert_eq!(code.verification_uri, server.url("/device"));
    let unknown = (404, "auth.no_such_device_code".to_owned());
    for guess in ["BCDF-GHJK", "x", "%20", "ä"] {
        assert_eq!(ada.refused_to("GET", &format!("/auth/device/{guess}"), Value::Null).await, unknown, "{guess}");
        assert_eq!(ada.refused_to("POST", &format!("/auth/device/{guess}"), json!({"approve": true})).await, unknown);
    }
    ada.ask::<()>("POST", &format!("/auth/device/{}", code.user_code), json!({"approve": false})).await;
    assert_eq!(
        told(poll(&server, &code.device_code).await).await,
        expected(400, "auth.device_denied", "access_denied")
    );
    assert_eq!(told(poll(&server, "forged").await).await, expected(404, "auth.no_such_device_code", "invalid_grant"));
    server.stop().await;
}

#[tokio::test]
async fn programs_may_speak_the_forms_of_the_rfc() {
    let server = server(|_| {}).await;
    let begun = form(&server, "code", "client_id=a+program&scope=everything").await;
    let code: DeviceCode = begun.json().await.unwrap();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    let asked = form(&server, "token", &format!("{grant}&client_id=a+program&device_code={}", code.device_code)).await;
    assert_eq!(told(asked).await, expected(400, "auth.authorization_pending", "authorization_pending"));
    for (path, text, answer) in [
        ("token", "grant_type=password&device_code=x", expected(400, "api.grant_type", "unsupported_grant_type")),
        ("token", "device_code=x", expected(400, "api.bad_body", "invalid_request")),
        ("token", "%ff=%", expected(400, "api.bad_body", "invalid_request")),
        ("code", "", expected(400, "api.bad_body", "invalid_request")),
    ] {
        assert_eq!(told(form(&server, path, text).await).await, answer, "{path} {text}");
    }
    let odd = client().post(server.url("/api/v5/auth/device/token")).body("x").send().await.unwrap();
    assert_eq!(told(odd).await, expected(400, "api.media_type", "invalid_request"));
    server.stop().await;
}
