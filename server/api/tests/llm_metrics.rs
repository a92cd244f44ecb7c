//! The server's numbers, as Prometheus reads them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::upstream::{Upstream, ask, govern, question};
use support::{PASSWORD, Person, refusal, server};

/// Reads the text format, version 0.0.4; the samples by name and labels.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            let (name, said) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && !said.is_empty(), "{line}");
            if kind == "TYPE" {
                assert!(["counter", "gauge", "histogram"].contains(&said), "{line}");
                assert!(types.insert(name.to_owned(), said.to_owned()).is_none(), "told twice: {line}");
            } else {
                assert_eq!(kind, "HELP", "{line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(is_name(name) && labels.ends_with('}'), "{line}");
        let of_histogram =
            |end: &str| name.strip_suffix(end).is_some_and(|name| types.get(name).is_some_and(|t| t == "histogram"));
        assert!(
            types.contains_key(name) || ["_bucket", "_sum", "_count"].into_iter().any(of_histogram),
            "no type: {line}"
        );
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(samples.insert(series.to_owned(), value).is_none(), "told twice: {line}");
    }
    samples
}

async fn metrics(person: &Person) -> BTreeMap<String, f64> {
    let response = person.request("GET", "/metrics").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    parsed(&response.text().await.unwrap())
}

#[tokio::test]
async fn calls_and_refusals_are_counted_and_the_text_can_be_read() {
    let (_, upstream) = Upstream::start("up").await;
    let server = server(|settings| settings.llm_upstream = vec![upstream]).await;
    let ada = server.person("ada@example.org").await;
    govern(&ada, json!({"prices": [{"model": "up/*", "input": 1, "output": 2}]})).await;
    let before = metrics(&ada).await;
    assert!(before["coditect_uptime_seconds"] > 0.0 && before["coditect_connections"] >= 1.0);
    assert_eq!((before["coditect_links"], before["coditect_llm_conversations_dropped_total"]), (0.0, 0.0));
    let mut page = ada.page().await;
    ask(&ada, "up/small", "codex").await;
    ask(&ada, "up/small", "quote\" and \\").await;
    assert_eq!(refusal(question(&ada, "up2/none").send().await.unwrap()).await, (404, "llm.unknown_model".to_owned()));
    let program = ada.with_token(&["metrics"]).await;
    let counted = |samples: &BTreeMap<String, f64>| {
        let named = |start: &str| {
            samples.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value).sum::<f64>()
        };
        (named("coditect_llm_calls_total{"), named("coditect_llm_refusals_total{code=\"llm.unknown_model\"}"))
    };
    let mut after = metrics(&program).await;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let waiting = async {
        while counted(&after) != (3.0, 1.0) {
            tick.tick().await;
            after = metrics(&program).await;
        }
    };
    tokio::time::timeout(support::LIMIT, waiting).await.expect("they were never counted");
    assert_eq!(after["coditect_links"], 1.0);
    assert!(after["coditect_uptime_seconds"] >= before["coditect_uptime_seconds"]);
    drop(page.take_socket());
    server.stop().await;
}

#[tokio::test]
async fn they_are_for_admins_and_their_monitoring_alone() {
    let server = server(|_| {}).await;
    let ada = server.person("ada@example.org").await;
    let eve = server.person("eve@example.org").await;
    assert_eq!(eve.refused_to("GET", "/metrics", Value::Null).await, (403, "auth.not_admin".to_owned()));
    let wanted = json!({"name": "x", "scopes": ["llm", "metrics"], "expires_in_days": 1, "password": PASSWORD});
    assert_eq!(eve.refused_to("POST", "/auth/tokens", wanted).await, (403, "auth.not_admin".to_owned()));
    for other in ["llm", "usage:read", "account:read", "admin"] {
        let program = ada.with_token(&[other]).await;
        assert_eq!(program.refused_to("GET", "/metrics", Value::Null).await, (403, "auth.scope".to_owned()), "{other}");
    }
    let program = ada.with_token(&["metrics"]).await;
    metrics(&program).await;
    for path in ["/auth/me", "/llm/models", "/llm/usage", "/admin/people", "/admin/llm/policy", "/admin/llm/usage"] {
        assert_eq!(program.refused_to("GET", path, Value::Null).await, (403, "auth.scope".to_owned()), "{path}");
    }
    // Whose person is no admin any more is worth nothing.
    let of_eve = format!("/admin/people/{}", eve.token.session.user.id);
    let _: Value = ada.ask("PATCH", &of_eve, json!({"role": "admin"})).await;
    let of_eves = eve.with_token(&["metrics"]).await;
    metrics(&of_eves).await;
    let _: Value = ada.ask("PATCH", &of_eve, json!({"role": "member"})).await;
    assert_eq!(of_eves.refused_to("GET", "/metrics", Value::Null).await, (403, "auth.not_admin".to_owned()));
    server.stop().await;
}
